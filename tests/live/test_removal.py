"""The way out: a migrated and rolled out registry, taken out of the repository, then off the machine; its data stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.command import codemod, git
from tests.live.artifacts import Layout
from tests.live.cloud_init import vm_repository
from tests.live.conftest import require
from tests.live.poller import Poller
from tests.live.site import SCRIPT, Site, wanted_crontab, wanted_files
from tests.live.vm import PRIVATE, STACK
from tests.test_removal import identify, tree

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.live.controller import Controller
    from tests.live.vm import Vm

pytestmark = pytest.mark.live

DATA = f"{STACK}/data/private"
FILES = (f"{STACK}/config-private.yml", f"{STACK}/collect-garbage.py")


def test_the_way_out(
    start_vms: Callable[[int], list[Vm]], controller: Controller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The repository is as it was, `--prune` takes the registry away, and nothing else is restarted but nginx."""
    require("skopeo", root=True)
    identify(monkeypatch)
    [vm] = start_vms(1)
    root = vm_repository(tmp_path, migrated=False, small=True)
    before = tree(root)
    assert codemod(root, "apply-caching", "--commit").code == 0
    vm.provision(root)
    site = Site(vm, controller, root)
    site.change(SCRIPT, '"""Keep the newest tags', '"""Keep only the newest tags')
    assert site.apply().states == ["changed"]
    layout = Layout(tmp_path / "layout")
    vm.push(layout.tag(layout.image("kept", size=100_000), "v1"), "app:v1")
    stored, containers = contents(vm), vm.containers()

    removed = codemod(root, "remove-caching", "--commit")
    assert removed.code == 0, removed.err
    assert f"stay on the machine, in {DATA}" in " ".join(removed.err.split())
    now = tree(root)
    assert now.pop(SCRIPT) == before.pop(SCRIPT).replace(b"Keep the newest", b"Keep only the newest")
    assert now == before
    assert codemod(root, "remove-caching").err.rstrip().endswith("nothing to do")

    plan = site.plan()
    assert (plan.code, plan.states) == (1, ["pending"]), plan.told
    for what in (*FILES, "container registry-private"):
        assert f"{what} is no longer in the repository and stays" in " ".join(plan.told.split())
    assert (contents(vm), vm.containers()) == (stored, containers)

    with Poller(vm, [port for port in vm.ports() if port != PRIVATE]) as poller:
        pruned = site.apply("--prune")
    assert (pruned.code, pruned.states) == (0, ["changed"]), pruned.told
    assert not poller.wrong
    left = vm.containers()
    assert set(containers) - set(left) == {"registry-private"}
    assert {name for name in left if left[name] != containers[name]} == {"registry-nginx"}
    assert not vm.listens(PRIVATE)
    assert all(vm.serves(port) for port in vm.ports())
    assert site.deployed() == wanted_files(root)
    assert not any(vm.path(path).exists() for path in FILES)
    assert sorted(vm.crontab().splitlines()) == sorted(wanted_crontab(root))
    assert "registry-private" not in vm.crontab()
    assert contents(vm) == stored

    again = site.plan("--prune")
    assert (again.code, again.states, again.actions) == (0, ["clean"], []), again.told
    assert git(root, "status", "--porcelain") == ""


def contents(vm: Vm) -> dict[str, bytes]:
    """The private registry's data, uploads in progress aside; never none."""
    place = vm.path(DATA)
    found = {str(path.relative_to(place)): path.read_bytes() for path in place.rglob("*") if path.is_file()}
    assert found
    return found
