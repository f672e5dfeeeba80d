"""How a machine stands at one moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class LiveFile:
    """What is at a path: `kind` is file, directory, symlink, other or absent; times in seconds since 1970.

    `content` is there when it was asked for, differs from what was expected, and is not larger than LARGEST.
    """

    kind: str = "absent"
    mode: int = 0
    owner: str = ""
    modified: int = 0
    inode: int = 0
    size: int = 0
    digest: str = ""
    content: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Container:
    """A container; `service` and `directory` are empty when compose did not make it, `health` without a check."""

    id: str
    name: str
    image: str
    status: str
    started: float
    service: str = ""
    directory: str = ""
    config_hash: str = ""
    compose_version: str = ""
    health: str = ""
    exit_code: int = 0
    restarts: int = 0
    policy: str = ""

    @property
    def running(self) -> bool:
        """Whether its process is there and stays."""
        return self.status == "running"


@dataclass(frozen=True)
class Question:
    """What to look at: `files` maps a path to the digest that is expected there (empty: none, do not read it).

    `mounts` are (service, path in the container, path on the machine).
    """

    directory: str
    files: Mapping[str, str]
    users: Sequence[str] = ()
    mounts: Sequence[tuple[str, str, str]] = ()
    images: Sequence[str] = ()


@dataclass(frozen=True)
class Snapshot:
    """One machine at one moment.

    `crontabs` has None for a user without one, `mounted` the inode that a running container sees at (service, path),
    `ports` are those that something listens on, `state` what the last run left, `interrupted` the record of a run
    that did not come to its end, `lock` who holds the lock, `free` the KiB and inodes that are left.
    """

    files: Mapping[str, LiveFile] = field(default_factory=dict)
    crontabs: Mapping[str, str | None] = field(default_factory=dict)
    crontab_errors: Mapping[str, str] = field(default_factory=dict)
    containers: tuple[Container, ...] = ()
    mounted: Mapping[tuple[str, str], int] = field(default_factory=dict)
    ports: frozenset[int] = frozenset()
    images: frozenset[str] = frozenset()
    state: Mapping[str, Any] | None = None
    interrupted: Mapping[str, Any] | None = None
    lock: Mapping[str, Any] | None = None
    has_docker: bool = False
    is_root: bool = False
    free: tuple[int, int] = (0, 0)

    def file(self, path: str) -> LiveFile:
        """What is at a path that was asked for."""
        return self.files.get(path, LiveFile())

    def container(self, service: str, directory: str) -> Container | None:
        """The container of a service of the compose project in a directory."""
        found = [one for one in self.containers if one.service == service and one.directory == directory]
        return max(found, key=lambda one: (one.running, one.started), default=None)
