"""Let no step that may run for pull requests of others write the cache.

Whoever can write a layer cache can put code into every image that is later built from it, although the source says
something else: all steps of that build are CACHED. A pull request changes the Dockerfile, and often the pipeline, so a
step that runs for it must only read. Keep pull requests out with `when: event: push` on the workflow or the step, or
leave `cache_to` and `cache_images` out of a step for them.

Not for: a reference with the number of the pull request in it, which no other build reads; caches inside the image
(`type=inline`) or on the agent (`type=local`).

Evidence: facts 34, 41.
"""

from __future__ import annotations

from collections.abc import Iterator

from codemods.engine.context import Context
from codemods.engine.model import Finding, Impact, Role, rule
from codemods.facts.pipelines import may_run_for_pull_requests
from codemods.facts.references import written_caches
from codemods.repository import Document
from codemods.rules.woodpecker.steps import buildx_steps, finding

_OWN = "CI_COMMIT_PULL_REQUEST"


@rule("woodpecker-no-untrusted-cache-write", Role.PIPELINE, impact=Impact.PIPELINE, since="0.1.0")
def check(context: Context, document: Document) -> Iterator[Finding]:
    """Yield a finding for each cache that a pull request could write."""
    for build in buildx_steps(document):
        if not may_run_for_pull_requests(build):
            continue
        for entry in written_caches(build):
            if _OWN not in entry.reference:
                message = f"it may run for pull requests and writes the cache {entry.reference}"
                advice = "keep them out with `when: event: push`, or only read the cache there"
                yield finding(build, entry.node, f"{message}; {advice}")
