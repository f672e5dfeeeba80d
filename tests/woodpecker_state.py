"""What the stand-in of a Woodpecker server keeps: users, repositories, pipelines with their steps and logs.

Everything has the form of the server's JSON (3.x). Pipelines are run by an agent of the test's making, a function in a
thread of its own: it lets steps begin, write and end.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from threading import Condition, Thread
from typing import Any

Json = dict[str, Any]


@dataclass
class Step:
    """A step and what it has written; a line is what the agent sends in one log entry."""

    id: int
    name: str
    kind: str = "plugin"
    state: str = "pending"
    exit_code: int = 0
    error: str = ""
    started: int = 0
    finished: int = 0
    lines: list[bytes] = field(default_factory=list)

    def entries(self, since: int = 0) -> list[Json]:
        """Log entries from a line on; the last of an ended step is its exit code, of a type that is not shown."""
        found = [self._entry(number, line, 0) for number, line in enumerate(self.lines) if number >= since]
        if self.finished and since <= len(self.lines):
            found.append(self._entry(len(self.lines), str(self.exit_code).encode(), 2))
        return found

    def _entry(self, number: int, data: bytes, kind: int) -> Json:
        text = base64.b64encode(data).decode()
        return {"id": number + 1, "step_id": self.id, "time": 0, "line": number, "data": text, "type": kind}

    def json(self, pid: int) -> Json:
        names = ("id", "name", "state", "exit_code", "error", "started", "finished")
        return {**{name: getattr(self, name) for name in names}, "pid": pid, "type": self.kind}


@dataclass
class Workflow:
    """A workflow that runs; `environ` is its row of the matrix."""

    name: str
    steps: list[Step]
    environ: Json = field(default_factory=dict)

    def json(self, pid: int) -> Json:
        children = [step.json(pid + number) for number, step in enumerate(self.steps, 1)]
        return {"id": pid, "pid": pid, "name": self.name, "environ": self.environ, "children": children}


@dataclass
class Pipeline:
    """One run; `configuration` are the texts of its workflow files by name."""

    number: int
    event: str
    branch: str
    configuration: dict[str, str]
    workflows: list[Workflow] = field(default_factory=list)
    status: str = "pending"
    parent: int = 0
    errors: list[Json] = field(default_factory=list)
    created: int = 0
    started: int = 0
    finished: int = 0

    def steps(self) -> list[Step]:
        """The steps of all workflows."""
        return [step for workflow in self.workflows for step in workflow.steps]

    def json(self, listed: bool = False) -> Json:
        """As the server writes it; without workflows in a list."""
        names = ("number", "event", "branch", "status", "parent", "errors", "created", "started", "finished")
        found = {**{name: getattr(self, name) for name in names}, "id": self.number, "commit": f"{self.number:040x}"}
        if not listed:
            found["workflows"] = [workflow.json(100 * number) for number, workflow in enumerate(self.workflows, 1)]
        return found


Agent = Callable[["Job"], None]


@dataclass
class Repository:
    """`runs` says for each event which workflow files run; an event without any is filtered."""

    id: int
    name: str
    agent: Agent
    runs: dict[str, list[str]]
    configuration: dict[str, str] = field(default_factory=dict)
    branch: str = "master"
    active: bool = True
    is_private: bool = True
    pipelines: list[Pipeline] = field(default_factory=list)
    readers: set[str] = field(default_factory=set)
    writers: set[str] = field(default_factory=set)
    asks_approval: bool = False

    def json(self) -> Json:
        name = self.name.rpartition("/")[2]
        return {
            "id": self.id,
            "name": name,
            "full_name": self.name,
            "active": self.active,
            "private": self.is_private,
            "default_branch": self.branch,
            "timeout": 60,
        }


@dataclass
class State:
    """Everything that survives a restart of the server; `changed` is its lock, and wakes those who wait."""

    tokens: dict[str, str] = field(default_factory=dict)
    repositories: list[Repository] = field(default_factory=list)
    changed: Condition = field(default_factory=Condition)
    _ids: count[int] = field(default_factory=lambda: count(1000))

    def repository(self, name: str, agent: Agent, **values: Any) -> Repository:
        """Add a repository."""
        found = Repository(len(self.repositories) + 7, name, agent, **values)
        self.repositories.append(found)
        return found

    def create(self, repository: Repository, event: str, configuration: dict[str, str], parent: int = 0) -> Pipeline:
        """Add a pipeline, without running it."""
        number = len(repository.pipelines) + 1
        made = Pipeline(number, event, repository.branch, dict(configuration), parent=parent, created=now())
        made.workflows = [Workflow(name, []) for name in repository.runs.get(event, []) if name in configuration]
        repository.pipelines.append(made)
        return made

    def start(self, repository: Repository, event: str, configuration: dict[str, str], parent: int = 0) -> Pipeline:
        """Add a pipeline and give it to an agent, unless somebody has to approve it first."""
        with self.changed:
            made = self.create(repository, event, configuration, parent)
            if repository.asks_approval:
                made.status = "blocked"
                return made
        self.run(repository, made)
        return made

    def run(self, repository: Repository, pipeline: Pipeline) -> None:
        """Give a pipeline to the agent."""
        pipeline.status = "pending"
        Thread(target=repository.agent, args=(Job(self, pipeline),), daemon=True).start()

    def next_id(self) -> int:
        """A number for a step; steps of all repositories share one series."""
        return next(self._ids)


@dataclass
class Job:
    """What an agent does to a pipeline; each call is one change that others can see."""

    state: State
    pipeline: Pipeline

    def begin(self, **steps: list[str]) -> None:
        """Start the pipeline with these steps by workflow; all are pending."""
        with self.state.changed:
            for workflow in self.pipeline.workflows:
                names = steps.get(workflow.name.replace("-", "_"), steps.get("every", []))
                workflow.steps = [Step(self.state.next_id(), name) for name in names]
            self.pipeline.status, self.pipeline.started = "running", now()
            self.state.changed.notify_all()

    def step(self, name: str) -> Step:
        """The first step of a name."""
        return next(step for step in self.pipeline.steps() if step.name == name)

    def run(self, name: str, lines: list[bytes], exit_code: int = 0, seconds: int = 0) -> None:
        """Let a step begin, write and end, as if it had taken `seconds`."""
        self.start(name)
        self.write(name, lines)
        self.finish(name, exit_code, seconds)

    def start(self, name: str) -> None:
        self._set(name, state="running", started=now())

    def write(self, name: str, lines: list[bytes]) -> None:
        with self.state.changed:
            self.step(name).lines += lines
            self.state.changed.notify_all()

    def finish(self, name: str, exit_code: int = 0, seconds: int = 0) -> None:
        state = "failure" if exit_code else "success"
        self._set(name, state=state, finished=self.step(name).started + seconds, exit_code=exit_code)

    def end(self, status: str = "success", seconds: int = 0) -> None:
        """End the pipeline, as if it had taken `seconds`; what has not run is then skipped, what runs killed."""
        with self.state.changed:
            for step in self.pipeline.steps():
                step.state = {"pending": "skipped", "running": "killed"}.get(step.state, step.state)
                if step.state == "killed":
                    step.finished = now()
            self.pipeline.status, self.pipeline.finished = status, self.pipeline.started + seconds
            self.state.changed.notify_all()

    def fail_to_compile(self, *messages: str) -> None:
        """End the pipeline before it began: its configuration is wrong."""
        with self.state.changed:
            self.pipeline.status = "error"
            self.pipeline.errors = [{"type": "linter", "message": text, "is_warning": False} for text in messages]

    def _set(self, name: str, **values: Any) -> None:
        with self.state.changed:
            for key, value in values.items():
                setattr(self.step(name), key, value)
            self.state.changed.notify_all()


def now() -> int:
    """Unix time in seconds, as the server keeps it."""
    return int(time.time())
