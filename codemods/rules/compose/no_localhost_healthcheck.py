"""A health check asks 127.0.0.1 where the server listens on IPv4 only.

In an Alpine image `localhost` is ::1 first, and busybox's wget tries no other address. nginx with `listen 5000;`
listens on IPv4 only, so the check fails for ever and whatever waits for the service never starts. The same holds for
a registry whose `http.addr` names an IPv4 address.

Not for: registries that listen on `:5000`, which takes both; nginx with a `listen [::]:…` for the port.

Evidence: fact 40.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from codemods.engine.context import Context
from codemods.engine.edits import Edit
from codemods.engine.model import Finding, Impact, Outcome, Role, rule
from codemods.facts.compose import Service, read_compose
from codemods.formats.yaml import Node, Scalar, Sequence, resolve
from codemods.repository import Document

_LOCALHOST = re.compile(r"(?<=://)localhost(?=(?::(?P<port>\d+))?(?:[/\s\"'?]|$))")
_IPV4 = re.compile(r"(?:\d{1,3}\.){3}\d{1,3}:(?P<port>\d+)")


@rule("compose-no-localhost-healthcheck", Role.COMPOSE, impact=Impact.RECREATE, since="0.1.0")
def check(context: Context, document: Document) -> Iterator[Outcome]:
    """Yield a finding for each health check that asks localhost on a port that answers on IPv4 only."""
    file = document.yaml
    for service in read_compose(file).services.values():
        for node in _texts(service.value("healthcheck", "test")):
            source = file.source(node)
            for match in _LOCALHOST.finditer(source):
                port = int(match["port"] or 80)
                if _is_ipv4_only(context, service, port):
                    start, end = node.start + match.start(), node.start + match.end()
                    yield Finding(
                        start,
                        end,
                        f"the health check of {service.name} asks localhost, which is ::1 first; port {port} listens "
                        "on IPv4 only: ask 127.0.0.1",
                        (Edit(start, end, "127.0.0.1"),),
                        (file.path_of(node),),
                    )


def _texts(node: Node | None) -> Iterator[Scalar]:
    for item in node.items if isinstance(node, Sequence) else [node] if node else []:
        scalar = resolve(item)
        if isinstance(scalar, Scalar):
            yield scalar


def _is_ipv4_only(context: Context, service: Service, port: int) -> bool:
    compose = context.compose
    if compose and compose.nginx and service.name == compose.nginx.name and context.nginx:
        listens = [item for server in context.nginx.servers for item in server.listens if port in item.ports]
        return bool(listens) and not any(item.address.startswith("[") for item in listens)
    for registry in context.registries:
        if registry.service.name == service.name:
            match = _IPV4.fullmatch(registry.text("http", "addr"))
            return match is not None and int(match["port"]) == port
    return False
