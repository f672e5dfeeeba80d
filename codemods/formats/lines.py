"""Taking whole lines out of a text, with what stands above them for their sake."""

from __future__ import annotations

from collections.abc import Callable

from codemods.engine.edits import Edit


def cut_lines(text: str, first: int, last: int) -> Edit:
    """Remove the lines from that of offset `first` to that of offset `last`.

    At the end of a text without a last line end, the line end before them goes instead.
    """
    start = text.rfind("\n", 0, first) + 1
    end = text.find("\n", last)
    if end >= 0:
        return Edit(start, end + 1, "")
    return Edit(len(text[:start].removesuffix("\n").removesuffix("\r")), len(text), "")


def begin_above(text: str, offset: int, is_about_it: Callable[[str], bool]) -> int:
    """Where the lines for the thing that begins in the line of `offset` begin: with the gap and the comment above.

    The comment is the run of lines that begin with `#`, as far as they are about it; blank lines around it go along.
    """
    start = _up(text, text.rfind("\n", 0, offset) + 1, lambda line: not line)
    comment = _up(text, start, lambda line: line.startswith("#") and is_about_it(line))
    return start if comment == start else _up(text, comment, lambda line: not line)


def _up(text: str, start: int, goes_along: Callable[[str], bool]) -> int:
    """Where the run of such lines begins that ends above the line which begins at `start`."""
    while (line := _line_before(text, start)) is not None and goes_along(line):
        start = text.rfind("\n", 0, start - 1) + 1
    return start


def _line_before(text: str, start: int) -> str | None:
    """The line above the one that begins at `start`, without blanks around it; None at the top."""
    if not start:
        return None
    return text[text.rfind("\n", 0, start - 1) + 1 : start - 1].strip()
