"""The registry is stopped while its garbage is collected, and started again whatever comes of it.

A blob that is uploaded during the run is garbage to it, because no manifest names it yet. It is deleted, the manifest
that follows is accepted, and the image has a layer of zero bytes, which no later push repairs. A pull-through mirror
writes while it is pulled from, so it is no exception. The registry's blob cache does not hear of the run either: it
goes on to answer for deleted blobs until it is started anew. And a line that starts the registry only after success
(`stop && collect && start`) leaves it down when the run fails.

The fix writes `stop && { collect; start; } >> log`, with the line's own schedule, program and log. It is made for lines
that do nothing but collect; profile `as-written` keeps the plan's lines, so there the finding stays.

Not for: dry runs; registries that another crontab line of the list stops and starts; collections in scripts; containers
that compose does not have.

Evidence: facts 14, 15.
"""

from __future__ import annotations

from collections.abc import Iterator

from codemods.caching.collection import is_stopped
from codemods.engine.context import Context
from codemods.engine.edits import Edit
from codemods.engine.model import Finding, Impact, Role, rule
from codemods.errors import CannotEdit
from codemods.facts.docker_calls import calls
from codemods.facts.terraform import TerraformFacts
from codemods.repository import Document
from codemods.rules.terraform.changes import written
from codemods.rules.terraform.garbage import (
    Collection,
    commands_of,
    names_of,
    read_collections,
    service_of,
    starts_after_failure,
    stopped_edits,
)


@rule("terraform-no-live-gc", Role.TERRAFORM, impact=Impact.REPLACE, since="0.1.0")
def check(context: Context, document: Document) -> Iterator[Finding]:
    """Yield a finding for each collection of a running registry, and for each that may leave it stopped."""
    facts = context.terraform
    if facts is None or facts.attribute is None:
        return
    for found in read_collections(facts):
        line = found.job.line
        problem = "" if found.is_dry or is_stopped(line.command, found.container) else _problem(context, facts, found)
        if problem:
            edits = _edits(context, document, found)
            yield Finding(
                *found.job.span(line.command_start, line.command_end),
                problem,
                tuple(edits),
                written(facts, edits),
            )


def _problem(context: Context, facts: TerraformFacts, found: Collection) -> str:
    """What is wrong with a run, empty when nothing is or when the line does not tell."""
    names = names_of(context, found)
    if not names or (context.compose is not None and service_of(context, found) is None):
        return ""
    of = found.container or names[0]
    if found.in_running:
        return f"the garbage of {of} is collected while it runs, which leaves layers of zero bytes; {_DO}"
    others = [call for job in facts.cron_jobs if job is not found.job for call in calls(commands_of(job))]
    before = list(calls(found.commands[: found.at]))
    if not any(call.stops(names) for call in (*before, *others)):
        return f"the garbage of {of} is collected beside the running registry, which leaves layers of zero bytes; {_DO}"
    if any(call.starts(names) for call in others) or starts_after_failure(found, names):
        return ""
    if any(call.starts(names) for call in calls(found.commands[found.at :])):
        return f"{of} stays stopped when the collection fails; start it with `;` instead of `&&`"
    return f"{of} is not started again after the collection; start it, whatever comes of the run"


_DO = "stop it for the run and start it again"


def _edits(context: Context, document: Document, found: Collection) -> list[Edit]:
    if not context.settings.verified:
        return []
    try:
        return stopped_edits(context, document.hcl, found)
    except CannotEdit:
        return []
