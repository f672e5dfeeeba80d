"""A stand-in for a Woodpecker server: its HTTP API as documented for 3.x, over state that outlives a restart.

It is as strict as the server: the token is asked for, the branch must be named, `per_page` means nothing, errors are
plain text, and a path that the API does not have is a web page.
"""

from __future__ import annotations

import json
import re
import sys
import time
from base64 import b64encode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any, ClassVar, Self
from urllib.parse import parse_qs, unquote, urlsplit

from tests.woodpecker_state import Pipeline, Repository, State, Step

if TYPE_CHECKING:
    from types import TracebackType

PAGE = 50
PING = 1.0  # seconds; the real one waits 30


class Refused(Exception):
    """An answer that is an error: status and plain text."""

    def __init__(self, status: int, text: str = "") -> None:
        super().__init__(text)
        self.status, self.text = status, text


class Server:
    """Serves a state on a loopback port, which it keeps when it is restarted.

    `seen` are the requests, each as method, path with query, and headers. `streams` off is a proxy that passes no
    event streams on. `prefix` is a path that the server lives under.
    """

    def __init__(self, state: State, prefix: str = "") -> None:
        self.state, self.prefix = state, prefix
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        self.streams = True
        self.port = 0
        self.running = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.prefix}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.running:
            self.stop()

    def start(self) -> None:
        """Listen, on the same port as before."""

        class Handler(_Handler):
            server_of_test = self

        self.http = _Http(("127.0.0.1", self.port), Handler)
        self.port = self.http.server_address[1]
        self.running = True
        self.thread = Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()

    def stop(self) -> None:
        """Stop listening, and drop all connections."""
        self.running = False
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()
        with self.state.changed:
            self.state.changed.notify_all()

    def restart(self, seconds: float) -> None:
        """Be away for some seconds, then come back."""
        self.stop()
        time.sleep(seconds)
        self.start()


