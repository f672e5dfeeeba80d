"""The structure of shell command lines: lists of pipelines, groups and simple commands.

Only what is plain to read has a structure here: loops, conditions, functions, here-documents and commands in the
background are refused by name.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from codemods.errors import ParseError
from codemods.formats.quoting import Quoted
from codemods.formats.shell import Operator, Word, redirects, tokens

_COMPOUND = ("if", "then", "elif", "else", "fi", "for", "while", "until", "do", "done", "case", "esac", "select", "!")
_SEPARATORS = ("&&", "||", ";", "\n")
_OPENING, _CLOSING = ("(", "{"), (")", "}")


@dataclass(frozen=True, slots=True)
class Simple:
    """A command with its words and redirections, such as `base64 -d > file`; `sudo` is left out."""

    words: tuple[Word, ...]
    redirections: tuple[tuple[str, Word], ...] = ()

    @property
    def arguments(self) -> list[str]:
        """Texts of the words."""
        return [word.text for word in self.words]


@dataclass(frozen=True, slots=True)
class Group:
    """`( … )` or `{ …; }`."""

    steps: tuple[Pipeline, ...]
    redirections: tuple[tuple[str, Word], ...] = ()


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Commands joined by `|`; `after` is what stands before it: nothing, `&&`, `||`, `;` or a line break."""

    after: str
    commands: tuple[Simple | Group, ...]
    start: int
    end: int

    @property
    def simple_commands(self) -> Iterator[Simple]:
        """All simple commands in it."""
        for command in self.commands:
            if isinstance(command, Simple):
                yield command
            else:
                yield from (inner for step in command.steps for inner in step.simple_commands)


def read_pipelines(source: Quoted) -> tuple[Pipeline, ...]:
    """The list that a command line is. Raises ParseError for what has no such structure, by name."""
    return _Reader(list(tokens(source))).list_until("")


class _Reader:
    """Reads tokens from left to right; `position` is the next one's index."""

    def __init__(self, items: list[Word | Operator]) -> None:
        self.items = items
        self.position = 0

    @property
    def next(self) -> str:
        """The next operator, or a word that opens or closes a group; empty for other words and at the end."""
        item = self.items[self.position] if self.position < len(self.items) else None
        is_mark = isinstance(item, Operator) or (isinstance(item, Word) and self._is_brace(item))
        return item.text if item and is_mark else ""

    @property
    def at_end(self) -> bool:
        return self.position == len(self.items)

    def _is_brace(self, word: Word) -> bool:
        return word.text in ("{", "}") and word.end - word.start == 1

    def list_until(self, closing: str) -> tuple[Pipeline, ...]:
        """The pipelines up to a closing mark, which is read too; up to the end when it is empty."""
        found: list[Pipeline] = []
        after = ""
        self.skip_line_breaks()
        while not self.at_end and not (closing and self.next == closing):
            found.append(self.pipeline(after))
            after = self.next
            if after in _SEPARATORS:
                self.position += 1
            elif after and after != closing:
                raise self.refused()
            self.skip_line_breaks()
        if after in ("&&", "||") or (closing and self.at_end):
            raise ParseError("a command line that is not complete")
        self.position += bool(closing)
        return tuple(found)

    def skip_line_breaks(self) -> None:
        while self.next == "\n":
            self.position += 1

    def pipeline(self, after: str) -> Pipeline:
        start = self.position
        commands = [self.command()]
        while self.next == "|":
            self.position += 1
            commands.append(self.command())
        return Pipeline(after, tuple(commands), self.items[start].start, self.items[self.position - 1].end)

    def command(self) -> Simple | Group:
        opening = self.next
        if opening in _OPENING:
            self.position += 1
            steps = self.list_until(_CLOSING[_OPENING.index(opening)])
            words, redirections = self.words()
            if words:
                raise ParseError(f"{words[0].text!r} in a place that is not read", words[0].start)
            return Group(steps, redirections)
        words, redirections = self.words()
        if not words and not redirections:
            raise self.refused()
        if words and words[0].text in _COMPOUND:
            raise ParseError(f"a compound command ({words[0].text})", words[0].start)
        has_sudo = len(words) > 1 and words[0].text == "sudo" and not words[1].text.startswith("-")
        return Simple(words[has_sudo:], redirections)

    def words(self) -> tuple[tuple[Word, ...], tuple[tuple[str, Word], ...]]:
        """The words and redirections up to the next other operator."""
        words: list[Word] = []
        redirections: list[tuple[str, Word]] = []
        while not self.at_end:
            item = self.items[self.position]
            if isinstance(item, Word):
                if self._is_brace(item) and not words:
                    break
                words.append(item)
            elif not redirects(item):
                break
            else:
                redirections.append((item.text, self.redirected(item)))
            self.position += 1
        return tuple(words), tuple(redirections)

    def redirected(self, operator: Operator) -> Word:
        """The word behind a redirection."""
        if "<<" in operator.text:
            raise ParseError("a here-document", operator.start)
        self.position += 1
        word = None if self.at_end else self.items[self.position]
        if not isinstance(word, Word):
            raise ParseError("a command line that is not complete", operator.start)
        return word

    def refused(self) -> ParseError:
        if self.at_end:
            return ParseError("a command line that is not complete")
        item = self.items[self.position]
        return ParseError(f"{item.text!r} in a place that is not read", item.start)
