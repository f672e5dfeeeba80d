"""Comments are found where the format's own reader sees none of them, and nowhere else; places have stable names."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from codemods.engine.model import Role
from codemods.engine.source import Source, source_of
from codemods.errors import ParseError
from codemods.formats import hcl, nginx, python, yaml
from codemods.formats.comments import Comment
from codemods.repository import Document
from tests import hcl_texts, nginx_texts, yaml_texts
from tests.soak import EXAMPLES


def load(text: str) -> Any:
    """The data as a reader that is not ours sees it."""
    return list(YAML(typ="safe", pure=True).load_all(text))


def without(text: str, comments: list[Comment]) -> str:
    """The text without its comments and the blanks before them."""
    for comment in reversed(comments):
        assert text[comment.start : comment.end] == comment.text
        text = text[: comment.start].rstrip(" \t") + text[comment.end :]
    return text


def shown(source: Source) -> list[str]:
    return [comment.text for comment in source.comments]


@settings(max_examples=EXAMPLES, deadline=None)
@given(yaml_texts.texts())
def test_yaml_comments_are_all_that_says_nothing(sample: tuple[str, Any]) -> None:
    """Without the comments the data is the same, and every `#` that is left belongs to it."""
    text, data = sample
    rest = without(text, yaml.parse(text).comments)
    assert load(rest) == [data]
    assert yaml.parse(rest).comments == []
    for offset, character in enumerate(rest):
        if character == "#":
            assert load(f"{rest[:offset]}x{rest[offset + 1 :]}") != [data]


@settings(max_examples=EXAMPLES, deadline=None)
@given(yaml_texts.texts(), st.data(), st.integers(0, 9))
def test_a_new_yaml_line_is_a_comment_where_its_words_do_not_matter(
    sample: tuple[str, Any], data: st.DataObject, indent: int
) -> None:
    """A line of `# codemod` is found exactly where another reader passes over what it says."""
    text = sample[0]
    starts = [0, *(number + 1 for number, character in enumerate(text) if character == "\n")]
    at = data.draw(st.sampled_from(starts))
    new, other = (f"{text[:at]}{' ' * indent}{words}\n{text[at:]}" for words in ("# codemod", "# else"))
    try:
        says_nothing = load(new) == load(other)
        found = [comment for comment in yaml.parse(new).comments if comment.start == at + indent]
    except (YAMLError, ParseError):
        return
    assert [(comment.text, comment.own_line) for comment in found] == [("# codemod", True)] * says_nothing


@pytest.mark.parametrize(
    ("text", "comments"),
    [
        ("# a\n%YAML 1.2 # b\n--- # c\nk: v # d\n... # e\n# f\n---\nx: 1\n# g", "abcdefg"),
        ("k: # a\n  - x # b\n  # c\n  -\n    # d\n    y: z\n", "abcd"),
        ("k: |- # a\n  # no\n  text # no\n# b\nl: >2 # c\n   # no\n", "abc"),
        ("k: &x # a\n  'v # no'\nl: !!str # b\n  |  # c\n  # no\n", "abc"),
        ("k: [a, # a\n  'b # no', # b\n  c#no, {d: e} # c\n  ] # d\n", "abcd"),
        ("k: \"x # no\n  # no\n  y\" # a\nl: 'it''s # no' # b\n", "ab"),
        ("k: a\n  b#no c # a\nurl: http://x/#no\n? q # b\n: r # c\n", "abc"),
        ("k: *no#no\nz: &no 1\n".replace("*no#no", "v\t# a"), "a"),
        ("k: v # a\r\n# b\r\nl: |\r\n  # no\r\n  x\r\n# c\r\n", "abc"),
        ("base: &b {x: 1} # a\nk: *b # b\nl: {<<: *b} # c\n", "abc"),
        ("k:\t'v'\t# a\n# b\n", "ab"),
        ("k: 'é # 漢' # a\nl: 🔑 # b\n", "ab"),
        ("", ""),
        ("# a", "a"),
    ],
)
def test_yaml_comments(text: str, comments: str) -> None:
    """Headers of block scalars, flow collections, directives, several documents, line ends, tabs."""
    assert shown(yaml.parse(text)) == [f"# {letter}" for letter in comments]


@settings(max_examples=EXAMPLES, deadline=None)
@given(nginx_texts.texts())
def test_nginx_comments_are_all_that_says_nothing(sample: tuple[str, list[nginx_texts.Tree]]) -> None:
    """Without the comments the directives are the same, and no comment is left."""
    text, tree = sample
    rest = nginx.parse(without(text, nginx.parse(text).comments))
    assert nginx_texts.tree_of(rest.directives) == tree
    assert rest.comments == []


@settings(max_examples=EXAMPLES, deadline=None)
@given(hcl_texts.texts())
def test_hcl_comments_are_all_that_says_nothing(text: str) -> None:
    """Without the comments the data is the same, and no comment is left."""
    file = hcl.parse(text)
    rest = hcl.parse(without(text, file.comments))
    assert rest.data == file.data
    assert rest.comments == []


def test_nginx_comments() -> None:
    """Between words and behind braces, not in a word, in quotes or in Lua."""
    text = "# a\nset $x '# no' b#no # b\r\n  \"# no\"; # c\nlocation / { # d\n content_by_lua_block { # no } }\n"
    assert shown(nginx.parse(text)) == ["# a", "# b", "# c", "# d"]


def test_hcl_comments() -> None:
    """All three kinds, not in strings, templates or heredocs."""
    text = 'a = "# no // no ${x} /* no */" # a\n// b\nb = [ /* c */ 1, # d\n]\nc = <<EOF\n# no\n// no\nEOF\n/* e\n*/\n'
    assert [found.strip("#/* \n") for found in shown(hcl.parse(text))] == list("abcde")


def test_python_comments() -> None:
    """Behind code and above it, not in strings of any kind; positions count characters, whatever the line ends."""
    text = "#!/bin/python3\r\nx = '# no é🔑' # a\r\ny = '''\r\n# no\r\n''' # b\r\nif x:\r\n    f(f'#{x}') # c\r\n# d"
    file = python.parse(text)
    assert shown(file) == ["#!/bin/python3", "# a", "# b", "# c", "# d"]
    assert all(text[comment.start : comment.end] == comment.text for comment in file.comments)
    assert [comment.own_line for comment in file.comments] == [True, False, False, False, True]


@pytest.mark.parametrize(
    ("role", "text", "names"),
    [
        (Role.COMPOSE, "services:\n  web:\n    ports:\n      - a\n      - HERE\n", ["services", "web", "ports"]),
        (Role.PIPELINE, "---\na: 1\n---\nsteps:\n- name: HERE\n", ["steps", "name"]),
        (Role.PIPELINE, "steps: [{name: x, settings: {HERE: y}}]", ["steps", "settings", "HERE"]),
        (Role.REGISTRY, "# HERE\na: 1\n", []),
        (Role.REGISTRY, "a:\n  # HERE\n  b: 1\n", ["a"]),
        (Role.NGINX, "http { server { x; } server { location / { a b HERE; } } }", ["http", "server", "location", "a"]),
        (Role.TERRAFORM, 'locals {}\nlocals {\n a = "x"\n b = ["y", { c = "HERE" }]\n}\n', ["locals", "b"]),
        (Role.TERRAFORM, 'module "m" {\n # HERE\n}\n', ["module.m"]),
        (Role.CLEANUP, "class A:\n def f(self):\n  for x in y:\n   print('HERE')\n", ["class A", "def f"]),
        (Role.CLEANUP, "print('HERE')\n", []),
        (Role.CLEANUP, "#!/bin/sh\nif [ HERE ]; then\n", None),
        (Role.COMPOSE, "HERE: [\n", None),
    ],
)
def test_names_of_places(role: Role, text: str, names: list[str] | None) -> None:
    """The names around a place, without numbers that other lines could shift."""
    source = source_of(role, Document("file", text))
    assert (None if source is None else list(source.names_at(text.index("HERE")))) == names
