"""One recipe for several registries: planned one after the other, each on top of what those before it change."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from codemods.engine.run import Change, ChangeSet, NotIdempotent

if TYPE_CHECKING:
    from codemods.engine.context import Context
    from codemods.repository import Document


def plan_series(contexts: Sequence[Context], plan: Callable[[Context], ChangeSet]) -> list[tuple[Context, ChangeSet]]:
    """The change set for each registry, to be written in this order, with the context that it was planned in.

    Raises NotIdempotent, also when the rules for one registry would change what they have made for another.
    """
    new: dict[str, Document] = {}
    planned = []
    for context in contexts:
        seen = context.over(new) if new else context
        planned.append((seen, plan(seen)))
        new.update((change.path, change.new) for change in planned[-1][1].changes)
    for context in contexts[:-1]:
        for change in plan(context.over(new)).changes:
            name, rules = context.settings.registry.name, ", ".join(change.rules)
            raise NotIdempotent(
                f"nothing was written: {rules} for the registry {name} would change {change.path} again, as another "
                "registry leaves it (a defect of the tool, worth a bug report)"
            )
    return planned


def together(found: Iterable[ChangeSet]) -> list[Change]:
    """One change for each file: from the text before the first to the text after the last."""
    changes: dict[str, Change] = {}
    for change in (change for one in found for change in one.changes):
        first = changes.get(change.path)
        findings = (*(first.findings if first else ()), *change.findings)
        changes[change.path] = Change(change.role, first.document if first else change.document, change.new, findings)
    return list(changes.values())
