"""Tokens of a realm on another server, over TLS, as the public registries have them."""

from __future__ import annotations

import json
import ssl
from typing import TYPE_CHECKING

import pytest

from tests.live.conftest import require
from tests.live.front import certificates
from tests.registry_server import PASSWORD, Answer, Server, challenge, client

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.live


def test_a_token_of_another_server_is_asked_for_without_the_login(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The token goes to the registry and the login to nobody; an old token is replaced."""
    require("openssl")
    authority = certificates(tmp_path / "tls", "IP:127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(authority / "ca.pem"))
    valid = ["t1"]

    def realm(method: str, path: str, login: str) -> Answer:
        return Answer(body=json.dumps({"token": valid[0]}).encode())

    def registry(method: str, path: str, login: str) -> Answer:
        if login == f"Bearer {valid[0]}":
            return Answer(body=b'{"tags": ["v1"]}')
        return Answer(401, headers=challenge(f"{other.url.replace('http:', 'https:')}/token"))

    other = Server(realm)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / "server.pem", authority / "server.key")
    other.http.socket = context.wrap_socket(other.http.socket, server_side=True)
    with other, Server(registry) as server, client(server, PASSWORD) as ours:
        assert ours.tags("app") == ["v1"]
        valid[0] = "t2"
        assert ours.tags("app") == ["v1"]
        assert other.asked == [("GET", "/token?service=registry&scope=repository%3Aapp%3Apull", "")] * 2
        assert [login for _, _, login in server.asked] == ["", "Bearer t1", "Bearer t1", "Bearer t2"]
