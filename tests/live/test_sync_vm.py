"""`codemod sync-vm` on a VM whose stack runs: exactly what changed is done, and nothing else."""

from __future__ import annotations

import fcntl
import json
from typing import TYPE_CHECKING

import pytest

from tests.command import commit_all
from tests.live.cloud_init import STACK as TERRAFORM
from tests.live.cloud_init import cut, drop_registry
from tests.live.site import (
    COMPOSE,
    HOME_PAGE,
    MIRROR_CONFIG,
    NGINX,
    PRIVATE_CONFIG,
    SCRIPT,
    Site,
    wanted_crontab,
    wanted_files,
)
from tests.live.vm import STACK, UNIT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.live.vm import Vm

pytestmark = pytest.mark.live


def restarted(before: dict[str, str], after: dict[str, str]) -> set[str]:
    """Containers that are not the same processes any more."""
    return {name for name in before | after if before.get(name) != after.get(name)}


def started(vm: Vm, name: str) -> str:
    """When a container was started."""
    return vm.containers()[name].split()[1]


def test_nginx_is_restarted_and_serves_the_new_file(site: Site) -> None:
    """A change of nginx.conf restarts nginx and nothing else; what it answers is the new file's."""
    before = site.vm.containers()
    site.change(NGINX, HOME_PAGE, "return 200 'new';")
    plan = site.plan()
    assert [action.partition(":")[0] for action in plan.actions] == [
        f"copy {STACK}/nginx.conf",
        "restart registry-nginx",
    ], plan.told
    done = site.apply()
    assert done.code == 0, done.told
    assert restarted(before, site.vm.containers()) == {"registry-nginx"}
    assert site.home_page() == "new"
    assert site.plan().code == 0


def test_a_registry_is_restarted_before_nginx(site: Site) -> None:
    """A registry's new configuration restarts the registry, then nginx, which knows its former address."""
    vm, before = site.vm, site.vm.containers()
    site.change(MIRROR_CONFIG, "interval: 10s", "interval: 11s")
    done = site.apply()
    assert done.code == 0, done.told
    assert restarted(before, vm.containers()) == {"registry-ghcr", "registry-nginx"}
    assert started(vm, "registry-ghcr") < started(vm, "registry-nginx")
    inside = vm.run("docker", "exec", "registry-ghcr", "cat", "/etc/docker/registry/config.yml").stdout
    assert "interval: 11s" in inside


def test_a_changed_definition_recreates_its_service(site: Site) -> None:
    """Only the container of a service whose definition changes is made anew, as the plan said."""
    before = site.vm.containers()
    site.change(COMPOSE, "REGISTRY_TITLE=Docker Hub mirror", "REGISTRY_TITLE=Mirror")
    plan = site.plan()
    assert any(action.startswith("recreate registry-ui") for action in plan.actions), plan.told
    done = site.apply()
    assert done.code == 0, done.told
    assert restarted(before, site.vm.containers()) == {"registry-ui"}


def test_a_script_restarts_nothing(site: Site) -> None:
    """A changed script is put in its place with its mode, and no container notices."""
    before = site.vm.containers()
    site.change(SCRIPT, '"""Keep only', '"""Keep just')
    done = site.apply()
    assert (done.code, done.actions) == (0, [f"copy {STACK}/cleanup-tags.sh"]), done.told
    assert site.vm.path(f"{STACK}/cleanup-tags.sh").stat().st_mode & 0o777 == 0o755
    assert site.vm.containers() == before


def test_a_unit_is_reloaded(site: Site) -> None:
    """A changed systemd unit is put in its place, and systemd reads it; the stack stays as it is."""
    before = site.vm.containers()
    calls = site.vm.path("/var/log/calls.log")
    calls.write_text("")
    site.change(TERRAFORM, "Description=Docker registry mirrors", "Description=Docker registries")
    done = site.apply()
    assert done.code == 0, done.told
    assert "Description=Docker registries\n" in site.vm.path(UNIT).read_text()
    assert calls.read_text() == "systemctl daemon-reload\n"
    assert site.vm.containers() == before


