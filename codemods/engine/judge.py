"""What rules find, judged by the comments in the documents and by the baseline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from codemods.engine.inspection import Judged, Located, Progress, inspect
from codemods.engine.model import Finding, Refusal, Rule

if TYPE_CHECKING:
    from codemods.engine.baseline import Baseline
    from codemods.engine.context import Context


def judge(
    rules: Sequence[Rule],
    context: Context,
    baseline: Baseline | None = None,
    progress: Progress = lambda done, total: None,
) -> list[Judged]:
    """Run rules and judge what they find; what several registries of one stack have in common is found once."""
    from codemods.engine.suppress import suppress

    located = [item for one in context.each() for item in inspect(rules, one, progress)]
    if context.others:
        located = list({(item.rule, item.document.path, item.outcome): item for item in located}.values())
    judged = suppress(rules, located, context)
    return judged if baseline is None else baseline.judge(rules, judged)


def open_outcomes(judged: Sequence[Judged]) -> Iterator[Located]:
    """What nothing suppresses; a finding that would change a suppressed place along with its own is a refusal."""
    kept = {(item.located.document.path, edit) for item in judged if item.suppressed for edit in _edits(item.located)}
    for item in judged:
        if item.suppressed:
            continue
        located = item.located
        if isinstance(located.outcome, Finding) and any((located.document.path, e) in kept for e in _edits(located)):
            refusal = Refusal(
                located.outcome.start,
                f"{located.outcome.message}: shared with a place that is suppressed, which must not change",
                "write the one of them out instead of sharing, or suppress both",
                located.outcome.block,
            )
            located = located._replace(outcome=refusal)
        yield located


def _edits(located: Located) -> tuple[object, ...]:
    return located.outcome.edits if isinstance(located.outcome, Finding) else ()
