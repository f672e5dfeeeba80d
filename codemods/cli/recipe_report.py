"""What the reports of `apply-caching` and `remove-caching` have in common."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from codemods.cli.one_report import one_report
from codemods.engine.inspection import PARSE_ERROR
from codemods.engine.model import Finding, Note, Severity
from codemods.engine.report.located import reported_change, reported_finding, reported_refusal
from codemods.engine.report.model import Report, ReportedRefusal, count, exit_code
from codemods.engine.run import ChangeSet
from codemods.engine.series import together

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from codemods.cli.session import Session
    from codemods.commit import CommitResult


def recipe_report(
    command: str,
    session: Session,
    found: ChangeSet,
    committed: CommitResult | None,
    notes: Iterable[str],
    next_steps: Iterable[str],
    *,
    pending: bool,
) -> Report:
    """The report of a run; with `pending` its changes are shown, not made."""
    from codemods.caching.recipe import RECIPE

    unparsable = [item for item in found.refusals if item.rule == PARSE_ERROR]
    severities = {rule.id: rule.severity for rule in RECIPE}
    findings = tuple(
        reported_finding(item, severities.get(item.rule, Severity.ERROR))
        for item in (*unparsable, *found.findings)
        if not item.wants_edits
    )
    refusals = tuple(reported_refusal(item) for item in found.refusals if item.rule != PARSE_ERROR)
    refusals += tuple(_refused_commit(committed)) if committed else ()
    return Report(
        command=command,
        exit_code=exit_code(findings=findings, refusals=refusals, pending=pending and bool(found.changes)),
        profile=session.settings.profile,
        findings=findings,
        changes=tuple(reported_change(change) for change in found.changes),
        refusals=refusals,
        notes=tuple(notes),
        pending=pending,
        next_steps=tuple(next_steps),
    )


def in_one(reports: Sequence[Report], found: Sequence[ChangeSet]) -> Report:
    """One report of the runs for all registries, with one change for each file."""
    report = one_report(reports)
    if len(reports) == 1:
        return report
    return replace(report, changes=tuple(map(reported_change, together(found))))


def found_notes(session: Session, found: ChangeSet) -> Iterator[str]:
    """What was noted while files were found and looked at, and what was left alone."""
    yield from session.context.stack.notes
    if session.settings.paths.pipelines and not session.context.stack.pipelines:
        yield f"no pipeline found: paths.pipelines is {', '.join(session.settings.paths.pipelines)}"
    for item in found.notes:
        assert isinstance(item.outcome, Note)
        yield f"{item.document.path}: {item.outcome.message}"
    if found.suppressed:
        paths = dict.fromkeys(item.located.document.path for item in found.suppressed)
        places = count(len(found.suppressed), "place")
        yield f"{places} left alone, suppressed by a comment or the baseline: {listed(paths)}"
    if found.left_out:
        yield f"not changed, as the stack is changed as a whole or not at all: {listed(found.left_out)}"


def _refused_commit(committed: CommitResult) -> Iterator[ReportedRefusal]:
    refused = committed.refused
    if refused is None:
        return
    waiting = f" ({count(len(committed.pending), 'commit')} after it not tried)" if committed.pending else ""
    advice = f"its changes are in the working tree{waiting}: mend what it says, then commit by hand"
    output = "".join(f"\n{line}" for line in refused.output)
    yield ReportedRefusal("commit", refused.message, 1, refused.reason + output, advice)


def commit_notes(session: Session, committed: CommitResult) -> Iterator[str]:
    """The commits that were made, and what hooks did meanwhile."""
    for commit in committed.commits:
        yield f"committed {commit.id[:10]} {commit.message}"
        for paths, what in (
            (commit.rewritten, "a hook rewrote"),
            (commit.extra, "a hook added"),
            (commit.left, "a hook changed, without adding it to the commit,"),
        ):
            if paths:
                yield f"{what} {listed(paths)}"
    prefix = session.settings.commit.prefix.strip()
    if committed.commits and skips_ci(prefix):
        yield f"the messages say {prefix}: pushing these commits starts no pipeline"


def skips_ci(prefix: str) -> bool:
    """Whether the CI server starts no pipeline for messages with this prefix."""
    return any(mark in prefix.lower() for mark in ("[ci skip]", "[skip ci]"))


def listed(paths: Iterable[str]) -> str:
    """The first ten paths, and how many more there are."""
    first = list(paths)
    more = f" and {len(first) - 10} more" if len(first) > 10 else ""
    return ", ".join(first[:10]) + more


def messages(found: ChangeSet) -> Iterator[str]:
    """What the findings say whose edits were made."""
    for change in found.changes:
        yield from (item.outcome.message for item in change.findings if isinstance(item.outcome, Finding))
