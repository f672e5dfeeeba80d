"""Terraform expressions that end up in files on a VM: strings, heredocs, file(), templatefile(), variables, locals.

Everything else is refused by name. Texts are put into Unicode's normal form C, as Terraform does with every string;
filebase64() gives bytes as they are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar
from unicodedata import normalize

from codemods.errors import CannotEdit, ParseError
from codemods.facts.terraform import resolve_source
from codemods.formats.hcl import Call, HclFile, Heredoc, Object, String, Value
from codemods.provisioning.heredoc import parse_heredoc
from codemods.provisioning.literals import Unknown, number
from codemods.provisioning.template import NAME, MissingName, Reference, TemplateError, parse, render
from codemods.provisioning.variables import LOCKED, Known, Variables
from codemods.repository import Repository

ENCODERS = ("base64encode", "filebase64")
"""Functions whose result `base64 -d` turns into a file."""

_NAMED = re.compile(rf"(?P<kind>var|local) ?\. ?(?P<name>{NAME})")
_DEPTH = 20

T = TypeVar("T")


@dataclass(frozen=True)
class Content:
    """The bytes of a file, and the secrets in them."""

    data: bytes = field(repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)


class Expressions:
    """Evaluates expressions of one Terraform file, `path` in the repository."""

    def __init__(self, repository: Repository, path: str, file: HclFile, variables: Variables) -> None:
        self._repository = repository
        self._path = path
        self._file = file
        self._variables = variables

    def content(self, call: Call) -> Content:
        """What a call of base64encode() or filebase64() has encoded. Raises Unknown."""
        if len(call.children) != 1:
            raise Unknown(f"{call.name}() takes one argument")
        argument = call.children[0]
        if call.name == "filebase64":
            return Content(self._bytes(self._file_argument(self._file, argument)))
        known = self._text(self._file, argument)
        secrets = (normalize("NFC", secret) for secret in known.secrets)
        return Content(normalize("NFC", known.text).encode(), tuple(dict.fromkeys(secrets)))

    def source(self, call: Call) -> str:
        """Where the content comes from: a path of the repository, or `path:line` of the expression."""
        inner = call.children[0] if call.name == "base64encode" and call.children else call
        if isinstance(inner, Call) and inner.name in ("file", "templatefile", "filebase64") and inner.children:
            try:
                return self._file_argument(self._file, inner.children[0])
            except Unknown:
                pass
        return f"{self._path}:{self._file.text.count(chr(10), 0, inner.start) + 1}"

    def _text(self, file: HclFile, value: Value, depth: int = 0) -> Known:
        if depth > _DEPTH:
            raise Unknown(f"locals refer to each other more than {_DEPTH} deep")
        match value:
            case String():
                return self._string(file, value, depth)
            case Heredoc():
                source = file.text[value.start : value.end]
                parts = _named("the heredoc", lambda: parse_heredoc(source))
                return _joined(parts, lambda part: self._reference(part.expression, depth))
            case Call(name="file", children=(argument,)):
                return Known(self._file_text(self._file_argument(file, argument)))
            case Call(name="templatefile", children=(argument, names)):
                return self._template(file, self._file_argument(file, argument), names, depth)
            case Call():
                raise Unknown(f"the function {value.name}()")
        source = file.tokens(value.start, value.end)
        if match := _NAMED.fullmatch(source):
            return self._reference(f"{match['kind']}.{match['name']}", depth)
        if source in ("true", "false"):
            return Known(source)
        try:
            return Known(number(source))
        except Unknown:
            raise Unknown(f"the expression {source_of(file, value)}") from None

    def _reference(self, expression: str, depth: int) -> Known:
        kind, _, name = expression.partition(".")
        if kind == "var" and "." not in name:
            return self._variables.variable(name)
        if kind == "local" and "." not in name:
            return self._text(*self._variables.local(name), depth + 1)
        raise Unknown(f"the reference {expression}")

    def _string(self, file: HclFile, value: String, depth: int) -> Known:
        try:
            parts = file.parts(value)
        except ParseError as error:
            raise Unknown(str(error)) from None
        return _joined(parts, lambda span: self._interpolated(file, value, span, depth))

    def _interpolated(self, file: HclFile, string: String, span: tuple[int, int], depth: int) -> Known:
        """One `${…}` of a string."""
        if call := embedded_call(file, string, span):
            return self._text(file, call, depth)
        source = file.text[slice(*span)]
        (part, *more) = _named("a string", lambda: parse(source))
        if more or isinstance(part, str):
            raise Unknown(f"the expression {source[:60]}")
        return self._reference(part.expression, depth)

    def _template(self, file: HclFile, path: str, names: Value, depth: int) -> Known:
        """The template at a path, with those of its names evaluated that it uses."""
        text = self._file_text(path)
        if not isinstance(names, Object):
            raise Unknown(f"the values of templatefile() are not written out: {source_of(file, names)}")
        expressions = dict(zip((key.strip('"') for key in names.keys), names.children, strict=True))
        parts = _named(path, lambda: parse(text))
        used = {part.expression for part in parts if isinstance(part, Reference)}.intersection(expressions)
        values = {name: _attempt(lambda value: self._text(file, value, depth), expressions[name]) for name in used}
        known = _all_known(values[name] for name in sorted(values))
        rendered = {name: value.text for name, value in zip(sorted(values), known, strict=True)}
        return Known(_named(path, lambda: render(text, rendered)), tuple(s for value in known for s in value.secrets))

    def _file_argument(self, file: HclFile, argument: Value) -> str:
        """The repository path that file() and its kin are given."""
        written = file.text[argument.start + 1 : argument.end - 1]
        path = resolve_source(self._path, written) if isinstance(argument, String) and "\\" not in written else None
        if path is None:
            raise Unknown(f"the path {source_of(file, argument)} of a file")
        return path

    def _bytes(self, path: str) -> bytes:
        try:
            data = self._repository.read_bytes(path)
        except (ParseError, CannotEdit) as error:
            raise Unknown(f"{path}: {error}") from None
        if data.startswith(LOCKED):
            raise Unknown(f"{path} is locked by git-crypt: run `git-crypt unlock`")
        return data

    def _file_text(self, path: str) -> str:
        try:
            return self._bytes(path).decode()
        except UnicodeDecodeError:
            raise Unknown(f"{path} is not UTF-8, which file() and templatefile() refuse: use filebase64()") from None


def source_of(file: HclFile, value: Value) -> str:
    """The beginning of an expression as it is written, on one line, for people."""
    return " ".join(file.text[value.start : value.end].split())[:60]


def embedded_call(file: HclFile, string: String, span: tuple[int, int]) -> Call | None:
    """The call that is all of one `${…}` of a string."""
    start, end = span
    for child in string.children:
        if isinstance(child, Call) and start < child.start < end:
            around = file.text[start : child.start].strip(), file.text[child.end : end].strip()
            return child if around == ("${", "}") else None
    return None


def _named(what: str, read: Callable[[], T]) -> T:
    """What `read` gives; its TemplateError becomes an Unknown that begins with `what`."""
    try:
        return read()
    except MissingName as error:
        raise Unknown(f"{what} uses {error.name}, which templatefile() is not given") from None
    except TemplateError as error:
        raise Unknown(f"{what} has {error}") from None


def _joined(parts: Iterable[str | T], evaluate: Callable[[T], Known]) -> Known:
    """The texts and the values of the rest, one behind the other. Raises Unknown for all that is unknown together."""
    known = _all_known([Known(part) if isinstance(part, str) else _attempt(evaluate, part) for part in parts])
    return Known("".join(one.text for one in known), tuple(secret for one in known for secret in one.secrets))


def _attempt(evaluate: Callable[[T], Known], part: T) -> Known | Unknown:
    try:
        return evaluate(part)
    except Unknown as error:
        return error


def _all_known(results: Iterable[Known | Unknown]) -> list[Known]:
    found = list(results)
    unknown = [one for one in found if isinstance(one, Unknown)]
    if unknown:
        reasons = dict.fromkeys(str(one) for one in unknown)
        raise Unknown("; ".join(reasons), *dict.fromkeys(name for one in unknown for name in one.needs))
    return [one for one in found if isinstance(one, Known)]
