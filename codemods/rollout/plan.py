"""The plan for one machine: a pure function of what the repository wants and how the machine stands."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from codemods.engine.report.model import HostAction
from codemods.rollout import crontab, services
from codemods.rollout.definitions import Definitions, inputs
from codemods.rollout.refusals import find_refusals
from codemods.rollout.services import Composition, ServiceChange
from codemods.rollout.snapshot import LiveFile, Question, Snapshot

if TYPE_CHECKING:
    from codemods.rollout.manifest import ManagedFile, Manifest

UNITS = "/etc/systemd/system/"


@dataclass(frozen=True)
class Wish:
    """What one run is to bring about, the same for every machine."""

    manifest: Manifest
    composition: Composition
    prune: bool = False
    overwrite: bool = False

    @property
    def question(self) -> Question:
        """What has to be known of a machine."""
        manifest, composition = self.manifest, self.composition
        managed = {file.path: digest(file.content) for file in manifest.files}
        binds = [source for service in composition.services for source, _ in composition.binds(service)]
        others = [*manifest.directories, *binds, *inputs(manifest, composition), manifest.directory]
        others += [entry.path for entry in manifest.unmanaged]
        files = {**dict.fromkeys(others, ""), **managed}
        mounts = composition.file_mounts(managed)
        images = list(dict.fromkeys(service.image for service in composition.services))
        return Question(manifest.directory, files, list(manifest.crontab) or ["root"], mounts, images)


@dataclass(frozen=True)
class FileChange:
    """A file that is put in place, or only gets another mode or owner; `former` is what is there now."""

    file: ManagedFile
    former: LiveFile

    @property
    def is_content(self) -> bool:
        """Whether the bytes change."""
        return digest(self.file.content) != self.former.digest


@dataclass(frozen=True)
class TableChange:
    """A user's crontab as it is and as it will be."""

    user: str
    former: str | None
    merge: crontab.Merge


@dataclass(frozen=True)
class Plan:
    """Everything that will be done to one machine, in this order; and why it will not, if there are `refusals`.

    `resumes` is a run that did not come to its end, which this one does. `warnings` make `--plan` exit 1 although
    nothing is done about them, `notes` do not.
    """

    directories: tuple[str, ...] = ()
    files: tuple[FileChange, ...] = ()
    removed: tuple[str, ...] = ()
    tables: tuple[TableChange, ...] = ()
    services: tuple[ServiceChange, ...] = ()
    resumes: str = ""
    refusals: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def contents(self) -> list[FileChange]:
        """The files whose bytes change."""
        return [change for change in self.files if change.is_content]

    @property
    def reloads_units(self) -> bool:
        """Whether systemd has to read its units again."""
        return any(change.file.path.startswith(UNITS) for change in self.contents)

    @property
    def runs_up(self) -> bool:
        """Whether compose has something to do."""
        return any(change.verb in (services.CREATE, services.RECREATE, services.START) for change in self.services)

    @property
    def actions(self) -> tuple[HostAction, ...]:
        """The plan for people and reports; secrets are masked."""
        from codemods.rollout.actions import actions

        return tuple(actions(self))

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not (self.directories or self.files or self.removed or self.tables or self.services or self.resumes)


def make_plan(wish: Wish, snapshot: Snapshot, definitions: Definitions) -> Plan:
    """What has to be done to a machine that stands like this."""
    return _Planner(wish, snapshot, definitions).plan()


class _Planner:
    def __init__(self, wish: Wish, snapshot: Snapshot, definitions: Definitions) -> None:
        self.wish = wish
        self.manifest = wish.manifest
        self.composition = wish.composition
        self.snapshot = snapshot
        self.definitions = definitions
        self.state: Mapping[str, Any] = snapshot.state or {}
        self.left: Mapping[str, Any] = self.state.get("files", {})

    def plan(self) -> Plan:
        files = tuple(self.files())
        replaced = [change.file.path for change in files if change.is_content]
        tables = {user: self.merged(user) for user in self.users() if user not in self.snapshot.crontab_errors}
        changed = services.predict(
            self.composition,
            self.snapshot,
            self.definitions.changed,
            replaced,
            suspects=self.suspects(),
            prune=self.wish.prune,
        )
        return Plan(
            directories=tuple(path for path in self.manifest.directories if self.snapshot.file(path).kind == "absent"),
            files=files,
            removed=tuple(self.abandoned()) if self.wish.prune else (),
            tables=tuple(
                TableChange(user, former, merge)
                for user, merge in tables.items()
                if merge.text != ((former := self.snapshot.crontabs.get(user)) or "")
            ),
            services=tuple(changed),
            resumes=str((self.snapshot.interrupted or {}).get("run", "")),
            refusals=tuple(find_refusals(self.wish, self.snapshot, self.definitions, files)),
            warnings=tuple(
                f"the crontab of {user} has a line that can lose images, and is not ours: {line} (--prune takes it out)"
                for user, merge in tables.items()
                for line in merge.destructive
            ),
            notes=tuple(self.notes(tables)),
        )

    def suspects(self) -> list[str]:
        """After a run that did not come to its end: any registry may have been started without nginx noticing."""
        return [service.name for service in self.composition.facts.registries] if self.snapshot.interrupted else []

    def users(self) -> list[str]:
        return list(dict.fromkeys((*self.manifest.crontab, *(user for known in self.known() for user in known))))

    def known(self) -> tuple[Mapping[str, Any], ...]:
        """Lines of each user that were ours: those of the last run, and of one that did not come to its end."""
        return self.state.get("crontab", {}), (self.snapshot.interrupted or {}).get("crontab", {})

    def merged(self, user: str) -> crontab.Merge:
        present = self.manifest.crontab.get(user, ())
        last = {line for known in self.known() for line in known.get(user, ())}
        text = self.snapshot.crontabs.get(user) or ""
        return crontab.merge(text, present, last, self.composition.containers, prune=self.wish.prune)

    def files(self) -> Iterator[FileChange]:
        for file in self.manifest.files:
            live = self.snapshot.file(file.path)
            same = live.kind == "file" and (live.digest, live.mode, live.owner) == (
                digest(file.content),
                file.mode,
                file.owner,
            )
            if not same:
                yield FileChange(file, live)

    def abandoned(self) -> Iterator[str]:
        """Files that an earlier run put there and that are no longer in the repository."""
        managed = {file.path for file in self.manifest.files} | {entry.path for entry in self.manifest.unmanaged}
        yield from (path for path in self.left if path not in managed)

    def notes(self, tables: Mapping[str, crontab.Merge]) -> Iterator[str]:
        if lock := self.snapshot.lock:
            yield f"the machine is locked by {lock.get('who', 'somebody')} since {lock.get('since', 'some time')}"
        for user, merge in tables.items():
            yield from (
                f"the crontab of {user} has a line about the stack that is not ours: {line} (--prune takes it out)"
                for line in merge.strays
                if line not in merge.destructive
            )
        if not self.wish.prune:
            for path in self.abandoned():
                yield f"{path} is no longer in the repository and stays (--prune removes it)"
            for one in services.strays(self.composition, self.snapshot):
                yield f"container {one.name} is no longer in the repository and stays (--prune removes it)"


def digest(content: bytes) -> str:
    """SHA-256, as `sha256sum` prints it."""
    return hashlib.sha256(content).hexdigest()
