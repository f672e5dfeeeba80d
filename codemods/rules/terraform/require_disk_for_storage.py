"""The VM's disk has room for what the registries may store.

A cap larger than the disk is no cap: the disk is full first, and then every registry on it fails at once, pulls
included, because none can write. Distribution itself knows no cap (`maxsize` in its configuration is ignored), but what
is written there is what somebody counts on; for the private registry it is `registry.storage` in the settings, which
the collector keeps, but only once a week. Space for the system, images and logs comes on top.

Not for: disk sizes and caps that are variables; registries that store elsewhere than in files.

Evidence: facts 1, 4.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from codemods.engine.context import Context
from codemods.engine.model import Finding, Impact, Related, Role, Severity, rule
from codemods.facts.registries import Registry
from codemods.repository import Document

_SIZE = re.compile(r"(?P<number>\d{1,15}(?:\.\d{1,3})?)\s*(?:(?P<unit>[kmgtp])(?P<suffix>i?b?)|b)?", re.IGNORECASE)
_POWERS = {"k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
_GIB = 1024**3
_BYTES = 10**6
"""A disk's plain number above this counts bytes, below it GiB, as the Terraform providers have it."""


@rule(
    "terraform-require-disk-for-storage",
    Role.TERRAFORM,
    severity=Severity.WARNING,
    impact=Impact.NONE,
    since="0.1.0",
    cross=True,
)
def check(context: Context, document: Document) -> Iterator[Finding]:
    """Yield a finding when the caps of all registries together are larger than the disk."""
    facts = context.terraform
    if facts is None:
        return
    disk = read_size(facts.disk_size)
    caps = [(one, cap) for one in context.registries if (cap := _cap(context, one))]
    total = sum(size for _, size in caps if size)
    if not disk:
        return
    if disk < _BYTES:
        disk *= _GIB
    if total > disk:
        several = f" ({', '.join(f'{one.service.name} {_shown(size)}' for one, size in caps)})"
        yield Finding(
            *facts.disk_span,
            f"the disk of {facts.disk_size} is smaller than the {_shown(total)} that the registries may store"
            f"{several}; enlarge it or lower the caps",
            related=tuple(dict.fromkeys(place for one, _ in caps for place in _place(one))),
        )


def read_size(text: str) -> int:
    """Bytes of `100GiB`, `100G` (1024 each, as disks are made), `100GB` (1000 each) or a plain number; 0 if unclear."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        return 0
    base = 1000 if match["unit"] and (match["suffix"] or "").lower() == "b" else 1024
    return int(float(match["number"]) * base ** _POWERS.get((match["unit"] or "").lower(), 0))


def _cap(context: Context, registry: Registry) -> int:
    """What a registry may store, as far as it is declared."""
    if registry.root is not None and registry.value("storage", "filesystem") is None:
        return 0
    for name in ("maxsize", "maxSize"):
        if written := registry.text("storage", "filesystem", name):
            return read_size(written)
    ours = (one for one in context.settings.registries if one.service == registry.service.name)
    return next((read_size(one.storage) for one in ours), 0)


def _place(registry: Registry) -> Iterator[Related]:
    pair = registry.pair("storage", "filesystem", "maxsize") or registry.pair("storage", "filesystem", "maxSize")
    if pair and registry.path:
        yield Related(registry.path, pair.key.start, "a cap is declared here")


def _shown(size: int) -> str:
    """`105GiB`, in the largest unit of which it is at least one."""
    power = max((power for power in _POWERS.values() if size >= 1024**power), default=0)
    unit = next((f"{unit.upper()}iB" for unit, number in _POWERS.items() if number == power), "B")
    return f"{size / 1024**power:.4g}{unit}"
