"""Command lines are read into simple commands whose words know their place."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codemods.errors import ParseError
from codemods.formats.quoting import unquoted
from codemods.formats.shell import Command, read_commands
from tests.soak import EXAMPLES


def read(text: str) -> list[Command]:
    return read_commands(unquoted(text))


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.lists(st.text(st.sampled_from(list("ab \t'\"\\$`#;&|()<>{}*é\n~=-2"))), min_size=1))
def test_quoted_words_are_read_back(words: list[str]) -> None:
    """Whatever is quoted for the shell comes back as it was, at the place where it stands."""
    text = " ".join(map(shlex.quote, words))
    (command,) = read(text)
    assert [word.text for word in command.words] == words
    assert [text[word.start : word.end] for word in command.words] == list(map(shlex.quote, words))
    for word in command.words:
        assert all(text[place] == character for place, character in zip(word.value.places, word.text, strict=False))


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.text(st.sampled_from(list("ab '\"\\$`#;&|()<>{}*2\n"))))
def test_any_text_is_read_or_refused(text: str) -> None:
    """No text is a crash."""
    try:
        commands = read(text)
    except ParseError:
        commands = []
    for command in commands:
        for word in command.words:
            assert 0 <= word.start < word.end <= len(text)


def test_commands() -> None:
    """Pipes, lists, groups and redirections divide a line into simple commands."""
    commands = read("( crontab -l 2>/dev/null; echo 'a b' ) | sudo crontab - && { date >> x 2>&1; } # done; rm x")
    assert [(command.after, command.arguments) for command in commands] == [
        ("(", ["crontab", "-l"]),
        (";", ["echo", "a b"]),
        ("|", ["crontab", "-"]),
        ("&&", ["date"]),
        (";", ["}"]),
    ]
    assert [(sign, word.text) for sign, word in commands[0].redirections] == [("2>", "/dev/null")]
    assert [(sign, word.text) for sign, word in commands[3].redirections] == [(">>", "x"), ("2>&", "1")]


@pytest.mark.parametrize("text", ["a$b", '"$b"', "`date`", "$(date)", "*", "{a,b}", "~", "a?"])
def test_expanded_words_are_not_plain(text: str) -> None:
    """A word that the shell would expand says so."""
    assert not read(text)[0].words[0].plain


@pytest.mark.parametrize("text", ["a", "'$b'", '"\\$b"', "\\*", "a=b", '"*"'])
def test_plain_words(text: str) -> None:
    """Quoted signs are plain."""
    assert read(text)[0].words[0].plain


@pytest.mark.parametrize("text", ["'a", '"a', "a'b\n", "$(a"])
def test_open_quotes(text: str) -> None:
    """A quote that is never closed is an error."""
    with pytest.raises(ParseError, match="never closed"):
        read(text)
