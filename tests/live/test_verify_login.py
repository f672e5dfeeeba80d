"""`codemod verify --registry` where a login is asked for: whose it is, where it goes, and what is said without it."""

from __future__ import annotations

from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from tests.live.conftest import require
from tests.live.front import (
    HOSTNAME,
    LOCATION,
    NEEDS,
    Nginx,
    certificates,
    name_server,
    registry_config,
    repository,
    served,
    verify,
)
from tests.live.lab import run

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.live

PASSWORD = "pushes-9f3c1"
WRONG = "wrong-77aa1"
HTPASSWD = "auth: {htpasswd: {realm: registry, path: %s}}"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory for daemons, on a machine that has them."""
    require(*NEEDS, "htpasswd", root=True)
    return tmp_path


def login(origin: str, password: str = PASSWORD, http: str = "") -> dict[str, str]:
    """The environment of a user who has a login."""
    given = {"ORIGIN": origin, "USERNAME": "ci", "PASSWORD": password, "ALLOW_HTTP": http}
    return {f"CODEMOD_REGISTRY_{name}": value for name, value in given.items() if value}


def htpasswd(place: Path) -> str:
    """The section of a registry's configuration that asks for a login; the cheapest bcrypt there is."""
    file = place / "htpasswd"
    file.write_text(run(["htpasswd", "-nbB", "-C", "4", "ci", PASSWORD]).stdout)
    return HTPASSWD % file


def test_a_login(place: Path) -> None:
    """The registry must ask for it, and take ours; which variables are missing is said; no password is ever shown."""
    nginx = Nginx(tls=certificates(place / "tls"))
    ca = f'ca = "{place}/tls/ca.pem"'
    root = repository(place / "infra", nginx.port, 'scheme = "https"', 'auth = "htpasswd"', ca)
    hosts = place / "hosts"
    hosts.write_text(f"127.0.0.1 localhost {HOSTNAME}\n")
    resolving = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', str(hosts)]
    origin = f"https://{HOSTNAME}:{nginx.port}"
    with served(place, nginx, registry_config(place, more=htpasswd(place))) as (_, server):
        arguments = ("--registry", "--set", server)
        right = verify(root, *arguments, env=login(origin), prefix=resolving)
        none = verify(root, *arguments)
        wrong = verify(root, *arguments, env=login(origin, WRONG), prefix=resolving)
        unexpected = verify(root, *arguments, "--set", "registry.auth=none")
        unresolved = verify(root, *arguments, env=login(origin))
    assert (right.code, right.states) == (0, ["pass"] * 3), right.output
    assert "it asks for a login" in right.checks[0][2]
    assert (none.code, none.states) == (3, ["pass", "pass", "error"])
    assert (
        f"CODEMOD_REGISTRY_ORIGIN={origin}, CODEMOD_REGISTRY_USERNAME and CODEMOD_REGISTRY_PASSWORD"
        in (none.one("push")[1])
    )
    assert (wrong.code, wrong.states) == (1, ["pass", "pass", "fail"])
    assert "asks for a login (401)" in wrong.one("push")[1]
    assert 'registry.auth is "none"' in unexpected.checks[0][2]
    assert unresolved.states == ["pass", "pass", "error"]
    assert "this machine does not resolve the name" in unresolved.one("push")[1]
    for done in (right, none, wrong, unexpected, unresolved):
        assert PASSWORD not in done.output
        assert WRONG not in done.output


def test_a_login_over_plain_http(place: Path) -> None:
    """It needs to be allowed; given for the address, too, it needs no resolver of this machine."""
    nginx = Nginx()
    root = repository(place / "infra", nginx.port, 'auth = "htpasswd"')
    by_name, by_address = f"http://{HOSTNAME}:{nginx.port}", f"http://127.0.0.1:{nginx.port}"
    entries = [
        f'[[registry]]\norigin = "{origin}"\nusername = "ci"\npassword = "{PASSWORD}"\nallow_http = true\n'
        for origin in (by_name, by_address)
    ]
    file = root / ".config" / "codemod" / "credentials.toml"
    file.parent.mkdir(parents=True)
    file.write_text("\n".join(entries))
    file.chmod(0o600)
    with served(place, nginx, registry_config(place, more=htpasswd(place))) as (_, server):
        right = verify(root, "--registry", "--set", server)
        file.unlink()
        refused = verify(root, "--registry", "--set", server, env=login(by_name))
    assert right.states == ["pass"] * 3, right.output
    assert refused.states == ["pass", "pass", "error"]
    assert "would travel unencrypted" in refused.one("push")[1]
    assert PASSWORD not in right.output + refused.output


def test_no_login_asked_for(place: Path) -> None:
    """A registry that everyone may use is wrong where the settings say that it asks for a login."""
    nginx = Nginx()
    root = repository(place / "infra", nginx.port, 'auth = "htpasswd"')
    with served(place, nginx) as (_, server):
        done = verify(root, "--registry", "--set", server)
    assert done.states == ["fail", "fail", "skipped"]
    assert "it answers without a login" in done.checks[0][2]


def test_a_cache_that_gives_images_away(place: Path) -> None:
    """nginx asks the registry for those who log in, keeps what it gets, and gives it to those who do not."""
    cache = "proxy_cache cache; proxy_cache_key $uri; proxy_cache_valid 200 1m; proxy_cache_bypass $http_authorization;"
    nginx = Nginx(f"{LOCATION} {cache}")
    root = repository(place / "infra", nginx.port, 'auth = "htpasswd"')
    env = login(f"http://localhost:{nginx.port}", http="1")
    with served(place, nginx, registry_config(place, more=htpasswd(place))):
        done = verify(root, "--registry", "--set", "registry.hostname=localhost", env=env)
    assert done.states == ["pass", "pass", "fail"]
    assert "the image is given without a login" in done.one("push")[1]


class Recorder(BaseHTTPRequestHandler):
    """A server that asks everyone for a login and keeps what it gets."""

    seen: list[str]

    def do_GET(self) -> None:
        self.seen.append(self.headers.get("Authorization", ""))
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="registry"')
        self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_POST = do_GET

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


def test_a_login_is_not_redirected(place: Path) -> None:
    """A codemod.toml that names another name server leads the name elsewhere, and the login does not follow."""
    handler = type("Handler", (Recorder,), {"seen": []})
    with ThreadingHTTPServer(("127.0.0.2", 0), handler) as thief, ExitStack() as stack:
        Thread(target=thief.serve_forever, daemon=True).start()
        stack.callback(thief.shutdown)
        port = thief.server_port
        root = repository(place / "infra", port, 'auth = "htpasswd"')
        server = stack.enter_context(name_server(place / "dns", "127.0.0.2"))
        arguments = ("--set", f"dns.server={server}", "--set", "registry.address=127.0.0.2")
        given = login(f"http://{HOSTNAME}:{port}", http="1")
        for check in ("--registry", "--images", "--cache", "--integrity"):
            done = verify(root, check, *arguments, env=given)
            assert done.code == 3, done.output
            assert PASSWORD not in done.output
    assert set(handler.seen) == {""}  # type: ignore[attr-defined]
