"""Take the second target and the layer cache out of every pipeline step again.

What goes: `repo` entries in the private registry, where the step pushes elsewhere too; `cache_from` and `cache_to` that
point there and nowhere else; the `buildkit_config` that the recipe writes; the login with the secrets of the
settings, and the step's own credentials in `logins` when nothing else is in there. A list with one entry left becomes
a plain value.

A plugin image that reads like the pinned one may have been pinned or not: its former tag cannot be known, so it stays
and is named. What is somebody's own stays and is refused by name: a step that pushes to the private registry only, a
cache in the form of `cache_images`, a `buildkit_config` or a login of another form.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Sequence as Several

from codemods.caching.cache_reference import is_ours
from codemods.caching.pipelines import http_config
from codemods.caching.removal.step_logins import logins_gone
from codemods.caching.step_edits import StepEdits, refuse_shared
from codemods.engine.context import Context
from codemods.engine.edits import Edit
from codemods.engine.model import Finding, Impact, Note, Outcome, Refusal, Role, rule
from codemods.errors import CannotEdit
from codemods.facts.pipelines import parts, read_builds, texts
from codemods.formats.yaml import Mapping, Node, Pair, Scalar, Sequence, YamlFile, resolve, text_of
from codemods.formats.yaml_removal import list_to_scalar, remove_items, remove_pairs
from codemods.repository import Document

_BY_HAND = "take it out by hand"


@rule("woodpecker-add-registry-cache", Role.PIPELINE, impact=Impact.PIPELINE, since="0.1.0", task="7, 8")
def check(context: Context, document: Document) -> Iterator[Outcome]:
    """Yield one finding for each step that changes; a refused step is the file's refusal."""
    host = context.settings.registry.host
    if host not in document.text:
        return
    file = document.yaml
    steps: list[StepEdits] = []
    refusals: list[Refusal] = []
    for build in read_builds(file):
        step = StepEdits(build)
        try:
            _plan(context, file, step)
        except CannotEdit as error:
            where = error.offset or build.item.start
            refusals.append(Refusal(where, f"step {build.name}: {error.reason}", error.advice, build.start))
            continue
        if step.edits:
            steps.append(step)
            yield from _pin(context, step)
    refusals += [one for one in refuse_shared(file, steps) if isinstance(one, Refusal)]
    yield from refusals
    edits = [edit for step in steps for _, edit in step.edits]
    if not refusals and (lines := _other_lines(document.text, host, edits)):
        yield Note(f"{host} still stands in line {', '.join(map(str, lines))}, in what the recipe did not write")
    for step in steps:
        image = step.build.image
        message = f"step {step.build.name}: without {', '.join(step.done)}"
        own = tuple(edit for _, edit in step.edits)
        yield Finding(image.key.start, image.value.end, message, own, tuple(step.writes), block=step.build.start)


def _plan(context: Context, file: YamlFile, step: StepEdits) -> None:
    """Collect the edits of one step. Raises CannotEdit where the step must be refused."""
    build, host = step.build, context.settings.registry.host
    if build.settings is None or build.plugin.kind == "other":
        return
    repositories = build.repositories or []
    if repositories and all(name.startswith(f"{host}/") for name in repositories):
        raise CannotEdit(f"it pushes to {host} only", "give it another repo, or take it out", build.position("repo"))
    if any(host in part for part in texts(build.value("cache_images")) or []):
        raise CannotEdit(f"its cache_images are in {host}", _BY_HAND, build.position("cache_images"))
    _leave_repository(file, step, host)
    gone = [found for key in ("cache_from", "cache_to") if (found := _cache_gone(context, file, step, key))]
    gone += [found for found in (_http_gone(context, step),) if found]
    logins = logins_gone(context, file, step, changes=bool(gone or step.edits))
    _drop(file, step, [*gone, *([logins] if logins else ())])


def _drop(file: YamlFile, step: StepEdits, gone: Several[tuple[Pair, Mapping]]) -> None:
    """Take pairs out, those of one mapping together."""
    for owner in dict.fromkeys(owner for _, owner in gone):
        pairs = [pair for pair, other in gone if other is owner]
        edits = remove_pairs(file, owner, pairs)
        for pair in pairs:
            step.change(owner, edits, (*file.path_of(owner), pair.name or ""), pair.name or "")
            edits = []


