"""HCL is read without loss, and edited in the style that is there."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codemods.engine.difference import differences
from codemods.engine.edits import Edit, apply_edits
from codemods.engine.verify import check_bytes
from codemods.errors import CannotEdit, ParseError
from codemods.formats.hcl import TEMPLATE, Call, HclFile, Heredoc, List, Object, String, Value, parse, walk
from codemods.formats.hcl_edits import (
    NewElement,
    copied,
    insert_comment,
    insert_element,
    insert_elements,
    replace_in_string,
)
from tests.hcl_texts import texts
from tests.soak import EXAMPLES

EXAMPLE = Path(__file__).parent.parent / "examples" / "infra" / "stacks" / "infra" / "main.tf"
SHORT = """\
# top
module "m" {
  cmds = [
    # first
    // second
    "a ${x}", # behind
    format("%s", file("p")),

    # far

    "c"
  ]
  when = a ? 1 : 2 // why
}
locals { o = { a = [1], "b c" = <<-EOF
  text
  EOF
  } }
locals { o = 2 }
"""


def list_of(file: HclFile, name: str) -> List:
    attribute = file.attribute(name)
    assert attribute
    assert isinstance(attribute.value, List)
    return attribute.value


def source(file: HclFile, value: Value) -> str:
    return file.text[value.start : value.end]


def only_list(text: str) -> tuple[HclFile, List]:
    file = parse(text)
    return file, list_of(file, "x")


def test_data() -> None:
    """Blocks, lists and objects become plain data; other expressions their source without layout."""
    assert parse(SHORT).data == {
        "module.m": {
            "cmds": ['"a ${x}"', 'format ( " %s " , file ( " p " ) )', '"c"'],
            "when": "a ? 1 : 2",
        },
        "locals": {"o": {"a": ["1"], '"b c"': "<<-EOF\n  text\n  EOF"}},
        "locals#2": {"o": "2"},
    }


def test_layout_is_not_data() -> None:
    """Comments and white space between tokens do not count."""
    one = parse("x = [ f(a,b), /* c */ 1 ]\n")
    other = parse("x=[\n  f ( a, # why\n b ),\n  1 ]")
    assert one.data == other.data


@pytest.mark.parametrize("changed", ['"a  ${x}"', '"a ${y}"', '"a ${x}\\n"', "<<EOF\na\nEOF\n"])
def test_every_change_is_data(changed: str) -> None:
    """White space inside strings, templates, escapes and heredocs count."""
    assert parse(f"x = {changed}\n").data != parse('x = "a ${x}"\n').data


def test_values_know_their_place() -> None:
    """Elements are their own tokens, without comments, commas and blanks."""
    file = parse(SHORT)
    values = list_of(file, "module.m.cmds")
    assert [source(file, value) for value in values.children] == ['"a ${x}"', 'format("%s", file("p"))', '"c"']
    assert [SHORT[comma] if comma else None for comma in values.commas] == [",", ",", None]
    calls = [value for value in walk(values) if isinstance(value, Call)]
    assert [(call.name, [source(file, argument) for argument in call.children]) for call in calls] == [
        ("format", ['"%s"', 'file("p")']),
        ("file", ['"p"']),
    ]
    assert source(file, file.attributes[1].value) == "a ? 1 : 2"


def test_comments_above() -> None:
    """Only comment lines directly above belong to an element."""
    file = parse(SHORT)
    first, second, third = list_of(file, "module.m.cmds").children
    assert [comment.text for comment in file.comments_above(first.start)] == ["# first", "// second"]
    assert file.comments_above(second.start) == []
    assert file.comments_above(third.start) == []
    assert file.after_blank_line(third.start)
    assert not file.after_blank_line(first.start)


def test_decode() -> None:
    """A string is decoded with the source place of each character; templates are one character."""
    file = parse(r'x = "a\"b\\${y}$${z}\u00e9%%"')
    string = file.attributes[0].value
    assert isinstance(string, String)
    decoded = file.decode(string)
    assert decoded.text == f'a"b\\{TEMPLATE}{TEMPLATE}é%%'
    assert [file.text[place] for place in decoded.places] == list('a\\b\\$$\\%%"')


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("x = ", 4),
        ("x = [1, 2", 9),
        ('x = "open\n', 4),
        ("x = <<EOF\nnever closed\n", 4),
        ("x = }\n", 4),
        ("{{{", 0),
        ('x = "two\nlines"\n', 5),
        ('x = ["$${a", "b}"]\n', 6),
        ("\x00", 0),
        ("x = \ud800\n", 4),
    ],
)
def test_not_hcl(text: str, offset: int) -> None:
    """What is not HCL, or is read too generously by the grammar, is an error with its place."""
    with pytest.raises(ParseError) as error:
        parse(text)
    assert abs(error.value.offset - offset) <= 1


@pytest.mark.parametrize(
    "text", ["x = " + "[" * 3000 + "]" * 3000, "x = " + "(" * 3000 + "1" + ")" * 3000, "a {" * 500 + "}" * 500]
)
def test_deep_nesting(text: str) -> None:
    """Nesting that no real file has is an error, or harmless, and never a crash."""
    with suppress(ParseError):
        assert parse(text).data is not None


def test_long_chains() -> None:
    """A long chain of operators is not deep."""
    assert len(parse("x = " + " + ".join(["1"] * 2000) + "\n").attributes) == 1


@pytest.mark.parametrize("text", ["", "\n", "# only a comment", "/* é */ ", "\t\r\n"])
def test_empty_files(text: str) -> None:
    """A file without content is HCL."""
    assert parse(text).data == {}


@settings(max_examples=EXAMPLES, deadline=None)
@given(texts())
def test_reading_loses_nothing(text: str) -> None:
    """Tokens, comments and blanks together are the text, and no edit is no change."""
    file = parse(text)
    rest = list(text)
    spans = [*zip(file.starts, file.ends, strict=True), *((comment.start, comment.end) for comment in file.comments)]
    for start, end in spans:
        rest[start:end] = [" "] * (end - start)
    assert not "".join(rest).strip()
    assert apply_edits(text, []) == text
    for attribute in file.attributes:
        for value in walk(attribute.value):
            assert text[value.start] not in " \t\r\n#,"
            assert text[value.end - 1] not in " \t\r\n"


@settings(max_examples=EXAMPLES, deadline=None)
@given(texts(), st.data())
def test_reading_never_crashes(text: str, data: st.DataObject) -> None:
    """A damaged file is read or refused."""
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 5)))
        text = text[:start] + data.draw(st.text(max_size=2)) + text[end:]
    offset = 0
    try:
        assert isinstance(parse(text).data, dict)
    except ParseError as error:
        offset = error.offset
    assert 0 <= offset <= len(text)


def lists_in(file: HclFile) -> list[tuple[tuple[str, ...], List]]:
    found = [(attribute.path, attribute.value) for attribute in file.attributes]
    return [(path, value) for path, value in found if isinstance(value, List) and value.children]


@settings(max_examples=EXAMPLES, deadline=None)
@given(texts(), st.data())
def test_inserting_adds_one_element(text: str, data: st.DataObject) -> None:
    """Anywhere in any list, the new element is the only difference, and nothing outside the edits changes."""
    file = parse(text)
    for path, values in lists_in(file):
        after = data.draw(st.integers(0, len(values.children) - 1))
        comment = data.draw(st.sampled_from(["", "# new", "// new"]))
        element = 'new("é",\n  "%s"\n)'
        try:
            edits = insert_elements(file, values, after, [NewElement(element, comment, data.draw(st.booleans()))])
        except CannotEdit:
            assert text[: values.children[after].end].endswith("EOF")
            continue
        new = apply_edits(text, edits)
        assert check_bytes(text, new, edits) is None
        after_edit = parse(new)
        assert list(differences(file.data, after_edit.data)) == [(*path, "+")]
        place = next(attribute.value for attribute in after_edit.attributes if attribute.path == path)
        added = place.children[after + 1]
        assert re.sub(r"\s", "", source(after_edit, added)) == re.sub(r"\s", "", element)
        own_line = after_edit.indentation(added.start) is not None
        assert [found.text for found in after_edit.comments_above(added.start)] == [comment] * (
            own_line and bool(comment)
        )
        if "\r\n" not in text:
            assert "\r" not in new
        if not re.search(r"(?<!\r)\n", text) and "\n" in text:
            assert not re.search(r"(?<!\r)\n", new)


@settings(max_examples=EXAMPLES, deadline=None)
@given(texts(), st.data())
def test_strings_are_changed_by_meaning(text: str, data: st.DataObject) -> None:
    """A replacement inside a string is read back as written, or refused."""
    file = parse(text)
    strings = [(one.path, value) for one in file.attributes for value in walk(one.value) if isinstance(value, String)]
    for path, string in strings:
        decoded = file.decode(string)
        first = data.draw(st.integers(0, len(decoded.text)))
        last = data.draw(st.integers(first, len(decoded.text)))
        new = data.draw(st.text(st.sampled_from('ab"\\${}%\n\té '), max_size=4))
        try:
            edit = replace_in_string(file, string, decoded.places[first], decoded.places[last], new)
        except CannotEdit:
            continue
        result = apply_edits(text, [edit])
        changed = parse(result)
        assert check_bytes(text, result, [edit]) is None
        assert all(found[: len(path)] == path for found in differences(file.data, changed.data))
        again = next(
            value
            for one in changed.attributes
            for value in walk(one.value)
            if isinstance(value, String) and value.start == string.start
        )
        assert changed.decode(again).text == decoded.text[:first] + new + decoded.text[last:]


@settings(max_examples=EXAMPLES, deadline=None)
@given(texts(), st.data())
def test_comment_lines_are_no_data(text: str, data: st.DataObject) -> None:
    """A comment line above or below a comment line changes no data and has its line end and indentation."""
    file = parse(text)
    for comment in file.comments:
        before = data.draw(st.booleans())
        if not comment.own_line or (comment.text.startswith("/*") and not text[comment.end :].startswith(("\n", "\r"))):
            continue
        edit = insert_comment(file, comment, "# added é", before=before)
        new = apply_edits(text, [edit])
        changed = parse(new)
        assert changed.data == file.data
        added = next(found for found in changed.comments if found.text == "# added é")
        assert changed.indentation(added.start) == file.indentation(comment.start)
        assert len(changed.comments) == len(file.comments) + 1


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("x = [\n  1,\n]\n", 0, "x = [\n  1,\n  # c\n  N,\n]\n"),
        ("x = [\n  1\n]\n", 0, "x = [\n  1,\n  # c\n  N\n]\n"),
        ("x = [\n  1 # why\n]\n", 0, "x = [\n  1, # why\n  # c\n  N\n]\n"),
        ("x = [\n  1, /* a */ // b\n  2,\n]\n", 0, "x = [\n  1, /* a */ // b\n  # c\n  N,\n  2,\n]\n"),
        ("x = [\r\n\t1,\r\n\t2\r\n]", 1, "x = [\r\n\t1,\r\n\t2,\r\n\t# c\r\n\tN\r\n]"),
        ("x = [\n  1,\r\n  2,\n]\n", 0, "x = [\n  1,\r\n  # c\r\n  N,\r\n  2,\n]\n"),
        ("x = [1]", 0, "x = [1, N]"),
        ("x = [1, 2]", 0, "x = [1, N, 2]"),
        ("x = [1,]", 0, "x = [1, N,]"),
        ("x = [\n  1, 2,\n  3,\n]\n", 0, "x = [\n  1, N, 2,\n  3,\n]\n"),
        ("x = [\n  1, 2,\n  3,\n]\n", 1, "x = [\n  1, 2,\n  # c\n  N,\n  3,\n]\n"),
        ("x = [\n    1\n  , 2\n]\n", 0, "x = [\n    1\n  , N, 2\n]\n"),
        ("x = [ # why\n  1,\n\n  2,\n]\n", 0, "x = [ # why\n  1,\n  # c\n  N,\n\n  2,\n]\n"),
        ("x = [<<A\n1\nA\n  , 2]\n", 0, "x = [<<A\n1\nA\n  , N, 2]\n"),
        ("  x = [1,\n    2\n  ]\n", 1, "  x = [1,\n    2,\n    # c\n    N\n  ]\n"),
        ("  x = [1,\n  ]\n", 0, "  x = [1,\n    # c\n    N,\n  ]\n"),
    ],
)
def test_insert_element(before: str, after: int, expected: str) -> None:
    """The element takes the neighbour's layout: own line or inline, trailing comma or none, its line end."""
    file, values = only_list(before)
    assert apply_edits(before, insert_element(file, values, after, "N", comment="# c")) == expected


