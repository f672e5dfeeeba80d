"""The registries that checks talk to: the private one of the settings, and those that pipelines name.

Settings can be changed by a pull request. A login for the private registry's name is therefore sent to an address of
the settings, or of the DNS server that they name, only if this machine itself resolves the name to it, or if its user
has given the login for that address, too.
"""

from __future__ import annotations

import re
import socket
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from codemods.credentials import find_credentials, origin_of
from codemods.errors import CodemodError
from codemods.facts.references import DOCKER_HUB
from codemods.http import TIMEOUT, Client, Unreachable
from codemods.registry.client import RegistryClient

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from codemods.cli.session import Session
    from codemods.credentials import Credentials
    from codemods.settings import RegistrySettings

CONNECTIONS = 8
_HOST = re.compile(r"(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(?::(\d{1,5}))?")
DOCKER_HUB_URL = "https://registry-1.docker.io"


@dataclass(frozen=True)
class Place:
    """Where the private registry is reached: at `address` when that is given, and named by `url` there."""

    url: str
    address: str = ""
    ca: str = ""

    @property
    def origin(self) -> str:
        """Scheme, host and port, as clients name the registry."""
        return origin_of(self.url)

    def open(self, credentials: Credentials | None = None, timeout: float = TIMEOUT) -> RegistryClient:
        """A client for it. Raises CodemodError."""
        client = Client(self.url, ca=self.ca, connect_to=self.address, connections=CONNECTIONS, timeout=timeout)
        return RegistryClient(client, credentials)

    def login(self) -> Credentials | None:
        """The login that its user has given for this place; None without any. Raises CodemodError."""
        parts = urlsplit(self.url)
        known = not self.address or parts.hostname == self.address or self.address in _addresses(parts.hostname or "")
        found = find_credentials("registry", self.url)
        if known or found is None:
            return found
        there = url_of(parts.scheme, self.address, parts.port)
        if trusted := find_credentials("registry", there):
            return trusted
        raise CodemodError(
            f"the login for {self.origin} is not sent to {self.address}, as this machine does not resolve the name to "
            f"it: let it, or give the login for {there}, too"
        )


def by_name(session: Session, address: str = "") -> Place:
    """The private registry under its name, at an address or wherever this machine finds it. Raises SettingsError."""
    session.settings.require("registry.hostname")
    registry = session.settings.registry
    return Place(url_of(registry.scheme, registry.hostname, registry.port), address, ca_file(session))


def by_address(session: Session) -> Place:
    """The private registry under its address; over https it is still called by name, as its certificate is for that."""
    registry = session.settings.registry
    if registry.scheme == "https":
        return by_name(session, registry.address)
    return Place(url_of(registry.scheme, registry.address, registry.port))


def open_private(session: Session) -> RegistryClient:
    """The private registry, with its login if there is one. Raises CodemodError."""
    place = by_name(session, session.settings.registry.address)
    return place.open(place.login())


def ca_file(session: Session) -> str:
    """Where the certificate of `registry.ca` lies; empty without one."""
    ca = session.settings.registry.ca
    return str(session.repository.root / Path(ca).expanduser()) if ca else ""


def url_of(scheme: str, host: str, port: int | None) -> str:
    """A URL of scheme, host and port; an IPv6 address gets its brackets."""
    return f"{scheme}://{f'[{host}]' if ':' in host else host}{f':{port}' if port else ''}"


def login_advice(origin: str, registry: RegistrySettings) -> str:
    """How to give the login for a registry."""
    http = ", CODEMOD_REGISTRY_ALLOW_HTTP=1" if registry.scheme == "http" else ""
    return (
        f"set CODEMOD_REGISTRY_ORIGIN={origin}{http}, CODEMOD_REGISTRY_USERNAME and CODEMOD_REGISTRY_PASSWORD, "
        "or write them to credentials.toml"
    )


@contextmanager
def open_public(session: Session, hosts: Iterable[str]) -> Iterator[dict[str, RegistryClient | Unreachable]]:
    """Clients for the registries that pipelines name, by `host:port`; Unreachable for one that gives no answer.

    Spoken to over https; over plain http where the stack itself serves it, and on loopback, where Docker does, too.
    """
    endpoints = session.context.endpoints
    found: dict[str, RegistryClient | Unreachable] = {}
    try:
        for host in dict.fromkeys(hosts):
            schemes = [endpoints[host].scheme] if host in endpoints else ["https"]
            found[host] = _reach(host, [*schemes, "http"] if is_loopback(host) else schemes)
        yield found
    finally:
        for registry in found.values():
            if isinstance(registry, RegistryClient):
                registry.client.close()


def _reach(host: str, schemes: list[str]) -> RegistryClient | Unreachable:
    failures = []
    found = _HOST.fullmatch(host)
    if found is None or int(found[1] or 0) > 65535:
        return Unreachable(f"{host}: that is no host and port of a registry")
    for url in [DOCKER_HUB_URL] if host == DOCKER_HUB else [f"{scheme}://{host}" for scheme in schemes]:
        client = Client(url, connections=CONNECTIONS)
        try:
            client.request("GET", "/v2/")
        except Unreachable as error:
            client.close()
            failures.append(error)
        else:
            return RegistryClient(client, find_credentials("registry", url))
    return failures[0]


def is_loopback(host: str) -> bool:
    """Whether a registry is on this machine: Docker and BuildKit then take it for plain http, too (facts 31)."""
    name = urlsplit(f"//{host}").hostname or ""
    try:
        return name == "localhost" or ip_address(name).is_loopback
    except ValueError:
        return False


def _addresses(name: str) -> set[str]:
    """What this machine resolves a name to."""
    try:
        return {str(found[4][0]) for found in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)}
    except OSError:
        return set()
