"""Waiting with a deadline, processes with a log, and a registry on a loopback port."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

PATH = "/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Debian's own binaries only: a newer docker elsewhere on the user's PATH is not part of the laboratory."""

TAIL = 25
"""Lines of a log that a failure shows."""


class LabError(AssertionError):
    """Something of the laboratory did not happen; the message holds what there is to know about it."""


def missing(*binaries: str) -> list[str]:
    """Those of the binaries that this machine does not have."""
    return [binary for binary in binaries if shutil.which(binary, path=PATH) is None]


def free_port() -> int:
    """A TCP port of 127.0.0.1 that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(
    condition: Callable[[], object], what: str, seconds: float = 20, log: Callable[[], str] | None = None
) -> None:
    """Return when `condition()` is true; after `seconds` fail with `what` and the end of the log."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise LabError(f"{what} did not happen within {seconds:g} s" + (f"\n{log()}" if log else ""))
        time.sleep(0.05)


def run(
    command: Sequence[str], *, env: Mapping[str, str] | None = None, check: bool = True, timeout: float = 90
) -> subprocess.CompletedProcess[str]:
    """Run a command without standard input; `check` makes a failure an error that shows its output."""
    done = subprocess.run(
        list(command), env=env, text=True, capture_output=True, timeout=timeout, stdin=subprocess.DEVNULL, check=False
    )
    if check and done.returncode:
        raise LabError(f"exit {done.returncode} from: {' '.join(command)}\n{done.stdout}{done.stderr}")
    return done


class Process:
    """A child process that writes to a log file and ends with its `with` block, which begins when it is `ready()`."""

    def __init__(
        self, command: Sequence[str], log: Path, ready: Callable[[], object], env: Mapping[str, str] | None = None
    ) -> None:
        self.command = list(command)
        self.log = log
        self.ready = ready
        self.env = {"PATH": PATH, **(env or {})}
        self.child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self.log.open("ab") as output:
            # A session of its own: an interrupt at the terminal is for pytest, which then ends us in order.
            self.child = subprocess.Popen(
                self.command,
                cwd=self.log.parent,  # a registry makes the files that its configuration names
                env=self.env,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            wait_until(self.settled, f"the start of {self.command[0]}", log=self.tail)
            if not self.running:
                raise LabError(f"{' '.join(self.command)}\nended at once\n{self.tail()}")
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End it by closing its input and SIGTERM; by SIGKILL when that is not enough."""
        assert self.child, "not started"
        assert self.child.stdin
        self.child.stdin.close()
        self.child.terminate()
        try:
            self.child.wait(10)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait(10)

    @property
    def pid(self) -> int:
        """The process id."""
        assert self.child, "not started"
        return self.child.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self.child is not None and self.child.poll() is None

    def tail(self) -> str:
        """The end of its log, under the file's name."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return f"--- {self.log.name} ---\n" + "\n".join(text.splitlines()[-TAIL:])

    def settled(self) -> object:
        """Whether it is ready, or will never be."""
        return not self.running or self.ready()


class Registry(Process):
    """A real docker-registry with a given configuration, on a free loopback port and with storage of its own.

    Address and storage come from the environment, so that the file under test is used as it is.
    """

    def __init__(self, config: Path, directory: Path) -> None:
        self.storage = directory / "storage"
        self.address = f"127.0.0.1:{free_port()}"
        env = {
            "REGISTRY_HTTP_ADDR": self.address,
            "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": str(self.storage),
        }
        super().__init__(["docker-registry", "serve", str(config)], directory / "registry.log", self.answers, env)

    def answers(self) -> bool:
        """Whether GET /v2/ is answered with 200."""
        try:
            with urllib.request.urlopen(f"http://{self.address}/v2/", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False


def in_ci() -> bool:
    """Whether a missing binary is a failure and not a reason to skip."""
    return os.environ.get("CI") == "true"
