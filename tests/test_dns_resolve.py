"""Names asked of a server that says nothing, nonsense, or is not there; what a real one says is in the live tests."""

from __future__ import annotations

import socket
from threading import Thread

import pytest

from codemods.dns.resolve import dns_server, resolve
from codemods.errors import CodemodError


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        ("127.0.0.1", ("127.0.0.1", 53)),
        ("127.0.0.1:5353", ("127.0.0.1", 5353)),
        ("http://127.0.0.1:5380", ("127.0.0.1", 53)),
        ("https://127.0.0.1/dns", ("127.0.0.1", 53)),
        ("[::1]:5353", ("::1", 5353)),
    ],
)
def test_where_a_server_is_asked(server: str, expected: tuple[str, int]) -> None:
    """Of a URL only the host counts: its port is that of the API."""
    assert dns_server(server) == expected


def test_a_server_of_no_address() -> None:
    """It is told in one line, whichever way it is wrong."""
    for server in ("127.0.0.1:99999", "no such host", ""):
        with pytest.raises(CodemodError, match="this machine does not know its address"):
            resolve("registry.home.lan", server)


def test_a_server_that_says_nothing() -> None:
    """The deadline holds, over UDP and over TCP."""
    with socket.socket(type=socket.SOCK_DGRAM) as silent, socket.socket() as deaf:
        silent.bind(("127.0.0.1", 0))
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        for server, tcp in ((silent, False), (deaf, True)):
            with pytest.raises(CodemodError, match=r"no answer for registry\.home\.lan: "):
                resolve("registry.home.lan", f"127.0.0.1:{server.getsockname()[1]}", tcp=tcp, timeout=0.2)


def test_a_server_that_is_not_there() -> None:
    """A refused connection is told as such."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        with pytest.raises(CodemodError, match=r"[Rr]efused"):
            resolve("registry.home.lan", f"127.0.0.1:{closed.getsockname()[1]}", tcp=True)


def test_a_server_that_speaks_nonsense() -> None:
    """An answer that is none does not end in a traceback."""
    with socket.socket(type=socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(5)

        def answer() -> None:
            _, client = server.recvfrom(512)
            server.sendto(b"nonsense", client)

        thread = Thread(target=answer)
        thread.start()
        with pytest.raises(CodemodError, match="no answer for"):
            resolve("registry.home.lan", f"127.0.0.1:{server.getsockname()[1]}", timeout=0.5)
        thread.join()
