"""`verify --cache`: each cache that the pipelines name is there, whole, of one image, and how old it is.

A cache has one of BuildKit's three forms (facts 25), or stands inline in an image's configuration.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from codemods.engine.report.model import CheckResult, CheckState, count
from codemods.errors import CodemodError
from codemods.facts.images import canonical
from codemods.facts.references import cache_entries, split_repository, written_caches
from codemods.http import Unreachable
from codemods.registry.integrity import Walk
from codemods.registry.manifest import DOCKER_LIST, OCI_INDEX, Broken, Descriptor, Manifest
from codemods.registry.names import is_known, variants
from codemods.registry.places import open_private, open_public
from codemods.registry.words import in_bytes, in_time

if TYPE_CHECKING:
    from codemods.cli.session import Session
    from codemods.facts.pipelines import Build
    from codemods.registry.client import RegistryClient

CHECK = "cache"
INLINE = "moby.buildkit.cache.v0"
_LARGEST_CONFIG = 16 * 1024 * 1024


@dataclass
class Cache:
    """A reference, where it is read or written, and the images of each step that writes it."""

    reference: str
    where: str
    images: list[set[str]] = field(default_factory=list)
    writers: list[str] = field(default_factory=list)

    @property
    def name(self) -> tuple[str, str, str]:
        """Host, repository and tag."""
        repository, _, tag = self.reference.rpartition(":")
        if not repository or "/" in tag:
            repository, tag = self.reference, "latest"
        return (*split_repository(repository), tag)

    def is_shared(self) -> bool:
        """Whether two steps write it for images that have no name in common."""
        return any(one and other and not one & other for one in self.images for other in self.images)


def inspect_caches(session: Session, show: Callable[[int, int], object]) -> Iterator[CheckResult]:
    """One result for each reference, in the pipelines' order; `show` is told how many are done, and of how many."""
    session.settings.require("registry.hostname")
    caches = list(named_caches(session.context.builds).values())
    ours = session.settings.registry.host
    others = [cache.name[0] for cache in caches if is_known(cache.reference) and cache.name[0] != ours]
    with open_private(session) as private, open_public(session, others) as public:
        registries = {**public, ours: private}
        for done, cache in enumerate(caches):
            show(done, len(caches))
            if is_known(cache.reference):
                yield _result(cache, registries[cache.name[0]], is_ours=cache.name[0] == ours)
            else:
                message = f"its name depends on variables of CI ({cache.where}): not known here"
                yield CheckResult(CHECK, cache.reference, CheckState.SKIPPED, message)


def named_caches(builds: tuple[tuple[str, Build], ...]) -> dict[str, Cache]:
    """Every cache in a registry that a step reads or writes, by its reference."""
    found: dict[str, Cache] = {}
    for path, build in builds:
        where = f"{path}, step {build.name}"
        read = [entry for entry in cache_entries(build, "cache_from") if entry.type == "registry" and entry.reference]
        for entry in read:
            for reference in variants(build, entry.reference):
                found.setdefault(reference, Cache(reference, where))
        for entry in written_caches(build):
            for reference in variants(build, entry.reference):
                cache = found.setdefault(reference, Cache(reference, where))
                cache.images.append({canonical(name) for name in build.repositories or ()})
                cache.writers.append(where)
    return found


def _result(cache: Cache, registry: RegistryClient | Unreachable, *, is_ours: bool) -> CheckResult:
    try:
        if isinstance(registry, Unreachable):
            raise registry
        problem, about = _look(cache, registry)
    except CodemodError as error:
        # Somebody else's registry may be out of reach, or closed to us, without anything being wrong here.
        state = CheckState.ERROR if is_ours else CheckState.SKIPPED
        return CheckResult(CHECK, cache.reference, state, str(error))
    if not problem and cache.is_shared():
        writers = "; ".join(dict.fromkeys(cache.writers))
        problem = f"steps for several images write it and throw each other's layers away ({writers})"
    state = CheckState.FAIL if problem else CheckState.PASS
    return CheckResult(CHECK, cache.reference, state, "\n".join(filter(None, (problem, about))))


def _look(cache: Cache, registry: RegistryClient) -> tuple[str, str]:
    """What is wrong with a cache, and what there is to know of it."""
    _, repository, tag = cache.name
    try:
        manifest = registry.manifest(repository, tag)
    except Broken as broken:
        if registry.digest(repository, tag) is not None:
            return f"it is damaged: {broken}", ""
        by = "no build has written it yet" if cache.writers else "no pipeline of this repository writes it"
        return f"it is not there: {by} ({cache.where})", ""
    walk = Walk(_OneTag(registry, repository, tag))
    damage = list(walk.damage())
    configs = list(_configs(registry, repository, manifest))
    about = f"{_form(manifest)}, {count(walk.counts.blobs, 'blob')}, {in_bytes(walk.counts.size)}, {_age(configs)}"
    if damage:
        more = f", and {len(damage) - 1} more" if len(damage) > 1 else ""
        return f"it is damaged: {damage[0].reason}{more}", about
    if not manifest.is_cache and not any(isinstance(config, dict) and INLINE in config for config in configs):
        return "it is an image that carries no cache", about
    return "", about


@dataclass(frozen=True)
class _OneTag:
    """A registry of which one tag is looked at."""

    registry: RegistryClient
    repository: str
    tag: str

    def repositories(self) -> Iterator[str]:
        return iter([self.repository])

    def tags(self, repository: str) -> list[str]:
        return [self.tag]

    def manifest(self, repository: str, reference: str) -> Manifest:
        return self.registry.manifest(repository, reference)

    def blob_size(self, repository: str, digest: str) -> int | None:
        return self.registry.blob_size(repository, digest)

    def read_blob(self, repository: str, blob: Descriptor) -> None:
        self.registry.read_blob(repository, blob)


def _form(manifest: Manifest) -> str:
    if not manifest.is_cache:
        return "inline in an image"
    forms = {OCI_INDEX: "OCI index", DOCKER_LIST: "Docker list"}
    return f"{forms.get(manifest.media_type, 'image manifest')} ({manifest.media_type})"


def _configs(registry: RegistryClient, repository: str, manifest: Manifest) -> Iterator[Any]:
    """The configurations of a cache or image, of all platforms, as far as they can be read."""
    try:
        if manifest.config is not None and manifest.config.size <= _LARGEST_CONFIG:
            yield json.loads(registry.blob(repository, manifest.config))
        for child in manifest.children:
            yield from _configs(registry, repository, registry.manifest(repository, child.digest))
    except (Broken, ValueError, RecursionError):
        return


def _age(configs: list[Any]) -> str:
    times = [time for config in configs for time in _times(config)]
    if not times:
        return "age unknown"
    return f"written {in_time(max(0.0, (datetime.now(UTC) - max(times)).total_seconds()))} ago"


def _times(config: Any) -> Iterator[datetime]:
    """Every moment at which something in a configuration was made."""
    waiting = [config]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            yield from (time for key in ("createdAt", "created") if (time := _time(item.get(key))))
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item


def _time(value: object) -> datetime | None:
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    # Go writes the year 1 for "not known"; builds that can be repeated put 1970 there.
    return found if found and found.tzinfo and found.year > 1980 else None
