"""Reading Python with exact positions, and edits in the script's own style."""

from __future__ import annotations

import ast
import string

import libcst as cst
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codemods.engine.difference import differences
from codemods.engine.edits import Edit, apply_edits
from codemods.errors import CannotEdit, ParseError
from codemods.formats.python import PythonFile, parse
from codemods.formats.python_flow import Flow
from tests.cleanup_texts import SHAPES, Style, styles
from tests.soak import EXAMPLES

FUNCTION = 'def added(name):\n    """What it is for."""\n    if name:\n        return "yes"\n    return name\n'


def inserted(text: str, *edits: Edit) -> str:
    return apply_edits(text, edits)


def changed(old: str, new: str) -> list[tuple[str, ...]]:
    """Data paths in which two scripts differ."""
    return list(differences(parse(old).data, parse(new).data))


@st.composite
def programs(draw: st.DrawFn) -> str:
    """A script of nested blocks, in one style throughout, with comments, blank lines and text of any alphabet."""
    unit = draw(st.sampled_from(["  ", "    ", "\t", "        "]))
    words = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=6)

    def block(depth: int) -> list[str]:
        lines = []
        for _ in range(draw(st.integers(1, 3))):
            if draw(st.booleans()):
                lines.append(f"# {draw(words)}")
            kind = draw(st.sampled_from(["assign", "call", "if", "for", "def", "try"] if depth else ["assign", "call"]))
            if kind == "assign":
                lines.append(f"{draw(st.sampled_from(['a', 'été', 'x1']))} = {draw(words)!r}")
            elif kind == "call":
                lines.append(f"print({draw(words)!r}, 1){draw(st.sampled_from(['', '  # note 🔑', ' ; pass']))}")
            else:
                heads = {"if": "if a == 1:", "for": "for i in (1, 2):", "def": "def f(a=1):", "try": "try:"}
                lines += [heads[kind], *(unit + line if line else "" for line in block(depth - 1))]
                lines += ["except OSError:", unit + "pass"] if kind == "try" else []
            lines += [""] * draw(st.integers(0, 1))
        return lines

    newline = draw(st.sampled_from(["\n", "\r\n"]))
    text = newline.join(["#!/usr/bin/env python3", '"""Ünïcode."""', "import sys", "", *block(3)])
    return text + draw(st.sampled_from(["", newline]))


@settings(max_examples=EXAMPLES, deadline=None)
@given(programs())
def test_positions_cover_the_text(text: str) -> None:
    """Reading changes nothing, and a node's span is its own source."""
    file = parse(text)
    assert file.text == text == file.module.code
    for node in file.find(cst.Name):
        assert file.source(node) == node.value
    for string_node in file.find(cst.SimpleString):
        assert file.source(string_node) == string_node.value


@settings(max_examples=EXAMPLES, deadline=None)
@given(programs(), st.data())
def test_functions_go_behind_the_imports(text: str, data: st.DataObject) -> None:
    """One insertion, two blank lines around it, the script's own indentation and line ends, and one new definition."""
    file = parse(text)
    edit = file.insert_functions([FUNCTION])
    new = inserted(text, edit)
    assert edit.start == edit.end
    assert new[: edit.start] + new[edit.start + len(edit.new) :] == text
    assert set(changed(text, new)) == {("def added",)}
    assert [line for line in new.splitlines() if "def added" in line]
    assert ("\r\n" in text) == ("\r\n" in edit.new)
    assert "\n" not in edit.new.replace("\r\n", "") or "\r\n" not in text
    lines = new.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("def added"))
    assert lines[at - 3] == "import sys"
    assert lines[at - 2 : at] == ["", ""]