class _Http(ThreadingHTTPServer):
    daemon_threads, block_on_close = True, False

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # a client may leave
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server_of_test: ClassVar[Server]
    protocol_version = "HTTP/1.1"
    routes: ClassVar[list[tuple[str, str, str]]] = [
        ("GET", r"/api/user", "user"),
        ("GET", r"/api/repos/lookup/(.+)", "lookup"),
        ("GET", r"/api/repos/(\d+)/pipelines", "list_pipelines"),
        ("POST", r"/api/repos/(\d+)/pipelines", "create"),
        ("GET", r"/api/repos/(\d+)/pipelines/(\w+)", "pipeline"),
        ("POST", r"/api/repos/(\d+)/pipelines/(\d+)", "restart"),
        ("GET", r"/api/repos/(\d+)/pipelines/(\d+)/config", "config"),
        ("GET", r"/api/repos/(\d+)/logs/(\d+)/(\d+)", "log"),
        ("GET", r"/api/stream/logs/(\d+)/(\d+)/(\d+)", "stream"),
    ]

    def do_GET(self) -> None:
        self.answer_to("GET")

    def do_POST(self) -> None:
        self.answer_to("POST")

    def log_message(self, format: str, *args: Any) -> None:
        """Tests look at `seen`."""

    @property
    def state(self) -> State:
        return self.server_of_test.state

    def answer_to(self, method: str) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server_of_test.seen.append((method, self.path, dict(self.headers)))
        if not self.server_of_test.running:  # a connection from before the restart
            self.close_connection = True
            return
        parts = urlsplit(self.path)
        self.query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        prefix = self.server_of_test.prefix
        path = unquote(parts.path)
        try:
            for allowed, pattern, name in self.routes:
                match = re.fullmatch(re.escape(prefix) + pattern, path)
                if match and allowed == method:
                    getattr(self, name)(*match.groups())
                    return
            self.send(200, b"<!doctype html><title>Woodpecker</title>", "text/html; charset=utf-8")
        except Refused as refused:
            self.send(refused.status, refused.text.encode(), "text/plain; charset=utf-8")

    def send(self, status: int, body: bytes, kind: str, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if status != 204:
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if status != 204:
            self.wfile.write(body)

    def send_json(self, value: object) -> None:
        with self.state.changed:
            body = json.dumps(value).encode()
        self.send(200, body, "application/json; charset=utf-8")

    # Who asks, and for what: without a right to it there is no such repository.

    def login(self) -> str | None:
        header = self.headers.get("Authorization", "")
        token = header.removeprefix("Bearer ") if header.startswith("Bearer ") else self.query.get("access_token", "")
        return self.state.tokens.get(token)

    def repository(self, wanted: str, *, to_push: bool = False) -> Repository:
        login = self.login()
        found = next((one for one in self.state.repositories if wanted in (str(one.id), one.name)), None)
        if found and login in (found.writers if to_push else found.writers | found.readers):
            return found
        if login is None:
            raise Refused(401)
        raise Refused(403 if found and not found.is_private else 404)

    def pipeline_of(self, repository: Repository, number: str) -> Pipeline:
        found = repository.pipelines
        if number == "latest" and found:
            return found[-1]
        if not number.isdigit():
            raise Refused(400, "strconv.ParseInt: parsing: invalid syntax")
        if not 0 < int(number) <= len(found):
            raise Refused(404)
        return found[int(number) - 1]

    def user(self) -> None:
        login = self.login()
        if login is None:
            raise Refused(401, "User not authorized")
        self.send_json({"login": login})

    def lookup(self, name: str) -> None:
        if self.login() is None:
            raise Refused(401, "User not authorized")
        self.send_json(self.repository(name).json())

    def list_pipelines(self, repo: str) -> None:
        found = [*reversed(self.repository(repo).pipelines)]
        for key in ("event", "branch", "status"):
            if wanted := self.query.get(key):
                found = [one for one in found if getattr(one, key) in wanted.split(",")]
        size = int(self.query.get("perPage", 0))
        size = size if 0 < size <= PAGE else PAGE
        begin = (int(self.query.get("page", 1)) - 1) * size
        self.send_json([one.json(listed=True) for one in found[begin : begin + size]])

    def pipeline(self, repo: str, number: str) -> None:
        self.send_json(self.pipeline_of(self.repository(repo), number).json())

    def create(self, repo: str) -> None:
        repository = self.repository(repo, to_push=True)
        try:
            options = json.loads(self.body)
        except ValueError as error:
            raise Refused(400, str(error)) from None
        if options.get("branch") != repository.branch:
            raise Refused(500, "could not fetch branch head")
        self.started(repository, "manual", repository.configuration)

    def restart(self, repo: str, number: str) -> None:
        repository = self.repository(repo, to_push=True)
        old = self.pipeline_of(repository, number)
        if old.status in ("declined", "blocked"):
            raise Refused(400, f"cannot restart a pipeline with status {old.status}")
        self.started(repository, old.event, old.configuration, old.number)

    def started(self, repository: Repository, event: str, configuration: dict[str, str], parent: int = 0) -> None:
        if not any(name in configuration for name in repository.runs.get(event, [])):
            self.send(204, b"", "", Pipeline_Filtered="true")
            return
        self.send_json(self.state.start(repository, event, configuration, parent).json())

    def config(self, repo: str, number: str) -> None:
        found = self.pipeline_of(self.repository(repo), number)
        self.send_json(
            [{"hash": f"{name}-hash", "name": name, "data": b64(t)} for name, t in found.configuration.items()]
        )

    def step(self, repo: str, number: str, step: str) -> Step:
        found = self.pipeline_of(self.repository(repo), number)
        return next((one for one in found.steps() if str(one.id) == step), None) or self.no_step()

    def no_step(self) -> Step:
        raise Refused(404)

    def log(self, repo: str, number: str, step: str) -> None:
        with self.state.changed:
            entries = self.step(repo, number, step).entries()
        self.send_json(entries)

    def stream(self, repo: str, number: str, step: str) -> None:
        """All lines of a running step, as they come; the end is an event of type error."""
        if not self.server_of_test.streams:
            raise Refused(504, "upstream timed out")
        found = self.step(repo, number, step)
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        self.wfile.write(b": ping\n\n")
        if found.state not in ("pending", "running"):
            self.wfile.write(b"event: error\ndata: step not running (anymore)\n\n")
            return
        sent = 0
        while self.server_of_test.running:
            with self.state.changed:
                new, ended = found.entries(sent), found.finished
                if not new and not ended:
                    self.state.changed.wait(PING)
            text = b"".join(b"id: %d\ndata: %s\n\n" % (entry["line"] + 1, json.dumps(entry).encode()) for entry in new)
            self.wfile.write(text or b": ping\n\n")
            sent += len(new)
            if ended:
                self.wfile.write(b"event: error\ndata: eof\n\n")
                return


def b64(text: str) -> str:
    """As the server writes bytes in JSON."""
    return b64encode(text.encode()).decode()
