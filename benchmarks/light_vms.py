"""Twenty VMs on one computer: copies of one real VM, with a `docker` that answers as the real one did.

Both sides of a benchmark get the same machines, and neither of them waits for docker. A container is a sleeping process
that sees the mounted files, so that who looks for stale mounts finds none.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from tests.live.lab import run
from tests.live.vm import STACK, UNIT, Vm, started_vms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CALLS = "/opt/docker-calls"
COPIED = (STACK, "/var/spool/cron/crontabs", UNIT, CALLS)

RECORDER = f"""#!/bin/sh
# docker, and what it answered.
at={CALLS}/$(printf '%s\\n' "$*" | sha256sum | cut -c1-16)
/usr/bin/docker "$@" >$at.out 2>$at.err
echo $? >$at.code
cat $at.err >&2
cat $at.out
exit $(cat $at.code)
"""
PLAYER = f"""#!/bin/sh
# What docker answered to the same call.
at={CALLS}/$(printf '%s\\n' "$*" | sha256sum | cut -c1-16)
[ -f $at.code ] || {{ echo "docker: was never called with: $*" >&2; exit 125; }}
cat $at.err >&2
cat $at.out
exit $(cat $at.code)
"""


@contextlib.contextmanager
def copies(
    directory: Path, key: str, number: int, tree: Path, use: Callable[[Vm], object]
) -> Iterator[tuple[list[Vm], Path]]:
    """That many copies of a VM with the stack of `tree`, and a directory with the files of the original.

    `use(vm)` makes the calls of docker on the original that will be made on the copies.
    """
    with contextlib.ExitStack() as stack:
        with started_vms(directory / "model", key, 1) as [model]:
            model.provision(tree)
            model.shell(f"mkdir -p {CALLS} /usr/local/bin")
            model.write("/usr/local/bin/docker", RECORDER, 0o755)
            use(model)
            original = directory / "original"
            for place in COPIED:
                target = original / place.lstrip("/")
                target.parent.mkdir(parents=True, exist_ok=True)
                run(["cp", "-a", str(model.path(place)), str(target)])
            containers = json.loads(model.shell("/usr/bin/docker inspect $(/usr/bin/docker ps -q)").stdout)
        vms = [Vm(directory / f"copy{index}", key) for index in range(number)]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(stack.enter_context, vms))
            list(pool.map(lambda vm: become(vm, original, containers), vms))
        yield vms, original


def become(vm: Vm, original: Path, containers: list[dict[str, Any]]) -> None:
    """Make a VM a copy: files with their times, crontab, answers, and a process for each container."""
    for place in COPIED:
        source = original / place.lstrip("/")
        target = vm.path(place)
        target.parent.mkdir(parents=True, exist_ok=True)
        run(["cp", "-a", *(map(str, source.iterdir()) if target.is_dir() else [str(source)]), str(target)])
    vm.shell("mkdir -p /usr/local/bin")
    vm.write("/usr/local/bin/docker", PLAYER, 0o755)
    pids = {container["State"]["Pid"]: imitate(vm, container) for container in containers}
    for answer in vm.path(CALLS).glob("*.out"):
        text = answer.read_text()
        answer.write_text(re.sub(r"^\d+(?= )", lambda found: pids.get(int(found[0]), found[0]), text, flags=re.M))


def imitate(vm: Vm, container: dict[str, Any]) -> str:
    """Start a process that sees the container's mounted files, and does nothing; returns its id."""
    root = f"/opt/containers{container['Name']}"
    vm.path(root).mkdir(parents=True)
    shutil.copy(shutil.which("busybox") or "", vm.path(root))
    for mount in container["Mounts"]:
        if mount["Type"] == "bind" and vm.path(mount["Source"]).is_file():
            inside = f"{root}{mount['Destination']}"
            vm.shell(f"mkdir -p $(dirname {inside}) && touch {inside} && mount --bind {mount['Source']} {inside}")
    return vm.shell(f"chroot {root} /busybox sleep 86400 </dev/null >/dev/null 2>&1 & echo $!").stdout.strip()
