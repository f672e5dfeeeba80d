"""The example repository migrated by the tool itself, and its stack deployed on a machine as the plan's Task 5 does."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.live.lab import LabError, run, wait_until

if TYPE_CHECKING:
    import subprocess

    from tests.live.machine import Dockerd

PROJECT = Path(__file__).parents[2]
SOURCE = "modules/docker-registry"
REGISTRY = "127.0.0.1:5050"
"""The private registry behind nginx, as the machine itself sees it."""

FILES = {
    "docker-compose.yml": "docker-compose.yml",
    "nginx_registry.conf": "nginx.conf",
    "config-private.yml": "config-private.yml",
    "collect-garbage.py": "collect-garbage.py",
}
"""Files of the stack in the repository, and their names in /opt/registry."""

CRON = ("env", "-i", "HOME=/root", "PATH=/usr/bin:/bin", "SHELL=/bin/sh", "/bin/sh", "-c")
"""How cron runs a command."""

# A pull-through registry ends at once when it cannot reach the internet; an empty registry takes each one's place, so
# that the compose file can come up whole and nginx finds all its upstreams.
STAND_IN = "version: 0.1\nstorage: {filesystem: {rootdirectory: /var/lib/registry}}\nhttp: {addr: ':5000'}\n"

# Docker probes for the first time after one interval: 30 s would only make the tests slow. A probe is a process in a
# container, so much shorter ones would, too.
QUICK_HEALTHCHECK = {"healthcheck": {"interval": "4s"}}


def migrate(target: Path, profile: str, *settings: str) -> Path:
    """Copy the example repository to `target` and run `codemod apply-caching` on it; returns `target`."""
    shutil.copytree(PROJECT / "examples" / "infra", target)
    overrides = [argument for setting in settings for argument in ("--set", setting)]
    command = [sys.executable, "-m", "codemods", "-C", str(target), *overrides]
    env = {**os.environ, "PYTHONPATH": str(PROJECT), "NO_COLOR": "1"}
    run([*command, "apply-caching", "--profile", profile, "--allow-dirty"], env=env)
    return target


def provisioning(tree: Path) -> list[str]:
    """The commands of the stack's Terraform list that are plain strings, as the VM's shell gets them."""
    text = (tree / "stacks/infra/main.tf").read_text()
    strings = re.findall(r'^    ("(?:[^"\\]|\\.)*"),$', text, re.MULTILINE)
    return [json.loads(string) for string in strings]


class Deployment:
    """The stack of a migrated repository in /opt/registry of a machine."""

    def __init__(self, dockerd: Dockerd) -> None:
        self.dockerd = dockerd
        self.machine = dockerd.machine
        self.directory = dockerd.machine.path("/opt/registry")

    def lay(self, tree: Path) -> None:
        """Copy the files of the stack and make its data directories."""
        for command in provisioning(tree):
            if command.startswith("mkdir "):
                self.machine.shell(command)
        compose = (tree / SOURCE / "docker-compose.yml").read_text()
        for config in re.findall(r"/opt/registry/(config-[\w-]+\.yml)", compose):
            (self.directory / config).write_text(STAND_IN)
        for source, name in FILES.items():
            # Written into the same file: a container sees a mounted file by its inode. As written, one is not there.
            if (tree / SOURCE / source).exists():
                (self.directory / name).write_text((tree / SOURCE / source).read_text())
        services = re.findall(r"^  (registry-(?!ui)[\w-]+):$", compose, re.MULTILINE)
        override = {"services": dict.fromkeys(services, QUICK_HEALTHCHECK)}
        (self.directory / "docker-compose.override.yml").write_text(json.dumps(override))

    def up(self) -> None:
        """Start the stack with the plan's command and wait until nginx passes requests on."""
        done = self.machine.shell("cd /opt/registry && docker compose up -d", check=False)
        if done.returncode:
            raise LabError(f"{done.stdout}{done.stderr}\n{self.logs()}")
        self.wait_until_serving()

    def rest(self) -> None:
        """Let all containers sleep."""
        self.machine.shell("docker ps -q | xargs -r docker pause")

    def wake(self) -> None:
        """Let sleeping containers go on."""
        self.machine.shell("docker ps -q --filter status=paused | xargs -r docker unpause")
        self.wait_until_serving()

    def restart(self, container: str) -> None:
        """Restart a container, and return when the registry answers through nginx."""
        self.dockerd.docker("restart", container)
        self.wait_until_serving()

    def wait_until_healthy(self) -> None:
        """Return when the registry's own health check has passed."""
        wait_until(lambda: self.dockerd.state("registry-private") == "healthy", "health of the registry", log=self.logs)

    def wait_until_serving(self) -> None:
        """Return when the registry answers through nginx."""
        wait_until(self.serving, f"an answer of the registry at {REGISTRY}", log=self.logs)

    def serving(self) -> bool:
        """Whether the registry answers through nginx."""
        return self.get("/v2/") == "{}"

    def get(self, path: str) -> str:
        """The body of the answer to a GET at the registry's port; empty when it is an error."""
        return self.machine.run("busybox", "wget", "-qO-", f"http://{REGISTRY}{path}", check=False).stdout

    def logs(self) -> str:
        """The end of the logs of the registry and nginx."""
        return self.dockerd.logs("registry-private", "registry-nginx")

    def crontab_command(self, tree: Path) -> str:
        """Install the crontab as the VM's provisioning does; returns the private registry's command as cron runs it."""
        self.machine.run("crontab", "-r", check=False)
        for command in provisioning(tree):
            if "crontab" in command:
                self.machine.shell(command)
        table = self.machine.run("crontab", "-l").stdout.splitlines()
        [line] = [line for line in table if "registry-private" in line]
        assert "%" not in line, "cron would end the command there"
        return line.split(maxsplit=5)[5]

    def collect(self, command: str) -> str:
        """Run a collection command as cron does; returns what it wrote to its log."""
        log = self.machine.path("/var/log/registry-gc.log")
        log.unlink(missing_ok=True)
        self.machine.run(*CRON, command, check=False)
        self.wait_until_serving()
        return log.read_text()

    def push(self, source: str, name: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Push what skopeo finds at `source`, with everything an index lists."""
        options = ["--insecure-policy", "copy", "--all", "--preserve-digests", "--dest-tls-verify=false"]
        return self.machine.run("skopeo", *options, source, f"docker://{REGISTRY}/{name}", check=check)

    def pull(self, name: str, target: Path, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Pull an image with everything an index lists into a directory; skopeo checks every digest."""
        options = ["--insecure-policy", "copy", "--all", "--preserve-digests", "--src-tls-verify=false"]
        return self.machine.run("skopeo", *options, f"docker://{REGISTRY}/{name}", f"dir:{target}", check=check)

    def delete(self, name: str) -> None:
        """Delete the manifest that a tag points to."""
        self.machine.run("skopeo", "delete", "--tls-verify=false", f"docker://{REGISTRY}/{name}")

    def digest(self, name: str) -> str:
        """The digest of the manifest that the registry serves under a tag."""
        raw = ["inspect", "--raw", "--tls-verify=false", f"docker://{REGISTRY}/{name}"]
        return f"sha256:{hashlib.sha256(self.machine.run('skopeo', *raw).stdout.encode()).hexdigest()}"
