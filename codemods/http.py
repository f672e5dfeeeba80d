"""HTTP to one server: no redirect is followed, credentials stay with their origin, every failure is one line."""

from __future__ import annotations

import re
import socket
import ssl
import time
from collections.abc import Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

from codemods.credentials import origin_of
from codemods.errors import CodemodError
from codemods.extras import require_extra

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    import httpx

TIMEOUT = 10.0
"""Seconds for a connection, and between two pieces of an answer."""

RETRIES = 2
"""Further tries after a connection that could not be made, as nothing has been sent then; of GET and HEAD also after
one that was lost."""

_PORTS = {"http": 80, "https": 443}


class Unreachable(CodemodError):
    """A server that gives no answer."""


class Client:
    """A connection pool to one origin. `url` may have a path, which is put before the path of every request.

    `connect_to` is an address to connect to in place of the URL's host, whose name stays in Host and TLS. `ca` is a
    file with the certificate of the authority; without it the system's are used.
    """

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        ca: str = "",
        connect_to: str = "",
        timeout: float = TIMEOUT,
        connections: int = 10,
    ) -> None:
        require_extra("net", "httpx")
        import httpx

        self.url = url.rstrip("/")
        self.origin = origin_of(url)
        self._host = httpx.URL(self.url).netloc.decode()
        self._name = httpx.URL(self.url).host
        self._base = self.url
        self._timeout = timeout
        if connect_to:
            self._base = str(httpx.URL(self.url).copy_with(host=connect_to)).rstrip("/")
        self._tls: ssl.SSLContext | None = None
        if self.url.startswith("https:"):
            try:
                self._tls = ssl.create_default_context(cafile=ca or None)
            except OSError as error:
                raise CodemodError(f"{ca}: no certificate can be read from it: {error.strerror or error}") from None
        self._client = httpx.Client(
            headers=dict(headers or {}),
            verify=self._tls or True,
            timeout=timeout,
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
            follow_redirects=False,
            trust_env=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def request(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **body: Any
    ) -> httpx.Response:
        """One request, its answer read whole; `body` is httpx's content, data, json or params.

        Raises Unreachable, one line without query and credentials.
        """
        return self._send(method, path, headers, body, stream=False)

    @contextmanager
    def stream(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **body: Any
    ) -> Iterator[httpx.Response]:
        """One request whose answer is read by the caller. Raises Unreachable."""
        import httpx

        answer = self._send(method, path, headers, body, stream=True)
        try:
            yield answer
        except httpx.HTTPError as error:
            raise self.unreachable(error) from None
        finally:
            answer.close()

    def _send(
        self, method: str, path: str, headers: Mapping[str, str] | None, body: dict[str, Any], *, stream: bool
    ) -> httpx.Response:
        import httpx

        for attempt in range(RETRIES + 1):
            try:
                return self._client.send(self._build(method, path, headers, body), stream=stream)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                if attempt == RETRIES or not _may_repeat(method, error):
                    raise self.unreachable(error) from None
                time.sleep(0.2 * (attempt + 1))
        raise AssertionError("unreachable")

    def would_take(self, method: str, path: str, size: int, headers: Mapping[str, str]) -> int:
        """The status that the head of a request gets whose body has `size` bytes: 100 when the server would take it.

        Nothing of the body is sent, and the connection is closed. A server may wait for the body without a word; that
        counts as 100 (RFC 9110, 10.1.1). Raises Unreachable.
        """
        import httpx

        there = httpx.URL(self._base)
        fields = {"Host": self._host, **headers, "Content-Length": str(size), "Expect": "100-continue"}
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
        address = (there.host, there.port or _PORTS[there.scheme])
        try:
            with socket.create_connection(address, self._timeout) as plain, self._secured(plain) as connection:
                connection.sendall("\r\n".join(lines).encode("ascii"))
                return _status(connection)
        except (OSError, ValueError, IndexError) as error:
            raise self.unreachable(error) from None

    def _secured(self, connection: socket.socket) -> socket.socket:
        return self._tls.wrap_socket(connection, server_hostname=self._name) if self._tls else connection

    def _build(self, method: str, path: str, headers: Mapping[str, str] | None, body: dict[str, Any]) -> httpx.Request:
        extensions = {"sni_hostname": self._name}
        fields = {"Host": self._host, **(headers or {})}
        return self._client.build_request(method, self._base + path, headers=fields, extensions=extensions, **body)

    def unreachable(self, error: Exception) -> Unreachable:
        """What became of a request, in one line."""
        return Unreachable(f"{self.origin}: {_reason(error)}")


def _status(connection: socket.socket) -> int:
    """The status with which an answer begins; 100 when there is none in time."""
    try:
        with connection.makefile("rb") as answer:
            return int(answer.readline(200).split()[1])
    except TimeoutError:
        return 100


def _reason(error: Exception) -> str:
    import httpx

    if isinstance(error, httpx.TimeoutException):
        return "no answer in time"
    text = re.sub(r"\[[^]]*\] *| *\(_ssl\.c:\d+\)", "", str(error))
    if "wrong version number" in text or "record layer failure" in text:
        return "it does not speak TLS on this port; https is asked for"
    return text or type(error).__name__


def _may_repeat(method: str, error: Exception) -> bool:
    """Whether another try can help, and cannot do anything twice."""
    import httpx

    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        return not _is_final(error)
    # A kept connection may be closed by the server at the very moment at which we use it again.
    dropped = isinstance(error, httpx.RemoteProtocolError | httpx.ReadError | httpx.WriteError)
    return dropped and method in ("GET", "HEAD")


def _is_final(error: Exception) -> bool:
    """Whether another try cannot help: no TLS, a certificate that is not trusted, a name that does not exist."""
    text = str(error)
    return "SSL" in text or "certificate" in text.lower() or "Name or service not known" in text
