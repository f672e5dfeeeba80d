"""Findings as a check reports them: judged by suppressions and baseline, and fixed until nothing moves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from codemods.engine.context import Context
from codemods.engine.edits import sort_edits
from codemods.engine.inspection import Judged, Located
from codemods.engine.judge import judge, open_outcomes
from codemods.engine.model import Finding, Impact, Role, Rule
from codemods.engine.run import Change, apply_findings
from codemods.errors import CodemodError, OverlapError
from codemods.repository import Document

if TYPE_CHECKING:
    from codemods.engine.baseline import Baseline

MAX_PASSES = 10
SAFE_IMPACTS = frozenset({Impact.NONE, Impact.RELOAD, Impact.PIPELINE})
"""Fixes with these are made by `--fix`; others restart or recreate something and need `--unsafe-fixes`."""


class FixCycle(CodemodError):
    """Fixes that undo each other: nothing is written."""


@dataclass(slots=True)
class Fixed:
    """What fixing came to: changed documents, and the findings that are left on the new texts."""

    changes: list[Change] = field(default_factory=list)
    left: list[Judged] = field(default_factory=list)


def fix(
    rules: Sequence[Rule],
    context: Context,
    baseline: Baseline | None,
    wanted: Callable[[Located], bool],
) -> Fixed:
    """Apply the wanted findings' edits in memory, pass after pass, until none is left.

    One finding wins where edits overlap; the loser has its turn in the next pass. Raises FixCycle when a text comes
    back or ten passes are not enough.
    """
    texts: dict[str, Document] = {}
    made: dict[str, list[Located]] = {}
    seen: set[frozenset[tuple[str, str]]] = set()
    roles = {rule.id: rule.role for rule in rules}
    for _ in range(MAX_PASSES):
        current = context.over(texts)
        judged = judge(rules, current, baseline)
        fixable = [item for item in open_outcomes(judged) if wanted(item)]
        chosen = _winners(rules, fixable)
        if not chosen:
            return Fixed(_changes(roles, texts, made, context), judged)
        for path, findings in chosen.items():
            change, problem = apply_findings(roles[findings[0].rule], findings)
            if change is None:
                raise CodemodError(f"nothing was written: {path}: {problem} (a defect of the tool, worth a bug report)")
            texts[path] = change.new
            made.setdefault(path, []).extend(findings)
        state = frozenset((path, document.text) for path, document in texts.items())
        if state in seen:
            break
        seen.add(state)
    names = ", ".join(dict.fromkeys(item.rule for findings in chosen.values() for item in findings))
    raise FixCycle(f"nothing was written: the fixes of {names} undo each other (a defect of the tool)")


def _winners(rules: Sequence[Rule], findings: Iterable[Located]) -> dict[str, list[Located]]:
    """Findings by document whose edits do not overlap, rules that come first winning."""
    order = {rule.id: number for number, rule in enumerate(rules)}
    chosen: dict[str, list[Located]] = {}
    for item in sorted(findings, key=lambda item: (order.get(item.rule, 0), getattr(item.outcome, "start", 0))):
        others = chosen.setdefault(item.document.path, [])
        try:
            sort_edits(edit for one in [*others, item] for edit in getattr(one.outcome, "edits", ()))
        except OverlapError:
            continue
        others.append(item)
    return chosen


def _changes(
    roles: dict[str, Role], texts: dict[str, Document], made: dict[str, list[Located]], context: Context
) -> list[Change]:
    changes = []
    for path, new in texts.items():
        original = context.document(path)
        if new.text != original.text:
            role = roles[made[path][0].rule]
            changes.append(Change(role, original, new, tuple(made[path])))
    return changes


def is_safe(item: Located) -> bool:
    """Whether `--fix` makes this finding's edits without `--unsafe-fixes`."""
    return isinstance(item.outcome, Finding) and item.impact in SAFE_IMPACTS
