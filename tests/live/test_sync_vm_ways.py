"""The ways to a VM that ssh knows: jump hosts, aliases and inventories. No docker is needed to arrive."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.live.cloud_init import vm_repository
from tests.live.conftest import require
from tests.live.controller import Outcome
from tests.live.vm import Vm

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.live.controller import Controller

pytestmark = pytest.mark.live

ARRIVED = "docker does not answer there"


@pytest.fixture(scope="module")
def vm(controller: Controller) -> Iterator[Vm]:
    """A VM without docker, which lets the user in."""
    require(*Vm.needs, root=True)
    with (
        tempfile.TemporaryDirectory(prefix="vms-", ignore_cleanup_errors=True) as directory,
        Vm(Path(directory) / "vm", controller.key) as vm,
    ):
        yield vm


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository to roll out."""
    return vm_repository(tmp_path_factory.mktemp("tree"), migrated=True)


def plan(controller: Controller, tree: Path, *options: str) -> Outcome:
    """`sync-vm --plan` with these options."""
    return Outcome(controller.run(tree, "sync-vm", "--plan", *options, "--format", "json"))


def test_a_jump_host_is_pinned_like_any_other(vm: Vm, controller: Controller, tree: Path) -> None:
    """ssh_config leads through it; without its key, or without the target's, nothing is reached."""
    config = controller.home / ".ssh/config"
    former = config.read_text()
    key = controller.home / ".ssh/laboratory"
    inner = f"Host inner\n  HostName 127.0.0.1\n  Port 22\n  User root\n  IdentityFile {key}\n"
    config.write_text(f"{former}{inner}  ProxyJump {vm.host}\n")
    pins = controller.known_hosts
    pins.parent.mkdir(parents=True, exist_ok=True)
    try:
        pins.write_text("")
        found = plan(controller, tree, "--host", "ssh://inner")
        assert found.states == ["unreachable"]
        assert f"127.0.0.1:{vm.port} if that is a jump host" in found.reason
        pins.write_text(vm.host_key)
        found = plan(controller, tree, "--host", "ssh://inner")
        assert found.states == ["unreachable"]
        assert "pin-host ssh://inner" in found.reason
        pinned = controller.run(tree, "vm", "pin-host", "ssh://inner", "--fingerprint", vm.host_key_fingerprint)
        assert pinned.code == 0, pinned
        found = plan(controller, tree, "--host", "ssh://inner")
        assert found.states == ["refused"]
        assert ARRIVED in found.reason
    finally:
        config.write_text(former)


def test_an_inventory_of_pyinfra_is_read(vm: Vm, controller: Controller, tree: Path, tmp_path: Path) -> None:
    """Its groups and their data count, but not what it says about host keys; `--host` chooses from it."""
    inventory = tmp_path / "inventory.py"
    data = {"ssh_hostname": "127.0.0.1", "ssh_port": vm.port, "ssh_user": "root", "ssh_strict_host_key_checking": "no"}
    inventory.write_text(f"registries = (['vm-a', 'vm-b'], {data!r})\n")
    controller.known_hosts.parent.mkdir(parents=True, exist_ok=True)
    controller.known_hosts.write_text("")
    found = plan(controller, tree, "--inventory", str(inventory))
    assert found.states == ["unreachable", "unreachable"]
    assert "is not pinned" in found.reason
    controller.known_hosts.write_text(vm.host_key)
    found = plan(controller, tree, "--inventory", str(inventory), "--host", "vm-b")
    assert [host["host"] for host in found.hosts] == ["vm-b"]
    assert ARRIVED in found.reason


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = ['@docker/registry']", "is not reached by ssh"),
        ("x = (", "was never closed"),
        ("x = nothing", "name 'nothing' is not defined"),
        ("y = 1", "names no host"),
    ],
)
def test_another_inventory_is_refused(
    controller: Controller, tree: Path, tmp_path: Path, text: str, words: str
) -> None:
    """One line says what is wrong with it."""
    inventory = tmp_path / "inventory.py"
    inventory.write_text(f"{text}\n")
    found = controller.run(tree, "sync-vm", "--plan", "--inventory", str(inventory))
    assert found.code in (2, 3)
    assert words in found.err and "Traceback" not in found.err
