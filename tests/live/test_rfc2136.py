"""`sync-dns` against a real BIND: signed updates, each done as a whole or not at all."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from codemods.credentials import Credentials
from codemods.dns.model import Change, Moved, Record
from codemods.dns.rfc2136 import Rfc2136
from codemods.errors import CodemodError
from tests.command import PROGRAM, Run, codemod, write
from tests.live.bind import KEY, OTHER_SECRET, SECRET, Bind
from tests.live.conftest import require
from tests.live.lab import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.live

ADDRESS, STALE = "10.0.20.10", "10.0.0.9"


@pytest.fixture(scope="module")
def bind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bind]:
    """One server for all tests; each has a name of its own."""
    require(*Bind.needs)
    with Bind(tmp_path_factory.mktemp("bind")) as server:
        yield server


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """The test's name, as a host of home.lan."""
    label = "".join(letter if letter.isalnum() else "-" for letter in request.node.name)
    return f"{label[-60:].strip('-')}.home.lan"


@pytest.fixture
def root(tmp_path: Path, bind: Bind, name: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository whose registry has the test's name, with the key in the environment."""
    dns = f'[dns]\nprovider = "rfc2136"\nserver = "{bind.address}"\n'
    write(tmp_path, {"infra/codemod.toml": f'[registry]\nhostname = "{name}"\naddress = "{ADDRESS}"\n{dns}'})
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("CODEMOD_DNS_ORIGIN", bind.address)
    monkeypatch.setenv("CODEMOD_DNS_USERNAME", KEY)
    monkeypatch.setenv("CODEMOD_DNS_PASSWORD", SECRET)
    return tmp_path / "infra"


def sync(root: Path, *arguments: str) -> Run:
    return codemod(root, "sync-dns", "--yes", *arguments)


def provider(bind: Bind, key: str = KEY, secret: str = SECRET, zone: str = "", algorithm: str = "") -> Rfc2136:
    credentials = Credentials(bind.address, username=key, password=secret, algorithm=algorithm)
    return Rfc2136(bind.address, credentials, zone)


def test_a_record_is_added_and_stays(root: Path, bind: Bind, name: str) -> None:
    """The plan is exit 1, the run sets the record and proves it, and there is nothing to do afterwards."""
    assert codemod(root, "sync-dns", "--plan").code == 1
    assert bind.ask(name) == []
    run = sync(root)
    assert run.code == 0, run
    assert bind.ask(name) == [("A", 3600, ADDRESS)]
    assert "sync-dns: 1 record changed, 2 checks passed" in run.err
    again = sync(root)
    assert again.code == 0
    assert "sync-dns: 2 checks passed" in again.err
    assert codemod(root, "sync-dns", "--plan").code == 0
    assert codemod(root, "verify", "--dns").code == 0


def test_a_stale_record_is_replaced(root: Path, bind: Bind, name: str) -> None:
    """Its TTL is kept, and who may still have the old address is said."""
    bind.give(name, "A", STALE, ttl=600)
    run = sync(root)
    assert run.code == 0, run
    assert bind.ask(name) == [("A", 600, ADDRESS)]
    assert "others may have kept the old address, and answer with it for 600 s at most" in run.err


def test_a_given_ttl_is_set(root: Path, bind: Bind, name: str) -> None:
    """The right record with another TTL is changed when the settings give one."""
    bind.give(name, "A", ADDRESS, ttl=600)
    assert sync(root, "--set", "dns.ttl=60").code == 0
    assert bind.ask(name) == [("A", 60, ADDRESS)]


@pytest.mark.parametrize("values", [(STALE, ADDRESS), (STALE, "10.0.0.8", "10.0.0.7")])
def test_one_record_remains_of_many(root: Path, bind: Bind, name: str, values: tuple[str, ...]) -> None:
    """Every other address goes, in one update; records of other types stay."""
    bind.give(name, "A", *values)
    bind.give(name, "TXT", '"kept"')
    bind.give(name, "AAAA", "fd00::1")
    run = sync(root, "--format", "json")
    assert run.code == 0, run
    assert len(json.loads(run.out)["records"]) == len(values) - (ADDRESS in values)
    assert bind.ask(name) == [("A", 300, ADDRESS)]
    assert bind.ask(name, "TXT") == [("TXT", 300, '"kept"')]
    assert bind.ask(name, "AAAA") == [("AAAA", 300, "fd00::1")]


def test_an_ipv6_address(root: Path, bind: Bind, name: str) -> None:
    """The registry's address decides the type; A records stay as they are."""
    bind.give(name, "A", STALE)
    assert sync(root, "--set", "registry.address=fd00::10").code == 0
    assert bind.ask(name, "AAAA") == [("AAAA", 3600, "fd00::10")]
    assert bind.ask(name) == [("A", 300, STALE)]


def test_a_cname_is_refused(root: Path, bind: Bind, name: str) -> None:
    """A name that is a CNAME stays one."""
    run = sync(root, "--set", "registry.hostname=alias.home.lan")
    assert run.code == 3
    assert "alias.home.lan is a CNAME of ns.home.lan" in run.err
    assert bind.ask("alias.home.lan", "CNAME") == [("CNAME", 300, "ns.home.lan.")]


def test_a_wildcard_is_no_record_of_the_name(root: Path, bind: Bind) -> None:
    """What a wildcard answers is not changed, the name gets a record of its own, and other names keep the wildcard."""
    assert bind.ask("registry.wild.home.lan") == [("A", 300, "10.0.0.77")]
    assert sync(root, "--set", "registry.hostname=registry.wild.home.lan").code == 0
    assert bind.ask("registry.wild.home.lan") == [("A", 3600, ADDRESS)]
    assert bind.ask("other.wild.home.lan") == [("A", 300, "10.0.0.77")]


def test_a_policy_that_allows_this_name_only(root: Path, bind: Bind) -> None:
    """A key that may set one record is enough for it, and REFUSED for another."""
    run = sync(root, "--set", "registry.hostname=registry.policy.lan")
    assert run.code == 0, run
    run = sync(root, "--set", "registry.hostname=other.policy.lan")
    assert run.code == 3
    assert (
        "updating other.policy.lan in the zone policy.lan: REFUSED: the server does not let this key do that" in run.err
    )
    assert bind.ask("other.policy.lan") == []


def test_a_change_in_between_is_not_overwritten(bind: Bind, name: str) -> None:
    """The update needs the records that it was derived from; otherwise nothing of it is done."""
    bind.give(name, "A", STALE)
    client = provider(bind)
    seen = client.records(name, "A")
    changes = [Change(seen[0], seen[0]._replace(value=ADDRESS))]
    for meanwhile in (["10.0.0.8"], [STALE, "10.0.0.8"], []):
        bind.give(name, "A", *meanwhile)
        with pytest.raises(Moved, match="have changed meanwhile"):
            client.change(seen, changes)
        assert [value for _, _, value in bind.ask(name)] == sorted(meanwhile)
    new = [Change(None, Record(name, "A", ADDRESS, 60))]
    bind.give(name, "A", STALE)
    with pytest.raises(Moved):
        client.change([], new)
    assert [value for _, _, value in bind.ask(name)] == [STALE]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"key": "unknown-key"}, r"key unknown-key: BADKEY: the server has no key of this name and algorithm"),
        ({"algorithm": "hmac-sha512"}, r"key codemod-key: BADKEY"),
        ({"secret": OTHER_SECRET}, r"key codemod-key: BADSIG: the key of this name has another secret on the server"),
        ({"zone": "lan"}, r"updating .* in the zone lan: NOTAUTH: the server is not authoritative for the zone"),
        ({"zone": "policy.lan"}, r"updating .* in the zone policy\.lan: NOTZONE: the name does not lie in the zone"),
    ],
)
def test_an_update_that_is_refused(bind: Bind, name: str, fields: dict[str, str], message: str) -> None:
    """Each answer of the server is one line that says what to look at."""
    client = provider(bind, **fields)
    with pytest.raises(CodemodError, match=f"^{bind.address}: {message}") as caught:
        client.change(client.records(name, "A"), [Change(None, Record(name, "A", ADDRESS, 60))])
    assert "\n" not in str(caught.value)
    assert bind.ask(name) == []


