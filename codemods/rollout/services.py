"""What `docker compose up` and restarts will do to the containers, known before anything is done.

A container is recreated when the definition of its service changes; what is mounted into it does not count. A file
that is replaced by a rename stays the old one inside a running container until that is restarted. nginx resolves its
upstreams once, so it is restarted last when a registry behind it was recreated or restarted.
"""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from codemods.facts.compose import ComposeFacts, Service, read_compose
from codemods.formats.yaml import Mapping as YamlMapping
from codemods.formats.yaml import Sequence as YamlSequence
from codemods.formats.yaml import parse, text_of

if TYPE_CHECKING:
    from codemods.rollout.manifest import Manifest
    from codemods.rollout.snapshot import Container, Snapshot

CREATE, RECREATE, START, RESTART, REMOVE = "create", "recreate", "start", "restart", "remove"


@dataclass(frozen=True)
class ServiceChange:
    """What happens to the container of a service: `verb` is one of those above, `why` in words."""

    verb: str
    service: str
    container: str
    why: str


@dataclass(frozen=True)
class Composition:
    """The services that the repository wants, in the order in which compose starts them."""

    facts: ComposeFacts
    directory: str
    order: tuple[str, ...]

    @property
    def services(self) -> list[Service]:
        """The services that `up` starts, in order: those of a profile are not among them."""
        return [self.facts.services[name] for name in self.order if "profiles" not in self.facts.services[name].pairs]

    @property
    def containers(self) -> frozenset[str]:
        """Names of all containers."""
        return frozenset(service.container for service in self.facts.services.values())

    def binds(self, service: Service) -> Iterator[tuple[str, str]]:
        """Path on the machine and path in the container of each bind mount; none for volumes and variables."""
        for mount in service.mounts:
            source = mount.source
            if "$" in source or not source.startswith(("/", "./", "../")):
                continue
            yield posixpath.normpath(posixpath.join(self.directory, source)), mount.target

    def file_mounts(self, paths: Collection[str]) -> list[tuple[str, str, str]]:
        """(service, path in the container, path on the machine) of every mount of one of these files."""
        return [
            (service.name, target, source)
            for service in self.services
            for source, target in self.binds(service)
            if source in paths
        ]


def read_composition(manifest: Manifest) -> Composition:
    """The composition of a manifest. Raises ParseError."""
    return composition_of(read_compose(parse(manifest.compose.content.decode())), manifest.directory)


def composition_of(facts: ComposeFacts, directory: str) -> Composition:
    """The composition of a compose file's facts in a directory."""
    return Composition(facts, directory, tuple(_in_order(facts)))


def _in_order(facts: ComposeFacts) -> Iterator[str]:
    """Services after those that they depend on; a circle is left to compose to refuse."""
    done: dict[str, None] = {}

    def visit(name: str, above: tuple[str, ...]) -> None:
        if name in done or name in above or name not in facts.services:
            return
        for other in dependencies(facts.services[name]):
            visit(other, (*above, name))
        done[name] = None

    for name in facts.services:
        visit(name, ())
    yield from done


def dependencies(service: Service) -> list[str]:
    """The services that have to be there first."""
    node = service.value("depends_on")
    if isinstance(node, YamlMapping):
        return [pair.name for pair in node.pairs if pair.name]
    return [text for item in node.items if (text := text_of(item))] if isinstance(node, YamlSequence) else []


def predict(
    composition: Composition,
    snapshot: Snapshot,
    changed_definitions: Collection[str],
    changed_files: Collection[str],
    *,
    suspects: Collection[str] = (),
    prune: bool = False,
) -> list[ServiceChange]:
    """What will happen, in order. `changed_definitions` are services, `changed_files` paths that will be replaced.

    nginx is restarted when one of the `suspects` was started after it: registries that a run has touched.
    """
    return [*_Prediction(composition, snapshot, changed_definitions, changed_files, suspects).changes(prune)]


