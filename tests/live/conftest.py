"""One machine with the migrated stack for all live tests of a process; without root or binaries they are skipped."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.live import images
from tests.live.controller import Controller
from tests.live.deployment import Deployment, migrate
from tests.live.lab import in_ci, missing, run
from tests.live.machine import NAMESPACES, Dockerd, Machine
from tests.live.site import Site, running_site
from tests.live.vm import Vm, started_vms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def require(*binaries: str, root: bool = False) -> None:
    """Skip when this machine lacks something; in CI that is a failure, or the proofs would be lost unnoticed."""
    lacks = missing(*binaries)
    if root and os.geteuid() != 0:
        lacks.append("root")
    elif root and not lacks and run(["unshare", *NAMESPACES, "true"], check=False).returncode:
        lacks.append("right to make namespaces")
    if lacks:
        reason = f"no {', '.join(lacks)} (tests/live/install-packages.sh installs the packages)"
        (pytest.fail if in_ci() else pytest.skip)(reason)


@pytest.fixture(scope="session")
def as_written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example repository after `apply-caching --profile as-written`."""
    return migrate(tmp_path_factory.mktemp("as-written") / "infra", "as-written")


@pytest.fixture(scope="session")
def verified(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example repository after `apply-caching --profile verified`."""
    return migrate(tmp_path_factory.mktemp("verified") / "infra", "verified")


@pytest.fixture(scope="session")
def machine() -> Iterator[Machine]:
    """A host of its own inside this one."""
    require(*Machine.needs, root=True)
    with (
        tempfile.TemporaryDirectory(prefix="machine-", ignore_cleanup_errors=True) as directory,
        Machine(Path(directory)) as machine,
    ):
        yield machine


@pytest.fixture(scope="session")
def dockerd(machine: Machine) -> Iterator[Dockerd]:
    """The machine's docker, with the images of the stack."""
    require(*Dockerd.needs, root=True)
    with Dockerd(machine) as dockerd:
        dockerd.load(images.REGISTRY)
        dockerd.load(images.NGINX)
        yield dockerd


@pytest.fixture(scope="session")
def deployed(dockerd: Dockerd, verified: Path) -> Deployment:
    """The stack of the `verified` repository on the machine."""
    require("skopeo", "crontab")
    deployment = Deployment(dockerd)
    deployment.lay(verified)
    deployment.up()
    return deployment


@pytest.fixture(scope="module")
def stack(deployed: Deployment) -> Iterator[Deployment]:
    """The same, serving; it rests while other modules are tested, as its health checks take time from them."""
    deployed.wake()
    yield deployed
    deployed.rest()


@pytest.fixture(scope="module")
def controller(tmp_path_factory: pytest.TempPathFactory) -> Controller:
    """A user with a key of their own."""
    require(*Controller.needs)
    return Controller(tmp_path_factory.mktemp("controller") / "home")


@contextlib.contextmanager
def vms_for(controller: Controller, number: int) -> Iterator[list[Vm]]:
    """That many VMs with docker, which let the user in and whose host keys the user knows."""
    require(*Vm.needs, *Dockerd.needs, root=True)
    with (
        tempfile.TemporaryDirectory(prefix="vms-", ignore_cleanup_errors=True) as directory,
        started_vms(Path(directory), controller.key, number) as vms,
    ):
        controller.trust(*vms)
        yield vms


@pytest.fixture(scope="module")
def start_vms(controller: Controller) -> Iterator[Callable[[int], list[Vm]]]:
    """A function that starts that many VMs, which last as long as the module's tests."""
    with contextlib.ExitStack() as stack:
        yield lambda number: stack.enter_context(vms_for(controller, number))


@pytest.fixture(scope="module")
def running(
    start_vms: Callable[[int], list[Vm]], controller: Controller, tmp_path_factory: pytest.TempPathFactory
) -> Site:
    """A VM that runs what the repository says, and that a run has brought there."""
    [vm] = start_vms(1)
    return running_site(vm, controller, tmp_path_factory.mktemp("repository"))


@pytest.fixture
def site(running: Site) -> Iterator[Site]:
    """The same, also after a test that changed something."""
    yield running
    running.reset()


@pytest.fixture
def new_vm(controller: Controller) -> Iterator[Vm]:
    """A VM for one test."""
    with vms_for(controller, 1) as [vm]:
        yield vm
