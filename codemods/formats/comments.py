"""A comment, as every format finds it."""

from __future__ import annotations

from typing import NamedTuple


class Comment(NamedTuple):
    """One comment without its line end; `own_line` when only blanks stand before it."""

    start: int
    end: int
    text: str
    own_line: bool


def comment_at(text: str, start: int, end: int) -> Comment:
    """The comment at `start`-`end` of a text."""
    before = text[text.rfind("\n", 0, start) + 1 : start]
    return Comment(start, end, text[start:end], not before.strip(" \t"))
