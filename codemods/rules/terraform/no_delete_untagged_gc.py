"""Garbage collection of a registry that accepts pushes does not delete untagged manifests.

`garbage-collect -m` of Distribution 2.x keeps only manifests that a tag names directly. The children of an image
index, which is what a build for several platforms or with provenance pushes, are named by the index alone: they are
deleted, the index stays, and every pull of the image fails. A repository whose manifests were pushed by digest only
makes the run stop half way. Version 3 looks into the index; there the flag is safe.

Without the flag a run frees only what was deleted by its digest. The fix takes the flag out; the plan's line for the
private registry gets the form that also stops the registry for the run. Profile `as-written` keeps the plan's line, so
there the finding stays.

Not for: pull-through mirrors, which fetch again what is gone; dry runs; lines that are not in the provision list.

Evidence: facts 11, 12, 13.
"""

from __future__ import annotations

from collections.abc import Iterator

from codemods.caching.collection import is_live
from codemods.engine.context import Context
from codemods.engine.edits import Edit
from codemods.engine.model import Finding, Impact, Role, rule
from codemods.errors import CannotEdit
from codemods.repository import Document
from codemods.rules.terraform.changes import written
from codemods.rules.terraform.garbage import (
    Collection,
    is_ours,
    read_collections,
    service_of,
    stopped_edits,
    untagging_edits,
)


@rule("terraform-no-delete-untagged-gc", Role.TERRAFORM, impact=Impact.REPLACE, since="0.1.0")
def check(context: Context, document: Document) -> Iterator[Finding]:
    """Yield a finding for each flag that lets a 2.x registry lose images."""
    facts = context.terraform
    if facts is None or facts.attribute is None:
        return
    for found in read_collections(facts):
        if not found.untagging or found.is_dry or not _loses_images(context, found):
            continue
        flag = found.untagging[0]
        edits = _edits(context, document, found) if context.settings.verified else []
        yield Finding(
            flag.start,
            flag.end,
            f"the garbage of {found.container or found.data} is collected with {flag.text}, which deletes the children"
            " of every image index: pulls of these images fail; leave the flag out",
            tuple(edits),
            written(facts, edits),
        )


def _loses_images(context: Context, found: Collection) -> bool:
    """Whether it is a 2.x registry that accepts pushes; without the compose file at hand, the one of the settings."""
    if context.compose is None:
        return is_ours(context, found) and found.major in (None, 2)
    service = service_of(context, found)
    registry = next((one for one in context.registries if one.service == service), None)
    return registry is not None and registry.accepts_pushes and (found.major or registry.major) == 2


def _edits(context: Context, document: Document, found: Collection) -> list[Edit]:
    if not is_ours(context, found) or not is_live(found.job.line.command, found.container):
        return untagging_edits(document.hcl, found)
    try:
        return stopped_edits(context, document.hcl, found)
    except CannotEdit:
        return []
