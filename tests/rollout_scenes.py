"""Machines and wishes for tests of plans, and a machine that is a directory of this one."""

from __future__ import annotations

import hashlib
import socket
import subprocess
from dataclasses import replace
from typing import Any

from codemods.rollout.definitions import Definitions
from codemods.rollout.manifest import ManagedFile, Manifest
from codemods.rollout.plan import Plan, Wish, make_plan
from codemods.rollout.services import read_composition
from codemods.rollout.snapshot import Container, LiveFile, Snapshot
from codemods.rollout.transport import Done

DIRECTORY = "/opt/registry"
COMPOSE = """\
services:
  nginx:
    image: nginx:alpine
    container_name: registry-nginx
    ports: ["5000:5000", "5050:5050"]
    volumes:
      - /opt/registry/nginx.conf:/etc/nginx/nginx.conf:ro
      - cache:/var/cache/nginx
    depends_on: {registry-hub: {condition: service_healthy}, registry-private: {condition: service_healthy}}
  registry-hub:
    image: registry:2
    container_name: registry-hub
    volumes: ["/opt/registry/data/hub:/var/lib/registry", "./hub.yml:/etc/docker/registry/config.yml:ro"]
  registry-private:
    image: registry:2
    container_name: registry-private
    volumes:
      - /opt/registry/data/private:/var/lib/registry
      - /opt/registry/private.yml:/etc/docker/registry/config.yml:ro
volumes: {cache: {}}
"""
GC = "25 3 * * 0 docker stop registry-private && docker start registry-private"
STARTED = 1_000_000.0
INODES = {"nginx.conf": 11, "hub.yml": 12, "private.yml": 13}
MOUNTS = {
    ("nginx", "/etc/nginx/nginx.conf"): "nginx.conf",
    ("registry-hub", "/etc/docker/registry/config.yml"): "hub.yml",
    ("registry-private", "/etc/docker/registry/config.yml"): "private.yml",
}


def managed(name: str, content: str, **more: Any) -> ManagedFile:
    """A file of the stack's directory, or of the path given."""
    path = name if name.startswith("/") else f"{DIRECTORY}/{name}"
    return ManagedFile(path, content.encode(), more.get("mode", 0o644), "root:root", name, more.get("secrets", ()))


def wish(files: dict[str, str] | None = None, compose: str = COMPOSE, **more: Any) -> Wish:
    """What the repository wants: the compose file, three configurations, two directories, one crontab line."""
    contents = {"nginx.conf": "events {}\n", "hub.yml": "a: 1\n", "private.yml": "b: 1\n", **(files or {})}
    compose_file = managed("docker-compose.yml", compose)
    manifest = Manifest(
        DIRECTORY,
        compose_file,
        None,
        (compose_file, *(managed(name, text) for name, text in contents.items()), *more.pop("extra", ())),
        (f"{DIRECTORY}/data/hub", f"{DIRECTORY}/data/private"),
        {"root": more.pop("crontab", (GC,))},
        more.pop("unmanaged", ()),
        (),
        (),
    )
    return Wish(manifest, read_composition(manifest), **more)


def container(service: str, **more: Any) -> Container:
    """A container of the stack that runs."""
    name = "registry-nginx" if service == "nginx" else service
    found = Container(
        f"id-{service}", name, "image", "running", STARTED, service, DIRECTORY, f"hash-{service}", "1.29.2"
    )
    return replace(found, policy="always", **more)


def live(file: ManagedFile, **more: Any) -> LiveFile:
    """A file on the machine as the repository wants it."""
    digest = hashlib.sha256(file.content).hexdigest()
    inode = INODES.get(file.path.rpartition("/")[2], 20)
    found = LiveFile("file", file.mode, file.owner, int(STARTED) - 60, inode, len(file.content), digest)
    return replace(found, **more)


def written(text: str, like: ManagedFile) -> LiveFile:
    """A file on the machine with another content."""
    content = text.encode()
    digest = hashlib.sha256(content).hexdigest()
    return replace(live(like), digest=digest, content=content, size=len(content))


def machine(wanted: Wish, **more: Any) -> Snapshot:
    """A machine that is as the wish wants it."""
    files = {file.path: live(file) for file in wanted.manifest.files}
    files |= {path: LiveFile("directory", 0o755, "root:root") for path in wanted.manifest.directories}
    found = Snapshot(
        files={**files, DIRECTORY: LiveFile("directory", 0o755, "root:root"), **more.pop("files", {})},
        crontabs={"root": "".join(f"{line}\n" for line in wanted.manifest.crontab["root"])},
        containers=tuple(container(service) for service in ("nginx", "registry-hub", "registry-private")),
        mounted={key: INODES[name] for key, name in MOUNTS.items()},
        ports=frozenset({22, 5000, 5050}),
        images=frozenset({"nginx:alpine", "registry:2"}),
        has_docker=True,
        is_root=True,
        free=(1 << 20, 1 << 20),
    )
    return replace(found, **more)


def plan(wanted: Wish, snapshot: Snapshot, *changed: str) -> Plan:
    """The plan, when the definitions of these services differ."""
    return make_plan(wanted, snapshot, Definitions(frozenset(changed)))


def steps(found: Plan) -> list[str]:
    """The actions as `kind target`, the target without its reason."""
    return [f"{action.kind} {action.target.partition(':')[0].partition(' (')[0]}" for action in found.actions]


class LocalMachine:
    """A transport whose machine is this one; `programs` is a directory of programs that come first there."""

    name = "local"

    def __init__(self, programs: str = "") -> None:
        self.path = f"{programs}:/usr/bin:/bin"

    def run(self, script: str, timeout: float) -> Done:
        """Run a script with the machine's own shell."""
        done = subprocess.run(
            ["sh", "-s"],
            input=script.encode(),
            capture_output=True,
            timeout=timeout,
            check=False,
            env={"PATH": self.path},
        )
        return Done(done.returncode, (done.stdout + done.stderr).decode(errors="replace"))

    def dial(self, address: str, port: int, timeout: float) -> socket.socket:
        """A connection from here."""
        return socket.create_connection((address, port), timeout)

    def reconnect(self) -> None:
        """There is nothing to leave."""

    def close(self) -> None:
        """There is nothing to end."""
