"""Edits of YAML texts in the style that the text already has.

Values to be written are given as data: `str`, `list`, `dict`, `Literal` (a `|` block) or `Source` (text to be copied
as it stands). New strings are plain when every YAML version reads them back as the same string.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from codemods.engine.edits import Edit
from codemods.errors import CannotEdit
from codemods.formats.yaml import Alias, Mapping, Node, Pair, Scalar, Sequence, YamlFile, walk

_PLAIN = re.compile(r"[A-Za-z0-9_./$~^\\(\)+;-].*\Z")
_NOT_A_STRING = re.compile(
    r"""(?ix) ~ | null | true | false | yes | no | on | off | y | n | = | <<
    | [-+]? ( 0b[01_]+ | 0o?[0-7_]+ | 0x[0-9a-f_]+ | \.?[0-9][0-9_]* (\.[0-9_]*)? (e[-+]?[0-9]+)? )
    | [-+]? [0-9][0-9_]* (:[0-5]?[0-9])+ (\.[0-9_]*)?
    | [-+]? \.(inf) | \.nan
    | [0-9]{4}-[0-9]{1,2}-[0-9]{1,2} ([Tt\ ].*)?
    """
)


class Literal(NamedTuple):
    """Lines of a `|` block scalar, without indentation and line ends."""

    lines: tuple[str, ...]

    @property
    def value(self) -> str:
        """What a YAML reader makes of it."""
        return "".join(f"{line}\n" for line in self.lines)


class Source(NamedTuple):
    """One line of YAML that is copied as it stands: an alias, a scalar with its quotes, a flow collection."""

    text: str


def scalar_source(value: str, quote: str = "'", *, flow: bool = False) -> str:
    """Write a string: plain where that is safe in YAML 1.1 and 1.2, else in quotes of the style `quote`."""
    if _is_plain(value, flow):
        return value
    if quote == '"' or not value.isprintable():
        escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
        if not escaped.isprintable():
            escaped = "".join(char if char.isprintable() else f"\\U{ord(char):08x}" for char in escaped)
        return f'"{escaped}"'
    return "'" + value.replace("'", "''") + "'"


def _is_plain(value: str, flow: bool) -> bool:
    if not value.isprintable() or not _PLAIN.match(value) or _NOT_A_STRING.fullmatch(value) or value != value.strip():
        return False
    if ": " in value or " #" in value or value.endswith(":") or value.startswith(("- ", "---", "...")) or value == "-":
        return False
    return not (flow and re.search(r"[\[\]{},]", value))


def block_lines(key: str, value: Any, *, step: int, dash: int) -> list[str]:
    """Lines of `key: value`, without the indentation of the key; `step` and `dash` indent what is below it."""
    match value:
        case list():
            return [f"{key}:", *(" " * dash + line for item in value for line in item_lines(item, step, dash))]
        case dict():
            nested = (block_lines(name, inner, step=step, dash=dash) for name, inner in value.items())
            return [f"{key}:", *(" " * step + line for lines in nested for line in lines)]
        case Literal():
            return [f"{key}: |", *(" " * step + line if line else "" for line in value.lines)]
        case _:
            return [f"{key}: {_inline(value)}"]


def item_lines(item: Any, step: int, dash: int) -> list[str]:
    """Lines of one `- item` of a block sequence, without indentation."""
    if not isinstance(item, dict):
        return [f"- {_inline(item)}"]
    lines = [line for key, value in item.items() for line in block_lines(key, value, step=step, dash=dash)]
    return [("- " if number == 0 else "  ") + line for number, line in enumerate(lines)]


def flow_source(value: Any) -> str:
    """Write a value in one line, as flow collections need it."""
    match value:
        case list():
            return "[" + ", ".join(flow_source(item) for item in value) + "]"
        case dict():
            return "{" + ", ".join(f"{key}: {flow_source(inner)}" for key, inner in value.items()) + "}"
        case Literal():
            return scalar_source(value.value, '"', flow=True)
        case Source():
            return value.text
    return scalar_source(str(value), '"', flow=True)


def _inline(value: Any) -> str:
    return value.text if isinstance(value, Source) else scalar_source(str(value))


def copied(file: YamlFile, node: Node) -> Any:
    """A value to write that reads like `node`: aliases and one-line sources as they stand, mappings rebuilt."""
    if isinstance(node, Mapping) and not node.flow:
        return {pair.name or file.source(pair.key): copied(file, pair.value) for pair in node.pairs}
    if isinstance(node, Sequence) and not node.flow:
        return [copied(file, item) for item in node.items]
    source = file.text[file.content_start(node) : node.end]
    if "\n" in source:
        raise CannotEdit("a value over several lines cannot be copied", "write it in one line", node.start)
    if isinstance(node, Scalar):
        return node.value if not node.tag and _is_plain(node.value, flow=False) else Source(source)
    return Source(source)


def line_end(text: str, offset: int) -> int:
    """Offset of the end of the line that holds `offset`, before its `\\r\\n` or `\\n`."""
    end = text.find("\n", offset)
    if end < 0:
        return len(text)
    return end - 1 if end > offset and text[end - 1] == "\r" else end


def newline_at(text: str, offset: int) -> str:
    """The line end of the line that holds `offset`; of the line before it when the last line has none."""
    end = text.find("\n", offset)
    if end < 0:
        end = text.rfind("\n")
    return "\r\n" if end > 0 and text[end - 1] == "\r" else "\n"


def insert_lines(file: YamlFile, after: int, lines: list[str], indent: int) -> Edit:
    """Insert lines below the line that holds offset `after`, each indented by `indent` spaces.

    Raises CannotEdit behind a block of text (`|`) that ends the file in an open line: its value would gain a line end.
    """
    newline = newline_at(file.text, after)
    end = line_end(file.text, after)
    if end == len(file.text) and any(isinstance(node, Scalar) and node.style in ("|", ">") and node.end == end
                                     for root in file.documents for node in walk(root)):  # fmt: skip
        raise CannotEdit("the file ends inside a block of text", "end the file with a line end", after)
    return Edit(end, end, "".join(newline + (" " * indent + line if line else "") for line in lines))


def indentation(file: YamlFile, mapping: Mapping) -> tuple[int, int]:
    """(step, dash) of what stands in and around a block mapping: how far nested keys and dashes are indented."""
    steps, dashes = (
        [(abs(start - mapping.start), columns) for start, columns in places] for places in file.fact(_indentations)
    )
    return min(steps, default=(0, 2))[1], min(dashes, default=(0, 2))[1]


def _indentations(file: YamlFile) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """All nested mappings with their indentation, and all lists with that of their dashes."""
    steps, dashes = [], []
    for root in file.documents:
        for node in walk(root):
            if isinstance(node, Mapping) and not node.flow:
                column = _column(file, node)
                for pair in node.pairs:
                    value = pair.value
                    if isinstance(value, Mapping) and not value.flow and value.pairs:
                        steps.append((value.start, _column(file, value) - column))
                    if isinstance(value, Sequence) and not value.flow and value.items:
                        dashes.append((value.start, dash_column(file, value) - column))
    return steps, dashes


def _column(file: YamlFile, mapping: Mapping) -> int:
    return file.column(mapping.pairs[0].key.start) if mapping.pairs else file.column(mapping.start)


def add_pairs(file: YamlFile, mapping: Mapping, values: dict[str, Any], *, after: Pair | None = None) -> list[Edit]:
    """Add keys with their values after the pair `after`, else at the end, in block or flow style as the mapping is.

    Raises CannotEdit for a block mapping without pairs.
    """
    pair = after or (mapping.pairs[-1] if mapping.pairs else None)
    if mapping.flow:
        sources = [f"{key}: {flow_source(value)}" for key, value in values.items()]
        return _add_flow(file, mapping, pair.value.end if pair else None, sources, inside=after is not None)
    if pair is None:
        raise CannotEdit("an empty mapping has no place for a key", "add the keys by hand", mapping.start)
    step, dash = indentation(file, mapping)
    lines = [line for key, value in values.items() for line in block_lines(key, value, step=step, dash=dash)]
    return [insert_lines(file, pair_end(pair), lines, _column(file, mapping))]


def pair_end(pair: Pair) -> int:
    """Where a pair's content ends; an empty value ends at its colon."""
    return max(pair.key.end, pair.value.end)


