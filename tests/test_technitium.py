"""Technitium's API as a client sees it: both ways to give a token, the login, and each of its errors as one line."""

from __future__ import annotations

import json
import logging
import ssl
import subprocess
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest

from codemods.credentials import Credentials
from codemods.dns.model import Change, Record
from codemods.dns.technitium import Technitium as Provider
from codemods.dns.technitium_api import CodeRequired, InvalidToken
from codemods.errors import CodemodError
from tests.technitium import ADDRESS, CODE, NAME, PASSWORD, TOKEN, Technitium, Zone, home, record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STALE = Record(NAME, "A", "10.0.0.9", 600)


@pytest.fixture(params=[15, 14], ids=["v15", "v14"])
def server(request: pytest.FixtureRequest) -> Iterator[Technitium]:
    """A server of either kind."""
    with home(version=request.param) as server:
        yield server


@pytest.fixture
def zone(server: Technitium) -> Zone:
    """The server's zone."""
    return server.zones["home.lan"]


def with_token(server: Technitium, token: str = TOKEN, zone: str = "") -> closing[Provider]:
    """A provider for a `with` block."""
    return closing(Provider(server.url, Credentials(server.url, token=token), zone))


def login(server: Technitium, username: str, password: str = PASSWORD, totp: str = "") -> closing[Provider]:
    """The same with a login."""
    return closing(Provider(server.url, Credentials(server.url, username=username, password=password, totp=totp)))


def read(url: str, credentials: Credentials | None = None, name: str = NAME) -> list[Record]:
    """The records of a name at a URL; without credentials with the token."""
    with closing(Provider(url, credentials or Credentials(url, token=TOKEN))) as provider:
        return provider.records(name, "A")


# Records


def test_records_are_read(server: Technitium, zone: Zone) -> None:
    """Addresses and CNAMEs of the name with all that belongs to them; other types and names are left out."""
    zone.records += [
        record(NAME, "A", "10.0.0.9", 600, comments="by hand"),
        record(NAME, "A", ADDRESS, disabled=True),
        record(NAME, "AAAA", "FD00::0:1"),
        record(NAME, "TXT", "v=1"),
        record("other.home.lan", "A", ADDRESS),
    ]
    assert read(server.url) == [
        Record(NAME, "A", "10.0.0.9", 600, comments="by hand"),
        Record(NAME, "A", ADDRESS, 3600, disabled=True),
        Record(NAME, "AAAA", "fd00::1", 3600),
    ]


def test_changes_are_made(server: Technitium, zone: Zone) -> None:
    """A record is added with its TTL, changed in place with TTL and comments kept, and removed."""
    new = Record(NAME, "A", "10.0.0.9", 600)
    with with_token(server) as provider:
        provider.change([], [Change(None, new)])
        assert server.seen(NAME) == [("A", "10.0.0.9", 600, False)]
        zone.records[0]["comments"] = "by hand"
        seen = provider.records(NAME, "A")
        provider.change(seen, [Change(seen[0], seen[0]._replace(value=ADDRESS))])
        assert zone.records == [record(NAME, "A", ADDRESS, 600, comments="by hand")]
        seen = provider.records(NAME, "A")
        provider.change(seen, [Change(seen[0], None)])
    assert zone.records == []


def test_nothing_is_done_to_records_that_moved(server: Technitium, zone: Zone) -> None:
    """Records that are not as they were seen are left alone."""
    zone.records.append(record(NAME, "A", "10.0.0.8"))
    with with_token(server) as provider, pytest.raises(CodemodError) as caught:
        provider.change([STALE], [Change(STALE, STALE._replace(value=ADDRESS))])
    assert str(caught.value) == f"the records of {NAME} have changed meanwhile: run sync-dns again"
    assert server.seen(NAME) == [("A", "10.0.0.8", 3600, False)]


def test_a_failure_on_the_way_says_how_far_it_came(server: Technitium, zone: Zone) -> None:
    """When a later change is refused, the error tells how many were made before."""
    zone.records += [record(NAME, "A", "10.0.0.9"), record(NAME, "A", "10.0.0.8")]
    server.before["zones/records/delete"] = zone.records.clear
    refused = r"removing the A record 10\.0\.0\.8 of .*no such record.*\(1 of 2 changes made"
    with with_token(server) as provider:
        seen = provider.records(NAME, "A")
        with pytest.raises(CodemodError, match=refused):
            provider.change(seen, [Change(seen[0], seen[0]._replace(value=ADDRESS)), Change(seen[1], None)])


# Tokens and logins


def test_a_token_is_never_in_a_url(server: Technitium) -> None:
    """Servers since v15 get it as a header, older ones as a form field."""
    with with_token(server) as provider:
        provider.records(NAME, "A")
        provider.records(NAME, "A")
    first = ["zones/records/get"] if server.version < 15 else []
    assert server.calls == [*first, "zones/records/get", "zones/records/get"]
    assert all(line.startswith('"POST /api/zones/records/get HTTP') for line in server.accesses)


