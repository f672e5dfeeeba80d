"""No two services publish the same port of the host.

Docker starts the first and refuses the second with "port is already allocated"; which one is first depends on the day.

Not for: the same port on different addresses, or for TCP and UDP.
"""

from __future__ import annotations

from collections.abc import Iterator

from codemods.engine.context import Context
from codemods.engine.model import Finding, Impact, Outcome, Related, Role, rule
from codemods.facts.compose import Port, read_compose
from codemods.repository import Document

_ANY = ("", "0.0.0.0", "[::]", "::")


@rule("compose-no-duplicate-port", Role.COMPOSE, impact=Impact.RECREATE, since="0.1.0")
def check(context: Context, document: Document) -> Iterator[Outcome]:
    """Yield a finding for the later one of two ports that meet."""
    earlier: list[tuple[str, Port]] = []
    for service in read_compose(document.yaml).services.values():
        for port in service.ports:
            clash = next((item for item in earlier if _meet(item[1], port)), None)
            if clash and port.node and clash[1].node:
                other, first = clash
                yield Finding(
                    port.node.start,
                    port.node.end,
                    f"{service.name} publishes port {port.published}, which {other} publishes too: only one can start",
                    related=(Related(document.path, first.node.start if first.node else 0, f"{other} has it here"),),
                )
            earlier.append((service.name, port))


def _meet(one: Port, other: Port) -> bool:
    same_address = one.address == other.address or one.address in _ANY or other.address in _ANY
    return one.published == other.published and one.protocol == other.protocol and same_address
