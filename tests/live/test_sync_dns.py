"""`sync-dns` with Technitium from the plan to the answer: the API on one port, DNS on port 53 of the same address."""

from __future__ import annotations

import json
import logging
import random
import signal
import subprocess
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import dns.rcode
import pytest

from tests.command import PROGRAM, ROOT, Run, codemod, codemod_process, write
from tests.dns_responder import Responder
from tests.live.conftest import require
from tests.live.terminal import at_terminal
from tests.technitium import ADDRESS, CODE, NAME, PASSWORD, TOKEN, Technitium, Zone, home, record

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.live

STALE = "10.0.0.9"
Answers = list[tuple[str, int, str]] | None


class Host(NamedTuple):
    """One machine: the API and what DNS answers."""

    api: Technitium
    dns: Responder

    @property
    def zone(self) -> Zone:
        """The zone of the name."""
        return self.api.zones["home.lan"]


@contextmanager
def technitium_host(version: int = 15) -> Iterator[Host]:
    """A machine with a loopback address of its own, so that its ports are the real ones."""
    require("setsid", root=True)
    address = ".".join(["127", *(str(random.randrange(1, 255)) for _ in range(3))])
    with ExitStack() as stack:
        api = stack.enter_context(home(host=address, port=5380, version=version))
        yield Host(api, stack.enter_context(Responder(api.served, address, 53)))


@pytest.fixture(params=[15, 14], ids=["v15", "v14"])
def either(request: pytest.FixtureRequest) -> Iterator[Host]:
    """A host with either kind of server."""
    with technitium_host(request.param) as host:
        yield host


@pytest.fixture
def host() -> Iterator[Host]:
    """A host with a server of today."""
    with technitium_host() as host:
        yield host


def repository(tmp_path: Path, host: Host, monkeypatch: pytest.MonkeyPatch, **credentials: str) -> Path:
    """A repository whose settings name the host, with credentials for it in the environment."""
    settings = f'[registry]\nhostname = "{NAME}"\naddress = "{ADDRESS}"\n[dns]\nserver = "{host.api.url}"\n'
    write(tmp_path, {"infra/codemod.toml": settings})
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    if credentials:
        export(monkeypatch, host, credentials)
    return tmp_path / "infra"


def sync(root: Path, *arguments: str) -> Run:
    return codemod(root, "sync-dns", "--yes", *arguments)


# The whole way


