"""Commit messages of the removal: one commit for each task, those of the recipe backwards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from codemods.caching.messages import PIPELINE_COMMITS, pipeline_name
from codemods.commit import CommitStep
from codemods.engine.run import PIPELINES, Change

if TYPE_CHECKING:
    from codemods.settings import Settings


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
    what = "remove BuildKit layer caching and dual-push from"
    if len(paths) > PIPELINE_COMMITS:
        steps = [_step(settings, f"{what} {len(paths)} pipelines", PIPELINES, paths)]
    else:
        steps = [_step(settings, f"{what} {pipeline_name(path)} pipeline", PIPELINES, [path]) for path in paths]
    for rule, subject in subjects.items():
        steps.append(_step(settings, subject, rule, [change.path for change in changes if rule in change.rules]))
    return [step for step in steps if step.paths]


def _step(settings: Settings, subject: str, rule: str, paths: Sequence[str]) -> CommitStep:
    return CommitStep(f"{settings.commit.prefix}{subject}", tuple(paths), f"Codemod: remove-caching {rule}")
