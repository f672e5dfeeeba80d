"""What `codemod verify` says when it has checked nothing, or cannot use the credentials it was given."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.command import codemod, write
from tests.dns_responder import Responder

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def own_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the user has stays out of these tests."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def test_nothing_checked_is_nothing_proven(tmp_path: Path) -> None:
    """An empty repository ends with 3 and one line that says why."""
    run = codemod(tmp_path, "verify")
    assert run.code == 3
    assert (run.out + run.err).count("nothing was checked") == 1


def test_credentials_that_cannot_be_used_are_no_reason_to_skip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They were given for a check to be made."""
    monkeypatch.setenv("CODEMOD_REGISTRY_PASSWORD", "hidden")
    write(
        tmp_path, {"codemod.toml": 'version = 1\n[registry]\nhostname = "localhost"\naddress = "127.0.0.1"\nport = 9\n'}
    )
    run = codemod(tmp_path, "verify", "--format", "json")
    states = {check["check"]: check["state"] for check in json.loads(run.out)["checks"]}
    assert (run.code, states["integrity"], states["dns"]) == (3, "error", "skipped")
    assert "CODEMOD_REGISTRY_ORIGIN is not set" in run.out


def test_the_name_is_asked_for_the_kind_of_address_that_the_settings_have(tmp_path: Path) -> None:
    """An IPv6 address is in no A record."""
    with Responder(lambda name, kind: [("AAAA", 60, "::1")] if kind == "AAAA" else []) as server:
        settings = ("registry.hostname=r.home.lan", "registry.address=::1", "registry.port=9")
        words = (word for one in (*settings, f"dns.server={server.address}") for word in ("--set", one))
        run = codemod(tmp_path, *words, "verify", "--registry")
    assert "by name, ::1 says" in run.out + run.err
    assert server.questions == [("UDP", "r.home.lan AAAA")]
