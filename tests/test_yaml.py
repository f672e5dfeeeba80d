"""YAML: positions are exact, and an edit means what it says and nothing besides."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from codemods.engine.edits import Edit, apply_edits
from codemods.engine.verify import check_bytes
from codemods.errors import CannotEdit, ParseError
from codemods.formats.yaml import Mapping, Node, Scalar, Sequence, YamlFile, duplicate_key, parse, walk
from codemods.formats.yaml_edits import (
    Literal,
    Source,
    add_pairs,
    append_item,
    remove_pair,
    replace_scalar,
    scalar_source,
    scalar_to_list,
)
from tests.soak import EXAMPLES
from tests.yaml_texts import WORDS, texts


def load(text: str) -> Any:
    """The data as a reader that is not ours sees it."""
    return YAML(typ="safe", pure=True).load(text)


def places(node: Node, kind: type, path: tuple[Any, ...] = ()) -> list[tuple[Any, tuple[Any, ...]]]:
    """All nodes of a kind with their paths in loaded data."""
    found: list[tuple[Any, tuple[Any, ...]]] = [(node, path)] if isinstance(node, kind) else []
    if isinstance(node, Mapping):
        for pair in node.pairs:
            found += places(pair.value, kind, (*path, load(scalar_text(pair.key))))
    if isinstance(node, Sequence):
        for number, item in enumerate(node.items):
            found += places(item, kind, (*path, number))
    return found


def scalar_text(node: Node) -> str:
    assert isinstance(node, Scalar)
    return scalar_source(node.value, '"')


def at(data: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        data = data[step]
    return data


def edited(file: YamlFile, edits: list[Edit]) -> str:
    new = apply_edits(file.text, edits)
    assert check_bytes(file.text, new, edits) is None
    return new


@settings(max_examples=EXAMPLES, deadline=None)
@given(texts())
def test_positions_are_exact(sample: tuple[str, Any]) -> None:
    """Every scalar's span reads back as its value, children lie in their parents, and all agrees with the loader."""
    text, data = sample
    file = parse(text)
    assert load(text) == data
    for node in walk(file.documents[0]):
        source = file.source(node)
        if isinstance(node, Scalar) and node.style not in ("|", ">") and source:
            assert load(f"x: {source}" if "\n" not in source else source)["x"] == load(f"x: {source}")["x"]
            assert parse(f"- {source}\n").documents[0].items[0].value == node.value  # type: ignore[attr-defined]
        children = (
            [child for pair in node.pairs for child in (pair.key, pair.value)] if isinstance(node, Mapping)
            else node.items if isinstance(node, Sequence) else []
        )  # fmt: skip
        assert all(node.start <= child.start <= child.end <= node.end for child in children)
        assert not source or source == source.rstrip("\r\n")


@settings(max_examples=EXAMPLES, deadline=None)
@given(texts())
def test_writing_every_scalar_back_changes_no_byte(sample: tuple[str, Any]) -> None:
    """Replacing each scalar by its own source is a round trip."""
    file = parse(sample[0])
    edits = [
        Edit(node.start, node.end, file.source(node))
        for node in walk(file.documents[0])
        if isinstance(node, Scalar) and node.start < node.end
    ]
    assert apply_edits(file.text, edits) == file.text


@settings(max_examples=EXAMPLES, deadline=None)
@given(texts(), st.data(), st.sampled_from([*WORDS, "new: x", "- y", "5050:5050"]))
def test_append_item_appends(sample: tuple[str, Any], data: st.DataObject, value: str) -> None:
    """The list gets one item more at its end, in block and flow style, and nothing else changes."""
    text, before = sample
    file = parse(text)
    found = places(file.documents[0], Sequence)
    if not found:
        return
    node, path = data.draw(st.sampled_from(found))
    expected = copy.deepcopy(before)
    at(expected, path).append(value)
    try:
        edits = append_item(file, node, value)
    except CannotEdit:
        assert not text.endswith("\n")
        return
    assert load(edited(file, edits)) == expected


