"""From rules and documents to a verified change set. Nothing here writes: a dry run is the real run up to here."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from codemods.engine.context import Context
from codemods.engine.edits import Edit, apply_edits
from codemods.engine.model import Finding, Impact, Note, Outcome, Refusal, Role, Rule
from codemods.engine.verify import check_bytes, check_meaning, reading
from codemods.errors import CannotEdit, CodemodError, OverlapError, ParseError
from codemods.repository import Document

PARSE_ERROR = "parse-error"
PIPELINES = "woodpecker-add-registry-cache"
_STACK = "stack"
_READ_BY_RULE = (Role.PIPELINE, Role.CLEANUP)
"""Files that their rule looks at first as text: most pipelines build nothing, a cleanup script may be shell."""
_DEFECT = "this is a defect of the tool, worth a bug report; nothing of this file's group was written"

Progress = Callable[[int, int], None]


class NotIdempotent(CodemodError):
    """The rules would change their own result: nothing is written."""


@dataclass(frozen=True, slots=True)
class Located:
    """An outcome with the id of its rule and the document it is about."""

    rule: str
    document: Document
    outcome: Outcome
    impact: Impact = Impact.NONE


@dataclass(frozen=True, slots=True)
class Change:
    """One file's new text, with the findings whose edits made it."""

    role: Role
    document: Document
    new_text: str
    findings: tuple[Located, ...]

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
    """Everything one run found: verified changes by group, refusals, notes, and what was held back."""

    groups: list[list[Change]] = field(default_factory=list)
    findings: list[Located] = field(default_factory=list)
    refusals: list[Located] = field(default_factory=list)
    notes: list[Located] = field(default_factory=list)
    held_back: list[str] = field(default_factory=list)

    @property
    def changes(self) -> list[Change]:
        """All changes, the stack first."""
        return [change for group in self.groups for change in group]


@dataclass(frozen=True, slots=True)
class Selection:
    """What may be written and reported; what the rules may know is never limited. Empty means everything."""

    paths: tuple[str, ...] = ()
    only: frozenset[str] = frozenset()
    skip: frozenset[str] = frozenset()

    def has_rule(self, rule: str) -> bool:
        """Whether a rule is selected; unparsable files always are."""
        return rule == PARSE_ERROR or (rule not in self.skip and (not self.only or rule in self.only))

    def has_path(self, path: str) -> bool:
        """Whether a file, or a directory above it, is selected."""
        return not self.paths or any(p in (path, ".") or path.startswith(f"{p}/") for p in self.paths)


def paths_of(role: Role, context: Context) -> tuple[str, ...]:
    """The stack's files of one role."""
    stack = context.stack
    match role:
        case Role.PIPELINE:
            return stack.pipelines
        case Role.CONFIG:
            return (f"{stack.configs}/{context.settings.registry.config_name}".removeprefix("./"),) if (
                stack.configs is not None) else ()  # fmt: skip
        case _:
            path = {
                Role.COMPOSE: stack.compose,
                Role.NGINX: stack.nginx,
                Role.TERRAFORM: stack.terraform,
                Role.CLEANUP: stack.cleanup,
            }[role]
            return (path,) if path else ()


def plan_changes(
    rules: Sequence[Rule],
    context: Context,
    selection: Selection,
    obstacles: Callable[[Sequence[str]], Mapping[str, Refusal]] = lambda paths: {},
    progress: Progress = lambda done, total: None,
) -> ChangeSet:
    """Run all rules, apply their edits in memory, prove the result, and run all rules again on it.

    `obstacles` says which of the files that would change must not be written, and why.
    Raises NotIdempotent when the second run still wants to change what the first one made.
    """
    selected = [rule for rule in rules if selection.has_rule(rule.id)]
    result = ChangeSet()
    located = list(inspect(selected, context, progress))
    refused = _sort(located, context, selection, result)
    proposals: dict[str, list[Located]] = {}
    for item in result.findings:
        assert isinstance(item.outcome, Finding)
        if item.outcome.edits and _group(context, item.document.path) not in refused:
            proposals.setdefault(item.document.path, []).append(item)
    for path, refusal in obstacles(list(proposals)).items():
        result.refusals.append(Located(proposals[path][0].rule, proposals[path][0].document, refusal))
        refused.add(_group(context, path))
    roles = {rule.id: rule.role for rule in rules}
    groups: dict[str, list[Change]] = {}
    for path, findings in proposals.items():
        change, problem = _apply(roles[findings[0].rule], findings)
        group = _group(context, path)
        if change is None:
            result.refusals.append(Located(findings[0].rule, findings[0].document, Refusal(0, problem, _DEFECT)))
            refused.add(group)
        elif group not in refused:
            groups.setdefault(group, []).append(change)
    if _STACK in refused and PIPELINES not in selection.only:
        result.held_back = [group for group in groups if group not in refused]
        groups = {}
    result.groups = [changes for group, changes in groups.items() if group not in refused]
    _check_idempotence(selected, context, result)
    return result


