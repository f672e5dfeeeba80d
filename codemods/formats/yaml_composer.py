"""Builds nodes from the event stream of ruamel.yaml's parser, the C one where it is installed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from codemods.errors import ParseError
from codemods.formats.yaml import MAX_DEPTH, Alias, Mapping, Node, Pair, Scalar, Sequence, YamlFile

_COLON = re.compile(r"\s*:")


def _events(text: str, pure: bool) -> Iterator[Any]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        if pure:
            import warnings

            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield from YAML(typ="safe", pure=True).parse(text)
        else:
            try:
                from _ruamel_yaml import CParser
            except ImportError:
                yield from YAML(typ="safe", pure=True).parse(text)
                return
            parser = CParser(text)
            while (event := parser.get_event()) is not None:
                yield event
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise ParseError(f"invalid YAML: {problem}", min(mark.index, len(text)) if mark else 0) from None
    except (ValueError, UnicodeError, RecursionError, IndexError) as error:
        raise ParseError(f"invalid YAML: {error}") from None


class Composer:
    """Builds nodes from events."""

    def __init__(self, text: str, *, pure: bool) -> None:
        self.text = text
        self.events = _events(text, pure)
        self.anchors: dict[str, Node] = {}
        self.aliases: list[Alias] = []

    def compose(self) -> YamlFile:
        documents = []
        for event in self.events:
            if type(event).__name__ == "DocumentStartEvent":
                self.anchors = {}
                documents.append(self.node(next(self.events), event.end_mark.index, 0))
        return YamlFile(self.text, documents, self.aliases)

    def node(self, event: Any, after: int, depth: int) -> Node:
        """Compose the node that begins with `event`; `after` is where an empty value stands."""
        if depth > MAX_DEPTH:
            raise ParseError(f"nested more than {MAX_DEPTH} deep", event.start_mark.index)
        kind = type(event).__name__
        if kind == "ScalarEvent":
            return self.scalar(event, after)
        start = event.start_mark.index
        if kind == "AliasEvent":
            if event.anchor not in self.anchors:
                raise ParseError(f"alias *{event.anchor} has no anchor", start)
            alias = Alias(start, event.end_mark.index, event.anchor, self.anchors[event.anchor])
            self.aliases.append(alias)
            return alias
        tag = str(event.tag) if event.tag else None
        flow = bool(event.flow_style)
        end = event.end_mark.index
        if kind == "SequenceStartEvent":
            sequence = Sequence(start, end, event.anchor, tag, flow)
            self.register(sequence)
            self.items(sequence, depth)
            return sequence
        mapping = Mapping(start, end, event.anchor, tag, flow)
        self.register(mapping)
        self.pairs(mapping, depth)
        return mapping

    def register(self, node: Node) -> None:
        if node.anchor is not None:
            self.anchors[node.anchor] = node

    def scalar(self, event: Any, after: int) -> Scalar:
        start, end, style = event.start_mark.index, event.end_mark.index, event.style or ""
        tag = str(event.tag) if event.tag else None
        if style in ("|", ">"):
            end = self.block_end(start, end)
        elif not style and not event.value and event.anchor is None and tag is None:
            start = end = after
        node = Scalar(start, end, event.anchor, tag, event.value, style)
        self.register(node)
        return node

    def block_end(self, start: int, end: int) -> int:
        """End of a block scalar's last line; trailing blank lines belong to it only when kept (`|+`)."""
        body = self.text[start:end]
        if "+" in body.partition("\n")[0].partition("#")[0]:
            return end - (len(body) - len(body.removesuffix("\n").removesuffix("\r")))
        return start + len(body.rstrip(" \t\r\n"))

    def items(self, sequence: Sequence, depth: int) -> None:
        after = sequence.end
        for event in self.events:
            if type(event).__name__ == "SequenceEndEvent":
                sequence.end = event.end_mark.index if sequence.flow else after
                return
            if not sequence.flow:
                dash = self.text.find("-", after if sequence.items else sequence.start, event.end_mark.index + 1)
                empty = dash + 1 if dash >= 0 else after
            else:
                empty = event.start_mark.index
            item = self.node(event, empty, depth + 1)
            sequence.items.append(item)
            after = item.end

    def pairs(self, mapping: Mapping, depth: int) -> None:
        after = mapping.end
        for event in self.events:
            if type(event).__name__ == "MappingEndEvent":
                mapping.end = event.end_mark.index if mapping.flow else after
                return
            key = self.node(event, event.start_mark.index, depth + 1)
            colon = _COLON.match(self.text, key.end)
            value = self.node(next(self.events), colon.end() if colon else key.end, depth + 1)
            mapping.pairs.append(Pair(key, value))
            after = value.end
