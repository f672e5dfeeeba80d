"""From rules and documents to a verified change set. Nothing here writes: a dry run is the real run up to here."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from itertools import pairwise
from typing import TYPE_CHECKING

from codemods.engine.context import Context
from codemods.engine.edits import Edit, apply_edits
from codemods.engine.inspection import CREATED, Judged, Located, Progress
from codemods.engine.judge import judge, open_outcomes
from codemods.engine.model import Finding, Impact, Note, Refusal, Role, Rule
from codemods.engine.verify import check_bytes, check_meaning
from codemods.errors import CodemodError, OverlapError, ParseError
from codemods.repository import Document

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from codemods.engine.baseline import Baseline
    from codemods.engine.difference import Path

PIPELINES = "woodpecker-add-registry-cache"
_STACK = "stack"
_DEFECT = "this is a defect of the tool, worth a bug report; nothing of this file's group was written"


class Order(Enum):
    """Which of the groups waits for the others: a refusal in what comes first holds it back."""

    STACK_FIRST = "a pipeline cannot build before its registry is there"
    STACK_LAST = "a registry cannot go as long as a pipeline needs it"


class NotIdempotent(CodemodError):
    """The rules would change their own result: nothing is written."""


@dataclass(frozen=True, slots=True)
class Change:
    """One file as it was and as it is to be, with the findings whose edits made it so."""

    role: Role
    document: Document
    new: Document
    findings: tuple[Located, ...]

    @property
    def new_text(self) -> str:
        """Its text."""
        return self.new.text

    @property
    def path(self) -> str:
        """Path relative to the repository."""
        return self.document.path

    @property
    def rules(self) -> tuple[str, ...]:
        """Ids of the rules, each once, in recipe order."""
        return tuple(dict.fromkeys(finding.rule for finding in self.findings))

    @property
    def impact(self) -> Impact:
        """The worst of the findings' impacts."""
        return max((finding.impact for finding in self.findings), default=Impact.NONE)


@dataclass(slots=True)
class ChangeSet:
    """Everything one run found: verified changes by group, refusals, notes, what was suppressed or held back."""

    groups: list[list[Change]] = field(default_factory=list)
    findings: list[Located] = field(default_factory=list)
    refusals: list[Located] = field(default_factory=list)
    notes: list[Located] = field(default_factory=list)
    suppressed: list[Judged] = field(default_factory=list)
    held_back: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    @property
    def changes(self) -> list[Change]:
        """All changes, in the order in which they are written."""
        return [change for group in self.groups for change in group]


@dataclass(frozen=True, slots=True)
class Selection:
    """What may be written and reported; what the rules may know is never limited. Empty means everything."""

    paths: tuple[str, ...] = ()
    only: frozenset[str] = frozenset()
    skip: frozenset[str] = frozenset()

    def has_rule(self, rule: str) -> bool:
        """Whether a rule is selected."""
        return rule not in self.skip and (not self.only or rule in self.only)

    def has_path(self, path: str) -> bool:
        """Whether a file, or a directory above it, is selected."""
        return not self.paths or any(p in (path, ".") or path.startswith(f"{p}/") for p in self.paths)


def plan_changes(
    rules: Sequence[Rule],
    context: Context,
    selection: Selection,
    obstacles: Callable[[Sequence[str]], Mapping[str, Refusal]] = lambda paths: {},
    progress: Progress = lambda done, total: None,
    baseline: Baseline | None = None,
    order: Order = Order.STACK_FIRST,
) -> ChangeSet:
    """Run all rules, apply their edits in memory, prove the result, and run all rules again on it.

    Places that a comment or the baseline suppresses are left as they are.
    `obstacles` says which of the files that would change must not be written, and why.
    Raises NotIdempotent when the second run still wants to change what the first one made.
    """
    selected = [rule for rule in rules if selection.has_rule(rule.id)]
    result = ChangeSet()
    judged = judge(selected, context, baseline, progress)
    located = list(open_outcomes(judged))
    result.suppressed = [item for item in judged if item.suppressed and selection.has_path(item.located.document.path)]
    refused = {_group(context, item.document.path) for item in located if _blocks(item)}
    _sort(located, selection, result)
    proposals: dict[str, list[Located]] = {}
    for item in result.findings:
        if item.wants_edits and _group(context, item.document.path) not in refused:
            proposals.setdefault(item.document.path, []).append(item)
    for path, refusal in obstacles(list(proposals)).items():
        result.refusals.append(Located(proposals[path][0].rule, proposals[path][0].document, refusal))
        refused.add(_group(context, path))
    roles = {rule.id: rule.role for rule in rules}
    groups: dict[str, list[Change]] = {_STACK: []}
    for path, findings in proposals.items():
        change, problem = apply_findings(roles[findings[0].rule], findings)
        group = _group(context, path)
        if change is None:
            result.refusals.append(Located(findings[0].rule, findings[0].document, Refusal(0, problem, _DEFECT)))
            refused.add(group)
        else:
            groups.setdefault(group, []).append(change)
    ready = {group: changes for group, changes in groups.items() if changes and group not in refused}
    if held := _held_back(order, refused, ready, selection):
        result.held_back = [change.path for group in held for change in ready.pop(group)]
        reasons = [item for item in located if _blocks(item) and _group(context, item.document.path) not in held]
        result.refusals += [item for item in reasons if not selection.has_path(item.document.path)]
    groups_in_order = sorted(ready, key=lambda group: group == _STACK, reverse=order is Order.STACK_FIRST)
    result.groups = [ready[group] for group in groups_in_order]
    named = {item.document.path for item in result.refusals}
    wanted = dict.fromkeys(item.document.path for item in result.findings if item.wants_edits)
    result.left_out = [path for path in wanted if _group(context, path) in refused and path not in named]
    _check_idempotence(
        lambda again: open_outcomes(judge(selected, again, baseline)), context, selection, located, result
    )
    return result


