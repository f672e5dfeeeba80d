"""Which roll-outs `codemod sync-vm` makes: one for each stack and its machines, however many registries it has."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from codemods.cli.one_report import INTERRUPTED, one_report
from codemods.cli.session import Session, open_session
from codemods.cli.sync_vm_run import SyncRun
from codemods.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codemods.cli.options import CommonOptions
    from codemods.cli.sync_vm import Options
    from codemods.engine.report.model import Report

_FAILED = (3, 4, 5, INTERRUPTED)


def sync_stacks(common: CommonOptions, options: Options) -> Report:
    """Roll out one stack after the other; after one that fails, no other is begun. Raises CodemodError."""
    stacks = _stacks(open_session(common))
    chosen = [(stacks[0], options)] if len(stacks) == 1 else list(_chosen(stacks, options))
    only_looks = options.plan or options.verify_only
    reports: list[Report] = []
    notes: list[str] = []
    for session, mine in chosen:
        if any(report.exit_code in _FAILED for report in reports) and not only_looks:
            notes.append(f"{session.context.stack.compose}: not begun, as an earlier roll-out failed")
        else:
            reports.append(SyncRun(session, common, mine).run())
    report = one_report(reports)
    return replace(report, notes=(*report.notes, *notes))


def _stacks(session: Session) -> list[Session]:
    """A session for each stack and its machines: registries that share both are one roll-out."""
    found: dict[tuple[object, ...], Session] = {}
    for one in session.each():
        stack = one.context.stack
        found.setdefault((stack.compose, stack.terraform, stack.provision_list, one.settings.vm), one)
    return list(found.values())


def _chosen(stacks: list[Session], options: Options) -> Iterator[tuple[Session, Options]]:
    """The stacks whose machines were asked for, each with those. Raises SettingsError."""
    if options.inventory:
        raise SettingsError(
            "--inventory does not say which stack its machines serve, and there are several: set vm.hosts for each"
        )
    known = list(dict.fromkeys(host for one in stacks for host in one.settings.vm.hosts))
    if unknown := [host for host in options.hosts if host not in known]:
        raise SettingsError(f"--host {unknown[0]}: it serves none of the stacks; vm.hosts are {', '.join(known)}")
    wanted = [one for one in stacks if not options.hosts or set(options.hosts) & set(one.settings.vm.hosts)]
    if len(wanted) > 1 and (options.out or options.apply):
        raise SettingsError(
            f"{'--out' if options.out else '--apply'} is for one stack, and there are {len(wanted)}: "
            "choose one with --host"
        )
    for one in wanted:
        yield one, replace(options, hosts=tuple(host for host in options.hosts if host in one.settings.vm.hosts))
