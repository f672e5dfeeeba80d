"""Reading nginx configuration, and editing it by spans."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codemods.engine.difference import Entry, differences
from codemods.engine.edits import Edit, apply_edits
from codemods.errors import ParseError
from codemods.formats.nginx import Directive, NginxFile, entry_name, parse, second_reading, walk
from codemods.formats.nginx_edits import (
    Style,
    gap_above,
    insert_directive,
    insert_lines,
    one_line,
    remove_directive,
    replace_word,
    style_of,
    styled,
)
from tests.nginx_texts import Tree, texts, tree_of
from tests.soak import EXAMPLES


def find(file: NginxFile, name: str) -> Directive:
    """The one directive of that name."""
    (found,) = [directive for directive in walk(file.directives) if directive.name == name]
    return found


# Reading


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a b  c\td\r\n e;", ["a", "b", "c", "d", "e"]),
        ("a 'b c' \"d;e\" '{';", ["a", "b c", "d;e", "{"]),
        (
            r"""a "say \"hi\"" 'it\'s' "\'" "\q" "\\" "x\ty\nz";""",
            ["a", 'say "hi"', "it's", "'", r"\q", "\\", "x\ty\nz"],
        ),
        (r"a b\ c \; \{ x\"y;", ["a", r"b\ c", r"\;", r"\{", 'x"y']),
        ("a ${b}c x${y} ${z}{d;}", ["a", "${b}c", "x${y}", "${z}"]),
        ("a b#c 'd'\n# no; {\n e;", ["a", "b#c", "d", "e"]),
        ("a it's x\"y b}c;", ["a", "it's", 'x"y', "b}c"]),
        ("'' \"\";", ["", ""]),
        ("a \u00a0 é🔑;", ["a", "\u00a0", "é🔑"]),
        ("log_format m '$a '\r\n  '# \"b\"'\r\n  \"c\nd\";", ["log_format", "m", "$a ", '# "b"', "c\nd"]),
        ('if ($a = "b") { c; }', ["if", "($a", "=", "b", ")"]),
    ],
)
def test_words_are_read_as_nginx_reads_them(text: str, words: list[str]) -> None:
    """Quotes, escapes, variables in braces, comments and line ends between words."""
    directive = parse(text).directives[0]
    assert [directive.name, *directive.args] == words


def test_positions_are_those_of_the_source() -> None:
    """Words with their quotes, directives with their end, blocks with what is between the braces."""
    text = 'http {\r\n\t# ü\r\n\tupstream "a b" { server x; } # y\r\n}\n'
    file = parse(text)
    (http,) = file.directives
    upstream = find(file, "upstream")
    assert text[http.start : http.end] == text.rstrip("\n")
    assert text[slice(*upstream.body)] == " server x; "
    assert text[upstream.start : upstream.end] == 'upstream "a b" { server x; }'
    assert text[upstream.words[1].start : upstream.words[1].end] == '"a b"'
    assert [comment.text for comment in file.comments] == ["# ü", "# y"]


def test_lua_is_skipped_whole() -> None:
    """Braces in Lua's strings and comments count for nothing; braces of its tables do."""
    code = """ local t = { "}" , '\\'}' } -- }
        --[[ } ]] local s = [=[ } ]] } ]=] """
    text = f"location / {{ content_by_lua_block {{{code}}} a; }}\nset_by_lua_block $x{{ return {{}} }}\nb;"
    file = parse(text)
    assert [child.name for child in file.directives] == ["location", "set_by_lua_block", "b"]
    assert [child.args for child in file.directives[0].block or ()] == [[code], []]
    assert second_reading(text) == file.data
    assert second_reading(text.replace("local s", "local S")) != file.data


