"""Plain YAML, read line by line without the library, whose import alone takes a third of a hook's time.

The reader knows block mappings and sequences, scalars on one line, lists of them on one line, and literal blocks (`|`).
Of anything else (anchors, tags, quoted keys, values over several lines, several documents, tabs) it keeps its hands
off, and the text is left to `codemods.formats.yaml_composer`. What it does read it reads as the library does, node for
node: tests/test_yaml_lines.py holds the two against each other. A text that we changed is proven by the library.
"""

from __future__ import annotations

import re
from functools import cache

from codemods.formats.yaml import Mapping, Node, Pair, Scalar, Sequence, YamlFile

_DEEPEST = 40
_FOREIGN = re.compile(r"[^\n -~\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd]|^(?:---|\.\.\.|%)", re.MULTILINE)
"""Characters on which readers differ, and marks between documents."""

_FIRST = r"(?:[^\s\-?:,\[\]{}\#&*!|>'\"%@`]|-(?=\S))"
# Neither `: ` nor ` #` stands in a plain scalar, and in a list no comma, bracket or colon.
_PLAIN = rf"{_FIRST}(?:[^\s:\#]|:(?=\S)|(?<=\S)\#|\ +(?=[^\s:\#]|:\S))*"
_SINGLE, _DOUBLE = r"'(?:[^'\n]|'')*'", r'"[^"\\\n]*"'
_LINE = re.compile(
    rf"""(?:\ *(?:\#[^\n]*)?\n)*+                     # lines without content
    (?:\Z|(\ *)(-\ +)?                                # 1 indentation, 2 dash
    (?:([A-Za-z_][A-Za-z0-9_./-]{{0,99}})(\ {{0,9}}:)(?:\ +|(?=\n)))?    # 3 key, 4 colon
    (?:({_PLAIN})|({_SINGLE})|({_DOUBLE})|(\[[^\n]*\])|(\|-?)(?=\n))?    # 5 to 9, the value
    (?:\ +\#[^\n]*|\ *)\n)""",
    re.VERBOSE,
)
_COLON, _LIST, _BLOCK = 4, 8, 9
Collection = Mapping | Sequence


def read_lines(text: str) -> YamlFile | None:
    """The file as the library reads it; None for a text that is not plain enough."""
    if not text.endswith("\n") or _FOREIGN.search(text):
        return None
    root = _Reader(text).read()
    return YamlFile(text, [root], []) if root else None