@settings(max_examples=EXAMPLES, deadline=None)
@given(programs(), st.data())
def test_a_guard_is_the_first_statement_of_its_block(text: str, data: st.DataObject) -> None:
    """One insertion that changes exactly the declared path, and leaves every comment with its statement."""
    file = parse(text)
    loops = list(file.find(cst.For))
    if not loops:
        return
    loop = data.draw(st.sampled_from(loops))
    edit, path = file.insert_first(loop.body, "if skip(i):\n    continue\n")
    new = inserted(text, edit)
    assert new[: edit.start] + new[edit.start + len(edit.new) :] == text
    assert changed(text, new) == [path]
    assert new[: edit.start].rstrip("\r\n").endswith("for i in (1, 2):")


@settings(max_examples=EXAMPLES, deadline=None)
@given(programs())
def test_comments_and_layout_are_no_data(text: str) -> None:
    """Data is what Python makes of the text: comments and blank lines are not in it, every other change is."""
    lines = text.splitlines()
    blanked = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
    assert changed(text, "\n".join(blanked)) == []
    assert changed(text, text.replace("import sys", "import os")) == [("import sys",), ("import os",)]


@settings(max_examples=EXAMPLES, deadline=None)
@given(programs(), st.data())
def test_path_at_is_the_path_of_the_difference(text: str, data: st.DataObject) -> None:
    """Changing an expression makes a difference at exactly the path that `path_at` says."""
    file = parse(text)
    numbers = list(file.find(cst.Integer))
    if not numbers:
        return
    start, end = file.span(data.draw(st.sampled_from(numbers)))
    assert changed(text, apply_edits(text, [Edit(start, end, "77")])) == [file.path_at(start)]


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.text(st.sampled_from(string.ascii_letters + " \n\t:()='\"#\\\r\x0c\x00é"), max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Whatever the input: a file that gives the text back, or a ParseError with a position inside it."""
    try:
        again, offset = parse(text).module.code, 0
    except ParseError as error:
        again, offset = text, error.offset
    assert again == text
    assert 0 <= offset <= len(text)


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("import os\nprint 'x'\n", 10),
        ("x = (\n", 0),
        ("if x:\n\ty\n        z\n", 9),
        ("a = 1\x00\n", 0),
        ("a = 1\rb = 2\r", 0),
        ("\x0cimport os\n", 0),
        ("(" * 300 + ")" * 300, 0),
    ],
)
def test_unreadable_texts(text: str, offset: int) -> None:
    """Broken syntax, and text that libcst would not give back, are refused at the place where it is known."""
    with pytest.raises(ParseError) as caught:
        parse(text)
    assert caught.value.offset == offset


@pytest.mark.parametrize(
    ("head", "blank", "rest"),
    [
        ("import os\n", "\n\n", "x = 1\n"),
        ("import os\n", "\n", "\nx = 1\n"),
        ("import os\n", "", "\n\n\nx = 1\n"),
        ("import os\n", "\n\n", "# note\nx = 1"),
        ("import os  # a\nfrom x import (\n    y,\n)  # b\n", "\n\n", "x = 1"),
        ('"""Doc."""\nfrom __future__ import annotations\n\nimport os\n', "", ""),
        ("import os\n", "\n", "\ntry:\n    import fast\nexcept ImportError:\n    pass\n"),
    ],
)
def test_insert_functions(head: str, blank: str, rest: str) -> None:
    """Two blank lines before and at least two after, wherever the imports end."""
    new = inserted(head + rest, parse(head + rest).insert_functions(["def f(): ...\n"]))
    assert new == f"{head}\n\ndef f(): ...\n{blank}{rest}"


def test_insert_functions_at_the_end_of_a_file_without_newline() -> None:
    """The import's line is ended first."""
    assert inserted("import os", parse("import os").insert_functions(["def f(): ...\n"])) == (
        "import os\n\n\ndef f(): ...\n"
    )


def test_warnings_about_a_script_are_its_own_affair() -> None:
    """An escape that Python will not allow for ever is read without a word."""
    assert parse("import re\nre.compile('\\d')\n").data


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import sys\n", "import os\nimport sys\n"),
        ("import glob\nimport sys\n", "import glob\nimport os\nimport sys\n"),
        ("import json\nfrom pathlib import Path\n", "import os\nimport json\nfrom pathlib import Path\n"),
        (
            "from __future__ import annotations\n\nimport sys\n",
            "from __future__ import annotations\n\nimport os\nimport sys\n",
        ),
        ('"""Doc."""\r\nimport sys\r\n', '"""Doc."""\r\nimport os\r\nimport sys\r\n'),
        ("import os\nimport sys\n", None),
        ("import sys, os\n", None),
        ("import os.path\n", None),
        ("import os as o\n", "import os\nimport os as o\n"),
        ("from os import path\n", "import os\nfrom os import path\n"),
        ("import osmium\n", "import os\nimport osmium\n"),
    ],
)
def test_insert_import(text: str, expected: str | None) -> None:
    """An import that is missing goes where the alphabet has it among its kind, else first."""
    edit = parse(text).insert_import("os")
    assert (inserted(text, edit) if edit else None) == expected


