"""Globs over paths with `/`, as settings write them."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable, Sequence

_Segment = Callable[[str], object]
_ANY_DIRECTORIES = None


class Globs:
    """Any of several globs, matched against the whole path.

    `*`, `?` and `[…]` stay inside one segment and also match a leading dot; a segment `**` is any number of
    directories, and at the end everything below. Letters are compared with their case.
    """

    def __init__(self, globs: Iterable[str]) -> None:
        self._globs = [_compile(glob) for glob in globs]

    def match(self, path: str) -> bool:
        """Whether one of the globs matches the path."""
        parts = path.split("/")
        return any(_match(glob, parts) for glob in self._globs)

    def match_tree(self, path: str) -> bool:
        """Whether one of the globs matches the path or a directory above it."""
        parts = path.split("/")
        return any(_match(glob, parts[:length]) for glob in self._globs for length in range(1, len(parts) + 1))


def _compile(glob: str) -> list[_Segment | None]:
    segments: list[_Segment | None] = []
    parts = glob.removeprefix("./").rstrip("/").split("/")
    for part in [*parts, "*"] if parts[-1] == "**" else parts:
        segments.append(_ANY_DIRECTORIES if part == "**" else re.compile(fnmatch.translate(part)).match)
    return segments


def _match(glob: Sequence[_Segment | None], parts: Sequence[str]) -> bool:
    """Greedy matching that only ever goes back to the last `**`: no glob can make it slow."""
    segment = part = resume = 0
    last_any = -1
    while part < len(parts):
        if segment < len(glob) and (accepts := glob[segment]) is _ANY_DIRECTORIES:
            last_any, resume = segment, part
            segment += 1
        elif segment < len(glob) and accepts is not None and accepts(parts[part]):
            segment += 1
            part += 1
        elif last_any >= 0:
            resume += 1
            segment, part = last_any + 1, resume
        else:
            return False
    return all(rest is _ANY_DIRECTORIES for rest in glob[segment:])