def test_a_record_is_added_and_stays(either: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is added, answered over both protocols, and a second run has nothing to do."""
    root = repository(tmp_path, either, monkeypatch, token=TOKEN)
    run = sync(root)
    assert run.code == 0, run
    assert either.api.seen(NAME) == [("A", ADDRESS, 3600, False)]
    assert either.dns.questions == [("UDP", f"{NAME} A"), ("TCP", f"{NAME} A")]
    assert "sync-dns: 1 record changed, 2 checks passed" in run.err
    writes = [call for call in either.api.calls if call != "zones/records/get"]
    again = sync(root)
    assert again.code == 0, again
    assert f"{NAME} has its record already, nothing was changed" in again.err
    assert [call for call in either.api.calls if call != "zones/records/get"] == writes
    assert codemod(root, "verify", "--dns").code == 0


def test_one_record_remains_of_many(either: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stale record becomes the right one with its TTL and comments, the others go; what is disabled stays."""
    either.zone.records += [
        record(NAME, "A", STALE, 600, comments="by hand"),
        record(NAME, "A", "10.0.0.8", 600),
        {**record(NAME, "A", "10.0.0.7", 60), "disabled": True},
        record(NAME, "TXT", "v=1"),
    ]
    run = sync(repository(tmp_path, either, monkeypatch, token=TOKEN), "--format", "json")
    assert run.code == 0, run
    assert sorted(either.api.seen(NAME)) == [
        ("A", "10.0.0.7", 60, True),
        ("A", ADDRESS, 600, False),
        ("TXT", "v=1", 3600, False),
    ]
    assert next(one for one in either.zone.records if one["rData"] == {"ipAddress": ADDRESS})["comments"] == "by hand"
    report = json.loads(run.out)
    assert [check["state"] for check in report["checks"]] == ["pass", "pass"]
    assert [(one["before"]["value"], one["after"] and one["after"]["value"]) for one in report["records"]] == [
        (STALE, ADDRESS),
        ("10.0.0.8", None),
    ]
    assert report["notes"] == ["others may have kept the old address, and answer with it for 600 s at most"]


def test_a_login_ends_with_the_run(either: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With user, password and code: logged in once, logged out before the name is asked for."""
    root = repository(tmp_path, either, monkeypatch, username="careful", password=PASSWORD, totp=CODE)
    run = sync(root)
    assert run.code == 0, run
    assert (either.api.calls[0], either.api.calls[-1]) == ("user/login", "user/logout")
    assert either.api.sessions == set()


def test_somebody_else_adds_a_record_meanwhile(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two records after the write are not taken for success; the next run puts it right."""
    root = repository(tmp_path, host, monkeypatch, token=TOKEN)
    host.api.before["zones/records/add"] = lambda: host.zone.records.append(record(NAME, "A", STALE))
    run = sync(root)
    assert run.code == 3
    assert f"the server took the changes, and the records of {NAME} are not as wanted: run sync-dns again" in run.err
    assert sync(root).code == 0
    assert host.api.seen(NAME) == [("A", ADDRESS, 3600, False)]


# The answer


def test_it_waits_until_the_server_answers(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that serves the old record for some time, and then fails once, is asked again."""
    root = repository(tmp_path, host, monkeypatch, token=TOKEN)
    host.zone.records.append(record(NAME, "A", STALE, 600))
    rcodes = iter([dns.rcode.NOERROR, dns.rcode.NOERROR, dns.rcode.SERVFAIL])

    def late(name: str, record_type: str) -> Answers:
        host.dns.rcode = next(rcodes, dns.rcode.NOERROR)
        return host.api.served(name, record_type) if len(host.dns.questions) > 3 else [("A", 600, STALE)]

    host.dns.lookup = late
    run = sync(root)
    assert run.code == 0, run
    assert [protocol for protocol, _ in host.dns.questions] == ["UDP"] * (len(host.dns.questions) - 1) + ["TCP"]
    assert len(host.dns.questions) >= 4


def test_it_does_not_wait_forever(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the deadline the last answer is the result: exit 1, and what was answered."""
    root = repository(tmp_path, host, monkeypatch, token=TOKEN)
    host.dns.lookup = lambda name, record_type: [("A", 600, STALE)]
    program = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from codemods.dns import sync; sync.DEADLINE = 1.0"
    command = [PROGRAM[0], "-c", f"{program}; from codemods.cli.main import main; main()", "sync-dns", "--yes"]
    started = time.monotonic()
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 1, done
    assert time.monotonic() - started < 20
    assert done.stdout.count(f":53 answers {STALE}; expected is {ADDRESS} alone") == 2
    assert host.api.seen(NAME) == [("A", ADDRESS, 3600, False)]


# At a terminal


def test_yes_at_a_terminal(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The plan is shown before the question."""
    root = repository(tmp_path, host, monkeypatch, token=TOKEN)
    host.zone.records.append(record(NAME, "A", STALE, 600))
    shown = at_terminal(root, ["sync-dns"], [("Change this on the DNS server? [y/N]", "y")])
    assert shown.code == 0, shown
    assert STALE in shown.text.partition("[y/N]")[0]
    assert host.api.seen(NAME) == [("A", ADDRESS, 600, False)]


def test_no_at_a_terminal(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is changed, and the exit code says that something is left to do."""
    root = repository(tmp_path, host, monkeypatch, token=TOKEN)
    shown = at_terminal(root, ["sync-dns"], [("[y/N]", "")])
    assert shown.code == 1, shown
    assert "nothing was changed" in shown.text
    assert host.api.seen(NAME) == []


def test_a_login_typed_at_a_terminal(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without credentials the user is asked, also for a one-time code, and nothing secret is shown or kept."""
    root = repository(tmp_path, host, monkeypatch)
    dialogue = [
        ("is not encrypted. Send a password over it? [y/N]", "y"),
        (f"User on {host.api.url}", "careful"),
        ("Password", PASSWORD),
        ("One-time code", CODE),
        ("[y/N]", "y"),
    ]
    shown = at_terminal(root, ["sync-dns"], dialogue)
    assert shown.code == 0, shown
    assert PASSWORD not in shown.text and CODE not in shown.text
    assert host.api.sessions == set()
    assert host.api.seen(NAME) == [("A", ADDRESS, 3600, False)]


def test_a_password_is_not_sent_unencrypted_without_asking(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user who says no to http is not asked for a password."""
    shown = at_terminal(repository(tmp_path, host, monkeypatch), ["sync-dns"], [("[y/N]", "n")])
    assert shown.code == 130
    assert "Password" not in shown.text
    assert host.api.calls == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_logs_out(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    """Ctrl-C and SIGTERM while the server works end the session as well."""
    root = repository(tmp_path, host, monkeypatch, username="admin", password=PASSWORD)
    processes: list[subprocess.Popen[str]] = []

    def interrupt() -> None:
        processes[0].send_signal(number)
        time.sleep(0.5)

    host.api.before["zones/records/get"] = interrupt
    with subprocess.Popen([*PROGRAM, "sync-dns", "--yes"], cwd=root, stderr=subprocess.PIPE, text=True) as process:
        processes.append(process)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert host.api.calls[-1] == "user/logout"
    assert host.api.sessions == set()
    assert host.api.seen(NAME) == []


# Errors and secrets

GOOD = [{"token": TOKEN}, {"username": "careful", "password": PASSWORD, "totp": CODE}]
FAULTS = {
    "invalid-token": {"token": "planted-unknown-token"},
    "wrong password": {"username": "admin", "password": "planted-wrong-password"},
    "wrong code": {"username": "careful", "password": PASSWORD, "totp": "planted-code"},
    "2fa-required": {"username": "careful", "password": PASSWORD},
    "half": {"password": PASSWORD},
    "no token": {"token": f"{TOKEN}\nplanted"},
}


@pytest.mark.parametrize("repeats", [False, True], ids=["discreet", "repeating"])
def test_no_secret_is_shown(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, repeats: bool
) -> None:
    """After every kind of success and failure: not in output, a log, the access log, or a file."""
    caplog.set_level(logging.DEBUG)
    root = repository(tmp_path, host, monkeypatch)
    host.api.repeats = repeats
    seen: list[str] = []
    for given in [*GOOD, *FAULTS.values()]:
        host.zone.records.clear()
        with monkeypatch.context() as patched:
            export(patched, host, given)
            for arguments in (["sync-dns", "--plan", "-v"], ["sync-dns", "--yes", "-v"]):
                run = codemod(root, *arguments)
                assert (run.code in (0, 1)) is (given in GOOD), run
                seen += [run.out, run.err]
    seen += [caplog.text, *host.api.accesses]
    seen += [path.read_text() for path in tmp_path.rglob("*") if path.is_file()]
    assert len(host.api.issued) >= 2
    assert "httpx" in caplog.text
    assert not [text for text in seen if any(secret in text for secret in planted(host))]


def test_no_secret_is_in_the_process_list(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the server works on a request, no command line on this machine holds a token or a password."""
    root = repository(tmp_path, host, monkeypatch)
    lines: list[str] = []
    for given in GOOD:
        host.api.before["zones/records/get"] = lambda: lines.extend(command_lines())
        host.api.before["user/login"] = lambda: lines.extend(command_lines())
        with monkeypatch.context() as patched:
            export(patched, host, given)
            assert codemod_process(root, "sync-dns", "--yes").code == 0
    assert sum("sync-dns --yes" in line for line in lines) >= len(GOOD)
    assert not [line for line in lines if any(secret in line for secret in planted(host))]


def export(monkeypatch: pytest.MonkeyPatch, host: Host, credentials: dict[str, str]) -> None:
    """Put credentials for the host into the environment."""
    for name, value in {"origin": host.api.url, "allow_http": "1", **credentials}.items():
        monkeypatch.setenv(f"CODEMOD_DNS_{name.upper()}", value)


def planted(host: Host) -> set[str]:
    """Every secret that there was; those that were planted have the word in them."""
    return {"planted", TOKEN, PASSWORD, CODE, *host.api.issued}


def command_lines() -> Iterator[str]:
    """The command lines of all processes there are."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            yield (process / "cmdline").read_text().replace("\0", " ")
        except OSError:  # it has ended
            continue


def test_what_each_failure_says(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line, exit 3, nothing written; a failed login is one attempt."""
    root = repository(tmp_path, host, monkeypatch)
    lines = {
        "invalid-token": f"{host.api.url}: reading {NAME}: Invalid token or session expired: give a token",
        "wrong password": f"{host.api.url}: logging in: Invalid username or password for user: admin: the server",
        "wrong code": f"{host.api.url}: logging in: Invalid time-based one-time password",
        "2fa-required": f"{host.api.url}: logging in: A time-based one-time password (TOTP) is required",
        "half": f"the dns credentials for {host.api.url} are not complete",
        "no token": f"the token for {host.api.url} holds a blank",
    }
    for fault, given in FAULTS.items():
        with monkeypatch.context() as patched:
            export(patched, host, given)
            run = sync(root)
        assert run.code == 3, run
        assert run.err.startswith(f"codemod: {lines[fault]}"), fault
        assert run.err.count("\n") == 1
    assert host.api.failures == 2
    assert host.api.seen(NAME) == []
