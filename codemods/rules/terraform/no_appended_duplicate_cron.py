"""A crontab line is installed once.

`( crontab -l; echo '…' ) | crontab -` appends. When two elements of the provision list append the same line, cron
starts the command twice at the same time: two collections of one registry, or two scripts that remove the same tags.
The fix takes the later element out.

Not for: elements that filter the old crontab or replace it; the same command at two times; crontabs of two users.
"""

from __future__ import annotations

from collections.abc import Iterator

from codemods.engine.context import Context
from codemods.engine.edits import Edit
from codemods.engine.model import Finding, Impact, Related, Role, rule
from codemods.facts.terraform import CronJob
from codemods.repository import Document
from codemods.rules.terraform.changes import remove_job, written


@rule("terraform-no-appended-duplicate-cron", Role.TERRAFORM, impact=Impact.REPLACE, since="0.1.0")
def check(context: Context, document: Document) -> Iterator[Finding]:
    """Yield a finding for each line that an earlier element has already appended."""
    facts = context.terraform
    if facts is None or facts.attribute is None or facts.elements is None:
        return
    installed: dict[tuple[str, str], CronJob] = {}
    for job in facts.cron_jobs:
        if not job.appended:
            # What this element leaves of the crontab is not known.
            installed.clear()
            continue
        line = job.line
        first = installed.setdefault((job.user, " ".join((*line.schedule.split(), line.command))), job)
        if first is job:
            continue
        start, end = job.span(0, len(line.text))
        where = Related(document.path, first.span(0, 0)[0], "it is installed here first")
        edits: tuple[Edit, ...] = remove_job(document.hcl, facts.elements, job)
        yield Finding(
            start,
            end,
            f"the crontab line `{line.text.strip()}` is appended twice: cron runs it twice at once; take this one out",
            edits,
            written(facts, edits),
            (where,),
        )
