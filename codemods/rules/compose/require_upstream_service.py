"""What nginx passes requests to is a service of the compose file, on a port that it listens on.

nginx resolves the names in its configuration when it starts, and does not start when one of them is unknown: a
service that was renamed or removed takes every registry down. With a wrong port it starts and answers 502.

Not for: addresses, names with a dot (other machines), variables.

Evidence: fact 23.
"""

from __future__ import annotations

from collections.abc import Iterator

from codemods.engine.context import Context
from codemods.engine.model import Finding, Impact, Outcome, Related, Role, rule
from codemods.facts.compose import ComposeFacts, Service
from codemods.facts.nginx import Address, NginxFacts
from codemods.formats.nginx import Directive
from codemods.repository import Document


@rule("compose-require-upstream-service", Role.NGINX, impact=Impact.RELOAD, since="0.1.0", cross=True)
def check(context: Context, document: Document) -> Iterator[Outcome]:
    """Yield a finding for each server of an upstream or proxy_pass that compose does not have, or not on that port."""
    if context.compose is None or context.nginx is None or context.stack.compose is None:
        return
    seen = set()
    for address, directive in _addresses(context.nginx):
        if (directive.start, address) in seen or not _is_local_name(address.host, context.compose):
            continue
        seen.add((directive.start, address))
        service = _service(context.compose, address.host)
        related = (Related(context.stack.compose, 0, "the services are here"),)
        if service is None:
            message = f"nginx passes to {address}, but compose has no service {address.host}: nginx will not start"
            yield Finding(directive.start, directive.end, message, related=related)
        elif (port := _registry_port(context, service)) and port != address.port:
            message = f"nginx passes to {address}, but {service.name} listens on port {port}"
            yield Finding(directive.start, directive.end, message, related=related)


def _addresses(facts: NginxFacts) -> Iterator[tuple[Address, Directive]]:
    for upstream in facts.upstreams:
        for child in upstream.directive.block or ():
            for address in upstream.addresses:
                if child.name == "server" and child.args and child.args[0].startswith(address.host):
                    yield address, child
    groups = {upstream.name for upstream in facts.upstreams}
    for server in facts.servers:
        for location in server.locations:
            target, directive = location.target, location.setting("proxy_pass")
            if target and directive and target.host not in groups:
                yield Address(target.host, target.port), directive


def _is_local_name(host: str, compose: ComposeFacts) -> bool:
    """Whether only Docker's own name server could know the name."""
    if "$" in host or "." in host or ":" in host or host in ("localhost", "host-gateway"):
        return False
    extra = compose.nginx.value("extra_hosts") if compose.nginx else None
    return extra is None


def _service(compose: ComposeFacts, host: str) -> Service | None:
    return next(
        (s for s in compose.services.values() if host in (s.name, s.container, *s.names)),
        None,
    )


def _registry_port(context: Context, service: Service) -> int | None:
    """The port of a registry by its configuration; None where it is not known."""
    for registry in context.registries:
        if registry.service.name == service.name:
            port = registry.text("http", "addr").rpartition(":")[2]
            return int(port) if port.isdigit() else None
    return None
