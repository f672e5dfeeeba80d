"""Give every pipeline step that builds and pushes an image a second target and a layer cache.

A step that builds with the buildx plugin gets the private registry as a second `repo`, the credentials it already
uses as an entry in `logins`, `cache_from` and `cache_to` on the private registry, and, for a registry over http, the
`buildkit_config` that says so. From plugin 5.0 on the standard image ignores that setting, so profile `verified`
pins the image to one that honours it; and it writes the cache reference bare, because versions before 3.1 and from
6.0 on cut the long form at its comma.

With `registry.auth = "htpasswd"` the private registry gets an entry of its own in `logins`, with the secrets that the
settings name; without, that entry goes again. Over https no `buildkit_config` is written, and ours goes; the image
that was pinned for http stays, as nobody knows what stood there before.

A step that may run for pull requests of others reads the cache and does not write it: whoever can write the cache can
put code into every image that is built from it. A step that already caches elsewhere is left as it is, and said so.

Not for: steps that do not push, other build plugins (kaniko, plugins/docker), plugin versions that no portable
setting fits; the last two are refused by name.

Evidence: facts 29, 31-38, 41.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from codemods.caching.cache_reference import cache_reference, image_name, is_ours
from codemods.caching.plugin_image import pin_image
from codemods.caching.step_edits import StepEdits, refuse_shared
from codemods.caching.step_logins import step_logins
from codemods.engine.context import Context
from codemods.engine.edits import Edit
from codemods.engine.model import Finding, Impact, Note, Outcome, Refusal, Role, rule
from codemods.errors import CannotEdit
from codemods.facts.images import primary_of
from codemods.facts.pipelines import MARKER, Build, may_run_for_pull_requests, normal_key, read_builds, texts
from codemods.formats.yaml import Mapping, Pair, Scalar, Sequence, YamlFile, duplicate_key, resolve, text_of
from codemods.formats.yaml_edits import (
    Literal,
    append_item,
    flow_source,
    remove_pair,
    replace_scalar,
    scalar_to_list,
)
from codemods.repository import Document
from codemods.settings import RegistrySettings

_CACHE_KEYS = ("cache_from", "cache_to", "cache_images")


@rule("woodpecker-add-registry-cache", Role.PIPELINE, impact=Impact.PIPELINE, since="0.1.0", task="7, 8")
def check(context: Context, document: Document) -> Iterator[Outcome]:
    """Yield one finding for each step that changes; a refused step is the file's refusal."""
    if not MARKER.search(document.text):
        return
    file = document.yaml
    steps: list[StepEdits] = []
    refusals: dict[tuple[int, str], Refusal] = {}
    for build in read_builds(file):
        step = StepEdits(build)
        try:
            yield from _plan(context, file, step)
        except CannotEdit as error:
            where, reason = error.offset or build.item.start, f"step {build.name}: {error.reason}"
            refusals.setdefault((where, reason), Refusal(where, reason, error.advice, build.start))
            continue
        if step.edits:
            steps.append(step)
    yield from refusals.values()
    yield from refuse_shared(file, steps)
    for step in steps:
        edits = tuple(edit for _, edit in step.edits)
        message = f"step {step.build.name}: {', '.join(step.done)}"
        image = step.build.image
        yield Finding(image.key.start, image.value.end, message, edits, tuple(step.writes), block=step.build.start)


def _plan(context: Context, file: YamlFile, step: StepEdits) -> Iterator[Outcome]:
    """Collect the edits of one step. Raises CannotEdit where the step must be refused."""
    build, registry = step.build, context.settings.registry
    where = build.image.value.start
    if build.plugin.kind == "other":
        raise CannotEdit(
            f"it builds with {build.plugin.repository}, whose settings are others",
            "move the step to woodpeckerci/plugin-docker-buildx, or exclude the file in codemod.toml",
            where,
        )
    if build.settings is None and any(pair.name == "repo" for pair in build.step.pairs):
        yield Note(f"step {build.name} has its settings on the step itself, where servers since 1.0 do not look")
        return
    if build.settings is None or build.repositories == []:
        yield Note(f"step {build.name} names no repo and pushes nothing: left as it is")
        return
    if not build.pushes:
        yield Note(f"step {build.name} does not push: left as it is")
        return
    _refuse_duplicates(build)
    repositories = build.repositories
    if repositories is None:
        raise CannotEdit(
            "repo comes from a secret: its name is not known", "write the name out", build.position("repo")
        )
    foreign = [key for key in _CACHE_KEYS if build.setting(key) and not is_ours(context, build, key)]
    if moved := _moved_from(build, repositories, registry.host):
        raise CannotEdit(
            f"it pushes to and caches in {moved}, but the settings name {registry.host}",
            "set registry.hostname and registry.port to what the pipelines use, or change the address there by hand",
            build.position("repo"),
        )
    if foreign:
        has = "; ".join(f"{key}: {', '.join(texts(build.value(key)) or ['…'])}" for key in foreign)
        yield Note(f"step {build.name} has a cache of its own ({has}): left as it is")
        return
    primary = primary_of(repositories, registry.host)
    reference = cache_reference(context, build, primary)
    _refuse_downgrade(context, build, reference)
    pin_image(context, file, step)
    _add_repository(context, file, step, repositories, primary)
    step_logins(context, file, step)
    added: dict[str, object] = {}
    yield from _add_cache(context, file, step, reference, added)
    yield from _set_http(context, file, step, added)
    step.append_settings(file, added)


