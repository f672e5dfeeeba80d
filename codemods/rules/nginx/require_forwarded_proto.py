"""A registry behind TLS is told so with X-Forwarded-Proto.

nginx takes TLS off and passes plain HTTP on, and the registry builds the URLs of uploads from what it hears: they
begin with `http://`. The client follows one, and nginx answers `400 The plain HTTP request was sent to HTTPS port`, so
no push works. `proxy_set_header X-Forwarded-Proto $scheme;` gives the registry the scheme that the client used.

Not for: servers without TLS; pull-through registries, which send no such URLs; registries that are reached over https,
or have `http.relativeurls` or `http.host`; a `proxy_redirect` that puts the scheme back; a `Forwarded` header.
Where only nginx's file is seen, the registry's configuration is looked for beside it.

Evidence: fact 18.
"""

from __future__ import annotations

from collections.abc import Iterator

from codemods.engine.context import Context
from codemods.engine.model import Finding, Impact, Role, rule
from codemods.facts.nginx_routes import UPLOADS
from codemods.repository import Document
from codemods.rules.nginx.places import Place, once, registry_places
from codemods.rules.nginx.urls import follows_headers, header_fix


@rule("nginx-require-forwarded-proto", Role.NGINX, impact=Impact.RELOAD, since="0.1.0")
def check(context: Context, document: Document) -> Iterator[Finding]:
    """Yield a finding for each registry that is not told of the TLS before it."""
    return once(_judge(context, place) for place in registry_places(context, UPLOADS))


def _judge(context: Context, place: Place) -> Finding | None:
    headers, target = place.headers, place.location.target
    if headers is None or "forwarded" in headers or not _has_tls(place):
        return None
    header = headers.get("x-forwarded-proto")
    if (header and header.args[1] != "http") or (target and target.scheme == "https"):
        return None
    if not follows_headers(context, place):
        return None
    passed = "X-Forwarded-Proto http" if header else "no X-Forwarded-Proto"
    message = (
        f"{passed} behind TLS: URLs of uploads to {place.service} begin with http://, no push works; "
        "pass X-Forwarded-Proto $scheme"
    )
    return place.finding(message, header, header_fix(place, "X-Forwarded-Proto", "$scheme"))


def _has_tls(place: Place) -> bool:
    return any(listen.ssl for listen in place.server.listens) or place.value("ssl", "off") == "on"