def _leave_repository(file: YamlFile, step: StepEdits, host: str) -> None:
    """Take the private registry out of `repo`, which keeps its other targets."""
    found = step.build.setting("repo")
    if found is None or not any(name.startswith(f"{host}/") for name in step.build.repositories or ()):
        return
    pair, owner = found
    value, what = resolve(pair.value), f"the push to {host}"
    path = (*file.path_of(owner), pair.name or "") if value is pair.value else file.path_of(value)
    if isinstance(value, Scalar):
        step.change(value, _without_part(file, value, f"{host}/"), path, what)
    elif isinstance(value, Sequence):
        _leave_list(file, step, (pair, owner, value), [item for item in value.items if _is_in(item, host)], path, what)


def _leave_list(
    file: YamlFile,
    step: StepEdits,
    where: tuple[Pair, Mapping, Sequence],
    ours: list[Node],
    path: tuple[str, ...],
    what: str,
) -> None:
    pair, owner, value = where
    if any(len(parts(item) or ()) > 1 for item in ours):
        raise CannotEdit("an entry of repo names several images", _BY_HAND, ours[0].start)
    left = [item for item in value.items if item not in ours]
    scalar = list_to_scalar(file, owner, pair, left[0]) if len(left) == 1 else None
    if scalar:
        step.change(owner, scalar, path, what)
    else:
        step.change(value, remove_items(file, value, ours), (*path, "-"), what)


def _is_in(item: Node, host: str) -> bool:
    return any(part.startswith(f"{host}/") for part in texts(resolve(item)) or ())


def _without_part(file: YamlFile, value: Scalar, prefix: str) -> list[Edit]:
    """A comma-separated text without the parts that begin with `prefix`."""
    source = file.source(value)
    if "\n" in source:
        raise CannotEdit("a value over several lines cannot be shortened", _BY_HAND, value.start)
    part = rf"{re.escape(prefix)}(?:\$\{{[^}}]*\}}|[^,'\"])*?"
    ours = re.compile(rf"\s*,\s*{part}(?=\s*(?:,|['\"]?\Z))|(?<![^'\"]){part}\s*,\s*")
    return [Edit(value.start + match.start(), value.start + match.end(), "") for match in ours.finditer(source)]


def _cache_gone(context: Context, file: YamlFile, step: StepEdits, key: str) -> tuple[Pair, Mapping] | None:
    """The cache setting that goes: it points to the private registry only. Of several caches that one goes at once."""
    found, host = step.build.setting(key), context.settings.registry.host
    if found is None or not any(host in part for part in texts(step.build.value(key)) or ()):
        return None
    pair, _ = found
    if is_ours(context, step.build, key):
        return found
    value = resolve(pair.value)
    if not isinstance(value, Sequence):
        raise CannotEdit(f"{key} names {host} among others", _BY_HAND, pair.value.start)
    ours = [item for item in value.items if any(host in part for part in texts(resolve(item)) or ())]
    step.change(value, remove_items(file, value, ours), (*file.path_of(value), "-"), f"{key} in {host}")
    return None


def _http_gone(context: Context, step: StepEdits) -> tuple[Pair, Mapping] | None:
    """The setting that says to BuildKit that the registry speaks http, when it says nothing else."""
    found, registry = step.build.setting("buildkit_config"), context.settings.registry
    text = text_of(found[0].value) if found else None
    if found is None or text is None or registry.host not in text:
        return None
    if text.strip() != http_config(registry).value.strip():
        reason = f"its buildkit_config says more than that {registry.host} speaks http"
        raise CannotEdit(reason, _BY_HAND, found[0].key.start)
    return found


def _pin(context: Context, step: StepEdits) -> Iterator[Refusal]:
    """The image that the recipe may have pinned, whose former tag is nowhere."""
    build, pinned = step.build, context.settings.woodpecker.plugin_image
    image = text_of(build.image.value) or ""
    if re.sub(r"\A(?:index\.)?docker\.io/", "", image) == pinned and context.settings.verified:
        yield Refusal(
            build.image.value.start,
            f"step {build.name}: {image} may have been pinned for the registry; the tag before is not known",
            "write the tag that you want, or leave it",
            build.start,
            partial=True,
        )


def _other_lines(text: str, host: str, edits: list[Edit]) -> list[int]:
    """Lines that name the registry outside of what is edited."""
    places = [match.start() for match in re.finditer(re.escape(host), text)]
    left = [place for place in places if not any(edit.start <= place < edit.end for edit in edits)]
    return sorted({text.count("\n", 0, place) + 1 for place in left})
