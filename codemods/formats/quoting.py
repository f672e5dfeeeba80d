"""Text under several layers of quoting, each character of which knows its place in the source."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Quoted:
    """Text with its quoting taken off.

    `places[i]` is the source offset at which character `i` begins; the last of them, one more than there are
    characters, is where the text ends. So `places[i]` is also where to insert before character `i`.
    """

    text: str
    places: tuple[int, ...]

    def __post_init__(self) -> None:
        assert len(self.places) == len(self.text) + 1

    def __getitem__(self, part: slice) -> Quoted:
        start, stop, _ = part.indices(len(self.text))
        return Quoted(self.text[start:stop], self.places[start : max(start, stop) + 1])


def unquoted(text: str, start: int = 0) -> Quoted:
    """Text that stands in the source as it is, from offset `start` on."""
    return Quoted(text, tuple(range(start, start + len(text) + 1)))
