"""How clients reach the stack's registries: host and port, over http or https, with or without credentials."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from codemods.engine.context import Context
    from codemods.facts.nginx import Location, Server
    from codemods.facts.registries import Registry


@dataclass(frozen=True)
class Endpoint:
    """`host` is host:port as references name it; `service` is the registry's."""

    host: str
    scheme: str
    has_auth: bool
    service: str


def read_endpoints(context: Context) -> dict[str, Endpoint]:
    """The endpoints by their host; the host names are those of the settings, as no other file has them."""
    settings = context.settings.registry
    names = [name.lower() for name in (settings.hostname, settings.address) if name]
    by_port = read_ports(context)
    by_port.setdefault(settings.port, Endpoint("", settings.scheme, _has_auth(context, None), settings.service))
    if settings.scheme == "https":
        # TLS may end before nginx: then the settings know better than its configuration.
        by_port[settings.port] = replace(by_port[settings.port], scheme="https")
    endpoints = {
        host: Endpoint(host, found.scheme, found.has_auth, found.service)
        for name in names
        for port, found in by_port.items()
        for host in _spellings(name, port, found.scheme)
    }
    return {**dict(_peers(context)), **endpoints}


def _peers(context: Context) -> Iterator[tuple[str, Endpoint]]:
    """The repository's other private registries, as the settings have them."""
    for peer in context.settings.peers:
        for name in (peer.hostname, peer.address):
            for host in _spellings(name.lower(), peer.port, peer.scheme) if name else ():
                yield host, Endpoint(host, peer.scheme, peer.auth == "htpasswd", peer.service)


def read_ports(context: Context) -> dict[int, Endpoint]:
    """The endpoints that the stack's files show, by the port that compose publishes; their host is empty."""
    by_port: dict[int, Endpoint] = {}
    for port, endpoint in (*_behind_nginx(context), *_published(context)):
        by_port.setdefault(port, endpoint)
    return by_port


def _spellings(name: str, port: int, scheme: str) -> Iterator[str]:
    yield f"{name}:{port}"
    if port == {"http": 80, "https": 443}[scheme]:
        yield name


def _published(context: Context) -> Iterator[tuple[int, Endpoint]]:
    """Registries whose own port compose publishes."""
    for registry in context.registries:
        address = registry.text("http", "addr").rpartition(":")[2] or "5000"
        scheme = "https" if registry.pair("http", "tls", "certificate") else "http"
        for port in registry.service.ports:
            if str(port.target) == address:
                yield port.published, Endpoint("", scheme, _has_auth(context, registry), registry.service.name)


def _behind_nginx(context: Context) -> Iterator[tuple[int, Endpoint]]:
    if context.nginx is None:
        return
    by_name = {registry.service.name: registry for registry in context.registries}
    by_container = {registry.service.container: registry for registry in context.registries}
    front = context.compose.nginx if context.compose else None
    for server in context.nginx.servers:
        for location, host in _targets(server):
            registry = by_name.get(host) or by_container.get(host)
            if registry is None:
                continue
            has_auth = _has_auth(context, registry) or _asks(location)
            for listen in server.listens:
                endpoint = Endpoint("", "https" if listen.ssl else "http", has_auth, registry.service.name)
                for inner in listen.ports:
                    ports = [port.published for port in front.ports if port.target == inner] if front else [inner]
                    yield from ((port, endpoint) for port in ports)


def _targets(server: Server) -> Iterator[tuple[Location, str]]:
    """Where a server passes requests on to; only http servers do it in a way that we know."""
    for location in server.locations if server.context == "http" else ():
        for address in location.target.addresses if location.target else ():
            yield location, address.host


def _asks(location: Location) -> bool:
    basic = location.setting("auth_basic")
    return basic is not None and basic.args != ["off"]


def _has_auth(context: Context, registry: Registry | None) -> bool:
    settings = context.settings.registry
    is_ours = registry is None or registry.service.name == settings.service
    return (registry is not None and registry.has_auth) or (is_ours and settings.auth == "htpasswd")
