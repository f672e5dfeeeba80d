"""The Host that a registry hears of has the port that its clients use.

The registry answers an upload with a URL for the next request, and builds it from the Host header. `$host` has no
port, so the client goes on at port 80: `dial tcp …:80: connect: connection refused`, and no push works. `$server_port`
is the port that nginx listens on, which helps only where compose publishes it under the same number. Without a Host
line the registry hears the name of the upstream; nginx puts its own port in its place. `$http_host` is what the client
wrote, port included.

A `proxy_set_header` in a location takes the place of all those around it; where the wrong line stands outside the
server, the fix writes the whole set into the location.

Not for: ports 80 and 443; pull-through registries, which send no such URLs; registries with `http.relativeurls` or
`http.host`; a `proxy_redirect` that puts the port back; an `X-Forwarded-Host` or `Forwarded` that has it; fixed names
and variables that are not nginx's own.

Evidence: fact 17.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from codemods.engine.context import Context
from codemods.engine.model import Finding, Impact, Role, rule
from codemods.facts.nginx import Server
from codemods.facts.nginx_routes import UPLOADS
from codemods.formats.yaml import text_of
from codemods.repository import Document
from codemods.rules.nginx.places import Place, once, registry_places
from codemods.rules.nginx.urls import follows_headers, header_fix

_HOST = re.compile(r"\$\{?(?:host|server_name)\}?(?::(?P<port>\d+|\$\{?server_port\}?))?")

_LOOPBACK = re.compile(r"127\.|\[?::1\]?$|localhost$")


@rule("nginx-require-host-port", Role.NGINX, impact=Impact.RELOAD, since="0.1.0", cross=True)
def check(context: Context, document: Document) -> Iterator[Finding]:
    """Yield a finding for each registry that is told a Host without the clients' port."""
    return once(_judge(context, place) for place in registry_places(context, UPLOADS))


def _judge(context: Context, place: Place) -> Finding | None:
    headers, ports = place.headers, _public_ports(context, place.server)
    if headers is None or "forwarded" in headers or ports <= {80, 443} or not follows_headers(context, place):
        return None
    name = "X-Forwarded-Host" if "x-forwarded-host" in headers else "Host"
    header = headers.get(name.lower())
    if header is None:
        problem = f"no Host is passed on: nginx puts its own port into URLs of uploads to {place.service}"
    elif flaw := _flaw(header.args[1], place.server, ports):
        port = min(ports - {80, 443})
        problem = f"{name} {header.args[1]} {flaw}: URLs of uploads to {place.service} lose port {port}, no push works"
    else:
        return None
    return place.finding(f"{problem}; pass {name} $http_host", header, header_fix(place, name, "$http_host"))


def _flaw(value: str, server: Server, ports: set[int]) -> str:
    """What is wrong with a host; empty when it has the clients' port, or when only nginx knows."""
    match = _HOST.fullmatch(value)
    if match is None:
        return ""
    if match["port"] is None:
        return "has no port"
    named = {int(match["port"])} if match["port"].isdigit() else _ports(server)
    return "" if named & ports else f"has port {min(named)}, which no client uses"


def _ports(server: Server) -> set[int]:
    return {port for listen in server.listens for port in listen.ports}


def _public_ports(context: Context, server: Server) -> set[int]:
    """The ports that clients use; empty where they are not known, as behind another proxy of this machine."""
    front = context.compose.nginx if context.compose else None
    if front is None or text_of(front.value("network_mode")) == "host":
        return _ports(server)
    inner = _ports(server)
    return {port.published for port in front.ports if port.target in inner and not _LOOPBACK.match(port.address)}
