"""Lines with styles: coloured and wrapped on a terminal, plain everywhere else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PROSE_WIDTH = 100


class Piece(NamedTuple):
    """A part of a line; `style` in rich's words, as in `bold red`."""

    text: str = ""
    style: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """`prose`: the column in which wrapped lines go on, after a first piece of that width; None: never wrapped."""

    pieces: tuple[Piece, ...] = ()
    prose: int | None = None

    @property
    def text(self) -> str:
        """The line without its styles."""
        return "".join(piece.text for piece in self.pieces)


def line(*pieces: str | Piece) -> Line:
    """A line that is never wrapped."""
    return Line(tuple(Piece(piece) if isinstance(piece, str) else piece for piece in pieces))


def prose(first: str, text: str, style: str = "") -> Line:
    """`text` after `first`, wrapped so that it stays behind it."""
    return Line((Piece(first), Piece(text, style)), prose=len(first))


def print_lines(lines: Iterable[Line], stream: TextIO) -> None:
    """Print to a terminal with rich, to anything else as plain text; what the stream cannot encode is spelled out."""
    encoding = (getattr(stream, "encoding", None) or "utf-8").lower()
    if encoding not in ("utf-8", "utf8"):
        lines = [_encodable(item, encoding) for item in lines]
    if stream.isatty():
        _print_styled(lines, stream)
    else:
        stream.writelines(f"{item.text}\n" for item in lines)
    stream.flush()


def _encodable(item: Line, encoding: str) -> Line:
    def fit(text: str) -> str:
        return text.replace("→", "->").encode(encoding, "backslashreplace").decode(encoding)

    return Line(tuple(Piece(fit(text), style) for text, style in item.pieces), item.prose)


def _print_styled(lines: Iterable[Line], stream: TextIO) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(file=stream)
    width = min(console.width, PROSE_WIDTH)
    with console:  # one write for all lines
        for item in lines:
            for part in _wrapped(item, width):
                console.print(Text.assemble(*part.pieces), soft_wrap=True)


def _wrapped(item: Line, width: int) -> Iterator[Line]:
    """The lines of a paragraph; words are never broken, as they may be paths."""
    from textwrap import wrap

    if item.prose is None or len(item.text) <= width:
        yield item
        return
    first, body = item.pieces
    for text in wrap(body.text, max(width - item.prose, 20), break_long_words=False, break_on_hyphens=False):
        yield Line((first, Piece(text, body.style)))
        first = Piece(" " * item.prose)
