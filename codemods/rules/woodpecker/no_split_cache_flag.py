"""Write cache flags in a form that the step's plugin version hands to buildx in one piece.

`cache_from`, `cache_to` and `cache_images` changed their form three times. A version that reads a list cuts
`type=registry,ref=…` at its comma, and buildx stops at the lonely `ref=…`; a version that reads one string keeps the
backslash of `\\,`, and of two long forms only the last one counts, without a word. Older versions do not have the
setting at all. The bare reference `host:port/name:tag` is one cache on every version; the fix writes it.

An image without a tag, and `latest`, count as the newest version, because that is what runs.

Not for: images whose version nobody can know, unless the form breaks on every version from 3.1; cache settings that
come from secrets.

Evidence: facts 29, 32, 33, 34, 37.
"""

from __future__ import annotations

from collections.abc import Iterator

from codemods.caching.cache_flags import problem_of
from codemods.caching.plugin import Form
from codemods.engine.context import Context
from codemods.engine.edits import Edit
from codemods.engine.model import Finding, Impact, Role, rule
from codemods.errors import CannotEdit
from codemods.facts.pipelines import Build, texts
from codemods.facts.references import CACHE_KEYS, CacheEntry, cache_entries
from codemods.formats.yaml import Node, Scalar, Sequence, YamlFile, resolve
from codemods.repository import Document
from codemods.rules.woodpecker.steps import buildx_steps, finding, is_shared, masked, plain_value, version_of

_IMPLIED = {"mode"}
"""Attributes that mean nothing to an import."""


@rule("woodpecker-no-split-cache-flag", Role.PIPELINE, impact=Impact.PIPELINE, since="0.1.0")
def check(context: Context, document: Document) -> Iterator[Finding]:
    """Yield a finding for each setting that does not reach buildx as it was meant."""
    for build in buildx_steps(document):
        for key in CACHE_KEYS:
            node = build.value(key)
            if node is None or not texts(node):
                continue
            if problem := problem_of(build.plugin, key, plain_value(node)):
                edits, writes = _fix(document.yaml, build, key, node)
                message = f"{version_of(build)} {problem}; {_advice(build, key)}"
                yield finding(build, node, message, edits=edits, writes=writes)


def _advice(build: Build, key: str) -> str:
    if build.plugin.row and getattr(build.plugin.row, key) is Form.ABSENT:
        return "use version 3.1 or later"
    entry = next((entry for entry in cache_entries(build, key) if entry.reference), None)
    if key == "cache_to":
        target = _long(entry) if entry else "one target"
        row = build.plugin.row
        return f"write {target}" if row is None or row.cache_to is Form.STRING else "use version 3.1 or later"
    return f"write the bare reference {entry.reference}" if entry else "write the bare reference"


def _long(entry: CacheEntry) -> str:
    """An entry as one string."""
    attributes = "".join(f",{name}={value}" for name, value in entry.attributes.items())
    return (
        f"type={entry.type},ref={entry.reference}{attributes}" if entry.reference else f"type={entry.type}{attributes}"
    )


def _fix(file: YamlFile, build: Build, key: str, node: Node) -> tuple[tuple[Edit, ...], tuple[tuple[str, ...], ...]]:
    """Each scalar that holds one entry gets its portable form, if that puts the setting right."""
    from codemods.formats.yaml_edits import replace_scalar

    entries = cache_entries(build, key)
    scalars = {resolve(item) for item in node.items} if isinstance(node, Sequence) else {node}
    if len(entries) != len(scalars) or {entry.node for entry in entries} != scalars:
        return (), ()
    edits, values, writes = [], [], []
    for entry in entries:
        value = _portable(build, key, entry)
        values.append(value)
        if value != entry.node.value:
            if is_shared(file, build, entry.node):
                return (), ()
            try:
                edits.append(replace_scalar(file, entry.node, value))
            except CannotEdit:
                return (), ()
            writes.append(file.path_of(entry.node))
    right = [masked(value) for value in values]
    if problem_of(build.plugin, key, right[0] if isinstance(node, Scalar) else right):
        return (), ()
    return tuple(edits), tuple(writes)


def _portable(build: Build, key: str, entry: CacheEntry) -> str:
    """The bare reference where nothing is lost by it, else the long form without backslashes."""
    is_import = key != "cache_to"
    if entry.type == "registry" and entry.reference and entry.attributes.keys() <= (_IMPLIED if is_import else set()):
        row = build.plugin.row
        if is_import or (row and row.cache_to is Form.LIST):
            return entry.reference
    return _long(entry)