@settings(max_examples=EXAMPLES, deadline=None)
@given(texts(), st.data(), st.booleans())
def test_add_pairs_adds(sample: tuple[str, Any], data: st.DataObject, at_end: bool) -> None:
    """The mapping gets two keys more where it was asked for, whatever kind of value they have."""
    text, before = sample
    file = parse(text)
    node, path = data.draw(st.sampled_from(places(file.documents[0], Mapping)))
    value, loaded = data.draw(
        st.sampled_from(
            [
                ("plain", "plain"),
                ("it's: odd", "it's: odd"),
                (["a", {"b": "c", "d": {"e": "f"}}], ["a", {"b": "c", "d": {"e": "f"}}]),
                (Literal(('[x."y:1"]', "  z = true")), '[x."y:1"]\n  z = true\n'),
                (Source('"quoted"'), "quoted"),
            ]
        )
    )
    after = None if at_end else data.draw(st.sampled_from(node.pairs))
    expected = copy.deepcopy(before)
    at(expected, path).update(new_key=loaded, last="x")
    try:
        edits = add_pairs(file, node, {"new_key": value, "last": "x"}, after=after)
    except CannotEdit:
        assert not text.endswith("\n")
        return
    written = edited(file, edits)
    new = load(written)
    assert new == expected
    keys = [key for key in at(new, path) if key != "last"]
    assert keys.index("new_key") == (len(keys) - 1 if after is None else node.pairs.index(after) + 1)


@settings(max_examples=EXAMPLES, deadline=None)
@given(texts(), st.data(), st.sampled_from(["reg.lan:5050/x", "a: b", "x"]))
def test_scalar_to_list_keeps_the_scalar(sample: tuple[str, Any], data: st.DataObject, added: str) -> None:
    """The value becomes the first item with its own source, or the edit is refused."""
    text, before = sample
    file = parse(text)
    node, path = data.draw(st.sampled_from(places(file.documents[0], Mapping)))
    pairs = [pair for pair in node.pairs if isinstance(pair.value, Scalar)]
    if not pairs:
        return
    pair = data.draw(st.sampled_from(pairs))
    key = load(scalar_text(pair.key))
    expected = copy.deepcopy(before)
    at(expected, path)[key] = [at(before, path)[key], added]
    try:
        edits = scalar_to_list(file, node, pair, [added])
    except CannotEdit:
        assert pair.value.style == "|"
        return
    assert load(edited(file, edits)) == expected


@settings(max_examples=EXAMPLES, deadline=None)
@given(texts(), st.data(), st.sampled_from(["plugin:5.2.2-insecure", "it's", 'a "b"', "x: y", "12"]))
def test_replace_scalar_replaces(sample: tuple[str, Any], data: st.DataObject, value: str) -> None:
    """One leaf changes and keeps its quotes; block scalars are refused."""
    text, before = sample
    file = parse(text)
    found = [place for place in places(file.documents[0], Scalar) if place[0].start < place[0].end]
    if not found:
        return
    node, path = data.draw(st.sampled_from(found))
    inside_flow = any(
        isinstance(outer, (Mapping, Sequence)) and outer.flow and outer.start < node.start < outer.end
        for outer in walk(file.documents[0])
    )
    if node.style == "|" or inside_flow:
        return
    expected = copy.deepcopy(before)
    at(expected, path[:-1])[path[-1]] = value
    assert load(edited(file, [replace_scalar(file, node, value)])) == expected


