"""The roll-outs that a machine remembers, and the way back to before one of them."""

from __future__ import annotations

import base64
import contextlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from codemods.engine.report.model import HostState
from codemods.errors import CodemodError
from codemods.rollout import lock, steps
from codemods.rollout.collection import refuse_while_collecting
from codemods.rollout.crontab import merge
from codemods.rollout.health import ask_former, wait
from codemods.rollout.observe import observe
from codemods.rollout.plan import TableChange
from codemods.rollout.records import make_record
from codemods.rollout.shell import OWN_DIRECTORY, quote, whole

if TYPE_CHECKING:
    from codemods.rollout.apply import Outcome, Rollout
    from codemods.rollout.plan import Wish
    from codemods.rollout.snapshot import Snapshot
    from codemods.rollout.steps import Run
    from codemods.rollout.transport import Transport

TIMEOUT = 60
ROLL_BACK = "roll-back"
"""The kind of a run that took others back."""


@dataclass(frozen=True)
class PastRun:
    """One run: its id, how it ended, and the record that was written before it changed anything."""

    id: str
    status: str
    record: Mapping[str, Any]

    @property
    def can_be_undone(self) -> bool:
        """Whether it changed the machine, and that still stands."""
        return self.status in (steps.DONE, steps.SWAPPING, steps.ROLLBACK_FAILED) and "files" in self.record


def read_runs(transport: Transport, directory: str) -> list[PastRun]:
    """The runs whose backups are kept, the newest first. Raises Disconnected."""
    done = transport.run(
        whole(
            f"for run in {quote(f'{directory}/{OWN_DIRECTORY}')}/runs/*/; do",
            '    [ -f "$run/record.json" ] || continue',
            '    printf "run %s %s " "$(basename "$run")" "$(cat "$run/status")"',
            '    base64 <"$run/record.json" | tr -d "\\n"',
            "    echo",
            "done 2>/dev/null",
            "exit 0",
        ),
        TIMEOUT,
    )
    found = []
    for line in done.output.splitlines():
        words = line.split(" ")
        if len(words) == 4 and words[0] == "run":
            try:
                found.append(PastRun(words[1], words[2], json.loads(base64.b64decode(words[3]))))
            except ValueError:
                continue
    return sorted(found, key=lambda one: one.id, reverse=True)


def read_log(transport: Transport, directory: str, lines: int = 20) -> list[Mapping[str, Any]]:
    """The last lines of the audit log, the newest first. Raises Disconnected."""
    path = quote(f"{directory}/{OWN_DIRECTORY}/log.jsonl")
    done = transport.run(whole(f"tail -n {lines} {path} 2>/dev/null", "exit 0"), TIMEOUT)
    found = []
    for line in done.output.splitlines():
        with contextlib.suppress(ValueError):
            found.append(json.loads(line))
    return found[::-1]


def choose(name: str, runs: Sequence[PastRun], wanted: str) -> list[PastRun]:
    """The runs to undo, the newest first, to come back to before `wanted`; empty means before the last one.

    Raises CodemodError.
    """
    undoable = [one for one in runs if one.can_be_undone]
    forward = [one for one in undoable if one.record.get("kind") != ROLL_BACK]
    if not (undoable if wanted else forward):
        raise CodemodError(f"{name}: there is no roll-out to take back; `codemod vm runs {name}` lists them")
    if not wanted:
        return forward[:1]
    if wanted not in [one.id for one in undoable]:
        raise CodemodError(f"{name}: there is no run {wanted} to take back; `codemod vm runs {name}` lists them")
    return [one for one in undoable if one.id >= wanted]


