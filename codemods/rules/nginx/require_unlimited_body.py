"""nginx takes layers of any size on their way to a registry.

A layer may come in one request. Without `client_max_body_size` nginx refuses every request over 1 MB with `413 Request
Entity Too Large`, which a client reports as an unknown error of the registry; any other limit only waits for a larger
layer. `0` means no limit. The registry's disk is guarded elsewhere.

Not for: pull-through registries, to which nobody uploads.

Evidence: fact 19.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from codemods.engine.context import Context
from codemods.engine.model import Finding, Impact, Role, rule
from codemods.facts.nginx_routes import UPLOADS
from codemods.repository import Document
from codemods.rules.nginx.places import Place, once, registry_places

_NAME = "client_max_body_size"
_UNLIMITED = re.compile(r"0+[kKmMgG]?\Z")


@rule("nginx-require-unlimited-body", Role.NGINX, impact=Impact.RELOAD, since="0.1.0")
def check(context: Context, document: Document) -> Iterator[Finding]:
    """Yield a finding for each location that limits what is pushed."""
    return once(_judge(place) for place in registry_places(context, UPLOADS))


def _judge(place: Place) -> Finding | None:
    size = place.value(_NAME, "1m")
    if size is None or _UNLIMITED.match(size):
        return None
    found = place.location.setting(_NAME)
    limit = f"{_NAME} {size}" if found else f"{_NAME} is not set, so 1m"
    message = f"{limit}: larger layers on their way to {place.service} are refused with 413; write {_NAME} 0"
    return place.finding(message, found, place.write(_NAME, "0"))
