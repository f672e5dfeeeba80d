"""A server on loopback that answers as a test tells it, and a registry client that asks it."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import MappingProxyType, TracebackType
from typing import NamedTuple, Self

from codemods.credentials import Credentials
from codemods.http import Client
from codemods.registry.client import RegistryClient

PASSWORD = "secret-5d1e"
BASIC = f"Basic {base64.b64encode(f'ci:{PASSWORD}'.encode()).decode()}"


class Answer(NamedTuple):
    """What a server answers; with `drop` it closes the connection in place of an answer."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = MappingProxyType({})
    drop: bool = False


class Server:
    """A server of a handful of answers, and what it was asked: method, path and Authorization."""

    def __init__(self, answer: Callable[[str, str, str], Answer]) -> None:
        self.answer = answer
        self.asked: list[tuple[str, str, str]] = []
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        self.url = f"http://127.0.0.1:{self.http.server_port}"

    def __enter__(self) -> Self:
        self.thread = Thread(target=self.http.serve_forever, args=(0.02,))
        self.thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()

    def handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                asked = (self.command, self.path, self.headers.get("Authorization", ""))
                server.asked.append(asked)
                answer = server.answer(*asked)
                if answer.drop:
                    self.close_connection = True
                    return
                self.send_response(answer.status)
                for name, value in {"Content-Length": str(len(answer.body)), **answer.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(b"" if self.command == "HEAD" else answer.body)

            do_HEAD = do_POST = do_PUT = do_DELETE = do_GET

            def log_message(self, format: str, *arguments: object) -> None:
                """Say nothing."""

        return Handler


@contextmanager
def serving(*answers: Callable[[str, str, str], Answer]) -> Iterator[list[Server]]:
    """Servers, one for each function."""
    with ExitStack() as stack:
        yield [stack.enter_context(Server(answer)) for answer in answers]


def client(server: Server, password: str = "") -> RegistryClient:
    """A client, perhaps with a login."""
    credentials = Credentials(server.url, username="ci", password=password, allow_http=True) if password else None
    return RegistryClient(Client(server.url), credentials)


def challenge(realm: str) -> dict[str, str]:
    """The header that asks for a token."""
    return {"WWW-Authenticate": f'Bearer realm="{realm}",service="registry",scope="repository:app:pull"'}