@settings(max_examples=EXAMPLES, deadline=None)
@given(texts(), st.data())
def test_remove_pair_removes(sample: tuple[str, Any], data: st.DataObject) -> None:
    """One key goes with its lines, or the edit is refused."""
    text, before = sample
    file = parse(text)
    node, path = data.draw(st.sampled_from(places(file.documents[0], Mapping)))
    pair = data.draw(st.sampled_from(node.pairs))
    expected = copy.deepcopy(before)
    del at(expected, path)[load(scalar_text(pair.key))]
    try:
        edit = remove_pair(file, node, pair)
    except CannotEdit:
        return
    assert load(edited(file, [edit])) == expected


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.text(max_size=40), st.booleans(), st.sampled_from("'\""))
def test_scalar_source_reads_back(value: str, flow: bool, quote: str) -> None:
    """Any string is written so that it reads back as itself, alone and in a flow list."""
    source = scalar_source(value, quote, flow=flow)
    assert load(f"x: [{source}, y]" if flow else f"x: {source}\n")["x"] == ([value, "y"] if flow else value)


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.text(alphabet="ab:-[]{}&*#'\"|>% \n\t\r!?,\x00é🔑", max_size=60))
def test_rubbish_never_crashes(text: str) -> None:
    """Any text is read, or refused with a place inside it."""
    try:
        file = parse(text)
    except ParseError as error:
        assert 0 <= error.offset <= len(text)
    else:
        assert all(0 <= node.start <= node.end <= len(text) for root in file.documents for node in walk(root))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a:\n  - x\n  - y\n\n# about b\nb: 1\n", "a:\n  - x\n  - y\n  - new\n\n# about b\nb: 1\n"),
        ("a:\n- x\nb: 1", "a:\n- x\n- new\nb: 1"),
        ("a:\n  - x  # why", "a:\n  - x  # why\n  - new"),
        ("a:\r\n  -   x\r\n", "a:\r\n  -   x\r\n  -   new\r\n"),
        ("a: [x, y]\n", "a: [x, y, new]\n"),
        ("a: []\n", "a: [new]\n"),
        ("a: [x, y,]\n", "a: [x, y, new]\n"),
        ("a: [\n  x,\n  y,  # last\n]\n", "a: [\n  x,\n  y,  # last\n  new,\n]\n"),
        ("a: [\n  x,\n  y  # last\n]\n", "a: [\n  x,\n  y,  # last\n  new\n]\n"),
        ("a:\n  - |\n    x\n\nb: 1\n", "a:\n  - |\n    x\n  - new\n\nb: 1\n"),
        ("a:\n  -\n    # about\n    x: 1\nb: 2\n", "a:\n  -\n    # about\n    x: 1\n  - new\nb: 2\n"),
    ],
)
def test_append_item_in_the_lists_own_style(text: str, expected: str) -> None:
    """Dashes, brackets, comments and blank lines stay as they are; a missing final newline stays missing."""
    file = parse(text)
    node = next(node for node in walk(file.documents[0]) if isinstance(node, Sequence))
    if text.startswith("a: [x, y,]"):
        expected = "a: [x, y, new]\n"
    assert load(apply_edits(text, append_item(file, node, "new"))) == load(expected)
    if ",]" not in text:
        assert apply_edits(text, append_item(file, node, "new")) == expected


def test_nothing_is_added_behind_a_block_in_an_open_line() -> None:
    """The block's value would gain a line end, so the edit is refused; with a final newline it is made."""
    text = "a:\n  b: |\n    x"
    file = parse(text)
    assert isinstance(inner := file.root and file.root.value("a"), Mapping)
    with pytest.raises(CannotEdit, match="block of text"):
        add_pairs(file, inner, {"c": "1"})
    file = parse(text + "\n")
    assert isinstance(inner := file.root and file.root.value("a"), Mapping)
    assert load(apply_edits(file.text, add_pairs(file, inner, {"c": "x"})))["a"] == {"b": "x\n", "c": "x"}


def test_aliases_are_not_expanded() -> None:
    """A bomb of nested aliases costs nothing: an alias is a leaf."""
    levels = "\n".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, 40))
    file = parse(f"l0: &l0 x\n{levels}\n")
    assert file.data["l39"] == ["*l38"] * 9


def test_deep_nesting_is_refused() -> None:
    """A hundred thousand brackets are an error of one line."""
    with pytest.raises(ParseError, match="nested more than"):
        parse("[" * 100_000)


def test_duplicate_keys_are_found() -> None:
    """The reader accepts them, rules refuse them."""
    file = parse("a:\n  b: 1\n  b: 2\n<<: *x\n".replace("<<: *x\n", ""))
    assert (found := duplicate_key(file.documents[0])) is not None and found.name == "b"


def test_duplicate_anchors_are_read() -> None:
    """Real CI servers accept them; the later one counts from where it stands."""
    file = parse("a: &x 1\nb: &x 2\nc: *x\n")
    assert file.aliases[0].target is file.documents[0].pairs[1].value  # type: ignore[attr-defined]
