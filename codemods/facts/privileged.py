"""Which plugins a Woodpecker server runs privileged: where a repository says so (Helm, compose, Terraform, env).

Evidence: facts 38.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MARKER = re.compile(rb"WOODPECKER_(?:PLUGINS_PRIVILEGED|ESCALATE)")
"""A file without it has no such list. WOODPECKER_ESCALATE is the name before server 2.0."""

_ASSIGNED = re.compile(
    r"""^(?!\s*//)[^#\n]*?\bWOODPECKER_(?:PLUGINS_PRIVILEGED|ESCALATE)\b["']?
        (?: [ \t]*[:=][ \t]* | \s*,?\s*["']?value["']?[ \t]*[:=][ \t]* )  # the second: a map of name and value
        (?: "(?P<double>[^"\n]*)" | '(?P<single>[^'\n]*)' | (?P<plain>[^\s"'#,}\]]+(?:,[ ]?[^\s"'#,}\]]+)*)? )""",
    re.MULTILINE | re.VERBOSE,
)
_IMAGES = re.compile(r"(?!(?:var|local|module|data)\.)(?:\s*[a-z0-9][\w./:@-]*\s*(?:,|\Z))*", re.IGNORECASE | re.ASCII)


def read_privileged(text: str) -> Iterator[tuple[str | None, int]]:
    """Yield each list as written and its line; None for a value that is no list of images, such as a variable."""
    for match in _ASSIGNED.finditer(text):
        value = match["double"] or match["single"] or match["plain"] or ""
        line = text.count("\n", 0, match.end()) + 1
        yield (value if _IMAGES.fullmatch(value) else None), line


def is_privileged(allowed: str, image: str) -> bool:
    """Whether a list gives an image its privilege: an entry with a colon names that tag only, others every tag."""
    return any(_matches(entry.strip(), image) for entry in allowed.split(",") if entry.strip())


def _matches(entry: str, image: str) -> bool:
    # The server looks for a colon anywhere, so that of a registry's port counts, too.
    return _expanded(entry) == _expanded(image) if ":" in entry else _repository(entry) == _repository(image)


def _expanded(image: str) -> str:
    name = _familiar(image)
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"


def _repository(image: str) -> str:
    head, slash, last = _familiar(image).partition("@")[0].rpartition("/")
    return f"{head}{slash}{last.partition(':')[0]}"


def _familiar(image: str) -> str:
    """Without what Docker Hub's names may leave out."""
    return re.sub(r"\A(?:index\.)?docker\.io/(?:library/)?", "", image)