def test_an_old_server_that_calls_a_missing_token_invalid() -> None:
    """One that ignores the header may answer `invalid-token` as well: then the form field opens it."""
    with home(version=14) as server:
        server.missing_token_is_invalid = True
        assert read(server.url) == []


def test_a_login_is_logged_out(server: Technitium) -> None:
    """The session lives as long as the provider."""
    with login(server, "admin") as provider:
        assert provider.records(NAME, "A") == []
        assert len(server.sessions) == 1
    assert server.sessions == set()


def test_a_token_is_not_logged_out(server: Technitium) -> None:
    """Its owner wants to use it again."""
    with with_token(server):
        pass
    assert server.calls == []


def test_a_login_with_a_code(server: Technitium) -> None:
    """Without the one-time code the error is of a class of its own; with it the door opens."""
    with pytest.raises(CodeRequired, match=r"logging in: A time-based one-time password \(TOTP\) is required.*_TOTP"):
        login(server, "careful")
    with pytest.raises(CodemodError, match="Invalid time-based one-time password"):
        login(server, "careful", totp="000000")
    with login(server, "careful", totp=CODE) as provider:
        assert provider.records(NAME, "A") == []


def test_wrong_logins_are_tried_once_each(server: Technitium) -> None:
    """No attempt is repeated; after five the server blocks, and that is said."""
    for _ in range(5):
        with pytest.raises(CodemodError, match="Invalid username or password for user: admin: the server blocks"):
            login(server, "admin", "wrong")
    assert server.failures == 5
    with pytest.raises(
        CodemodError, match=r"Max limit of 5 attempts exceeded\. Access blocked.*: wait until the block"
    ):
        login(server, "admin")


def test_an_unknown_token(server: Technitium) -> None:
    """A token that the server does not know, or no longer, is an error after both ways were tried."""
    with with_token(server, "never-made") as provider, pytest.raises(InvalidToken) as caught:
        provider.records(NAME, "A")
    said = "Invalid token or session expired: give a token that this server made"
    assert str(caught.value) == f"{server.url}: reading {NAME}: {said}"
    assert len(server.calls) == 2


def test_a_session_that_expires(server: Technitium) -> None:
    """A login whose session the server forgot is an error, and so is logging out of it."""
    provider = Provider(server.url, Credentials(server.url, username="admin", password=PASSWORD))
    server.sessions.clear()
    with pytest.raises(InvalidToken, match=rf"reading {NAME}: Invalid token or session expired"):
        provider.records(NAME, "A")
    with pytest.raises(InvalidToken, match="logging out: Invalid token or session expired"):
        provider.close()


@pytest.mark.parametrize("token", ["with\nline", "with\r\nHost: other", "two words", "naïve", "tab\t"])
def test_a_token_that_is_none(server: Technitium, token: str) -> None:
    """What cannot stand in a header is refused before it gets there, and is not shown."""
    with pytest.raises(CodemodError, match="holds a blank, a line end, or the like") as caught:
        with_token(server, token)
    assert token not in str(caught.value)
    assert server.calls == []


@pytest.mark.parametrize(("username", "password"), [("", ""), ("admin", ""), ("", PASSWORD)])
def test_half_a_login(server: Technitium, username: str, password: str) -> None:
    """Credentials without a token need a username and a password."""
    with pytest.raises(CodemodError, match="are not complete: they need a token, or a username and a password"):
        login(server, username, password)
    assert server.calls == []


# Errors of the server


def test_no_such_zone(server: Technitium) -> None:
    """A name without a zone, and a zone that the server does not have."""
    advice = r"create the zone on the server, or set dns\.zone"
    with with_token(server) as provider, pytest.raises(CodemodError, match=rf"zone was found: x\.other\.lan: {advice}"):
        provider.records("x.other.lan", "A")
    with (
        with_token(server, zone="lan") as provider,
        pytest.raises(CodemodError, match=f"zone was found: lan: {advice}"),
    ):
        provider.records(NAME, "A")


def test_the_closest_zone_is_found(server: Technitium, zone: Zone) -> None:
    """Without a zone in the settings the longest one above the name is taken, and stays."""
    server.zones["dev.home.lan"] = Zone("dev.home.lan")
    name = "registry.dev.home.lan"
    with with_token(server) as provider:
        provider.change(provider.records(name, "A"), [Change(None, Record(name, "A", ADDRESS, 60))])
    assert zone.records == []
    assert server.zones["dev.home.lan"].records == [record(name, "A", ADDRESS, 60)]


@pytest.mark.parametrize("rights", [(), ("view",)])
def test_denied(server: Technitium, zone: Zone, rights: tuple[str, ...]) -> None:
    """A user who may not read, or not write, the zone."""
    zone.rights = rights
    denied = "Access was denied: give the user or token the right to modify this zone"
    with with_token(server) as provider, pytest.raises(CodemodError, match=denied):
        provider.change([], [Change(None, STALE)])


def test_a_disabled_zone(server: Technitium, zone: Zone) -> None:
    """A record in it would never be served."""
    zone.disabled = True
    with pytest.raises(CodemodError, match=r"the zone home\.lan is disabled: enable it on the server"):
        read(server.url)


