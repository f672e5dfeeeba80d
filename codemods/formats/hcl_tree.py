"""From python-hcl2's tree to an HclFile.

The tree is only looked at, and never printed back. What the grammar takes too generously (a quoted string over several
lines) is refused, and that tokens, white space and comments together are the whole text is checked on every reading.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from typing import TYPE_CHECKING

from codemods.errors import ParseError
from codemods.formats.comments import comment_at
from codemods.formats.hcl import (
    Attribute,
    Block,
    Call,
    HclFile,
    Heredoc,
    List,
    Names,
    Object,
    String,
    Value,
)

if TYPE_CHECKING:
    from lark import Token, Tree

    Node = Tree[Token]

_DEPTH = 100
_TRIVIA = re.compile(r"(?P<comment>#[^\n]*|//[^\n]*|/\*.*?\*/)|[ \t\r\n]+", re.DOTALL)
_KINDS = frozenset(["string", "tuple", "object", "function_call", "heredoc_template", "heredoc_template_trim"])
_LITERAL_TOKENS = frozenset(["STRING_CHARS", "ESCAPED_INTERPOLATION", "ESCAPED_DIRECTIVE"])


def read(text: str) -> HclFile:
    """Read a text. Raises ParseError for everything that is not HCL, or nested deeper than any real file."""
    from hcl2.parser import parser
    from lark.exceptions import LarkError, UnexpectedInput

    try:
        tree = parser().parse(text + "\n")
    except UnexpectedInput as error:
        offset = min(max(error.pos_in_stream or 0, 0), len(text))
        found = text[offset : offset + 20].split("\n")[0].strip()
        raise ParseError(f"not valid HCL at {found!r}" if found else "not valid HCL: ends too early", offset) from None
    except (LarkError, RecursionError, AssertionError, LookupError) as error:
        raise ParseError(f"not readable as HCL: {error or type(error).__name__}") from None
    return _Reader(text).read(tree)


class _Reader:
    """Fills one HclFile."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.file = HclFile(text)

    def read(self, tree: Node) -> HclFile:
        self._index(tree)
        self._body(_trees(tree)[0], (), 0)
        return self.file

    def _index(self, tree: Node) -> None:
        """Note all tokens, and the comments between them."""
        position = 0
        for token in _leaves(tree):
            if token.type == "NL_OR_COMMENT":
                continue
            start, end = _span(token)
            source = self.text[start:end]
            # Whatever layout python-hcl2 made part of a token is layout to us.
            start += len(source) - len(source.lstrip()) if token.type in ("EQ", "COLON") else 0
            end = start + len(source.rstrip("\r\n")) if token.type.startswith("HEREDOC") else min(end, len(self.text))
            if token.type in _LITERAL_TOKENS and ("\n" in source or re.search(r'(?<!\\)"', source)):
                raise ParseError("a quoted string is not closed on its line", start)
            self._between(position, start)
            self.file.starts.append(start)
            self.file.ends.append(end)
            position = end
        self._between(position, len(self.text))

    def _between(self, start: int, end: int) -> None:
        while start < end:
            match = _TRIVIA.match(self.text, start)
            if not match or match.end() > end:
                raise ParseError("not readable as HCL without loss", start)
            if text := match["comment"]:
                text = text if text.startswith("/*") else text.rstrip("\r")
                self.file.comments.append(comment_at(self.text, start, start + len(text)))
            start = match.end()

    def _body(self, tree: Node, path: tuple[str, ...], depth: int) -> None:
        if depth > _DEPTH:
            raise ParseError(f"blocks are nested more than {_DEPTH} deep", _start(tree))
        names = Names()
        for child in _trees(tree):
            if child.data == "attribute":
                name, value = _trees(child)
                place = (*path, names.add(self.text[_start(name) : self._end(name)]))
                self.file.attributes.append(Attribute(place, _start(child), self._value(value, depth)))
            elif child.data == "block":
                *labels, body = (part for part in _trees(child) if part.data != "new_line_or_comment")
                parts = (self.text[_start(label) : self._end(label)] for label in labels)
                place = (*path, names.add(".".join(part.strip('"') for part in parts)))
                self.file.blocks.append(Block(place, *self._range(child)))
                self._body(body, place, depth + 1)

    def _value(self, tree: Node, depth: int) -> Value:
        if depth > _DEPTH:
            raise ParseError(f"expressions are nested more than {_DEPTH} deep", _start(tree))
        while tree.data == "expr_term" and len(tree.children) == 1:
            (tree,) = _trees(tree)
        start, end = _start(tree), self._end(tree)
        children = _trees(tree) if tree.data in _KINDS else [tree]
        match tree.data:
            case "tuple":
                return self._list(tree, depth)
            case "object":
                elements = [child for child in children if child.data == "object_elem"]
                keys = tuple(self._key(_trees(element)[0]) for element in elements)
                values = tuple(self._value(_trees(element)[-1], depth + 1) for element in elements)
                return Object(start, end, values, keys)
            case "heredoc_template" | "heredoc_template_trim":
                return Heredoc(start, end)
            case "function_call":
                arguments = [inner for child in children if child.data == "arguments" for inner in _expressions(child)]
                name = self.text[start : self.text.index("(", start)].strip()
                return Call(start, end, tuple(self._value(child, depth + 1) for child in arguments), name)
        inner = tuple(self._value(child, depth + 1) for child in _nearest(tree))
        if tree.data != "string":
            return Value(start, end, inner)
        return String(start, end, inner, tuple(self._range(part) for part in children if self._is_template(part)))

    def _is_template(self, part: Node) -> bool:
        """Whether a part of a string is a template, or an escaped one: the grammar takes `$${a ${b}` for one escape."""
        return bool(_trees(part)) or self.text.startswith(("$${", "%%{"), _start(part))

    def _list(self, tree: Node, depth: int) -> List:
        elements: list[Value] = []
        commas: list[int | None] = []
        for child in tree.children:
            if isinstance(child, str):
                if child.type == "COMMA":
                    commas[-1] = child.start_pos
            elif child.data != "new_line_or_comment":
                elements.append(self._value(child, depth + 1))
                commas.append(None)
        return List(_start(tree), self._end(tree), tuple(elements), tuple(commas))

    def _key(self, tree: Node) -> str:
        start, end = self._range(tree)
        return self.text[start:end] if self.text[start] == '"' else self.file.tokens(start, end)

    def _range(self, tree: Node) -> tuple[int, int]:
        return _start(tree), self._end(tree)

    def _end(self, tree: Node) -> int:
        """The end of the last token that is no layout; trees may end with layout."""
        return self.file.ends[bisect_left(self.file.starts, tree.meta.end_pos) - 1]


def _trees(tree: Node) -> list[Node]:
    return [child for child in tree.children if not isinstance(child, str)]


def _expressions(tree: Node) -> list[Node]:
    return [child for child in _trees(tree) if child.data != "new_line_or_comment"]


def _leaves(tree: Node) -> Iterator[Token]:
    waiting: list[Token | Node] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, str):
            yield node
        else:
            waiting += reversed(node.children)


def _nearest(tree: Node) -> Iterator[Node]:
    """The strings, lists, objects, calls and heredocs below a tree that are not inside one another."""
    waiting = list(reversed(_trees(tree)))
    while waiting:
        node = waiting.pop()
        if node.data in _KINDS:
            yield node
        else:
            waiting += reversed(_trees(node))


def _span(token: Token) -> tuple[int, int]:
    assert token.start_pos is not None
    assert token.end_pos is not None
    return token.start_pos, token.end_pos


def _start(tree: Node) -> int:
    start: int = tree.meta.start_pos
    return start
