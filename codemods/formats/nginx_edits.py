"""Edits of nginx configuration: new directives and blocks in the style of those beside them.

A new line gets the line end of its neighbour. Blocks are given as lines in one canonical layout, four spaces per
level and ` {` at the end of the line; `styled` turns that into the layout of an existing block.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from codemods.engine.edits import Edit
from codemods.formats.nginx import Directive, NginxFile, Word, walk

if TYPE_CHECKING:
    from collections.abc import Iterable

_BLANK = " \t\r\n"
_REST = re.compile(r"[ \t]*(?:#[^\n]*?)?(?=\r?\n|\Z)")


@dataclass(frozen=True)
class Gap:
    """What stands between a directive and the one before it: blank lines, the last comment's lines, blank lines.

    `before` is None for the first directive of its block.
    """

    before: int | None
    comment: tuple[str, ...]
    after: int


@dataclass(frozen=True)
class Style:
    """One level of indentation, and what stands before an opening brace: a space, nothing, or a line end."""

    unit: str
    brace: str


def replace_word(word: Word, source: str) -> Edit:
    """Write `source` in place of one word, quotes included."""
    return Edit(word.start, word.end, source)


def insert_directive(file: NginxFile, after: Directive, source: str) -> Edit:
    """Insert a directive without block behind another: on a line of its own, or on the same line as its neighbours."""
    if _begins_line(file, after) and (end := _line_end(file, after)) is not None:
        return Edit(end, end, _newline(file.text, end) + _indentation(file, after) + source)
    return Edit(after.end, after.end, f" {source}")


def insert_lines(file: NginxFile, after: Directive, lines: Iterable[str]) -> Edit:
    """Insert lines behind a directive, each with its indentation; empty strings are blank lines."""
    end = _line_end(file, after)
    position = after.end if end is None else end
    newline, indentation = _newline(file.text, position), _indentation(file, after)
    return Edit(position, position, "".join(newline + (indentation + line if line else "") for line in lines))


def remove_directive(file: NginxFile, directive: Directive) -> Edit:
    """Remove a directive with its lines and the comment at its end, or only itself where it shares a line."""
    text, start, end = file.text, directive.start, _line_end(file, directive)
    if not _begins_line(file, directive):
        return Edit(start - (text[start - 1] in " \t"), directive.end, "")
    if end is None:
        following = re.compile(r"[ \t]*").match(text, directive.end)
        return Edit(start, following.end() if following else directive.end, "")
    start = text.rfind("\n", 0, start) + 1
    if end < len(text):
        return Edit(start, text.index("\n", end) + 1, "")
    # The last line has no line end of its own: the one before it goes.
    return Edit(start - len(_newline(text, end)) if start else 0, end, "")


def gap_above(file: NginxFile, directive: Directive) -> Gap:
    """What separates a directive from its elder sibling."""
    siblings = file.siblings(directive)
    index = siblings.index(directive)
    if index:
        limit = siblings[index - 1].end
    else:
        limit = directive.parent.body[0] if directive.parent else 0
    lines = [line.strip() for line in file.text[limit : directive.start].split("\n")[:-1]]
    # The first piece is the end of the line before, unless the file begins here.
    lines = lines[1:] if limit else lines
    after = _pop_blank(lines)
    comment: list[str] = []
    while lines and lines[-1]:
        comment.insert(0, lines.pop())
    before = _pop_blank(lines) if comment else after
    return Gap(before if index else None, tuple(comment), after if comment else 0)


def _pop_blank(lines: list[str]) -> int:
    count = len(lines)
    while lines and not lines[-1]:
        lines.pop()
    return count - len(lines)


def style_of(file: NginxFile, block: Directive) -> Style:
    """The style of a block; what it does not show, as a block on one line does not, other blocks of the file do."""
    brace = file.text[block.words[-1].end : block.body[0] - 1]
    if "\n" in brace:
        brace = "\n"
    elif brace.strip(_BLANK):
        brace = " "
    others = sorted(walk(file.directives), key=lambda other: other.parent is not block.parent)
    units = (_unit(file, other) for other in [block, *others] if other.block)
    return Style(next((unit for unit in units if unit), "    "), brace)


def _unit(file: NginxFile, block: Directive) -> str:
    """How much deeper the first line of a block is indented than the block; empty when it is not."""
    for child in block.block or ():
        if _begins_line(file, child) and _begins_line(file, block):
            outer, inner = _indentation(file, block), _indentation(file, child)
            return inner.removeprefix(outer) if inner.startswith(outer) else ""
    return ""


def styled(lines: Iterable[str], style: Style) -> list[str]:
    """Canonical lines in another style."""
    result = []
    for line in lines:
        content = line.lstrip(" ")
        indentation = style.unit * ((len(line) - len(content)) // 4)
        if content.endswith(" {") and style.brace == "\n":
            result += [indentation + content[:-2], indentation + "{"]
        elif content.endswith(" {"):
            result.append(indentation + content[:-2] + style.brace + "{")
        else:
            result.append(indentation + content)
    return result


def one_line(file: NginxFile, directive: Directive) -> str:
    """A directive's source without line ends and comments; empty for a block and for Lua."""
    source = file.text[directive.start : directive.end]
    if not source.endswith(";"):
        return ""
    if "\n" not in source:
        return source
    return " ".join(file.text[word.start : word.end] for word in directive.words) + ";"


def has_lines_for_itself(file: NginxFile, directive: Directive) -> bool:
    """Whether nothing but comments shares a line with a directive."""
    return _begins_line(file, directive) and _line_end(file, directive) is not None


def _begins_line(file: NginxFile, directive: Directive) -> bool:
    start = file.text.rfind("\n", 0, directive.start) + 1
    return not file.text[start : directive.start].strip(_BLANK)


def _indentation(file: NginxFile, directive: Directive) -> str:
    """White space at the beginning of the directive's line."""
    start = file.text.rfind("\n", 0, directive.start) + 1
    line = file.text[start : directive.start]
    return line[: len(line) - len(line.lstrip(" \t"))]


def _line_end(file: NginxFile, directive: Directive) -> int | None:
    """Where the directive's last line ends, before its line end; None when another directive follows on it."""
    match = _REST.match(file.text, directive.end)
    return match.end() if match else None


def _newline(text: str, offset: int) -> str:
    """The line end of the line that holds `offset`; of the line before it when the last line has none."""
    end = text.find("\n", offset)
    if end < 0:
        end = text.rfind("\n")
    return "\r\n" if end > 0 and text[end - 1] == "\r" else "\n"
