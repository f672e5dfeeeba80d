"""Tell BuildKit of every http registry that a step pushes or caches to.

BuildKit speaks https to every registry but those on localhost. That one speaks http stands in `buildkit_config`, in a
section whose name is exactly the host and port of the reference: without the port, or with a scheme, it is silently
another registry's section. Images that ignore the setting cannot be told at all. The plugin's own `insecure: true`
reaches the Docker daemon beside BuildKit and changes nothing. A push then fails, and so does a build whose cache
cannot be written; a cache that cannot be read is left out silently.

Not for: registries that are not the stack's own, as nobody knows what they speak; a configuration that comes from a
secret; cache entries with `registry.insecure=true`.

Evidence: facts 27, 31, 32, 35.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from codemods.caching.plugin import Config
from codemods.engine.context import Context
from codemods.engine.model import Finding, Impact, Role, rule
from codemods.facts.pipelines import Build, parts
from codemods.facts.references import CACHE_KEYS, cache_entries, registry_of
from codemods.formats.yaml import Node, text_of
from codemods.repository import Document
from codemods.rules.woodpecker.steps import buildx_steps, finding, version_of

_LOOPBACK = re.compile(r"(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])(?::\d+)?\Z")


@rule("woodpecker-require-reachable-registry", Role.PIPELINE, impact=Impact.PIPELINE, since="0.1.0", cross=True)
def check(context: Context, document: Document) -> Iterator[Finding]:
    """Yield a finding for each step and http registry, at the first reference to it."""
    for build in buildx_steps(document):
        seen = set()
        for verb, node, reference in _references(build):
            host = registry_of(reference)
            endpoint = context.endpoints.get(host or "")
            if endpoint is None or endpoint.scheme != "http" or host in seen or _LOOPBACK.match(endpoint.host):
                continue
            seen.add(host)
            if reason := _unknown_to(build, endpoint.host):
                yield finding(build, node, f"it {verb} {endpoint.host}, which speaks http, {reason}")


def _references(build: Build) -> Iterator[tuple[str, Node, str]]:
    for node, reference in (parts(build.value("repo")) or ()) if build.pushes else ():
        yield "pushes to", node, reference
    for key in CACHE_KEYS:
        for entry in cache_entries(build, key):
            insecure = entry.attributes.get("registry.insecure") == "true"
            if entry.type == "registry" and entry.reference and not insecure:
                yield "caches in", entry.node, entry.reference


def _unknown_to(build: Build, host: str) -> str:
    """Why BuildKit does not know that a host speaks http, and what to do; empty when it does, or may do."""
    plugin = build.plugin
    node = build.value("buildkit_config")
    text = text_of(node)
    if plugin.row is None and (plugin.version is None or node is not None):
        return ""
    if plugin.row and plugin.row.buildkit_config is not Config.ALL and not plugin.insecure:
        advice = "use an -insecure tag of 5.x with buildkit_config, or serve the registry over https"
        return f"and {version_of(build)} cannot be told so; {advice}"
    section = f'[registry."{host}"] with http = true'
    if node is None:
        return f"and the step has no buildkit_config; give it one with the section {section}"
    known = _sections(text) if text is not None else None
    if known is None or known.get(host):
        return ""
    near = [name for name in known if host.partition(":")[0] in name]
    other = f" (its section {near[0]!r} is not that host)" if near and host not in known else ""
    return f"but buildkit_config does not say so{other}; add the section {section}"


def _sections(config: str) -> dict[str, bool] | None:
    """The registries of a buildkitd.toml, and whether they speak http; None when it cannot be read."""
    from tomllib import TOMLDecodeError, loads

    try:
        registries = loads(config.replace("\r\n", "\n")).get("registry", {})
    except TOMLDecodeError:
        return None
    if not isinstance(registries, dict) or "$" in "".join(registries):
        return None
    return {name: isinstance(table, dict) and table.get("http") is True for name, table in registries.items()}
