"""The laboratory's VMs are what they claim to be: what other tests stand on."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.live.artifacts import Layout
from tests.live.cloud_init import PASSWORD, commands, vm_repository
from tests.live.controller import Controller
from tests.live.lab import run, wait_until
from tests.live.poller import Poller
from tests.live.vm import STACK, UNIT, Vm

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated repository with a small stack."""
    return vm_repository(tmp_path_factory.mktemp("repository"), migrated=True, small=True)


@pytest.fixture(scope="module")
def vms(start_vms: Callable[[int], list[Vm]], repository: Path) -> list[Vm]:
    """Two VMs; the first is provisioned."""
    vms = start_vms(2)
    vms[0].provision(repository)
    return vms


@pytest.fixture(scope="module")
def vm(vms: list[Vm]) -> Vm:
    """The provisioned one."""
    return vms[0]


def test_ssh_reaches_docker_compose(vm: Vm, controller: Controller) -> None:
    """A command over ssh runs as root, and finds docker, its compose plugin and the stand-ins."""
    done = controller.ssh(vm, "id -un; docker compose version; command -v systemctl; docker ps -q | wc -l")
    assert done.stdout.splitlines() == ["root", "Docker Compose version 1.29", "/usr/local/sbin/systemctl", "5"], (
        done.stderr
    )


def test_another_key_is_refused(vm: Vm, tmp_path: Path) -> None:
    """A user whose key is not on the VM does not get in."""
    stranger = Controller(tmp_path / "home")
    stranger.trust(vm)
    done = stranger.ssh(vm, "true")
    assert done.returncode == 255
    assert "Permission denied (publickey)" in done.stderr


def test_each_vm_has_a_host_key_of_its_own(vms: list[Vm], controller: Controller, tmp_path: Path) -> None:
    """A VM that shows another key than the pinned one is not trusted; fingerprints are those that ssh shows."""
    first, second = vms
    known = tmp_path / "known_hosts"
    known.write_text(second.host_key.replace(str(second.port), str(first.port)))
    done = controller.ssh(first, "true", "-o", f"UserKnownHostsFile={known}")
    assert "HOST IDENTIFICATION HAS CHANGED" in done.stderr
    assert first.host_key_fingerprint in done.stderr
    assert second.host_key_fingerprint not in done.stderr


def test_provisioning_is_what_cloud_init_does(vm: Vm, repository: Path) -> None:
    """Files, modes, crontab, unit and calls are those of the Terraform list, and rendered."""
    assert (
        vm.path(f"{STACK}/nginx.conf").read_text()
        == (repository / "modules/docker-registry/nginx_registry.conf").read_text()
    )
    assert f"  secret: {PASSWORD}\n" in vm.path(f"{STACK}/config-dockerhub.yml").read_text()
    assert "    upstream: https://ghcr.io\n" in vm.path(f"{STACK}/config-ghcr.yml").read_text()
    assert vm.path(f"{STACK}/cleanup-tags.sh").stat().st_mode & 0o777 == 0o755
    assert vm.path(UNIT).read_text().startswith("[Unit]\nDescription=")
    assert len(vm.crontab().splitlines()) == sum("crontab" in command for command in commands(repository)) == 4
    calls = vm.path("/var/log/calls.log").read_text().splitlines()
    assert calls == [command for command in commands(repository) if command.startswith(("apt-get", "systemctl"))]


def test_the_stack_serves(vm: Vm, tmp_path: Path) -> None:
    """Every port answers as a registry, and the private one takes an image."""
    assert vm.ports() == [5000, 5010, 5050]
    assert all(map(vm.serves, vm.ports()))
    layout = Layout(tmp_path / "layout")
    vm.push(layout.tag(layout.image("lab"), "v1"), "lab:v1")
    assert vm.get(5050, "/v2/_catalog").body.strip() == '{"repositories":["lab"]}'
    assert not vm.serves(8080), "a web page is no registry"


def test_vms_are_apart(vms: list[Vm]) -> None:
    """What serves on one is not there on the other."""
    assert vms[0].listens(5050)
    assert not vms[1].listens(5050)
    assert vms[1].crontab() == ""
    assert vms[1].containers() == {}