def test_a_zone_without_updates(root: Path, bind: Bind) -> None:
    """REFUSED names the zone."""
    run = sync(root, "--set", "registry.hostname=registry.fixed.lan")
    assert run.code == 3
    assert "in the zone fixed.lan: REFUSED: the server does not let this key do that" in run.err


def test_a_name_without_a_zone(root: Path, bind: Bind) -> None:
    """A server that has no zone for the name is not asked for more."""
    run = sync(root, "--set", "registry.hostname=registry.other.example")
    assert run.code == 3
    assert f"{bind.address}: the server has no zone for registry.other.example: set dns.zone, or dns.server" in run.err


def test_clocks_that_differ(bind: Bind, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose clock is an hour late gets BADTIME."""
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() - 3600)
    with pytest.raises(CodemodError, match="BADTIME: the clocks of this machine and the server differ too much"):
        provider(bind).records(name, "A")


def test_a_server_that_is_down(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens there."""
    nowhere = f"127.0.0.1:{free_port()}"
    monkeypatch.setenv("CODEMOD_DNS_ORIGIN", nowhere)
    run = sync(root, "--set", f"dns.server={nowhere}")
    assert run.code == 3
    assert run.err.strip() == f"codemod: {nowhere}: Connection refused"


def test_no_secret_is_shown(root: Path, bind: Bind, name: str, tmp_path: Path) -> None:
    """Neither output nor a process's command line nor any file holds the key's secret."""
    shown = []
    for arguments, environment in (
        (["sync-dns", "--yes"], {}),
        (["sync-dns", "--yes", "-v", "--format", "json"], {"CODEMOD_DNS_PASSWORD": OTHER_SECRET}),
        (["-v", "sync-dns", "--plan"], {"CODEMOD_DNS_PASSWORD": f"{SECRET}?"}),
        (["-v", "sync-dns", "--plan"], {"CODEMOD_DNS_ALGORITHM": "hmac-none"}),
    ):
        with subprocess.Popen(
            [*PROGRAM, *arguments],
            cwd=root,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            shown.append(Path(f"/proc/{process.pid}/cmdline").read_text())
            assert process.stdout
            shown.append(process.stdout.read())
    shown += [path.read_text() for path in tmp_path.rglob("*") if path.is_file()]
    text = "\n".join(shown)
    assert "BADSIG" in text and "base64" in text and "hmac-none" in text
    assert SECRET not in text and OTHER_SECRET not in text