def inspect(rules: Sequence[Rule], context: Context, progress: Progress) -> Iterator[Located]:
    """Run rules on the documents of their roles; a document that cannot be read is reported once."""
    work = [(rule, path) for rule in rules for path in paths_of(rule.role, context)]
    unreadable: set[str] = set()
    for number, (rule, path) in enumerate(work):
        progress(number, len(work))
        if path in unreadable:
            continue
        try:
            document = context.document(path)
            if document.exists and rule.role not in _READ_BY_RULE:
                reading(rule.role, document)
        except CannotEdit as error:
            unreadable.add(path)
            yield Located(PARSE_ERROR, Document(path, ""), Refusal(0, error.reason, error.advice))
            continue
        except ParseError as error:
            unreadable.add(path)
            yield Located(PARSE_ERROR, _empty_unless_read(context, path), _unreadable(error))
            continue
        yield from _run(rule, context, document, unreadable)


def _run(rule: Rule, context: Context, document: Document, unreadable: set[str]) -> Iterator[Located]:
    try:
        for outcome in rule(context, document):
            impact = outcome.impact if isinstance(outcome, Finding) else None
            yield Located(rule.id, document, outcome, rule.impact if impact is None else impact)
    except CannotEdit as error:
        yield Located(rule.id, document, Refusal(error.offset, error.reason, error.advice))
    except ParseError as error:
        if rule.role in _READ_BY_RULE:
            unreadable.add(document.path)
            yield Located(PARSE_ERROR, document, _unreadable(error))
        # Another rule's document could not be read: that document is reported by itself.


def _unreadable(error: ParseError) -> Refusal:
    return Refusal(error.offset, str(error), "repair the file, or exclude it in codemod.toml (exclude = […])")


def _empty_unless_read(context: Context, path: str) -> Document:
    try:
        return context.document(path)
    except ParseError:
        return Document(path, "")


def _sort(located: Collection[Located], context: Context, selection: Selection, result: ChangeSet) -> set[str]:
    """File outcomes by kind as far as they are in scope; return the groups that were refused."""
    refused = set()
    for item in located:
        match item.outcome:
            case Refusal():
                refused.add(_group(context, item.document.path))
        if selection.has_path(item.document.path):
            match item.outcome:
                case Finding():
                    result.findings.append(item)
                case Refusal():
                    result.refusals.append(item)
                case Note():
                    result.notes.append(item)
    return refused


def _group(context: Context, path: str) -> str:
    """The stack is one group, each pipeline its own."""
    return path if path in context.pipelines else _STACK


def _apply(role: Role, findings: Sequence[Located]) -> tuple[Change | None, str]:
    """The change that all findings of one document make together, or what is wrong with it."""
    document = findings[0].document
    edits: list[Edit] = []
    writes = []
    for item in findings:
        assert isinstance(item.outcome, Finding)
        edits += item.outcome.edits
        writes += item.outcome.writes
    names = ", ".join(dict.fromkeys(item.rule for item in findings))
    try:
        text = apply_edits(document.text, edits)
        problem = check_bytes(document.text, text, edits) or check_meaning(
            role, document, Document(document.path, text, document.bom), writes
        )
    except (OverlapError, ParseError) as error:
        problem = str(error)
    if problem:
        return None, f"the edits of {names} did not pass their check: {problem}"
    return Change(role, document, text, tuple(findings)), ""


def _check_idempotence(rules: Sequence[Rule], context: Context, result: ChangeSet) -> None:
    """Run the rules on the new texts: whatever was written must be at rest."""
    if not result.changes:
        return
    new = {change.path: Document(change.path, change.new_text, change.document.bom) for change in result.changes}
    again = Context(context.settings, context.stack, lambda path: new.get(path) or context.document(path))
    restless = []
    for item in inspect(rules, again, lambda done, total: None):
        if item.document.path in new and (
            isinstance(item.outcome, Refusal) or (isinstance(item.outcome, Finding) and item.outcome.edits)
        ):
            restless.append(item)
    if restless:
        raise NotIdempotent("\n".join(_restless_lines(restless, result)))


def _restless_lines(restless: Sequence[Located], result: ChangeSet) -> Iterator[str]:
    from codemods.engine.report.diff import unified_diff

    rules = ", ".join(dict.fromkeys(item.rule for item in restless))
    yield f"nothing was written: {rules} would change their own result (a defect of the tool, worth a bug report)"
    for item in restless:
        yield f"{item.rule} at {item.document.path}: {getattr(item.outcome, 'message', item.outcome)}"
    first = restless[0]
    change = next(change for change in result.changes if change.path == first.document.path)
    yield "first pass:"
    yield unified_diff(change.path, change.document.text, change.new_text, old_exists=change.document.exists)
    if isinstance(first.outcome, Finding):
        yield "second pass:"
        second = apply_edits(change.new_text, first.outcome.edits)
        yield unified_diff(change.path, change.new_text, second)