class _Prediction:
    def __init__(
        self,
        composition: Composition,
        snapshot: Snapshot,
        changed_definitions: Collection[str],
        changed_files: Collection[str],
        suspects: Collection[str],
    ) -> None:
        self.composition = composition
        self.snapshot = snapshot
        self.changed_definitions = changed_definitions
        self.changed_files = changed_files
        self.suspects = suspects

    def changes(self, prune: bool) -> Iterator[ServiceChange]:
        ups = {service.name: change for service in self.composition.services if (change := self.up(service))}
        yield from ups.values()
        restarts = {
            service.name: ServiceChange(RESTART, service.name, self.name(service), why)
            for service in self.composition.services
            if service.name not in ups and (why := self.stale(service))
        }
        front = self.composition.facts.nginx
        if front and front.name not in restarts and (why := self.moved(front, ups, restarts)):
            restarts[front.name] = ServiceChange(RESTART, front.name, self.name(front), why)
        if front and front.name in restarts:
            restarts[front.name] = restarts.pop(front.name)
        yield from restarts.values()
        if prune:
            yield from (
                ServiceChange(REMOVE, one.service, one.name, "it is no longer in the repository")
                for one in strays(self.composition, self.snapshot)
            )

    def name(self, service: Service) -> str:
        """What the container is called: compose makes up a name where the file has none."""
        found = self.snapshot.container(service.name, self.composition.directory)
        return found.name if found else service.container

    def up(self, service: Service) -> ServiceChange | None:
        """What `up` does to a service."""
        found = self.snapshot.container(service.name, self.composition.directory)
        if found is None:
            return ServiceChange(CREATE, service.name, service.container, "there is no container for it yet")
        if service.name in self.changed_definitions:
            return ServiceChange(RECREATE, service.name, found.name, "its definition changes")
        if not found.running and not _is_done(found):
            return ServiceChange(START, service.name, found.name, f"its container is {found.status}")
        return None

    def stale(self, service: Service) -> str:
        """Why a running container does not see a file as it is, or will be, on the machine."""
        found = self.snapshot.container(service.name, self.composition.directory)
        assert found
        for source, target in self.composition.binds(service):
            if source in self.changed_files:
                return f"{posixpath.basename(source)} changes"
            inode = self.snapshot.mounted.get((service.name, target))
            live = self.snapshot.file(source)
            if inode is None or live.kind != "file" or not found.running:
                continue
            if inode != live.inode:
                return f"it still has the former {posixpath.basename(source)}"
            if live.modified > found.started:
                return f"it was started before {posixpath.basename(source)} was last written"
        return ""

    def moved(self, front: Service, ups: Mapping[str, ServiceChange], restarts: Mapping[str, ServiceChange]) -> str:
        """Why nginx may be left with the former address of a registry."""
        behind = {service.name for service in self.composition.facts.registries}
        after_up = sorted(behind & restarts.keys())
        if front.name in ups:
            # It starts after those that it depends on; what is restarted later may move once more.
            first = set(dependencies(front))
            late = sorted(after_up) or sorted(name for name in behind & ups.keys() if name not in first)
            return f"{late[0]} may have a new address" if late else ""
        late = after_up or sorted(behind & ups.keys())
        if late:
            return f"{late[0]} may have a new address"
        return self.overtaken(front)

    def overtaken(self, front: Service) -> str:
        """The suspect that was started after nginx, if one was."""
        nginx = self.snapshot.container(front.name, self.composition.directory)
        for name in sorted(self.suspects):
            found = self.snapshot.container(name, self.composition.directory)
            if nginx and found and found.started > nginx.started:
                return f"{name} was started after it"
        return ""


def strays(composition: Composition, snapshot: Snapshot) -> Sequence[Container]:
    """Containers of the stack whose service is no longer in the repository."""
    return [
        one
        for one in snapshot.containers
        if one.directory == composition.directory and one.service and one.service not in composition.facts.services
    ]


def _is_done(container: Container) -> bool:
    """Whether it was made to run once, and has."""
    return container.status == "exited" and container.exit_code == 0 and container.policy in ("", "no")
