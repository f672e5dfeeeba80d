"""Edits are character spans of the original text; applying them is the only way a text changes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from codemods.errors import OverlapError


class Edit(NamedTuple):
    """Replace `text[start:end]` by `new`; offsets count characters of the text read with `newline=""`."""

    start: int
    end: int
    new: str


def sort_edits(edits: Iterable[Edit]) -> list[Edit]:
    """Order edits by position, drop exact repetitions, keep insertions at one offset in the order given.

    Raises OverlapError when two edits share a character, or replace and insert inside each other.
    """
    unique = list(dict.fromkeys(edits))
    ordered = sorted(unique, key=lambda edit: (edit.start, edit.end))
    for before, after in zip(ordered, ordered[1:], strict=False):
        if after.start < before.end:
            raise OverlapError(f"edits overlap at characters {after.start}-{before.end}")
    return ordered


def apply_edits(text: str, edits: Iterable[Edit]) -> str:
    """Return `text` with all edits applied. Raises OverlapError, and ValueError for a span outside the text."""
    pieces: list[str] = []
    position = 0
    for edit in sort_edits(edits):
        if not 0 <= edit.start <= edit.end <= len(text):
            raise ValueError(f"edit {edit.start}-{edit.end} lies outside a text of {len(text)} characters")
        pieces += (text[position : edit.start], edit.new)
        position = edit.end
    pieces.append(text[position:])
    return "".join(pieces)
