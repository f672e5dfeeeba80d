"""One machine from plan to verdict: lock, look again, stage, validate, swap, bring up, check, keep or roll back.

Nothing of the running stack is touched before everything new lies on the machine and has been tried there. After the
first swap every failure, and every interruption, puts the old state back.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from codemods.engine.report.model import HostState
from codemods.errors import CodemodError
from codemods.rollout import lock, settle, steps, validate
from codemods.rollout.collection import refuse_while_collecting
from codemods.rollout.fingerprint import differences
from codemods.rollout.health import Answers, Target, ask_former, find_ill, judge, wait
from codemods.rollout.look import Observation, look
from codemods.rollout.observe import observe
from codemods.rollout.plan import Wish
from codemods.rollout.records import make_record, make_state, read_baseline
from codemods.rollout.services import Composition
from codemods.rollout.shell import OWN_DIRECTORY
from codemods.rollout.steps import Run
from codemods.rollout.transport import Disconnected, Transport, Unreachable

STEP_TIMEOUT = 1200
"""Seconds without a word from a step; compose and pulls have shorter limits of their own."""


class Interrupted(BaseException):
    """The user wants to stop: what was begun is put back first."""


class StepFailed(CodemodError):
    """A step that did not succeed; the message says what the machine said."""


class Moved(CodemodError):
    """A machine that is no longer as it was when the plan was made."""


@dataclass(frozen=True)
class Options:
    """How to roll out. `health_timeout` in seconds; `force` goes on although the stack is not healthy to begin with."""

    health_timeout: float = 120
    keep_backups: int = 5
    force: bool = False
    commit: str = ""


@dataclass(frozen=True)
class Outcome:
    """How it ended: the state, why, and what else is to be known."""

    state: HostState
    reason: str = ""
    notes: tuple[str, ...] = ()


def new_run(directory: str) -> Run:
    """A run that begins now."""
    return Run(f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}", directory)


class Rollout:
    """One run on one machine; `say` gets a line for every step."""

    def __init__(
        self,
        transport: Transport,
        wish: Wish,
        targets: Sequence[Target],
        options: Options,
        say: Callable[[str], None],
    ) -> None:
        self.transport = transport
        self.wish = wish
        self.targets = targets
        self.options = options
        self.say = say
        self.run = new_run(wish.manifest.directory)
        self.notes: list[str] = []
        self.swapped = False
        self.ill: frozenset[str] = frozenset()

    def apply(self, expected: Observation) -> Outcome:
        """Carry out the plan of an observation. Raises CodemodError when nothing was changed on the machine."""
        try:
            if note := lock.acquire(self.transport, self.run.directory, lock.Owner(self.run.id, self.options.commit)):
                self.notes.append(note)
            return self._locked(expected)
        except lock.Locked:
            raise
        except BaseException as error:
            # Nothing was swapped, or there would be an outcome.
            self.give_up(error)
            raise

    def _locked(self, expected: Observation) -> Outcome:
        refuse_while_collecting(self.transport, self.wish.composition)
        found = look(self.transport, self.wish)
        if moved := differences(expected.fingerprint, found.fingerprint):
            raise Moved(f"{self.transport.name}: changed since the plan was made: {'; '.join(moved)}")
        before = self._baseline(found)
        record = make_record(self.run, self.wish.manifest, found, before, self.options.commit)
        self._prepare(found, record)
        try:
            self._change(found)
            self._check(before)
        except (Exception, Interrupted) as error:
            return self.roll_back(found, record, before, error)
        return self._keep(found)

    def _baseline(self, found: Observation) -> Answers:
        """What the ports that are there answer now. Raises CodemodError when they are not well."""
        self.say("baseline")
        if found.snapshot.interrupted:
            # It is the interrupted run that has to be brought to an end.
            return read_baseline(found.snapshot.interrupted)
        served = self.served(found)
        answers = {one.port: ask_former(self.transport, one) for one in served}
        bad = {one.port: problem for one in served if (problem := judge(one, None, answers[one.port])[0])}
        ill = find_ill(found.snapshot.containers, self.run.directory)
        self.ill = frozenset(ill)
        problems = [*bad.values(), *(f"{name}: {state}" for name, state in ill.items())]
        if problems and not self.options.force:
            raise StepFailed(
                "the stack is not well before the change, so a rollback would mean nothing: "
                f"{'; '.join(problems)}; put it right, or pass --force"
            )
        self.notes += [f"not well before the change: {problem}" for problem in problems]
        return {port: answer for port, answer in answers.items() if port not in bad}

    def served(self, found: Observation) -> list[Target]:
        """The ports that a running container of the stack is published on now; a new port has no baseline."""
        return [target for target in self.targets if target.port in found.snapshot.ports]

    def _prepare(self, found: Observation, record: Mapping[str, Any]) -> None:
        """Everything that can fail without harm. Raises StepFailed."""
        former = str((found.snapshot.interrupted or {}).get("run", ""))
        self.step("staging", self.run.begin(record, former))
        self.step("", self.run.stage(found.plan.files, found.plan.tables))
        self.say("validating")
        self.notes += validate.untried(self.run, self.wish, found.snapshot, found.plan)
        for what, script in validate.validations(self.run, self.wish, found.snapshot, found.plan):
            self.step("", script, what)
        self.step("backing up", self.run.back_up(found.plan))

    def _change(self, found: Observation) -> None:
        """From the first swap on. Raises StepFailed."""
        plan = found.plan
        self.swapped = True
        self.step("swapping", self.run.swap(plan))
        if plan.tables:
            self.step("crontab", self.run.install_tables(plan.tables))
        if plan.reloads_units:
            self.step("units", self.run.reload_units())
        self.notes += settle.settle(self, self.wish.composition, found, plan)

    def _check(self, before: Answers) -> None:
        """Wait for health over a new connection. Raises StepFailed."""
        self.say("health")
        self._reach()
        deadline = time.monotonic() + self.options.health_timeout
        problems, warnings = wait(
            self.transport,
            self.wish.composition,
            self.targets,
            before,
            deadline,
            lambda text: self.say(f"health: {text}"),
            self.ill,
        )
        self.notes += warnings
        if problems:
            raise StepFailed(f"not healthy after {self.options.health_timeout:g} s: {'; '.join(problems)}")

    def _keep(self, found: Observation) -> Outcome:
        """Write down what is there now, and let go. It is well, so nothing of this is a reason to go back."""
        try:
            after = observe(self.transport, self.wish.question)
            self._finish(steps.DONE, found, make_state(self.run, self.wish, found, after, self.options.commit))
        except (CodemodError, Interrupted) as error:
            self.notes.append(
                f"the machine is as it should be, but that could not be written down ({str(error) or 'interrupted'}): "
                "run again"
            )
        self.say("done")
        return Outcome(HostState.CHANGED, notes=tuple(self.notes))

    def roll_back(
        self, found: Observation, record: Mapping[str, Any], before: Answers, error: BaseException
    ) -> Outcome:
        """Put the old state back and see that it serves."""
        reason = _reason(error)
        self.say(f"rolling back: {reason}")
        try:
            self._reach()
            composition = self.restore([record])
            deadline = time.monotonic() + self.options.health_timeout
            targets = [target for target in self.targets if target.port in before]
            problems, warnings = wait(
                self.transport, composition, targets, before, deadline, lambda _: None, self.ill, ask_former
            )
            if problems:
                raise StepFailed(f"the old state is not healthy: {'; '.join(problems)}")
            self.notes += warnings
            self._finish(steps.ROLLED_BACK, found, None, reason)
        except CodemodError as failure:
            return self.by_hand(found, reason, failure)
        self.say("rolled back")
        return Outcome(HostState.ROLLED_BACK, reason, tuple(self.notes))

    def restore(self, records: Sequence[Mapping[str, Any]]) -> Composition:
        """Files, crontabs and containers as before these runs; returns what then runs. Raises StepFailed."""
        self.step("", self.run.restore(records))
        return settle.settle_restored(self, records)

    def _reach(self) -> None:
        """A connection that works, as soon as there is one again. Raises Unreachable."""
        deadline = time.monotonic() + self.options.health_timeout
        while True:
            try:
                self.transport.reconnect()
            except Unreachable:
                if time.monotonic() > deadline:
                    raise
                time.sleep(1)
            else:
                return

    def by_hand(self, found: Observation, reason: str, failure: CodemodError) -> Outcome:
        """What to do when even the rollback failed."""
        own = f"{self.run.directory}/{OWN_DIRECTORY}"
        try:
            self._finish(steps.ROLLBACK_FAILED, found, None, f"{reason}; {failure}")
        except CodemodError:
            self.notes.append(f"the lock is still there: codemod vm unlock {self.transport.name}")
        text = (
            f"{reason}; ROLLBACK FAILED: {failure}. By hand: the former files are in {own}/runs/{self.run.id}/old "
            f"(record.json beside it names their paths); put them back, then `docker compose up -d` in "
            f"{self.run.directory}; or, once it can be reached, `codemod sync-vm --rollback {self.run.id} "
            f"--host {self.transport.name}`"
        )
        return Outcome(HostState.ROLLBACK_FAILED, text, tuple(self.notes))

    def give_up(self, error: BaseException) -> None:
        """Leave a machine on which nothing was changed: no staged file, no lock."""
        if self.swapped:  # a bug; its backups are worth more than its lock
            return
        try:
            self.send(self.run.finish(steps.STOPPED, self.entry(steps.STOPPED, 0, _reason(error)), 1000))
        except CodemodError:
            self.say(f"the lock is still there: codemod vm unlock {self.transport.name}")

    def _finish(self, status: str, found: Observation, state: Mapping[str, Any] | None, reason: str = "") -> None:
        entry = self.entry(status, len(found.plan.actions), reason)
        self.send(self.run.finish(status, entry, self.options.keep_backups, state))

    def entry(self, status: str, actions: int, reason: str) -> dict[str, Any]:
        """One line of the audit log."""
        return {
            "run": self.run.id,
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "who": lock.who(),
            "commit": self.options.commit,
            "actions": actions,
            "result": status,
            "reason": reason,
        }

    def step(self, title: str, script: str, what: str = "") -> str:
        """Run a step. Raises StepFailed with the end of what the machine said."""
        if title:
            self.say(title)
        done = self.transport.run(script, STEP_TIMEOUT)
        if done.code == lock.LOST:
            raise StepFailed(f"{self.transport.name}: the lock was taken away from this run")
        if done.code:
            raise StepFailed(f"{what or title or 'a step'} failed: {_tail(done.output, self._secrets())}")
        return done.output

    def send(self, script: str) -> None:
        """Close the run; over a new connection when this one breaks. Raises CodemodError."""
        try:
            done = self.transport.run(script, STEP_TIMEOUT)
        except Disconnected:
            self._reach()
            done = self.transport.run(script, STEP_TIMEOUT)
            if done.code == lock.LOST:  # the first one has done it, and given the lock back
                return
        if done.code:
            raise StepFailed(f"the run could not be closed: {_tail(done.output, self._secrets())}")

    def _secrets(self) -> Iterator[str]:
        for file in self.wish.manifest.files:
            yield from file.secrets


def _reason(error: BaseException) -> str:
    """Why something ended, in words; what is not expected with its kind."""
    if isinstance(error, Interrupted):
        return "interrupted"
    return str(error) if isinstance(error, CodemodError) else f"a bug: {type(error).__name__}: {error}"


def _tail(output: str, hidden: Iterator[str]) -> str:
    from codemods.rollout.masking import masked

    lines = [line.strip() for line in masked(output, hidden).splitlines() if line.strip()]
    return " / ".join(lines[-3:])[-600:] or "it does not say why"
