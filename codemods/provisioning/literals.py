"""Texts, numbers and bools that are written out in Terraform files and in files of values (tfvars).

The messages repeat no value: any of them may be a secret.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from codemods.errors import CodemodError, ParseError
from codemods.provisioning.heredoc import parse_heredoc
from codemods.provisioning.template import TemplateError

if TYPE_CHECKING:
    from codemods.formats.hcl import HclFile, Value

_NUMBER = re.compile(r"(?P<sign>-?) ?(?P<whole>\d{1,100})(?:\.(?P<fraction>\d{1,100}))?")


class Unknown(CodemodError):
    """A value that cannot be known here; `needs` are the variables that would help if they were given."""

    def __init__(self, reason: str, *needs: str) -> None:
        super().__init__(reason)
        self.needs = needs


def literal(file: HclFile, value: Value) -> str:
    """The text of a string, heredoc, number or bool that is written out. Raises Unknown for everything else."""
    from codemods.formats.hcl import Heredoc, String

    if isinstance(value, (String, Heredoc)):
        whole = file.text[value.start : value.end]
        parts = file.parts(value) if isinstance(value, String) else parse_heredoc(whole)
        texts = [part for part in parts if isinstance(part, str)]
        if len(texts) < len(parts):
            raise Unknown("has a template in it")
        return "".join(texts)
    source = file.tokens(value.start, value.end)
    if source == "null":
        raise Unknown("is null")
    return source if source in ("true", "false") else number(source)


def literal_or_reason(file: HclFile, value: Value) -> str | Unknown:
    """The same; why not is returned."""
    try:
        return literal(file, value)
    except (ParseError, TemplateError):
        return Unknown("has a template in it")
    except Unknown as error:
        return error


def number(source: str) -> str:
    """A number as Terraform writes it into a text. Raises Unknown when it is none, or has an exponent."""
    match = _NUMBER.fullmatch(source)
    if not match:
        raise Unknown("is no text, plain number or bool")
    fraction = (match["fraction"] or "").rstrip("0")
    return match["sign"] + (match["whole"].lstrip("0") or "0") + (f".{fraction}" if fraction else "")


def read_tfvars(path: str, text: str) -> Iterator[tuple[str, str | Unknown]]:
    """The names and values of a tfvars file. Raises CodemodError when it is no HCL."""
    from codemods.formats.hcl import parse

    try:
        file = parse(text)
    except ParseError as error:
        # Its message may quote the text.
        line = text.count("\n", 0, error.offset) + 1
        raise CodemodError(f"{path} is not valid HCL, line {line}: write NAME = VALUE") from None
    for attribute in file.attributes:
        if len(attribute.path) == 1:
            yield attribute.path[0].partition("#")[0], literal_or_reason(file, attribute.value)


def read_tfvars_json(path: str, text: str) -> Iterator[tuple[str, str | Unknown]]:
    """The names and values of a tfvars.json file. Raises CodemodError when it is no JSON."""
    from json import loads

    try:
        data = loads(text, parse_float=_JsonNumber, parse_int=_JsonNumber)
    except (ValueError, RecursionError):
        raise CodemodError(f"{path} is not valid JSON: write one object of names and values") from None
    for name, value in data.items() if isinstance(data, dict) else ():
        yield name, _json_value(value)


class _JsonNumber(str):
    """A number as it is written in JSON."""


def _json_value(value: object) -> str | Unknown:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, _JsonNumber):
        try:
            return number(value)
        except Unknown as error:
            return error
    return value if isinstance(value, str) else Unknown("is null" if value is None else "is no text, number or bool")
