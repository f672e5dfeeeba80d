"""Commit messages of the recipe: the plan's, one commit for each task."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence

from codemods.commit import CommitStep
from codemods.engine.report.escape import printable
from codemods.engine.run import PIPELINES, Change
from codemods.settings import Settings

PIPELINE_COMMITS = 10
"""More pipelines than this share one commit."""


def commit_steps(changes: Sequence[Change], settings: Settings) -> list[CommitStep]:
    """The commits of a run, in plan order, each with the paths that belong to it."""
    registry = settings.registry
    subjects = {
        "registry-add-private-config": f"add {registry.name} R/W registry config for CI build caching",
        "compose-add-private-registry": f"add {registry.service} service to Docker Compose stack",
        "nginx-add-private-server": (
            f"add nginx upstream and server block for {registry.name} registry on port {registry.port}"
        ),
        "registry-add-collector": f"add a garbage collector for the {registry.name} registry",
        "terraform-provision-private-registry": f"add {registry.name} registry to Terraform cloud-init provisioning",
        "cleanup-protect-cache-tag": f"keep the newest pushes and {registry.cache_tag} in the tag cleanup",
    }
    steps = [
        _step(settings, subject, rule, [change.path for change in changes if rule in change.rules])
        for rule, subject in subjects.items()
    ]
    pipelines = [change.path for change in changes if PIPELINES in change.rules]
    caching = "add BuildKit layer caching and dual-push to"
    if len(pipelines) > PIPELINE_COMMITS:
        steps.append(_step(settings, f"{caching} {len(pipelines)} pipelines", PIPELINES, pipelines))
    else:
        names = ((path, printable(posixpath.splitext(posixpath.basename(path))[0].lstrip("."))) for path in pipelines)
        steps += (_step(settings, f"{caching} {name} pipeline", PIPELINES, [path]) for path, name in names)
    # The cleanup script is the plan's last task.
    steps.sort(key=lambda step: "cleanup-" in step.trailer)
    return [step for step in steps if step.paths]


def _step(settings: Settings, subject: str, rule: str, paths: Iterable[str]) -> CommitStep:
    return CommitStep(f"{settings.commit.prefix}{subject}", tuple(paths), f"Codemod: apply-caching {rule}")
