"""Give the buildx plugin the privilege that it needs, and keep it.

The plugin starts a Docker daemon and needs a privileged container. The server gives that to the images in
WOODPECKER_PLUGINS_PRIVILEGED: an entry without a colon stands for every tag, one with a colon for exactly that image
and tag, so a new tag, or a digest, silently drops out. And only a plugin step is privileged: with `commands`,
`entrypoint` or `environment` on it, a step is no plugin step any more.

Not for: repositories that do not hold the server's list (that half is silent then); steps with `privileged: true`, with
`daemon_off` or remote builders; steps that only use the image to run commands.

Evidence: facts 38.
"""

from __future__ import annotations

from collections.abc import Iterator

from codemods.engine.context import Context
from codemods.engine.model import Finding, Impact, Related, Role, rule
from codemods.errors import CannotEdit, ParseError
from codemods.facts.pipelines import Build
from codemods.formats.yaml import Mapping, Node, Scalar, Sequence, resolve, text_of
from codemods.repository import Document
from codemods.rules.woodpecker.steps import buildx_steps, finding, pairs_of

_UNMAKING = ("commands", "entrypoint", "environment")


@rule("woodpecker-require-privilege", Role.PIPELINE, impact=Impact.PIPELINE, since="0.1.0", cross=True)
def check(context: Context, document: Document) -> Iterator[Finding]:
    """Yield a finding for each step whose privilege is not given, or given up."""
    for build in buildx_steps(document):
        pairs = dict(pairs_of(build.step))
        privileged = pairs.get("privileged")
        if build.settings is None or (privileged and text_of(privileged.value) == "true") or _needs_none(build):
            continue
        for name in _UNMAKING:
            if name in pairs and not _is_empty(pairs[name].value):
                message = f"with {name} on it the step is no plugin step and loses its privilege; move {name} elsewhere"
                yield finding(build, pairs[name].key, message)
        yield from _not_listed(context, build)


def _needs_none(build: Build) -> bool:
    return text_of(build.value("daemon_off")) == "true" or build.value("remote_builders") is not None


def _is_empty(node: Node) -> bool:
    node = resolve(node)
    if isinstance(node, Mapping):
        return not node.pairs
    if isinstance(node, Sequence):
        return not node.items
    return isinstance(node, Scalar) and node.value in ("", "~", "null")


def _not_listed(context: Context, build: Build) -> Iterator[Finding]:
    from codemods.facts.privileged import is_privileged

    allowed = context.stack.plugins_privileged
    image = text_of(build.image.value) or ""
    if allowed is None or "$" in image or is_privileged(allowed, image):
        return
    place = context.stack.plugins_privileged_at
    name = f"{build.plugin.repository}"
    message = f"{image} is not privileged by {place}: {allowed}; add {name} without a tag, or exactly this image, to it"
    yield finding(build, resolve(build.image.value), message, related=_related(context, place))


def _related(context: Context, place: str) -> tuple[Related, ...]:
    """The list itself, when it stands in a file."""
    path, _, line = place.rpartition(":")
    if not path or not line.isdigit():
        return ()
    try:
        lines = context.document(path).text.splitlines(keepends=True)
    except (ParseError, CannotEdit):
        return ()
    return (Related(path, sum(map(len, lines[: int(line) - 1])), "the server's list"),)
