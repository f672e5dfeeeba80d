"""A stand-in for Docker Hub's API and for a registry that asks for tokens, with the documented answers of both.

As a program it serves Docker Hub over TLS: `python -m tests.hub_server PORT CERTIFICATE KEY NAME:TAG…`.
"""

from __future__ import annotations

import json
import re
import ssl
import sys
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any, ClassVar, Self
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from types import TracebackType


MANIFEST = {"schemaVersion": 2}


@dataclass
class Images:
    """Tags by repository, those that nobody sees without a login, and how many requests are still allowed."""

    tags: dict[str, set[str]]
    private: set[str] = field(default_factory=set)
    allowed: int = 1_000_000
    tokens: set[str] = field(default_factory=set)
    seen: list[tuple[str, str]] = field(default_factory=list)
    """Path and Authorization of each request."""
    gives: str | None = None
    """What is given for a token, in place of one that is accepted."""


class Server:
    """Serves on a loopback port; `realm` is where it sends for a token, itself when it is empty."""

    def __init__(self, images: Images, port: int = 0, realm: str = "") -> None:
        class Handler(_Handler):
            store = images
            token_server = realm

        self.http = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.host = f"127.0.0.1:{self.http.server_address[1]}"
        Handler.token_server = realm or f"http://{self.host}/token"

    def __enter__(self) -> Self:
        self.thread = Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


class _Handler(BaseHTTPRequestHandler):
    store: ClassVar[Images]
    token_server: ClassVar[str]

    def log_message(self, format: str, *args: Any) -> None:
        """Tests look at `seen`."""

    def do_GET(self) -> None:
        self.store.seen.append((self.path, self.headers.get("Authorization", "")))
        if self.store.allowed <= 0:
            self.send(429, {"detail": "Rate limit exceeded", "error": False}, Retry_After="42")
            return
        self.store.allowed -= 1
        path = urlsplit(self.path).path
        if re.fullmatch(r"/v2/repositories/[^/]+/[^/]+", path):
            self.send(301, {}, Location=f"{path}/")
        elif match := re.fullmatch(r"/v2/repositories/([^/]+/[^/]+)(?:/|/tags/([^/]+))", path):
            self.hub(match[1], match[2])
        elif match := re.fullmatch(r"/v2/(.+)/(?:manifests/([^/]+)|tags/list)", path):
            self.registry(match[1], match[2])
        elif path == "/token":
            self.token(parse_qs(urlsplit(self.path).query))
        else:
            self.send(404, {"message": "page not found"})

    do_HEAD = do_GET

    def hub(self, repository: str, tag: str | None) -> None:
        """Docker Hub hides private repositories from those who are not logged in."""
        tags = self.store.tags.get(repository)
        if tags is None or repository in self.store.private:
            self.send(404, {"message": "object not found", "errinfo": {}})
        elif tag is None:
            namespace, _, name = repository.partition("/")
            self.send(200, {"user": namespace, "name": name, "is_private": False, "status": 1})
        elif tag in tags:
            self.send(200, {"name": tag, "full_size": 1, "images": [{"architecture": "amd64"}], "tag_status": "active"})
        else:
            self.send(404, {"message": f"tag '{tag}' not found", "errinfo": {"tag": tag}})

    def registry(self, repository: str, tag: str | None) -> None:
        """A registry that wants a token for each repository: a manifest, or the list of tags."""
        tags = self.store.tags.get(repository)
        if self.headers.get("Authorization", "").removeprefix("Bearer ") not in self.store.tokens:
            scope = f'service="registry.example.org",scope="repository:{repository}:pull"'
            challenge = f'Bearer realm="{self.token_server}",{scope}'
            self.refuse(401, "UNAUTHORIZED", WWW_Authenticate=challenge)
        elif repository in self.store.private:
            self.refuse(403, "DENIED")
        elif tag is None and tags is None:
            self.refuse(404, "NAME_UNKNOWN")
        elif tag is None:
            self.send(200, {"name": repository, "tags": sorted(tags or ())})
        elif tag not in (tags or ()):
            self.refuse(404, "MANIFEST_UNKNOWN")
        else:
            self.send(
                200, MANIFEST, Docker_Content_Digest=f"sha256:{sha256(json.dumps(MANIFEST).encode()).hexdigest()}"
            )

    def token(self, query: dict[str, list[str]]) -> None:
        if query.get("service") != ["registry.example.org"] or not query.get("scope", [""])[0].endswith(":pull"):
            self.refuse(400, "UNSUPPORTED")
            return
        token = f"anonymous-{len(self.store.tokens)}" if self.store.gives is None else self.store.gives
        self.store.tokens.add(token)
        self.send(200, {"token": token, "expires_in": 300})

    def refuse(self, status: int, code: str, **headers: str) -> None:
        self.send(status, {"errors": [{"code": code, "message": code.lower()}]}, **headers)

    def send(self, status: int, value: object, **headers: str) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        for name, text in {"Content_Type": "application/json", "Content_Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), text)
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else body)


def serve(port: str, certificate: str, key: str, *images: str) -> None:
    """Serve these images over TLS until standard input ends."""
    tags: dict[str, set[str]] = {}
    for image in images:
        name, _, tag = image.partition(":")
        tags.setdefault(name, set()).add(tag)
    server = Server(Images(tags), int(port))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.http.socket = context.wrap_socket(server.http.socket, server_side=True)
    with server:
        print("ready", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    serve(*sys.argv[1:])
