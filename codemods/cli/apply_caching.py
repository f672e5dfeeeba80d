"""`codemod apply-caching`: the recipe, shown, written or committed."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from codemods.cli.caching_report import build_report, finished
from codemods.cli.main import common_options, reader_may_leave
from codemods.cli.options import CommonOptions
from codemods.cli.progress import progress
from codemods.cli.session import Session, known_rules, open_session, scope
from codemods.engine.baseline import find_baseline
from codemods.engine.inspection import Located
from codemods.engine.model import Refusal, Role
from codemods.engine.run import PIPELINES, Change, ChangeSet, Selection, plan_changes
from codemods.engine.series import plan_series
from codemods.errors import CannotEdit, SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from codemods.commit import CommitResult
    from codemods.engine.report.model import Report
    from codemods.repository import Repository

OWN_HOOKS = ("caching-drift", "caching-fix")


@dataclass(frozen=True)
class Options:
    """What was asked for on the command line."""

    paths: tuple[str, ...] = ()
    profile: str | None = None
    diff: bool = False
    commit: bool = False
    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    allow_dirty: bool = False
    format: str = "text"


@click.command("apply-caching")
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@click.option("--profile", type=click.Choice(["verified", "as-written"]), help="Override the profile of codemod.toml.")
@click.option("--diff", is_flag=True, help="Show what would change; write nothing. Exit 1 when something would.")
@click.option("--commit", is_flag=True, help="Commit the result, one commit for each task.")
@click.option("--only", multiple=True, metavar="RULE", help="Write what this rule changes, and nothing else.")
@click.option("--skip", multiple=True, metavar="RULE", help="Leave out what this rule changes.")
@click.option("--allow-dirty", is_flag=True, help="Change files that have uncommitted changes, too.")
@click.option("--format", type=click.Choice(["text", "json", "markdown"]), default="text", show_default=True)
@common_options
@click.pass_obj
def apply_caching(common: CommonOptions, /, **values: object) -> int:
    """Give the repository a private registry, and its pipelines a second target and a layer cache.

    PATHs limit what is written, never what is looked at.
    """
    options = Options(**values)  # type: ignore[arg-type]
    if options.commit and options.allow_dirty:
        raise SettingsError("--commit and --allow-dirty exclude each other: commit or stash your own changes first")
    if options.commit and options.diff:
        raise SettingsError("--commit and --diff exclude each other: --diff writes nothing")
    session = open_session(common, [f"profile={options.profile}"] if options.profile else [])
    selection = _selection(session, common, options)
    report = _apply(session, selection, options, quiet=common.verbosity < 0)
    with reader_may_leave():
        _print(report, options, common.verbosity)
    return report.exit_code


def _selection(session: Session, common: CommonOptions, options: Options) -> Selection:
    """What may be written. Raises SettingsError for whatever on the command line or in the settings cannot be."""
    from codemods.caching.production import check_settings
    from codemods.caching.recipe import RECIPE

    settings = session.settings
    settings.require("registry.hostname")
    for one in session.each():
        check_settings(one.settings, one.context.stack)
    ids = [rule.id for rule in RECIPE]
    ignored = frozenset(settings.ignore)
    if ignored.difference(ids):
        from codemods.catalogue import ALL

        known_rules(ignored, [rule.id for rule in ALL], "ignore: ")
    selection = Selection(
        scope(session.repository, common.directory, options.paths),
        known_rules(options.only, ids, "--only: "),
        known_rules(options.skip, ids, "--skip: ") | ignored,
    )
    if not any(map(selection.has_rule, ids)):
        raise SettingsError("--only, --skip and the setting ignore leave no rule to run")
    return selection


def _apply(session: Session, selection: Selection, options: Options, *, quiet: bool) -> Report:
    """Plan for every registry, then write unless `diff` and commit if asked for, one after the other, and report."""
    from codemods.caching.recipe import RECIPE

    if options.commit:
        from codemods.commit import check_can_commit

        check_can_commit(session.repository.root)

    baseline = find_baseline(session.repository.root)

    def obstacles(paths: Sequence[str]) -> Mapping[str, Refusal]:
        return dict(_obstacles(session.repository, paths, options.allow_dirty))

    with progress("apply-caching", quiet=quiet) as show:
        planned = plan_series(
            session.context.each(),
            lambda context: plan_changes(RECIPE, context, selection, obstacles, show, baseline),
        )
    last = max((number for number, (_, found) in enumerate(planned) if found.changes), default=0)
    reports: list[Report] = []
    before: CommitResult | None = None
    for number, (context, found) in enumerate(planned):
        one = Session(session.repository, context)
        if not options.diff:
            _write(session.repository, found, hold_back=PIPELINES not in selection.only)
        committed = _commit(one, found, before, ends=number == last) if options.commit and found.changes else None
        before = committed or before
        reports.append(build_report(one, found, pending=options.diff, committed=committed))
    return finished(session, reports, [found for _, found in planned])


def _obstacles(repository: Repository, paths: Sequence[str], allow_dirty: bool) -> Iterator[tuple[str, Refusal]]:
    """Files that must not be written: read-only, symlinks, uncommitted changes."""
    dirty = set() if allow_dirty else set(repository.dirty(paths))
    for path in paths:
        if path in dirty:
            yield path, Refusal(0, "it has uncommitted changes", "commit or stash them, or pass --allow-dirty")
            continue
        try:
            repository.check_writable(path)
        except CannotEdit as error:
            yield path, Refusal(0, error.reason, error.advice)


def _write(repository: Repository, found: ChangeSet, *, hold_back: bool) -> None:
    """Write group by group, the stack first; one that cannot be written holds the pipelines back."""
    from codemods.replace import FileChange, WriteError

    written: list[list[Change]] = []
    waiting = list(found.groups)
    while waiting:
        group = waiting.pop(0)
        files = []
        for change in group:
            document = change.document
            old = document.encode(document.text) if document.exists else None
            files.append(FileChange(change.path, old, document.encode(change.new_text)))
        try:
            repository.write(files)
        except WriteError as error:
            change = next((change for change in group if change.path == error.path), group[0])
            found.refusals.append(Located(change.rules[0], change.document, Refusal(0, error.reason, error.advice)))
            if change.role is not Role.PIPELINE and hold_back:
                found.held_back += [held.path for later in waiting for held in later]
                break
        else:
            written.append(group)
    found.groups = written


def _commit(session: Session, found: ChangeSet, before: CommitResult | None, *, ends: bool) -> CommitResult:
    """Commit the changes for one registry; none when a commit for the one before was refused."""
    from codemods.caching.messages import commit_steps
    from codemods.commit import CommitError, CommitResult, RefusedCommit, commit_changes

    steps = commit_steps(found.changes, session.settings)
    if before and (before.refused or before.pending):
        return CommitResult((), None, tuple(step.message for step in steps))
    try:
        return commit_changes(session.repository.root, steps, OWN_HOOKS, ends=ends)
    except CommitError as error:
        refused = RefusedCommit(steps[0].message, str(error))
        return CommitResult((), refused, tuple(step.message for step in steps[1:]))


def _print(report: Report, options: Options, verbosity: int) -> None:
    if options.format == "text":
        from codemods.engine.report.text import print_report

        print_report(report, sys.stdout, sys.stderr, diff=options.diff, verbosity=verbosity)
        return
    if options.format == "json":
        from codemods.engine.report.as_json import as_json as render
    else:
        from codemods.engine.report.markdown import as_markdown as render
    # Machines read UTF-8, whatever the terminal's encoding is.
    sys.stdout.buffer.write(render(report).encode())
    sys.stdout.buffer.flush()