def test_the_server_refuses_a_second_record(server: Technitium, zone: Zone) -> None:
    """A disabled record with the same address stands in the way, and a CNAME that came in the last moment."""
    zone.records.append(record(NAME, "A", ADDRESS, disabled=True))
    seen = [Record(NAME, "A", ADDRESS, 3600, disabled=True)]
    new = Change(None, Record(NAME, "A", ADDRESS, 3600))
    with with_token(server) as provider:
        with pytest.raises(CodemodError, match="record already exists: look at it there: it may be a disabled one"):
            provider.change(seen, [new])
        server.before["zones/records/add"] = lambda: zone.records.append(record(NAME, "CNAME", "vm.home.lan"))
        with pytest.raises(CodemodError, match=r"adding the A record .*: a CNAME record exists"):
            provider.change(seen, [new])


def test_an_unknown_error_is_passed_on(server: Technitium) -> None:
    """A message that we do not know, with what is inside of it, in one line."""
    server.fault = "The zone\n is busy.", "disk\r\nfull"
    with pytest.raises(CodemodError) as caught:
        read(server.url)
    assert str(caught.value) == f"{server.url}: reading {NAME}: The zone is busy (disk full)"


# Something else than the server


@contextmanager
def answering(status: int, body: bytes, **headers: str) -> Iterator[str]:
    """URL of a server that answers everything with this."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, form: str, *values: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


GOOD_ZONE = {"zone": {"name": "home.lan"}, "records": [{"type": "A", "name": NAME, "ttl": 1, "rData": {}}]}


@pytest.mark.parametrize(
    ("status", "body", "headers", "message"),
    [
        (404, b"", {}, "is not Technitium's API: it answers 404: is dns.server right?"),
        (200, b"<html>hello</html>", {"Content_Type": "text/html; charset=utf-8"}, "answers with text/html that is no"),
        (200, b"\xff\xfe\x00", {}, "it answers with something that is no JSON"),
        (200, b"[" * 100_000, {}, "it answers with something that is no JSON"),
        (200, b"[]", {}, "its answer has no status"),
        (200, b'{"status": 7}', {}, "its answer has no status"),
        (200, b'{"status": "ok", "response": []}', {}, "its response is no object"),
        (200, b'{"status": "ok"}', {}, f"reading {NAME}: the answer is not as documented"),
        (200, json.dumps({"status": "ok", "response": GOOD_ZONE}).encode(), {}, "the answer is not as documented"),
        (
            302,
            b"",
            {"Location": "https://dns.home.lan/"},
            "it answers 302 to https://dns.home.lan/: is dns.server right",
        ),
        (502, b"Bad Gateway", {}, "it answers 502"),
    ],
)
def test_an_answer_of_something_else(status: int, body: bytes, headers: dict[str, str], message: str) -> None:
    """A proxy's page, a redirect, an empty 404: the error names the URL and what came."""
    with answering(status, body, **headers) as url, pytest.raises(CodemodError) as caught:
        read(url)
    assert message in str(caught.value)
    assert str(caught.value).startswith(url)
    assert "\n" not in str(caught.value)


def test_a_login_without_a_token() -> None:
    """An answer to a login that holds no token is not the API's."""
    with answering(200, b'{"status": "ok"}') as url, pytest.raises(CodemodError, match="it gives no token"):
        Provider(url, Credentials(url, username="admin", password=PASSWORD))


def test_a_server_that_is_down() -> None:
    """Nobody listens there."""
    with Technitium() as stopped:
        url = stopped.url
    with pytest.raises(CodemodError, match=f"^{url}: .*refused"):
        read(url)


def test_a_certificate_that_is_not_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's authorities decide; one more can be given to them."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-nodes", "-days", "1"]
    output = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", *subject, *output], check=True, capture_output=True
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with home(tls=context) as server:
        url = server.url.replace("127.0.0.1", "localhost")
        with pytest.raises(CodemodError, match=f"^{url}: .*certificate verify failed"):
            read(url)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert read(url) == []


# Secrets


def test_a_server_that_repeats_what_it_got(server: Technitium, caplog: pytest.LogCaptureFixture) -> None:
    """No secret reaches an error or a log, even when the server, or a proxy before it, sends it back."""
    caplog.set_level(logging.DEBUG)
    server.repeats = True
    errors = []
    attempts: list[tuple[dict[str, Any], str]] = [
        ({"token": "planted-unknown"}, NAME),
        ({"username": "admin", "password": "planted-wrong"}, NAME),
        ({"username": "careful", "password": PASSWORD, "totp": "planted-code"}, NAME),
        ({"username": "admin", "password": PASSWORD}, "x.other.lan"),
    ]
    for fields, name in attempts:
        with pytest.raises(CodemodError) as caught:
            read(server.url, Credentials(server.url, **fields), name)
        errors.append(str(caught.value))
    shown = "\n".join([*errors, caplog.text, *server.accesses])
    assert server.issued
    assert shown.count("***") >= len(errors)
    for secret in ("planted", TOKEN, PASSWORD, *server.issued):
        assert secret not in shown
