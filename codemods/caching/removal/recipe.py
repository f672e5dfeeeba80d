"""The caching recipe backwards: each rule takes out what the recipe's rule of the same name added.

Where the migration's commits are known, the file gets back what stood there before them; what the commits do not
explain is found by what it looks like. Both ways end in edits of the text as it is, proven before anything is
written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from codemods.caching.removal import cleanup, collector, compose, config, nginx, pipelines, terraform
from codemods.caching.removal.merge import line_edits, same_line, take_back
from codemods.caching.removal.proof import changed_shapes, shapes, written_paths
from codemods.engine.context import Context
from codemods.engine.difference import Path
from codemods.engine.edits import apply_edits
from codemods.engine.inspection import CREATED
from codemods.engine.model import Finding, Note, Outcome, Refusal, Rule
from codemods.errors import CannotEdit, ParseError
from codemods.history import History, Version
from codemods.repository import Document

AS_BEFORE = "as before "
"""How the message of a finding begins that takes commits back."""

RULES = (
    pipelines.check,
    cleanup.check,
    terraform.check,
    collector.check,
    nginx.check,
    compose.check,
    config.check,
)
"""What is recognised without history, in the order in which nothing is needed any more when it goes."""


def removal(history: History) -> tuple[Rule, ...]:
    """The rules, which know what the migration's commits did."""
    return tuple(_with_history(rule, history) for rule in RULES)


def _with_history(rule: Rule, history: History) -> Rule:
    def check(context: Context, document: Document) -> Iterator[Outcome]:
        versions = history.of(document) if document.exists else ()
        known = list(_from_history(rule, context, document, versions))
        yield from known or rule.check(context, document)

    return rule._replace(check=check)


def _from_history(rule: Rule, context: Context, document: Document, versions: tuple[Version, ...]) -> Iterator[Outcome]:
    """One finding that takes the commits back, and what else is recognised; nothing where that cannot be proven."""
    text = document.text
    for version in versions:
        earlier = take_back(text, version.before or "", version.after)
        if earlier is None:
            return
        text = earlier
    between = _with_text(rule, document, text)
    found = list(_find(rule, context, between))
    if text == document.text or any(isinstance(one, Refusal) and not one.partial for one in found):
        return
    new = _with_text(rule, document, _applied(between, found))
    if new.text == document.text:
        return  # a commit took something out of ours that was there before it
    changed = written_paths(context, rule.role, document, new)
    if changed is None or not shapes(changed) <= _explained(rule, versions, between, new):
        return
    edits = line_edits(document.text, new.text)
    yield Finding(edits[0].start, edits[0].end, f"{AS_BEFORE}{_named(versions)}", edits, changed)
    for one in found:
        if isinstance(one, Refusal):
            yield one._replace(start=same_line(between.text, document.text, one.start), block=None)
        elif isinstance(one, Note):
            yield one


def _with_text(rule: Rule, document: Document, text: str) -> Document:
    """The document with another text; without any it is gone, when it is of a kind that the recipe makes."""
    return Document(document.path, text, document.bom, exists=bool(text) or rule.role not in CREATED)


def _find(rule: Rule, context: Context, document: Document) -> Iterator[Outcome]:
    """What the rule finds in another version of a document; a refusal where it cannot be read."""
    try:
        yield from rule.check(context.over({document.path: document}), document)
    except (ParseError, CannotEdit) as error:
        yield Refusal(0, str(error), "")


def _applied(document: Document, found: Iterable[Outcome]) -> str:
    return apply_edits(document.text, [edit for one in found if isinstance(one, Finding) for edit in one.edits])


def _explained(rule: Rule, versions: Iterable[Version], between: Document, new: Document) -> set[Path]:
    """Where the commits have changed data, and the rule itself."""
    explained = changed_shapes(rule.role, between.text, new.text) if between.text != new.text else set()
    return explained.union(*(changed_shapes(rule.role, before, after) for _, before, after in versions))


def _named(versions: Sequence[Version]) -> str:
    more = f" and {len(versions) - 1} more" if len(versions) > 1 else ""
    return f"{versions[0].commit[:10]}{more}"
