"""Is the garbage collector at work on the machine? It has stopped the registry, and a roll-out would start it again.

Each of the two takes its own lock first and looks for the other's then, so that never both go on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from codemods.errors import CodemodError
from codemods.rollout.shell import quote, whole

if TYPE_CHECKING:
    from codemods.rollout.services import Composition
    from codemods.rollout.transport import Transport

TIMEOUT = 60

LOCK = ".collect-garbage/lock"
"""Below a registry's data: what the collector holds with flock(2)."""


_LOOK = (
    f'    [ -f "$data/{LOCK}" ] || continue',
    "    if command -v flock >/dev/null; then",
    f'        flock -n -s "$data/{LOCK}" true || echo "$data"',
    "    else",
    f'        inode=$(stat -c %i "$data/{LOCK}")',
    '        while read -r line; do case $line in *" FLOCK "*":$inode "*) echo "$data" ;; esac; done </proc/locks',
    "    fi",
)
"""Not every system has flock(1); without it a lock of the same number on another file system counts, too."""


def refuse_while_collecting(transport: Transport, composition: Composition) -> None:
    """Raise CodemodError while a registry of the stack is being collected."""
    directories = [one.data_directory for one in composition.facts.registries if one.data_directory]
    done = transport.run(whole(f"for data in {quote(*directories)}; do", *_LOOK, "done"), TIMEOUT)
    if done.output.strip():
        raise CodemodError(
            f"{transport.name}: the garbage collector is at work in {done.output.split()[0]}: run again when it is done"
        )
