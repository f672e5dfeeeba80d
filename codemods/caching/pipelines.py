"""Give every pipeline step that builds and pushes an image a second target and a layer cache.

A step that builds with the buildx plugin gets the private registry as a second `repo`, the credentials it already
uses as an entry in `logins`, `cache_from` and `cache_to` on the private registry, and, for a registry over http, the
`buildkit_config` that says so. From plugin 5.0 on the standard image ignores that setting, so profile `verified`
pins the image to one that honours it; and it writes the cache reference bare, because versions before 3.1 and from
6.0 on cut the long form at its comma.

A step that may run for pull requests of others reads the cache and does not write it: whoever can write the cache can
put code into every image that is built from it. A step that already caches elsewhere is left as it is, and said so.

Not for: steps that do not push, other build plugins (kaniko, plugins/docker), plugin versions that no portable
setting fits; the last two are refused by name.

Evidence: facts 29, 31-38, 41.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from codemods.caching.plugin import identify, verdict
from codemods.engine.context import Context
from codemods.engine.edits import Edit
from codemods.engine.model import Finding, Impact, Note, Outcome, Refusal, Role, rule
from codemods.errors import CannotEdit, SettingsError
from codemods.facts.images import primary_of
from codemods.facts.pipelines import (
    MARKER,
    VARIABLE,
    Build,
    matrix,
    may_run_for_pull_requests,
    normal_key,
    read_builds,
    steps_of,
    texts,
)
from codemods.formats.yaml import Mapping, Node, Pair, Scalar, Sequence, YamlFile, duplicate_key, resolve, text_of
from codemods.formats.yaml_edits import (
    Literal,
    add_pairs,
    append_item,
    copied,
    flow_source,
    remove_pair,
    replace_scalar,
    scalar_to_list,
)
from codemods.repository import Document

DOCKER_HUB = "https://index.docker.io/v1/"
_NAME = re.compile(r"(?:[a-z0-9._/-]|\$\{[^{}\s'\"]+\}|\$\w+)+")
_BUILD_KEYS = ("dockerfile", "context", "target", "build_args")
_CACHE_KEYS = ("cache_from", "cache_to", "cache_images")


@dataclass
class _Step:
    """A build with the edits it needs, each with the node whose text it changes."""

    build: Build
    edits: list[tuple[Node, Edit]] = field(default_factory=list)
    writes: list[tuple[str, ...]] = field(default_factory=list)
    appended: dict[str, object] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)

    def change(self, owner: Node, edits: list[Edit], writes: tuple[str, ...], what: str = "") -> None:
        self.edits += ((owner, edit) for edit in edits)
        self.writes.append(writes)
        if what:
            self.done.append(what)


@rule("woodpecker-add-registry-cache", Role.PIPELINE, impact=Impact.PIPELINE, since="0.1.0", task="7, 8")
def check(context: Context, document: Document) -> Iterator[Outcome]:
    """Yield one finding for each step that changes; a refused step is the file's refusal."""
    if not MARKER.search(document.text):
        return
    file = document.yaml
    steps: list[_Step] = []
    refusals: list[Refusal] = []
    for build in read_builds(file):
        step = _Step(build)
        try:
            yield from _plan(context, file, step)
        except CannotEdit as error:
            refusals.append(Refusal(error.offset or build.item.start, f"step {build.name}: {error.reason}", error.advice))
            continue
        if step.edits:
            steps.append(step)
    yield from dict.fromkeys(refusals)
    yield from _shared_anchors(file, steps)
    for step in steps:
        edits = tuple(edit for _, edit in step.edits)
        message = f"step {step.build.name}: {', '.join(step.done)}"
        yield Finding(step.build.image.key.start, step.build.image.value.end, message, edits, tuple(step.writes))


def _plan(context: Context, file: YamlFile, step: _Step) -> Iterator[Outcome]:
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
        raise CannotEdit("repo comes from a secret: its name is not known", "write the name out", _at(build, "repo"))
    foreign = [key for key in _CACHE_KEYS if build.setting(key) and not _is_ours(context, build, key)]
    if foreign:
        has = "; ".join(f"{key}: {', '.join(texts(build.value(key)) or ['…'])}" for key in foreign)
        yield Note(f"step {build.name} has a cache of its own ({has}): left as it is")
        return
    primary = primary_of(repositories, registry.host)
    reference = _reference(context, build, primary)
    _refuse_downgrade(context, build, reference)
    _pin(context, file, step)
    _add_repository(context, file, step, repositories, primary)
    _add_login(file, step)
    yield from _add_cache(context, file, step, reference)
    _set_http(context, file, step)
    _append(file, step)


def _refuse_duplicates(build: Build) -> None:
    """Two keys of one name, or two spellings of one setting: only one of them counts."""
    duplicate = duplicate_key(build.root)
    spelled: dict[str, Pair] = {}
    for pair in build.settings.pairs if build.settings else ():
        if spelled.setdefault(normal_key(pair.name or ""), pair) is not pair:
            duplicate = pair
    if duplicate:
        raise CannotEdit(f"the key {duplicate.name} stands twice", "remove one of the two", duplicate.key.start)


