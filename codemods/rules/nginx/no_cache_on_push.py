"""What is pushed to a registry is not hidden by a cache in front of it.

BuildKit asks for a manifest before it pushes one, and the cached 404 hides the new manifest from everybody: a build
finds no cache that is there. A tag that is pushed again keeps its old digest, and a manifest that somebody with
credentials has read is served to everybody without. Not even blobs are safe: one that was collected still answers, so
its layer is not pushed again. The fix switches the cache off for the location; a pull-through server keeps its own.

Not for: pull-through registries; caches with a `proxy_no_cache` or `proxy_cache_bypass` by a variable of your own.

Evidence: fact 22.
"""

from __future__ import annotations

from collections.abc import Iterator

from codemods.engine.context import Context
from codemods.engine.model import Finding, Impact, Role, rule
from codemods.facts.nginx_routes import BLOBS, MANIFESTS, UPLOADS
from codemods.repository import Document
from codemods.rules.nginx.caches import cache_of
from codemods.rules.nginx.places import Place, once, registry_places


@rule("nginx-no-cache-on-push", Role.NGINX, impact=Impact.RELOAD, since="0.1.0")
def check(context: Context, document: Document) -> Iterator[Finding]:
    """Yield a finding for each location of a registry that accepts pushes and is cached."""
    return once(_judge(place) for place in registry_places(context, (*MANIFESTS, *BLOBS, *UPLOADS)))


def _judge(place: Place) -> Finding | None:
    cache = cache_of(place)
    if cache is None:
        return None
    message = (
        f"proxy_cache {cache.args[0]} keeps answers of {place.service}, which accepts pushes: "
        "what was just pushed stays hidden; write proxy_cache off"
    )
    return place.finding(message, cache, place.write("proxy_cache", "off"))
