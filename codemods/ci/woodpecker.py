"""The API of a Woodpecker server: its pipelines, their stored configurations and logs.

The personal token goes in a header, never in the URL. The server's errors are plain text; each becomes one line that
says what to do.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

from codemods.ci.pipeline import (
    LogLine,
    Pipeline,
    Repository,
    read_configuration,
    read_log,
    read_log_line,
    read_pipeline,
    read_pipelines,
    read_repository,
)
from codemods.credentials import FILE, find_credentials, origin_of
from codemods.errors import CodemodError, SettingsError
from codemods.http import Client, Unreachable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    import httpx

PAGE = 50
"""Pipelines in one page of a list; the server gives no more."""

CONNECTIONS = 20
"""Of which each log that is read live holds one."""

SILENCE = 75.0
"""Seconds after which a live log is taken for dead: the server sends a ping every 30."""

STARTING = 60.0
"""Seconds for the start of a pipeline: the server fetches its configuration from the forge meanwhile."""

_LONGEST = 200  # characters of the server's own words


class NotFound(CodemodError):
    """What the server does not have, or does not show to this token."""


class Woodpecker:
    """A connection to one server. Every method raises Unreachable without an answer, else CodemodError, one line."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url.rstrip("/")
        self._token = token
        self._client = Client(url, headers={"Authorization": f"Bearer {token}"}, connections=CONNECTIONS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def repository(self, name: str) -> Repository:
        """The repository of a full name, `owner/name`."""
        return read_repository(self._text("GET", f"/repos/lookup/{quote(name)}", name))

    def trigger(self, repository: Repository) -> Pipeline | None:
        """Start the pipeline of the default branch; None when no workflow runs for the event `manual`."""
        body = {"branch": repository.branch}
        return self._started(f"/repos/{repository.id}/pipelines", f"branch {repository.branch}", json=body)

    def restart(self, repository: Repository, number: int) -> Pipeline | None:
        """Run a pipeline again, with the configuration that it had; None when no workflow runs."""
        return self._started(*_place(repository, number))

    def pipelines(self, repository: Repository, event: str) -> Iterator[Pipeline]:
        """All pipelines of an event on the default branch, newest first."""
        path, what = f"/repos/{repository.id}/pipelines", f"the pipelines of {repository.name}"
        for page in count(1):
            wanted = {"page": page, "perPage": PAGE, "event": event, "branch": repository.branch}
            found = read_pipelines(self._text("GET", path, what, params=wanted))
            yield from found
            if len(found) < PAGE:
                return

    def pipeline(self, repository: Repository, number: int) -> Pipeline:
        """One pipeline with its workflows and steps."""
        return read_pipeline(self._text("GET", *_place(repository, number)))

    def configuration(self, repository: Repository, number: int) -> dict[str, str]:
        """The texts of the workflow files that a pipeline was made from, by the names of the workflows."""
        path, what = _place(repository, number)
        return read_configuration(self._text("GET", f"{path}/config", what))

    def log(self, repository: Repository, number: int, step: int) -> list[LogLine]:
        """What a step has written so far, in the order of its lines; all of it, as the API has no pages here."""
        path = f"/repos/{repository.id}/logs/{number}/{step}"
        return read_log(self._text("GET", path, f"log of pipeline {number}"))

    def live_log(self, repository: Repository, number: int, step: int) -> Iterator[LogLine]:
        """The lines of a running step, from its first and as they are written, until the step ends."""
        path = f"/api/stream/logs/{repository.id}/{number}/{step}"
        headers = {"Accept": "text/event-stream"}
        with self._client.stream("GET", path, headers=headers, timeout=SILENCE) as answer:
            if not answer.headers.get("Content-Type", "").startswith("text/event-stream"):
                answer.read()
                raise self._error(answer, f"live log of pipeline {number}")
            for data in _events(answer.iter_lines()):
                if line := read_log_line(data):
                    yield line

    def page_of(self, repository: Repository, number: int) -> str:
        """The address of a pipeline's web page."""
        return f"{self.url}/repos/{repository.id}/pipeline/{number}"

    def _started(self, path: str, what: str, **body: Any) -> Pipeline | None:
        answer = self._answer("POST", path, what, timeout=STARTING, **body)
        return None if answer.status_code == 204 else read_pipeline(self._json(answer, what))

    def _text(self, method: str, path: str, what: str, **body: Any) -> str:
        return self._json(self._answer(method, path, what, **body), what)

    def _answer(self, method: str, path: str, what: str, **body: Any) -> httpx.Response:
        answer = self._client.request(method, f"/api{path}", **body)
        if answer.status_code not in (200, 204):
            raise self._error(answer, what)
        return answer

    def _json(self, answer: httpx.Response, what: str) -> str:
        # For what is no address of the API the server, or a proxy before it, sends a web page with status 200.
        if not answer.headers.get("Content-Type", "").startswith("application/json"):
            raise self._error(answer, what)
        return answer.text

    def _error(self, answer: httpx.Response, what: str) -> CodemodError:
        origin, status = self._client.origin, answer.status_code
        match status:
            case 401:
                return CodemodError(f"{origin} does not accept the token: make a new one on its user page")
            case 403:
                return CodemodError(f"{origin} does not allow this token {what}: take one of a user who may push")
            case 404:
                return NotFound(f"{what} is not on {origin}, or the token's user may not see it and push to it")
            case 502 | 503 | 504:
                return Unreachable(f"{origin}: no server behind it (HTTP {status})")
            case _ if status < 300:
                return CodemodError(f"{self.url} answers as no Woodpecker server does: correct woodpecker.server")
            case _ if status < 400:
                return CodemodError(f"{self.url} redirects elsewhere: set woodpecker.server to the address it means")
        # A server that sends our token back must not make us show it.
        words = " ".join(answer.text.replace(self._token, "***").split())[:_LONGEST]
        return CodemodError(f"{origin}: {what}: HTTP {status}{': ' if words else ''}{words}")


def connect(url: str) -> Woodpecker:
    """A connection with the token for this server. Raises SettingsError when there is none."""
    found = find_credentials("woodpecker", url)
    if found is None or not found.token:
        origin = origin_of(url)
        raise SettingsError(
            f"no Woodpecker token for {origin}: set CODEMOD_WOODPECKER_ORIGIN={origin} and CODEMOD_WOODPECKER_TOKEN, "
            f"or write both under [[woodpecker]] in {FILE}"
        )
    return Woodpecker(url, found.token)


def _place(repository: Repository, number: int) -> tuple[str, str]:
    """Path of a pipeline, and how to speak of it."""
    return f"/repos/{repository.id}/pipelines/{number}", f"pipeline {number}"


def _events(lines: Iterator[str]) -> Iterator[str]:
    """The data of server-sent events, until one of type `error`: so the server says that the log has ended."""
    kind, data = "", ""
    for line in lines:
        name, _, value = line.partition(":")
        if name == "event":
            kind = value.strip()
        elif name == "data":
            data += value.removeprefix(" ")
        elif not line:
            if kind == "error":
                return
            if data:
                yield data
            kind, data = "", ""
