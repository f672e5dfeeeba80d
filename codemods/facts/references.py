"""What references name: the registry of an image, the entries of a cache setting, the registry of a login."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from codemods.caching.plugin import Form
from codemods.facts.pipelines import Build
from codemods.formats.yaml import Mapping, Node, Scalar, Sequence, merged, resolve, text_of

CACHE_KEYS = ("cache_from", "cache_to", "cache_images")
DOCKER_HUB = "docker.io"
_HUB_HOSTS = (DOCKER_HUB, "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com", "hub.docker.com")
_FIELDS = re.compile(r"(?:\$\{[^}]*\}|\\(?!,)|[^,\\])+")
_HIDDEN = ("secrets", "environment", "volumes")
_NO_CREDENTIALS = ("registry", "mirrors")
_HAS_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
"""What Go takes for a scheme, a plain host name before its port among it."""


class CacheEntry:
    """One cache that a setting means, in whatever form it is written; `node` is the scalar in which it begins."""

    __slots__ = ("attributes", "node", "reference", "type")

    def __init__(self, node: Scalar, type: str = "registry", reference: str = "") -> None:
        self.node = node
        self.type = type
        self.reference = reference
        self.attributes: dict[str, str] = {}


class CacheWriter(NamedTuple):
    """A step that writes a cache, with the path of its pipeline."""

    path: str
    build: Build
    entry: CacheEntry


class Login(NamedTuple):
    """A registry that a step logs in to: `host` as Docker keeps it, None when it is not written out."""

    host: str | None
    registry: Node | None
    has_credentials: bool


def registry_of(reference: str) -> str | None:
    """`host:port` of an image reference; None when a variable stands in its place."""
    first, slash, _ = reference.partition("/")
    if "$" in first:
        return None
    is_host = slash and ("." in first or ":" in first or first == "localhost")
    return _canonical_host(first) if is_host else DOCKER_HUB


def split_repository(repository: str) -> tuple[str, str]:
    """Host and name of a repository without tag, as the API of its registry takes them."""
    host = registry_of(repository) or ""
    first, slash, rest = repository.partition("/")
    has_host = slash and ("." in first or ":" in first or first == "localhost")
    name = rest if has_host else repository
    return host, f"library/{name}" if host == DOCKER_HUB and "/" not in name else name


def login_host(registry: str) -> str | None:
    """`host:port` under which Docker keeps a login; scheme and path do not count, the port does (facts 36)."""
    host = re.sub(r"\A[a-z]+://", "", registry.strip(), flags=re.IGNORECASE).partition("/")[0]
    return None if "$" in host else _canonical_host(host)


def needs_scheme(registry: str) -> bool:
    """Whether Go's `url.Parse` refuses it: no scheme, and a colon before the first slash."""
    return "$" not in registry and not _HAS_SCHEME.match(registry) and ":" in registry.partition("/")[0]


def with_scheme(registry: str, scheme: str) -> str:
    """The registry with a scheme where it needs one."""
    return f"{scheme}://{registry}" if needs_scheme(registry) else registry


def _canonical_host(host: str) -> str:
    host = host.lower()
    return DOCKER_HUB if host in _HUB_HOSTS or not host else host


def cache_entries(build: Build, key: str) -> list[CacheEntry]:
    """The caches of one setting, commas read as the writer meant them: `type=…` begins the next long form."""
    found: list[CacheEntry] = []
    for node, text in _fields(build.value(key)):
        name, equals, value = (part.strip() for part in text.partition("="))
        if not equals or "/" in name:
            found.append(CacheEntry(node, reference=text.strip()))
        elif name == "type":
            found.append(CacheEntry(node, type=value))
        elif name == "ref" and (not found or found[-1].reference):
            found.append(CacheEntry(node, reference=value))
        elif name == "ref":
            found[-1].reference = value
        elif found:
            found[-1].attributes[name] = value
    return found


def _fields(node: Node | None) -> Iterator[tuple[Scalar, str]]:
    for item in node.items if isinstance(node, Sequence) else [node]:
        scalar = resolve(item) if item else None
        if isinstance(scalar, Scalar):
            yield from ((scalar, text) for text in _FIELDS.findall(scalar.value) if text.strip())


def written_caches(build: Build) -> list[CacheEntry]:
    """The caches in registries that a step writes, by `cache_to` or `cache_images`, where its version has them."""
    row = build.plugin.row
    has_target = row is None or row.cache_to is not Form.ABSENT
    has_images = row is None or row.cache_images is not Form.ABSENT
    entries = [
        *(cache_entries(build, "cache_to") if has_target else ()),
        *(cache_entries(build, "cache_images") if has_images else ()),
    ]
    return [entry for entry in entries if entry.type == "registry" and entry.reference]


def read_cache_writers(builds: Iterable[tuple[str, Build]]) -> dict[str, list[CacheWriter]]:
    """The steps that write each cache, by its reference."""
    found: dict[str, list[CacheWriter]] = {}
    for path, build in builds:
        if build.plugin.kind != "other":
            for entry in written_caches(build):
                found.setdefault(entry.reference, []).append(CacheWriter(path, build, entry))
    return found


def logins_of(build: Build) -> list[Login] | None:
    """All logins of a step, the default one first; None when they are not all written out.

    `secrets`, `environment` and `volumes` of a step may hold credentials under names that are not seen here.
    """
    if any(pair.name in _HIDDEN for pair, _ in merged(build.step)) or build.setting("config"):
        return None
    found = []
    if build.setting("username") or build.setting("password"):
        registry = build.value("registry")
        found.append(_login(registry, default=registry is None, has_credentials=True))
    listed = build.value("logins")
    if listed is not None and not isinstance(listed, Sequence):
        return None
    for item in listed.items if isinstance(listed, Sequence) else ():
        entry = resolve(item)
        if not isinstance(entry, Mapping):
            return None
        pairs = {pair.name or "": pair.value for pair, _ in reversed(list(merged(entry)))}
        registry = resolve(pairs["registry"]) if "registry" in pairs else None
        has_credentials = any(name not in _NO_CREDENTIALS for name in pairs)
        found.append(_login(registry, default=registry is None, has_credentials=has_credentials))
    return None if any(login.host is None for login in found) else found


def _login(registry: Node | None, *, default: bool, has_credentials: bool) -> Login:
    text = text_of(registry)
    host = DOCKER_HUB if default else login_host(text) if text is not None else None
    return Login(host, registry, has_credentials)
