"""Registries name the version of Distribution they run.

`registry:2`, `registry:latest` and no tag at all mean whatever was newest when the machine last pulled. A new major
version reads its configuration from another place and other keys, and garbage collection differs between versions.
When all registries share the image there is one finding for the file.

Not for: images with a digest, and images that come from a variable.

Evidence: facts 9, 10, 11.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from codemods.engine.context import Context
from codemods.engine.model import Finding, Impact, Outcome, Role, Severity, rule
from codemods.facts.compose import read_compose
from codemods.formats.yaml import Node
from codemods.repository import Document

_FIXED = re.compile(r"v?\d+\.\d+\.\d+")


@rule(
    "compose-no-floating-registry-tag",
    Role.COMPOSE,
    severity=Severity.WARNING,
    impact=Impact.RECREATE,
    since="0.1.0",
)
def check(context: Context, document: Document) -> Iterator[Outcome]:
    """Yield one finding for each image, at the first service that runs it."""
    services: dict[str, list[str]] = {}
    first: dict[str, Node] = {}
    for service in read_compose(document.yaml).registries:
        tag = service.image.rpartition("/")[2].partition(":")[2]
        if "@" in service.image or "$" in service.image or _FIXED.match(tag):
            continue
        services.setdefault(service.image, []).append(service.name)
        first.setdefault(service.image, service.pairs["image"].value)
    for image, names in services.items():
        who = names[0] if len(names) == 1 else f"{len(names)} registries run"
        verb = "runs " if len(names) == 1 else ""
        version = "3.0.0" if image.rpartition(":")[2].startswith(("3", "v3")) else "2.8.3"
        message = (
            f"{who} {verb}{image}, whatever that is on the day of a pull: name a version such as registry:{version}"
        )
        yield Finding(first[image].start, first[image].end, message)
