"""`codemod sync-vm` against ansible-playbook on machines where nothing is to be done, on one host and on twenty.

    python -m benchmarks.sync_vm [--hosts 20] [--rounds 3] [--ansible DIR]

Needs root and the packages of the live tests. Ansible comes from PyPI into an environment of its own, with pipelining,
without facts, with twenty forks; its playbook has one task for the files, one for the directories, one for the whole
crontab, and `docker compose up -d`. Both run in turns against the same sshds, each run with new connections. A run that
reports a change does not count. Exit 1 when the medians miss the targets.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import sys
import tempfile
import time
import venv
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.light_vms import copies
from tests.command import commit_all
from tests.live.cloud_init import replace, vm_repository
from tests.live.controller import Controller
from tests.live.lab import run
from tests.live.site import SCRIPT, wanted_files
from tests.live.vm import STACK, UNIT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tests.live.site import SCRIPT, wanted_files
from tests.live.vm import Vm

TARGETS = {1: 0.25, 20: 0.1}
"""The largest part of Ansible's time that we may take, by number of hosts."""
CRONTAB = "/var/spool/cron/crontabs/root"


class Ansible:
    """ansible-core with a playbook that wants what is already there."""

    def __init__(self, environment: Path, work: Path, controller: Controller) -> None:
        self.program = environment / "bin/ansible-playbook"
        self.work = work
        self.controller = controller
        if not self.program.exists():
            venv.create(environment, with_pip=True)
            run([str(environment / "bin/pip"), "install", "-q", "ansible-core"], timeout=600)
        self.version = run([str(self.program), "--version"]).stdout.partition("\n")[0]

    def write(self, vms: Sequence[Vm], original: Path) -> None:
        """Write the inventory and the playbook; the files to copy are those of the original machine."""
        known = f"-o UserKnownHostsFile={self.controller.known_hosts} -o StrictHostKeyChecking=yes"
        hosts = [f"host{index} ansible_port={vm.port}" for index, vm in enumerate(vms)]
        variables = {
            "ansible_host": "127.0.0.1",
            "ansible_user": "root",
            "ansible_ssh_private_key_file": self.controller.home / ".ssh/laboratory",
            "ansible_ssh_common_args": f'"{known}"',
            "ansible_python_interpreter": "/usr/bin/python3",
        }
        lines = ["[all]", *hosts, "[all:vars]", *(f"{name}={value}" for name, value in variables.items())]
        (self.work / "inventory").write_text("\n".join(lines) + "\n")
        play = {"hosts": "all", "gather_facts": False, "tasks": tasks(original)}
        (self.work / "playbook.yml").write_text(json.dumps([play]))

    def play(self, count: int) -> None:
        """Run the playbook on the first hosts. Raises when one of them reports a change or a failure."""
        settings = {
            "ANSIBLE_PIPELINING": "True",
            "ANSIBLE_FORKS": "20",
            "ANSIBLE_LOCAL_TEMP": str(self.work / "local"),
            # Empty at the start of each run, so that no connection is left from the last one.
            "ANSIBLE_SSH_CONTROL_PATH_DIR": tempfile.mkdtemp(dir=self.work),
        }
        limit = ",".join(f"host{index}" for index in range(count))
        command = [str(self.program), "-i", "inventory", "--limit", limit, "playbook.yml"]
        done = run(["env", "-C", str(self.work), *command], env=self.controller.environment | settings, timeout=600)
        recap = re.findall(r"^host\d+ .*changed=0 .*unreachable=0 .*failed=0 ", done.stdout, re.MULTILINE)
        assert len(recap) == count, done.stdout + done.stderr


def tasks(original: Path) -> list[dict[str, object]]:
    """What the repository wants, in Ansible's words."""
    stack = original / STACK.lstrip("/")
    files = [*sorted(path for path in stack.iterdir() if path.is_file()), original / UNIT.lstrip("/")]
    copied = [
        {"src": str(path), "dest": f"/{path.relative_to(original)}", "mode": f"0{path.stat().st_mode & 0o777:o}"}
        for path in files
    ]
    directories = [f"{STACK}/data/{path.name}" for path in sorted((stack / "data").iterdir())]
    table = {"src": str(original / CRONTAB.lstrip("/")), "dest": CRONTAB, "mode": "0600", "group": "crontab"}
    owner = {"owner": "root", "group": "root"}
    item = {name: f"{{{{ item.{name} }}}}" for name in ("src", "dest", "mode")}
    return [
        {"ansible.builtin.file": {"path": "{{ item }}", "state": "directory", **owner}, "loop": directories},
        {"ansible.builtin.copy": {**item, **owner}, "loop": copied},
        {"ansible.builtin.copy": {**table, "owner": "root"}},
        {
            "ansible.builtin.command": {"cmd": "docker compose up -d", "chdir": STACK},
            "register": "up",
            "changed_when": "'up-to-date' not in up.stderr or 'Creating' in up.stderr",
        },
    ]


def measure(sides: Mapping[str, Callable[[], None]], rounds: int) -> dict[str, list[float]]:
    """Seconds of every run of each side; in turns, after one run of each that does not count."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds + 1):
        for name, side in sides.items():
            begun = time.perf_counter()
            side()
            if number:
                times[name].append(time.perf_counter() - begun)
    return times


def tell(count: int, times: dict[str, list[float]]) -> float:
    """Print a line for each side; returns the ratio of the medians."""
    medians = {name: statistics.median(values) for name, values in times.items()}
    ours, theirs = medians.values()
    for name, values in times.items():
        print(f"{count:>2} hosts  {name:<18} median {medians[name]:6.2f} s  fastest {min(values):6.2f} s")
    print(f"{count:>2} hosts  ratio {ours / theirs:.3f}, wanted at most {TARGETS.get(count, 1):.2f}", flush=True)
    return ours / theirs


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ansible", type=Path, default=Path("build/ansible"), help="where its environment is, or goes")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sync-vm-", ignore_cleanup_errors=True) as name:
        return compare(Path(name), options.hosts, options.rounds, options.ansible.resolve())


def compare(work: Path, hosts: int, rounds: int, environment: Path) -> int:
    """Build the hosts, check that both sides find nothing to do, and measure."""
    controller = Controller(work / "home")
    ansible = Ansible(environment, work, controller)
    tree = vm_repository(work, migrated=True)

    def ours(vms: Sequence[Vm]) -> None:
        outcome = controller.sync(tree, *vms, options=("--yes",))
        assert (outcome.code, set(outcome.states)) == (0, {"clean"}), outcome.told

    def use(model: Vm) -> None:
        controller.trust(model)
        # Only a run that changes something leaves what later ones compare with.
        replace(tree / SCRIPT, '"""Keep the newest tags', '"""Keep only the newest tags')
        commit_all(tree)
        changed = controller.sync(tree, model, options=("--yes",))
        assert changed.states == ["changed"], changed.told
        ours([model])
        controller.ssh(model, f"cd {STACK} && docker compose up -d")

    with copies(work, controller.key, hosts, tree, use) as (vms, original):
        controller.trust(*vms)
        ansible.write(vms, original)
        print(f"{ansible.version}; {hosts} machines with {len(wanted_files(tree))} files each", flush=True)
        ratios = {}
        for count in (1, hosts):
            sides = {"codemod sync-vm": partial(ours, vms[:count]), "ansible-playbook": partial(ansible.play, count)}
            ratios[count] = tell(count, measure(sides, rounds))
    return int(any(ratio > TARGETS.get(count, 1) for count, ratio in ratios.items()))


if __name__ == "__main__":
    sys.exit(main())
