"""The migration itself: from the state before it to a private registry that takes pushes, and then nothing to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.live.artifacts import Layout
from tests.live.cloud_init import PASSWORD, migrate, vm_repository
from tests.live.poller import Poller
from tests.live.site import Site, wanted_crontab, wanted_files
from tests.live.vm import PRIVATE, STACK

if TYPE_CHECKING:
    from pathlib import Path

    from tests.live.controller import Controller
    from tests.live.vm import Vm

pytestmark = pytest.mark.live


def test_the_migration(new_vm: Vm, controller: Controller, tmp_path: Path) -> None:
    """Plan, apply, healthy; an image pushes through port 5050; the second run does nothing and restarts nothing."""
    tree = vm_repository(tmp_path, migrated=False)
    new_vm.provision(tree)
    vm = new_vm
    former, ports = vm.containers(), vm.ports()
    migrate(tree)
    site = Site(vm, controller, tree)

    before = vm.snapshot()
    plan = site.plan()
    assert (plan.code, plan.states) == (1, ["pending"]), plan.told
    assert vm.snapshot() == before
    heads = [action.partition(" (")[0].partition(":")[0] for action in plan.actions]
    assert heads == [
        f"mkdir {STACK}/data/private",
        f"copy {STACK}/docker-compose.yml",
        f"copy {STACK}/nginx.conf",
        f"copy {STACK}/config-private.yml",
        f"copy {STACK}/cleanup-tags.sh",
        f"copy {STACK}/collect-garbage.py",
        "crontab crontab of root",
        "create registry-private",
        "recreate registry-nginx",
    ], plan.told
    assert '+      - "5050:5050"\n' in plan.diff(f"{STACK}/docker-compose.yml")

    with Poller(vm, ports) as poller:
        done = site.apply()
    print(poller.tell())
    assert (done.code, done.states) == (0, ["changed"]), done.told
    assert not poller.wrong
    assert poller.longest_gap < 20, poller.tell()
    assert vm.ports() == [*ports, PRIVATE]
    assert site.deployed() == wanted_files(tree)
    assert sorted(vm.crontab().splitlines()) == sorted(wanted_crontab(tree))
    after = vm.containers()
    changed = {name for name in after if after[name] != former.get(name)}
    assert changed == {"registry-private", "registry-nginx"}

    layout = Layout(tmp_path / "layout")
    vm.push(layout.tag(layout.image("migrated", size=2_000_000), "v1"), "app:v1")
    assert vm.get(PRIVATE, "/v2/app/tags/list").body.strip() == '{"name":"app","tags":["v1"]}'

    before = vm.snapshot()
    again = site.apply()
    assert (again.code, again.states, again.actions) == (0, ["clean"], []), again.told
    assert vm.snapshot() == before
    assert site.plan().code == 0
    assert PASSWORD not in plan.told + done.told + again.told


def test_a_new_vm_needs_nothing(new_vm: Vm, controller: Controller, tmp_path: Path) -> None:
    """After cloud-init has run the list once there is nothing to do, and no run leaves a trace."""
    tree = vm_repository(tmp_path, migrated=True, small=True)
    new_vm.provision(tree)
    vm, site = new_vm, Site(new_vm, controller, tree)
    before = vm.snapshot()
    for outcome in (site.plan(), site.apply()):
        assert (outcome.code, outcome.states, outcome.actions) == (0, ["clean"], []), outcome.told
    assert vm.snapshot() == before


def test_a_vm_migrated_by_hand(new_vm: Vm, controller: Controller, tmp_path: Path) -> None:
    """The plan's own collection line, which loses images, is shown and replaced; so is everything else as written."""
    tree = vm_repository(tmp_path, migrated=False, small=True)
    base = Site.commit_of(tree)
    migrate(tree, "--profile", "as-written")
    new_vm.provision(tree)
    [line] = [line for line in wanted_crontab(tree) if "registry-private" in line]
    assert "garbage-collect -m" in line
    vm, site = new_vm, Site(new_vm, controller, tree, base)
    site.rewind()
    migrate(tree)

    plan = site.plan()
    assert plan.code == 1, plan.told
    assert f"-{line}\n" in plan.diff("crontab of root"), plan.told
    done = site.apply()
    assert done.code == 0, done.told
    assert sorted(vm.crontab().splitlines()) == sorted(wanted_crontab(tree))
    assert line not in vm.crontab()
    assert site.plan().code == 0
