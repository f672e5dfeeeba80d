"""Text from files and servers, made harmless for a terminal or a comment."""

from __future__ import annotations

import re

# C0 and C1 controls, marks that turn the direction of writing, and halves of surrogate pairs, which cannot be encoded.
_CONTROLS = r"\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff"
_IN_A_LINE = re.compile(f"[{_CONTROLS}\t\n]")
_IN_LINES = re.compile(f"\r(?!\n)|(?!\r)[{_CONTROLS}]")


def printable(text: str) -> str:
    """One line in which every control character is spelled out, as in `\\x1b`."""
    return _IN_A_LINE.sub(_spelled, text)


def printable_lines(text: str) -> str:
    """The same for text of many lines, with its tabs and its line ends `\\n` and `\\r\\n` kept."""
    return _IN_LINES.sub(_spelled, text)


def _spelled(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode("ascii")
