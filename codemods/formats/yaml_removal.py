"""Taking things out of YAML texts: the way back from what `yaml_edits` adds."""

from __future__ import annotations

import re
from collections.abc import Collection
from collections.abc import Sequence as Several

from codemods.engine.edits import Edit
from codemods.errors import CannotEdit
from codemods.formats.lines import cut_lines
from codemods.formats.yaml import Mapping, Node, Pair, Sequence, YamlFile
from codemods.formats.yaml_edits import pair_end, remove_item, remove_pair

_REST = re.compile(r"[ \t]*,?[ \t]*(?:#[^\n]*?)?(?=\r?\n)")


def remove_pairs(file: YamlFile, mapping: Mapping, pairs: Collection[Pair]) -> list[Edit]:
    """Take pairs out of a mapping that keeps others. Raises CannotEdit where they share a line with something else."""
    if not mapping.flow:
        if len(pairs) == len(mapping.pairs):
            raise CannotEdit("nothing else is in this mapping", "take it out by hand", mapping.start)
        return [remove_pair(file, mapping, pair) for pair in pairs]
    spans = [(pair.key.start, pair_end(pair)) for pair in mapping.pairs]
    return _cut_flow(file, mapping, spans, [mapping.pairs.index(pair) for pair in pairs])


def remove_items(file: YamlFile, sequence: Sequence, items: Collection[Node]) -> list[Edit]:
    """Take items out of a list that keeps others. Raises CannotEdit where they share a line with something else."""
    indexes = [index for index, item in enumerate(sequence.items) if item in items]
    if not sequence.flow:
        if len(indexes) == len(sequence.items):
            raise CannotEdit("nothing else is in this list", "take it out by hand", sequence.start)
        return [remove_item(file, sequence, index) for index in indexes]
    return _cut_flow(file, sequence, [(item.start, item.end) for item in sequence.items], indexes)


def list_to_scalar(file: YamlFile, mapping: Mapping, pair: Pair, item: Node) -> list[Edit] | None:
    """Turn a list of which only `item` is to stay into that value; None where the list has to stay a list.

    A block list becomes `key: value`, a flow list does so inside of a flow mapping: elsewhere it was one from the
    start.
    """
    value, source = pair.value, file.source(item)
    if not isinstance(value, Sequence) or value.anchor or value.tag or "\n" in source:
        return None
    if value.flow:
        return [Edit(value.start, value.end, source)] if mapping.flow else None
    colon = file.text.index(":", pair.key.end)
    end = max(other.end for other in value.items)
    line_end = (file.text.find("\n", end) + 1 or len(file.text) + 1) - 1
    if any(colon < comment.start < line_end for comment in file.comments):
        return None
    return [Edit(colon + 1, end, f" {source}")]


def _cut_flow(
    file: YamlFile, node: Mapping | Sequence, spans: Several[tuple[int, int]], indexes: Several[int]
) -> list[Edit]:
    """Cut elements out of a flow collection, neighbours together."""
    edits: list[Edit] = []
    for first in (index for index in indexes if index - 1 not in indexes):
        last = next(index for index in range(first, len(spans)) if index + 1 not in indexes)
        edits += _cut_run(file, node, spans, first, last)
    return edits


def _cut_run(
    file: YamlFile, node: Mapping | Sequence, spans: Several[tuple[int, int]], first: int, last: int
) -> list[Edit]:
    text, (start, _), (_, end) = file.text, spans[first], spans[last]
    rest = _REST.match(text, end)
    if rest and rest.end() < node.end and not text[file.line_start(start) : start].strip():
        edits = [cut_lines(text, start, end)]
        if last == len(spans) - 1 and first and "," not in text[end : node.end]:
            # The last one that stays had no comma behind it before others came.
            comma = text.index(",", spans[first - 1][1])
            edits.insert(0, Edit(comma, comma + 1, ""))
        return edits
    if any(start < comment.start < end for comment in file.comments):
        raise CannotEdit("a comment stands between these values", "take them out by hand", start)
    if first:
        return [Edit(spans[first - 1][1], end, "")]
    return [Edit(start, spans[last + 1][0] if last + 1 < len(spans) else end, "")]
