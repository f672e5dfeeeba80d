"""`codemod sync-vm` on several VMs: in batches, and no further when one of them fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.live.cloud_init import vm_repository
from tests.live.controller import sync_arguments
from tests.live.site import HOME_PAGE, NGINX, Site

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.live.controller import Controller
    from tests.live.vm import Vm

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with a change that none of the VMs has."""
    return vm_repository(tmp_path_factory.mktemp("repository"), migrated=True, small=True)


@pytest.fixture(scope="module")
def vms(start_vms: Callable[[int], list[Vm]], tree: Path) -> list[Vm]:
    """Five VMs on which the stack runs."""
    vms = start_vms(5)
    for vm in vms:
        vm.provision(tree)
    return vms


def page(vm: Vm) -> str:
    """What its nginx answers outside of the registries."""
    return vm.get(5000, "/").body


def test_a_failure_stops_later_batches(vms: list[Vm], controller: Controller, tree: Path) -> None:
    """Of five, in batches of one and two, the third fails: those of its batch end, the last two are not begun."""
    site = Site(vms[0], controller, tree)
    site.change(NGINX, HOME_PAGE, "return 200 'fleet';")
    # A port that only this one cannot have: nginx does not come back there.
    vms[2].shell("docker stop --time=0 registry-private")
    ended = controller.sync(tree, *vms, options=("--yes", "--batch", "1,2"))
    assert ended.code == 3, ended.told
    assert ended.states == ["changed", "changed", "refused", "pending", "pending"], ended.told
    assert [page(vm) for vm in vms] == ["fleet", "fleet", "ok", "ok", "ok"]
    assert "not begun" in ended.hosts[3]["reason"]
    assert {line.partition(": ")[0] for line in ended.steps if ": " in line} >= {vm.host for vm in vms[:3]}

    vms[2].shell("docker start registry-private")
    vms[2].wait_until_serving()
    assert vms[3].door
    vms[3].door.shut()
    down = controller.sync(tree, *vms, options=("--yes", "--batch", "100%"))
    vms[3].door.open()
    assert down.code == 3, down.told
    assert down.states == ["clean", "clean", "changed", "unreachable", "changed"], down.told
    assert [page(vm) for vm in vms] == ["fleet", "fleet", "fleet", "ok", "fleet"]

    done = controller.sync(tree, *vms, options=("--yes",))
    assert (done.code, done.states) == (0, ["clean", "clean", "clean", "changed", "clean"]), done.told
    again = controller.sync(tree, *vms, options=("--plan",))
    assert (again.code, set(again.states)) == (0, {"clean"}), again.told


def test_one_table_for_all(vms: list[Vm], controller: Controller, tree: Path) -> None:
    """The text report has a line for every VM, and one that sums them up."""
    done = controller.run(tree, *sync_arguments(*vms, options=("--plan",)))
    assert done.code == 0, done
    assert all(sum(vm.host in line for line in done.out.splitlines()) == 1 for vm in vms)
    assert "5 hosts clean" in done.err + done.out
