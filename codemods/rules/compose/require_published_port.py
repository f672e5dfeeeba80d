"""Every port that nginx listens on is published, and nothing else is.

A server block without its published port cannot be reached: pushes end in "connection refused". A published port that
nobody listens on promises a registry that is not there.

Not for: nginx with `network_mode: host`; port ranges and ports from variables.
"""

from __future__ import annotations

from collections.abc import Iterator

from codemods.caching.compose_front import port_item
from codemods.engine.context import Context
from codemods.engine.edits import Edit
from codemods.engine.model import Finding, Impact, Outcome, Related, Role, rule
from codemods.errors import CannotEdit
from codemods.facts.compose import Service
from codemods.formats.yaml import Sequence, YamlFile
from codemods.formats.yaml_edits import append_item, remove_item
from codemods.repository import Document


@rule("compose-require-published-port", Role.COMPOSE, impact=Impact.RECREATE, since="0.1.0", cross=True)
def check(context: Context, document: Document) -> Iterator[Outcome]:
    """Yield a finding for each port that is listened on and not published, or published and not listened on."""
    if context.compose is None or context.compose.nginx is None or context.nginx is None or not context.stack.nginx:
        return
    service, file = context.compose.nginx, document.yaml
    ports = service.pairs.get("ports")
    if service.value("network_mode") or ports is None or not isinstance(ports.value, Sequence):
        return
    listening = {
        port: item.directive.start
        for server in context.nginx.servers
        for item in server.listens
        for port in item.ports
        if not item.address.startswith(("127.", "[::1]", "localhost"))
    }
    if len(service.ports) != len(ports.value.items) or not listening:
        return
    published = {port.target for port in service.ports if port.protocol == "tcp"}
    for port, offset in listening.items():
        if port not in published:
            related = Related(context.stack.nginx, offset, f"nginx listens on {port} here")
            message = f"nginx listens on port {port}, which {service.name} does not publish"
            edits, writes = _add(file, service, ports.value, port)
            yield Finding(ports.key.start, ports.key.end, message, edits, writes, (related,))
    for item in service.ports:
        if item.target not in listening and item.protocol == "tcp" and item.node:
            index = ports.value.items.index(item.node)
            edits, writes = _remove(file, service, ports.value, index)
            related = Related(context.stack.nginx, 0, "the servers are here")
            message = f"{service.name} publishes port {item.published}, but nginx does not listen on {item.target}"
            yield Finding(item.node.start, item.node.end, message, edits, writes, (related,))


_Fix = tuple[tuple[Edit, ...], tuple[tuple[str, ...], ...]]


def _add(file: YamlFile, service: Service, ports: Sequence, port: int) -> _Fix:
    try:
        edits = append_item(file, ports, port_item(file, ports, port))
    except CannotEdit:
        return (), ()
    return tuple(edits), (("services", service.name, "ports", "+"),)


def _remove(file: YamlFile, service: Service, ports: Sequence, index: int) -> _Fix:
    try:
        edit = remove_item(file, ports, index)
    except CannotEdit:
        return (), ()
    return (edit,), (("services", service.name, "ports", "-"),)
