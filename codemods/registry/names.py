"""What the pipelines' names stand for: a name with a variable of the matrix is several, one of CI's a form only."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from codemods.facts.pipelines import VARIABLE, Build, matrix, texts
from codemods.formats.yaml import text_of

if TYPE_CHECKING:
    from collections.abc import Iterable

AUTO_TAG = r"latest|\d+(?:\.\d+){0,2}(?:[-+].*)?"
"""The tags that the plugin's `auto_tag` gives: `latest` on the default branch, the parts of a git tag's version."""


def variants(build: Build, text: str) -> list[str]:
    """The names that `text` stands for in the rows of the matrix, if it has one variable of it; else the text alone."""
    values = matrix(build.root)
    used = {match[1] or match[2] for match in VARIABLE.finditer(text)} & values.keys()
    if len(used) != 1:
        return [text]
    [name] = used
    return [_filled(text, name, value) for value in dict.fromkeys(values[name])]


def _filled(text: str, name: str, value: str) -> str:
    text = re.sub(rf"\$\{{{name}\}}|\${name}\b", lambda _: value, text)
    return text.replace(f"${{{name}##*/}}", value.rpartition("/")[2])


def is_known(text: str) -> bool:
    """Whether no variable is left in a name."""
    return "$" not in text


def tag_form(tag: str) -> str:
    """A regular expression for the tags that a tag with variables may become."""
    parts, end = [], 0
    for match in VARIABLE.finditer(tag):
        parts += [re.escape(tag[end : match.start()]), "[A-Za-z0-9_.-]+"]
        end = match.end()
    return "".join([*parts, re.escape(tag[end:])])


def tags_of(build: Build) -> tuple[list[str], str]:
    """The tags that a step gives, and the form of those that it makes up itself; a form for secret ones, too."""
    if (text_of(build.value("auto_tag")) or "").lower() in ("true", "yes", "on", "1"):
        suffix = re.escape(text_of(build.value("auto_tag_suffix")) or "")
        return [], f"{suffix}|(?:{AUTO_TAG})-{suffix}" if suffix else AUTO_TAG
    listed = [texts(build.value(key)) for key in ("tags", "tag")]
    if None in listed:
        return [], ".+"
    tags = [tag for part in listed for tag in part or ()]
    return tags or ["latest"], ""


def newest(tags: Iterable[str]) -> str:
    """The tag that counts as the newest of a form: `latest`, else the last one, numbers by their value."""
    return max(tags, key=lambda tag: (tag == "latest", [*map(_sortable, re.split(r"(\d+)", tag))]))


def _sortable(part: str) -> tuple[int, str]:
    return (int(part), "") if part.isdecimal() else (-1, part)
