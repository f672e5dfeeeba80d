"""Taking elements out of the provision list."""

from __future__ import annotations

from codemods.engine.difference import Path
from codemods.engine.edits import Edit
from codemods.errors import CannotEdit
from codemods.facts.terraform import CronJob, TerraformFacts
from codemods.formats.hcl import HclFile, List
from codemods.formats.hcl_edits import remove_element


def remove_job(file: HclFile, elements: List, job: CronJob) -> tuple[Edit, ...]:
    """Take out the element that appends a crontab line; nothing when it does more than that."""
    return remove(file, elements, job.index) if job.alone and job.appended else ()


def remove(file: HclFile, elements: List, index: int) -> tuple[Edit, ...]:
    """Take out an element; nothing when that cannot be done safely."""
    try:
        return (remove_element(file, elements, index),)
    except CannotEdit:
        return ()


def written(facts: TerraformFacts, edits: object) -> tuple[Path, ...]:
    """What edits of the list write: the list, when there are any.

    Elements are told by their place. When one goes and another changes in the same pass, nobody can tell from the two
    lists which is which, so no rule names a place.
    """
    return (facts.attribute.path,) if edits and facts.attribute else ()
