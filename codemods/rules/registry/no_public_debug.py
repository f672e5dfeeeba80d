"""The debug server of a registry is published on loopback only.

`http.debug` answers without a login, also where the registry asks for one: health, metrics with the names of what is
pulled, and Go's profiler, which hands out the memory of the process with the credentials in it. Published by compose on
every address, it is open to the network; Docker's rules come before most firewalls.

Not for: a debug address that is loopback inside the container; ports published on 127.0.0.1 or ::1; addresses that come
from a variable.

Evidence: fact 7.
"""

from __future__ import annotations

from collections.abc import Iterator

from codemods.engine.context import Context
from codemods.engine.model import Finding, Impact, Outcome, Related, Role, Severity, rule
from codemods.repository import Document

_LOOPBACK = ("127.", "[::1]", "::1", "localhost")


@rule(
    "registry-no-public-debug",
    Role.REGISTRY,
    severity=Severity.WARNING,
    impact=Impact.RECREATE,
    since="0.1.0",
    cross=True,
)
def check(context: Context, document: Document) -> Iterator[Outcome]:
    """Yield a finding for each published port that leads to the debug server of a registry."""
    for registry in context.registries:
        address, service = registry.value("http", "debug", "addr"), registry.service
        host, _, number = registry.text("http", "debug", "addr").rpartition(":")
        may_differ = service.may_set("REGISTRY_HTTP_DEBUG_ADDR", "REGISTRY_HTTP_DEBUG", "REGISTRY_HTTP")
        if registry.path != document.path or address is None or may_differ or host.startswith(_LOOPBACK):
            continue
        for port in service.ports:
            is_public = not port.address.startswith(_LOOPBACK) and "$" not in port.address
            if str(port.target) == number and is_public and port.node and context.stack.compose:
                where = (
                    f"{port.address}:{port.published}" if port.address else f"port {port.published} of every address"
                )
                message = (
                    f"{service.name} has its debug server on {where}, where it asks for no login: publish "
                    f"127.0.0.1:{port.published}:{port.target}, or leave the port out"
                )
                related = Related(context.stack.compose, port.node.start, "it is published here")
                yield Finding(address.start, address.end, message, related=(related,))
