"""Two private registries in one stack on one VM: one roll-out, two ports that take pushes, two collections."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.command import commit_all, write
from tests.live.artifacts import Layout
from tests.live.cloud_init import migrate, vm_repository
from tests.live.conftest import require
from tests.live.site import Site, wanted_crontab, wanted_files
from tests.live.vm import PRIVATE

if TYPE_CHECKING:
    from pathlib import Path

    from tests.live.controller import Controller
    from tests.live.vm import Vm

pytestmark = pytest.mark.live

TEAM = 5060
SETTINGS = """version = 1

[[registry]]
name = "team"
hostname = "team.home.lan"
address = "127.0.0.1"
port = 5060
cache_tag = "layers"

[registry.paths]
pipelines = [".woodpecker/f1-stream.yml"]

[[registry]]
name = "private"
hostname = "registry.home.lan"
address = "127.0.0.1"

[registry.paths]
pipelines = [".woodpecker/build-cli.yml"]
"""


def test_two_registries_of_one_stack(new_vm: Vm, controller: Controller, tmp_path: Path) -> None:
    """Both come up in one run, take pushes of their own, and are collected by themselves; a second run does nothing."""
    require("skopeo")
    vm, tree = new_vm, vm_repository(tmp_path, migrated=False, small=True)
    write(tree, {"codemod.toml": SETTINGS})
    commit_all(tree)
    vm.provision(tree)
    former, ports = vm.containers(), vm.ports()
    migrate(tree)
    site = Site(vm, controller, tree)

    done = site.apply()

    assert (done.code, done.states) == (0, ["changed"]), done.told
    heads = [action.partition(" (")[0].partition(":")[0] for action in done.actions]
    assert heads[-3:] == ["create registry-private", "create registry-team", "recreate registry-nginx"], done.told
    assert vm.ports() == [*ports, PRIVATE, TEAM]
    assert site.deployed() == wanted_files(tree)
    assert sorted(vm.crontab().splitlines()) == sorted(wanted_crontab(tree))
    after = vm.containers()
    assert {name for name in after if after[name] != former.get(name)} == {
        "registry-private",
        "registry-team",
        "registry-nginx",
    }

    layout = Layout(tmp_path / "layout")
    for port, name in ((PRIVATE, "app"), (TEAM, "tool")):
        vm.push(layout.tag(layout.image(name), "v1"), f"{name}:v1", port)
    catalogues = [vm.get(port, "/v2/_catalog").body.strip() for port in (PRIVATE, TEAM)]
    assert catalogues == ['{"repositories":["app"]}', '{"repositories":["tool"]}']

    before = vm.snapshot()
    again = site.apply()
    assert (again.code, again.states, again.actions) == (0, ["clean"], []), again.told
    assert vm.snapshot() == before
    listed = controller.run(tree, "vm", "runs", vm.host)
    assert (listed.code, listed.out.count("\n")) == (0, 1), listed.out + listed.err
    checked = controller.run(tree, "sync-vm", "--host", vm.host, "--verify-only")
    assert checked.code == 0, checked.out + checked.err

    lines = [line for line in wanted_crontab(tree) if "collect-garbage" in line]
    assert len(lines) == 2
    # At once, which cron never does: each has a lock of its own.
    commands = [f"({line.split(maxsplit=5)[5].partition(' >>')[0]}) & one=$!" for line in lines]
    vm.shell(f"{commands[0]}; {commands[1].replace('one=', 'two=')}; wait $one && wait $two")
    for port, name in ((PRIVATE, "app"), (TEAM, "tool")):
        assert vm.get(port, f"/v2/{name}/tags/list").body.strip() == f'{{"name":"{name}","tags":["v1"]}}'
