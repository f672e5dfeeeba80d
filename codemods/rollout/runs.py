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
from codemods.rollout.health import ask_former, wait
from codemods.rollout.observe import observe
from codemods.rollout.shell import OWN_DIRECTORY, quote, whole

if TYPE_CHECKING:
    from codemods.rollout.apply import Outcome, Rollout
    from codemods.rollout.transport import Transport

TIMEOUT = 60


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
    if not undoable:
        raise CodemodError(f"{name}: there is no roll-out to take back; `codemod vm runs {name}` lists them")
    if not wanted:
        return undoable[:1]
    if wanted not in [one.id for one in undoable]:
        raise CodemodError(f"{name}: there is no run {wanted} to take back; `codemod vm runs {name}` lists them")
    return [one for one in undoable if one.id >= wanted]


def take_back(rollout: Rollout, wanted: str) -> Outcome:
    """Bring a machine back to before a run, and see that it serves. Raises CodemodError when nothing was changed."""
    from codemods.rollout.apply import Outcome, StepFailed
    from codemods.rollout.look import look

    transport, directory = rollout.transport, rollout.run.directory
    if note := lock.acquire(transport, directory, lock.Owner(rollout.run.id, rollout.options.commit)):
        rollout.notes.append(note)
    try:
        undone = choose(transport.name, read_runs(transport, directory), wanted)
        found = look(transport, rollout.wish)
        before = {one.port: ask_former(transport, one) for one in rollout.served(found)}
    except BaseException as error:
        rollout.give_up(error)
        raise
    records = [one.record for one in undone]
    try:
        rollout.say(f"rolling back {', '.join(one.id for one in undone)}")
        rollout.step("", rollout.run.begin({"run": rollout.run.id, "undoes": [one.id for one in undone]}))
        composition = rollout.restore(records)
        rollout.say("health")
        transport.reconnect()
        published = {port.published for service in composition.services for port in service.ports}
        targets = [target for target in rollout.targets if target.port in published]
        deadline = time.monotonic() + rollout.options.health_timeout
        # What was bad before is no measure; what the undone run brought may be gone.
        wells = {port: answer for port, answer in before.items() if answer.status}
        problems, warnings = wait(
            transport, composition, targets, wells, deadline, lambda text: rollout.say(f"health: {text}"), ask_former
        )
        if problems:
            raise StepFailed(f"not healthy: {'; '.join(problems)}")
    except CodemodError as failure:
        return rollout.by_hand(found, "the roll-back by hand", failure)
    rollout.send(rollout.run.undone([one.id for one in undone], rollout.entry("rolled-back-by-hand", len(records), "")))
    rollout.say("done")
    return Outcome(HostState.CHANGED, f"as before run {undone[-1].id}", (*rollout.notes, *warnings))


def current(transport: Transport, directory: str) -> Mapping[str, Any] | None:
    """Who holds the lock; None when nobody does. Raises CodemodError."""
    from codemods.rollout.snapshot import Question

    return observe(transport, Question(directory, {})).lock
