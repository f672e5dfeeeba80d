"""`codemod sync-vm` cut off anywhere: either state serves, no file is torn, and the next run converges."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.live.cloud_init import STACK as TERRAFORM
from tests.live.killing import Killing, points
from tests.live.site import COMPOSE, HOME_PAGE, NGINX, PRIVATE_CONFIG, SCRIPT, Site, running_site

if TYPE_CHECKING:
    from pathlib import Path

    from tests.live.controller import Controller
    from tests.live.vm import Vm

pytestmark = pytest.mark.live

KILLS = int(os.environ.get("CODEMOD_KILLS", "8"))
SEED = int(os.environ.get("CODEMOD_KILLS_SEED", "4"))


def test_a_roll_out_cut_off_anywhere(new_vm: Vm, controller: Controller, tmp_path: Path) -> None:
    """After every kind of cut at every step the VM serves, nothing is torn, and the next run brings the new state."""
    site = running_site(new_vm, controller, tmp_path)
    old, site.tree = site.tree, tmp_path / "new"
    shutil.copytree(old, site.tree)
    change_everything(site)
    killing = Killing(site, old, site.tree)
    results = []
    for point in points(SEED, KILLS):
        results.append(killing.survive(point))
        print(results[-1], flush=True)
    survived = [result for result in results if not result.problems]
    told = "\n".join(map(str, results))
    print(f"survived {len(survived)}/{len(results)}, {sum(result.hit for result in results)} of them cut off in time")
    assert len(survived) == len(results), told
    assert sum(result.hit for result in results) > len(results) / 2, told


def change_everything(site: Site) -> None:
    """A change of every kind: nginx, a registry's configuration, a service's definition, a script, a crontab line."""
    site.change(NGINX, HOME_PAGE, "return 200 'new';")
    site.change(PRIVATE_CONFIG, "version: 0.1\n", "version: 0.1 # new\n")
    site.change(COMPOSE, "REGISTRY_TITLE=Docker Hub mirror", "REGISTRY_TITLE=Mirror")
    site.change(SCRIPT, '"""Keep only', '"""Keep just')
    site.change(TERRAFORM, "0 2 * * * python3", "30 2 * * * python3")
