"""Booleans of registry configurations stand without quotes.

`enabled: "true"` is a text, and Distribution looks for a boolean: deletes stay off, purging that says `"false"` goes
on, both without a word; most other keys stop the registry at its start.

Not for: texts that come out as they would without quotes; keys of storage drivers, which read texts, too; values that
come from a template.

Evidence: fact 2.
"""

from __future__ import annotations

from collections.abc import Iterator

from codemods.engine.context import Context
from codemods.engine.edits import Edit
from codemods.engine.model import Finding, Impact, Outcome, Role, rule
from codemods.formats.yaml import Scalar, resolve
from codemods.repository import Document
from codemods.rules.registry.configuration import PURGING, Path, places, purges, read_configuration

_TEXTS = {
    **dict.fromkeys(("true", "yes", "on", "y"), "true"),
    **dict.fromkeys(("false", "no", "off", "n"), "false"),
}
_DELETE = ("storage", "delete", "enabled")
_SILENT = {
    (_DELETE, "true"): "is a text: deletes stay off",
    (_DELETE, "false"): "",
    ((*PURGING, "enabled"), "true"): "",
    ((*PURGING, "enabled"), "false"): "is a text: uploads are purged all the same",
}
"""What comes of a text where it stops nothing; nothing to say where it comes out right."""


@rule("registry-no-quoted-boolean", Role.REGISTRY, impact=Impact.RESTART, since="0.1.0")
def check(context: Context, document: Document) -> Iterator[Outcome]:
    """Yield a finding for each boolean that is a text."""
    configuration = read_configuration(context, document)
    if configuration is None:
        return
    for place in places(configuration):
        value = resolve(place.pair.value)
        if place.key is None or not place.key.is_boolean or not isinstance(value, Scalar):
            continue
        meant = _TEXTS.get(value.value.lower())
        problem = _SILENT.get((place.path, meant or ""), "is a text, which stops the registry at its start")
        is_read = place.path[:-1] != PURGING or purges(configuration)
        if meant is None or not problem or not is_read or not (value.style or (value.tag or "").endswith("str")):
            continue
        node = place.pair.value
        message = f"{'.'.join(place.path)}: {document.yaml.source(value)} {problem}; write {meant} without quotes"
        is_fixable = not place.shared and node is value and value.anchor is None and value.style not in ("|", ">")
        edits = (Edit(node.start, node.end, meant),) if is_fixable else ()
        writes: tuple[Path, ...] = (place.path,) if is_fixable else ()
        yield Finding(node.start, node.end, message, edits, writes)
