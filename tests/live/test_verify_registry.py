"""`codemod verify --registry` before the real registry and nginx: right stacks pass, each wrong one is told by name."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from tests.live.conftest import require
from tests.live.front import (
    HOSTNAME,
    LOCATION,
    NEEDS,
    Nginx,
    OpenRegistry,
    certificates,
    name_server,
    registry_config,
    repository,
    verify,
)
from tests.live.lab import free_port, run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.live.deployment import Deployment

pytestmark = pytest.mark.live

PASSWORD = "pushes-9f3c1"
WRONG = "wrong-77aa1"
HTPASSWD = "auth: {htpasswd: {realm: registry, path: %s}}"
READ_ONLY = {"REGISTRY_STORAGE_MAINTENANCE_READONLY": '{"enabled":true}'}
CACHED = f"{LOCATION} proxy_cache cache; proxy_cache_key $uri;"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory for daemons, on a machine that has them."""
    require(*NEEDS, "htpasswd", root=True)
    return tmp_path


@contextmanager
def served(
    place: Path, nginx: Nginx, config: Path | None = None, env: dict[str, str] | None = None, address: str = "127.0.0.1"
) -> Iterator[tuple[OpenRegistry, str]]:
    """A registry behind nginx, and a name server: the registry, and the setting that names the server."""
    registry = OpenRegistry(place / "registry", config or registry_config(place))
    registry.env.update(env or {})
    with registry, nginx.process(place / "nginx", registry.address), name_server(place / "dns", address) as server:
        yield registry, f"dns.server={server}"


def login(origin: str, password: str = PASSWORD, http: str = "") -> dict[str, str]:
    """The environment of a user who has a login."""
    given = {"ORIGIN": origin, "USERNAME": "ci", "PASSWORD": password, "ALLOW_HTTP": http}
    return {f"CODEMOD_REGISTRY_{name}": value for name, value in given.items() if value}


def htpasswd(place: Path) -> str:
    """The section of a registry's configuration that asks for a login; the cheapest bcrypt there is."""
    file = place / "htpasswd"
    file.write_text(run(["htpasswd", "-nbB", "-C", "4", "ci", PASSWORD]).stdout)
    return HTPASSWD % file


def test_a_right_stack_passes(place: Path) -> None:
    """By address, by the name that the DNS server knows, with a push of which nothing is left."""
    nginx = Nginx()
    root = repository(place / "infra", nginx.port)
    with served(place, nginx) as (registry, server):
        done = verify(root, "--registry", "--set", server)
        tags = run(["busybox", "wget", "-qO-", f"http://{registry.address}/v2/_catalog"]).stdout
        left = [path for path in registry.storage.rglob("link") if "_manifests" in path.parts]
        left += registry.storage.rglob("_uploads/*")
    assert (done.code, done.states) == (0, ["pass", "pass", "pass"]), done.output
    assert "registry/2.0" in done.one("http://127.0.0.1:")[1]
    assert "127.0.0.1 says 127.0.0.1:" in done.one(f"http://{HOSTNAME}:")[1]
    assert done.one("push") == ("pass", "pushed, read back, replaced and removed")
    assert tags.strip() == '{"repositories":["codemod-verify"]}'
    assert left == []


def test_https_with_an_authority_of_its_own(place: Path) -> None:
    """The certificate is checked for the name, on both ways; without `registry.ca` nobody vouches for it."""
    nginx = Nginx(tls=certificates(place / "tls"))
    root = repository(place / "infra", nginx.port, 'scheme = "https"', f'ca = "{place}/tls/ca.pem"')
    with served(place, nginx) as (_, server):
        assert verify(root, "--registry", "--set", server).states == ["pass"] * 3
        done = verify(root, "--registry", "--set", server, "--set", "registry.ca=")
        plain = verify(root, "--registry", "--set", server, "--set", "registry.scheme=http")
    assert (done.code, done.states) == (1, ["fail", "fail", "skipped"])
    assert "certificate verify failed" in done.checks[0][2]
    assert "it speaks TLS on this port" in plain.checks[0][2]


def test_plain_http_where_https_is_expected(place: Path) -> None:
    """What OpenSSL calls a wrong version number is said in words."""
    nginx = Nginx()
    root = repository(place / "infra", nginx.port, 'scheme = "https"')
    with served(place, nginx) as (_, server):
        done = verify(root, "--registry", "--set", server)
    assert done.states == ["fail", "fail", "skipped"]
    assert "it does not speak TLS on this port" in done.checks[0][2]


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


PUSHES = {
    "lost port": (LOCATION.replace("$http_host", "$host"), "the port is lost"),
    "another host": (LOCATION.replace("$http_host", "backend"), "uploads are sent to http://backend"),
    "body limit": (f"{LOCATION} client_max_body_size 1m;", "takes no body of this size"),
    "larger body limit": (f"{LOCATION} client_max_body_size 100m;", "one of 1.0 GiB is not"),
    "cached 404": (f"{CACHED} proxy_cache_valid 404 1m;", "still answers from before it"),
    "cached tag": (f"{CACHED} proxy_cache_valid 200 1m;", "still gives what was pushed before"),
}


@pytest.mark.parametrize("cause", PUSHES)
def test_a_push_that_fails_says_why(place: Path, cause: str) -> None:
    """Both ways to the registry are fine, and the push names the one thing that is wrong with nginx."""
    location, reason = PUSHES[cause]
    nginx = Nginx(location)
    root = repository(place / "infra", nginx.port)
    with served(place, nginx) as (registry, server):
        done = verify(root, "--registry", "--set", server)
        tags = list(registry.storage.rglob("tags/*/current/link"))
    assert (done.code, done.states) == (1, ["pass", "pass", "fail"]), done.output
    assert reason in done.one("push")[1]
    assert tags == [], "what was pushed is removed"


