"""Give a step that builds and pushes an image a layer cache.

An agent starts every build with an empty BuildKit: without `cache_from` every layer is built again on every push, and
every base layer is fetched again.

The recipe's own rule, woodpecker-add-registry-cache, reports and changes the steps that it can change. This one speaks
only where that one does not: of steps that it refuses (an unknown plugin version, a `repo` from a secret), and of all
in a repository whose settings name no registry.

Not for: steps that do not push, or say `no_cache: true`; steps with any of cache_from, cache_to and cache_images; other
build plugins.

Evidence: facts 28, 29.
"""

from __future__ import annotations

from collections.abc import Iterator

from codemods.engine.context import Context
from codemods.engine.model import Finding, Impact, Role, rule
from codemods.facts.pipelines import Build
from codemods.facts.references import CACHE_KEYS
from codemods.formats.yaml import text_of
from codemods.repository import Document
from codemods.rules.woodpecker.steps import buildx_steps, finding, left_to_recipe


@rule("woodpecker-require-cache", Role.PIPELINE, impact=Impact.PIPELINE, since="0.1.0")
def check(context: Context, document: Document) -> Iterator[Finding]:
    """Yield a finding for each step without any cache."""
    bare = [build for build in buildx_steps(document) if _is_bare(build)]
    reported = left_to_recipe(context, document) if bare else set()
    for build in bare:
        if build.image.key.start not in reported:
            advice = "give it cache_from and cache_to with a reference in a registry of yours"
            yield finding(build, build.image.value, f"it pushes an image and caches no layer; {advice}")


def _is_bare(build: Build) -> bool:
    """Whether it pushes and nothing says anything of a cache."""
    pushes = build.settings is not None and build.repositories != [] and build.pushes
    wants_none = text_of(build.value("no_cache")) == "true"
    return pushes and not wants_none and not any(build.setting(key) for key in CACHE_KEYS)
