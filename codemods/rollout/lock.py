"""One roll-out at a time on a machine: a directory that only one can make, with the name of who made it.

A lock whose owner was a process of this computer that is gone is taken over, once what it started on the machine has
ended. Any other lock is left alone, and its owner named.
"""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codemods.errors import CodemodError
from codemods.rollout.shell import OWN_DIRECTORY, decoded, function, quote, whole

if TYPE_CHECKING:
    from codemods.rollout.transport import Transport

TIMEOUT = 180
PATIENCE = 120
"""Seconds to wait for what a controller that is gone has left running on the machine."""

OLD = 30 * 60
"""Seconds after which a lock looks forgotten."""

HELD = 76
"""Exit code of an attempt to take a lock that somebody holds."""

LOST = 75
"""Exit code of a step that finds the lock in other hands."""


class Locked(CodemodError):
    """A lock that somebody else holds."""


@dataclass(frozen=True)
class Owner:
    """Who holds a lock, for which run; one that is taken `by_hand` stays when the process that took it ends."""

    run: str
    commit: str = ""
    by_hand: bool = False

    def record(self) -> dict[str, Any]:
        """What is written into the lock."""
        return {
            "run": self.run,
            "who": who(),
            "computer": _computer(),
            "pid": None if self.by_hand else os.getpid(),
            "pid_started": _started(os.getpid()),
            "since": datetime.now(UTC).isoformat(timespec="seconds"),
            "commit": self.commit,
        }


def who() -> str:
    """The user and the computer that this runs on."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def acquire(transport: Transport, directory: str, owner: Owner) -> str:
    """Take the lock. Returns a note about a lock that was taken over, or an empty text. Raises Locked."""
    done = transport.run(_acquire(directory, owner, ""), TIMEOUT)
    if done.code == 0:
        return ""
    if done.code != HELD:
        from codemods.engine.report.escape import printable

        said = printable(" ".join(done.output.split())[-200:]) or "it does not say why"
        raise CodemodError(f"{transport.name}: the lock cannot be made in {directory}: {said}")
    held = read_owner(done.output)
    if not is_gone(held):
        raise Locked(f"{transport.name}: {describe(held)}: wait, or `codemod vm unlock {transport.name}`")
    done = transport.run(_acquire(directory, owner, str(held.get("run", ""))), TIMEOUT)
    if done.code:
        held = read_owner(done.output) or held
        raise Locked(f"{transport.name}: {describe(held)}, and what it started is still running there: try again later")
    return f"took over the lock of run {held.get('run')}, whose process is gone"


def release(transport: Transport, directory: str, run: str) -> None:
    """Give the lock back, if it is ours."""
    transport.run(whole(f"lock={quote(_lock(directory))}", *release_lines(run)), TIMEOUT)


def release_lines(run: str) -> list[str]:
    """Shell lines that remove `$lock` when it belongs to a run."""
    return [f'if [ "$(cat "$lock/run" 2>/dev/null)" = {quote(run)} ]; then rm -rf "$lock"; fi']


def remove(transport: Transport, directory: str) -> Mapping[str, Any] | None:
    """Take away a lock, whoever holds it; returns who did, None when there was none."""
    lock = _lock(directory)
    done = transport.run(
        whole(
            f"lock={quote(lock)}",
            '[ -d "$lock" ] || exit 1',
            'cat "$lock/owner.json" 2>/dev/null',
            'mv "$lock" "$lock.$$" && rm -rf "$lock.$$"',
        ),
        TIMEOUT,
    )
    return None if done.code else read_owner(done.output)


def guard(directory: str, run: str) -> list[str]:
    """Shell lines that end a script unless the lock is a run's, and set `$own` and `$lock`."""
    return [
        f"own={quote(f'{directory}/{OWN_DIRECTORY}')}",
        "lock=$own/lock",
        f'[ "$(cat "$lock/run" 2>/dev/null)" = {quote(run)} ] || exit {LOST}',
    ]


def describe(held: Mapping[str, Any]) -> str:
    """Who holds a lock, in words."""
    if not held:
        return "locked, and the lock does not say by whom"
    text = f"locked by {held.get('who')} since {held.get('since')} (run {held.get('run')}"
    text += f", commit {str(held['commit'])[:12]})" if held.get("commit") else ")"
    try:
        age = datetime.now(UTC) - datetime.fromisoformat(str(held.get("since")))
    except ValueError:
        return text
    return text + (", which looks forgotten" if age.total_seconds() > OLD else "")


def is_gone(held: Mapping[str, Any]) -> bool:
    """Whether the owner was a process of this computer, and is no more."""
    if held.get("computer") != _computer() or not isinstance(held.get("pid"), int):
        return False
    return _started(held["pid"]) != held.get("pid_started")


def read_owner(text: str) -> Mapping[str, Any]:
    """The record that stands in a lock; empty when it is torn."""
    try:
        data = json.loads(text[text.index("{") : text.rindex("}") + 1])
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


def _acquire(directory: str, owner: Owner, former: str) -> str:
    """A script that makes the lock; with `former` it first takes away that run's, when nothing of it runs any more."""
    return whole(
        f"umask 077; own={quote(f'{directory}/{OWN_DIRECTORY}')}; lock=$own/lock",
        f'(umask 022; mkdir -p {quote(directory)}) && mkdir -p "$own" || exit',
        function("record", decoded(json.dumps(owner.record()).encode())),
        *(_take_over(former) if former else []),
        # A rename: whoever sees the lock sees its owner, too.
        'new=$lock.$$; mkdir "$new" || exit',
        f'record >"$new/owner.json" && printf %s {quote(owner.run)} >"$new/run" || exit',
        f'if ! mv -T "$new" "$lock" 2>/dev/null; then rm -rf "$new"; cat "$lock/owner.json" && exit {HELD}; exit 1; fi',
    )


def _take_over(former: str) -> list[str]:
    return [
        f'if [ "$(cat "$lock/run" 2>/dev/null)" = {quote(former)} ]; then',
        f"    left={PATIENCE}",
        "    boot=$(cat /proc/sys/kernel/random/boot_id)",
        '    while [ "$(cat "$lock/boot" 2>/dev/null)" = "$boot" ] && kill -0 "$(cat "$lock/worker")" 2>/dev/null; do',
        f'        [ "$left" -gt 0 ] || {{ cat "$lock/owner.json"; exit {HELD}; }}',
        "        left=$((left - 1)); sleep 1",
        "    done",
        '    mv "$lock" "$lock.$$" 2>/dev/null && rm -rf "$lock.$$"',
        "fi",
    ]


def _lock(directory: str) -> str:
    return f"{directory}/{OWN_DIRECTORY}/lock"


def _computer() -> str:
    """This computer since its last start, and this one's view of its processes: elsewhere their numbers differ."""
    parts = []
    with contextlib.suppress(OSError):
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    for path in ("/etc/machine-id", "/proc/sys/kernel/random/boot_id"):
        try:
            parts.append(Path(path).read_text(encoding="ascii").strip())
        except OSError:
            parts.append(socket.gethostname())
    return "/".join(parts)


def _started(pid: int) -> str:
    """When a process was started, in ticks; empty when there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
