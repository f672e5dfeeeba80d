"""A suppression says why.

`# codemod: ignore[rule-id] reason why` tells whoever reads the file next that somebody looked, and what they knew. A
comment without a reason looks the same whether it was a decision or a way to get the build through, so it suppresses
nothing: the finding stays until the reason is written down behind the bracket.

Not for: comments that speak about suppressions; only one that begins with `codemod: ignore[` is one.

Evidence: none needed; this is about the repository's own words.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from codemods.engine.model import Impact, Outcome, Role, Severity, rule

if TYPE_CHECKING:
    from codemods.engine.context import Context
    from codemods.repository import Document


@rule("suppression-require-reason", Role.SUPPRESSION, severity=Severity.WARNING, impact=Impact.NONE, since="0.1.0")
def check(context: Context, document: Document) -> Iterator[Outcome]:
    """Yield a finding for each comment without a reason."""
    for directive in context.directives[document.path]:
        if not directive.reason:
            shown = directive.shown
            yield directive.finding(f"{shown} gives no reason and suppresses nothing: say why behind the bracket")