def _add_flow(
    file: YamlFile, node: Mapping | Sequence, last: int | None, sources: list[str], *, inside: bool
) -> list[Edit]:
    """Add elements to a flow collection behind the one that ends at `last`; `inside` when others follow it."""
    text = file.text
    close = node.end - 1
    if last is None:
        return [Edit(close, close, ", ".join(sources))]
    line = file.line_start(last)
    end = line_end(text, last)
    comma = re.match(r"\s*,", text[last:close])
    if inside or line <= node.start or end > close:
        position = last if inside or not comma else last + comma.end()
        joined = "".join(f", {source}" for source in sources)
        return [Edit(position, position, joined.removeprefix(",") if position > last else joined)]
    indent = text[line:last][: len(text[line:last]) - len(text[line:last].lstrip())]
    lines = f",{newline_at(text, last)}{indent}".join(sources)
    added = Edit(end, end, f"{newline_at(text, last)}{indent}{lines}{',' if comma else ''}")
    return [added] if comma else [Edit(last, last, ","), added]


def dash_column(file: YamlFile, sequence: Sequence, index: int = -1) -> int:
    """Column of the dash of an item of a block sequence."""
    return file.column(_dash(file, sequence, index))


def _dash(file: YamlFile, sequence: Sequence, index: int = -1) -> int:
    """Offset of the dash before an item: it has no node, so it is looked for backwards, over comments."""
    item = sequence.items[index]
    position = item.start
    while position > 0:
        line = file.line_start(position - 1) if file.text[position - 1] == "\n" else file.line_start(position)
        before = file.text[line:position]
        code = before.split(" #")[0] if "#" in before else before
        stripped = code.rstrip()
        if stripped.endswith("-"):
            return line + len(stripped) - 1
        if stripped and not stripped.lstrip().startswith("#"):
            break
        position = line
    raise CannotEdit("the dash of a list item was not found", "write the list with one item a line", item.start)


