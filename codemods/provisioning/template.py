"""Terraform's template language, as far as files on a VM need it: `${name}`, and `$${` and `%%{` for plain text.

Directives, functions, attributes, operators and strip markers are refused by name. A run of two or more `$` before
`{` is text with one `$` taken off, and so with `%`. See "Strings and Templates" in Terraform's documentation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from codemods.errors import CodemodError

NAME = r"[^\W\d][\w-]*"
_MARK = re.compile(r"(?P<signs>\$+|%+)\{")
_REFERENCE = re.compile(rf"\s*(?P<expression>{NAME}(?:\.{NAME})*)\s*\}}")
_REFUSED = (
    (r"~|[^{}\"]*~\}", "the strip marker ~"),
    (rf"\s*(?P<what>{NAME}(?:::{NAME})*)\s*\(", "the function {what}()"),
    (rf"\s*(?P<what>{NAME})\s*\[", "the index of {what}[…]"),
    (rf"\s*(?P<what>{NAME}\s*\.[^}}]*)\}}", "the attribute {what}"),
    (r"\s*[\"\d]", "a literal"),
    (r"\s*\}", "an empty ${{}}"),
)
_LITERALS = ("true", "false", "null")


class TemplateError(CodemodError):
    """What a template has besides names, in words that end with its line."""


class MissingName(TemplateError):
    """A template needs a value that was not given."""

    def __init__(self, name: str, line: int) -> None:
        super().__init__(f"no value for {name}, line {line}")
        self.name = name


@dataclass(frozen=True, slots=True)
class Reference:
    """One `${…}`: a name, or names with dots between them."""

    expression: str
    line: int


def parse(text: str) -> tuple[str | Reference, ...]:
    """Texts and references, in order. Raises TemplateError for everything that is neither."""
    parts: list[str | Reference] = []
    position, counted, line = 0, 0, 1
    while match := _MARK.search(text, position):
        signs, start = match["signs"], match.start()
        if len(signs) > 1:
            parts.append(text[position : start + len(signs) - 1] + "{")
            position = match.end()
            continue
        line += text.count("\n", counted, start)
        counted = start
        reference = _reference(text, match, line)
        parts += [text[position:start], Reference(reference["expression"], line)]
        position = reference.end()
    parts.append(text[position:])
    return tuple(part for part in parts if part)


def render(text: str, values: Mapping[str, str]) -> str:
    """A template file with its names replaced, and without its byte order mark, as templatefile() does it.

    Raises TemplateError for what cannot be rendered, MissingName for a name that has no value.
    """
    return "".join(
        part if isinstance(part, str) else _value(part, values) for part in parse(text.removeprefix("\ufeff"))
    )


def _value(reference: Reference, values: Mapping[str, str]) -> str:
    if "." in reference.expression:
        raise TemplateError(f"the attribute {reference.expression}, line {reference.line}")
    if reference.expression not in values:
        raise MissingName(reference.expression, reference.line)
    return values[reference.expression]


def _reference(text: str, mark: re.Match[str], line: int) -> re.Match[str]:
    """The name between the braces that `mark` opens."""
    if mark["signs"] == "%":
        word = re.compile(rf"~?\s*(?P<what>{NAME})").match(text, mark.end())
        raise TemplateError(f"the directive %{{{word['what'] if word else ''}}}, line {line}")
    if (found := _REFERENCE.match(text, mark.end())) and found["expression"] not in _LITERALS:
        return found
    for pattern, what in _REFUSED:
        if refused := re.compile(pattern).match(text, mark.end()):
            raise TemplateError(f"{what.format(**refused.groupdict())}, line {line}")
    raise TemplateError(f"an expression that is more than a name, line {line}")