def test_tls_that_the_registry_is_not_told_of(place: Path) -> None:
    """Without X-Forwarded-Proto uploads go on over http."""
    location = LOCATION.replace("proxy_set_header X-Forwarded-Proto $scheme; ", "")
    nginx = Nginx(tls=certificates(place / "tls"), location=location)
    root = repository(place / "infra", nginx.port, 'scheme = "https"', f'ca = "{place}/tls/ca.pem"')
    with served(place, nginx) as (_, server):
        done = verify(root, "--registry", "--set", server)
    assert done.states == ["pass", "pass", "fail"]
    assert "X-Forwarded-Proto $scheme" in done.one("push")[1]


def test_a_cache_that_gives_images_away(place: Path) -> None:
    """nginx caches what one user may read, and gives it to those without a login."""
    location = f"{LOCATION} proxy_cache cache; proxy_cache_key $uri$upstream_http_none; proxy_cache_valid 200 1s;"
    nginx = Nginx(location=location)
    root = repository(place / "infra", nginx.port, 'auth = "htpasswd"')
    env = login(f"http://127.0.0.1:{nginx.port}", http="1")
    arguments = ("--registry", "--set", "registry.hostname=localhost")
    with served(place, nginx, registry_config(place, more=htpasswd(place))):
        env = login(f"http://localhost:{nginx.port}", http="1")
        done = verify(root, *arguments, env=env)
    assert done.one("push")[0] == "fail"
    assert "a cache in front" in done.one("push")[1]


def test_a_read_only_registry(place: Path) -> None:
    """It answers, and takes nothing."""
    nginx = Nginx()
    root = repository(place / "infra", nginx.port)
    with served(place, nginx, env=READ_ONLY) as (_, server):
        done = verify(root, "--registry", "--set", server)
    assert done.states == ["pass", "pass", "fail"]
    assert "read-only" in done.one("push")[1]
    assert "(405)" in done.one("push")[1]


def test_deletion_that_is_off(place: Path) -> None:
    """The push works all the same, and what stays is named."""
    nginx = Nginx()
    root = repository(place / "infra", nginx.port)
    with served(place, nginx, registry_config(place, delete=False)) as (registry, server):
        done = verify(root, "--registry", "--set", server)
        [tag] = [path.parents[1].name for path in registry.storage.rglob("tags/*/current/link")]
    assert done.code == 0
    assert f"deletion is off, so codemod-verify:{tag} stays there" in done.one("push")[1]


def test_nothing_behind_nginx(place: Path) -> None:
    """502, and what it means; a server that is no registry at all; and nobody there."""
    nginx = Nginx()
    root = repository(place / "infra", nginx.port)
    with nginx.process(place / "nginx", f"127.0.0.1:{free_port()}"):
        done = verify(root, "--registry", "--set", "registry.hostname=localhost")
    assert done.states == ["fail", "fail", "skipped"]
    assert "cannot reach the registry behind it (502)" in done.checks[0][2]
    other = Nginx(location="return 200 hello;", port=nginx.port)
    with other.process(place / "other", ""):
        done = verify(root, "--registry", "--set", "registry.hostname=localhost")
    assert "that is no registry" in done.checks[0][2]
    done = verify(root, "--registry", "--set", "registry.hostname=localhost")
    assert done.states == ["fail", "fail", "skipped"]
    assert "refused" in done.checks[0][2]


def test_names(place: Path) -> None:
    """A name that leads elsewhere fails by name only; an unknown one says what to do; no name server is an error."""
    nginx = Nginx()
    root = repository(place / "infra", nginx.port)
    with served(place, nginx, address="127.0.0.9") as (_, server):
        elsewhere = verify(root, "--registry", "--set", server)
        unknown = verify(root, "--registry", "--set", server, "--set", "registry.hostname=other.home.lan")
        refused = verify(root, "--registry", "--set", server, "--set", "registry.hostname=registry.example.org")
    assert elsewhere.states == ["pass", "fail", "pass"], elsewhere.output
    assert "127.0.0.9 says" in elsewhere.checks[1][2]
    assert unknown.states == ["pass", "fail", "pass"]
    assert "knows no address of other.home.lan; run codemod sync-dns" in unknown.checks[1][2]
    assert refused.states[1] == "error"
    assert "REFUSED" in refused.checks[1][2]


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


@pytest.mark.xdist_group("machine")
def test_the_stack_of_the_example(stack: Deployment, verified: Path, as_written: Path) -> None:
    """The migrated example, deployed with docker: verified passes; as written it fails and names the lost port."""
    settings = ("registry.hostname=localhost", "registry.address=127.0.0.1", "dns.server=")
    arguments = ["--registry", *(part for setting in settings for part in ("--set", setting))]
    # The machine's network is all that is needed of it; it has a /root of its own, where Python may lie.
    network = ["nsenter", f"--target={stack.machine.pid}", "--net"]
    done = verify(verified, *arguments, prefix=network)
    assert (done.code, done.states) == (0, ["pass"] * 3), done.output
    stack.lay(as_written)
    stack.restart("registry-nginx")
    try:
        done = verify(as_written, *arguments, prefix=network)
    finally:
        stack.lay(verified)
        stack.restart("registry-nginx")
    assert (done.code, done.states) == (1, ["pass", "pass", "fail"]), done.output
    assert "the port is lost" in done.one("push")[1]
