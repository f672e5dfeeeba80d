"""A registry that pipelines push to is no pull-through mirror.

With a `proxy` section Distribution answers every push with 405, and does not start while the upstream is down. Which
registry pipelines push to is seen by the hosts and ports in them.

Not for: mirrors that pipelines only pull from; images whose host is a variable.

Evidence: fact 7.
"""

from __future__ import annotations

from collections.abc import Iterator

from codemods.engine.context import Context
from codemods.engine.model import Finding, Impact, Outcome, Related, Role, rule
from codemods.facts.pipelines import parts
from codemods.facts.references import registry_of, written_caches
from codemods.formats.yaml import Mapping, Node
from codemods.repository import Document


@rule("registry-no-proxy-in-private", Role.REGISTRY, impact=Impact.RESTART, since="0.1.0", cross=True)
def check(context: Context, document: Document) -> Iterator[Outcome]:
    """Yield a finding for each registry with a proxy that a pipeline pushes to."""
    pushes: dict[str, Related] = {}
    for path, node, host in _pushes(context):
        if host in context.endpoints:
            pushes.setdefault(context.endpoints[host].service, Related(path, node.start, f"it pushes to {host} here"))
    for registry in context.registries:
        proxy = registry.pair("proxy")
        name = registry.service.name
        if registry.path != document.path or proxy is None or name not in pushes:
            continue
        if isinstance(proxy.value, Mapping) and registry.text("proxy", "remoteurl"):
            message = (
                f"{name} is a mirror and answers pushes with 405, but pipelines push to it: remove the section proxy"
            )
            yield Finding(proxy.key.start, proxy.key.end, message, related=(pushes[name],))


def _pushes(context: Context) -> Iterator[tuple[str, Node, str]]:
    """Path, place and host of everything that pipelines push."""
    for path, build in context.builds:
        references = [(node, text) for node, text in (parts(build.value("repo")) or ()) if build.pushes]
        references += [(entry.node, entry.reference) for entry in written_caches(build)]
        for node, reference in references:
            if host := registry_of(reference):
                yield path, node, host
