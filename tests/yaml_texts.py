"""Random YAML texts in many hands' styles, with the data they stand for."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from codemods.formats.yaml_edits import scalar_source

KEYS = ("repo", "image", "a-b", "settings", "тег", "x y", "on", "k1", "k2", "é")
WORDS = (
    "a/b",
    "x",
    "${CI_REPO,,}",
    "yes",
    "12",
    "5050:5050",
    "# no",
    "a: b",
    "",
    "ключ 🔑",
    "[x]",
    "*a",
    "it's",
    'say "hi"',
)


def values(depth: int = 3) -> st.SearchStrategy[Any]:
    """Nested data with text leaves; no empty collection, no list in a list."""
    leaf = st.sampled_from(WORDS) | st.text(
        st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), max_size=8
    )
    if depth == 0:
        return leaf
    mapping = st.dictionaries(st.sampled_from(KEYS), values(depth - 1), min_size=1, max_size=4)
    items = leaf | st.dictionaries(st.sampled_from(KEYS), values(depth - 1), min_size=1, max_size=3)
    return leaf | mapping | st.lists(items, min_size=1, max_size=4)


def mappings() -> st.SearchStrategy[Any]:
    """A document's root."""
    return st.dictionaries(st.sampled_from(KEYS), values(), min_size=1, max_size=5)


@st.composite
def texts(draw: st.DrawFn) -> tuple[str, Any]:
    """A text and its data: indentation, quotes, flow or block, comments, blank lines and line ends at random."""
    data = draw(mappings())
    lines = _mapping(draw, data, 0)
    if draw(st.booleans()):
        lines.insert(0, "---")
    ends = draw(st.sampled_from([("\n",), ("\r\n",), ("\n", "\r\n")]))
    text = "".join(line + draw(st.sampled_from(ends)) for line in lines)
    return (text.rstrip("\r\n") if draw(st.booleans()) else text), data


def _mapping(draw: st.DrawFn, data: dict[str, Any], indent: int) -> list[str]:
    lines: list[str] = []
    for key, value in data.items():
        lines += _noise(draw, indent)
        name = scalar_source(key, draw(st.sampled_from("'\"")))
        below = _value(draw, value, indent)
        lines += [" " * indent + f"{name}:{below[0]}", *below[1:]]
    return lines


def _value(draw: st.DrawFn, value: Any, indent: int) -> list[str]:
    """What follows a colon, and the lines below it."""
    comment = draw(st.sampled_from(["", "", "  # why", " # it's: [odd"]))
    if isinstance(value, str):
        if (
            value.strip() == value != ""
            and value.isprintable()
            and value[0] not in " \u00a0"
            and draw(st.integers(0, 5)) == 0
        ):
            return [f" |-{comment}", " " * (indent + 3) + value]
        return [" " + _leaf(draw, value) + comment]
    if draw(st.integers(0, 3)) == 0:
        return [" " + _flow(draw, value) + comment]
    if isinstance(value, dict):
        return [comment, *_mapping(draw, value, indent + draw(st.sampled_from([1, 2, 4])))]
    dash = indent + draw(st.sampled_from([0, 2, 4]))
    lines = [comment]
    for item in value:
        lines += _noise(draw, dash)
        gap = draw(st.sampled_from([1, 1, 3]))
        if isinstance(item, str):
            lines.append(" " * dash + "-" + " " * gap + _leaf(draw, item))
        elif draw(st.integers(0, 3)) == 0:
            lines.append(" " * dash + "- " + _flow(draw, item))
        else:
            inner = _mapping(draw, item, dash + 1 + gap)
            while not inner[0].strip() or inner[0].lstrip().startswith("#"):
                inner.pop(0)
            lines += [" " * dash + "-" + " " * gap + inner[0].lstrip(), *inner[1:]]
    return lines


def _flow(draw: st.DrawFn, value: Any) -> str:
    space = draw(st.sampled_from(["", " "]))
    comma = draw(st.sampled_from([", ", ","]))
    if isinstance(value, str):
        return scalar_source(value, draw(st.sampled_from("'\"")), flow=True)
    if isinstance(value, dict):
        pairs = (f"{scalar_source(key, flow=True)}: {_flow(draw, inner)}" for key, inner in value.items())
        return "{" + space + comma.join(pairs) + space + "}"
    trailing = draw(st.sampled_from(["", ","]))
    return "[" + space + comma.join(_flow(draw, item) for item in value) + trailing + space + "]"


def _leaf(draw: st.DrawFn, value: str) -> str:
    style = draw(st.sampled_from(["", "'", '"']))
    if style == "'" and value.isprintable():
        return "'" + value.replace("'", "''") + "'"
    if style == '"' and value.isprintable():
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return scalar_source(value, '"')


def _noise(draw: st.DrawFn, indent: int) -> list[str]:
    return draw(st.sampled_from([[], [], [], [""], [" " * indent + "# note: ☂"], ["", " " * indent + "# - x"]]))
