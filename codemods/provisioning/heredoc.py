"""What a heredoc says: `<<EOT` as it stands, `<<-EOT` without the indentation that all its lines have."""

from __future__ import annotations

import re

from codemods.provisioning.template import Reference, parse

_HEAD = re.compile(r"<<(?P<trim>-?)\S+\r?\n")
# What Go's unicode.IsSpace says of characters in a line.
_INDENTATION = re.compile(r"[\t\v\f\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]*")


def parse_heredoc(source: str) -> tuple[str | Reference, ...]:
    """Texts and references of a heredoc with its markers, the last line end included. Raises TemplateError."""
    head = _HEAD.match(source)
    assert head is not None
    parts = parse(source[head.end() : source.rindex("\n") + 1])
    return _without_indentation(parts) if head["trim"] else parts


def _without_indentation(parts: tuple[str | Reference, ...]) -> tuple[str | Reference, ...]:
    """Blank lines do not count, and keep their blanks."""
    pieces = [
        piece for part in parts for piece in (re.findall(r"[^\n]*\n|[^\n]+", part) if isinstance(part, str) else [part])
    ]
    widths: dict[int, int] = {}
    at_start = True
    for index, piece in enumerate(pieces):
        if at_start and (isinstance(piece, Reference) or piece.strip() or not piece.endswith("\n")):
            widths[index] = 0 if isinstance(piece, Reference) else _width(piece)
        at_start = isinstance(piece, str) and piece.endswith("\n")
    cut = min(widths.values(), default=0)
    return tuple(
        piece[cut:] if isinstance(piece, str) and index in widths else piece for index, piece in enumerate(pieces)
    )


def _width(line: str) -> int:
    found = _INDENTATION.match(line)
    assert found is not None
    return found.end()
