"""Shell command lines: simple commands, their words and redirections, with positions.

Reads what a provisioning step is made of (pipes, lists, groups, quotes, redirections). What the shell would expand is
kept as it stands, and the word says that it is not `plain`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from codemods.errors import ParseError
from codemods.formats.quoting import Quoted

_OPERATOR = re.compile(r"&&|\|\||;;|&>>?|\d*(?:>>|>\||>&|<<-?|<&|[<>])|[;&|()\n]")
_EXPANDED = frozenset("$`*?[{~\ufffc")
_EXPANDED_IN_QUOTES = frozenset("$`\ufffc")


@dataclass(frozen=True, slots=True)
class Word:
    """One word: `value` without its quotes, `start`-`end` its source with them; `plain` when nothing is expanded."""

    value: Quoted
    start: int
    end: int
    plain: bool

    @property
    def text(self) -> str:
        """The word as the command sees it, when it is plain."""
        return self.value.text


@dataclass(slots=True)
class Command:
    """A simple command; `after` is the operator before it (`|`, `&&`, `;`, `(`), empty for the first."""

    after: str
    words: list[Word] = field(default_factory=list)
    redirections: list[tuple[str, Word]] = field(default_factory=list)

    @property
    def arguments(self) -> list[str]:
        """Texts of the words, without a leading `{` or `sudo`."""
        texts = [word.text for word in self.words]
        while texts[:1] in (["{"], ["sudo"]):
            del texts[0]
        return texts


@dataclass(frozen=True, slots=True)
class Operator:
    """What stands between words: `|`, `&&`, `;`, `(`, `>`, a line break; `start`-`end` is its source."""

    text: str
    start: int
    end: int


def read_commands(source: Quoted) -> list[Command]:
    """The simple commands of a command line, in order. Raises ParseError for quotes that are never closed."""
    commands = [Command("")]
    redirection = ""
    for item in tokens(source):
        if isinstance(item, Word):
            if redirection:
                commands[-1].redirections.append((redirection, item))
            else:
                commands[-1].words.append(item)
            redirection = ""
        elif redirects(item):
            redirection = item.text
        elif commands[-1].words or commands[-1].redirections:
            commands.append(Command(item.text))
        elif item.text != "\n":
            commands[-1].after = item.text
    return [command for command in commands if command.words or command.redirections]


def redirects(operator: Operator) -> bool:
    """Whether an operator redirects input or output to or from the word behind it."""
    return operator.text[-1] in "<>-" or operator.text.endswith((">&", "<&", ">|"))


def tokens(source: Quoted) -> Iterator[Word | Operator]:
    """Words and operators, in order. Raises ParseError for quotes that are never closed."""
    text = source.text
    position = 0
    while position < len(text):
        if text[position] in " \t\r":
            position += 1
        elif text[position] == "#":
            position = text.index("\n", position) if "\n" in text[position:] else len(text)
        elif operator := _OPERATOR.match(text, position):
            position = operator.end()
            yield Operator(operator.group(), source.places[operator.start()], source.places[position])
        else:
            word, position = _word(source, position)
            yield word


def _word(source: Quoted, start: int) -> tuple[Word, int]:
    """The word at `start`, and where it ends."""
    text = source.text
    kept: list[int] = []
    plain = True
    position = start
    while position < len(text) and text[position] not in " \t\r\n;&|()<>":
        if text[position] == "'":
            end = _closing(source, text.find("'", position + 1), position)
            kept += range(position + 1, end)
            position = end + 1
        elif text[position] == '"':
            inner, end = _double_quoted(source, position)
            plain = plain and not any(text[i] in _EXPANDED_IN_QUOTES and text[i - 1] != "\\" for i in inner)
            kept += inner
            position = end + 1
        elif text[position] == "\\" and position + 1 < len(text):
            kept.append(position + 1)
            position += 2
        elif text.startswith("$(", position):
            plain = False
            end = _closing(source, text.find(")", position), position)
            kept += range(position, end + 1)
            position = end + 1
        else:
            plain = plain and text[position] not in _EXPANDED
            kept.append(position)
            position += 1
    places = tuple(source.places[i] for i in kept)
    value = Quoted("".join(text[i] for i in kept), (*places, source.places[kept[-1] + 1 if kept else start]))
    return Word(value, source.places[start], source.places[position], plain), position


def _double_quoted(source: Quoted, start: int) -> tuple[list[int], int]:
    """Indexes of the characters inside the double quotes at `start`, and of the closing quote."""
    text = source.text
    kept = []
    position = start + 1
    while position < len(text) and text[position] != '"':
        if text[position] == "\\" and text[position + 1 : position + 2] in ("$", "`", '"', "\\"):
            position += 1
        kept.append(position)
        position += 1
    return kept, _closing(source, position if position < len(text) else -1, start)


def _closing(source: Quoted, found: int, start: int) -> int:
    if found < 0:
        raise ParseError("a quote is opened and never closed", source.places[start])
    return found
