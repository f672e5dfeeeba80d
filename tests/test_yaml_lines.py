"""The reader by lines and the library read the same, node for node, or the reader keeps its hands off."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from codemods.errors import ParseError
from codemods.formats.yaml import Alias, Mapping, Node, Scalar, Sequence, parse_events
from codemods.formats.yaml_lines import read_lines
from tests.pipeline_texts import pipelines
from tests.soak import EXAMPLES
from tests.yaml_texts import texts

ROOT = Path(__file__).parent.parent
PLAIN = """\
# what CI does
when:
  - event: push
    path: 'it''s/**'   # a comment
steps:
- name: test
  image: "golang:1.24"
  commands: [go vet ./..., 'a, b', "c # d"]
  empty:
  script: |
    first # no comment
      second

    third
  last: |-
    http://x.example/a:b#c

- name: --race
  settings:
      repo:
          - a/b
          - c/d
      tags:
      - latest
"""
PIECES = (
    "a:",
    "a: ",
    "b: x",
    "- ",
    "-",
    "- a",
    "- a: b",
    "  ",
    "    ",
    " ",
    "\n",
    "\n\n",
    "# c",
    " # c",
    "x # c",
    ": ",
    "|",
    "|-",
    "|+",
    ">",
    "'it''s'",
    '"q"',
    '"\\n"',
    "[a, b]",
    "[a, [b]]",
    "[]",
    "{a: b}",
    "&x ",
    "*x",
    "!t ",
    "? ",
    "---\n",
    "...\n",
    "%Y\n",
    "\t",
    "\r",
    "a b",
    "a:b",
    "a#b",
    "-a",
    "--",
    "~",
    "<<: ",
    "1: 2",
    "\xa0",
    "\u2028",
    "é",
    "@",
    "`",
    "key : v",
)


def shape(node: Node) -> Any:
    """All that a node says."""
    match node:
        case Scalar():
            what: Any = (node.value, node.style)
        case Alias():
            what = node.target.start
        case Sequence():
            what = (node.flow, [shape(item) for item in node.items])
        case Mapping():
            what = (node.flow, [(pair.name, shape(pair.key), shape(pair.value)) for pair in node.pairs])
        case _:
            raise TypeError(node)
    return type(node), node.start, node.end, node.anchor, node.tag, what


def assert_same(text: str) -> bool:
    """Compare the two where the reader reads; returns whether it does."""
    found = read_lines(text)
    if found is not None:
        assert [shape(node) for node in found.documents] == [shape(node) for node in parse_events(text).documents]
        assert not found.aliases
    return found is not None


def test_what_pipelines_are_written_in_is_read() -> None:
    """Comments, quotes, lists in both styles and at both indentations, empty values and blocks are plain enough."""
    assert assert_same(PLAIN)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing\n",
        "a: b",
        "a: b\r\n",
        "a:\tb\n",
        "---\na: b\n",
        "a: &x b\n",
        "a: *x\n",
        "a: !t b\n",
        "a: b\n  c\n",
        "- a\n  b\n",
        "a: >\n  b\n",
        "a: |+\n  b\n",
        "a: |2\n   b\n",
        "a: |\n\n  b\n",
        "a: |\n    \n  b\n",
        "a: {b: c}\n",
        "a: [b, [c]]\n",
        "a: []\n",
        'a: "\\n"\n',
        "'a': b\n",
        "? a\n",
        "a b: c\n",
        "1: 2\n",
        "- - a\n",
        "a: b: c\n",
        "a: b\n b: c\n",
        "  a: b\nc: d\n",
        "- a\nb: c\n",
        "a: b\n- c\n",
        "a: 'b' c\n",
        "a: @b\n",
        "a: - b\n",
    ],
)
def test_anything_else_is_left_to_the_library(text: str) -> None:
    """What the reader does not know for certain, valid or not, it does not read."""
    assert read_lines(text) is None


@pytest.mark.parametrize("folder", ["examples", "tests/cases"])
def test_real_files_are_read_as_the_library_reads_them(folder: str) -> None:
    """Of the example and all cases most are plain, and each of these is the same to both."""
    read = [
        assert_same(path.read_text())
        for path in sorted((ROOT / folder).rglob("*.y*ml"))
        if path.is_file() and path.read_bytes().isascii()
    ]
    assert sum(read) > len(read) / 2


@settings(max_examples=EXAMPLES, deadline=None)
@given(pipelines())
def test_pipelines_are_read_as_the_library_reads_them(text: str) -> None:
    """Random pipelines in many styles."""
    assert_same(text)


@settings(max_examples=EXAMPLES, deadline=None)
@given(texts())
def test_texts_are_read_as_the_library_reads_them(found: tuple[str, Any]) -> None:
    """Random YAML in many styles."""
    assert_same(found[0])


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=12).map(lambda pieces: "".join(pieces) + "\n"))
@example("a:\n  - |\n   x\n    y  \n\n  # c\n  - b\nc: d\n")
@example("a: |\n  b\n # c\nd: e\n")
def test_heaps_of_pieces_are_read_as_the_library_reads_them(text: str) -> None:
    """What the library refuses is never read."""
    try:
        parse_events(text)
    except ParseError:
        assert read_lines(text) is None
    else:
        assert_same(text)


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.data())
def test_damaged_texts_are_read_as_the_library_reads_them(data: st.DataObject) -> None:
    """A plain text with a piece put in, or a part taken out, anywhere."""
    start = data.draw(st.integers(0, len(PLAIN)))
    end = start + data.draw(st.integers(0, 3))
    text = PLAIN[:start] + data.draw(st.sampled_from(("", *PIECES))) + PLAIN[end:]
    try:
        parse_events(text)
    except ParseError:
        assert read_lines(text) is None
    else:
        assert_same(text)
