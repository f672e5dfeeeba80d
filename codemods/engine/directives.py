"""The comments that suppress findings: `# codemod: ignore[rule-id, …] reason why until 2027-01-31`.

Only a comment that begins so is one. It counts for its own line; on a line of its own also for the comment lines
directly below it and for the line below those.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from codemods.engine.model import Finding, Role
from codemods.engine.source import source_of

if TYPE_CHECKING:
    from codemods.formats.comments import Comment
    from codemods.repository import Document

_DIRECTIVE = re.compile(r"(?:#+|//+|/\*+)\s*codemod: ignore\[(?P<names>[^\]]*)\](?P<rest>.*)", re.DOTALL)
_NAME = re.compile(r"[^\s,]+")
# Directly behind the bracket, or at the end of the reason.
_UNTIL = re.compile(r"\A\s*until\s+(\d{4}-\d\d-\d\d)\b|(?<![\w-])\(?until\s+(\d{4}-\d\d-\d\d)[.)]*\s*\Z")


@dataclass(frozen=True, slots=True)
class Name:
    """A rule id in the brackets; offsets count characters of the file's text."""

    id: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Directive:
    """A comment that suppresses findings on the lines `first` to `last`, both included, counted from 0.

    `until` is its last day as it is written, empty when it has none. `unused` are those of the rules that found
    nothing to suppress; they are known when all rules have run.
    """

    start: int
    end: int
    names: tuple[Name, ...]
    reason: str
    until: str
    expired: bool
    first: int
    last: int
    unused: tuple[Name, ...] = ()

    @property
    def in_force(self) -> bool:
        """Whether it suppresses anything at all."""
        return bool(self.reason) and not self.expired

    @property
    def shown(self) -> str:
        """How a message names it."""
        return f"ignore[{', '.join(name.id for name in self.names)}]"

    def finding(self, message: str, name: Name | None = None) -> Finding:
        """A finding about it, or about one rule that it names."""
        place = name or self
        return Finding(place.start, place.end, message)


@dataclass(frozen=True, slots=True)
class Directives:
    """All directives of one file."""

    found: tuple[Directive, ...]
    lines: Lines

    def at(self, offset: int) -> Iterator[Directive]:
        """Those in force for what begins at an offset; 0 also stands for what is below the file's first comments."""
        lines = {self.lines.of(offset), self.lines.of(offset) if offset else self.lines.below(-1)}
        for directive in self.found:
            if directive.in_force and any(directive.first <= line <= directive.last for line in lines):
                yield directive


class Lines:
    """The lines of a text, counted from 0; `commented` are those with a comment and nothing else."""

    def __init__(self, text: str, comments: Sequence[Comment]) -> None:
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self.commented = {
            line
            for comment in comments
            if comment.own_line and not text[comment.end :].partition("\n")[0].strip()
            for line in range(self.of(comment.start), self.of(comment.end) + 1)
        }

    def of(self, offset: int) -> int:
        """The line of an offset."""
        return bisect_right(self._starts, offset) - 1

    def below(self, line: int) -> int:
        """The first line below that holds more than a comment."""
        while (line := line + 1) in self.commented:
            pass
        return line


def read_directives(role: Role, document: Document, today: date) -> Directives | None:
    """The directives of a document; None when it has none, or cannot be read."""
    source = source_of(role, document)
    if source is None:
        return None
    lines = Lines(document.text, source.comments)
    matches = ((comment, _DIRECTIVE.match(comment.text)) for comment in source.comments)
    found = tuple(_directive(comment, match, lines, today) for comment, match in matches if match)
    return Directives(found, lines) if found else None


def _directive(comment: Comment, match: re.Match[str], lines: Lines, today: date) -> Directive:
    at = comment.start + match.start("names")
    names = tuple(Name(name[0], at + name.start(), at + name.end()) for name in _NAME.finditer(match["names"]))
    rest = match["rest"].removesuffix("*/")
    day = _UNTIL.search(rest)
    until = (day[1] or day[2]) if day else ""
    reason = " ".join((rest[: day.start()] + rest[day.end() :] if day else rest).split()).strip(" ,;:.-–—*")  # noqa: RUF001
    first, last = lines.of(comment.start), lines.of(comment.end)
    if last in lines.commented:
        last = lines.below(last)
    return Directive(comment.start, comment.end, names, reason, until, _is_past(until, today), first, last)


def _is_past(until: str, today: date) -> bool:
    """Whether a last day is over; one that no calendar has is."""
    try:
        return bool(until) and date.fromisoformat(until) < today
    except ValueError:
        return True
