"""A suppression names rules that exist.

A misspelt rule id, or one of a later version, suppresses nothing, and the finding it was meant for stays. The message
names the nearest rule that there is; `codemod rules` lists all of them.

Not for: rules that exist and did not run this time.

Evidence: none needed; the list of rules is the tool's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from typing import TYPE_CHECKING

from codemods.engine.model import Impact, Outcome, Role, Severity, rule

if TYPE_CHECKING:
    from codemods.engine.context import Context
    from codemods.repository import Document


@rule("suppression-no-unknown", Role.SUPPRESSION, severity=Severity.WARNING, impact=Impact.NONE, since="0.1.0")
def check(context: Context, document: Document) -> Iterator[Outcome]:
    """Yield a finding for each name that is no rule's, and for brackets with nothing in them."""
    from codemods.catalogue import ALL
    from codemods.engine.inspection import PARSE_ERROR

    known = [*(rule.id for rule in ALL), PARSE_ERROR]
    for directive in context.directives[document.path]:
        if not directive.names:
            yield directive.finding("ignore[] names no rule and suppresses nothing: put a rule id between the brackets")
        for name in directive.names:
            if name.id not in known:
                near = get_close_matches(name.id, known, 1, 0.4)
                hint = f"did you mean {near[0]}?" if near else "`codemod rules` lists them"
                yield directive.finding(f"there is no rule {name.id}: {hint}", name)
