"""A suppression ends on its day.

`until 2027-01-31` is a promise to come back. The day itself still counts; from the next on the comment suppresses
nothing, the finding is reported again, and so is the comment, so that it is clear why. A day that no calendar has is
treated as over.

Not for: words such as "until the vendor answers", which are a reason like any other; only a date is a last day.

Evidence: none needed; the date is compared with today's.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from codemods.engine.model import Impact, Outcome, Role, Severity, rule

if TYPE_CHECKING:
    from codemods.engine.context import Context
    from codemods.repository import Document


@rule("suppression-no-expired", Role.SUPPRESSION, severity=Severity.WARNING, impact=Impact.NONE, since="0.1.0")
def check(context: Context, document: Document) -> Iterator[Outcome]:
    """Yield a finding for each comment whose last day is over."""
    for directive in context.directives[document.path]:
        if directive.expired:
            ended = f"{directive.shown} ended on {directive.until} and suppresses nothing"
            yield directive.finding(f"{ended}: put right what it hid, or give it a later day")