@pytest.mark.parametrize("text", ["", "x = 1\nimport os\n", '"""Doc."""\n', "if True:\n    import os\n"])
def test_no_imports_at_the_top(text: str) -> None:
    """Where there is no import to stand behind, nothing is inserted."""
    with pytest.raises(CannotEdit):
        parse(text).insert_functions([FUNCTION])
    with pytest.raises(CannotEdit):
        parse(text).insert_import("os")


@pytest.mark.parametrize("first", ["if i: continue", "if skipped(i):\n        continue", "if i:\n        pass", "pass"])
def test_a_guard_before_another(first: str) -> None:
    """The declared path is the new guard's own, whatever stands first in the block."""
    text = f"import os\nfor i in os:\n    {first}\n    print(i)\n"
    file = parse(text)
    edit, path = file.insert_first(next(file.find(cst.For)).body, "if skip(i):\n    continue\n")
    assert path == ("for", "body", "continue if skip")
    assert changed(text, inserted(text, edit)) == [path]


def test_a_block_on_one_line_is_not_edited() -> None:
    """`for x in y: print(x)` has no line for another statement."""
    file = parse("import os\nfor x in y: print(x)\n")
    with pytest.raises(CannotEdit) as caught:
        file.insert_first(next(file.find(cst.For)).body, "if x:\n    continue\n")
    assert caught.value.offset == file.text.index("print")


def test_own_style() -> None:
    """Indentation and quotes are the script's; docstrings keep their double quotes."""
    text = "import os\n\nif os:\n\tprint('a', 'b', \"c\")\n"
    expected = 'def added(name):\n\t"""What it is for."""\n\tif name:\n\t\treturn \'yes\'\n\treturn name\n'
    assert expected in inserted(text, parse(text).insert_functions([FUNCTION]))


@pytest.mark.parametrize(
    ("text", "name"),
    [("import os\n", "age"), ("age = 1\n", "age_2"), ("# age age_2\n", "age_3"), ("ages = average = 1\n", "age")],
)
def test_free_name(text: str, name: str) -> None:
    """A name that stands anywhere in the text is taken."""
    assert parse(text).free_name("age") == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("import os\nX(1)", "os.path.getmtime"),
        ("import os.path as p\nX(1)", "os.path.getmtime"),
        ("from os.path import getmtime as X\nX(1)", "os.path.getmtime"),
        ("from os import path\nX(1)", "os.path.getmtime"),
    ],
)
def test_qualified(text: str, name: str) -> None:
    """A function has one name, however it was imported."""
    spelled = {"import os\nX(1)": "os.path.getmtime", "import os.path as p\nX(1)": "p.getmtime"}
    spelled["from os import path\nX(1)"] = "path.getmtime"
    file = parse(text.replace("\nX", "\n" + spelled.get(text, "X")))
    assert file.qualified(next(file.find(cst.Call)).func) == name


