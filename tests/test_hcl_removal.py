"""Taking an element out of a list leaves everything else as it is."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codemods.engine.difference import differences
from codemods.engine.edits import apply_edits
from codemods.errors import CannotEdit
from codemods.formats.hcl import HclFile, List, parse
from codemods.formats.hcl_edits import remove_element
from tests.hcl_texts import texts
from tests.soak import EXAMPLES


def lists_in(file: HclFile) -> list[tuple[tuple[str, ...], List]]:
    found = [(attribute.path, attribute.value) for attribute in file.attributes]
    return [(path, value) for path, value in found if isinstance(value, List) and value.children]


@settings(max_examples=EXAMPLES, deadline=None)
@given(texts(), st.data())
def test_removing_takes_one_element(text: str, data: st.DataObject) -> None:
    """Anywhere in any list, the element is the only difference, and comments that go stood above or behind it."""
    file = parse(text)
    for path, values in lists_in(file):
        index = data.draw(st.integers(0, len(values.children) - 1))
        element = values.children[index]
        try:
            edit = remove_element(file, values, index)
        except CannotEdit:
            assert any(values.start < comment.start < values.end for comment in file.comments)
            continue
        new = apply_edits(text, [edit])
        rest = parse(new)
        assert list(differences(file.data, rest.data)) == [(*path, "-")]
        old_data: Any = file.data
        new_data: Any = rest.data
        for name in path:
            old_data, new_data = old_data[name], new_data[name]
        assert new_data == [*old_data[:index], *old_data[index + 1 :]]
        kept = [comment.text for comment in rest.comments]
        above = {comment.start for comment in file.comments_above(element.start)}
        lost = [comment for comment in file.comments if edit.start <= comment.start < edit.end]
        assert kept == [comment.text for comment in file.comments if comment not in lost]
        assert all(comment.start in above or comment.start > element.start for comment in lost)


@pytest.mark.parametrize(
    ("before", "index", "expected"),
    [
        ("x = [\n  1,\n  2,\n]\n", 0, "x = [\n  2,\n]\n"),
        ("x = [\n  1,\n  2\n]\n", 1, "x = [\n  1,\n]\n"),
        ("x = [\r\n\t1,\r\n\t2\r\n]", 0, "x = [\r\n\t2\r\n]"),
        ("x = [\n  1,\r\n  2,\n]\n", 1, "x = [\n  1,\n]\n"),
        ("x = [\n  # a\n  1,\n  # b\n  2,\n]\n", 0, "x = [\n  # b\n  2,\n]\n"),
        ("x = [\n  # a\n  # b\n  1, # c\n]\n", 0, "x = [\n]\n"),
        ("x = [\n  # both\n  1,\n  2,\n]\n", 0, "x = [\n  # both\n  2,\n]\n"),
        ("x = [\n  # both\n  1,\n  2,\n]\n", 1, "x = [\n  # both\n  1,\n]\n"),
        ("x = [\n  # head\n\n  1,\n]\n", 0, "x = [\n  # head\n\n]\n"),
        ("x = [\n  1,\n\n  # b\n  2,\n\n  3,\n]\n", 1, "x = [\n  1,\n\n  3,\n]\n"),
        ("x = [\n  f(\n    1\n  ),\n  2,\n]\n", 0, "x = [\n  2,\n]\n"),
        ("x = [\n  1,\n  <<A\n1\nA\n  ,\n  2,\n]\n", 1, "x = [\n  1,\n  2,\n]\n"),
        ("x = [<<A\n1\nA\n  , 2]\n", 0, "x = [2]\n"),
        ("x = [<<A\n1\nA\n  , 2]\n", 1, "x = [<<A\n1\nA\n  ]\n"),
        ("x = [1]", 0, "x = []"),
        ("x = [1,]", 0, "x = []"),
        ("x = [1, 2]", 0, "x = [2]"),
        ("x = [1, 2]", 1, "x = [1]"),
        ("x = [1, 2, 3]", 1, "x = [1, 3]"),
        ("x = [\n  1, 2,\n  3,\n]\n", 1, "x = [\n  1,\n  3,\n]\n"),
        ("x = [\n  1, 2,\n  3,\n]\n", 0, "x = [\n  2,\n  3,\n]\n"),
        ("x = [1,\n  2]\n", 1, "x = [1]\n"),
    ],
)
def test_remove_element(before: str, index: int, expected: str) -> None:
    """The element goes with its lines, its comma, and the comments that are about it alone."""
    file = parse(before)
    ((_, values),) = lists_in(file)
    assert apply_edits(before, [remove_element(file, values, index)]) == expected


@pytest.mark.parametrize(("text", "index"), [("x = [1, # a\n  2]", 1), ("x = [1 /* a */, 2]", 0)])
def test_a_comment_is_not_lost(text: str, index: int) -> None:
    """An element that shares its line is not taken out with a comment that may be about another one."""
    file = parse(text)
    ((_, values),) = lists_in(file)
    with pytest.raises(CannotEdit, match="comment"):
        remove_element(file, values, index)