def test_modes_and_owners_are_put_right(site: Site) -> None:
    """A file that only has another mode or owner is not written again."""
    nginx = site.vm.path(f"{STACK}/nginx.conf")
    nginx.chmod(0o666)
    site.vm.shell(f"chown nobody {STACK}/config-ghcr.yml")
    before, inode = site.vm.containers(), nginx.stat().st_ino
    done = site.apply()
    assert done.code == 0, done.told
    assert any("mode 0666 -> 0644" in action for action in done.actions), done.told
    assert any("owner nobody:root -> root:root" in action for action in done.actions), done.told
    assert (nginx.stat().st_mode & 0o777, nginx.stat().st_ino) == (0o644, inode)
    assert site.vm.path(f"{STACK}/config-ghcr.yml").stat().st_uid == 0
    assert site.vm.containers() == before


def test_what_left_the_repository_stays_until_pruned(site: Site) -> None:
    """A removed service is reported; only `--prune` removes container, file and crontab line, and never its data."""
    vm = site.vm
    drop_registry(site.tree, "ghcr")
    commit_all(site.tree)
    done = site.apply()
    assert done.code == 0, done.told
    assert "container registry-ghcr is no longer in the repository" in done.notes, done.told
    assert "registry-ghcr" in vm.containers()
    assert vm.path(f"{STACK}/config-ghcr.yml").exists()
    pruned = site.apply("--prune")
    assert pruned.code == 0, pruned.told
    assert "registry-ghcr" not in vm.containers()
    assert not vm.path(f"{STACK}/config-ghcr.yml").exists()
    assert "registry-ghcr" not in vm.crontab()
    assert vm.path(f"{STACK}/data/ghcr").is_dir()
    assert site.plan().code == 0


def test_a_plan_is_carried_out_as_it_is_or_not_at_all(site: Site, tmp_path: Path) -> None:
    """A plan file is refused when the VM or the repository moved, naming what; else exactly it is done."""
    vm, plan = site.vm, tmp_path / "vm.plan"
    site.change(NGINX, HOME_PAGE, "return 200 'planned';")
    assert site.plan("--out", str(plan)).code == 1
    assert plan.stat().st_mode & 0o077 == 0

    script = vm.path(f"{STACK}/cleanup-tags.sh")
    former = script.read_text()
    script.write_text(former + "# by hand\n")
    before = vm.snapshot()
    moved = site.sync("--apply", str(plan))
    assert (moved.code, moved.states) == (3, ["refused"]), moved.told
    assert f"{STACK}/cleanup-tags.sh" in moved.reason
    assert vm.snapshot() == before
    script.write_text(former)

    site.change(PRIVATE_CONFIG, "version: 0.1\n", "version: 0.1 # more\n")
    moved = site.sync("--apply", str(plan))
    assert moved.code == 3, moved.told
    assert "config-private.yml" in moved.reason
    site.change(PRIVATE_CONFIG, "version: 0.1 # more\n", "version: 0.1\n")

    done = site.sync("--apply", str(plan))
    assert (done.code, done.states) == (0, ["changed"]), done.told
    assert site.home_page() == "planned"


def test_a_hand_edit_is_not_lost(site: Site) -> None:
    """What somebody changed on the VM since the last run is shown and refused, until `--overwrite`."""
    vm = site.vm
    edited = vm.path(f"{STACK}/nginx.conf")
    edited.write_text(edited.read_text().replace("worker_connections 1024", "worker_connections 512"))
    before = vm.snapshot()
    site.change(NGINX, HOME_PAGE, "return 200 'second';")
    refused = site.apply()
    assert (refused.code, refused.states) == (3, ["refused"]), refused.told
    assert "nginx.conf was changed on the machine" in refused.reason
    assert "-    worker_connections 512;" in refused.diff(f"{STACK}/nginx.conf")
    assert vm.snapshot() == before
    done = site.apply("--overwrite")
    assert done.code == 0, done.told
    assert site.deployed() == wanted_files(site.tree)
    assert site.home_page() == "second"


FOREIGN = """\
# m h  dom mon dow   command
MAILTO=ops@example.org
PATH=/usr/bin:/bin

*/5 * * * *\tdate +\\%F >>/root/dates; echo "it's $HOME" # with % inside
@daily  /root/backup.sh   \n"""
STRAY = "30 4 * * * /usr/bin/docker exec registry-ghcr ls /var/lib/registry"
DESTRUCTIVE = (
    "45 4 * * * /usr/bin/docker exec registry-private registry garbage-collect -m /etc/docker/registry/config.yml"
)


