"""A registry and its collector as on the VM, with processes in the place of containers (see docker_stand_in.sh)."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Self

from tests.live.lab import PATH, free_port, wait_until

PROJECT = Path(__file__).parents[2]
COLLECTOR = PROJECT / "codemods/caching/collect_garbage.py"
CONFIG = """version: 0.1
storage:
  cache: {blobdescriptor: inmemory}
  filesystem: {rootdirectory: /nowhere}
  delete: {enabled: true}
http: {addr: "127.0.0.1:0"}
"""
NAME, NGINX = "registry-test", "nginx-test"


class Containers:
    """The directory `containers` holds their state, `data` the registry's; `address` is where the registry answers."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory / "containers"
        self.data = directory / "data"
        self.address = f"127.0.0.1:{free_port()}"
        self.config = directory / "config.yml"
        self.docker = directory / "docker"
        self.env = {"PATH": PATH, "CONTAINERS": str(self.directory), "HOME": str(directory)}
        for place in (self.directory / NAME, self.directory / NGINX, self.data / "docker/registry/v2"):
            place.mkdir(parents=True)
        self.config.write_text(CONFIG)
        shutil.copy(Path(__file__).with_name("docker_stand_in.sh"), self.docker)
        self._describe()

    def _describe(self) -> None:
        settings = [
            f"REGISTRY_HTTP_ADDR={self.address}",
            f"REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY={self.data}",
        ]
        state = {"Running": "@RUNNING@", "Health": {"Status": "@HEALTH@"}}
        found = {
            "Image": "sha256:0",
            "State": state,
            "Config": {"Cmd": ["serve", str(self.config)], "Env": ["PATH=/bin", *settings]},
            "Mounts": [{"Type": "bind", "Source": str(self.data), "Destination": "/var/lib/registry"}],
        }
        registry = self.directory / NAME
        (registry / "inspect").write_text(json.dumps([found]).replace('"@RUNNING@"', "@RUNNING@"))
        (registry / "address").write_text(self.address)
        (registry / "command").write_text(f"env {' '.join(settings)} docker-registry serve {self.config}")

    def __enter__(self) -> Self:
        self.call("start", NAME)
        wait_until(self.answers, "an answer of the registry", log=self.log)
        return self

    def __exit__(self, *exception: object) -> None:
        with contextlib.suppress(subprocess.CalledProcessError):
            self.call("rm", "--force", f"{NAME}-collect-garbage")
        self.call("stop", NAME)

    def call(self, *arguments: str) -> None:
        """Run the stand-in."""
        subprocess.run([str(self.docker), *arguments], env=self.env, check=True, capture_output=True)

    def answers(self) -> bool:
        """Whether the registry answers."""
        try:
            with urllib.request.urlopen(f"http://{self.address}/v2/", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def log(self) -> str:
        """What the registry wrote, by the end."""
        return (self.directory / NAME / "log").read_text(errors="replace")[-2000:]

    def reloads(self) -> int:
        """How often nginx was told to look up its upstreams again."""
        log = self.directory / NGINX / "log"
        return log.read_text().count("nginx -s reload") if log.exists() else 0

    def command(self, *options: str) -> list[str]:
        """The collector's command line for this registry."""
        places = ["--container", NAME, "--data", str(self.data), "--nginx", NGINX, "--docker", str(self.docker)]
        return [sys.executable, str(COLLECTOR), *places, "--wait", "20", *options]

    def collect(self, *options: str) -> tuple[int, str]:
        """Run the collector; returns its exit code and what it wrote."""
        done = subprocess.run(
            self.command(*options),
            env=self.env,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=90,
        )
        return done.returncode, done.stdout

    def start_collector(self, log: Path) -> subprocess.Popen[bytes]:
        """Start the collector, which writes to a log file."""
        with log.open("ab") as output:
            return subprocess.Popen(self.command(), env=self.env, stdout=output, stderr=output, start_new_session=True)

    def collect_as_planned(self, data: Path) -> None:
        """Run the plan's own crontab command on some data: `garbage-collect -m` beside whatever runs."""
        env = {**self.env, "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": str(data)}
        command = ["docker-registry", "garbage-collect", "-m", str(self.config)]
        subprocess.run(command, env=env, capture_output=True, check=False, timeout=60)


def children_of(pid: int) -> list[int]:
    """The processes that a process has started and not outlived."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            found += [int(stat.parent.name)] if int(fields[1]) == pid else []
    return found


def is_guard(pid: int) -> bool:
    """Whether a process is the collector's own second one: in a session of its own, with the same command line."""
    with contextlib.suppress(OSError):
        return os.getsid(pid) == pid and COLLECTOR.name in Path(f"/proc/{pid}/cmdline").read_text()
    return False