@pytest.mark.parametrize(
    ("text", "message", "offset"),
    [
        ("a b", '"a" is not terminated by ";"', 0),
        ("a;\nb { c }", '"c" is not terminated by ";"', 7),
        ("a;\nb { c; ", 'the block of "b" is not closed by "}"', 3),
        ("b { c { d; }", 'the block of "b" is not closed by "}"', 0),
        ("a; }", 'unexpected "}"', 3),
        ("a;;", 'unexpected ";"', 2),
        ("{ a; }", 'unexpected "{"', 0),
        ("a 'b;\n", "unterminated quote", 2),
        ('a "b\\";', "unterminated quote", 2),
        ('a "b"c;', 'unexpected "c" after a quoted word', 5),
        ("a \\", 'unexpected "\\" at the end of the file', 2),
        ("a\x00b;", "not a text: it contains control characters", 1),
        ("\x7fELF\x02\x01", "not a text: it contains control characters", 0),
        ("x_by_lua_block { [[ }", "unterminated string or comment in Lua code", 17),
        ("x_by_lua_block { '\\' }", "unterminated string or comment in Lua code", 17),
        ("x_by_lua_block { { }", 'Lua code is not closed by "}"', 15),
        ("a {" * 101 + "}" * 101, "blocks nested more than 100 deep", 300),
        ("%{ for x in y ~}\na;\n%{ endfor ~}", '"endfor" is not terminated by ";"', 23),
        ("location ~ ^/a{1} { }", 'the block of "location" is not closed by "}"', 0),
    ],
)
def test_what_nginx_would_not_read_is_an_error_with_its_place(text: str, message: str, offset: int) -> None:
    """Neither reader accepts it, and both name the same place."""
    for read in (parse, second_reading):
        with pytest.raises(ParseError) as error:
            read(text)
        assert (str(error.value), error.value.offset) == (message, offset)


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    st.text(st.sampled_from(list("ab \n\t\r;{}'\"\\#$é[]-=")), max_size=60), st.sampled_from(["", "x_by_lua_block {"])
)
def test_rubbish_is_read_or_refused_never_worse(text: str, head: str) -> None:
    """Any text gives data or a ParseError inside the text, from both readers, and neither hangs."""
    for read in (parse, second_reading):
        try:
            read(head + text)
        except ParseError as error:
            assert 0 <= error.offset <= len(head + text)


@pytest.mark.parametrize(
    "text", ["x_by_lua_block {" + s * 50_000 for s in ("[==[", "[=", "--[", "'", "'\\'", '"')] + ["'\\" * 50_000]
)
def test_long_rubbish_takes_no_long_time(text: str) -> None:
    """Unclosed quotes and brackets are looked for once, not once per character."""
    with pytest.raises(ParseError):
        parse(text)


# Data


def test_data_names_directives_by_their_words() -> None:
    """Words that need quotes get them, a server is told by what it listens to, comments are not data."""
    text = """a "b c" d\\;e; # x
    http { server { listen 80; server_name _ 'x'; location / {} } server {} if ( $a = "b c" ) { return 200; } }"""
    assert parse(text).data == [
        Entry('a "b c" "d\\\\;e"', None),
        Entry(
            "http",
            [
                Entry(
                    "server (listen 80, server_name _ x)",
                    [Entry("listen 80", None), Entry("server_name _ x", None), Entry("location /", [])],
                ),
                Entry("server", []),
                Entry('if $a = "b c"', [Entry("return 200", None)]),
            ],
        ),
    ]


def test_one_word_is_not_two() -> None:
    """Taking the quotes off a word changes the data."""
    assert parse('a "b c";').data != parse("a b c;").data


def test_paths_are_those_of_differences() -> None:
    """The second directive of a name has its number in the path."""
    old = "http { server { a; a; } }"
    file = parse(old)
    second = (file.directives[0].block or [])[0].all("a")[1]
    changed = parse("http { server { a; } }")
    assert file.path(second) == ("http", "server", "a#2")
    assert list(differences(file.data, changed.data)) == [file.path(second)]


@settings(max_examples=EXAMPLES, deadline=None)
@given(texts())
def test_both_readers_read_what_was_written(written: tuple[str, list[Tree]]) -> None:
    """Our reader gives the tree that was written, crossplane the same data."""
    text, tree = written
    file = parse(text)
    assert tree_of(file.directives) == tree
    assert second_reading(text) == file.data


@pytest.mark.parametrize(
    "text",
    [
        "listen ${PORT} ssl;",
        "a\u00a0b;",
    ],
)
def test_where_crossplane_slips_it_does_so_before_and_after(text: str) -> None:
    """It glues or splits a few words that nginx does not, which no comparison of before and after sees."""
    assert second_reading(text) != parse(text).data
    assert list(differences(second_reading(text), second_reading(text + "\nb;"))) == [("b",)]


def test_what_crossplane_cannot_read_is_an_error() -> None:
    """A brace inside a word is fine for nginx and not for crossplane: better refused than unchecked."""
    with pytest.raises(ParseError, match="crossplane cannot read it"):
        second_reading("a;\nb c}d;\n")