def append_item(file: YamlFile, sequence: Sequence, *values: Any, after: int = -1) -> list[Edit]:
    """Append one or more items behind item `after` (default: the last) in the sequence's own style."""
    if sequence.flow:
        last = sequence.items[after].end if sequence.items else None
        inside = after not in (-1, len(sequence.items) - 1)
        return _add_flow(file, sequence, last, [flow_source(value) for value in values], inside=inside)
    dash = _dash(file, sequence, after)
    item = sequence.items[after]
    lead = re.match(r"- +", file.text[dash : item.start])
    gap = len(lead.group()) - 1 if lead and dash + len(lead.group()) == item.start else 1
    step, inner = indentation(file, item) if isinstance(item, Mapping) and not item.flow else (2, 2)
    lines = [(("-" + " " * gap) if number == 0 else " " * (gap + 1)) + line[2:]
             for value in values for number, line in enumerate(item_lines(value, step, inner))]  # fmt: skip
    return [insert_lines(file, item.end, lines, file.column(dash))]


def scalar_to_list(file: YamlFile, mapping: Mapping, pair: Pair, added: list[Any]) -> list[Edit]:
    """Turn `key: value` into a list whose first item keeps the value's own text, followed by `added`.

    Raises CannotEdit for a value over several lines.
    """
    value = pair.value
    if not isinstance(value, Scalar | Alias) or "\n" in file.source(value):
        raise CannotEdit("a value over several lines cannot become a list", "write the list by hand", value.start)
    if mapping.flow:
        tail = "".join(f", {flow_source(item)}" for item in added)
        return [Edit(value.start, value.start, "["), Edit(value.end, value.end, f"{tail}]")]
    colon = file.text.index(":", pair.key.end)
    if "\n" in file.text[pair.key.end : colon]:
        raise CannotEdit("the key is written with a question mark", "write it as key: value", pair.key.start)
    if file.text[colon + 1 : value.start].strip():
        raise CannotEdit("a comment stands between the key and its value", "move the comment", value.start)
    step, dash = indentation(file, mapping)
    indent = file.column(pair.key.start) + dash
    newline = newline_at(file.text, value.end)
    lines = [line for item in added for line in item_lines(item, step, dash)]
    return [
        Edit(colon + 1, value.start, f"{newline}{' ' * indent}- "),
        insert_lines(file, value.end, lines, indent),
    ]