def test_insert_after_a_bare_heredoc() -> None:
    """No comma can stand behind a heredoc's marker: refused by name."""
    file, values = only_list("x = [<<A\n1\nA\n]\n")
    with pytest.raises(CannotEdit, match="heredoc"):
        insert_element(file, values, 0, "N")


def test_copied() -> None:
    """A copy loses the indentation of its place, so that it can get another one."""
    file, values = only_list('x = [\r\n      f("a",\r\n        g("b")\r\n      ),\r\n  2,\r\n]\r\n')
    first = values.children[0]
    assert isinstance(first, Call)
    name = first.children[0]
    copy = copied(file, first, [Edit(name.start + 1, name.end - 1, "z")])
    assert copy == 'f("z",\n  g("b")\n)'
    new = apply_edits(file.text, insert_element(file, values, 1, copy))
    assert new.endswith('  2,\r\n  f("z",\r\n    g("b")\r\n  ),\r\n]\r\n')


def test_copying_a_heredoc() -> None:
    """Another indentation would change a heredoc: refused."""
    file, values = only_list("x = [f(<<A\n1\nA\n)]\n")
    with pytest.raises(CannotEdit, match="heredoc"):
        copied(file, values.children[0])


def test_gap() -> None:
    """A blank line can be asked for before the comment."""
    file, values = only_list("x = [\n  1,\n]\n")
    assert apply_edits(file.text, insert_elements(file, values, 0, [NewElement("2", "# c", gap=True)])) == (
        "x = [\n  1,\n\n  # c\n  2,\n]\n"
    )


