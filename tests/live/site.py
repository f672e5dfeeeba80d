"""One VM, the repository that describes it, and the user who keeps them together."""

from __future__ import annotations

import re
from base64 import b64decode
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.command import commit_all, git
from tests.live.cloud_init import SOURCE, commands, replace, vm_repository
from tests.live.controller import Controller, Outcome, sync_arguments
from tests.live.vm import STACK, Vm

if TYPE_CHECKING:
    from pathlib import Path

    from tests.live.controller import Command

NGINX = f"{SOURCE}/nginx_registry.conf"
COMPOSE = f"{SOURCE}/docker-compose.yml"
PRIVATE_CONFIG = f"{SOURCE}/config-private.yml"
MIRROR_CONFIG = f"{SOURCE}/config-proxy.yaml.tpl"
SCRIPT = f"{SOURCE}/cleanup-tags.sh"
HOME_PAGE = "return 200 'ok';"
"""What nginx answers outside of the registries; a change of it shows which file nginx has read."""


@dataclass
class Site:
    """A VM on which the stack of `tree` runs. `base` is the commit that it comes back to."""

    vm: Vm
    controller: Controller
    tree: Path
    base: str = ""

    def __post_init__(self) -> None:
        self.base = self.base or self.commit_of(self.tree)

    @staticmethod
    def commit_of(tree: Path) -> str:
        """The commit that a repository is at."""
        return git(tree, "rev-parse", "HEAD").strip()

    def change(self, file: str, old: str, new: str) -> None:
        """Change a file of the repository, and commit."""
        replace(self.tree / file, old, new)
        commit_all(self.tree)

    def plan(self, *options: str, **variables: str) -> Outcome:
        """`sync-vm --plan`."""
        return self.sync("--plan", *options, **variables)

    def apply(self, *options: str, **variables: str) -> Outcome:
        """`sync-vm --yes`."""
        return self.sync("--yes", *options, **variables)

    def sync(self, *options: str, **variables: str) -> Outcome:
        """`sync-vm` with these options."""
        return self.controller.sync(self.tree, self.vm, options=options, **variables)

    def start(self, *options: str) -> Command:
        """Start `sync-vm --yes`."""
        return self.controller.start(self.tree, *sync_arguments(self.vm, options=("--yes", *options)))

    def rewind(self) -> None:
        """Let the repository come back to the base commit."""
        git(self.tree, "reset", "--quiet", "--hard", self.base)

    def reset(self) -> None:
        """Come back to the base commit, here and there, with no line in the crontab but ours."""
        self.rewind()
        self.vm.set_crontab("".join(f"{line}\n" for line in wanted_crontab(self.tree)))
        outcome = self.apply("--overwrite", "--prune")
        assert outcome.code == 0, outcome.told

    def home_page(self, port: int = 5000) -> str:
        """What nginx answers outside of the registries."""
        return self.vm.get(port, "/").body

    def deployed(self) -> dict[str, bytes]:
        """What the managed files hold on the VM now, by path; the missing ones are left out."""
        paths = {path: self.vm.path(path) for path in wanted_files(self.tree)}
        return {path: place.read_bytes() for path, place in paths.items() if place.exists()}


def running_site(vm: Vm, controller: Controller, parent: Path) -> Site:
    """A new VM that runs what a repository in `parent` says, and that a run has brought there.

    Only from a run on does the VM remember what is ours.
    """
    tree = vm_repository(parent, migrated=True, small=True)
    vm.provision(tree)
    site = Site(vm, controller, tree)
    site.change(SCRIPT, '"""Keep the newest tags', '"""Keep only the newest tags')
    outcome = site.apply()
    assert outcome.states == ["changed"], outcome.told
    site.base = site.commit_of(tree)
    return site


def wanted_files(tree: Path) -> dict[str, bytes]:
    """The files that a repository puts on its VM, by path."""
    written = (re.match(r"echo (\S+) \| base64 -d > (\S+)", command) for command in commands(tree))
    return {found[2]: b64decode(found[1]) for found in written if found}


def wanted_crontab(tree: Path) -> list[str]:
    """The crontab lines that a repository puts on its VM."""
    return [line for command in commands(tree) for line in re.findall(r"echo '(.*)' \) \| crontab -", command)]


def strangers(vm: Vm, tree: Path) -> set[str]:
    """What lies in the stack's directory and does not belong there."""
    known = {path.removeprefix(f"{STACK}/").partition("/")[0] for path in wanted_files(tree)}
    return {path.name for path in vm.path(STACK).iterdir()} - known - {"data", ".sync-vm"}
