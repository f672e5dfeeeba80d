"""Why a plan is not carried out: what must be settled by a person first, each in one line that says how."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from codemods.engine.report.model import count
from codemods.errors import ParseError
from codemods.facts.compose import read_compose
from codemods.formats.yaml import parse

if TYPE_CHECKING:
    from codemods.rollout.definitions import Definitions
    from codemods.rollout.plan import FileChange, Wish
    from codemods.rollout.snapshot import LiveFile, Snapshot


def find_refusals(
    wish: Wish, snapshot: Snapshot, definitions: Definitions, files: Sequence[FileChange]
) -> Iterator[str]:
    """Everything that keeps these changes from being made on a machine that stands like this."""
    yield from _Refusals(wish, snapshot, definitions).all(files)


class _Refusals:
    def __init__(self, wish: Wish, snapshot: Snapshot, definitions: Definitions) -> None:
        self.wish = wish
        self.manifest = wish.manifest
        self.composition = wish.composition
        self.snapshot = snapshot
        self.definitions = definitions
        self.left: Mapping[str, Any] = (snapshot.state or {}).get("files", {})
        self.tried: Mapping[str, Any] = (snapshot.interrupted or {}).get("files", {})

    def all(self, files: Sequence[FileChange]) -> Iterator[str]:
        if not self.snapshot.is_root:
            yield "the account there is not root: log in as root, or set vm.sudo = true"
        elif not self.snapshot.has_docker:
            yield "docker does not answer there: install it, or start it"
        if self.definitions.error:
            yield f"docker compose refuses {self.manifest.compose.source}: {self.definitions.error}"
        for user, said in self.snapshot.crontab_errors.items():
            yield f"the crontab of {user} cannot be read: {said}"
        for change in files:
            yield from self.in_the_way(change)
        yield from self.missing_sources()
        yield from self.foreign_containers()
        yield from self.taken_ports()
        yield from self.lack_of_space(files)

    def in_the_way(self, change: FileChange) -> Iterator[str]:
        path, live = change.file.path, change.former
        if live.kind == "directory":
            yield (
                f"{path} is a directory there (docker makes one where a mounted file is missing): "
                f"look into it, and remove it"
            )
        elif live.kind not in ("file", "absent"):
            kind = "a symlink" if live.kind == "symlink" else "no plain file"
            yield f"{path} is {kind} there, and would be replaced: put a plain file in its place"
        elif change.is_content and self.is_edited(path, live) and not self.wish.overwrite:
            yield (
                f"{path} was changed on the machine since the last roll-out (the diff shows how): take the change "
                f"over into {change.file.source}, or pass --overwrite"
            )

    def is_edited(self, path: str, live: LiveFile) -> bool:
        """Whether somebody else wrote what is there, as far as an earlier run tells."""
        known = [entries[path]["digest"] for entries in (self.left, self.tried) if path in entries]
        return live.kind == "file" and path in self.left and live.digest not in known

    def missing_sources(self) -> Iterator[str]:
        coming = {file.path for file in self.manifest.files} | set(self.manifest.directories)
        needs = {entry.path: entry.reason for entry in self.manifest.unmanaged}
        for service in self.composition.services:
            for source, _ in self.composition.binds(service):
                if source in coming or self.snapshot.file(source).kind != "absent":
                    continue
                why = needs.get(source, "nothing in the repository puts it there, and docker would make a directory")
                yield f"{service.name} mounts {source}, which is not there: {why}"

    def foreign_containers(self) -> Iterator[str]:
        for service in self.composition.services:
            for one in self.snapshot.containers:
                if one.name == service.container and one.directory != self.composition.directory:
                    origin = f"compose in {one.directory}" if one.directory else "hand"
                    yield f"there is a container {one.name} made by {origin}: rename or remove it"

    def taken_ports(self) -> Iterator[str]:
        for service in self.composition.services:
            if self.snapshot.container(service.name, self.composition.directory) is not None:
                known = self.published()
            else:
                known = set()
            for port in service.ports:
                if port.protocol == "tcp" and not port.address and port.published in self.snapshot.ports - known:
                    yield (
                        f"port {port.published} of {service.name} is taken there by another program: free it, or "
                        "choose another"
                    )

    def published(self) -> set[int]:
        """The ports that the stack publishes now."""
        live = self.snapshot.file(self.manifest.compose.path)
        text = live.content if live.content is not None else self.manifest.compose.content
        try:
            facts = read_compose(parse(text.decode()))
        except (ValueError, ParseError):
            return set(self.snapshot.ports)
        return {port.published for service in facts.services.values() for port in service.ports}

    def lack_of_space(self, files: Sequence[FileChange]) -> Iterator[str]:
        # A staged copy and a backup of each, and the records.
        needed = 2 * sum(len(change.file.content) + change.former.size for change in files) // 1024 + 1024
        kib, inodes = self.snapshot.free
        if files and (kib < needed or inodes < 4 * len(files) + 16):
            left = f"{kib} KiB" if kib < needed else count(inodes, "inode")
            yield f"there is too little room left in {self.manifest.directory} ({left}): make room first"