def test_second_reading_follows_no_include() -> None:
    """A file is read by itself, in whatever context its directives would belong."""
    assert second_reading("include /nowhere/*.conf;\nlocation / { server nowhere; }\nupstream x {}\n") == [
        Entry("include /nowhere/*.conf", None),
        Entry("location /", [Entry("server nowhere", None)]),
        Entry("upstream x", []),
    ]


# Edits


def edited(text: str, *edits: Edit) -> str:
    """The new text, read by both readers."""
    new = apply_edits(text, edits)
    assert second_reading(new) == parse(new).data
    return new


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a;\nb;\n", "a;\nnew x;\nb;\n"),
        ("\ta; # why\r\n\tb;\r\n", "\ta; # why\r\n\tnew x;\r\n\tb;\r\n"),
        ("b;\r\n  a;", "b;\r\n  a;\r\n  new x;"),
        ("a;", "a;\nnew x;"),
        ("a; b;\n", "a; new x; b;\n"),
        ("b; a;\n", "b; a; new x;\n"),
        ("h { a; }\n", "h { a; new x; }\n"),
        ("h { a; # why\n}\n", "h { a; new x; # why\n}\n"),
        ("a\n  'b\n   c';\n", "a\n  'b\n   c';\nnew x;\n"),
        ("a {\n    c;\n}\n", "a {\n    c;\n}\nnew x;\n"),
    ],
)
def test_insert_directive(before: str, after: str) -> None:
    """On its own line with the neighbour's indentation and line end, or on the neighbour's line."""
    file = parse(before)
    assert edited(before, insert_directive(file, find(file, "a"), "new x;")) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("h {\n  a { c; } # why\n}\n", "h {\n  a { c; } # why\n\n  new {\n      d;\n  }\n}\n"),
        ("h {\r\n\ta {\r\n\t}\r\n}", "h {\r\n\ta {\r\n\t}\r\n\r\n\tnew {\r\n\t    d;\r\n\t}\r\n}"),
        ("a {\n}", "a {\n}\n\nnew {\n    d;\n}"),
        ("h { a { } }\n", "h { a { }\n\nnew {\n    d;\n} }\n"),
        ("a { } b;\n", "a { }\n\nnew {\n    d;\n} b;\n"),
    ],
)
def test_insert_lines(before: str, after: str) -> None:
    """Below the sibling, with its indentation; what follows on its line follows the new block."""
    file = parse(before)
    assert edited(before, insert_lines(file, find(file, "a"), ["", "new {", "    d;", "}"])) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("b;\n  a; # why\nc;\n", "b;\nc;\n"),
        ("b;\r\na;", "b;"),
        ("a;", ""),
        ("a;\n", ""),
        ("b; a; c;\n", "b; c;\n"),
        ("  a; c;\n", "  c;\n"),
        ("h {a;}\n", "h {}\n"),
        ("h { a; }\n", "h { }\n"),
        ("a\n  b\n  c;\nd;\n", "d;\n"),
        ("a {\n  b;\n}\nc;\n", "c;\n"),
    ],
)
def test_remove_directive(before: str, after: str) -> None:
    """With its lines and the comment at its end; alone where it shares its line."""
    file = parse(before)
    assert edited(before, remove_directive(file, find(file, "a"))) == after


def test_replace_word() -> None:
    """Quotes of the old word go with it."""
    text = "a 'b c' d;"
    assert edited(text, replace_word(find(parse(text), "a").words[1], "$x")) == "a $x d;"


@pytest.mark.parametrize(
    ("text", "gap"),
    [
        ("x; # not mine\n\n# --- A ---\n\na;", (1, ("# --- A ---",), 1)),
        ("x;\n# other\n\n# 1\r\n  # 2\r\n  a;", (1, ("# 1", "# 2"), 0)),
        ("x;\na;", (0, (), 0)),
        ("x;\n\n\na;", (2, (), 0)),
        ("x; a;", (0, (), 0)),
        ("# top\na;", (None, ("# top",), 0)),
        ("h { # head\n\n  a;\n}", (None, (), 0)),
        ("x 'y\n# text\n';\na;", (0, (), 0)),
    ],
)
def test_gap_above(text: str, gap: tuple[int | None, tuple[str, ...], int]) -> None:
    """Blank lines and the last comment, not the end of the line before nor the inside of a quoted word."""
    file = parse(text)
    found = gap_above(file, find(file, "a"))
    assert (found.before, found.comment, found.after) == gap


