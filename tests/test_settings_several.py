"""Several `[[registry]]` tables: what each gets, in which order they come, and what cannot be."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from codemods.errors import SettingsError
from codemods.settings import Settings, given_values, load_all_settings, load_settings
from tests.command import ROOT

if TYPE_CHECKING:
    from pathlib import Path

TWO = """version = 1
profile = "as-written"

[vm]
hosts = ["root@10.0.20.10"]
keep_backups = 3

[dns]
server = "http://10.0.20.204:5380"

[[registry]]
name = "team"
hostname = "team.home.lan"
port = 5060

[registry.paths]
pipelines = ["team/*.yml"]

[registry.vm]
hosts = ["root@10.0.30.10"]

[registry.dns]
ttl = 60

[[registry]]
hostname = "registry.home.lan"
"""


def two(root: Path, text: str = TWO, *overrides: str) -> tuple[Settings, ...]:
    (root / "codemod.toml").write_text(text)
    return load_all_settings(root, overrides)


def error_of(root: Path, text: str = TWO, *overrides: str) -> str:
    """The one line that loading ends with."""
    with pytest.raises(SettingsError) as caught:
        two(root, text, *overrides)
    message = str(caught.value)
    assert "\n" not in message
    assert caught.value.exit_code == 2
    return message


def test_each_registry_has_settings_of_its_own(tmp_path: Path) -> None:
    """They come in the order of their ports; a table of a registry goes before the top-level one, key by key."""
    private, team = two(tmp_path)
    assert [one.registry.host for one in (private, team)] == ["registry.home.lan:5050", "team.home.lan:5060"]
    assert (private.peers, team.peers) == ((team.registry,), (private.registry,))
    assert private.profile == team.profile == "as-written"
    assert private.paths == Settings().paths
    assert team.paths == private.paths._replace(pipelines=("team/*.yml",))
    assert (private.vm.hosts, team.vm.hosts) == (("root@10.0.20.10",), ("root@10.0.30.10",))
    assert private.vm.keep_backups == team.vm.keep_backups == 3
    assert (private.dns.ttl, team.dns.ttl) == (3600, 60)
    assert private.dns.server == team.dns.server == "http://10.0.20.204:5380"
    assert load_settings(tmp_path) == private


def test_a_list_of_one_is_a_single_registry(tmp_path: Path) -> None:
    """One `[[registry]]` means the same as `[registry]`, and needs no host name yet."""
    [only] = two(tmp_path, "[[registry]]\nport = 5060\n[registry.vm]\nsudo = true\n")
    (tmp_path / "codemod.toml").write_text("[registry]\nport = 5060\n[vm]\nsudo = true\n")
    assert only == load_settings(tmp_path)


def test_given_values_are_those_of_the_registry_that_is_meant(tmp_path: Path) -> None:
    """What one registry is given is no value given for another."""
    two(tmp_path)
    assert "dns.ttl" in given_values(tmp_path, (), "team")
    assert "dns.ttl" not in given_values(tmp_path, (), "private")
    assert "dns.ttl" in given_values(tmp_path, ("dns.ttl=3600",), "private")


@pytest.mark.parametrize(
    ("override", "ports", "hosts", "backups"),
    [
        ("registry.team.port=5070", [5050, 5070], ["root@10.0.20.10", "root@10.0.30.10"], [3, 3]),
        ("registry.team.port=5040", [5040, 5050], ["root@10.0.30.10", "root@10.0.20.10"], [3, 3]),
        ("registry.private.vm.hosts=root@a", [5050, 5060], ["root@a", "root@10.0.30.10"], [3, 3]),
        ("vm.hosts=root@b", [5050, 5060], ["root@b", "root@b"], [3, 3]),
        ("vm.keep_backups=9", [5050, 5060], ["root@10.0.20.10", "root@10.0.30.10"], [9, 9]),
    ],
)
def test_overrides(tmp_path: Path, override: str, ports: list[int], hosts: list[str], backups: list[int]) -> None:
    """A key with a registry's name is for that one; a key of a table that all have is for all."""
    found = two(tmp_path, TWO, override)
    assert [one.registry.port for one in found] == ports
    assert [one.vm.hosts[0] for one in found] == hosts
    assert [one.vm.keep_backups for one in found] == backups


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "registry.port=5070",
            '--set "registry.port": there are several registries: name one of them, as registry.team.port or '
            "registry.private.port",
        ),
        (
            "registry.tema.port=5070",
            '--set "registry.tema.port": there are several registries: name one of them, as registry.team.port or '
            "registry.private.port",
        ),
        ("registry.team.prot=1", '--set: unknown key "registry.prot": the nearest is registry.port'),
        ("registry.team.port=0", "--set: registry.port is 0: a port from 1 to 65535"),
        ("registry.team", '--set "registry.team": KEY=VALUE is expected'),
        ("registry.team.commit.prefix=x", '--set: unknown key "registry.commit.prefix": the nearest is commit.prefix'),
    ],
)
def test_wrong_overrides(tmp_path: Path, override: str, message: str) -> None:
    """With several registries a key of one of them needs its name."""
    assert error_of(tmp_path, TWO, override) == message


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "team"', "", "two [[registry]] have the name private: give each a registry.name of its own"),
        (
            '"registry.home.lan"\n',
            '"Team.home.lan"\nport = 5060\n',
            "the registries private and team are both Team.home.lan:5060: give one another port or hostname",
        ),
        (
            'hostname = "team.home.lan"\n',
            "",
            "registry.team.hostname is not set: set it in codemod.toml, or pass --set registry.team.hostname=…",
        ),
        ("port = 5060", "port = 0", "codemod.toml: [[registry]] 1: registry.port is 0: a port from 1 to 65535"),
        ("ttl = 60", "tll = 60", 'codemod.toml: [[registry]] 1: unknown key "dns.tll": the nearest is dns.ttl'),
        ("[registry.dns]", "[registry.commit]", 'codemod.toml: [[registry]] 1: no table "commit": paths, vm, dns are '
         "allowed"),
        (TWO, "registry = []\n", "codemod.toml: registry is an empty list: write [registry], or several [[registry]]"),
        (TWO, "registry = [5]\n", "codemod.toml: [[registry]] 1: a table is expected"),
    ],
)  # fmt: skip
def test_wrong_files(tmp_path: Path, old: str, new: str, message: str) -> None:
    """Registries that cannot be told apart are named, both of them; a wrong key says which table it stands in."""
    assert old in TWO
    assert error_of(tmp_path, TWO.replace(old, new)) == message


def test_the_same_port_under_two_names(tmp_path: Path) -> None:
    """Two stacks may both use one port; the settings do not know yet which stack a registry is in."""
    first, second = two(tmp_path, TWO.replace("port = 5060\n", ""))
    assert [first.registry.name, second.registry.name] == ["private", "team"]


def test_the_documented_example(tmp_path: Path) -> None:
    """The page shows settings that load, and options that work."""
    page = (ROOT / "docs/several.md").read_text(encoding="utf-8")
    [example] = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    options = re.findall(r"--set (registry\.\S+=[^`\s]+)", page)
    assert len(options) == 2
    found = {one.registry.name: one for one in two(tmp_path, example, *options)}
    assert found.keys() == {"private", "team", "west"}
    assert found["team"].registry.port == 5070
    assert found["west"].vm.hosts == ("root@10.0.30.11",)
