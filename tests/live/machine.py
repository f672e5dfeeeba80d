"""A host inside this one: own processes, network, /opt, /root, /run, crontabs and logs, with a dockerd of its own.

Namespaces make the ports and paths of the files under test usable as they are written, and nothing of the host is
touched. Everything in a machine ends with its standard input, so it cannot outlive the tests, however they end.
"""

from __future__ import annotations

import contextlib
import subprocess
from typing import TYPE_CHECKING

from tests.live import images
from tests.live.lab import PATH, TAIL, LabError, Process, run, wait_until

if TYPE_CHECKING:
    from pathlib import Path

PLACES = ("opt", "root", "run", "var/log", "var/spool/cron")
"""Directories that a machine has for itself; all exist on every Debian."""

BOOT = """
set -e
directory=$1
shift
for place; do
    mkdir -p "$directory/$place"
    mount --bind "$directory/$place" "/$place"
done
mkdir -p /var/spool/cron/crontabs
busybox ip link set lo up
echo "$directory" >/run/machine
# The shell stays behind as process 1 and reaps what loses its parent.
cat >/dev/null
exit
"""

NAMESPACES = ("--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc")

COMPOSE_PLUGIN = """#!/bin/sh
# "docker compose" for a Debian that only packages docker-compose.
if [ "$1" = docker-cli-plugin-metadata ]; then
    echo '{"SchemaVersion": "0.1.0", "Vendor": "laboratory", "Version": "1.29"}'
    exit
fi
shift
# The real plugin says this at once; here it would take a second to load Python for it.
if [ "$1" = version ]; then
    echo "Docker Compose version 1.29"
    exit
fi
exec docker-compose "$@"
"""


class Machine(Process):
    """A host of its own; `directory` is where its places lie on this one."""

    needs: tuple[str, ...] = ("unshare", "nsenter", "mount", "busybox")

    def __init__(self, directory: Path, places: tuple[str, ...] = PLACES) -> None:
        self.directory = directory
        boot = ["sh", "-c", BOOT, "machine", str(directory), *places]
        super().__init__(["unshare", *NAMESPACES, *boot], directory / "machine.log", self.up)

    def up(self) -> bool:
        """Whether commands run in it, with its own places."""
        return self.run("cat", "/run/machine", check=False).stdout.strip() == str(self.directory)

    def path(self, inside: str) -> Path:
        """Where on this host a file of the machine lies (`/opt/registry`)."""
        return self.directory / inside.lstrip("/")

    def inside(self, *command: str) -> list[str]:
        """The command that runs `command` in the machine, as root and with a plain environment."""
        pid = self.pid
        # `unshare` itself stays outside the pid namespace that it made. `--root`: never out of a chroot.
        namespaces = ["--mount", "--net", f"--pid=/proc/{pid}/ns/pid_for_children", "--root", "--wd"]
        enter = ["nsenter", "--target", str(pid), *namespaces]
        return [*enter, "env", "-i", f"PATH={PATH}", "HOME=/root", "SHELL=/bin/sh", "LC_ALL=C.UTF-8", *command]

    def run(self, *command: str, check: bool = True, timeout: float = 90) -> subprocess.CompletedProcess[str]:
        """Run a command in the machine."""
        return run(self.inside(*command), check=check, timeout=timeout)

    def shell(self, line: str, check: bool = True, timeout: float = 90) -> subprocess.CompletedProcess[str]:
        """Run a line of shell in the machine, as cron and ssh do."""
        return self.run("sh", "-c", line, check=check, timeout=timeout)


class Dockerd(Process):
    """The docker daemon of a machine, with a `docker compose`."""

    needs = ("dockerd", "docker", "containerd", "docker-compose", "iptables", *images.NEEDS)

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        plugin = machine.path("/root/.docker/cli-plugins/docker-compose")
        plugin.parent.mkdir(parents=True)
        plugin.write_text(COMPOSE_PLUGIN)
        plugin.chmod(0o755)
        command = machine.inside("dockerd", "--data-root", str(machine.directory / "docker"))
        super().__init__(command, machine.directory / "dockerd.log", self.up)

    def up(self) -> bool:
        """Whether it takes requests."""
        return self.docker("version", check=False).returncode == 0

    def stop(self) -> None:
        """Remove all containers, or their empty control groups stay on the host; then end the daemon."""
        with contextlib.suppress(LabError, subprocess.TimeoutExpired):
            self.machine.shell("docker ps -aq | xargs -r docker rm -f; kill $(cat /run/docker.pid)", timeout=30)
            wait_until(lambda: not self.running, "the end of dockerd", 10)
        super().stop()

    def docker(self, *arguments: str, check: bool = True, timeout: float = 90) -> subprocess.CompletedProcess[str]:
        """Run a docker command in the machine."""
        return self.machine.run("docker", *arguments, check=check, timeout=timeout)

    def load(self, image: images.Image) -> None:
        """Make an image from this host's binaries known under each of its names."""
        archive = image.archive(self.machine.directory)
        changes = [argument for change in image.changes for argument in ("-c", change)]
        digest = self.docker("import", *changes, str(archive)).stdout.strip()
        for name in image.names:
            self.docker("tag", digest, name)
        archive.unlink()

    def state(self, container: str) -> str:
        """`running`, `exited`, …; with a health check its last result."""
        template = "{{if .State.Health}}{{.State.Health.Status}}{{else}}{{.State.Status}}{{end}}"
        return self.docker("inspect", "-f", template, container, check=False).stdout.strip()

    def logs(self, *containers: str) -> str:
        """The end of the containers' logs."""
        parts = []
        for container in containers:
            done = self.docker("logs", "--tail", str(TAIL), container, check=False)
            parts.append(f"--- {container} ({self.state(container)}) ---\n{done.stdout}{done.stderr}")
        return "\n".join(parts)