@pytest.mark.parametrize(
    ("text", "style"),
    [
        ("a {\n    b;\n}", Style("    ", " ")),
        ("h {\n\ta\n\t{\n\t\tb;\n\t}\n}", Style("\t", "\n")),
        ("a{\n  b;\n}", Style("  ", "")),
        ("h {\n  a { b; }\n  c {\n    d;\n  }\n}", Style("  ", " ")),
        ("a { b; }", Style("    ", " ")),
        ("a {\nb;\n}", Style("    ", " ")),
    ],
)
def test_style_of(text: str, style: Style) -> None:
    """Indentation and brace of the block, or of its neighbours where it does not tell."""
    file = parse(text)
    assert style_of(file, find(file, "a")) == style


def test_styled() -> None:
    """Canonical lines take the style; braces that open no block at the end of a line stay."""
    lines = ["a {", "    b '{';", "", "    c {", "        d;", "    }", "}"]
    assert styled(lines, Style("\t", "\n")) == ["a", "{", "\tb '{';", "", "\tc", "\t{", "\t\td;", "\t}", "}"]
    assert styled(lines, Style("    ", " ")) == lines


@pytest.mark.parametrize(
    ("text", "line"), [("a  'b' # x\n   c;", "a 'b' c;"), ("a  b; # x", "a  b;"), ("a { b; }", "")]
)
def test_one_line(text: str, line: str) -> None:
    """A directive over several lines loses comments and line ends; a block is none."""
    file = parse(text)
    assert one_line(file, find(file, "a")) == line


@settings(max_examples=EXAMPLES, deadline=None)
@given(texts(), st.data())
def test_inserting_adds_one_directive_and_removing_takes_it_out(
    written: tuple[str, list[Tree]], data: st.DataObject
) -> None:
    """Behind any directive of any text; the data gains exactly the new entry, and the text comes back to the byte."""
    text, _ = written
    file = parse(text)
    directives = list(walk(file.directives))
    if not directives:
        return
    after = data.draw(st.sampled_from(directives))
    lines = data.draw(st.sampled_from([None, ["new x;"], ["new {", "}"]]))
    edit = insert_lines(file, after, lines) if lines else insert_directive(file, after, "new x;")
    assert edit.start == edit.end
    new = apply_edits(text, [edit])
    new_file = parse(new)
    added = find(new_file, "new")
    siblings = file.siblings(after)
    expected = [entry_name(sibling) for sibling in siblings]
    expected.insert(siblings.index(after) + 1, entry_name(added))
    assert [entry_name(sibling) for sibling in new_file.siblings(added)] == expected
    assert len(list(walk(new_file.directives))) == len(directives) + 1
    if lines is None:
        assert apply_edits(new, [remove_directive(new_file, added)]) == text


@settings(max_examples=EXAMPLES, deadline=None)
@given(texts(), st.data())
def test_removing_takes_out_one_directive_only(written: tuple[str, list[Tree]], data: st.DataObject) -> None:
    """Any directive of any text; all others keep their words and order, for both readers."""
    text, _ = written
    file = parse(text)
    directives = list(walk(file.directives))
    if not directives:
        return
    victim = data.draw(st.sampled_from(directives))
    new = apply_edits(text, [remove_directive(file, victim)])
    gone = set(map(id, walk([victim])))
    expected = [(d.name, d.args) for d in directives if id(d) not in gone]
    assert [(d.name, d.args) for d in walk(parse(new).directives)] == expected
    assert second_reading(new) == parse(new).data


@settings(max_examples=EXAMPLES, deadline=None)
@given(texts(), st.data())
def test_replacing_a_word_changes_that_word_only(written: tuple[str, list[Tree]], data: st.DataObject) -> None:
    """Every other word of the text keeps its value."""
    text, _ = written
    directives = list(walk(parse(text).directives))
    words = [word for directive in directives for word in directive.words]
    if not words:
        return
    number = data.draw(st.integers(0, len(words) - 1))
    new = apply_edits(text, [replace_word(words[number], "$other")])
    values = [word.value for directive in walk(parse(new).directives) for word in directive.words]
    assert values == [*(w.value for w in words[:number]), "$other", *(w.value for w in words[number + 1 :])]
