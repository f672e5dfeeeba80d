"""Delete the script that collects the private registry's garbage, when it is the recipe's to the byte.

One of another version, or one that somebody has changed, stays and is named; so does one that another registry's
crontab line runs.
"""

from __future__ import annotations

from collections.abc import Iterator

from codemods.caching.collection import collected_by_script
from codemods.caching.collector_file import OURS, collector_text
from codemods.engine.context import Context
from codemods.engine.edits import Edit
from codemods.engine.model import Finding, Impact, Outcome, Refusal, Role, rule
from codemods.repository import Document


@rule("registry-add-collector", Role.COLLECTOR, impact=Impact.NONE, since="0.1.0", task="4")
def check(context: Context, document: Document) -> Iterator[Outcome]:
    """Yield the file's removal."""
    if not document.exists or other_containers(context):
        return
    text = document.text.replace("\r\n", "\n")
    if text == collector_text():
        yield Finding(0, 0, "without the garbage collector", (Edit(0, len(document.text), ""),), ((),))
    elif OURS in text:
        reason = "it is not the collector of this version, or has been changed"
        yield Refusal(0, reason, "delete it by hand, when no crontab line runs it", partial=True)


def other_containers(context: Context) -> list[str]:
    """Containers besides our registry's whose garbage the collector is told to collect."""
    ours, jobs = context.settings.registry.service, context.terraform.cron_jobs if context.terraform else ()
    service = context.compose.services.get(ours) if context.compose else None
    names = dict.fromkeys(collected_by_script(job.line.command) for job in jobs)
    return [name for name in names if name not in ("", ours, service.container if service else ours)]
