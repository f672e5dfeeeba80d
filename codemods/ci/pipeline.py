"""Repositories, pipelines, steps and logs as a Woodpecker server (3.0 and later) writes them in JSON.

Every reader raises CodemodError for an answer that does not have the form of the API.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any, NamedTuple

from codemods.errors import CodemodError

WAITING = frozenset(("created", "pending"))
ENDED = frozenset(("success", "failure", "killed", "canceled", "error", "declined", "skipped"))
"""States that a pipeline and a step never leave. `blocked` is none of them: it waits for an approval."""

_SHOWN = (0, 1)  # types of a log line: stdout and stderr; the others are for the web page


class Repository(NamedTuple):
    """A repository on the server; a workflow that runs longer than `timeout` seconds is killed."""

    id: int
    name: str
    branch: str
    timeout: float
    is_enabled: bool


class Step(NamedTuple):
    """One step of a workflow; `started` and `finished` are Unix times, 0 when that has not happened."""

    id: int
    name: str
    state: str
    exit_code: int
    error: str
    started: int
    finished: int

    @property
    def seconds(self) -> int:
        """How long it ran; 0 when it did not."""
        return max(self.finished - self.started, 0) if self.started else 0


class Workflow(NamedTuple):
    """One workflow of a pipeline. `name` is its file's, `label` has the values of its row of the matrix, too."""

    name: str
    label: str
    steps: tuple[Step, ...]


class Pipeline(NamedTuple):
    """One run; a list of pipelines has them without their workflows. `errors` are the server's own words."""

    number: int
    event: str
    status: str
    commit: str
    errors: tuple[str, ...]
    started: int
    finished: int
    workflows: tuple[Workflow, ...]

    @property
    def seconds(self) -> int:
        """How long it ran; 0 when it did not."""
        return max(self.finished - self.started, 0) if self.started else 0

    @property
    def has_ended(self) -> bool:
        """Whether nothing of it will run any more."""
        return self.status in ENDED


class LogLine(NamedTuple):
    """A line that a step wrote; `number` counts the step's lines from 0."""

    number: int
    text: str


def read_repository(text: str) -> Repository:
    """A repository; its timeout comes in minutes."""
    found = _object(_parsed(text))
    minutes = _number(found, "timeout") or 60
    enabled = found.get("active") is not False
    return Repository(
        _id(found, "id"), _text(found, "full_name"), _text(found, "default_branch"), minutes * 60.0, enabled
    )


def read_pipeline(text: str) -> Pipeline:
    """One pipeline."""
    return _pipeline(_parsed(text))


def read_pipelines(text: str) -> list[Pipeline]:
    """A page of a list of pipelines."""
    return [_pipeline(item) for item in _list(_parsed(text))]


def read_configuration(text: str) -> dict[str, str]:
    """The texts of the workflow files of a pipeline, by the names of the workflows."""
    return {_text(item, "name"): _decoded(item) for item in map(_object, _list(_parsed(text)))}


def read_log(text: str) -> list[LogLine]:
    """The lines of a step's log, in their order."""
    return sorted(line for item in _list(_parsed(text)) if (line := _log_line(item)))


def read_log_line(text: str) -> LogLine | None:
    """One line of a log; None for what the step did not write."""
    return _log_line(_parsed(text))


def _pipeline(value: Any) -> Pipeline:
    found = _object(value)
    errors = map(_object, _list(found.get("errors") or []))
    return Pipeline(
        number=_id(found, "number"),
        event=_text(found, "event"),
        status=_text(found, "status"),
        commit=_text(found, "commit"),
        errors=tuple(_text(error, "message") for error in errors if not error.get("is_warning")),
        started=_number(found, "started"),
        finished=_number(found, "finished"),
        workflows=tuple(_workflow(_object(item)) for item in _list(found.get("workflows") or [])),
    )


def _workflow(found: dict[str, Any]) -> Workflow:
    name, row = _text(found, "name"), _object(found.get("environ") or {})
    label = f"{name} ({', '.join(map(str, row.values()))})" if row else name
    return Workflow(name, label, tuple(_step(_object(item)) for item in _list(found.get("children") or [])))


def _step(found: dict[str, Any]) -> Step:
    return Step(
        id=_id(found, "id"),
        name=_text(found, "name"),
        state=_text(found, "state"),
        exit_code=_number(found, "exit_code"),
        error=_text(found, "error"),
        started=_number(found, "started"),
        finished=_number(found, "finished"),
    )


def _log_line(value: Any) -> LogLine | None:
    entry = _object(value)
    if _number(entry, "type") not in _SHOWN:
        return None
    return LogLine(_number(entry, "line"), _decoded(entry).rstrip("\r\n"))


def _decoded(found: dict[str, Any]) -> str:
    try:
        return base64.b64decode(_text(found, "data"), validate=True).decode(errors="replace")
    except binascii.Error:
        raise _unexpected() from None


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise _unexpected() from None


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _unexpected()
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise _unexpected()
    return value


def _id(found: dict[str, Any], key: str) -> int:
    value = found.get(key)
    if type(value) is not int:
        raise _unexpected()
    return value


def _text(found: dict[str, Any], key: str) -> str:
    value = found.get(key)
    return value if isinstance(value, str) else ""


def _number(found: dict[str, Any], key: str) -> int:
    value = found.get(key)
    return value if type(value) is int else 0


def _unexpected() -> CodemodError:
    return CodemodError("the server's answer is not what Woodpecker's API says: is it older than 3.0?")
