"""A diff as lines with styles: what was taken away in red, what came in green, the part that differs reversed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codemods.engine.report.escape import printable_lines
from codemods.engine.report.lines import Line, Piece, line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_STYLES = {"-": "red", "+": "green", "@": "cyan", "\\": "dim"}


def diff_lines(diff: str) -> Iterator[Line]:
    """The lines of one file's diff, as they stand in it; only control characters are spelled out."""
    header, mark, body = printable_lines(diff).partition("\n@@")
    yield from (line(Piece(text, "bold")) for text in header.removesuffix("\n").split("\n") if text)
    lines = f"@@{body}".removesuffix("\n").split("\n") if mark else []
    while lines:
        removed, added = _run(lines, "-", 0), _run(lines, "+", _run(lines, "-", 0))
        if removed and removed == added - removed:
            yield from _paired(lines[:removed], lines[removed:added])
        else:
            added = max(added, 1)
            yield from (line(Piece(text, _STYLES.get(text[:1], ""))) for text in lines[:added])
        del lines[:added]


def _run(lines: Sequence[str], sign: str, start: int) -> int:
    """Where the run of lines with this sign ends."""
    while start < len(lines) and lines[start].startswith(sign):
        start += 1
    return start


def _paired(removed: Sequence[str], added: Sequence[str]) -> Iterator[Line]:
    """Lines that take each other's place, first all removed ones."""
    pairs = [(old[1:], new[1:]) for old, new in zip(removed, added, strict=True)]
    yield from (_marked("-", old, new) for old, new in pairs)
    yield from (_marked("+", new, old) for old, new in pairs)


def _marked(sign: str, text: str, other: str) -> Line:
    style = _STYLES[sign]
    start = _shared(text, other)
    end = len(text) - _shared(text[start:][::-1], other[start:][::-1])
    # Lines with little in common are two lines, not one that was changed.
    if 2 * (start + len(text) - end) < max(len(text), len(other)):
        return line(Piece(sign + text, style))
    return line(Piece(sign + text[:start], style), Piece(text[start:end], f"{style} reverse"), Piece(text[end:], style))


def _shared(one: str, other: str) -> int:
    """With how many characters both begin."""
    return next(
        (index for index, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )
