"""What the words of an element mean: a path, a pattern of paths, a content, lines of a crontab.

A word is carried as it is written or refused; nothing in it is ever expanded.
"""

from __future__ import annotations

import posixpath
import re
from base64 import b64decode

from codemods.formats.hcl import TEMPLATE
from codemods.formats.shell import Word
from codemods.provisioning.elements import Element
from codemods.provisioning.expressions import Content
from codemods.provisioning.literals import Unknown

_PATH = re.compile(r"(?:/[A-Za-z0-9._@+,=:-]+)+/?")
_KERNEL = ("/dev/", "/proc/", "/sys/")
# Escapes that the echo of sh resolves, and that of other shells does not.
_ESCAPE = re.compile(r"\\[abcefnrtv0\\]")
# What a shell may put anything in the place of, and what it puts names in the place of.
_EXPANSION = re.compile(
    rf"(?P<any>{TEMPLATE}|\$\(.*?\)|\$\{{.*?\}}|\$\w+|`.*?`|\{{.*?\}}|\[.*?\]|~)|(?P<star>\*)|(?P<one>\?)"
)


def path_of(element: Element, word: Word) -> str:
    """The path that a word names. Raises Unknown when it is not one that is written out, absolute and plain."""
    written = element.shown(word.start, word.end)
    if TEMPLATE in word.text:
        raise Unknown(f"the path {written!r} has a variable in it: write it out")
    if not word.plain or not _PATH.fullmatch(word.text):
        fault = "has characters that a shell would read" if word.text.startswith("/") else "is not absolute"
        raise Unknown(f"the path {written!r} {fault}")
    path = word.text.rstrip("/")
    if posixpath.normpath(path) != path or path.startswith(_KERNEL):
        raise Unknown(f"the path {written!r} is no place for a file")
    return path


def pattern_of(word: Word) -> str:
    """Which paths a word may name, as a regular expression; wider rather than narrower."""
    if word.plain:
        return re.escape(word.text.rstrip("/"))
    pattern, position = "", 0
    for match in _EXPANSION.finditer(word.text):
        pattern += re.escape(word.text[position : match.start()])
        pattern += ".*" if match["any"] else "[^/]*" if match["star"] else "[^/]"
        position = match.end()
    return pattern + re.escape(word.text[position:].rstrip("/"))


def decoded_content(element: Element, word: Word) -> Content:
    """The content of a file whose base64 stands in the list itself."""
    if not word.plain or TEMPLATE in word.text:
        raise Unknown(f"the content {element.shown(word.start, word.end)[:60]!r} cannot be read")
    try:
        return Content(b64decode(word.text, validate=True))
    except ValueError:
        raise Unknown("its content is no base64") from None


def crontab_lines(element: Element, word: Word) -> list[str]:
    """The lines that a word is in a crontab."""
    written = element.shown(word.start, word.end)[:80]
    if not word.plain or TEMPLATE in word.text:
        raise Unknown(f"a crontab line with a variable in it: {written}")
    if _ESCAPE.search(word.text):
        raise Unknown(f"a crontab line with an escape that shells read differently: {written}")
    return [line for line in word.text.split("\n") if line.strip()]
