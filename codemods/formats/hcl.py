"""HCL with exact positions: attributes, lists, strings, calls, comments.

A file is read once, through python-hcl2's grammar (`hcl_tree`), into values that know where they stand.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from codemods.errors import ParseError
from codemods.formats.comments import Comment
from codemods.formats.quoting import Quoted

TEMPLATE = "\ufffc"
"""Stands for one `${…}`, `%{…}`, `$${…}` or `%%{…}` in a decoded string."""

_CHARACTER = re.compile(r"\\u[0-9a-fA-F]{4}|\\U[0-9a-fA-F]{8}|\\.|.", re.DOTALL)
_OPENING = re.compile(r"[$%]\{")
_ESCAPES = {"\\n": "\n", "\\r": "\r", "\\t": "\t"}


@dataclass(frozen=True, slots=True)
class Value:
    """An expression, from its first to its last character; `children` are the values in it, in order."""

    start: int
    end: int
    children: tuple[Value, ...] = ()


@dataclass(frozen=True, slots=True)
class String(Value):
    """A quoted string with its quotes; `templates` are the spans of `${…}` and `%{…}`, escaped or not."""

    templates: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Heredoc(Value):
    """`<<EOF` up to its closing marker."""


@dataclass(frozen=True, slots=True)
class List(Value):
    """`[…]`; `commas[i]` is the offset of the comma behind element `i`, None where there is none."""

    commas: tuple[int | None, ...] = ()


@dataclass(frozen=True, slots=True)
class Object(Value):
    """`{…}`; `keys[i]` is how the key of child `i` is written."""

    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Call(Value):
    """A function call; `children` are its arguments."""

    name: str = ""


@dataclass(frozen=True, slots=True)
class Attribute:
    """`name = value`; `path` leads to it in the file's data."""

    path: tuple[str, ...]
    start: int
    value: Value

    @property
    def dotted(self) -> str:
        """How users name it: `module.docker-registry-template.provision_cmds`."""
        return ".".join(self.path)


@dataclass(frozen=True, slots=True)
class Block:
    """`module "x" { … }`; `path` leads to it in the file's data."""

    path: tuple[str, ...]
    start: int
    end: int


@dataclass(eq=False)
class HclFile:
    """A file as it stands, and what is where in it; `starts` and `ends` are those of its tokens."""

    text: str
    attributes: list[Attribute] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    comments: list[Comment] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)

    def attribute(self, dotted: str) -> Attribute | None:
        """The attribute of that dotted name."""
        return next((found for found in self.attributes if found.dotted == dotted), None)

    @cached_property
    def data(self) -> dict[str, Any]:
        """Plain data: blocks under `type.label.label`, the second of a name as `name#2`.

        Lists are lists and objects dicts; every other expression is its source without white space and comments,
        strings and heredocs exactly as written.
        """
        root: dict[str, Any] = {}
        for block in self.blocks:
            _inside(root, block.path[:-1])[block.path[-1]] = {}
        for attribute in self.attributes:
            _inside(root, attribute.path[:-1])[attribute.path[-1]] = self._data(attribute.value)
        return root

    def _data(self, value: Value) -> Any:
        match value:
            case List():
                return [self._data(element) for element in value.children]
            case Object():
                names = Names()
                return {
                    names.add(key): self._data(child) for key, child in zip(value.keys, value.children, strict=True)
                }
            case String() | Heredoc():
                return self.text[value.start : value.end]
        return self.tokens(value.start, value.end)

    def tokens(self, start: int, end: int) -> str:
        """The source between two offsets without white space and comments, tokens one blank apart."""
        first, last = bisect_left(self.starts, start), bisect_left(self.starts, end)
        return " ".join(self.text[self.starts[i] : self.ends[i]] for i in range(first, last))

    def decode(self, string: String) -> Quoted:
        """What a string says; each template in it is one character TEMPLATE."""
        characters: list[str] = []
        places: list[int] = []
        position = string.start + 1
        for start, end in (*string.templates, (string.end - 1, string.end - 1)):
            for match in _CHARACTER.finditer(self.text, position, start):
                characters.append(_character(match.group()))
                places.append(match.start())
            if start < end:
                characters.append(TEMPLATE)
                places.append(start)
            position = end
        return Quoted("".join(characters), (*places, string.end - 1))

    def parts(self, string: String) -> list[str | tuple[int, int]]:
        """What a string is made of: literal texts, escapes resolved, and the spans of its `${…}` and `%{…}`.

        Raises ParseError where python-hcl2 does not tell a template from an escaped one.
        """
        found: list[str | tuple[int, int]] = []
        position = string.start + 1
        for start, end in (*string.templates, (string.end - 1, string.end - 1)):
            found.append("".join(_character(one.group()) for one in _CHARACTER.finditer(self.text, position, start)))
            position = end
            if self.text.startswith(("$${", "%%{"), start):
                found.append(self.text[start + 1 : start + 3])
                position = start + 3
                if _OPENING.search(self.text, position, end):
                    raise ParseError("a template inside an escaped one cannot be read", start)
            elif start < end:
                found.append((start, end))
        return [part for part in found if part]

    def comments_above(self, start: int) -> list[Comment]:
        """The comments on lines of their own directly above what begins its line at `start`, top down."""
        above: list[Comment] = []
        if self.indentation(start) is None:
            return above
        line = self.line_start(start)
        for comment in reversed(self.comments[: bisect_left(self.comments, line, key=lambda found: found.start)]):
            if not comment.own_line or self.text[comment.end : line].strip(" \t\r") != "\n":
                break
            above.insert(0, comment)
            line = self.line_start(comment.start)
        return above

    def names_at(self, offset: int) -> tuple[str, ...]:
        """The names of the blocks and of the attribute around an offset, without their numbers."""
        around = [found.path for found in self.blocks if found.start <= offset < found.end]
        around += [found.path for found in self.attributes if found.start <= offset < found.value.end]
        return tuple(name.partition("#")[0] for name in max(around, key=len, default=()))

    def after_blank_line(self, offset: int) -> bool:
        """Whether the line above the line of `offset` is blank."""
        start = self.line_start(offset)
        return start > 0 and not self.text[self.line_start(start - 1) : start].strip()

    def line_start(self, offset: int) -> int:
        """Where the line of `offset` begins."""
        return self.text.rfind("\n", 0, offset) + 1

    def indentation(self, offset: int) -> str | None:
        """The blanks before `offset` in its line; None when there is more than blanks."""
        before = self.text[self.line_start(offset) : offset]
        return before if not before.strip(" \t") else None


def parse(text: str) -> HclFile:
    """Read a text. Raises ParseError for everything that is not HCL, or nested deeper than any real file."""
    from codemods.formats.hcl_tree import read

    return read(text)


def walk(value: Value) -> Iterator[Value]:
    """A value and all values in it, in the order of the text."""
    yield value
    for child in value.children:
        yield from walk(child)


class Names(dict[str, int]):
    """Numbers names that stand more than once: `locals`, `locals#2`."""

    def add(self, name: str) -> str:
        self[name] = self.get(name, 0) + 1
        return name if self[name] == 1 else f"{name}#{self[name]}"


def _inside(data: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    for name in path:
        data = data[name]
    return data


def _character(source: str) -> str:
    if source in _ESCAPES:
        return _ESCAPES[source]
    if source[:2] in ("\\u", "\\U") and len(source) > 2:
        number = int(source[2:], 16)
        return chr(number) if number <= 0x10FFFF else "\ufffd"
    return source[1:] if len(source) > 1 else source