def replace_scalar(file: YamlFile, node: Scalar, value: str) -> Edit:
    """Give a scalar another value in its own quotes; an anchor stays. Raises CannotEdit for block scalars."""
    if node.style in ("|", ">") or "\n" in file.source(node):
        raise CannotEdit("a value over several lines cannot be replaced", "write it in one line", node.start)
    start = file.content_start(node)
    if node.style == "'":
        source = "'" + value.replace("'", "''") + "'"
    elif node.style == '"':
        source = '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    else:
        source = scalar_source(value, '"')
    return Edit(start, node.end, source)


def remove_pair(file: YamlFile, mapping: Mapping, pair: Pair) -> Edit:
    """Remove the lines of a pair of a block mapping, trailing comment included, or a pair of a mapping on one line.

    Raises CannotEdit for the only pair, and for flow mappings over several lines.
    """
    index = mapping.pairs.index(pair)
    if mapping.flow and index and "\n" not in file.source(mapping):
        return Edit(pair_end(mapping.pairs[index - 1]), pair_end(pair), "")
    if mapping.flow or len(mapping.pairs) == 1:
        raise CannotEdit("this key cannot be removed by lines", f"remove {pair.name} by hand", pair.key.start)
    start = file.line_start(pair.key.start)
    if file.text[start : pair.key.start].strip():
        raise CannotEdit("the key shares its line with a dash", f"remove {pair.name} by hand", pair.key.start)
    end = file.text.find("\n", pair_end(pair))
    if end >= 0:
        return Edit(start, end + 1, "")
    before = file.text[:start]
    return Edit(len(before.removesuffix("\n").removesuffix("\r")), len(file.text), "")


def lines_of(file: YamlFile, pair: Pair) -> list[str]:
    """The lines of a pair as written, its trailing comment included, without the indentation of its key."""
    column = file.column(pair.key.start)
    end = line_end(file.text, pair_end(pair))
    lines = file.text[pair.key.start : end].replace("\r\n", "\n").split("\n")
    return [lines[0], *(line[column:] if not line[:column].strip() else line.lstrip() for line in lines[1:])]


def remove_item(file: YamlFile, sequence: Sequence, index: int) -> Edit:
    """Remove the lines of an item of a block sequence; the last one left, and flow lists over lines, cannot go."""
    if len(sequence.items) == 1:
        raise CannotEdit("the only item of a list cannot go", "remove the key by hand", sequence.start)
    item = sequence.items[index]
    if sequence.flow:
        if "\n" in file.source(sequence):
            raise CannotEdit("a list over several lines", "remove the item by hand", item.start)
        if index:
            return Edit(sequence.items[index - 1].end, item.end, "")
        return Edit(item.start, sequence.items[1].start, "")
    dash = _dash(file, sequence, index)
    start = file.line_start(dash)
    if file.text[start:dash].strip():
        raise CannotEdit("the item shares its line with another", "remove the item by hand", item.start)
    end = file.text.find("\n", item.end)
    if end >= 0:
        return Edit(start, end + 1, "")
    return Edit(len(file.text[:start].removesuffix("\n").removesuffix("\r")), len(file.text), "")
