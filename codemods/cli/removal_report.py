"""What `remove-caching` says at the end: changes, refusals, how it is known what was ours, and what comes next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codemods.caching.removal.recipe import AS_BEFORE
from codemods.cli.recipe_report import commit_notes, found_notes, listed, recipe_report
from codemods.engine.model import Finding
from codemods.engine.run import PIPELINES, Change, ChangeSet, Selection, plan_changes
from codemods.errors import CodemodError
from codemods.settings import SETTINGS_FILE, has_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codemods.cli.session import Session
    from codemods.commit import CommitResult
    from codemods.engine.report.model import Report
    from codemods.history import History


def build_report(
    session: Session, found: ChangeSet, history: History, *, pending: bool, committed: CommitResult | None
) -> Report:
    """The report of a run; with `pending` its changes are shown, not made."""
    notes = [*found_notes(session, found), *_held_back(found)]
    if found.changes:
        notes += [*_proof(session, found), *_recognised(found, history), *_what_stays(session)]
    notes += commit_notes(session, committed) if committed else ()
    steps = _next_steps(session, found, pending=pending, committed=committed) if found.changes else ()
    return recipe_report("remove-caching", session, found, committed, notes, steps, pending=pending)


def _held_back(found: ChangeSet) -> Iterator[str]:
    if found.held_back:
        yield (
            f"held back: {listed(found.held_back)}; a registry cannot go as long as a pipeline needs it, and one was "
            f"refused (--skip {PIPELINES} removes the rest all the same)"
        )


def _proof(session: Session, found: ChangeSet) -> Iterator[str]:
    """Whether the recipe, run on the result, would make what was there."""
    from codemods.caching.recipe import RECIPE

    after = session.context.over({change.path: change.new for change in found.changes})
    try:
        again = {change.path: change.new_text for change in plan_changes(RECIPE, after, Selection()).changes}
    except CodemodError:
        return
    differing = [change.path for change in found.changes if again.get(change.path) != change.document.text]
    if differing:
        yield f"apply-caching would write it otherwise today: {listed(differing)}"
    else:
        yield "proven: apply-caching, run on the result, writes what was there, to the byte"


def _recognised(found: ChangeSet, history: History) -> Iterator[str]:
    """Files that were changed by what they look like, when commits would have told more."""
    others = [change.path for change in found.changes if not _is_from_history(change)]
    if others and history.is_cut:
        yield f"the history is cut off: what it may tell of {listed(others)} comes with `git fetch --unshallow`"
    elif others:
        yield f"recognised by what it looks like, as no commit of apply-caching explains it: {listed(others)}"


def _is_from_history(change: Change) -> bool:
    outcomes = [item.outcome for item in change.findings]
    return any(isinstance(one, Finding) and one.message.startswith(AS_BEFORE) for one in outcomes)


def _what_stays(session: Session) -> Iterator[str]:
    """What is not the recipe's, or is somebody's data."""
    registry, root = session.settings.registry, session.repository.root
    yield f"the images and caches stay on the machine, in {_data_directory(session)}: delete them by hand"
    if has_settings(root):
        name = SETTINGS_FILE if (root / SETTINGS_FILE).exists() else "the settings in pyproject.toml"
        yield f"{name} stays, as you wrote it, and `codemod check` asks for the recipe: delete it after the steps below"
    files = [path for path in (registry.certificate, registry.key) if path and (root / path).exists()]
    if files:
        yield f"{listed(files)} stays in the repository"
    secrets = [name for name in (registry.username_secret, registry.password_secret) if name]
    if secrets:
        yield f"the CI server still has the secrets {listed(secrets)}"


def _data_directory(session: Session) -> str:
    from codemods.caching.compose_service import data_directory, last_of

    registry, compose = session.settings.registry, session.context.compose
    ours = compose.services.get(registry.service) if compose else None
    if ours and ours.data_directory:
        return ours.data_directory
    siblings = session.context.siblings
    if compose and siblings:
        return data_directory(session.context, last_of(compose, siblings))
    return f"{session.context.stack.directory}/data/{registry.name}"


def _next_steps(session: Session, found: ChangeSet, *, pending: bool, committed: CommitResult | None) -> Iterator[str]:
    """In the order that breaks nothing: a pipeline cannot build without the registry that it still names."""
    settings, pipelines = session.settings, session.context.pipelines
    if pending:
        yield "run this again without --diff, look at `git diff`, and commit"
    elif committed is None or committed.refused:
        yield "look at `git diff`, then commit"
    if any(change.path in pipelines for change in found.changes):
        yield "push: until then builds need the registry"
    if any(change.path not in pipelines for change in found.changes):
        host = settings.vm.hosts[0] if settings.vm.hosts else "the registry VM"
        yield f"`codemod sync-vm --prune` takes the service, its files and its crontab line off {host}"
        yield f"{settings.registry.hostname} still has its address: `sync-dns` deletes nothing, take it out by hand"
