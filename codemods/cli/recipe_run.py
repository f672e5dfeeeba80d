"""What `apply-caching` and `remove-caching` share: their options, and a run from its plan to its commits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from codemods.cli.main import common_options, reader_may_leave
from codemods.cli.options import CommonOptions
from codemods.cli.progress import progress
from codemods.cli.session import Session, known_rules, open_session, scope
from codemods.engine.inspection import Located
from codemods.engine.model import Refusal, Role, Rule
from codemods.engine.report.formats import print_as
from codemods.engine.run import PIPELINES, Change, ChangeSet, Order, Selection, plan_changes
from codemods.engine.series import plan_series
from codemods.errors import CannotEdit, SettingsError

if TYPE_CHECKING:
    from codemods.commit import CommitResult, CommitStep
    from codemods.engine.baseline import Baseline
    from codemods.engine.report.model import Report
    from codemods.repository import Repository
    from codemods.settings import Settings

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


@dataclass(frozen=True)
class Run:
    """One run of a recipe for every registry; `order`: which of the stack and the pipelines waits for the other."""

    command: str
    session: Session
    options: Options
    rules: Sequence[Rule]
    steps: Callable[[Sequence[Change], Settings], Sequence[CommitStep]]
    order: Order = Order.STACK_FIRST
    baseline: Baseline | None = None

    def make(self, selection: Selection, *, quiet: bool) -> Iterator[tuple[Session, ChangeSet, CommitResult | None]]:
        """Plan for every registry, then write unless `diff` and commit if asked for, one after the other."""
        repository, options = self.session.repository, self.options
        if options.commit:
            from codemods.commit import check_can_commit

            check_can_commit(repository.root)

        def obstacles(paths: Sequence[str]) -> Mapping[str, Refusal]:
            return dict(_obstacles(repository, paths, options.allow_dirty))

        with progress(self.command, quiet=quiet) as show:
            planned = plan_series(
                self.session.context.each(),
                lambda context: plan_changes(
                    self.rules, context, selection, obstacles, show, self.baseline, self.order
                ),
            )
        last = max((number for number, (_, found) in enumerate(planned) if found.changes), default=0)
        before: CommitResult | None = None
        for number, (context, found) in enumerate(planned):
            one = Session(repository, context)
            if not options.diff:
                self._write(found, selection)
            wanted = options.commit and found.changes
            committed = self._commit(one, found, before, ends=number == last) if wanted else None
            before = committed or before
            yield one, found, committed

    def _write(self, found: ChangeSet, selection: Selection) -> None:
        """Write group by group; what waits for one that cannot be written is held back."""
        from codemods.replace import FileChange, WriteError

        written: list[list[Change]] = []
        waiting = list(found.groups)
        while waiting:
            group = waiting.pop(0)
            files = [FileChange(change.path, *_bytes(change)) for change in group]
            try:
                self.session.repository.write(files)
            except WriteError as error:
                change = next((change for change in group if change.path == error.path), group[0])
                refusal = Refusal(0, error.reason, error.advice)
                found.refusals.append(Located(change.rules[0], change.document, refusal))
                held = [later for later in waiting if self._waits(change, later[0], selection)]
                found.held_back += [one.path for later in held for one in later]
                waiting = [later for later in waiting if later not in held]
            else:
                written.append(group)
        found.groups = written

    def _waits(self, failed: Change, later: Change, selection: Selection) -> bool:
        """Whether a group must not be written as another could not be."""
        if self.order is Order.STACK_LAST:
            return later.role is not Role.PIPELINE
        return failed.role is not Role.PIPELINE and PIPELINES not in selection.only

    def _commit(self, one: Session, found: ChangeSet, before: CommitResult | None, *, ends: bool) -> CommitResult:
        """Commit the changes for one registry; none when a commit for the one before was refused."""
        from codemods.commit import CommitError, CommitResult, RefusedCommit, commit_changes

        steps = self.steps(found.changes, one.settings)
        if before and (before.refused or before.pending):
            return CommitResult((), None, tuple(step.message for step in steps))
        try:
            return commit_changes(self.session.repository.root, steps, OWN_HOOKS, ends=ends)
        except CommitError as error:
            refused = RefusedCommit(steps[0].message, str(error))
            return CommitResult((), refused, tuple(step.message for step in steps[1:]))


def recipe_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The arguments and options of both commands."""
    for option in (
        click.option("--format", type=click.Choice(["text", "json", "markdown"]), default="text", show_default=True),
        click.option("--allow-dirty", is_flag=True, help="Change files that have uncommitted changes, too."),
        click.option("--skip", multiple=True, metavar="RULE", help="Leave out what this rule changes."),
        click.option("--only", multiple=True, metavar="RULE", help="Write what this rule changes, and nothing else."),
        click.option("--commit", is_flag=True, help="Commit the result, one commit for each task."),
        click.option(
            "--diff", is_flag=True, help="Show what would change, write nothing; exit 1 when something would."
        ),
        click.option(
            "--profile", type=click.Choice(["verified", "as-written"]), help="Override the profile of codemod.toml."
        ),
        click.argument("paths", nargs=-1, metavar="[PATH]..."),
    ):
        command = option(command)
    return common_options(command)


def open_run(common: CommonOptions, options: Options) -> Session:
    """The repository with its settings. Raises SettingsError for options that exclude each other."""
    if options.commit and options.allow_dirty:
        raise SettingsError("--commit and --allow-dirty exclude each other: commit or stash your own changes first")
    if options.commit and options.diff:
        raise SettingsError("--commit and --diff exclude each other: --diff writes nothing")
    session = open_session(common, [f"profile={options.profile}"] if options.profile else [])
    session.settings.require("registry.hostname")
    return session


def select(session: Session, common: CommonOptions, options: Options) -> Selection:
    """What may be written. Raises SettingsError for rules that there are not."""
    from codemods.caching.recipe import RECIPE

    ids = [rule.id for rule in RECIPE]
    ignored = frozenset(session.settings.ignore)
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


def finish(report: Report, options: Options, verbosity: int) -> int:
    """Print the report; its exit code."""
    with reader_may_leave():
        print_as(options.format, report, verbosity, diff=options.diff)
    return report.exit_code


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


def _bytes(change: Change) -> tuple[bytes | None, bytes | None]:
    """What is in the file, and what is to be; None for no file."""
    old, new = change.document, change.new
    return old.encode(old.text) if old.exists else None, old.encode(new.text) if new.exists else None
