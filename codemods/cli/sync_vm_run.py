"""What `codemod sync-vm` does with its options: observe, show, ask, roll out in batches, report."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import click

from codemods.cli.sync_vm import LAST
from codemods.engine.report.escape import printable
from codemods.engine.report.formats import print_as
from codemods.engine.report.model import (
    CheckResult,
    CheckState,
    Host,
    HostState,
    Report,
    count,
    exit_code,
    worst_exit_code,
)
from codemods.errors import CodemodError
from codemods.rollout import fleet
from codemods.rollout.apply import Interrupted, Outcome, Rollout
from codemods.rollout.apply import Options as RolloutOptions
from codemods.rollout.fingerprint import summary
from codemods.rollout.inventory import known_hosts_file, load_hosts, plain_name, sudo_password
from codemods.rollout.look import Observation, look
from codemods.rollout.plan import Wish
from codemods.rollout.planfile import read_plan, what_moved, write_plan
from codemods.rollout.transport import Disconnected, Unreachable

if TYPE_CHECKING:
    from codemods.cli.options import CommonOptions
    from codemods.cli.session import Session
    from codemods.cli.sync_vm import Options
    from codemods.rollout.health import Target
    from codemods.rollout.ssh import SshTransport

_UNITS = {"s": 1, "m": 60, "h": 3600}
_GOOD = (HostState.CLEAN, HostState.CHANGED)


class SyncRun:
    """One call of the command."""

    def __init__(self, session: Session, common: CommonOptions, options: Options) -> None:
        self.common = common
        self.options = options
        self.session = session
        self.settings = self.session.settings
        self.notes: list[str] = []
        self.interrupted = False

    def run(self) -> Report:
        """Do what was asked for. Raises CodemodError for what is wrong before any machine is reached."""
        wish = self.wish
        planned = read_plan(self.options.apply) if self.options.apply else None
        fleet.check_sizes(self.options.batch)
        transports = self.connections()
        try:
            if self.options.verify_only:
                return self.verify(transports)
            if self.options.rollback:
                return self.roll_back(transports)
            found = dict(zip(transports, self.each(transports, self.observe), strict=True))
            if planned is not None:
                found = {one: self.as_planned(planned, one, result) for one, result in found.items()}
            return self.decide(wish, found)
        finally:
            fleet.close_all(transports)

    @cached_property
    def wish(self) -> Wish:
        """What the repository wants. Raises CodemodError."""
        from codemods.provisioning.variables import Values
        from codemods.rollout.manifest import read_manifest
        from codemods.rollout.services import read_composition

        values = Values.from_options(self.options.variables, self.options.secrets, os.environ)
        manifest = read_manifest(self.session.context, self.session.repository, values)
        self.notes += [f"{one.path or one.source} is not managed: {one.reason}" for one in manifest.unmanaged]
        self.notes += [f"{one.path}:{one.line}: {one.message}" for one in manifest.findings]
        if self.common.verbosity > 0:
            self.notes += [f"first boot only: {one.text}" for one in manifest.first_boot]
        elif manifest.first_boot:
            self.notes.append(f"{count(len(manifest.first_boot), 'command')} of first boot only (-v lists them)")
        return Wish(manifest, read_composition(manifest), self.options.prune, self.options.overwrite)

    @cached_property
    def targets(self) -> tuple[Target, ...]:
        """The ports whose health counts."""
        from codemods.rollout.targets import find_targets

        return find_targets(self.session.context, self.wish.composition)

    @cached_property
    def rollout_options(self) -> RolloutOptions:
        """How to roll out, from the settings."""
        return RolloutOptions(self.timeout, self.settings.vm.keep_backups, self.options.force, self.commit)

    @property
    def timeout(self) -> float:
        """Seconds to wait for health."""
        text = self.settings.vm.health_timeout
        return int(text[:-1]) * _UNITS[text[-1]]

    @cached_property
    def commit(self) -> str:
        """The commit of the repository; `-dirty` when what is rolled out is not as committed."""
        from codemods.repository import git

        repository = self.session.repository
        try:
            head = git(repository.root, "rev-parse", "HEAD").decode().strip()
        except (CodemodError, OSError):
            return ""
        sources = [file.source for file in self.wish.manifest.files if ":" not in file.source]
        sources += [self.session.context.stack.terraform or ""]
        return head + ("-dirty" if repository.dirty([source for source in sources if source]) else "")

    def connections(self) -> list[SshTransport]:
        """One for each machine, not connected yet. Raises CodemodError."""
        from codemods.rollout.ssh import SshTransport, connect_options

        shared = connect_options(known_hosts_file(self.settings.vm))
        hosts = load_hosts(self.settings.vm, self.options.hosts, self.options.inventory, shared)
        return [
            SshTransport(host, sudo=self.settings.vm.sudo, password=sudo_password(plain_name(host), os.environ))
            for host in hosts
        ]

    def each(self, transports: Sequence[SshTransport], work: Callable[[SshTransport], Any]) -> list[Any]:
        """Work on machines at the same time; an expected error is a result."""
        results, interrupted = fleet.each(transports, work, self.say)
        self.interrupted = self.interrupted or interrupted
        return results

    def say(self, text: str) -> None:
        """A line about what is going on."""
        if self.common.verbosity >= 0:
            click.echo(printable(text), err=True)

    def observe(self, transport: SshTransport) -> Observation:
        transport.connect()
        return look(transport, self.wish)

    def as_planned(self, planned: Any, transport: SshTransport, found: Any) -> Any:
        """What was found, or why the plan in the file is not for it."""
        if not isinstance(found, Observation):
            return found
        moved = what_moved(planned, self.wish, transport.name, found)
        return CodemodError(f"not as it was planned: {'; '.join(moved)}; plan again") if moved else found

    def decide(self, wish: Wish, found: dict[SshTransport, Any]) -> Report:
        """Show the plan, and carry it out if that is wanted."""
        hosts = [self.planned_host(transport, result) for transport, result in found.items()]
        good = {one.name: result for one, result in found.items() if isinstance(result, Observation)}
        report = self.report(hosts, good)
        if self.options.out:
            write_plan(self.options.out, wish, self.commit, good)
        pending = [host for host in hosts if host.state is HostState.PENDING]
        if self.options.plan or self.interrupted or not pending or not self.may_go_on(report):
            return report
        if not (self.options.yes or self.options.apply) and self.options.format == "text":
            # The diffs have been shown.
            hosts = [replace(host, actions=tuple(replace(one, diff="") for one in host.actions)) for host in hosts]
        return self.report(self.roll_out(found, hosts), good)

    def may_go_on(self, report: Report) -> bool:
        """Whether the user agrees to the plan, which is shown for that."""
        if self.options.yes or self.options.apply:
            return True
        if not sys.stdin.isatty():
            self.say("nothing was done: there is no terminal to ask at; pass --yes")
            return False
        if self.options.format == "json":  # stdout is for the one document at the end
            from codemods.engine.report.text import print_report

            print_report(report, sys.stderr, sys.stderr, verbosity=self.common.verbosity)
        else:
            print_as(self.options.format, report, self.common.verbosity)
        pending = sum(host.state is HostState.PENDING for host in report.hosts)
        return click.confirm(f"Roll this out to {count(pending, 'machine')}?", default=False, err=True)

    def planned_host(self, transport: SshTransport, found: Any) -> Host:
        """A machine before anything is done to it."""
        if not isinstance(found, Observation):
            return _failed(transport.name, found)
        plan = found.plan
        self.notes += [f"{transport.name}: {note}" for note in (*plan.notes, *plan.warnings)]
        if plan.refusals:
            return Host(transport.name, HostState.REFUSED, plan.actions, "; ".join(plan.refusals))
        if plan.is_empty and not plan.warnings:
            return Host(transport.name, HostState.CLEAN)
        return Host(transport.name, HostState.PENDING, plan.actions, "; ".join(plan.warnings))

    def roll_out(self, found: dict[SshTransport, Any], hosts: list[Host]) -> list[Host]:
        """Batch after batch, until one has a machine that fails."""
        done: list[Host] = []
        pairs = list(zip(found.items(), hosts, strict=True))
        for batch in fleet.batches(self.options.batch, pairs):
            if self.interrupted or any(host.state not in _GOOD for host in done):
                done += [replace(host, reason="not begun: an earlier batch failed") for _, host in batch]
                continue
            work = [
                (transport, result)
                for (transport, result), host in batch
                if host.state is HostState.PENDING and not result.plan.is_empty
            ]
            outcomes = dict(zip((one for one, _ in work), self.each_apply(work), strict=True))
            done += [
                self.finished_host(transport, host, outcomes[transport]) if transport in outcomes else host
                for (transport, _), host in batch
            ]
        return done

    def each_apply(self, work: Sequence[tuple[SshTransport, Observation]]) -> list[Any]:
        expected = dict(work)
        return self.each(
            [transport for transport, _ in work],
            lambda transport: self.rollout(transport).apply(expected[transport]),
        )

    def rollout(self, transport: SshTransport) -> Rollout:
        return Rollout(
            transport,
            self.wish,
            self.targets,
            self.rollout_options,
            lambda text: self.say(f"{transport.name}: {text}"),
        )

    def finished_host(self, transport: SshTransport, host: Host, outcome: Any) -> Host:
        """A machine after its roll-out."""
        if not isinstance(outcome, Outcome):
            return replace(_failed(transport.name, outcome), actions=host.actions)
        self.notes += [f"{transport.name}: {note}" for note in outcome.notes]
        return replace(host, state=outcome.state, reason=outcome.reason)

    def roll_back(self, transports: Sequence[SshTransport]) -> Report:
        """Go back to before a run, on every machine that has it."""
        from codemods.rollout.runs import take_back

        wanted = "" if self.options.rollback == LAST else str(self.options.rollback)
        if not self.options.yes:
            what = f"before run {wanted}" if wanted else "before the last roll-out"
            names = ", ".join(one.name for one in transports)
            if not sys.stdin.isatty():
                raise CodemodError("nothing was done: there is no terminal to ask at; pass --yes")
            if not click.confirm(f"Bring {printable(names)} back to {what}?", default=False, err=True):
                return Report("sync-vm", 1, notes=("nothing was done",))

        def back(transport: SshTransport) -> Outcome:
            transport.connect()
            return take_back(self.rollout(transport), wanted)

        results = self.each(transports, back)
        hosts = [
            self.finished_host(one, Host(one.name, HostState.PENDING), result)
            for one, result in zip(transports, results, strict=True)
        ]
        return self.report(hosts, {})

    def verify(self, transports: Sequence[SshTransport]) -> Report:
        """Only look whether everything is well."""
        results = self.each(transports, self.health)
        checks: list[CheckResult] = []
        for transport, result in zip(transports, results, strict=True):
            if not isinstance(result, list):
                checks.append(CheckResult("health", transport.name, CheckState.ERROR, _reason(result)))
            elif result:
                checks += [CheckResult("health", transport.name, CheckState.FAIL, problem) for problem in result]
            else:
                ports = ", ".join(str(target.port) for target in self.targets)
                checks.append(CheckResult("health", transport.name, CheckState.PASS, f"containers, ports {ports}"))
        code = 130 if self.interrupted else exit_code(checks=checks)
        return Report("sync-vm", code, notes=tuple(self.notes), checks=tuple(checks))

    def health(self, transport: SshTransport) -> list[str]:
        from codemods.rollout.health import wait

        transport.connect()
        deadline = time.monotonic() + self.timeout
        problems, warnings = wait(
            transport,
            self.wish.composition,
            self.targets,
            {},
            deadline,
            lambda text: self.say(f"{transport.name}: {text}"),
        )
        self.notes += [f"{transport.name}: {warning}" for warning in warnings]
        return problems

    def report(self, hosts: Sequence[Host], observations: dict[str, Observation]) -> Report:
        code = 130 if self.interrupted else exit_code(hosts=hosts)
        failed = [host for host in hosts if host.state is HostState.ROLLBACK_FAILED]
        prints = summary({name: one.fingerprint for name, one in observations.items()}) if observations else None
        return Report(
            "sync-vm",
            worst_exit_code([5]) if failed else code,
            self.settings.profile,
            notes=tuple(dict.fromkeys(self.notes)),
            hosts=tuple(hosts),
            fingerprint=prints,
            pending=any(host.state is HostState.PENDING for host in hosts),
        )


def _failed(name: str, result: Any) -> Host:
    """A machine on which nothing was changed."""
    state = HostState.UNREACHABLE if isinstance(result, (Unreachable, Disconnected)) else HostState.REFUSED
    return Host(name, state, reason=_reason(result).removeprefix(f"{name}: "))


def _reason(result: Any) -> str:
    return "interrupted" if isinstance(result, Interrupted) else str(result)
