"""Commit messages of the removal: one commit for each task, those of the recipe backwards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from codemods.caching.messages import pipeline_steps, step
from codemods.engine.run import PIPELINES, Change

if TYPE_CHECKING:
    from codemods.commit import CommitStep
    from codemods.settings import Settings

TRAILER = "Codemod: remove-caching"


def commit_steps(changes: Sequence[Change], settings: Settings) -> list[CommitStep]:
    """The commits of a run, what is needed no more after what needs it, each with the paths that belong to it."""
    registry = settings.registry
    subjects = {
        "cleanup-protect-cache-tag": "let the tag cleanup age and remove tags as before",
        "terraform-provision-private-registry": f"remove {registry.name} registry from Terraform provisioning",
        "registry-add-collector": f"remove the garbage collector of the {registry.name} registry",
        "nginx-add-private-server": f"remove nginx upstream and server block for {registry.name} registry",
        "compose-add-private-registry": f"remove {registry.service} service from Docker Compose stack",
        "registry-add-private-config": f"remove {registry.name} R/W registry config",
    }
    paths = [change.path for change in changes if PIPELINES in change.rules]
    steps = pipeline_steps(settings, TRAILER, "remove BuildKit layer caching and dual-push from", paths)
    for rule, subject in subjects.items():
        made = [change.path for change in changes if rule in change.rules]
        steps.append(step(settings, TRAILER, subject, rule, made))
    return [step for step in steps if step.paths]
