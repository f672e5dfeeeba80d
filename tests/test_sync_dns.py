"""`sync-dns` as far as it writes nothing: the plan, its report, and what is refused before the server is asked."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from codemods.credentials import FILE
from tests.command import Run, codemod, write
from tests.technitium import ADDRESS, NAME, PASSWORD, TOKEN, Technitium, Zone, home, record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def server() -> Iterator[Technitium]:
    """A server with the zone home.lan."""
    with home() as server:
        yield server


@pytest.fixture
def zone(server: Technitium) -> Zone:
    """The server's zone."""
    return server.zones["home.lan"]


@pytest.fixture
def root(tmp_path: Path, server: Technitium, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository whose settings name the server, with a token for it in the environment."""
    settings = f'[registry]\nhostname = "{NAME}"\naddress = "{ADDRESS}"\n[dns]\nserver = "{server.url}"\n'
    write(tmp_path, {"infra/codemod.toml": settings})
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("CODEMOD_DNS_ORIGIN", server.url)
    monkeypatch.setenv("CODEMOD_DNS_TOKEN", TOKEN)
    monkeypatch.setenv("CODEMOD_DNS_ALLOW_HTTP", "1")
    return tmp_path / "infra"


def plan(root: Path, *arguments: str) -> Run:
    return codemod(root, "sync-dns", "--plan", *arguments)


def test_a_plan_changes_nothing(root: Path, server: Technitium, zone: Zone) -> None:
    """It shows what would change and ends with 1; nothing was written, nothing was resolved."""
    zone.records += [record(NAME, "A", "10.0.0.9", 600), record(NAME, "A", "10.0.0.8", 600)]
    before = server.seen(NAME)
    run = plan(root)
    assert run.code == 1, run
    rows = [line.split() for line in run.out.splitlines()]
    assert [NAME, "A", "10.0.0.9", "(TTL", "600)", ADDRESS, "(TTL", "600)"] in rows
    assert [NAME, "A", "10.0.0.8", "(TTL", "600)", "none"] in rows
    assert "sync-dns: 2 records would change" in run.err
    assert server.seen(NAME) == before
    assert set(server.calls) == {"zones/records/get"}


def test_a_plan_of_nothing(root: Path, zone: Zone) -> None:
    """Nothing to do is 0."""
    zone.records.append(record(NAME, "A", ADDRESS, 60))
    run = plan(root)
    assert (run.code, run.out) == (0, "")
    assert "nothing to do" in run.err


@pytest.mark.parametrize(("ttl", "code"), [("60", 0), ("3600", 1)])
def test_a_given_ttl_counts(root: Path, zone: Zone, ttl: str, code: int) -> None:
    """dns.ttl in the settings must be the record's TTL, even when it is the default one."""
    zone.records.append(record(NAME, "A", ADDRESS, 60))
    write(root, {"codemod.toml": f"{(root / 'codemod.toml').read_text()}ttl = {ttl}\n"})
    assert plan(root).code == code
    assert plan(root, "--set", "dns.ttl=60").code == 0


def test_the_json_report(root: Path, server: Technitium, zone: Zone) -> None:
    """Records have a key of their own, with what they say before and after."""
    zone.records.append(record(NAME, "A", "10.0.0.9", 600))
    report = json.loads(plan(root, "--format", "json").out)
    changed = {"before": {"value": "10.0.0.9", "ttl": 600}, "after": {"value": ADDRESS, "ttl": 600}}
    assert report["records"] == [{"name": NAME, "type": "A", **changed}]
    assert (report["command"], report["pending"], report["exit_code"], report["checks"]) == ("sync-dns", True, 1, [])


def test_no_terminal_and_no_yes(root: Path, server: Technitium) -> None:
    """Nobody can be asked: the plan is shown, nothing is done, and the exit code is 1."""
    run = codemod(root, "sync-dns")
    assert run.code == 1
    assert ADDRESS in run.out
    assert "nothing was changed: there is no terminal to ask at; pass --yes" in run.err
    assert server.seen(NAME) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--yes"], "--plan and --yes exclude each other"),
        (["--set", "dns.server="], "dns.server is not set: run `codemod init`, or pass --set"),
        (["--set", "registry.hostname="], "registry.hostname is not set"),
        (["--set", "dns.zone=other.lan"], f"dns.zone is other.lan, and registry.hostname {NAME} does not lie in it"),
        (["--set", "dns.zone=me.lan"], f"dns.zone is me.lan, and registry.hostname {NAME} does not lie in it"),
        (["--set", "dns.server=10.0.0.1"], "dns.server is 10.0.0.1: for dns.provider technitium it is http(s)://HOST"),
        (["--set", "dns.provider=rfc2136"], "for dns.provider rfc2136 it is HOST or HOST:PORT"),
    ],
)
def test_wrong_settings(root: Path, server: Technitium, arguments: list[str], message: str) -> None:
    """Exit 2, before the server is asked for anything."""
    run = plan(root, *arguments)
    assert run.code == 2
    assert message in run.err
    assert server.calls == []


def test_a_cname_is_refused_by_name(root: Path, server: Technitium, zone: Zone) -> None:
    """A name that is a CNAME is exit 3, and stays one."""
    zone.records.append(record(NAME, "CNAME", "vm.home.lan"))
    run = codemod(root, "sync-dns", "--yes")
    assert run.code == 3
    assert f"{NAME} is a CNAME of vm.home.lan" in run.err
    assert server.seen(NAME) == [("CNAME", "vm.home.lan", 3600, False)]


def test_credentials_for_another_server(root: Path, server: Technitium, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token goes to no server but the one that it was given for, and over http only when that is allowed."""
    monkeypatch.setenv("CODEMOD_DNS_ORIGIN", "http://10.0.20.204:5380")
    run = plan(root)
    assert run.code == 3
    assert f"there are no dns credentials for {server.url}: set CODEMOD_DNS_ORIGIN={server.url} and" in run.err
    assert FILE in run.err
    monkeypatch.setenv("CODEMOD_DNS_ORIGIN", server.url)
    monkeypatch.delenv("CODEMOD_DNS_ALLOW_HTTP")
    assert "would travel unencrypted" in plan(root).err
    assert server.calls == []
    assert TOKEN not in run.out + run.err


def test_a_token_from_the_file(root: Path, server: Technitium, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Credentials in the user's own file, which nobody else may read."""
    monkeypatch.delenv("CODEMOD_DNS_TOKEN")
    monkeypatch.delenv("CODEMOD_DNS_ORIGIN")
    monkeypatch.delenv("CODEMOD_DNS_ALLOW_HTTP")
    text = f'[[dns]]\norigin = "{server.url}"\ntoken = "{TOKEN}"\nallow_http = true\n'
    write(tmp_path / "config" / "codemod", {FILE: text})
    file = tmp_path / "config" / "codemod" / FILE
    file.chmod(0o644)
    assert f"chmod 600 {file}" in plan(root).err
    file.chmod(0o600)
    assert plan(root).code == 1


def test_a_failing_run_logs_out(root: Path, server: Technitium, zone: Zone, monkeypatch: pytest.MonkeyPatch) -> None:
    """A login ends with the run, however that ends."""
    monkeypatch.delenv("CODEMOD_DNS_TOKEN")
    monkeypatch.setenv("CODEMOD_DNS_USERNAME", "admin")
    monkeypatch.setenv("CODEMOD_DNS_PASSWORD", PASSWORD)
    zone.rights = ()
    run = plan(root)
    assert run.code == 3
    assert "Access was denied" in run.err
    assert server.calls[-1] == "user/logout"
    assert server.sessions == set()
