"""Give every image a cache reference of its own.

Writing a cache replaces what the reference held before. Two images that write one reference take turns in throwing
each other's layers away, and each build finds the other one's cache. A matrix that builds several images with one
reference does the same to itself. Steps that push the same image may share its cache.

Not for: references and images whose names come from secrets; a reference with a matrix variable in it, which is as
many references as the matrix has rows.

Evidence: facts 13.
"""

from __future__ import annotations

from collections.abc import Iterator

from codemods.engine.context import Context
from codemods.engine.model import Finding, Impact, Related, Role, Severity, rule
from codemods.facts.pipelines import VARIABLE, Build, matrix
from codemods.facts.references import CacheWriter, written_caches
from codemods.repository import Document
from codemods.rules.woodpecker.steps import buildx_steps, finding


@rule(
    "woodpecker-no-shared-cache-ref",
    Role.PIPELINE,
    severity=Severity.WARNING,
    impact=Impact.PIPELINE,
    since="0.1.0",
    cross=True,
)
def check(context: Context, document: Document) -> Iterator[Finding]:
    """Yield a finding at each reference that others write for another image."""
    for build in buildx_steps(document):
        images = _images(build)
        for entry in written_caches(build) if images else ():
            reference = entry.reference
            if several := _matrix_images(build, reference):
                message = f"the matrix builds several images ({several}) that all write the cache {reference}"
                yield finding(build, entry.node, f"{message}; put the variable into its name")
                continue
            writers = () if _in_matrix(build, reference) else context.cache_writers.get(reference, ())
            others = [other for other in writers if _builds_another(images, other, reference)]
            if others:
                name = f"{others[0].path}, step {others[0].build.name}"
                message = (
                    f"another image is cached in {reference}, too ({name}); give each image a reference of its own"
                )
                related = tuple(Related(other.path, other.entry.node.start, "written here") for other in others)
                yield finding(build, entry.node, message, related=related)


def _images(build: Build) -> set[str]:
    """What a step pushes; empty when that is not known."""
    from codemods.facts.images import canonical

    return {canonical(name) for name in build.repositories or ()}


def _builds_another(images: set[str], other: CacheWriter, reference: str) -> bool:
    theirs = _images(other.build)
    return bool(theirs) and not images & theirs and not _in_matrix(other.build, reference)


def _in_matrix(build: Build, text: str) -> set[str]:
    """The matrix variables in a text."""
    names = {match[1] or match[2] for match in VARIABLE.finditer(text)}
    return names & matrix(build.root).keys()


def _matrix_images(build: Build, reference: str) -> str:
    """The variable that tells the images of a matrix apart and is not in the reference."""
    values = matrix(build.root)
    used = _in_matrix(build, " ".join(build.repositories or ()))
    apart = [name for name in sorted(used - _in_matrix(build, reference)) if len(set(values[name])) > 1]
    return ", ".join(f"${{{name}}}" for name in apart)
