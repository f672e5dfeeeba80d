"""Local image names: how the private registry calls what pipelines push elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from codemods.facts.pipelines import Build

_SLASH_OUTSIDE = re.compile(r"/(?![^{]*\})")
_TAG = re.compile(r":(?:\$\{[^}]*\}|[\w.$-])+\Z")


@dataclass(frozen=True)
class ImageNames:
    """Name by primary repository; `collisions` lists the primaries whose short names clashed."""

    names: Mapping[str, str]
    collisions: tuple[tuple[str, ...], ...]

    def of(self, primary: str) -> str:
        """The local name of a primary repository."""
        return self.names[canonical(primary)]


def canonical(repository: str) -> str:
    """A repository without tag and without Docker Hub's host, which may be left out."""
    without_tag = repository if _SLASH_OUTSIDE.search(repository) is None else _TAG.sub("", repository)
    return re.sub(r"\A(?:index\.)?docker\.io/(?:library/)?", "", without_tag)


def primary_of(repositories: Iterable[str], host: str) -> str | None:
    """The first repository that is not in the private registry."""
    return next((name for name in repositories if not name.startswith(f"{host}/")), None)


def name_images(builds: Iterable[Build], host: str) -> ImageNames:
    """Give every primary repository a local name: the one in use, else its last segment, longer on a collision."""
    names: dict[str, str] = {}
    primaries: list[str] = []
    for build in builds:
        repositories = build.repositories or []
        primary = primary_of(repositories, host)
        if primary is None or not build.pushes:
            continue
        key = canonical(primary)
        ours = next((_untagged(name[len(host) + 1 :]) for name in repositories if name.startswith(f"{host}/")), None)
        if ours:
            names.setdefault(key, ours)
        primaries.append(key)
    waiting = [key for key in dict.fromkeys(primaries) if key not in names]
    collisions: list[tuple[str, ...]] = []
    for shorten in (_last_segment, _without_host, canonical):
        taken = set(names.values())
        wanted: dict[str, list[str]] = {}
        for key in waiting:
            wanted.setdefault(shorten(key), []).append(key)
        for name, keys in wanted.items():
            if (len(keys) == 1 and name not in taken) or shorten is canonical:
                names.update(dict.fromkeys(keys, name))
            elif shorten is _last_segment:
                collisions.append(tuple(keys))
        waiting = [key for key in waiting if key not in names]
    return ImageNames(names, tuple(collisions))


def _segments(repository: str) -> list[str]:
    return _SLASH_OUTSIDE.split(repository)


def _last_segment(repository: str) -> str:
    return _untagged(_segments(repository)[-1])


def _without_host(repository: str) -> str:
    first, *rest = _segments(repository)
    has_host = rest and ("." in first or ":" in first or first == "localhost") and "${" not in first
    return _untagged("/".join(rest if has_host else [first, *rest]))


def _untagged(name: str) -> str:
    return _TAG.sub("", name)
