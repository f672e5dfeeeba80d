"""Judge outcomes by the comments in their documents, and note what those comments are still good for."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, NamedTuple

from codemods.engine.context import Context
from codemods.engine.inspection import PARSE_ERROR, Judged, Located, inspect, paths_of
from codemods.engine.model import SUPPRESSION_MARKER, Note, Refusal, Role, Rule, Suppressed
from codemods.errors import CodemodError

if TYPE_CHECKING:
    from codemods.engine.directives import Directive, Directives, Name
    from codemods.repository import Document

_TOGETHER = (frozenset({"woodpecker-add-registry-cache", "woodpecker-require-cache"}),)
"""Rules that ask for the same: a suppression of one is meant for all of them."""


def suppress(
    rules: Sequence[Rule], located: Sequence[Located], context: Context, today: date | None = None
) -> list[Judged]:
    """Judge what the rules found by the comments of its documents; the findings about those comments come last."""
    directives = dict(_directives(rules, context, today or date.today()))
    used: set[tuple[str, Name]] = set()
    judged = []
    for item in located:
        names = [(item.document.path, name) for name in _names(item, directives.get(item.document.path))]
        used.update(names)
        judged.append(Judged(item, Suppressed.COMMENT if names else None))
    about = [rule for rule in rules if rule.role is Role.SUPPRESSION]
    if about and directives:
        examined = _Examined.by(rules, located, context)
        known = {path: tuple(_with_unused(path, found, used, examined)) for path, found in directives.items()}
        reviewed = Context(context.settings, context.stack, context.document, known)
        judged += map(Judged, inspect(about, reviewed, lambda done, total: None))
    return judged


def cannot_be_suppressed(rule: str) -> bool:
    """Whether a comment is no way to quieten a rule: nobody could trust the comments any more."""
    return rule == PARSE_ERROR or rule.startswith("suppression-")


def _directives(rules: Sequence[Rule], context: Context, today: date) -> Iterator[tuple[str, Directives]]:
    """The directives of each file that a rule has looked at; of the whole stack when a rule is about directives."""
    roles = {rule.role for rule in rules}
    seen: set[str] = set()
    for role in (role for role in Role if role in roles or Role.SUPPRESSION in roles):
        for path in (path for one in context.each() for path in paths_of(role, one)):
            if path not in seen:
                seen.add(path)
                try:
                    document = context.document(path)
                except CodemodError:  # reported by the rules of its role
                    continue
                if found := _directives_of(role, document, today):
                    yield path, found


def _directives_of(role: Role, document: Document, today: date) -> Directives | None:
    # Next to no file has any, and to look for the marker costs nothing beside finding the comments.
    if SUPPRESSION_MARKER not in document.text:
        return None
    from codemods.engine.directives import read_directives

    return read_directives(role, document, today)


def _names(item: Located, directives: Directives | None) -> Iterator[Name]:
    """The names in comments that suppress an outcome."""
    if directives is None or isinstance(item.outcome, Note) or cannot_be_suppressed(item.rule):
        return
    places = [item.outcome.start, *([] if item.outcome.block is None else [item.outcome.block])]
    for directive in dict.fromkeys(found for place in places for found in directives.at(place)):
        yield from (name for name in directive.names if item.rule in _meant(name.id))


def _meant(rule: str) -> frozenset[str]:
    """The rules that a comment names by one id."""
    return next((rules for rules in _TOGETHER if rule in rules), frozenset({rule}))


class _Examined(NamedTuple):
    """Which rules have looked at which files to the end."""

    rules: Collection[str]
    stopped: Collection[tuple[str, str]]
    unread: Collection[str]
    everything: bool

    @classmethod
    def by(cls, rules: Sequence[Rule], located: Sequence[Located], context: Context) -> _Examined:
        refusals = {(item.rule, item.document.path) for item in located if isinstance(item.outcome, Refusal)}
        unread = {path for rule, path in refusals if rule == PARSE_ERROR}
        # Rules read other files of the stack besides their own, but no other pipeline.
        return cls({rule.id for rule in rules}, refusals, unread, unread <= context.pipelines)

    def has(self, rule: str, path: str) -> bool:
        """Whether whatever the rule could find in the file has been found."""
        stopped = path in self.unread or (rule, path) in self.stopped
        return self.everything and rule in self.rules and not stopped


def _with_unused(
    path: str, directives: Directives, used: Collection[tuple[str, Name]], examined: _Examined
) -> Iterator[Directive]:
    for directive in directives.found:
        unused = (
            name
            for name in directive.names
            if cannot_be_suppressed(name.id)
            or ((path, name) not in used and all(examined.has(rule, path) for rule in _meant(name.id)))
        )
        yield replace(directive, unused=tuple(unused) if directive.in_force else ())