def _at(build: Build, key: str) -> int:
    found = build.setting(key)
    return found[0].value.start if found else build.image.value.start


def _is_ours(context: Context, build: Build, key: str) -> bool:
    """Whether a cache setting points to the private registry, and only there."""
    found = texts(build.value(key))
    host = f"{context.settings.registry.host}/"
    return bool(found) and all(
        part.removeprefix("ref=").startswith(host) or "=" in part and not part.startswith("ref=") for part in found or ()
    ) and any(host in part for part in found or ())  # fmt: skip


def _reference(context: Context, build: Build, primary: str | None) -> str:
    """The cache reference: the one in use, else image name and cache tag."""
    registry = context.settings.registry
    for part in [*(texts(build.value("cache_from")) or ()), *(texts(build.value("cache_to")) or ())]:
        if part.removeprefix("ref=").startswith(f"{registry.host}/"):
            return part.removeprefix("ref=")
    name = _image_name(context, build, primary)
    return f"{registry.host}/{name}:{registry.cache_tag}{_cache_variant(build, name)}"


def _image_name(context: Context, build: Build, primary: str | None) -> str:
    host = context.settings.registry.host
    if primary is None:
        first = (build.repositories or [""])[0].removeprefix(f"{host}/")
        return re.sub(r":[\w.-]+\Z", "", first)
    name = context.images.of(primary)
    if not _NAME.fullmatch(name):
        raise CannotEdit(f"the name {name!r} is no image name", "correct repo", _at(build, "repo"))
    return name


def _cache_variant(build: Build, name: str) -> str:
    """What tells this build from others of the same image: variables of its platform, of its matrix."""
    values = matrix(build.root)
    variables: dict[str, bool] = {}
    for key in ("platforms", "platform", *_BUILD_KEYS):
        source = " ".join(_all_texts(build.value(key)))
        for match in VARIABLE.finditer(source):
            variable = match[1] or match[2]
            platform = key.startswith("platform")
            if (platform or variable in values) and f"${{{variable}" not in name:
                slashes = any("/" in value for value in values[variable]) if variable in values else platform
                variables.setdefault(variable, slashes)
    return "".join(f"-${{{name}{'##*/' if slashes else ''}}}" for name, slashes in variables.items())


def _all_texts(node: Node | None) -> Iterator[str]:
    node = resolve(node) if node else None
    if isinstance(node, Scalar):
        yield node.value
    elif isinstance(node, Sequence):
        for item in node.items:
            yield from _all_texts(item)
    elif isinstance(node, Mapping):
        for pair in node.pairs:
            yield from _all_texts(pair.value)


def _refuse_downgrade(context: Context, build: Build, reference: str) -> None:
    if not context.settings.verified and (texts(build.value("cache_from")) or [""])[0] == reference:
        raise CannotEdit(
            "already migrated with profile verified; as-written would bring back what does not work",
            'keep profile = "verified"',
            _at(build, "cache_from"),
        )


def _pin(context: Context, file: YamlFile, step: _Step) -> None:
    """Pin the plugin image where the registry needs it; refuse versions that no setting fits."""
    build, settings = step.build, context.settings
    decision = verdict(build.plugin, settings.registry.scheme)
    if decision.refusal:
        raise CannotEdit(decision.refusal, decision.advice, build.image.value.start)
    if not decision.pin or not settings.verified:
        return
    image = resolve(build.image.value)
    assert isinstance(image, Scalar)
    new = _pinned(image.value, settings.woodpecker.plugin_image, settings.registry.scheme)
    _check_privilege(context, build, new)
    step.change(image, [replace_scalar(file, image, new)], file.path_of(image), f"image pinned to {new}")


def _pinned(image: str, pinned: str, scheme: str) -> str:
    """The pinned image, with the host that the old one was written with."""
    plugin = identify(pinned)
    if plugin is None or verdict(plugin, scheme).refusal or verdict(plugin, scheme).pin:
        raise SettingsError(
            f"woodpecker.plugin_image = {pinned!r} cannot be told about a registry over http; use a 5.x-insecure tag"
        )
    repository = image.split("@")[0]
    host = repository[: len(repository) - len(repository.removeprefix("docker.io/").removeprefix("index.docker.io/"))]
    return host + pinned if repository.removeprefix(host).split(":")[0] == pinned.split(":")[0] else pinned


def _check_privilege(context: Context, build: Build, image: str) -> None:
    """Refuse a tag that the server's own list of privileged plugins would not match (facts 38)."""
    allowed = context.stack.plugins_privileged
    if allowed is None or any(_matches(entry.strip(), image) for entry in allowed.split(",") if entry.strip()):
        return
    raise CannotEdit(
        f"{image} is not privileged by {context.stack.plugins_privileged_at}: {allowed}",
        f"add {image.split(':')[0]} without a tag, or {image}, to that line",
        build.image.value.start,
    )