def constants(text: str) -> set[str]:
    """The constants that flow into the argument of the call `want(…)`."""
    file = parse(text)
    call = next(call for call in file.find(cst.Call) if file.source(call.func) == "want")
    return Flow(file).constants(call.args[0])


@pytest.mark.parametrize(
    "text",
    [
        'want("a")',
        'want(f"{x}a")',
        'x = "a"\nwant(x)',
        'x = y = "a"\nwant(y)',
        'x: str = "a"\nwant(x)',
        'x = ""\nx += "a"\nwant(x)',
        'for x in ["a"]:\n    want(x)',
        'for i, (x, _) in enumerate([("a", 1)]):\n    want(x)',
        'y = [want(x) for x in ["a"]]',
        'y = ["a"]\nfor z in y:\n    want(z)',
        'y = []\ny.append("a")\nwant(y)',
        'y = set()\ny.add(("a", 1))\nfor z, _ in sorted(y):\n    want(z)',
        'y = {}\ny[1] = "a"\nwant(y)',
        'y = {}\ny[1].append("a")\nwant(y)',
        'y = {}\ny.setdefault(1, []).append("a")\nwant(y)',
        'def f(x):\n    want(x)\nf("a")',
        'def f(p, x=None):\n    want(x)\nf(1, x="a")',
        'def f(x="a"):\n    want(x)\nf()',
        'def f():\n    return "a"\nwant(f())',
        'def f():\n    yield "a"\nfor x in f():\n    want(x)',
        'def f():\n    yield from ["a"]\nfor x in f():\n    want(x)',
        'def f(x):\n    return want(x)\nsorted(["a"], key=f)',
        'sorted(["a"], key=lambda x: want(x))',
        'y = ["a"]\ny.sort(key=lambda x: want(x))',
        'if (x := "a"):\n    want(x)',
        'with chdir("a") as x:\n    want(x)',
        'X = "a"\ndef f():\n    want(X)',
        'import os\nfor r, d, f in os.walk(1):\n    if r.endswith("a"):\n        want(r)',
        'import os\nfor r, d, f in os.walk(1):\n    if os.path.basename(r) == "a":\n        want(r)',
        'x = "a"\nx = x\nwant(x)',
        'def f(n):\n    return f(n) or "a"\nwant(f(1))',
    ],
)
def test_flow(text: str) -> None:
    """A constant is found through every way that a value can take."""
    assert constants(text) == {"a"}


@pytest.mark.parametrize(
    "text",
    [
        'x = "a"\nwant(1)',
        'def f(x, y):\n    want(x)\nf(1, "a")',
        'def f():\n    x = "a"\nx = 1\nwant(x)',
        'y = [want(x) for x in z if x != "a"]',
        'y = [x for x in z if x != "a"]\nwant(y)',
        'print("a")\nwant(z)',
        'y = "a"\nif want(z) == y:\n    pass',
        'sorted(z, key=lambda x: want(x))\nsorted(["a"])',
        'x = open("a").read()\nwant(x)',
        'import os\nwant((os.path.getmtime("a"), 1))',
        'for r in z:\n    if r == "a":\n        want(r)',
        '# "a"\nwant(z)',
        'x[z] = "a"\nwant(z)',
        'y = z\nx[y] = "a"\nwant(y)',
        'y = z\nx.append(y).append("a")\nwant(y)',
    ],
)
def test_flow_lookalikes(text: str) -> None:
    """A constant that stands near a value does not flow into it."""
    assert constants(text) == set()


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.sampled_from(sorted(SHAPES)), styles())
def test_data_has_no_style(shape: str, style: Style) -> None:
    """Indentation, quotes, line ends and comments change the text and not its data."""
    text = style.apply(SHAPES[shape])
    assert ast.dump(ast.parse(text)) == ast.dump(ast.parse(SHAPES[shape])) or style.renames
    assert style.renames or changed(SHAPES[shape], text) == []
    assert isinstance(parse(text), PythonFile)
