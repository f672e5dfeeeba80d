"""`codemod sync-vm` when the new state is no good: caught before the swap, or put back, while the old stack serves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.live.artifacts import Layout
from tests.live.poller import Poller
from tests.live.site import (
    COMPOSE,
    HOME_PAGE,
    NGINX,
    PRIVATE_CONFIG,
    SCRIPT,
    Site,
    strangers,
    wanted_files,
)
from tests.live.vm import STACK

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.live.controller import Outcome

pytestmark = pytest.mark.live

CAUGHT, ROLLED_BACK = (3, "refused"), (4, "rolled-back")
GAP = 25.0
"""Seconds without an answer that a container's restart, twice, may cost on a slow computer."""


@pytest.fixture
def site(running: Site) -> Iterator[Site]:
    """The same for every test, which leaves the VM as it was."""
    yield running
    running.rewind()


def fails(site: Site, expected: tuple[int, str], lost: int = 0) -> Outcome:
    """Roll out what is no good: afterwards all is as before, and the old stack served all the time.

    A port that the new state loses is lost until the controller gives up waiting for it.
    """
    vm = site.vm
    files, table, containers = site.deployed(), vm.crontab(), vm.containers()
    with Poller(vm, (port for port in vm.ports() if port != lost)) as poller:
        done = site.apply()
    print(poller.tell())
    assert (done.code, *done.states) == expected, done.told
    assert not poller.wrong, poller.tell()
    assert site.home_page() == "ok"
    site.rewind()
    assert (site.deployed(), vm.crontab()) == (files, table)
    assert strangers(vm, site.tree) == set()
    assert vm.containers().keys() == containers.keys()
    assert all(map(vm.serves, vm.ports()))
    if expected == CAUGHT:
        assert vm.containers() == containers
        assert poller.longest_gap < 2, poller.tell()
    else:
        assert poller.longest_gap < GAP, poller.tell()
        again = site.plan()
        assert (again.code, again.states) == (0, ["clean"]), again.told
    return done


def test_a_broken_nginx_configuration_is_caught(site: Site) -> None:
    """What `nginx -t` refuses never reaches the running nginx."""
    site.change(NGINX, HOME_PAGE, "return 200 'broken'")
    assert "nginx" in fails(site, CAUGHT).reason


def test_a_compose_file_that_is_none_is_caught(site: Site) -> None:
    """What compose refuses is not put in its place."""
    site.change(COMPOSE, "image: nginx:alpine", "image: nginx:alpine\n    restarts: always")
    assert "compose" in fails(site, CAUGHT).reason


def test_an_image_that_is_not_there_is_caught(site: Site) -> None:
    """Images are pulled before anything is changed."""
    site.change(COMPOSE, "image: joxit/docker-registry-ui:latest", "image: 127.0.0.1:1/no/such:image")
    assert "127.0.0.1:1/no/such:image" in fails(site, CAUGHT).reason


def test_a_registry_that_panics_is_caught(site: Site) -> None:
    """A configuration that ends the registry is tried in a container of its own first."""
    site.change(PRIVATE_CONFIG, "  maintenance:\n", "  maintenance:\n    readonly: true\n")
    assert "must contain additional keys" in fails(site, CAUGHT).reason


def test_a_full_disk_is_caught(site: Site) -> None:
    """Without room for the new files and the backups nothing is begun."""
    site.change(NGINX, HOME_PAGE, "return 200 'full';")
    with site.vm.full_disk(left=100_000):
        assert "room" in fails(site, CAUGHT).reason


def test_a_taken_port_is_caught(site: Site) -> None:
    """A port that another program has is named."""
    site.change(COMPOSE, '- "5050:5050"', '- "5050:5050"\n      - "5060:5060"')
    with site.vm.taken_port(5060):
        assert "port 5060" in fails(site, CAUGHT).reason


def test_a_stack_that_does_not_get_well_is_rolled_back(site: Site) -> None:
    """A definition with which nginx does not become healthy is taken back, and the former one serves."""
    site.change(COMPOSE, "http://localhost:5000/ >/dev/null", "http://localhost:5999/ >/dev/null")
    assert "registry-nginx" in fails(site, ROLLED_BACK).reason


def test_a_lost_registry_is_rolled_back(site: Site) -> None:
    """An nginx that starts, and is healthy, but leads a port nowhere is no success."""
    site.change(NGINX, "server registry-private:5000;", "server registry-private:5999;")
    assert "port 5050" in fails(site, ROLLED_BACK, lost=5050).reason


def test_a_wrong_catalogue_is_rolled_back(site: Site, tmp_path: Path) -> None:
    """A port that answers 200 with another registry's repositories has lost its own."""
    layout = Layout(tmp_path / "layout")
    site.vm.push(layout.tag(layout.image("app"), "v1"), "app:v1")
    site.change(NGINX, "server registry-private:5000;", "server registry-ghcr:5000;")
    assert "app" in fails(site, ROLLED_BACK).reason


def test_the_last_runs_can_be_taken_back(site: Site) -> None:
    """`--rollback` brings back what was before the last run, or before a named one; `vm runs` lists them."""
    vm, controller = site.vm, site.controller
    for page in ("first", "second", "third"):
        site.rewind()
        site.change(NGINX, HOME_PAGE, f"return 200 '{page}';")
        assert site.apply("--overwrite").code == 0
    listed = controller.run(site.tree, "vm", "runs", vm.host)
    assert listed.code == 0, listed
    runs = [line.split()[0] for line in listed.out.splitlines() if " done " in line]
    back = site.sync("--rollback", "--yes")
    assert back.code == 0, back.told
    assert site.home_page() == "second"
    back = site.sync("--rollback", runs[2], "--yes")
    assert back.code == 0, back.told
    assert site.home_page() == "ok"
    site.rewind()
    assert site.deployed() == wanted_files(site.tree)


def test_what_a_failed_rollback_leaves_to_do(site: Site) -> None:
    """When nothing can be put back, exit 5 says what to do by hand; once it can, the next run brings the new state."""
    vm = site.vm
    site.change(COMPOSE, "http://localhost:5000/ >/dev/null", "http://localhost:5999/ >/dev/null")
    command = site.start()
    assert command.wait_for(": health")
    vm.shell(f"mount -o remount,ro {STACK}")
    failed = command.result()
    vm.shell(f"mount -o remount,rw {STACK}")
    assert failed.code == 5, failed
    assert "ROLLBACK FAILED" in failed.out
    assert f"{STACK}/.sync-vm/runs/" in failed.out
    site.rewind()
    if "locked" in site.plan().told:
        assert site.controller.run(site.tree, "vm", "unlock", vm.host).code == 0
    healed = site.apply("--overwrite", "--force")
    assert healed.code == 0, healed.told
    assert site.deployed() == wanted_files(site.tree)
    assert site.plan().code == 0


def test_an_unhealthy_stack_is_not_touched(site: Site) -> None:
    """Where something is wrong before, a roll-out could not be judged: refused, unless `--force`."""
    vm = site.vm
    vm.shell("docker stop --time=0 registry-private")
    site.change(SCRIPT, '"""Keep only', '"""Keep just')
    refused = site.apply()
    assert refused.code == 3, refused.told
    assert "not well before" in refused.reason
    forced = site.apply("--force")
    assert forced.code == 0, forced.told
    assert vm.serves(5050)
