"""Where the user sits: a home with an ssh key and pinned host keys, and the `codemod` command as a process."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from tests.command import PROGRAM, Run
from tests.live.cloud_init import VARIABLES
from tests.live.lab import PATH, run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.live.vm import Vm

TIMEOUT = 180
"""Seconds; no run of these tests takes half as long."""


@dataclass
class Controller:
    """A user in the directory `home`, which need not exist yet; `variables` are the environment's own."""

    needs: ClassVar = ("ssh", "ssh-keygen")

    home: Path
    variables: dict[str, str] = field(default_factory=lambda: {f"TF_VAR_{k}": v for k, v in VARIABLES.items()})

    def __post_init__(self) -> None:
        ssh = self.home / ".ssh"
        ssh.mkdir(mode=0o700, parents=True)
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "laboratory", "-f", str(ssh / "laboratory")])
        (ssh / "config").write_text(f"Host 127.0.0.1\n  IdentityFile {ssh}/laboratory\n  IdentitiesOnly yes\n")

    @property
    def key(self) -> str:
        """The public key, as authorized_keys has it."""
        return (self.home / ".ssh/laboratory.pub").read_text()

    @property
    def known_hosts(self) -> Path:
        """The file with the pinned host keys."""
        return self.home / ".config/codemod/known_hosts"

    def trust(self, *vms: Vm) -> None:
        """Pin the host keys of these VMs."""
        self.known_hosts.parent.mkdir(parents=True, exist_ok=True)
        with self.known_hosts.open("a") as file:
            file.writelines(vm.host_key for vm in vms)

    @property
    def environment(self) -> dict[str, str]:
        """What a process of this user finds."""
        git = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
        return {"PATH": PATH, "HOME": str(self.home), "LC_ALL": "C.UTF-8", "NO_COLOR": "1", **git, **self.variables}

    def start(self, tree: Path, *arguments: str, **variables: str) -> Command:
        """Start `codemod` in a repository."""
        return Command([*PROGRAM, *arguments], tree, self.environment | variables)

    def run(self, tree: Path, *arguments: str, **variables: str) -> Run:
        """Run `codemod` in a repository to its end."""
        return self.start(tree, *arguments, **variables).result()

    def sync(self, tree: Path, *vms: Vm, options: tuple[str, ...] = (), **variables: str) -> Outcome:
        """Run `sync-vm` on VMs and read its report."""
        return Outcome(self.run(tree, *sync_arguments(*vms, options=(*options, "--format", "json")), **variables))

    def ssh(self, vm: Vm, command: str, *options: str) -> subprocess.CompletedProcess[str]:
        """Run a command on a VM through the system's own ssh."""
        return run(self.ssh_line(vm, command, *options), env=self.environment, check=False)

    def start_ssh(self, vm: Vm, command: str) -> Command:
        """Start a command on a VM through the system's own ssh."""
        return Command(self.ssh_line(vm, command), self.home, self.environment)

    def ssh_line(self, vm: Vm, command: str, *options: str) -> list[str]:
        """The system's own ssh with this user's files; for an option given twice, ssh takes the first."""
        settings = (f"UserKnownHostsFile={self.known_hosts}", "StrictHostKeyChecking=yes", "BatchMode=yes")
        given = [argument for setting in settings for argument in ("-o", setting)]
        where = ["-F", str(self.home / ".ssh/config"), "-p", str(vm.port), "-l", "root", "127.0.0.1"]
        return ["ssh", *options, *given, *where, command]


def sync_arguments(*vms: Vm, options: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The command line of `sync-vm` for these VMs; a stack that does not get well is given up after 20 s."""
    hosts = [argument for vm in vms for argument in ("--host", vm.host)]
    return ("--set", "vm.health_timeout=20s", "sync-vm", *hosts, *options)


class Command:
    """A command that runs. Its standard error is read while it does, line by line."""

    def __init__(self, command: list[str], directory: Path, environment: dict[str, str]) -> None:
        self.lines: list[str] = []
        self.ended = False
        self.changed = threading.Condition()
        self.child = subprocess.Popen(
            command,
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.out = ""
        self.readers = [threading.Thread(target=read) for read in (self.read_out, self.read_err)]
        for reader in self.readers:
            reader.start()

    def read_out(self) -> None:
        """Read standard output to its end."""
        assert self.child.stdout
        with self.child.stdout as stream:
            self.out = stream.read()

    def read_err(self) -> None:
        """Read standard error line by line."""
        assert self.child.stderr
        with self.child.stderr as stream:
            for line in stream:
                with self.changed:
                    self.lines.append(line.rstrip("\n"))
                    self.changed.notify_all()
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def wait_for(self, words: str, timeout: float = TIMEOUT) -> bool:
        """Wait until a line of standard error has these words; False when the command ends without."""
        with self.changed:
            self.changed.wait_for(lambda: self.ended or self.said(words), timeout)
            return self.said(words)

    def said(self, words: str) -> bool:
        """Whether a line of standard error so far has these words."""
        return any(words in line for line in self.lines)

    def result(self, timeout: float = TIMEOUT) -> Run:
        """Wait until it ends; one that does not is killed, and the test fails."""
        try:
            code = self.child.wait(timeout)
        finally:
            with contextlib.suppress(ProcessLookupError):
                self.child.kill()
            for reader in self.readers:
                reader.join()
        return Run(code, self.out, "\n".join(self.lines))


class Outcome:
    """The report of a `sync-vm`, for people who ask about one VM; `told` is all that the user sees."""

    def __init__(self, run: Run) -> None:
        self.code = run.code
        self.told = f"exit {run.code}\n{run.out}\n{run.err}"
        self.steps = run.err.splitlines()
        assert run.out.startswith("{"), self.told
        self.report: dict[str, Any] = json.loads(run.out)
        self.hosts: list[dict[str, Any]] = self.report["hosts"]

    @property
    def states(self) -> list[str]:
        """How each host stands, in the order of the hosts."""
        return [host["state"] for host in self.hosts]

    @property
    def reason(self) -> str:
        """Why the first host stands as it does."""
        return str(self.hosts[0]["reason"])

    @property
    def notes(self) -> str:
        """Everything else that the report says, in lines."""
        return "\n".join(self.report["notes"])

    @property
    def actions(self) -> list[str]:
        """`KIND TARGET` of every action for the first host, in order."""
        return [f"{action['kind']} {action['target']}" for action in self.hosts[0]["actions"]]

    def diff(self, target: str) -> str:
        """What the first host's action on a target shows of the change."""
        [found] = [action["diff"] for action in self.hosts[0]["actions"] if action["target"].startswith(target)]
        return str(found)
