"""`codemod verify --registry` before the real registry and nginx: right stacks pass, each wrong one is told by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.live.conftest import require
from tests.live.front import (
    HOSTNAME,
    LOCATION,
    NEEDS,
    Nginx,
    certificates,
    registry_config,
    repository,
    served,
    verify,
)
from tests.live.lab import free_port, run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.live.deployment import Deployment

pytestmark = pytest.mark.live

READ_ONLY = {"REGISTRY_STORAGE_MAINTENANCE_READONLY": '{"enabled":true}'}
CACHED = f"{LOCATION} proxy_cache cache; proxy_cache_key $uri;"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory for daemons, on a machine that has them."""
    require(*NEEDS, root=True)
    return tmp_path


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