def _matches(entry: str, image: str) -> bool:
    """An entry with a tag matches that image only, one without matches every tag."""
    expanded = _expanded(image)
    return (
        _expanded(entry) == expanded
        if ":" in entry
        else _expanded(entry).rpartition(":")[0] == expanded.rpartition(":")[0]
    )


def _expanded(image: str) -> str:
    name = image.removeprefix("index.").removeprefix("docker.io/").removeprefix("library/")
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"


def _add_repository(
    context: Context, file: YamlFile, step: _Step, repositories: list[str], primary: str | None
) -> None:
    host = context.settings.registry.host
    if primary is None or any(name.startswith(f"{host}/") for name in repositories):
        return
    found = step.build.setting("repo")
    assert found is not None
    pair, owner = found
    new = f"{host}/{_image_name(context, step.build, primary)}"
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


def _add_login(file: YamlFile, step: _Step) -> None:
    """Name the step's own credentials for the registry they are for, when they stand alone."""
    build = step.build
    repo, username, password = build.setting("repo"), build.setting("username"), build.setting("password")
    if repo is None or build.setting("logins") or username is None or password is None:
        return
    registry = build.setting("registry")
    entry = {
        "registry": copied(file, registry[0].value) if registry else DOCKER_HUB,
        "username": copied(file, username[0].value),
        "password": copied(file, password[0].value),
    }
    pair, owner = repo
    path = (*file.path_of(owner), "logins")
    step.change(owner, add_pairs(file, owner, {"logins": [entry]}, after=pair), path, "logins")


def _add_cache(context: Context, file: YamlFile, step: _Step, reference: str) -> Iterator[Outcome]:
    build, verified = step.build, context.settings.verified
    long_form = f"type=registry,ref={reference}"
    present = build.setting("cache_from")
    if present is None:
        step.appended["cache_from"] = reference if verified else long_form
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
    step.appended["cache_to"] = f"{long_form},mode=max"


def _shorten(file: YamlFile, step: _Step, pair: Pair, owner: Mapping, long_form: str, reference: str) -> None:
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


def _append(file: YamlFile, step: _Step) -> None:
    """Add the new settings at the end of the mapping that holds `repo`."""
    found = step.build.setting("repo")
    if found is None or not step.appended:
        return
    owner = found[1]
    step.edits += ((owner, edit) for edit in add_pairs(file, owner, step.appended))
    step.writes += ((*file.path_of(owner), key) for key in step.appended)
    step.done += step.appended


def _set_http(context: Context, file: YamlFile, step: _Step) -> None:
    """Say to BuildKit that the registry speaks http; over https take that away again."""
    registry = context.settings.registry
    ours = Literal((f'[registry."{registry.host}"]', "  http = true", "  insecure = true"))
    present = step.build.setting("buildkit_config")
    if present is None:
        if registry.scheme == "http":
            step.appended["buildkit_config"] = ours
        return
    pair, owner = present
    is_ours = (text_of(pair.value) or "").strip() == ours.value.strip()
    if registry.scheme == "http" and not is_ours:
        raise CannotEdit(
            "it has a buildkit_config of its own, which is not merged",
            f"add the section {ours.lines[0]} with http = true and insecure = true to it, and the cache settings by hand",
            pair.value.start,
        )
    if registry.scheme == "https" and is_ours:
        where = (*file.path_of(owner), pair.name or "")
        step.change(owner, [remove_pair(file, owner, pair)], where, "no buildkit_config over https")


def _shared_anchors(file: YamlFile, steps: list[_Step]) -> Iterator[Outcome]:
    """Refuse an edit of a text that others use too, unless every user is a step with the same edits."""
    refused = set()
    for step in steps:
        for owner in dict.fromkeys(owner for owner, _ in step.edits):
            mine = {edit for node, edit in step.edits if node is owner}
            for place in _places(file, step.build, owner):
                others = [other for other in steps if _holds(other.build.item, place)]
                same = others and all({edit for node, edit in other.edits if node is owner} == mine for other in others)
                if not same and owner not in refused:
                    refused.add(owner)
                    line = file.text.count("\n", 0, place) + 1
                    yield Refusal(
                        owner.start,
                        f"step {step.build.name}: what must change is shared with line {line}, which must not change",
                        "write the settings of this step out instead of sharing them",
                    )


def _places(file: YamlFile, build: Build, owner: Node) -> Iterator[int]:
    """Where a node is used: in the step that holds it, and wherever an alias names it or something around it."""
    if not file.aliases:
        return
    yield from (alias.start for holder in file.holders(owner) for alias in file.users(holder))
    yield from (owner.start for _, item in steps_of(build.root) if _holds(item, owner.start))


def _holds(node: Node, offset: int) -> bool:
    return node.start <= offset < node.end