def take_back(rollout: Rollout, wanted: str) -> Outcome:
    """Bring a machine back to before a run, and see that it serves; what is there now is kept, and put back on failure.

    Raises CodemodError when nothing was changed.
    """
    from codemods.rollout.apply import Interrupted, Outcome, StepFailed
    from codemods.rollout.look import look

    transport, directory, run = rollout.transport, rollout.run.directory, rollout.run
    try:
        if note := lock.acquire(transport, directory, lock.Owner(run.id, rollout.options.commit)):
            rollout.notes.append(note)
        refuse_while_collecting(transport, rollout.wish.composition)
        undone = choose(transport.name, read_runs(transport, directory), wanted)
        records = [one.record for one in undone]
        found = look(transport, rollout.wish)
        refuse_edits(rollout, found.snapshot, records)
        tables = former_tables(transport, run, found.snapshot, records, rollout.wish)
        answers = {one.port: ask_former(transport, one) for one in rollout.served(found)}
        before = {port: one for port, one in answers.items() if one.status}
        record = {**make_record(run, rollout.wish.manifest, found, before, rollout.options.commit), **joined(records)}
        rollout.say(f"rolling back {', '.join(one.id for one in undone)}")
        rollout.step("", run.begin({**record, "kind": ROLL_BACK}))
        rollout.step("", run.stage((), tables))
        rollout.step("", run.keep_all(record["files"], record["users"]))
    except lock.Locked:
        raise
    except BaseException as error:
        rollout.give_up(error)
        raise
    try:
        rollout.swapped = True
        composition = rollout.restore([{**one, "users": []} for one in records])
        if tables:
            rollout.step("crontab", run.install_tables(tables))
        rollout.say("health")
        transport.reconnect()
        published = {port.published for service in composition.services for port in service.ports}
        targets = [target for target in rollout.targets if target.port in published]
        deadline = time.monotonic() + rollout.options.health_timeout
        problems, warnings = wait(
            transport, composition, targets, {}, deadline, lambda text: rollout.say(f"health: {text}"), (), ask_former
        )
        if problems:
            raise StepFailed(f"not healthy: {'; '.join(problems)}")
    except (Exception, Interrupted) as error:
        return rollout.roll_back(found, record, before, error)
    rollout.send(run.undone([one.id for one in undone], rollout.entry("rolled-back-by-hand", len(records), "")))
    rollout.say("done")
    return Outcome(HostState.CHANGED, f"as before run {undone[-1].id}", (*rollout.notes, *warnings))


def joined(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What several runs replaced, as one record; what is put there is not known by its digest."""
    return {
        "files": {path: {**entry, "digest": ""} for one in records for path, entry in one["files"].items()},
        "users": list(dict.fromkeys(user for one in records for user in one["users"])),
        "directories": [],
    }


def refuse_edits(rollout: Rollout, snapshot: Snapshot, records: Sequence[Mapping[str, Any]]) -> None:
    """Raise CodemodError for files that somebody else has written to since, unless --overwrite is given."""
    left = (snapshot.state or {}).get("files", {})
    edited = [
        path
        for one in records
        for path in one["files"]
        if path in left and snapshot.file(path).kind == "file" and snapshot.file(path).digest != left[path]["digest"]
    ]
    if edited and not rollout.wish.overwrite:
        raise CodemodError(
            f"{rollout.transport.name}: {edited[0]} was changed on the machine since the last roll-out: look into it, "
            "or pass --overwrite"
        )


def former_tables(
    transport: Transport, run: Run, snapshot: Snapshot, records: Sequence[Mapping[str, Any]], wish: Wish
) -> list[TableChange]:
    """The crontabs with our lines of before these runs; what others wrote there since stays."""
    changes = []
    left = (snapshot.state or {}).get("crontab", {})
    for user in dict.fromkeys(user for one in records for user in one["users"]):
        oldest = next(one for one in reversed(records) if user in one["users"])
        old = f"{quote(f'{run.directory}/{OWN_DIRECTORY}/runs')}/{quote(oldest['run'])}/old/{steps.table_key(user)}"
        done = transport.run(whole(f"cat {old} 2>/dev/null | base64", "exit 0"), TIMEOUT)
        then = base64.b64decode(done.output).decode(errors="surrogateescape").split("\n")
        known = {*left.get(user, ()), *oldest.get("former_crontab", {}).get(user, ())}
        text = snapshot.crontabs.get(user) or ""
        present = list(dict.fromkeys(line for line in then if line in known))
        merged = merge(text, present, left.get(user, ()), wish.composition.containers)
        if merged.text != text:
            changes.append(TableChange(user, text, merged))
    return changes


def current(transport: Transport, directory: str) -> Mapping[str, Any] | None:
    """Who holds the lock; None when nobody does. Raises CodemodError."""
    from codemods.rollout.snapshot import Question

    return observe(transport, Question(directory, {})).lock
