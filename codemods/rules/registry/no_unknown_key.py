"""Registry configurations have only keys that Distribution knows.

Distribution ignores a key that it does not know without a word: `maxsize` caps nothing, `rootDirectory` leaves the data
in the container, `Addr` lets it listen on any free port. Directly below `storage` or `auth` it takes every name for one
more driver, and does not start. Which keys there are depends on the version, which the image's tag tells.

The fix removes a key that does nothing. One that looks like another key is left to be renamed by hand, because what it
says would come into force.

Not for: what stands below free sections (`log.fields`, `http.headers`, options of middleware), and `x-…` at the top.

Evidence: facts 1, 2, 8, 9.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches

from codemods.engine.context import Context
from codemods.engine.edits import Edit
from codemods.engine.model import Finding, Impact, Outcome, Role, rule
from codemods.errors import CannotEdit
from codemods.formats.yaml import Alias, Node, text_of, walk
from codemods.formats.yaml_edits import remove_pair
from codemods.repository import Document
from codemods.rules.registry.configuration import Configuration, Path, Place, places, read_configuration
from codemods.rules.registry.keys import MAJORS, NAMES, keys_of, paths_to

_DRIVERS = (("storage",), ("auth",))
"""Sections in which every name that is no key is taken for a driver."""
_FEW = 6
_HARMLESS = re.compile(r"\d+[A-Za-z]+|:\d+|true|false|\$\{\w+\}")
"""Values that may be shown: under a misspelt key, any other may be a password."""

Fix = tuple[tuple[Edit, ...], tuple[Path, ...]]


@rule("registry-no-unknown-key", Role.REGISTRY, impact=Impact.RESTART, since="0.1.0")
def check(context: Context, document: Document) -> Iterator[Outcome]:
    """Yield a finding for each unknown key; what is below it is part of it."""
    configuration = read_configuration(context, document)
    if configuration is None:
        return
    unknown = [place for place in places(configuration) if place.key is None and not _is_holder(configuration, place)]
    for place in unknown:
        edits, writes = _fix(configuration, place, unknown)
        end = max(place.pair.key.end, place.pair.value.end)
        yield Finding(place.pair.key.start, end, _message(configuration, place), edits, writes)


def _is_holder(configuration: Configuration, place: Place) -> bool:
    """Whether the key only holds what other places use, or says itself that it is an extension."""
    file = configuration.file
    held = any(file.users(node) for node in walk(place.pair.value) if node.anchor and not isinstance(node, Alias))
    return len(place.path) == 1 and (held or place.path[0].startswith("x-"))


def _message(configuration: Configuration, place: Place) -> str:
    where, majors = ".".join(place.path), configuration.majors
    who = NAMES[majors[0]] if len(majors) == 1 else "Distribution"
    others = [major for major in MAJORS if major not in majors and _knows(major, place.path)]
    if place.path[:-1] in _DRIVERS:
        problem = f"{where} stops the registry: {who} takes it for a driver of {place.path[-2]}"
        advice = f"the key is {meant}" if (meant := _meant(place)) else "remove it"
    else:
        problem = f"{where}{_shown(place.pair.value)} does nothing: {who} has no such key"
        advice = f"the key is {meant}" if (meant := _meant(place)) else "remove it"
        if not meant and 0 < len(place.section.keys) <= _FEW:
            advice += f" (there is {', '.join(place.section.keys)})"
    if others:
        return f"{problem}, only {NAMES[others[0]]} has it; remove it, or run that version"
    return f"{problem}; {advice}"


def _shown(value: Node) -> str:
    text = text_of(value)
    return f": {text}" if text and _HARMLESS.fullmatch(text) else ""


def _knows(major: int, path: Path) -> bool:
    key = keys_of((major,))
    for name in path:
        below = key.items if name.isdigit() else key.keys.get(name)
        if below is None:
            return key.is_free and name not in key.absent
        key = below
    return True


def _meant(place: Place) -> str:
    """The key that was probably meant: one that is spelled alike here, or the only one of that name elsewhere."""
    name, known = place.path[-1], list(place.section.keys)
    alike = [key for key in known if _folded(key) == _folded(name)] or get_close_matches(name, known, 1, 0.8)
    if alike:
        return ".".join((*place.path[:-1], alike[0]))
    elsewhere = paths_to(_folded(name), keys_of(MAJORS))
    return ".".join(elsewhere[0]) if len(elsewhere) == 1 else ""


def _folded(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def _fix(configuration: Configuration, place: Place, unknown: list[Place]) -> Fix:
    """Remove a key that does nothing and means nothing; a section keeps at least one key."""
    siblings = [pair.name for pair in place.holder.pairs]
    gone = sum(other.holder is place.holder for other in unknown)
    is_safe = not (place.shared or place.path[:-1] in _DRIVERS) and siblings.count(place.path[-1]) == 1
    if not is_safe or gone == len(siblings):
        return (), ()
    if _meant(place) and not any(_knows(major, place.path) for major in MAJORS):
        return (), ()
    try:
        return (remove_pair(configuration.file, place.holder, place.pair),), (place.path,)
    except CannotEdit:
        return (), ()
