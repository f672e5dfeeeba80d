"""A pull-through server caches blobs only, not manifests.

A blob is named by its digest and never changes. A tag moves: as long as its manifest is cached, clients get the image
that it named before, with no way to ask for the new one. A manifest is also stored for all clients alike, though they
accept different types of it, and a cached 404 stays one. The pull-through registry keeps what it pulled anyway, so
little is lost: cache in a location of its own, `location ~ "^/v2/.+/blobs/sha256:"`, and not in the one for `/v2/`.

Not for: servers without a `proxy_cache_valid` for 200, as a registry gives manifests no time of their own; caches with
a `proxy_no_cache` or `proxy_cache_bypass` by a variable of your own; files that are seen without their compose file.

Evidence: fact 22.
"""

from __future__ import annotations

from collections.abc import Iterator

from codemods.engine.context import Context
from codemods.engine.model import Finding, Impact, Role, Severity, rule
from codemods.facts.nginx_routes import MANIFESTS
from codemods.repository import Document
from codemods.rules.nginx.caches import cache_of, keeps_for
from codemods.rules.nginx.places import Place, once, registry_places


@rule("nginx-no-manifest-cache", Role.NGINX, severity=Severity.WARNING, impact=Impact.RELOAD, since="0.1.0")
def check(context: Context, document: Document) -> Iterator[Finding]:
    """Yield a finding for each cached location that serves manifests of a pull-through registry."""
    return once(_judge(place) for place in registry_places(context, MANIFESTS, pushes=False))


def _judge(place: Place) -> Finding | None:
    cache = cache_of(place)
    time = keeps_for(place) if cache else ""
    if not time:
        return None
    return place.finding(
        f"manifests of {place.service} are cached for {time}, while tags move; "
        'cache only location ~ "^/v2/.+/blobs/sha256:"',
        cache,
    )
