"""Sockets in the network of a machine, and a loopback port of this host that leads into it."""

from __future__ import annotations

import contextlib
import ctypes
import http.client
import os
import socket
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple, Self, TypeVar

from tests.live.lab import PATH

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

Result = TypeVar("Result")
CLONE_NEWNET = 0x40000000


def join_network(pid: int) -> None:
    """Move this thread into the network of a process, for good."""
    descriptor = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
    try:
        if ctypes.CDLL(None, use_errno=True).setns(descriptor, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns failed")
    finally:
        os.close(descriptor)


def in_network(pid: int, call: Callable[[], Result]) -> Result:
    """The result of `call()`, made in the network of a process. A socket stays in the network that made it."""
    with ThreadPoolExecutor(1, initializer=join_network, initargs=(pid,)) as pool:
        return pool.submit(call).result()


class Answer(NamedTuple):
    """An HTTP answer."""

    status: int
    body: str
    headers: dict[str, str]

    @property
    def is_registry(self) -> bool:
        """Whether a registry answered, with or without asking for a login."""
        return self.status in (200, 401) and self.headers.get("docker-distribution-api-version") == "registry/2.0"


def get(port: int, path: str, timeout: float = 5) -> Answer:
    """GET from 127.0.0.1 in the network of this thread. Raises OSError or HTTPException."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, answer.read().decode(errors="replace"), headers)


class Door:
    """A loopback port of this host that leads to a port of a machine; shut, it refuses connections.

    `pid` is a process in the machine's network. Each connection has a process of its own that passes bytes on.
    """

    def __init__(self, pid: int, inside: int) -> None:
        self.relay = ["nsenter", "--target", str(pid), "--net", "busybox", "nc", "127.0.0.1", str(inside)]
        self.port = 0
        self.listener: socket.socket | None = None
        self.relays: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shut()

    def open(self) -> None:
        """Take connections, on the same port as before."""
        self.listener = socket.create_server(("127.0.0.1", self.port), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, args=(self.listener,), daemon=True).start()

    def serve(self, listener: socket.socket) -> None:
        """Pass connections on until the listener is shut."""
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                passing = subprocess.Popen(
                    self.relay,
                    stdin=connection.fileno(),
                    stdout=connection.fileno(),
                    stderr=subprocess.DEVNULL,
                    env={"PATH": PATH},
                )
            self.relays = [relay for relay in self.relays if relay.poll() is None] + [passing]

    def drop(self) -> int:
        """Break all connections; returns how many there were."""
        broken = [relay for relay in self.relays if relay.poll() is None]
        for relay in broken:
            relay.kill()
            relay.wait()
        return len(broken)

    def shut(self) -> None:
        """Take no more connections and break those there are."""
        if self.listener:
            # Only this wakes the thread that waits for connections.
            self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()
            self.listener = None
        self.drop()
