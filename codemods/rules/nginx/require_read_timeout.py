"""nginx waits long enough for a registry to store what was pushed.

At the end of an upload the registry puts the layer in its place and checks its digest, and says nothing meanwhile. With
a large layer or a slow disk that takes more than the 60 s that nginx waits by default: it answers `504 Gateway
Time-out`, and the client begins anew. The registry's own documentation gives it 900 s.

Not for: pull-through registries; times of 300 s and more.

Evidence: fact 21.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from codemods.engine.context import Context
from codemods.engine.model import Finding, Impact, Role, Severity, rule
from codemods.facts.nginx_routes import UPLOADS
from codemods.repository import Document
from codemods.rules.nginx.places import Place, once, registry_places

ENOUGH = 300
"""Seconds."""

_NAME = "proxy_read_timeout"
_PART = re.compile(r"\s*(\d+)(ms|[smhdwMy]?)")
_SECONDS = {"ms": 0.001, "": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "M": 2592000, "y": 31536000}


@rule("nginx-require-read-timeout", Role.NGINX, severity=Severity.WARNING, impact=Impact.RELOAD, since="0.1.0")
def check(context: Context, document: Document) -> Iterator[Finding]:
    """Yield a finding for each location that waits less than five minutes for a registry that accepts pushes."""
    return once(_judge(place) for place in registry_places(context, UPLOADS))


def _judge(place: Place) -> Finding | None:
    time = place.value(_NAME, "60s")
    if time is None or (seconds := seconds_of(time)) is None or seconds >= ENOUGH:
        return None
    found = place.location.setting(_NAME)
    wait = f"{_NAME} {time}" if found else f"{_NAME} is not set, so {time}"
    message = f"{wait}: {place.service} may need longer to store a large layer (504); write {_NAME} 900"
    return place.finding(message, found, place.write(_NAME, "900"))


def seconds_of(time: str) -> float | None:
    """A time as nginx reads it: `900`, `15m`, `1h30m`, `900000ms`; None for anything else."""
    if not time or _PART.sub("", time).strip():
        return None
    return sum(int(number) * _SECONDS[unit] for number, unit in _PART.findall(time))