class _Reader:
    """`open` are the collections around a line with their columns, outermost first.

    `empty` is the pair of the line before, when that had no value: the line may begin it.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.root: Node | None = None
        self.open: list[tuple[int, Collection]] = []
        self.empty: Pair | None = None

    def read(self) -> Node | None:
        """The root; None when a line is not plain, or there is none."""
        position = 0
        while position >= 0 and (line := _LINE.match(self.text, position)):
            if line.lastindex is None:
                while self.open:
                    self.leave()
                return self.root
            position = self.line(line)
        return None

    def line(self, line: re.Match[str]) -> int:
        """Take in a line; returns where the next one begins, -1 for a line that is not plain."""
        start, dash, key = line.end(1), line[2], line[3]
        column = start - line.start(1)
        if not (dash or key) or len(self.open) > _DEEPEST:
            return -1
        holder: Collection | None = None
        if self.open and not dash and not self.empty and self.open[-1][0] == column:
            holder = self.open[-1][1]
        if not isinstance(holder, Mapping):
            holder = self.holder(column, start, is_item=dash is not None)
        if holder is None:
            return -1
        if dash and key:
            start, column = start + len(dash), column + len(dash)
            mapping = Mapping(start, start, None, None, False)
            assert isinstance(holder, Sequence)
            holder.items.append(mapping)
            self.open.append((column, mapping))
            holder = mapping
        value, end = self.value(line, column)
        if value is None:
            return -1
        if isinstance(holder, Sequence):
            holder.items.append(value)
        else:
            pair = Pair(Scalar(line.start(3), line.end(3), None, None, key, ""), value)
            holder.pairs.append(pair)
            self.empty = pair if line.lastindex == _COLON else None
        return end

    def holder(self, column: int, start: int, *, is_item: bool) -> Collection | None:
        """The collection that a line belongs to, which the line may begin; None where it has no place."""
        pair, self.empty = self.empty, None
        if not self.open or (pair and column + is_item > self.open[-1][0]):
            return self.begin(column, start, pair, is_item=is_item)
        while self.open and self.open[-1][0] > column:
            self.leave()
        # A list that stands in the column of its key ends where the next key begins.
        if not is_item and len(self.open) > 1 and self.open[-2][0] == column:
            self.leave()
        if not self.open or self.open[-1][0] != column or isinstance(self.open[-1][1], Sequence) != is_item:
            return None
        return self.open[-1][1]

    def begin(self, column: int, start: int, pair: Pair | None, *, is_item: bool) -> Collection | None:
        if pair is None and self.root is not None:
            return None
        node = (Sequence if is_item else Mapping)(start, start, None, None, False)
        if pair is None:
            self.root = node
        else:
            pair.value = node
        self.open.append((column, node))
        return node

    def leave(self) -> None:
        """A collection ends where its last content does."""
        _, node = self.open.pop()
        node.end = node.items[-1].end if isinstance(node, Sequence) else node.pairs[-1].value.end

    def value(self, line: re.Match[str], column: int) -> tuple[Node | None, int]:
        """What stands behind the dash or the colon, and where the next line begins."""
        kind = line.lastindex or 0
        if kind == _BLOCK:
            return self.block(line.start(kind), line.end(), column)
        if kind < _COLON:
            return None, -1
        start, end = line.span(kind)
        if kind == _COLON:
            return Scalar(end, end, None, None, "", ""), line.end()
        if kind < _LIST:
            return _scalar(start, end, line[kind]), line.end()
        items, whole = _list_patterns()
        if not whole.fullmatch(line[kind]):
            return None, -1
        node = Sequence(start, end, None, None, True)
        node.items += (_scalar(*item.span(), item[0]) for item in items.finditer(self.text, start + 1, end))
        return node, line.end()

    def block(self, start: int, first: int, column: int) -> tuple[Node | None, int]:
        """The literal block whose sign stands at `start`, and its lines from `first` on; they lie behind `column`."""
        indent = len(self.text[first : first + _DEEPEST]) - len(self.text[first : first + _DEEPEST].lstrip(" "))
        lines = re.compile(rf"(?:(?: {{{indent}}}[^\n]*| *)\n)*").match(self.text, first)
        whole = self.text[first : lines.end()].split("\n") if lines else [""]
        # Blank lines at the beginning, and those that are longer than the block is indented, have rules of their own.
        if indent <= column or lines is None or any(len(line) > indent and not line.strip(" ") for line in whole):
            return None, -1
        end = start + len(self.text[start : lines.end()].rstrip(" \n"))
        value = "\n".join(line[indent:] for line in whole).rstrip("\n")
        value += "" if self.text.startswith("|-", start) else "\n"
        return Scalar(start, end, None, None, value, "|"), lines.end()


@cache
def _list_patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """What an item of a list on one line is, and such a list; files without one need not wait for these."""
    item = rf"(?:{_SINGLE}|{_DOUBLE}|{_FIRST}(?:[^\s:\#,\[\]{{}}?]|\ (?=[^\s:\#,\[\]{{}}?]))*)"
    return re.compile(item), re.compile(rf"\[\ *(?:{item}\ *,\ *)*{item}\ *\]")


def _scalar(start: int, end: int, source: str) -> Scalar:
    """A scalar on one line, as its first character says."""
    if source[0] == "'":
        return Scalar(start, end, None, None, source[1:-1].replace("''", "'"), "'")
    if source[0] == '"':
        return Scalar(start, end, None, None, source[1:-1], '"')
    return Scalar(start, end, None, None, source, "")
