"""From what the engine found to what a report says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codemods.engine.model import Finding, Impact, Note, Refusal, Severity, Suppressed
from codemods.engine.report.model import (
    Change,
    RelatedPlace,
    ReportedFinding,
    ReportedRefusal,
    position,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from codemods.engine.inspection import Judged, Located
    from codemods.engine.model import Rule
    from codemods.engine.run import Change as EngineChange
    from codemods.repository import Document


def reported_change(change: EngineChange) -> Change:
    """One changed file with its diff."""
    from codemods.engine.report.diff import unified_diff

    document = change.document
    old, new = (("\ufeff" if document.bom else "") + text for text in (document.text, change.new_text))
    old, new = old if document.exists else "", new if change.new.exists else ""
    diff = unified_diff(change.path, old, new, old_exists=document.exists, new_exists=change.new.exists)
    what = tuple(item.outcome.message for item in change.findings if isinstance(item.outcome, Finding))
    return Change(",".join(change.rules), change.path, change.impact, diff, what)


def reported_findings(
    judged: Iterable[Judged], rules: Iterable[Rule], read: Callable[[str], Document], recipe: Collection[str] = ()
) -> Iterator[ReportedFinding]:
    """What rules found, notes aside; `recipe` are the ids of those whose edits `apply-caching` makes."""
    severities = {rule.id: rule.severity for rule in rules}
    judged = list(judged)
    refused = {
        item.located.document.path
        for item in judged
        if item.located.rule in recipe and isinstance(item.located.outcome, Refusal) and item.suppressed is None
    }
    for item in judged:
        located = item.located
        if isinstance(located.outcome, Note):
            continue
        severity = severities.get(located.rule, Severity.ERROR)
        advice, fixable = "", located.wants_edits
        if located.rule in recipe:
            # What the recipe refuses stands as it is by somebody's choice: worth a word, not a failure.
            fixable = False
            severity = Severity.WARNING if isinstance(located.outcome, Refusal) else severity
            if located.wants_edits:
                held = located.document.path in refused
                what = "leaves it until what is refused in this file is settled" if held else "puts it right"
                advice = f"; `codemod apply-caching` {what}"
        yield reported_finding(
            located,
            severity,
            read=read,
            fixable=fixable,
            impact=located.impact if fixable else None,
            suppressed=item.suppressed,
            advice=advice,
        )


def reported_finding(
    item: Located,
    severity: Severity,
    *,
    read: Callable[[str], Document] | None = None,
    fixable: bool = False,
    impact: Impact | None = None,
    suppressed: Suppressed | None = None,
    advice: str = "",
) -> ReportedFinding:
    """A finding, or a refusal that stays; `read` opens the documents of related places."""
    outcome, text = item.outcome, item.document.text
    assert isinstance(outcome, Finding | Refusal)
    message = outcome.message if isinstance(outcome, Finding) else f"{outcome.reason}; {outcome.advice}"
    line, column = position(text, outcome.start)
    end_line, end_column = position(text, outcome.end if isinstance(outcome, Finding) else outcome.start)
    related = tuple(
        RelatedPlace(place.path, position(read(place.path).text, place.start)[0], place.message)
        for place in (outcome.related if isinstance(outcome, Finding) and read else ())
        if read
    )
    lines = text.split("\n", line)
    return ReportedFinding(
        item.rule,
        item.document.path,
        line,
        column,
        end_line,
        end_column,
        severity,
        f"{message}{advice}",
        fixable,
        impact,
        related,
        suppressed,
        excerpt=lines[line - 1].rstrip("\r") if len(lines) >= line else "",
    )


def reported_refusal(item: Located) -> ReportedRefusal:
    """A place that was left alone."""
    outcome = item.outcome
    assert isinstance(outcome, Refusal)
    line, _ = position(item.document.text, outcome.start)
    return ReportedRefusal(item.rule, item.document.path, line, outcome.reason, outcome.advice)
