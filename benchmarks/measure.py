"""Runs of commands: how long, how much processor time, how much memory."""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

SAMPLE = 0.02
"""Seconds between two looks at the memory."""


class WrongOutput(Exception):
    """A side that did not do its work: its time says nothing."""


class Run(NamedTuple):
    """One run of a command; `cpu` are the seconds of all its processes on all processors."""

    seconds: float
    cpu: float
    code: int
    output: str


@dataclass
class Side:
    """One tool in one scenario.

    `check` raises WrongOutput for a run that did not do the work, `before` makes ready for a run and is not counted.
    """

    name: str
    command: Sequence[str]
    cwd: Path
    check: Callable[[Run], None]
    before: Callable[[], None] = lambda: None
    runs: list[Run] = field(default_factory=list)
    memory: float | None = None

    def turn(self) -> None:
        """Run once, and count the run when its output is right."""
        self.before()
        run = timed(self.command, self.cwd)
        self.check(run)
        self.runs.append(run)

    def measure_memory(self) -> None:
        """Run once more and look at the memory all the while, which would slow down the runs that count."""
        self.before()
        self.memory = peak_memory(self.command, self.cwd)

    @property
    def median(self) -> float:
        """Seconds of the run in the middle."""
        return statistics.median(run.seconds for run in self.runs)

    @property
    def fastest(self) -> float:
        """Seconds of the fastest run."""
        return min(run.seconds for run in self.runs)

    @property
    def cpu(self) -> float:
        """Processor seconds of the run in the middle."""
        return statistics.median(run.cpu for run in self.runs)


def in_turns(sides: Sequence[Side], rounds: int, patience: float) -> None:
    """Let all sides run in each round; one that has used up `patience` seconds sits the rest out."""
    for _ in range(rounds):
        for side in sides:
            if sum(run.seconds for run in side.runs) < patience:
                side.turn()


def timed(command: Sequence[str], cwd: Path) -> Run:
    """Run a command to its end."""
    with tempfile.TemporaryFile() as out:
        begin = time.perf_counter()
        child = subprocess.Popen(command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - begin
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        output = out.read().decode(errors="replace")
    return Run(seconds, usage.ru_utime + usage.ru_stime, child.returncode, output)


def peak_memory(command: Sequence[str], cwd: Path) -> float:
    """The most MB that a command and its children have had at one time; what they share counts once."""
    child = subprocess.Popen(
        command,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    peak = 0
    while child.poll() is None:
        peak = max(peak, sum(map(_proportional_kilobytes, _session(child.pid))))
        time.sleep(SAMPLE)
    return peak / 1024


def _session(leader: int) -> list[int]:
    """The processes of a session."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if int(fields[3]) == leader:
                    found.append(int(entry.name))
    return found


def _proportional_kilobytes(process: int) -> int:
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:  # it has ended
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
