"""YAML with exact positions: nodes, and what one asks of them.

Nodes keep what a composer throws away: an alias stays an alias with its own position, and a block collection ends
where its last content ends, not where the next token begins. Aliases are never expanded, so a small file that
expands to gigabytes stays small.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any, TypeVar

from codemods.engine.difference import Data, Path
from codemods.errors import ParseError
from codemods.formats.comments import Comment, comment_at

T = TypeVar("T")

MAX_DEPTH = 100
_PROPERTIES = re.compile(r"(?:[&!]\S*\s+)*")
_LAYOUT = re.compile(r"(?:[&!]\S*|\s+|#[^\r\n\x85\u2028\u2029]*)*")
"""What may stand in a scalar's span before its content."""
_COMMENT = re.compile(r"(?<!\S)#[^\r\n\x85\u2028\u2029]*")


class Node:
    """Characters `start` to `end` of the text; `start` includes an anchor and a tag."""

    # Written out: a file has hundreds of them, and dataclasses would cost every hook their import.
    __slots__ = ("anchor", "end", "start", "tag")

    def __init__(self, start: int, end: int, anchor: str | None, tag: str | None) -> None:
        self.start = start
        self.end = end
        self.anchor = anchor
        self.tag = tag


class Scalar(Node):
    """`style` is "" (plain), "'", '"', "|" or ">"; an empty value has start == end, right after its colon or dash."""

    __slots__ = ("style", "value")

    def __init__(self, start: int, end: int, anchor: str | None, tag: str | None, value: str, style: str) -> None:
        self.start = start
        self.end = end
        self.anchor = anchor
        self.tag = tag
        self.value = value
        self.style = style


class Alias(Node):
    """`*name`; `target` is the anchored node."""

    __slots__ = ("target",)

    def __init__(self, start: int, end: int, anchor: str | None, target: Node) -> None:
        super().__init__(start, end, anchor, None)
        self.target = target


class Sequence(Node):
    """`[…]` when `flow`, else `- …` lines."""

    __slots__ = ("flow", "items")

    def __init__(self, start: int, end: int, anchor: str | None, tag: str | None, flow: bool) -> None:
        super().__init__(start, end, anchor, tag)
        self.items: list[Node] = []
        self.flow = flow


class Pair:
    """One key and its value; `name` is the key's text, None for a key that is no scalar."""

    __slots__ = ("key", "name", "value")

    def __init__(self, key: Node, value: Node) -> None:
        self.key = key
        self.value = value
        self.name = key.value if isinstance(key, Scalar) else None


class Mapping(Node):
    """`{…}` when `flow`, else `key: …` lines."""

    __slots__ = ("flow", "pairs")

    def __init__(self, start: int, end: int, anchor: str | None, tag: str | None, flow: bool) -> None:
        super().__init__(start, end, anchor, tag)
        self.pairs: list[Pair] = []
        self.flow = flow

    def get(self, name: str) -> Pair | None:
        """The first pair of that name; merged mappings (`<<`) are not looked into."""
        for pair in self.pairs:
            if pair.name == name:
                return pair
        return None

    def value(self, name: str) -> Node | None:
        """The value of that name with an alias resolved, or None."""
        pair = self.get(name)
        return resolve(pair.value) if pair else None


class YamlFile:
    """A text and the root nodes of its documents."""

    def __init__(self, text: str, documents: list[Node], aliases: list[Alias]) -> None:
        self.text = text
        self.documents = documents
        self.aliases = aliases
        self._facts: dict[object, Any] = {}

    def fact(self, read: Callable[[YamlFile], T]) -> T:
        """What `read` finds in the file, looked for once."""
        if read not in self._facts:
            self._facts[read] = read(self)
        found: T = self._facts[read]
        return found

    @property
    def root(self) -> Mapping | None:
        """The mapping at the root of the first document, None where there is none."""
        return self.documents[0] if self.documents and isinstance(self.documents[0], Mapping) else None

    @cached_property
    def data(self) -> Data:
        """Plain data: one document's data, or the list of all; scalars are (plain?, text), aliases `*name`."""
        documents = [_data(node) for node in self.documents]
        return documents[0] if len(documents) == 1 else documents

    @cached_property
    def comments(self) -> list[Comment]:
        """All comments, in the order of the text."""
        found: list[Comment] = []
        position = 0
        for start, end in (*self._contents(), (len(self.text), len(self.text))):
            found += (comment_at(self.text, *match.span()) for match in _COMMENT.finditer(self.text, position, start))
            position = end
        return found

    def _contents(self) -> Iterator[tuple[int, int]]:
        """Spans of the text in which `#` begins no comment: what scalars say."""
        for document in self.documents:
            for node in walk(document):
                if isinstance(node, Scalar) and node.start < node.end:
                    start = node.start
                    if (node.anchor or node.tag) and (layout := _LAYOUT.match(self.text, start, node.end)):
                        start = layout.end()
                    if node.style in ("|", ">"):
                        header = self.text.find("\n", start, node.end)
                        start = header if header >= 0 else node.end
                    yield start, node.end

    def names_at(self, offset: int) -> Path:
        """The keys of the mappings around an offset, outermost first; places in lists do not count."""
        names: list[str] = []
        waiting = list(self.documents)
        while waiting:
            node = waiting.pop()
            if isinstance(node, Sequence):
                waiting += (item for item in node.items if item.start <= offset < item.end)
            elif isinstance(node, Mapping):
                for pair in node.pairs:
                    if pair.key.start <= offset < max(pair.value.end, pair.key.end):
                        names.append(pair.name or "")
                        waiting = [pair.value]
                        break
        return tuple(names)

    def source(self, node: Node) -> str:
        """The text of a node as written, with its anchor and tag."""
        return self.text[node.start : node.end]

    def content_start(self, node: Node) -> int:
        """Where a node begins behind its anchor and tag."""
        if node.anchor is None and node.tag is None:
            return node.start
        match = _PROPERTIES.match(self.text, node.start, node.end)
        return match.end() if match else node.start

    def column(self, offset: int) -> int:
        """Zero-based column of an offset, in characters."""
        return offset - self.line_start(offset)

    def line_start(self, offset: int) -> int:
        """Offset of the first character of a line."""
        return self.text.rfind("\n", 0, offset) + 1

    def path_of(self, wanted: Node) -> Path:
        """The data path of a node, as `data` would show it."""
        for number, document in enumerate(self.documents):
            path = _find(document, wanted, (str(number),) if len(self.documents) > 1 else ())
            if path is not None:
                return path
        raise ValueError("no node of this file")

    def holders(self, wanted: Node) -> list[Node]:
        """The nodes from a document's root down to a node, both included."""
        for document in self.documents:
            found = [node for node in walk(document) if node.start <= wanted.start and wanted.end <= node.end]
            if wanted in found:
                return found[: found.index(wanted) + 1]
        raise ValueError("no node of this file")

    def users(self, node: Node) -> list[Alias]:
        """The aliases that name this very node."""
        return [alias for alias in self.aliases if alias.target is node]


