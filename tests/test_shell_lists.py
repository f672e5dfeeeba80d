"""Lists, pipelines and groups of a shell line; what has no plain structure is refused by name."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codemods.errors import ParseError
from codemods.formats.quoting import unquoted
from codemods.formats.shell_lists import Group, Pipeline, Simple, read_pipelines
from tests.soak import EXAMPLES


def plain(step: Pipeline | Simple | Group) -> Any:
    """A pipeline as `(after, command, …)`, a command as its words and redirections, a group as a list."""
    match step:
        case Pipeline():
            return (step.after, *map(plain, step.commands))
        case Simple():
            return [*step.arguments, *(f"{sign}{word.text}" for sign, word in step.redirections)]
        case Group():
            return {"group": list(map(plain, step.steps)), "to": [word.text for _, word in step.redirections]}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", []),
        ("a 'b c' # d", [("", ["a", "b c"])]),
        (
            "a | b >c 2>&1 && sudo d || e; f\ng",
            [
                ("", ["a"], ["b", ">c", "2>&1"]),
                ("&&", ["d"]),
                ("||", ["e"]),
                (";", ["f"]),
                ("\n", ["g"]),
            ],
        ),
        ("(a; b) | c", [("", {"group": [("", ["a"]), (";", ["b"])], "to": []}, ["c"])]),
        ("{ a; } > b", [("", {"group": [("", ["a"])], "to": ["b"]})]),
        ("{ (a) && b\n}\n\n", [("", {"group": [("", {"group": [("", ["a"])], "to": []}), ("&&", ["b"])], "to": []})]),
        ("echo } {", [("", ["echo", "}", "{"])]),
        ("sudo -u x a", [("", ["sudo", "-u", "x", "a"])]),
        ("> a", [("", [">a"])]),
    ],
)
def test_structure(line: str, expected: list[Any]) -> None:
    """Separators, pipes, groups, redirections."""
    assert list(map(plain, read_pipelines(unquoted(line)))) == expected


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("if a; then b; fi", "a compound command (if)"),
        ("a; for x in y; do z; done", "a compound command (for)"),
        ("! a", "a compound command (!)"),
        ("a & b", "'&' in a place that is not read"),
        ("f() { a; }", "'(' in a place that is not read"),
        ("a )", "')' in a place that is not read"),
        ("( a", "a command line that is not complete"),
        ("{ a; )", "')' in a place that is not read"),
        ("a &&", "a command line that is not complete"),
        ("a |", "a command line that is not complete"),
        ("a >", "a command line that is not complete"),
        ("a; ; b", "';' in a place that is not read"),
        ("cat <<E\nx\nE", "a here-document"),
        ("(a) b", "'b' in a place that is not read"),
        ("echo 'a", "a quote is opened and never closed"),
    ],
)
def test_refusals(line: str, reason: str) -> None:
    """Each says what it is."""
    with pytest.raises(ParseError) as caught:
        read_pipelines(unquoted(line))
    assert str(caught.value) == reason


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.text(alphabet="a '\"\\|&;(){}<>\n#$"))
def test_any_line_is_read_or_refused(line: str) -> None:
    """No line makes anything but a structure, whose pipelines stand in the order of the text, or a refusal."""
    try:
        found = read_pipelines(unquoted(line))
    except ParseError:
        return
    places = [place for step in found for place in (step.start, step.end)]
    assert places == sorted(places)