@pytest.mark.parametrize(
    ("text", "old", "new"),
    [
        ('x = "$a"', "a", "{"),
        ('x = "{a"', "{", "${"),
        ('x = "b{"', "b", "$"),
        ('x = "${v}"', "v", "w"),
        ('x = "a\\nb"', "n", "t"),
        ('x = "a"', "a", "%{ if b }"),
        ('x = "$${a ${b}"', "b", "c"),
    ],
)
def test_replace_in_string_refuses(text: str, old: str, new: str) -> None:
    """A change that would cut an escape or a template, or make one, is refused."""
    file = parse(text)
    string = file.attributes[0].value
    assert isinstance(string, String)
    start = text.index(old, 5)
    with pytest.raises(CannotEdit):
        replace_in_string(file, string, start, start + len(old), new)


def test_insert_comment_at_the_end() -> None:
    """A comment below the last line of a file leaves the missing line end missing."""
    text = "x = 1\r\n  # 1"
    file = parse(text)
    assert apply_edits(text, [insert_comment(file, file.comments[0], "# 2")]) == "x = 1\r\n  # 1\r\n  # 2"
    assert apply_edits(text, [insert_comment(file, file.comments[0], "# 0", before=True)]) == "x = 1\r\n  # 0\r\n  # 1"


def test_insert_comment_behind_code() -> None:
    """A comment behind code is no line to insert beside."""
    file = parse("x = 1 # why\n")
    with pytest.raises(CannotEdit):
        insert_comment(file, file.comments[0], "# 2")


def test_example() -> None:
    """The example file is read whole: lists, heredocs, objects."""
    file = parse(EXAMPLE.read_text(encoding="utf-8"))
    kinds = {type(value) for attribute in file.attributes for value in walk(attribute.value)}
    assert {String, List, Object, Call, Heredoc} <= kinds
    assert len(list_of(file, "module.docker-registry-template.provision_cmds").children) > 15


def test_parts_of_a_string() -> None:
    """Literal texts with their escapes resolved, and the spans of templates; `$${` and `%%{` are text."""
    text = r'a = "x\n\"\u00e9 ${b["c"]} $${d} %%{e} %{ if f }\\"' + "\n"
    file = parse(text)
    (string,) = (attribute.value for attribute in file.attributes)
    assert isinstance(string, String)
    shown = [part if isinstance(part, str) else (text[slice(*part)],) for part in file.parts(string)]
    assert "".join(part for part in shown if isinstance(part, str)) == 'x\n"é  ${d} %{e} \\'
    assert [part for part in shown if not isinstance(part, str)] == [('${b["c"]}',), ("%{ if f }",)]