def resolve(node: Node) -> Node:
    """The node itself, or what an alias stands for."""
    return node.target if isinstance(node, Alias) else node


def text_of(node: Node | None) -> str | None:
    """The text of a scalar or of the scalar that an alias names; None for anything else."""
    if node is None:
        return None
    target = resolve(node)
    return target.value if isinstance(target, Scalar) else None


def merged(mapping: Mapping, depth: int = 0) -> Iterator[tuple[Pair, Mapping]]:
    """Yield the pairs of a mapping and of those merged into it by `<<`, each with the mapping that holds it.

    Own pairs come first, so the first pair of a name is the one that counts.
    """
    yield from ((pair, mapping) for pair in mapping.pairs if pair.name != "<<")
    if depth > MAX_DEPTH:
        return
    for pair in mapping.pairs:
        if pair.name == "<<":
            value = resolve(pair.value)
            for base in value.items if isinstance(value, Sequence) else [value]:
                target = resolve(base)
                if isinstance(target, Mapping):
                    yield from merged(target, depth + 1)


def duplicate_key(node: Node) -> Pair | None:
    """The first pair anywhere below whose key stands a second time in its mapping."""
    for mapping in walk(node):
        if isinstance(mapping, Mapping):
            seen = set()
            for pair in mapping.pairs:
                if pair.name is not None and pair.name != "<<":
                    if pair.name in seen:
                        return pair
                    seen.add(pair.name)
    return None


def walk(node: Node) -> Iterator[Node]:
    """Yield a node and all below it in the order of the text, aliases not followed."""
    waiting = [node]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, Mapping):
            for pair in reversed(node.pairs):
                waiting += (pair.value, pair.key)
        elif isinstance(node, Sequence):
            waiting += reversed(node.items)


def parse(text: str) -> YamlFile:
    """Read a text without BOM, all its documents. Raises ParseError for what no YAML parser of ours accepts."""
    from codemods.formats.yaml_lines import read_lines

    return read_lines(text) or parse_events(text)


def parse_events(text: str) -> YamlFile:
    """The same with the library alone, whatever the text: the second reader, for proofs.

    The C parser refuses a few things that real CI servers accept (duplicate anchors); the pure one gets a second try.
    """
    from codemods.formats.yaml_composer import Composer

    if "\x00" in text:
        raise ParseError("not a text: it contains NUL characters", text.index("\x00"))
    try:
        return Composer(text, pure=False).compose()
    except ParseError as error:
        try:
            return Composer(text, pure=True).compose()
        except ParseError:
            raise error from None


def _find(node: Node, wanted: Node, path: Path) -> Path | None:
    if node is wanted:
        return path
    if not node.start <= wanted.start <= node.end:
        return None
    children: list[tuple[str, Node]] = []
    if isinstance(node, Mapping):
        children = [(pair.name or "", pair.value) for pair in node.pairs]
    elif isinstance(node, Sequence):
        children = [(str(number), item) for number, item in enumerate(node.items)]
    found = (_find(child, wanted, (*path, name)) for name, child in children)
    return next((inner for inner in found if inner is not None), None)


def _data(node: Node) -> Data:
    match node:
        case Alias():
            return f"*{node.anchor}"
        case Scalar():
            return (node.tag or ("plain" if not node.style else "text"), node.value)
        case Sequence():
            return [_data(item) for item in node.items]
        case Mapping():
            data: dict[str, Data] = {}
            for pair in node.pairs:
                name = pair.name if pair.name is not None else repr(_data(pair.key))
                while name in data:
                    name += "#"
                data[name] = _data(pair.value)
            return data
    raise TypeError(type(node))
