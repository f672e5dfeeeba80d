"""The steps of a run as scripts for the machine.

A step runs to its end even when the connection breaks: it takes no notice of hang-ups, writes to a log of its own, and
nothing of it runs before all of it has arrived. Each one checks first that the lock is still ours.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from codemods.rollout.lock import guard, release_lines
from codemods.rollout.shell import decoded, function, quote, whole

if TYPE_CHECKING:
    from codemods.rollout.plan import FileChange, Plan, TableChange

PATIENCE = 900
"""Seconds to wait for a step that was cut off; compose has as long."""

SWAPPING, DONE, STOPPED = "swapping", "done", "stopped"
ROLLED_BACK, ROLLBACK_FAILED, UNDONE, SUPERSEDED = "rolled-back", "rollback-failed", "undone", "superseded"

_FUNCTIONS = """
staged() { if [ -e "$run/new/$1.at" ]; then cat "$run/new/$1.at"; else printf %s "$run/new/$1"; fi; }
beside() {
    near=$(dirname "$2")
    while [ ! -d "$near" ]; do near=$(dirname "$near"); done
    if [ "$(stat -c %d "$run/new/$1")" != "$(stat -c %d "$near")" ]; then
        printf %s "$near/.sync-vm-$1" >"$run/new/$1.at"
        cp -p "$run/new/$1" "$near/.sync-vm-$1"
    fi
}
keep() {
    if [ ! -e "$run/old/$1" ] && [ ! -e "$run/old/$1.absent" ]; then
        if [ -f "$2" ]; then cp -p "$2" "$run/old/$1"; else : >"$run/old/$1.absent"; fi
    fi
}
keep_table() {
    number=$1
    shift
    if [ ! -e "$run/old/$number" ] && [ ! -e "$run/old/$number.absent" ]; then
        crontab "$@" -l >"$run/old/$number" || { rm -f "$run/old/$number"; : >"$run/old/$number.absent"; }
    fi
}
restore() {
    if [ -e "$from/$1.absent" ]; then rm -f "$2"
    elif [ -e "$from/$1" ]; then
        cp -p "$from/$1" "$(dirname "$2")/.sync-vm-$1"
        mv -f "$(dirname "$2")/.sync-vm-$1" "$2"
    fi
}
restore_table() {
    number=$1
    shift
    if [ -e "$from/$number.absent" ]; then crontab "$@" -r 2>/dev/null || :
    elif [ -e "$from/$number" ]; then crontab "$@" "$from/$number"
    fi
}
"""


@dataclass(frozen=True)
class Run:
    """One roll-out to one machine; `id` begins with its time, so that ids sort."""

    id: str
    directory: str

    def step(self, name: str, *body: str) -> str:
        """A step with this shell text; it ends at the first command that fails."""
        return whole(
            *guard(self.directory, self.id),
            f'umask 077; run=$own/runs/{quote(self.id)}; mkdir -p "$run/new" "$run/old"',
            "trap '' HUP PIPE",
            # A step whose controller was cut off may still be at work.
            f"left={PATIENCE}",
            'while kill -0 "$(cat "$lock/worker" 2>/dev/null)" 2>/dev/null && [ "$left" -gt 0 ]; do',
            "    left=$((left - 1)); sleep 1",
            "done",
            'echo "$$" >"$lock/worker"; cat /proc/sys/kernel/random/boot_id >"$lock/boot"',
            _FUNCTIONS,
            "(",
            "set -e",
            *body,
            f') >"$run/{name}.log" 2>&1',
            "code=$?",
            'rm -f "$lock/worker"',
            f'cat "$run/{name}.log"',
            "exit $code",
        )

    def begin(self, record: Mapping[str, Any], former: str = "") -> str:
        """Write down what is about to be done, and take over the backups of a `former` run that was interrupted."""
        inherit = [f'if [ -d "$own/runs/{former}/old" ]; then cp -Rp "$own/runs/{former}/old/." "$run/old/"; fi']
        return self.step(
            "begin",
            'for at in "$own"/runs/*/new/*.at; do if [ -e "$at" ]; then rm -f "$(cat "$at")" "$at"; fi; done',
            *(inherit if former else []),
            function("record", decoded(json.dumps(record).encode())),
            'record >"$run/record.json"',
            'printf prepared >"$run/status"',
        )

    def stage(self, files: Sequence[FileChange], tables: Sequence[TableChange]) -> str:
        """Bring all new contents to the file system on which they will lie, with their final modes."""
        body = []
        for file in (change.file for change in files if change.is_content):
            key, digest = file_key(file.path), hashlib.sha256(file.content).hexdigest()
            body += [
                function("content", decoded(file.content)),
                f'content >"$run/new/{key}"',
                f'[ "$(sha256sum <"$run/new/{key}")" = "{digest}  -" ] || {{ echo "no room left"; exit 1; }}',
                f'chown {quote(file.owner)} "$run/new/{key}"; chmod {file.mode:o} "$run/new/{key}"',
                f"beside {key} {quote(file.path)}",
            ]
        for table in tables:
            key = table_key(table.user)
            text = table.merge.text.encode(errors="surrogateescape")
            body += [function("content", decoded(text)), f'content >"$run/new/{key}"']
        return self.step("stage", *body, "sync")

    def back_up(self, plan: Plan) -> str:
        """Copy everything that the swap will replace."""
        return self.step(
            "backup",
            *(f"keep {file_key(path)} {quote(path)}" for path in changed_paths(plan)),
            *(f"keep_table {table_key(table.user)} {_of(table.user)}" for table in plan.tables),
            "sync",
        )

    def keep_all(self, files: Mapping[str, Any], users: Iterable[str]) -> str:
        """Copy these files and crontabs, and say that from now on they are being replaced."""
        return self.step(
            "backup",
            *(f"keep {file_key(path)} {quote(path)}" for path in files),
            *(f"keep_table {table_key(user)} {_of(user)}" for user in users),
            "sync",
            f'printf {SWAPPING} >"$run/status"; sync',
        )

    def swap(self, plan: Plan) -> str:
        """Put everything in its place, each file by one rename."""
        return self.step(
            "swap",
            f'printf {SWAPPING} >"$run/status"; sync',
            *(f"(umask 022; mkdir -p {quote(path)})" for path in plan.directories),
            *(line for change in plan.files for line in _place(change)),
            *(f"rm -f {quote(path)}" for path in plan.removed),
            "sync",
        )

    def install_tables(self, tables: Sequence[TableChange]) -> str:
        """Install the crontabs."""
        return self.step(
            "crontab",
            *(
                # An empty table is none; cron would take it, and so would everybody for a loss.
                f'crontab {_of(table.user)} "$run/new/{table_key(table.user)}"'
                if table.merge.text
                else f"crontab {_of(table.user)} -r"
                for table in tables
            ),
        )

    def reload_units(self) -> str:
        """Let systemd read its units again."""
        return self.step("units", "if command -v systemctl >/dev/null; then systemctl daemon-reload; fi")

    def up(self, files: Sequence[str], timeout: int) -> str:
        """Let compose create, recreate and start what differs; `files` are its options."""
        command = quote(*files, "up", "-d")
        return self.step("up", f"cd {quote(self.directory)}", f"limit={timeout}", f"compose {command}")

    def restart(self, containers: Sequence[str]) -> str:
        """Restart containers, one after the other."""
        return self.step("restart", *(f"docker restart {quote(name)}" for name in containers))

    def remove(self, containers: Sequence[str]) -> str:
        """Remove containers; what they wrote outside themselves stays."""
        return self.step("remove", *(f"docker rm -f {quote(name)}" for name in containers))

    def restore(self, records: Iterable[Mapping[str, Any]]) -> str:
        """Put back what these runs replaced, the newest first."""
        body = []
        for record in records:
            body.append(f"from=$own/runs/{quote(record['run'])}/old")
            body += [f"restore {quote(entry['key'], path)}" for path, entry in record["files"].items()]
            body += [f"restore_table {table_key(user)} {_of(user)}" for user in record["users"]]
            body += [f"rmdir {quote(path)} 2>/dev/null || :" for path in reversed(record["directories"])]
        return self.step("restore", *body, "sync")

    def finish(self, status: str, entry: Mapping[str, Any], keep: int, state: Mapping[str, Any] | None = None) -> str:
        """Note how the run ended, forget the oldest ones, and give the lock back."""
        write = [
            function("state", decoded(json.dumps(state).encode())),
            'state >"$run/new/state.json"',
            'if [ -f "$own/state.json" ]; then cp -p "$own/state.json" "$run/old/state.json"; fi',
            'mv -f "$run/new/state.json" "$own/state.json"',
        ]
        # Its backups were taken over by this run.
        supersede = [
            'for other in "$own"/runs/*/status; do',
            f'    case $(cat "$other") in {SWAPPING} | {ROLLBACK_FAILED}) printf {SUPERSEDED} >"$other" ;; esac',
            "done",
        ]
        return whole(
            *guard(self.directory, self.id),
            f"umask 077; run=$own/runs/{quote(self.id)}; trap '' HUP PIPE",
            function("entry", decoded(json.dumps(entry).encode() + b"\n")),
            'if [ -d "$run" ]; then',
            *(write if state else []),
            *(supersede if status in (DONE, ROLLED_BACK) else []),
            f'printf {status} >"$run/status"',
            'for at in "$run"/new/*.at; do if [ -e "$at" ]; then rm -f "$(cat "$at")"; fi; done',
            # After these the machine is as it was: there is nothing to go back to.
            'rm -rf "$run"' if status in (STOPPED, ROLLED_BACK) else 'rm -rf "$run/new"',
            "fi",
            'entry >>"$own/log.jsonl"',
            "sync",
            f'ls -1 "$own/runs" 2>/dev/null | sort | head -n -{keep} | while read -r old; do',
            '    rm -rf "$own/runs/$old"',
            "done",
            *release_lines(self.id),
        )

    def undone(self, runs: Sequence[str], entry: Mapping[str, Any]) -> str:
        """Note that these runs were taken back, the newest first: what the first of them found is the state again."""
        former = f'"$own/runs/{runs[-1]}/old/state.json"'
        return whole(
            *guard(self.directory, self.id),
            f"umask 077; trap '' HUP PIPE; run=$own/runs/{quote(self.id)}",
            function("entry", decoded(json.dumps(entry).encode() + b"\n")),
            f'if [ -f {former} ]; then cp -p {former} "$own/state.json"; else rm -f "$own/state.json"; fi',
            *(f'printf {UNDONE} >"$own/runs/{one}/status"' for one in runs),
            'entry >>"$own/log.jsonl"',
            f'printf {DONE} >"$run/status"; rm -rf "$run/new"',
            "sync",
            *release_lines(self.id),
        )


def file_key(path: str) -> str:
    """The name under which a file is staged and kept."""
    return f"file-{hashlib.sha256(path.encode()).hexdigest()[:16]}"


def table_key(user: str) -> str:
    """The name under which a user's crontab is staged and kept."""
    return f"crontab-{hashlib.sha256(user.encode()).hexdigest()[:16]}"


def changed_paths(plan: Plan) -> list[str]:
    """Paths of the files that a plan puts in place, changes or removes."""
    return [*(change.file.path for change in plan.files), *plan.removed]


def _place(change: FileChange) -> list[str]:
    file = change.file
    path, key = quote(file.path), file_key(file.path)
    if not change.is_content:
        return [f"chown {quote(file.owner)} {path}; chmod {file.mode:o} {path}"]
    return [f'(umask 022; mkdir -p "$(dirname {path})")', f'mv -f "$(staged {key})" {path}']


def _of(user: str) -> str:
    """The options of crontab for a user; root needs none for its own."""
    return "" if user == "root" else quote("-u", user)
