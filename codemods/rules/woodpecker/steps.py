"""What the rules on build steps share: which steps they look at, and where their findings point."""

from __future__ import annotations

import re
from collections.abc import Iterator

from codemods.engine.context import Context
from codemods.engine.edits import Edit
from codemods.engine.model import Finding, Related
from codemods.facts.pipelines import MARKER, Build, read_builds, steps_of
from codemods.formats.yaml import Mapping, Node, Pair, Scalar, Sequence, YamlFile, merged, resolve
from codemods.repository import Document

_VARIABLE = re.compile(r"\$\{[^}]*\}")


def buildx_steps(document: Document) -> Iterator[Build]:
    """The steps that run the buildx plugin; other build plugins have settings of their own."""
    if MARKER.search(document.text):
        yield from (build for build in read_builds(document.yaml) if build.plugin.kind != "other")


def finding(
    build: Build,
    node: Node,
    message: str,
    *,
    edits: tuple[Edit, ...] = (),
    writes: tuple[tuple[str, ...], ...] = (),
    related: tuple[Related, ...] = (),
) -> Finding:
    """A finding about a node of a step."""
    return Finding(node.start, node.end, f"step {build.name}: {message}", edits, writes, related, block=build.start)


def left_to_recipe(context: Context, document: Document) -> set[int]:
    """Where the images of those steps stand that the caching recipe reports and changes itself."""
    if not context.settings.registry.hostname:
        return set()
    from codemods.caching.pipelines import check

    return {outcome.start for outcome in check(context, document) if isinstance(outcome, Finding)}


def version_of(build: Build) -> str:
    """The plugin as messages name it."""
    plugin = build.plugin
    floating = " (the newest)" if plugin.version == () else ""
    return f"{plugin.repository}:{plugin.tag or 'latest'}{floating}"


def is_shared(file: YamlFile, build: Build, node: Node) -> bool:
    """Whether others use a node too, through aliases: its text is not this step's alone."""
    if not file.aliases:
        return False
    places = {alias.start for holder in file.holders(node) for alias in file.users(holder)}
    places |= {item.start for _, item in steps_of(build.root) if item.start <= node.start < item.end}
    return len(places) > 1


def pairs_of(node: Node | None) -> list[tuple[str, Pair]]:
    """Names and pairs of a mapping, merged ones included, of each name the one that counts."""
    node = resolve(node) if node else None
    found: dict[str, Pair] = {}
    for pair, _ in merged(node) if isinstance(node, Mapping) else ():
        if pair.name is not None:
            found.setdefault(pair.name, pair)
    return list(found.items())


def masked(text: str) -> str:
    """A value for the plugin's model: the server replaces `${…}` before, so commas in there do not count."""
    return _VARIABLE.sub(lambda match: match[0].replace(",", ""), text.strip())


def plain_value(node: Node | None) -> str | list[str]:
    """A scalar, or a list of scalars, as the plugin's model takes it; empty for anything else."""
    if isinstance(node, Scalar):
        return masked(node.value)
    items = [resolve(item) for item in node.items] if isinstance(node, Sequence) else []
    return [masked(item.value) for item in items if isinstance(item, Scalar)]