def _sort(located: Collection[Located], selection: Selection, result: ChangeSet) -> None:
    """File outcomes by kind as far as they are in scope."""
    for item in located:
        if selection.has_path(item.document.path):
            match item.outcome:
                case Finding():
                    result.findings.append(item)
                case Refusal():
                    result.refusals.append(item)
                case Note():
                    result.notes.append(item)


def _blocks(item: Located) -> bool:
    return isinstance(item.outcome, Refusal) and not item.outcome.partial


def _held_back(
    order: Order, refused: Collection[str], ready: Mapping[str, list[Change]], selection: Selection
) -> list[str]:
    """The groups that must wait because one that comes before them was refused; none when `--only` asks for them."""
    if order is Order.STACK_LAST:
        return [group for group in ready if group == _STACK and set(refused) - {_STACK}]
    return list(ready) if _STACK in refused and PIPELINES not in selection.only else []


def _group(context: Context, path: str) -> str:
    """The stack is one group, each pipeline its own."""
    return path if path in context.pipelines else _STACK


def apply_findings(role: Role, findings: Sequence[Located]) -> tuple[Change | None, str]:
    """The change that all findings of one document make together, or what is wrong with it."""
    document = findings[0].document
    edits: list[Edit] = []
    writes: list[Path] = []
    for item in findings:
        assert isinstance(item.outcome, Finding)
        edits += item.outcome.edits
        writes += item.outcome.writes
    new = document
    try:
        text = apply_edits(document.text, edits)
        new = Document(document.path, text, document.bom, exists=bool(text) or role not in CREATED)
        problem = check_bytes(document.text, new.text, edits) or check_meaning(role, document, new, writes)
    except OverlapError as error:
        findings, problem = _overlapping(findings), str(error)
    except (ParseError, ValueError) as error:
        problem = str(error)
    if problem:
        return None, f"the edits of {_names(findings)} did not pass their check: {problem}"
    return Change(role, document, new, tuple(findings)), ""


def _overlapping(findings: Sequence[Located]) -> Sequence[Located]:
    """The first two findings of which an edit overlaps another; one finding, when it does so with itself."""
    owned = [(edit, item) for item in findings if isinstance(item.outcome, Finding) for edit in item.outcome.edits]
    owned.sort(key=lambda pair: (pair[0].start, pair[0].end))
    for (before, one), (after, other) in pairwise(owned):
        if before != after and after.start < before.end:
            return one, other
    return findings


def _names(located: Iterable[Located]) -> str:
    return ", ".join(dict.fromkeys(item.rule for item in located))


def _check_idempotence(
    look: Callable[[Context], Iterable[Located]],
    context: Context,
    selection: Selection,
    located: Collection[Located],
    result: ChangeSet,
) -> None:
    """Run the rules on the new texts: whatever was written, and whatever was at rest before, must be at rest."""
    if not result.changes:
        return
    new = {change.path: change.new for change in result.changes}
    again = context.over(new)
    known = {item.document.path for item in located if item.wants_edits or _blocks(item)}
    restless = [
        item
        for item in look(again)
        if (item.wants_edits or _blocks(item))
        and (item.document.path in new or item.document.path not in known)
        and selection.has_path(item.document.path)
    ]
    if restless:
        raise NotIdempotent("\n".join(_restless_lines(restless, result)))


def _restless_lines(restless: Sequence[Located], result: ChangeSet) -> Iterator[str]:
    from codemods.engine.report.diff import unified_diff
    from codemods.engine.report.mask import mask_secrets

    defect = "a defect of the tool, worth a bug report"
    yield f"nothing was written: {_names(restless)} would change their own result ({defect})"
    for item in restless:
        yield f"{item.rule} at {item.document.path}: {getattr(item.outcome, 'message', item.outcome)}"
    first = restless[0].document
    for change in result.changes:
        if change.path == first.path:
            diff = unified_diff(change.path, change.document.text, change.new_text, old_exists=change.document.exists)
            yield f"first pass:\n{mask_secrets(diff)}"
    edits = [edit for item in restless if item.document is first for edit in getattr(item.outcome, "edits", ())]
    try:
        yield f"second pass:\n{mask_secrets(unified_diff(first.path, first.text, apply_edits(first.text, edits)))}"
    except (OverlapError, ValueError) as error:
        yield f"second pass: {error}"
