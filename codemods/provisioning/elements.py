"""The elements of a provision list as the shell gets them.

An element is a string, a heredoc, or a call of format(). What Terraform puts into it is not resolved here: each such
place is one character TEMPLATE in the text and a hole beside it. What cannot be read at all is an element too, with
the reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from codemods.errors import ParseError
from codemods.facts.terraform import LIST_FUNCTIONS
from codemods.formats.hcl import TEMPLATE, Call, HclFile, Heredoc, List, String, Value
from codemods.provisioning.expressions import ENCODERS, embedded_call, source_of
from codemods.provisioning.heredoc import parse_heredoc
from codemods.provisioning.literals import Unknown
from codemods.provisioning.template import TemplateError

_VERB = re.compile(r"%(%|s|[-+# 0-9.\[\]*]*.?)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Hole:
    """A place that Terraform fills: its source, and the call that encodes a file when it is one."""

    source: str
    call: Call | None = None


@dataclass(frozen=True, slots=True)
class Element:
    """One command line of the list; `refused` says why it cannot be read, `text` is then its source on one line."""

    text: str
    line: int
    holes: tuple[Hole, ...] = ()
    refused: str = ""

    def holes_in(self, start: int, end: int) -> tuple[Hole, ...]:
        """The holes of a part of the text."""
        first = self.text.count(TEMPLATE, 0, start)
        return self.holes[first : first + self.text.count(TEMPLATE, start, end)]

    def shown(self, start: int = 0, end: int | None = None) -> str:
        """A part of the text on one line, for people: with the source of what Terraform puts in."""
        end = len(self.text) if end is None else end
        texts = self.text[start:end].split(TEMPLATE)
        sources = [hole.source for hole in self.holes_in(start, end)]
        return " ".join("".join(part for pair in zip(texts, [*sources, ""], strict=True) for part in pair).split())


def read_elements(file: HclFile, value: Value) -> Iterator[Element]:
    """The elements of a list, and of lists that concat() and its kin put together."""
    match value:
        case List():
            for child in value.children:
                yield _element(file, child)
        case Call(name="flatten", children=(List(children=children),)):
            for child in children:
                is_list = isinstance(child, List) or (isinstance(child, Call) and child.name in LIST_FUNCTIONS)
                yield from read_elements(file, child) if is_list else [_element(file, child)]
        case Call() if value.name in LIST_FUNCTIONS:
            for child in value.children:
                yield from read_elements(file, child)
        case _:
            yield _refused(file, value, f"{_kind(file, value)} in place of a list")


def _element(file: HclFile, value: Value) -> Element:
    try:
        pieces = list(_pieces(file, value))
    except (ParseError, TemplateError, Unknown) as error:
        return _refused(file, value, str(error))
    if any(TEMPLATE in piece for piece in pieces if isinstance(piece, str)):
        return _refused(file, value, f"the character U+{ord(TEMPLATE):04X}")
    text = "".join(piece if isinstance(piece, str) else TEMPLATE for piece in pieces)
    return Element(text, _line(file, value), tuple(piece for piece in pieces if isinstance(piece, Hole)))


def _refused(file: HclFile, value: Value, reason: str) -> Element:
    return Element(" ".join(file.text[value.start : value.end].split()), _line(file, value), refused=reason)


def _pieces(file: HclFile, value: Value) -> Iterator[str | Hole]:
    match value:
        case String():
            for part in file.parts(value):
                yield part if isinstance(part, str) else _hole(file, value, part)
        case Heredoc():
            for piece in parse_heredoc(file.text[value.start : value.end]):
                yield piece if isinstance(piece, str) else Hole(f"${{{piece.expression}}}")
        case Call(name="format", children=(String() as form, *arguments)):
            yield from _formatted(file, form, arguments)
        case _:
            raise Unknown(_kind(file, value))


def _hole(file: HclFile, string: String, span: tuple[int, int]) -> Hole:
    call = embedded_call(file, string, span)
    return Hole(file.text[slice(*span)], call if call and call.name in ENCODERS else None)


def _formatted(file: HclFile, form: String, arguments: list[Value]) -> Iterator[str | Hole]:
    """What format() gives; its texts are put in, everything else is a hole."""
    parts = file.parts(form)
    if not all(isinstance(part, str) for part in parts):
        raise Unknown("format() with a template as its format")
    text = "".join(part for part in parts if isinstance(part, str))
    waiting = list(arguments)
    position = 0
    for verb in _VERB.finditer(text):
        yield text[position : verb.start()]
        position = verb.end()
        if verb[1] == "%":
            yield "%"
        elif verb[1] != "s" or not waiting:
            raise Unknown(f"format() with {verb[0]}" + ("" if waiting else " and no value for it"))
        else:
            yield from _argument(file, waiting.pop(0))
    if waiting:
        raise Unknown("format() with more values than verbs")
    yield text[position:]


def _argument(file: HclFile, value: Value) -> Iterator[str | Hole]:
    if isinstance(value, String):
        yield from _pieces(file, value)
    else:
        call = value if isinstance(value, Call) and value.name in ENCODERS else None
        yield Hole(source_of(file, value), call)


def _kind(file: HclFile, value: Value) -> str:
    if isinstance(value, Call):
        return f"the function {value.name}()"
    return "a list" if isinstance(value, List) else f"the expression {source_of(file, value)}"


def _line(file: HclFile, value: Value) -> int:
    return file.text.count("\n", 0, value.start) + 1
