"""A suppression that suppresses nothing is removed.

What it was written for has been put right, has moved elsewhere, or was never there. Left in the file it would hide the
next mistake at that place, which nobody has looked at.

Not for: rules that did not run (`--select`, `--ignore`, a hook for one kind of file), files that could not be read to
the end, and comments that have no effect anyway, which the other suppression rules report. `parse-error` and the
suppression rules themselves cannot be suppressed by a comment, so naming them is always reported.

Evidence: none needed; the rules that are named have just been run.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from codemods.engine.model import Impact, Outcome, Role, Severity, rule

if TYPE_CHECKING:
    from codemods.engine.context import Context
    from codemods.repository import Document


# A hook for one kind of file may know too little to find what the comment is there for.
@rule(
    "suppression-no-unused",
    Role.SUPPRESSION,
    severity=Severity.WARNING,
    impact=Impact.NONE,
    since="0.1.0",
    cross=True,
)
def check(context: Context, document: Document) -> Iterator[Outcome]:
    """Yield a finding for each rule that a comment names and that found nothing there."""
    from codemods.engine.suppress import cannot_be_suppressed

    for directive in context.directives[document.path]:
        what = "the comment" if len(directive.unused) == len(directive.names) else "it from the brackets"
        for name in directive.unused:
            why = "cannot be suppressed by a comment" if cannot_be_suppressed(name.id) else "finds nothing here"
            yield directive.finding(f"{name.id} {why}: remove {what}", name)
