"""Dynamic updates without a server that takes them: keys that are none, and answers that nobody signed."""

from __future__ import annotations

from socketserver import BaseRequestHandler, TCPServer
from threading import Thread

import pytest

from codemods.credentials import Credentials
from codemods.dns.rfc2136 import ALGORITHMS, Rfc2136
from codemods.errors import CodemodError
from tests.dns_responder import Responder

SECRET = "cGxhbnRlZC10c2lnLXNlY3JldA=="


def provider(server: str, username: str = "key", password: str = SECRET, algorithm: str = "") -> Rfc2136:
    return Rfc2136(server, Credentials(server, username=username, password=password, algorithm=algorithm), "home.lan")


@pytest.mark.parametrize(
    ("username", "password", "algorithm", "message"),
    [
        ("", SECRET, "", "are not complete: an update needs a username, which is the name of the TSIG key"),
        ("key", "", "", "are not complete"),
        ("key", "no base64!", "", "is not one: a domain name, and a secret in base64"),
        ("key", "naïve", "", "is not one: a domain name"),
        ("a..b", SECRET, "", "is not one: a domain name"),
        ("key", SECRET, "md5", "name the algorithm md5: hmac-sha256, .* are known"),
    ],
)
def test_a_key_that_is_none(username: str, password: str, algorithm: str, message: str) -> None:
    """What is wrong is said, and the secret is not."""
    with pytest.raises(CodemodError, match=message) as caught:
        provider("10.0.0.1", username, password, algorithm)
    assert not password or password not in str(caught.value)


@pytest.mark.parametrize("algorithm", ["", "HMAC-SHA256", *ALGORITHMS])
def test_an_unsigned_answer_is_refused(algorithm: str) -> None:
    """Whoever answers without the key is not the server."""
    with (
        Responder(lambda name, record_type: [("A", 60, "10.0.20.10")]) as server,
        pytest.raises(CodemodError, match=f"^{server.address}: key key: the answer is not signed by this key"),
    ):
        provider(server.address, algorithm=algorithm).records("registry.home.lan", "A")


class Closing(BaseRequestHandler):
    """Reads what comes and ends the connection."""

    def handle(self) -> None:
        self.request.recv(4096)


def test_something_else_answers() -> None:
    """A server that closes the connection without an answer is one line."""
    with TCPServer(("127.0.0.1", 0), Closing) as server:
        thread = Thread(target=server.handle_request)
        thread.start()
        address = f"127.0.0.1:{server.server_address[1]}"
        with pytest.raises(CodemodError, match=f"^{address}: the connection was closed without an answer$"):
            provider(address).records("registry.home.lan", "A")
        thread.join()
