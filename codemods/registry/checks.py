"""The checks of `codemod verify` that ask a registry, or read its storage."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from codemods.engine.report.model import CheckResult, CheckState, count

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codemods.cli.options import CommonOptions
    from codemods.cli.session import Session
    from codemods.cli.verify import Options
    from codemods.registry.client import RegistryClient
    from codemods.registry.integrity import Counts, Damage
    from codemods.registry.storage import Storage

_SHOWN = 5
"""Tags that a damage names; an image of a hundred tags suffers in all of them."""


def check_registry(session: Session, options: Options, common: CommonOptions) -> Iterator[CheckResult]:
    """Whether the private registry answers, takes a push and gives it back."""
    from codemods.registry.reach import reach_registry

    yield from reach_registry(session)


def check_images(session: Session, options: Options, common: CommonOptions) -> Iterator[CheckResult]:
    """Whether the private registry has what the pipelines push, the same as the public ones."""
    from codemods.cli.progress import progress
    from codemods.registry.images import compare_images

    with progress("comparing images", quiet=common.verbosity < 0) as show:
        yield from compare_images(session, show)


def check_cache(session: Session, options: Options, common: CommonOptions) -> Iterator[CheckResult]:
    """Whether the caches that the pipelines name are there and whole."""
    from codemods.cli.progress import progress
    from codemods.registry.caches import inspect_caches

    with progress("looking at caches", quiet=common.verbosity < 0) as show:
        yield from inspect_caches(session, show)


def check_integrity(session: Session, options: Options, common: CommonOptions) -> Iterator[CheckResult]:
    """Whether all that tags lead to is there: in the private registry, or in a storage directory."""
    if options.storage:
        from codemods.registry.storage import Storage

        yield from _walk(Storage(common.directory / Path(options.storage).expanduser()), options, common)
        return
    from codemods.registry.places import open_private

    with open_private(session) as registry:
        yield from _walk(registry, options, common)


def _walk(source: RegistryClient | Storage, options: Options, common: CommonOptions) -> Iterator[CheckResult]:
    from codemods.cli.progress import progress
    from codemods.registry.integrity import Walk

    found = 0
    with progress(f"walking {source.name}", quiet=common.verbosity < 0) as show:
        walk = Walk(source, sample=options.sample, show=show)
        for damage in walk.damage():
            found += 1
            yield CheckResult("integrity", _target(damage), CheckState.FAIL, _message(damage))
    counted = _counted(walk.counts)
    whole = f"everything else is whole, of {counted}; push the damaged again" if found else f"whole: {counted}"
    yield CheckResult("integrity", source.name, CheckState.PASS, whole)


def _target(damage: Damage) -> str:
    return f"{damage.repository}:{damage.tags[0]}" if damage.tags else damage.repository


def _message(damage: Damage) -> str:
    others = damage.tags[1:]
    if not others:
        return damage.reason
    more = f" and {len(others) - _SHOWN} more" if len(others) > _SHOWN else ""
    return f"{damage.reason}; {'tags' if len(others) > 1 else 'tag'} {', '.join(others[:_SHOWN])}{more} too"


def _counted(counts: Counts) -> str:
    from codemods.registry.words import in_bytes

    repositories = "1 repository" if counts.repositories == 1 else f"{counts.repositories} repositories"
    parts = [repositories, count(counts.tags, "tag"), count(counts.manifests, "manifest"), count(counts.blobs, "blob")]
    read = f", {counts.read} of them read" if counts.read else ""
    return f"{', '.join(parts)} of {in_bytes(counts.size)}{read}"
