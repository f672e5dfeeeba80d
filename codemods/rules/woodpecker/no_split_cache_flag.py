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

from collections.abc import Iterator, Sequence
from dataclasses import replace

from codemods.caching.plugin import PORTABLE_SINCE, VERSIONS, Form, Plugin, buildx_arguments
from codemods.engine.context import Context
from codemods.engine.edits import Edit
from codemods.engine.model import Finding, Impact, Role, rule
from codemods.errors import CannotEdit
from codemods.facts.pipelines import Build, texts
from codemods.facts.references import CACHE_KEYS, CacheEntry, cache_entries
from codemods.formats.yaml import Node, Scalar, YamlFile
from codemods.formats.yaml_edits import replace_scalar
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
            if problem := _problem(build.plugin, key, plain_value(node)):
                edits, writes = _fix(document.yaml, build, key, node)
                message = f"{version_of(build)} {problem}; {_advice(build, key)}"
                yield finding(build, node, message, edits=edits, writes=writes)


def _problem(plugin: Plugin, key: str, value: object) -> str:
    """What goes wrong; for an unknown version only what goes wrong on all that can be used."""
    if plugin.row is not None:
        return _on_version(plugin, key, value)
    if plugin.version is not None:
        return ""
    rows = [row for row in VERSIONS if row.since >= PORTABLE_SINCE]
    problems = [_on_version(replace(plugin, version=row.since), key, value) for row in rows]
    return problems[-1] if all(problems) else ""


def _on_version(plugin: Plugin, key: str, value: object) -> str:
    row = plugin.row
    if row is not None and getattr(row, key) is Form.ABSENT:
        return f"has no setting {key}"
    arguments = buildx_arguments(plugin, {key: value})
    option = "--cache-to" if key == "cache_to" else "--cache-from"
    values = [value for name, value in zip(arguments, arguments[1:], strict=False) if name == option]
    reason = _rejected(values) or ("of several targets only the last is written" if _are_many(key, values) else "")
    if not reason:
        return ""
    return f"turns {key} into `{' '.join(f'{option} {value}' for value in values)}`: {reason}"


def _rejected(values: Sequence[str]) -> str:
    """Why buildx does not take these arguments for what they were meant to be."""
    names = {value: [part.partition("=")[0].strip() for part in value.split(",") if "=" in part] for value in values}
    for value, named in names.items():
        if "\\" in value:
            return "the backslash stays in the argument"
        if named and "type" not in named:
            return f"`{value}` has no type, and the build fails"
        if len(named) not in (0, value.count(",") + 1):
            return "a bare reference and attributes do not mix, and the build fails"
        if named.count("type") > 1:
            return "of several long forms only the last counts"
    lonely = [value for value, named in names.items() if "type=registry" in value and "ref" not in named]
    return f"`{lonely[0]}` has no ref" if lonely else ""


def _are_many(key: str, values: Sequence[str]) -> bool:
    bare = [part for value in values if "=" not in value for part in value.split(",")]
    return key == "cache_to" and len(bare) + sum("=" in value for value in values) > 1


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
    entries = cache_entries(build, key)
    scalars: list[Node] = list(dict.fromkeys(entry.node for entry in entries))
    if len(scalars) != len(entries):
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
    if _problem(build.plugin, key, right[0] if isinstance(node, Scalar) else right):
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