def test_cron_runs(vms: list[Vm]) -> None:
    """The daemon runs the lines of root's crontab."""
    vm = vms[1]
    vm.shell("echo '@reboot echo ran as $LOGNAME >/root/ran' | crontab -")
    vm.start_cron()
    wait_until(lambda: vm.path("/root/ran").exists() and vm.path("/root/ran").read_text(), "cron's run")
    assert vm.path("/root/ran").read_text() == "ran as root\n"


def test_snapshots_notice_everything(vm: Vm) -> None:
    """Nothing done is nothing seen; a touched file, its mode, the crontab, and a restarted container are seen."""
    before = vm.snapshot()
    assert vm.snapshot() == before
    for command, seen in {
        f"touch {STACK}/nginx.conf": "opt/registry/nginx.conf",
        f"chmod 600 {STACK}/docker-compose.yml": "opt/registry/docker-compose.yml",
        f"cp -p {UNIT} /tmp/unit && mv /tmp/unit {UNIT}": UNIT.lstrip("/"),
        "(crontab -l; echo '# more') | crontab -": "var/spool/cron/crontabs/root",
        "docker restart registry-ui": "registry-ui",
    }.items():
        vm.shell(command)
        after = vm.snapshot()
        assert seen in {path for path in before if before[path] != after[path]}
        before = after


def test_connections_break(vm: Vm, controller: Controller) -> None:
    """A session ends when its connection or sshd is gone; a VM that is down refuses, and comes back at its port."""
    assert vm.door
    for kill in (vm.door.drop, vm.kill_sshd, vm.door.shut):
        command = controller.start_ssh(vm, "echo begun >&2; sleep 60")
        command.wait_for("begun")
        kill()
        assert command.result(10).code == 255
    refused = controller.ssh(vm, "true")
    assert refused.returncode == 255
    assert "Connection refused" in refused.stderr
    vm.door.open()
    vm.start_sshd()
    assert controller.ssh(vm, "true").returncode == 0


def test_disks_fill_and_ports_are_taken(vm: Vm) -> None:
    """On a full disk nothing fits, on a taken port nothing listens; afterwards all is as before."""
    fill = f"dd if=/dev/zero of={STACK}/more bs=1k count=1000 status=none"
    with vm.full_disk(left=100_000):
        assert "No space left on device" in vm.shell(fill, check=False).stderr
        vm.shell(f"rm {STACK}/more")
    vm.shell(f"{fill} && rm {STACK}/more")
    with vm.taken_port(5060):
        assert not vm.serves(5060)
        taken = vm.run("docker", "run", "--rm", "-p", "5060:1", "registry:2", check=False)
        assert "address already in use" in taken.stderr
    assert not vm.listens(5060)


def test_sudo_asks_for_the_password(vm: Vm, controller: Controller) -> None:
    """An account of the VM, not of the host, is root with its password, and nobody without."""
    user, _, _ = vm.add_account("deploy", "let me-in").partition("@")
    ask = "echo '{}' | sudo -S -p '' id -un"
    assert controller.ssh(vm, ask.format("let me-in"), "-l", user).stdout == "root\n"
    wrong = controller.ssh(vm, ask.format("let me"), "-l", user)
    assert wrong.returncode == 1
    assert "incorrect password" in wrong.stderr
    assert run(["getent", "passwd", user], check=False).stdout == ""


def test_the_poller_sees_what_clients_see(vm: Vm, tmp_path: Path) -> None:
    """It knows the time that nothing answered, errors, wrong answers, and catalogues that change."""
    layout = Layout(tmp_path / "layout")
    vm.push(layout.tag(layout.image("seen"), "v1"), "seen:v1")
    with Poller(vm, [5050, 8080]) as poller:
        time.sleep(0.5)
        vm.run("docker", "stop", "--time=0", "registry-nginx")
        time.sleep(1)
        vm.run("docker", "start", "registry-nginx")
        vm.wait_until_serving()
        vm.shell(f"mv {STACK}/data/private/docker {STACK}/data/private/gone")
        time.sleep(0.5)
    vm.shell(f"mv {STACK}/data/private/gone {STACK}/data/private/docker")
    registry, page = poller.records[5050], poller.records[8080]
    assert 1 < registry.longest_gap < 10, poller.tell()
    assert registry.failures and not registry.wrong
    assert len(registry.catalogues) == 2
    assert page.wrong and not page.served
    assert poller.longest_gap == page.longest_gap
