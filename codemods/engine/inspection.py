"""Rules run over the documents of their roles; what cannot be read is an outcome like others."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from codemods.engine.model import Finding, Impact, Outcome, Refusal, Role, Rule, Suppressed
from codemods.engine.verify import reading
from codemods.errors import CannotEdit, ParseError
from codemods.repository import Document

if TYPE_CHECKING:
    from codemods.engine.context import Context

PARSE_ERROR = "parse-error"
_READ_BY_RULE = (Role.PIPELINE, Role.CLEANUP, Role.COLLECTOR, Role.SUPPRESSION)
"""Files that their rule looks at first as text: most pipelines build nothing, a script may be of another language."""
CREATED = (Role.CONFIG, Role.COLLECTOR)
"""Files that a rule makes when they are not there; one whose text a rule takes away goes."""
_FACTS = (Role.COMPOSE, Role.NGINX, Role.TERRAFORM)
"""Files that rules read besides the one they are about."""
_REPAIR = "repair the file, or exclude it in codemod.toml (exclude = […])"

Progress = Callable[[int, int], None]


class Located(NamedTuple):
    """An outcome with the id of its rule and the document it is about."""

    rule: str
    document: Document
    outcome: Outcome
    impact: Impact = Impact.NONE

    @property
    def wants_edits(self) -> bool:
        """Whether it is a finding that would change its document."""
        return isinstance(self.outcome, Finding) and bool(self.outcome.edits)


class Judged(NamedTuple):
    """An outcome, and what keeps it from failing a check and from being changed."""

    located: Located
    suppressed: Suppressed | None = None


def paths_of(role: Role, context: Context) -> tuple[str, ...]:
    """The stack's files of one role."""
    stack = context.stack
    match role:
        case Role.PIPELINE:
            return stack.pipelines
        case Role.SUPPRESSION:
            return tuple(context.directives)
        case Role.REGISTRY:
            try:
                found = [registry.path for registry in context.registries if registry.path]
            except (CannotEdit, ParseError):  # said where the compose file is read
                found = []
            return tuple(dict.fromkeys((*stack.registry_configs, *found)))
        case Role.CONFIG:
            if stack.configs is None:
                return ()
            return (posixpath.normpath(posixpath.join(stack.configs, context.settings.registry.config_name)),)
        case _:
            path = {
                Role.COMPOSE: stack.compose,
                Role.NGINX: stack.nginx,
                Role.TERRAFORM: stack.terraform,
                Role.CLEANUP: stack.cleanup,
                Role.COLLECTOR: stack.collector,
            }[role]
            return (path,) if path else ()


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
            if rule.role not in CREATED and not document.exists:
                raise CannotEdit("there is no such file", "restore it, or set paths in codemod.toml to another one")
            if rule.role not in _READ_BY_RULE and document.exists:
                reading(rule.role, document)
        except (CannotEdit, ParseError) as error:
            unreadable.add(path)
            yield _unreadable(context, path, error)
            continue
        yield from _run(rule, context, document, unreadable)
    progress(len(work), len(work))


def _run(rule: Rule, context: Context, document: Document, unreadable: set[str]) -> Iterator[Located]:
    try:
        for outcome in rule(context, document):
            impact = outcome.impact if isinstance(outcome, Finding) else None
            yield Located(rule.id, document, outcome, rule.impact if impact is None else impact)
    except (CannotEdit, ParseError) as error:
        # Facts come from other documents too: the one that cannot be read is named, not the one that asked for it.
        broken = dict(_broken(rule.role, document, context))
        if not broken or (isinstance(error, CannotEdit) and not any(error is found for found in broken.values())):
            advice = error.advice if isinstance(error, CannotEdit) else _REPAIR
            yield Located(rule.id, document, Refusal(error.offset, str(error), advice))
            return
        for path, problem in broken.items():
            if path not in unreadable:
                unreadable.add(path)
                yield _unreadable(context, path, problem)


def _broken(role: Role, document: Document, context: Context) -> Iterator[tuple[str, CannotEdit | ParseError]]:
    """Which of a document and the stack's other files cannot be read, and why."""
    stack = [(other, path) for other in _FACTS for path in paths_of(other, context) if path != document.path]
    for other, path in [(role, document.path), *stack]:
        try:
            found = context.document(path)
            if found.exists:
                reading(other, found)
            if other in _FACTS:
                getattr(context, other.value)
        except (CannotEdit, ParseError) as error:
            yield path, error


def _unreadable(context: Context, path: str, error: CannotEdit | ParseError) -> Located:
    try:
        document = context.document(path)
    except (CannotEdit, ParseError):
        document = Document(path, "")
    advice = error.advice if isinstance(error, CannotEdit) else _REPAIR
    return Located(PARSE_ERROR, document, Refusal(error.offset, str(error), advice))