def _moved_from(build: Build, repositories: list[str], host: str) -> str:
    """Another host that the step has everything for that this rule writes: the registry's name or port has changed."""
    config = text_of(build.value("buildkit_config")) or ""
    for part in texts(build.value("cache_from")) or []:
        other = part.removeprefix("ref=").partition("/")[0]
        pushes = any(name.startswith(f"{other}/") for name in repositories)
        if other != host and pushes and config.startswith(f'[registry."{other}"]\n  http = true'):
            return other
    return ""


def _refuse_duplicates(build: Build) -> None:
    """Two keys of one name, or two spellings of one setting: only one of them counts."""
    duplicate = duplicate_key(build.root)
    spelled: dict[str, Pair] = {}
    for pair in build.settings.pairs if build.settings else ():
        if spelled.setdefault(normal_key(pair.name or ""), pair) is not pair:
            duplicate = pair
    if duplicate:
        raise CannotEdit(f"the key {duplicate.name} stands twice", "remove one of the two", duplicate.key.start)


def _refuse_downgrade(context: Context, build: Build, reference: str) -> None:
    if not context.settings.verified and (texts(build.value("cache_from")) or [""])[0] == reference:
        raise CannotEdit(
            "already migrated with profile verified; as-written would bring back what does not work",
            'keep profile = "verified"',
            build.position("cache_from"),
        )


def _add_repository(
    context: Context, file: YamlFile, step: StepEdits, repositories: list[str], primary: str | None
) -> None:
    host = context.settings.registry.host
    if primary is None or any(name.startswith(f"{host}/") for name in repositories):
        return
    found = step.build.setting("repo")
    assert found is not None
    pair, owner = found
    new = f"{host}/{image_name(context, step.build, primary)}"
    value = pair.value
    target = resolve(value)
    path = (*file.path_of(owner), pair.name or "")
    what = f"pushes to {new} too"
    if isinstance(target, Sequence):
        where = path if target is value else file.path_of(target)
        step.change(target, append_item(file, target, new), (*where, "+"), what)
    elif isinstance(value, Scalar) and len(repositories) > 1:
        step.change(owner, [_extend(file, value, new)], path, what)
    else:
        step.change(owner, scalar_to_list(file, owner, pair, [new]), path, what)


def _extend(file: YamlFile, value: Scalar, new: str) -> Edit:
    """Append to a comma-separated string with the separator that stands there."""
    source = file.source(value)
    if value.style in ("|", ">") or "\n" in source:
        raise CannotEdit("a value over several lines cannot be extended", "write repo as a list", value.start)
    end = value.end - (1 if value.style else 0)
    separator = ", " if re.search(r",\s", re.sub(r"\$\{[^}]*\}", "", source)) else ","
    return Edit(end, end, f"{separator}{new}")


def _add_cache(
    context: Context, file: YamlFile, step: StepEdits, reference: str, added: dict[str, object]
) -> Iterator[Outcome]:
    build, verified = step.build, context.settings.verified
    long_form = f"type=registry,ref={reference}"
    present = build.setting("cache_from")
    if present is None:
        added["cache_from"] = reference if verified else long_form
    elif verified:
        _shorten(file, step, *present, long_form, reference)
    if build.setting("cache_to") or build.setting("cache_images"):
        return
    if may_run_for_pull_requests(build):
        yield Note(
            f"step {build.name} may run for pull requests: it reads the cache and does not write it; "
            "with `when: event: push` on the workflow or the step it would get cache_to"
        )
        return
    added["cache_to"] = f"{long_form},mode=max"


def _shorten(file: YamlFile, step: StepEdits, pair: Pair, owner: Mapping, long_form: str, reference: str) -> None:
    """Take `type=registry,ref=` away from a reference, alone or the only one of a list."""
    node = resolve(pair.value)
    if isinstance(node, Sequence) and len(node.items) == 1:
        node = resolve(node.items[0])
    if not isinstance(node, Scalar) or node.value != long_form:
        return
    # In flow style the long form has quotes for its comma only.
    in_flow = owner.flow and node is pair.value
    edit = Edit(file.content_start(node), node.end, flow_source(reference)) if in_flow else (
        replace_scalar(file, node, reference))  # fmt: skip
    step.change(node, [edit], file.path_of(node), "bare cache reference")


def http_config(registry: RegistrySettings) -> Literal:
    """What says to BuildKit that the registry speaks http (facts 31)."""
    return Literal((f'[registry."{registry.host}"]', "  http = true", "  insecure = true"))


def _set_http(context: Context, file: YamlFile, step: StepEdits, added: dict[str, object]) -> Iterator[Outcome]:
    """Say to BuildKit that the registry speaks http; over https take that away again."""
    registry = context.settings.registry
    ours = http_config(registry)
    present = step.build.setting("buildkit_config")
    if present is None:
        if registry.scheme == "http":
            added["buildkit_config"] = ours
        return
    pair, owner = present
    is_ours = (text_of(pair.value) or "").strip() == ours.value.strip()
    if registry.scheme == "http" and not is_ours:
        raise CannotEdit(
            "it has a buildkit_config of its own, which is not merged",
            f"add {ours.lines[0]} with http = true and insecure = true to it, and the cache settings, by hand",
            pair.value.start,
        )
    if registry.scheme == "https" and is_ours:
        where = (*file.path_of(owner), pair.name or "")
        step.change(owner, [remove_pair(file, owner, pair)], where, "no buildkit_config over https")
        if step.build.plugin.insecure:
            image = text_of(step.build.image.value)
            yield Note(f"step {step.build.name} keeps {image}, which http needed: over https the usual one does, too")
