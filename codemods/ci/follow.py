"""Following a pipeline to its end: the log of every step as it is written, and in the end all of it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from codemods.ci.pipeline import WAITING
from codemods.ci.woodpecker import NotFound
from codemods.errors import CodemodError
from codemods.http import Unreachable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from codemods.ci.pipeline import LogLine, Pipeline, Repository, Step
    from codemods.ci.woodpecker import Woodpecker

    Show = Callable[[str], None]

T = TypeVar("T")

OUTAGE = 120.0
"""Seconds for which a server may be away, as it is while it is restarted."""

SETTLING = 1.2
"""Seconds until the log of a step that has ended is complete: agents send their last lines once a second."""

LIVE = 12
"""Logs that are read live at the same time; those of further steps are asked for every few seconds."""

_SHORTEST, _LONGEST = 0.25, 2.0  # seconds between two looks: short while something happens


class Run(NamedTuple):
    """A pipeline in its last state, and the lines of its steps by their ids."""

    pipeline: Pipeline
    logs: Mapping[int, tuple[str, ...]]


@dataclass
class _Log:
    """What is known of one step's log; `is_live` while a thread reads it, `read_at` when it was read as a whole."""

    label: str
    lines: dict[int, str] = field(default_factory=dict)
    state: str = ""
    was_live: bool = False
    is_live: bool = False
    read_at: float = 0.0


class Follower:
    """Follows one pipeline; `show` gets every line for people, as it came: not escaped.

    Seconds: `outage` for which the server may be away, `patience` for which nothing may happen at all; by default the
    repository's timeout, after which the server itself kills a workflow.
    """

    def __init__(
        self,
        server: Woodpecker,
        repository: Repository,
        show: Show,
        *,
        outage: float = OUTAGE,
        patience: float | None = None,
    ) -> None:
        self.server, self.repository, self.show = server, repository, show
        self.outage = outage
        self.patience = repository.timeout if patience is None else patience
        self.logs: dict[int, _Log] = {}
        self.arrived: SimpleQueue[tuple[int, LogLine | None]] = SimpleQueue()
        self.last_event = 0.0

    def follow(self, number: int) -> Run:
        """Return when the pipeline has ended or waits for an approval.

        Raises CodemodError when nothing happens for too long, Unreachable when the server stays away.
        """
        self._note()
        pause, status = _SHORTEST, ""
        while True:
            pipeline = self._patiently(lambda: self.server.pipeline(self.repository, number))
            self._look_at_steps(pipeline)
            if pipeline.has_ended or pipeline.status == "blocked":
                return self._complete(pipeline)
            if pipeline.status != status:
                status = pipeline.status
                self._note(f"{number}: {'waiting for an agent' if status in WAITING else status}")
            quiet = time.monotonic() - self.last_event
            if quiet > self.patience:
                raise CodemodError(self._stuck(pipeline))
            pause = _SHORTEST if quiet < pause else min(2 * pause, _LONGEST)
            self._show_arriving(pause)

    def _look_at_steps(self, pipeline: Pipeline) -> None:
        for label, step in labelled_steps(pipeline):
            log = self.logs.setdefault(step.id, _Log(f"{pipeline.number} {label}"))
            before, log.state = log.state, step.state
            if step.state == "running" and not log.was_live and self._count_live() < LIVE:
                self._read_live(pipeline.number, step.id, log)
            elif step.state == "running" and not log.is_live and time.monotonic() - log.read_at > _LONGEST:
                self._read(pipeline.number, step)
            elif step.state != before and step.started and step.state != "running":
                self._read(pipeline.number, step)
                self._note(f"{log.label}: {step.state}")

    def _read(self, number: int, step: Step) -> None:
        """Read a step's log as a whole, and show what is new of it."""
        try:
            lines = self._patiently(lambda: self.server.log(self.repository, number, step.id))
        except NotFound:  # a log can be deleted
            return
        for line in lines:
            self._add(step.id, line)
        self.logs[step.id].read_at = time.monotonic()

    def _read_live(self, number: int, step: int, log: _Log) -> None:
        """Let a thread read a running step's log; it puts its lines into `arrived`, and None when it ends."""

        def read() -> None:
            try:
                for line in self.server.live_log(self.repository, number, step):
                    self.arrived.put((step, line))
            except CodemodError:
                pass  # a proxy that passes no streams on, a restart: then it is asked for every few seconds
            finally:
                self.arrived.put((step, None))

        log.was_live = log.is_live = True
        # It must not outlive an interrupt.
        Thread(target=read, daemon=True).start()

    def _show_arriving(self, seconds: float) -> None:
        """Show lines that are read live until `seconds` have passed."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            try:
                step, line = self.arrived.get(timeout=left)
            except Empty:
                return
            if line is None:
                self.logs[step].is_live = False
            else:
                self._add(step, line)

    def _complete(self, pipeline: Pipeline) -> Run:
        """Read every log once more: only now they are whole."""
        ran = [step for _, step in labelled_steps(pipeline) if step.started]
        if ran:
            self._show_arriving(SETTLING)
        for step in ran:
            self._read(pipeline.number, step)
        self._note(f"{pipeline.number}: {pipeline.status}")
        return Run(pipeline, {step.id: self._lines(step.id) for step in ran})

    def _lines(self, step: int) -> tuple[str, ...]:
        return tuple(text for _, text in sorted(self.logs[step].lines.items()))

    def _add(self, step: int, line: LogLine) -> None:
        log = self.logs[step]
        if line.number not in log.lines:
            log.lines[line.number] = line.text
            self._note(f"{log.label} | {line.text}".rstrip())

    def _note(self, text: str = "") -> None:
        self.last_event = time.monotonic()
        if text:
            self.show(text)

    def _count_live(self) -> int:
        return sum(log.is_live for log in self.logs.values())

    def _patiently(self, ask: Callable[[], T]) -> T:
        """The answer to a question; a server that is away is asked again until it is back."""
        since = time.monotonic()
        told = False
        while True:
            try:
                return ask()
            except Unreachable as error:
                if time.monotonic() - since > self.outage:
                    raise
                if not told:
                    self.show(f"{error}; waiting for the server")
                told = True
                time.sleep(1)

    def _stuck(self, pipeline: Pipeline) -> str:
        where = self.server.page_of(self.repository, pipeline.number)
        minutes = f"{self.patience / 60:.0f} minutes"
        if pipeline.status in WAITING:
            return f"pipeline {pipeline.number} has waited for an agent for {minutes}: is one connected? {where}"
        return f"pipeline {pipeline.number} has done nothing for {minutes}: look at {where}"


def labelled_steps(pipeline: Pipeline) -> Iterator[tuple[str, Step]]:
    """All steps of a pipeline, each with the names of its workflow and of itself."""
    for workflow in pipeline.workflows:
        yield from ((f"{workflow.label}/{step.name}", step) for step in workflow.steps)
