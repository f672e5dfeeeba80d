"""Commit messages of the recipe: one commit for each task, in the plan's words where it adds what was not there."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence

from codemods.caching.collection import mentions
from codemods.commit import CommitStep
from codemods.engine.report.escape import printable
from codemods.engine.run import PIPELINES, Change
from codemods.settings import RegistrySettings, Settings

TRAILER = "Codemod: apply-caching"
"""How the last line of a commit begins; the name of a rule follows."""
PIPELINE_COMMITS = 10
"""More pipelines than this share one commit."""


def commit_steps(changes: Sequence[Change], settings: Settings) -> list[CommitStep]:
    """The commits of a run, in plan order, each with the paths that belong to it."""
    registry = settings.registry
    places = {
        "registry-add-private-config": "its configuration",
        "compose-add-private-registry": "the Docker Compose stack",
        "nginx-add-private-server": "nginx",
        "terraform-provision-private-registry": "Terraform provisioning",
    }
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
    steps = []
    for rule, subject in subjects.items():
        made = [change for change in changes if rule in change.rules]
        if rule in places and all(mentions(change.document.text, registry.service) for change in made):
            subject = _in_line(registry, places[rule])
        steps.append(step(settings, TRAILER, subject, rule, [change.path for change in made]))
    built = [change for change in changes if PIPELINES in change.rules]
    is_there = all(registry.host in change.document.text for change in built)
    caching = _in_line(registry, "").strip() if is_there else "add BuildKit layer caching and dual-push to"
    steps += pipeline_steps(settings, TRAILER, caching, [change.path for change in built])
    # The cleanup script is the plan's last task.
    steps.sort(key=lambda step: "cleanup-" in step.trailer)
    return [step for step in steps if step.paths]


def pipeline_steps(settings: Settings, trailer: str, what: str, paths: Sequence[str]) -> list[CommitStep]:
    """A commit for each pipeline, or one for all when they are many; `what` is said of them."""
    if len(paths) > PIPELINE_COMMITS:
        return [step(settings, trailer, f"{what} {len(paths)} pipelines", PIPELINES, paths)]
    return [step(settings, trailer, f"{what} {_name(path)} pipeline", PIPELINES, [path]) for path in paths]


def _name(path: str) -> str:
    """How a message calls a pipeline."""
    return printable(posixpath.splitext(posixpath.basename(path))[0].lstrip("."))


def _in_line(registry: RegistrySettings, place: str) -> str:
    """The subject where all is there already, and the settings or the profile have changed."""
    return f"follow the settings of the {registry.name} registry in {place}"


def step(settings: Settings, trailer: str, subject: str, rule: str, paths: Iterable[str]) -> CommitStep:
    """One commit with the settings' prefix."""
    return CommitStep(f"{settings.commit.prefix}{subject}", tuple(paths), f"{trailer} {rule}")
