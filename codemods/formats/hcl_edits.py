"""Edits of HCL texts in the style that the text already has."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from codemods.engine.edits import Edit, apply_edits
from codemods.errors import CannotEdit
from codemods.formats.comments import Comment
from codemods.formats.hcl import Block, HclFile, Heredoc, List, String, Value, walk

_REST_OF_LINE = re.compile(r"(?:[ \t\r]|/\*.*?\*/)*(?:(?:#|//)[^\n]*)?\n", re.DOTALL)


class NewElement(NamedTuple):
    """An element to be inserted: `source` is HCL, its lines after the first indented relative to the first.

    `comment` is a whole comment for the line above and `gap` asks for a blank line above that; inside a line both are
    left out.
    """

    source: str
    comment: str = ""
    gap: bool = False


def insert_element(file: HclFile, values: List, after: int, source: str, *, comment: str = "") -> list[Edit]:
    """Insert one element, as `insert_elements` does."""
    return insert_elements(file, values, after, [NewElement(source, comment)])


def insert_elements(file: HclFile, values: List, after: int, elements: Sequence[NewElement]) -> list[Edit]:
    """Insert elements behind element `after`, on lines of their own where that ends its line. Raises CannotEdit."""
    neighbour, comma = values.children[after], values.commas[after]
    behind = neighbour.end if comma is None else comma + 1
    rest = _REST_OF_LINE.match(file.text, behind)
    indentation = _element_indentation(file, values, after)
    newline = newline_after(file.text, neighbour.end)
    sources = [f"{newline}{indentation}".join(element.source.split("\n")) for element in elements]
    if comma is None and neighbour.end in {value.end for value in walk(neighbour) if isinstance(value, Heredoc)}:
        raise CannotEdit(
            "the last element is a heredoc without a comma", "put a comma on the line below its end", neighbour.start
        )
    if rest is None:
        new = "".join(f", {source}" if comma is None else f" {source}," for source in sources)
        return [Edit(behind, behind, new)]
    newline = newline_after(file.text, rest.end() - 1)
    blocks = []
    for element, source in zip(elements, sources, strict=True):
        above = [""] * element.gap + [indentation + element.comment] * bool(element.comment)
        blocks.append(newline.join([*above, indentation + source]))
    new = f",{newline}".join(blocks)
    if comma is not None:
        return [Edit(rest.end(), rest.end(), f"{new},{newline}")]
    return [Edit(behind, behind, ","), Edit(rest.end(), rest.end(), new + newline)]


def remove_element(file: HclFile, values: List, index: int, *, comment: str = "") -> Edit:
    """Take an element out with its comma and, where it has its lines for itself, with these lines.

    The comment lines above go with it when they are about nothing else: when the line below is blank, a comment or the
    end of the list. With `comment`, the one line above that reads so goes, and a blank line above it.
    Raises CannotEdit for a comment that would be lost.
    """
    element, comma = values.children[index], values.commas[index]
    behind = element.end if comma is None else comma + 1
    rest = _REST_OF_LINE.match(file.text, behind)
    if rest and file.indentation(element.start) is not None:
        above = file.comments_above(element.start)
        ours = [line for line in above[-1:] if line.text == comment]
        about_it = ours or (above if _is_alone(file, rest.end()) else [])
        start = file.line_start(about_it[0].start if about_it else element.start)
        if file.after_blank_line(start) and (ours or not file.text[rest.end() :].partition("\n")[0].strip()):
            start = file.line_start(start - 1)
        return Edit(_line_end(file.text, start - 1), _line_end(file.text, rest.end() - 1), "")
    before = values.commas[index - 1] if index else None
    if comma is None:
        start, end = element.start if before is None else before, behind
    elif before is not None and file.line_start(before) == file.line_start(element.start):
        start, end = before + 1, behind
    else:
        start, end = element.start, behind + len(file.text[behind:]) - len(file.text[behind:].lstrip(" \t"))
    spans = [(start, element.start), (element.end, end)]
    if any(first <= found.start < last for found in file.comments for first, last in spans):
        raise CannotEdit("there is a comment at the element", "take the element out by hand", element.start)
    return Edit(start, end, "")


def insert_block(file: HclFile, after: Block, lines: Sequence[str], *, gap: bool) -> Edit:
    """Insert the lines of a block below another block, behind a blank line when `gap`."""
    end = file.text.find("\n", after.end)
    place = after.end if end < 0 else _line_end(file.text, end)
    newline = newline_after(file.text, after.end)
    return Edit(place, place, newline * (1 + gap) + newline.join(lines))


def remove_block(file: HclFile, block: Block) -> Edit:
    """Take a block out with its lines and the blank lines above it. Raises CannotEdit where it shares a line."""
    start, end = file.line_start(block.start), file.text.find("\n", block.end)
    end = len(file.text) if end < 0 else _line_end(file.text, end)
    if file.text[start : block.start].strip() or file.text[block.end : end].strip():
        raise CannotEdit("the block shares its lines", "take it out by hand", block.start)
    return Edit(len(file.text[:start].rstrip()), end, "")


def _is_alone(file: HclFile, below: int) -> bool:
    """Whether nothing in the line that begins at `below` belongs to the comment above."""
    line = file.text[below:].partition("\n")[0].strip()
    return not line or line.startswith(("#", "//", "/*", "]"))


def _line_end(text: str, newline: int) -> int:
    """Where the line end begins whose `\\n` is at `newline`."""
    return newline - 1 if text[:newline].endswith("\r") else newline


def copied(file: HclFile, value: Value, changes: Iterable[Edit] = ()) -> str:
    """The source of a value with some changes in it, for `insert_element`. Raises CannotEdit for heredocs."""
    if any(isinstance(inner, Heredoc) for inner in walk(value)):
        raise CannotEdit("a heredoc cannot be copied with another indentation", "add a copy by hand", value.start)
    moved = [Edit(edit.start - value.start, edit.end - value.start, edit.new) for edit in changes]
    first, *others = apply_edits(file.text[value.start : value.end], moved).split("\n")
    start = file.line_start(value.start)
    indentation = re.compile(r"[ \t]*").match(file.text, start)
    assert indentation
    return "\n".join(line.rstrip("\r") for line in [first, *(line.removeprefix(indentation[0]) for line in others)])


def replace_in_string(file: HclFile, string: String, start: int, end: int, new: str) -> Edit:
    """Replace `text[start:end]` inside a string by the plain text `new`, escaped as needed; insert when they are equal.

    Raises CannotEdit where the span cuts through an escape or a template, or where there would be a new template.
    """
    places = file.decode(string).places
    escaped = quoted(new)
    before, behind = file.text[string.start + 1 : start][-1:] + escaped, file.text[end : string.end - 1][:1]
    cuts = any(start < inner_end and end > inner_start for inner_start, inner_end in string.templates)
    makes = re.search(r"[$%]\{", before) or (before.endswith(("$", "%")) and behind in ("$", "%", "{"))
    if start not in places or end not in places or cuts or makes:
        raise CannotEdit("the string cannot be changed at this place", "change it by hand", start)
    return Edit(start, end, escaped)


def quoted(text: str) -> str:
    """Plain text as it is written between the quotes of a string, templates aside."""
    for plain, escaped in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t")):
        text = text.replace(plain, escaped)
    return text


def insert_comment(file: HclFile, neighbour: Comment, text: str, *, before: bool = False) -> Edit:
    """Insert a comment line below a comment that has a line of its own, or above it, indented like it."""
    indentation = file.indentation(neighbour.start)
    if indentation is None or "\n" in text:
        raise CannotEdit("the comment stands behind code", "give it a line of its own", neighbour.start)
    newline = newline_after(file.text, neighbour.end)
    if before:
        start = file.line_start(neighbour.start)
        return Edit(start, start, f"{indentation}{text}{newline}")
    return Edit(neighbour.end, neighbour.end, f"{newline}{indentation}{text}")


def newline_after(text: str, offset: int) -> str:
    """The line end of the line of `offset`; of the line before where it is the last and has none."""
    end = text.find("\n", offset)
    if end < 0:
        end = text.rfind("\n", 0, offset)
    return "\r\n" if end > 0 and text[end - 1] == "\r" else "\n"


def _element_indentation(file: HclFile, values: List, index: int) -> str:
    """The blanks before an element that begins its line, the nearest one."""
    for element in sorted(values.children, key=lambda child: abs(child.start - values.children[index].start)):
        found = file.indentation(element.start)
        if found is not None:
            return found
    line = file.text[file.line_start(values.start) : values.start]
    return line[: len(line) - len(line.lstrip(" \t"))] + "  "
