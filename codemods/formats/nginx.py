"""Reading nginx configuration with exact positions, by nginx's own rules for words, quotes and blocks.

Everything is an ordinary directive: `if`, `map`, `types` and directives of modules nobody has heard of. Only the
code of `*_by_lua_block { … }` is another language; it is skipped whole and becomes the directive's last word.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from codemods.engine.difference import Data, Entry, Path
from codemods.errors import ParseError
from codemods.formats.comments import Comment, comment_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAX_DEPTH = 100
_SPACE = re.compile(r"[ \t\r\n]+")
_COMMENT = re.compile(r"#[^\n]*")
_QUOTED = re.compile(r"""'[^'\\]*(?:\\.[^'\\]*)*'|"[^"\\]*(?:\\.[^"\\]*)*\"""", re.DOTALL)
# A `{` belongs to the word only right behind `$`; quotes, `#` and `}` only inside of it.
_WORD = re.compile(r"(?:[^ \t\r\n;{\\$]+|\\.|\$\{?)+", re.DOTALL)
_ESCAPE = re.compile(r"""\\(["'\\trn])""")
_ESCAPED = {"t": "\t", "r": "\r", "n": "\n"}
_NO_TEXT = re.compile(r"[\x00-\x08\x0b-\x0c\x0e-\x1f\x7f]")
_LUA = re.compile(r"\w+_by_lua_block\Z")
_LUA_TOKEN = re.compile(
    r"""(?:--)?\[(?P<level>=*)\[ | --[^\n]*
        | '[^'\\]*(?:\\.[^'\\]*)*' | "[^"\\]*(?:\\.[^"\\]*)*" | (?P<open>['"]) | [{}]""",
    re.DOTALL | re.VERBOSE,
)
_PLAIN = re.compile(r"""[^\s;{}"'\\#]+\Z""")


@dataclass(eq=False, slots=True)
class Word:
    """Characters `start` to `end` of the text, quotes included; `value` is what nginx reads in them."""

    start: int
    end: int
    value: str


@dataclass(eq=False, slots=True)
class Directive:
    """`name arg…;` or `name arg… { block }`; `end` is behind the `;` or `}`, `body` the span between the braces."""

    words: list[Word]
    parent: Directive | None
    end: int = 0
    block: list[Directive] | None = None
    body: tuple[int, int] = (0, 0)

    @property
    def start(self) -> int:
        """Offset of the name."""
        return self.words[0].start

    @property
    def name(self) -> str:
        """The first word."""
        return self.words[0].value

    @property
    def args(self) -> list[str]:
        """Values of the other words."""
        return [word.value for word in self.words[1:]]

    def all(self, name: str) -> list[Directive]:
        """The directives of that name directly in the block."""
        return [child for child in self.block or () if child.name == name]

    def get(self, name: str) -> Directive | None:
        """The first of them."""
        return next(iter(self.all(name)), None)


@dataclass(eq=False)
class NginxFile:
    """A text, its outermost directives, and its comments."""

    text: str
    directives: list[Directive]
    comments: list[Comment] = field(default_factory=list)

    @cached_property
    def data(self) -> Data:
        """Plain data: a list of `Entry`, comments left out."""
        return _entries(_plain(directive) for directive in self.directives)

    def siblings(self, directive: Directive) -> list[Directive]:
        """The block that holds a directive, itself included."""
        return self.directives if directive.parent is None else directive.parent.block or []

    def path(self, directive: Directive | None) -> Path:
        """The data path of a directive, as `differences` names it; empty for the file itself."""
        if directive is None:
            return ()
        names: list[str] = []
        for sibling in self.siblings(directive):
            names.append(entry_name(sibling))
            if sibling is directive:
                break
        number = names.count(names[-1])
        return (*self.path(directive.parent), names[-1] if number == 1 else f"{names[-1]}#{number}")

    def names_at(self, offset: int) -> Path:
        """The names of the directives around an offset, outermost first."""
        return tuple(found.name for found in walk(self.directives) if found.start <= offset < found.end)


def walk(directives: Iterable[Directive]) -> Iterator[Directive]:
    """Yield directives and all below them, in the order of the text."""
    for directive in directives:
        yield directive
        yield from walk(directive.block or ())


def entry_name(directive: Directive) -> str:
    """What the data calls a directive: `listen 5050`, `location /v2/`, `server (listen 5050, server_name _)`."""
    return _entries([_plain(directive)])[0].name


def parse(text: str) -> NginxFile:
    """Read a text without BOM. Raises ParseError where nginx would not read it either."""
    if rubbish := _NO_TEXT.search(text):
        raise ParseError("not a text: it contains control characters", rubbish.start())
    return _Parser(text).parse()


def second_reading(text: str) -> Data:
    """The data of a text as crossplane reads it; raises ParseError when either reader cannot.

    crossplane does not know Lua well and turns CR into line ends, so it gets a stand-in for each.
    """
    from pathlib import Path as FilePath
    from tempfile import TemporaryDirectory

    import crossplane

    source = text
    for directive in reversed([d for d in walk(parse(text).directives) if _LUA.match(d.name)]):
        start, end = directive.body
        source = f"{source[: start - 1]} {{{_digest(text[start:end])};{source[end:]}"
    with TemporaryDirectory(prefix="codemod-") as directory:
        path = FilePath(directory, "nginx.conf")
        path.write_text(source.replace("\r", "\x1f"), encoding="utf-8", errors="replace", newline="")
        payload = crossplane.parse(str(path), single=True, check_ctx=False, check_args=False)
    for error in payload["errors"]:
        reason = str(error["error"]).removesuffix(f" in {path}:{error['line']}") or "unexpected end of file"
        raise ParseError(f"crossplane cannot read it: {reason}", _line_start(text, error["line"] or 1))
    return _entries(_statements(payload["config"][0]["parsed"]))


def _line_start(text: str, line: int) -> int:
    return sum(len(part) + 1 for part in text.split("\n")[: line - 1])


def _digest(code: str) -> str:
    from hashlib import sha256

    return sha256(code.encode("utf-8", "surrogatepass")).hexdigest()


# The data of both readers is made of (name, args, block).
_Plain = tuple[str, list[str], "Iterable[_Plain] | None"]


def _plain(directive: Directive) -> _Plain:
    args = directive.args
    if directive.name == "if":
        args = _without_parentheses(args)
    elif _LUA.match(directive.name):
        args = [*args[:-1], _digest(args[-1])]
    return directive.name, args, None if directive.block is None else map(_plain, directive.block)


def _from_crossplane(statement: dict[str, Any]) -> _Plain:
    name, args, block = _unescaped(statement["directive"]), statement["args"], statement.get("block")
    if _LUA.match(name):
        args = [*args, block[0]["directive"]] if block else args
        return name, [arg.strip().removesuffix(";") for arg in args], None
    return name, [_unescaped(arg) for arg in args], None if block is None else _statements(block)


def _statements(parsed: list[dict[str, Any]]) -> Iterator[_Plain]:
    """What crossplane parsed in one block, without the comments it found between words."""
    return (_from_crossplane(statement) for statement in parsed if "comment" not in statement)


def _entries(directives: Iterable[_Plain]) -> list[Entry]:
    entries = []
    for name, args, block in directives:
        value = None if block is None else _entries(block)
        words = [_shown(word) for word in (name, *args)]
        if name == "server" and not args:
            # All servers are called `server`: what they listen to tells them apart.
            told = [entry.name for entry in value or () if entry.name.startswith(("listen ", "server_name "))]
            words += [f"({', '.join(told)})"] if told else []
        entries.append(Entry(" ".join(words), value))
    return entries


def _shown(word: str) -> str:
    return word if _PLAIN.match(word) else '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _without_parentheses(args: list[str]) -> list[str]:
    if args and args[0].startswith("(") and args[-1].endswith(")"):
        args = [*args[:-1], args[-1][:-1]]
        args = [args[0][1:], *args[1:]]
        return args[not args[0] : len(args) - (not args[-1])]
    return args


def _unescaped(source: str) -> str:
    source = source.replace("\x1f", "\r")
    return _ESCAPE.sub(lambda match: _ESCAPED.get(match[1], match[1]), source) if "\\" in source else source


class _Parser:
    """Builds directives from left to right; `open` is the block being read, None for the file itself."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.file = NginxFile(text, [])
        self.open: Directive | None = None
        self.words: list[Word] = []
        self.depth = 0

    def parse(self) -> NginxFile:
        steps = {";": self.end_directive, "{": self.open_block, "}": self.close_block, "#": self.comment}
        while self.skip_space():
            steps.get(self.text[self.position], self.word)()
        if self.words:
            raise ParseError(f'"{self.words[0].value}" is not terminated by ";"', self.words[0].start)
        if self.open:
            raise ParseError(f'the block of "{self.open.name}" is not closed by "}}"', self.open.start)
        return self.file

    def skip_space(self) -> bool:
        """Move to the next character that counts; False at the end of the text."""
        if match := _SPACE.match(self.text, self.position):
            self.position = match.end()
        return self.position < len(self.text)

    def comment(self) -> None:
        match = _COMMENT.match(self.text, self.position)
        assert match
        end = match.end() - match[0].endswith("\r")
        self.file.comments.append(comment_at(self.text, self.position, end))
        self.position = match.end()

    def word(self) -> None:
        start = self.position
        quoted = self.text[start] in "'\""
        match = (_QUOTED if quoted else _WORD).match(self.text, start)
        if match is None:
            raise ParseError("unterminated quote" if quoted else 'unexpected "\\" at the end of the file', start)
        self.position = match.end()
        self.words.append(Word(start, self.position, _unescaped(match[0][1:-1] if quoted else match[0])))
        if quoted and self.text[self.position : self.position + 1] not in ("", *" \t\r\n;{)"):
            raise ParseError(f'unexpected "{self.text[self.position]}" after a quoted word', self.position)

    def add(self) -> Directive:
        """Put the words read so far into the open block, as a directive."""
        character = self.text[self.position]
        if not self.words:
            raise ParseError(f'unexpected "{character}"', self.position)
        directive = Directive(self.words, self.open, self.position + 1)
        siblings = self.file.directives if self.open is None else self.open.block
        assert siblings is not None
        siblings.append(directive)
        self.words = []
        self.position += 1
        return directive

    def end_directive(self) -> None:
        self.add()

    def open_block(self) -> None:
        directive = self.add()
        start = self.position
        if _LUA.match(directive.name):
            self.position = self.lua_end(start)
            directive.words.append(Word(start, self.position, self.text[start : self.position]))
            directive.body = (start, self.position)
            self.position += 1
            directive.end = self.position
            return
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise ParseError(f"blocks nested more than {MAX_DEPTH} deep", directive.start)
        directive.block = []
        directive.body = (start, start)
        self.open = directive

    def close_block(self) -> None:
        if self.words:
            raise ParseError(f'"{self.words[0].value}" is not terminated by ";"', self.words[0].start)
        if self.open is None:
            raise ParseError('unexpected "}"', self.position)
        self.open.body = (self.open.body[0], self.position)
        self.position += 1
        self.open.end = self.position
        self.open = self.open.parent
        self.depth -= 1

    def lua_end(self, start: int) -> int:
        """Offset of the brace that closes Lua code."""
        depth, position = 1, start
        while match := _LUA_TOKEN.search(self.text, position):
            position = match.end()
            depth += {"{": 1, "}": -1}.get(match[0], 0)
            if depth == 0:
                return match.start()
            if match["level"] is not None:
                position = self.text.find(f"]{match['level']}]", position)
            if match["open"] or position < 0:
                raise ParseError("unterminated string or comment in Lua code", match.start())
        raise ParseError('Lua code is not closed by "}"', start - 1)
