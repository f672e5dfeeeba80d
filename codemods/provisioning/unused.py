"""Faults between the provision list and compose: files that nobody uses, and mounts of what nobody deploys."""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

from codemods.errors import CodemodError, ParseError
from codemods.provisioning.expressions import source_of
from codemods.rollout.manifest import ManifestFinding

if TYPE_CHECKING:
    from codemods.engine.context import Context
    from codemods.facts.compose import ComposeFacts
    from codemods.formats.hcl import Attribute, HclFile
    from codemods.provisioning.fresh import FreshVm

_READ_BY_THE_SYSTEM = ("/etc/", "/usr/", "/lib/", "/root/", "/home/")
_OF_THE_SYSTEM = (*_READ_BY_THE_SYSTEM, "/var/", "/run/", "/tmp/", "/dev/", "/proc/", "/sys/")
_WORD = re.compile(r"[\w.@+/-]+")
_READ_BY_COMPOSE = (".env", "docker-compose.override.yml", "docker-compose.override.yaml", "compose.override.yaml")


def find_faults(context: Context, file: HclFile, attribute: Attribute, vm: FreshVm) -> Iterator[ManifestFinding]:
    """The faults, each at its place. Raises CodemodError when the compose file cannot be read."""
    assert context.stack.compose and context.stack.terraform
    try:
        compose = context.compose
        assert compose is not None
    except ParseError as error:
        raise CodemodError(f"{context.stack.compose}: {error}") from None
    yield from _count(context.stack.terraform, file, attribute)
    yield from _unused(context, compose, vm)
    yield from _not_deployed(context, compose, vm)


def _count(terraform: str, file: HclFile, attribute: Attribute) -> Iterator[ManifestFinding]:
    """A list in a block that Terraform may make several times, or not at all."""
    for other in file.attributes:
        if other.path[:-1] == attribute.path[:-1] and other.path[-1] in ("count", "for_each"):
            value = source_of(file, other.value)
            if value != "1":
                line = file.text.count("\n", 0, other.start) + 1
                message = f"{other.path[-1]} is {value}: the manifest is that of one VM, there may be none or several"
                yield ManifestFinding(terraform, line, message)


def _unused(context: Context, compose: ComposeFacts, vm: FreshVm) -> Iterator[ManifestFinding]:
    """Files that no service mounts, and that nothing else on the VM names."""
    named = _named(context, vm)
    mounted = [_absolute(context, mount.source) for service in compose.services.values() for mount in service.mounts]
    for one in vm.files:
        directory, name = posixpath.split(one.path)
        if (
            one.source == context.stack.compose
            or one.path.startswith(_READ_BY_THE_SYSTEM)
            or (directory == context.stack.directory and name in _READ_BY_COMPOSE)
            or any(_holds(source, one.path) for source in mounted)
            or any(named[form] - {one.path} for form in (one.path, name, f"./{name}"))
        ):
            continue
        path, _, line = one.source.rpartition(":")
        place = (path, int(line)) if line.isdigit() else (one.source, 1)
        yield ManifestFinding(*place, f"{one.path} is deployed, but no service mounts it and nothing else names it")


def _not_deployed(context: Context, compose: ComposeFacts, vm: FreshVm) -> Iterator[ManifestFinding]:
    """Bind mounts whose source is neither written nor made: Docker would put an empty directory there."""
    files = [*(one.path for one in vm.files), *(one.path for one in vm.unmanaged)]
    assert context.stack.compose
    text = context.document(context.stack.compose).text
    for service in compose.services.values():
        for mount in service.mounts:
            source = _absolute(context, mount.source)
            if not source or source.startswith(_OF_THE_SYSTEM) or "$" in source:
                continue
            if source in files or any(_holds(source, path) or source == path for path in vm.directories):
                continue
            line = text.count("\n", 0, mount.node.start) + 1 if mount.node else 1
            message = f"{service.name} mounts {source}, which no command that can be read writes or makes"
            yield ManifestFinding(context.stack.compose, line, message)


def _texts(context: Context, vm: FreshVm) -> Iterator[tuple[str, str]]:
    """What may name a file, by path: the files (of compose its data, not its comments), crontab lines, commands."""
    for one in vm.files:
        is_compose = one.source == context.stack.compose
        data = str(context.document(one.source).yaml.data) if is_compose else one.content.decode(errors="replace")
        yield one.path, data
    yield "crontab", "\n".join(line for lines in vm.crontab.values() for line in lines)
    yield "first boot", "\n".join(one.text for one in vm.first_boot)


def _named(context: Context, vm: FreshVm) -> defaultdict[str, set[str]]:
    """For each path and relative name that stands in a text, the texts that have it."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for path, text in _texts(context, vm):
        for word in set(_WORD.findall(text)):
            found[word.rstrip(".")].add(path)
    return found


def _absolute(context: Context, source: str) -> str:
    """The path on the VM of a mount's source; empty for a volume."""
    if source.startswith("/"):
        return posixpath.normpath(source)
    return posixpath.normpath(posixpath.join(context.stack.directory, source)) if source.startswith(".") else ""


def _holds(outer: str, inner: str) -> bool:
    """Whether a path is another one, or a directory around it."""
    return bool(outer) and (inner == outer or inner.startswith(outer.rstrip("/") + "/"))
