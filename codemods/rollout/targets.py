"""The ports whose health decides about a roll-out, as the repository describes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codemods.facts.endpoints import read_ports
from codemods.rollout.health import Target

if TYPE_CHECKING:
    from codemods.engine.context import Context
    from codemods.facts.compose import Port
    from codemods.rollout.services import Composition
    from codemods.settings import RegistrySettings

_ANY = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1", "[::]": "::1"}


def find_targets(context: Context, composition: Composition) -> tuple[Target, ...]:
    """Every TCP port that the stack publishes, in the order of compose."""
    settings = context.settings
    names = {registry.service: _names(registry) for registry in settings.registries}
    endpoints = read_ports(context)
    return tuple(
        Target(
            port.published,
            names.get(endpoint.service if endpoint else "", names[settings.registry.service]),
            address(port),
            endpoint.scheme if endpoint else "http",
            endpoint.service if endpoint else "",
            endpoint is not None and context.takes_pushes(endpoint.service),
        )
        for service in composition.services
        for port in service.ports
        if port.protocol == "tcp"
        for endpoint in [endpoints.get(port.published)]
    )


def _names(registry: RegistrySettings) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in (registry.address or "localhost", registry.hostname) if name))


def address(port: Port) -> str:
    """Where the machine itself finds a published port."""
    return _ANY.get(port.address, port.address)
