"""Every registry is collected, each at a time of its own.

A collection reads the whole storage of its registry, and takes the registry away for that time. Two at the same minute
slow each other down and take two registries away together. A registry that nobody collects keeps every blob that was
ever pushed to it, until the disk is full and all registries on it fail.

A mirror removes on its own what it fetched a week ago, so a mirror without collection is only reported beside others
that are collected.

Not for: collections in a script that is deployed or a container of their own (then a missing line says nothing);
schedules that are no plain numbers, lists and steps; the private registry's missing line, which the recipe adds.

Evidence: facts 4, 13.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from codemods.engine.context import Context
from codemods.engine.model import Finding, Impact, Related, Role, Severity, rule
from codemods.facts.compose import ComposeFacts, Service
from codemods.facts.terraform import CronJob, TerraformFacts
from codemods.formats.crontab_times import meet
from codemods.formats.hcl import HclFile
from codemods.repository import Document
from codemods.rules.terraform.garbage import (
    MARKER,
    Collection,
    ScriptRun,
    read_collections,
    read_script_runs,
    service_of,
)
from codemods.rules.terraform.provisioned import deployed_texts, service_place

_Collected = list[tuple[Service, CronJob]]


@rule(
    "terraform-require-staggered-gc",
    Role.TERRAFORM,
    severity=Severity.WARNING,
    impact=Impact.NONE,
    since="0.1.0",
    cross=True,
)
def check(context: Context, document: Document) -> Iterator[Finding]:
    """Yield a finding for each pair of registries collected at once, and for each registry that is not collected."""
    facts, compose = context.terraform, context.compose
    if facts is None or facts.elements is None or compose is None:
        return
    runs: list[Collection | ScriptRun] = [*read_collections(facts), *read_script_runs(facts)]
    found = [(service_of(context, one), one.job) for one in runs]
    collected = [(service, job) for service, job in found if service is not None]
    yield from _at_once(document, collected)
    if len(collected) == len(found) and not _elsewhere(context, facts, document.hcl):
        yield from _uncollected(context, compose, facts, collected)


def _at_once(document: Document, collected: _Collected) -> Iterator[Finding]:
    reported: set[str] = set()
    for (service, job), (other, later) in combinations(collected, 2):
        if service.name == other.name or other.name in reported or not meet(job.line, later.line):
            continue
        reported.add(other.name)
        fields = later.line.fields
        yield Finding(
            *later.span(fields[0][0], fields[-1][1]),
            f"{other.container} is collected at {later.line.schedule}, when {service.container} is collected, too;"
            " put some minutes between the two",
            related=(Related(document.path, job.span(0, 0)[0], f"{service.container} is collected here"),),
        )


def _elsewhere(context: Context, facts: TerraformFacts, file: HclFile) -> bool:
    """Whether something that is no crontab line of the list collects garbage, too."""
    assert facts.elements
    jobs = {job.index for job in facts.cron_jobs}
    elements = [one for index, one in enumerate(facts.elements.children) if index not in jobs]
    texts = [file.text[element.start : element.end] for element in elements]
    return any(MARKER in text for text in (*texts, *deployed_texts(context).values()))


def _uncollected(
    context: Context, compose: ComposeFacts, facts: TerraformFacts, collected: _Collected
) -> Iterator[Finding]:
    assert facts.elements and facts.attribute
    names = {service.name for service, _ in collected}
    pushed = {one.service.name for one in context.registries if one.accepts_pushes}
    mirrored = any(name not in pushed for name in names)
    for service in compose.registries:
        if service.name in names or service.name in context.settings.services:
            continue
        if service.name in pushed or mirrored:
            last = max((job for _, job in collected), key=lambda job: job.index, default=None)
            start, end = last.span(0, len(last.line.text)) if last else (facts.attribute.start, facts.elements.start)
            message = f"no crontab line collects the garbage of {service.container}; add one at a time of its own"
            yield Finding(start, end, message, related=service_place(context, service))