def test_foreign_crontab_lines_are_kept(site: Site) -> None:
    """Comments, variables, `%`, tabs and trailing blanks stay byte for byte; of two equal lines of ours one stays."""
    vm, ours = site.vm, wanted_crontab(site.tree)
    vm.set_crontab(FOREIGN + "\n".join([ours[0], *ours, "# the end"]) + "\n")
    done = site.apply()
    assert (done.code, done.actions) == (0, ["crontab crontab of root"]), done.told
    assert vm.crontab() == FOREIGN + "\n".join([*ours, "# the end"]) + "\n"
    again = site.apply()
    assert (again.code, again.actions) == (0, []), again.told


def test_superseded_crontab_lines_are_replaced(site: Site) -> None:
    """A line that was ours and is another now is replaced where it stands."""
    site.change(TERRAFORM, "0 2 * * * python3", "30 2 * * * python3")
    vm = site.vm
    vm.set_crontab(f"{vm.crontab()}# below\n")
    done = site.apply()
    assert done.code == 0, done.told
    assert sorted(vm.crontab().splitlines()) == sorted([*wanted_crontab(site.tree), "# below"])


def test_stray_crontab_lines_are_shown(site: Site) -> None:
    """A foreign line that names our container is shown; one that loses images makes the plan exit 1; both prune."""
    vm = site.vm
    cut(site.tree / TERRAFORM, '    "[^\\n]*crontab[^\\n]*registry-private.*\\n')  # a line of ours would take its place
    commit_all(site.tree)
    assert site.apply().code == 0
    vm.set_crontab(f"{vm.crontab()}{STRAY}\n")
    plan = site.plan()
    assert plan.code == 0, plan.told
    assert STRAY in plan.notes
    vm.set_crontab(f"{vm.crontab()}{DESTRUCTIVE}\n")
    plan = site.plan()
    assert plan.code == 1, plan.told
    assert DESTRUCTIVE in plan.told
    assert site.apply().code in (0, 1)
    assert {STRAY, DESTRUCTIVE} <= set(vm.crontab().splitlines())
    pruned = site.apply("--prune")
    assert pruned.code == 0, pruned.told
    assert sorted(vm.crontab().splitlines()) == sorted(wanted_crontab(site.tree))


def test_health_alone(site: Site) -> None:
    """`--verify-only` changes nothing, passes on a healthy stack, and names what is wrong with another."""
    vm, tree = site.vm, site.tree
    before = vm.snapshot()
    done = site.controller.run(tree, "sync-vm", "--host", vm.host, "--verify-only", "--format", "json")
    assert done.code == 0, done
    assert [check["state"] for check in json.loads(done.out)["checks"]] == ["pass"]
    assert vm.snapshot() == before
    vm.run("docker", "stop", "--time=0", "registry-private")
    options = ("--set", "vm.health_timeout=3s", "sync-vm", "--host", vm.host, "--verify-only", "--format", "json")
    failed = site.controller.run(tree, *options)
    assert failed.code == 1, failed
    assert "registry-private: exited" in failed.out
    healed = site.apply("--force")
    assert healed.code == 0, healed.told
    assert any(action.startswith("start registry-private") for action in healed.actions), healed.told


def test_without_a_terminal_nothing_is_asked_or_done(site: Site) -> None:
    """Without `--yes` and a terminal the plan is shown, and that is all."""
    site.change(NGINX, HOME_PAGE, "return 200 'asked';")
    before = site.vm.snapshot()
    shown = site.sync()
    assert (shown.code, shown.states) == (1, ["pending"]), shown.told
    assert site.vm.snapshot() == before


def test_no_roll_out_during_a_collection_nor_the_other_way_round(site: Site) -> None:
    """Each would start, or stop, the registry under the other's hands."""
    place = site.vm.path(f"{STACK}/data/private/.collect-garbage")
    place.mkdir(exist_ok=True)
    before = site.vm.containers()
    site.change(NGINX, HOME_PAGE, "return 200 'new';")
    with (place / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = site.apply()
    assert (done.code, done.states) == (3, ["refused"]), done.told
    assert f"the garbage collector is at work in {STACK}/data/private: run again when it is done" in done.reason

    assert site.controller.run(site.tree, "vm", "lock", site.vm.host).code == 0
    [line] = [line for line in wanted_crontab(site.tree) if "collect-garbage.py" in line]
    collecting = site.vm.shell(line.split(maxsplit=5)[5].partition(" >>")[0], check=False)
    assert site.controller.run(site.tree, "vm", "unlock", site.vm.host).code == 0
    assert collecting.returncode == 6
    assert f"a roll-out is under way, it holds {STACK}/.sync-vm/lock" in collecting.stdout
    assert site.vm.containers() == before
