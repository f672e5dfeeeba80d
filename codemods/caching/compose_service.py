"""Add the private registry to the compose stack.

Three places: the service, the port that nginx publishes, and nginx's `depends_on`. The service is written like the
registry above it, pair by pair: image, restart policy, networks and health check are the sibling's own text, and
other keys come along when all registries share them. Its data directory and configuration are its own.

With `registry.auth = "htpasswd"` the service mounts the file of its users, and its health check asks for `/`, which
needs no login. With `registry.scheme = "https"` nginx mounts the certificate and its key. A change of either setting
brings a service that is there from one to the other.

Not for: a stack whose nginx is not in the compose file; then only the service is added.

Evidence: facts 10, 23, 39.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from codemods.caching.compose_front import mount_certificate, publish_port, wait_for_registry
from codemods.caching.compose_production import bind_item, change_registry, names, probe_lines
from codemods.caching.production import USERS, brings_users
from codemods.engine.context import Context
from codemods.engine.edits import Edit
from codemods.engine.model import Finding, Impact, Note, Outcome, Refusal, Role, rule
from codemods.errors import CannotEdit
from codemods.facts.compose import ComposeFacts, Service
from codemods.formats.yaml import (
    Alias,
    Mapping,
    Node,
    Pair,
    Scalar,
    Sequence,
    YamlFile,
    duplicate_key,
    resolve,
    text_of,
)
from codemods.formats.yaml_edits import (
    Source,
    block_lines,
    copied,
    dash_column,
    flow_source,
    insert_lines,
    line_end,
    lines_of,
    pair_end,
)
from codemods.repository import Document

CLONED = ("image", "restart", "networks", "<<")
"""Keys that the new service has from the registry above it, besides those that all registries share."""
_NEVER_CLONED = ("ports", "container_name", "volumes", "hostname", "depends_on")


@rule("compose-add-private-registry", Role.COMPOSE, impact=Impact.RECREATE, since="0.1.0", task="2")
def check(context: Context, document: Document) -> Iterator[Outcome]:
    """Yield the service, the port and the dependency that are missing."""
    file, facts = document.yaml, context.compose
    services = file.root.value("services") if file.root else None
    if facts is None or not isinstance(services, Mapping):
        return
    if duplicate := duplicate_key(services):
        yield Refusal(duplicate.key.start, f"the key {duplicate.name} stands twice", "remove one of the two")
        return
    yield from _service(context, file, facts, services)
    if facts.nginx is None:
        yield Note("no nginx service: the private registry's port is not published")
        return
    nginx = services.value(facts.nginx.name)
    if isinstance(nginx, Mapping):
        yield from publish_port(context, file, facts, nginx)
        yield from wait_for_registry(context, file, facts, nginx)
    if isinstance(nginx, Mapping) and context.siblings:
        directory = _config_directory(context, last_of(facts, context.siblings))
        yield from mount_certificate(context, file, nginx, facts.nginx, directory)


def _service(context: Context, file: YamlFile, facts: ComposeFacts, services: Mapping) -> Iterator[Outcome]:
    registry, siblings = context.settings.registry, context.siblings
    taken = next((s for s in facts.services.values() if s.container == registry.service), None)
    if not siblings:
        yield Refusal(services.start, "no registry service to take as a model", "name another file in paths.compose")
        return
    model, last = last_of(facts, siblings), last_of(facts, context.neighbours)
    present = facts.services.get(registry.service)
    if present:
        if difference := other_content(present, data_directory(context, model)):
            yield Refusal(
                next(pair.key.start for pair in services.pairs if pair.name == registry.service),
                f"the service {registry.service} exists with other content: {difference}",
                "set registry.name in codemod.toml to another name, or rename this service",
            )
            return
        pair, like = services.get(present.name), services.value(model.name)
        if pair and isinstance(like, Mapping):
            directory = _config_directory(context, model)
            yield from change_registry(context, file, pair, present, (like, model), directory)
    elif taken:
        yield Refusal(
            services.start,
            f"the container name {registry.service} is taken by the service {taken.name}",
            "set registry.name in codemod.toml to another name",
        )
    else:
        pair, above = services.get(model.name), services.get(last.name)
        if pair is None or above is None or not isinstance(pair.value, Mapping) or services.flow or pair.value.flow:
            raise CannotEdit(
                "the registry services are not written as blocks", "add the service by hand", services.start
            )
        lines = _clone(context, file, facts, pair, model)
        edit = insert_lines(file, pair_end(above), lines, file.column(pair.key.start))
        yield Finding(
            above.key.start,
            above.key.end,
            f"no service {registry.service}; it goes after {last.name}",
            (Edit(edit.start, edit.end, edit.new),),
            (("services", registry.service),),
        )


def last_of(facts: ComposeFacts, registries: tuple[Service, ...]) -> Service:
    """The last of some registries before nginx; the last of all when they stand behind it."""
    names = list(facts.services)
    end = names.index(facts.nginx.name) if facts.nginx else len(names)
    return next((service for service in reversed(registries) if service.name in names[:end]), registries[-1])


def other_content(present: Service, data: str) -> str:
    """What makes a service of our name another thing than our registry; empty when it is ours."""
    if not present.name.startswith("registry") or not present.image:
        return f"its image is {present.image or 'not named'}"
    if present.data_directory != data:
        return f"it keeps its data in {present.data_directory}, not in {data}"
    return ""


def data_directory(context: Context, model: Service) -> str:
    """Our data directory: beside the model's when that is a path, else under the stack's directory."""
    directory = model.data_directory or ""
    parent = directory.rpartition("/")[0] if "/" in directory else f"{context.stack.directory}/data"
    return f"{parent}/{context.settings.registry.name}"


def _clone(context: Context, file: YamlFile, facts: ComposeFacts, pair: Pair, model: Service) -> list[str]:
    """Lines of the new service behind a gap like the one before the model."""
    registry = context.settings.registry
    mapping = pair.value
    assert isinstance(mapping, Mapping)
    siblings = [resolve(other.value) for other in _registry_pairs(file, facts)]
    step = file.column(mapping.pairs[0].key.start) - file.column(pair.key.start)
    logins = registry.auth == "htpasswd"
    lines = [f"{registry.service}:"]
    for inner in mapping.pairs:
        name = inner.name or ""
        if name == "container_name":
            new = [f"container_name: {registry.service}"]
        elif name == "volumes":
            new = _volumes(context, file, inner, model)
        elif name == "healthcheck":
            new = probe_lines(file, mapping, model, logins=logins)
        elif name in CLONED or (name not in _NEVER_CLONED and _shared(name, siblings)):
            new = lines_of(file, inner)
            if inner.value.anchor and not isinstance(inner.value, Alias):
                new = [f"{name}: *{inner.value.anchor}"]
            if name not in ("image", "<<") and names(model.short_name, new):
                continue
        else:
            continue
        lines += [" " * step + line if line else line for line in new]
    if mapping.get("healthcheck") is None:
        lines += [" " * step + line for line in probe_lines(file, mapping, model, logins=logins)]
    return [*_gap(context, file, facts, pair, model), *lines]


def _registry_pairs(file: YamlFile, facts: ComposeFacts) -> list[Pair]:
    services = file.root.value("services") if file.root else None
    names = {service.name for service in facts.registries}
    return [pair for pair in services.pairs if pair.name in names] if isinstance(services, Mapping) else []


def _shared(name: str, siblings: list[Node]) -> bool:
    """Whether all registries, and more than one, have the same value under a key."""
    file = YamlFile("", [], [])
    values = []
    for sibling in siblings:
        node = sibling.value(name) if isinstance(sibling, Mapping) else None
        values.append(repr(YamlFile(file.text, [node], []).data) if node else None)
    return len(values) > 1 and len(set(values)) == 1


def _volumes(context: Context, file: YamlFile, pair: Pair, model: Service) -> list[str]:
    """The model's data and configuration mounts with our own sources; other mounts are its own affair."""
    sequence = resolve(pair.value)
    if not isinstance(sequence, Sequence):
        raise CannotEdit("volumes is no list", "write it as a list", pair.key.start)
    config = model.mounted_from(model.config_target) if model.config_target else None
    directory = _config_directory(context, model)
    sources = {
        model.data_directory: data_directory(context, model),
        config: f"{directory}/{context.settings.registry.config_name}",
    }
    items = []
    for item in map(resolve, sequence.items):
        if isinstance(item, Mapping) and (old := text_of(item.value("source"))) in sources:
            items.append(copied(file, item) | {"source": sources[old]})
        elif isinstance(item, Scalar) and (old := item.value.partition(":")[0].rstrip("/")) in sources:
            source = file.text[file.content_start(item) : item.end].replace(
                item.value.partition(":")[0], sources[old], 1
            )
            items.append(Source(source))
    if config is None:
        items.append(f"{directory}/{context.settings.registry.config_name}:/etc/docker/registry/config.yml:ro")
    if brings_users(context):
        like = next((mount.node for mount in model.mounts if mount.target == model.config_target), None)
        items.append(bind_item(file, like, f"{directory}/{context.settings.registry.users_name}", USERS))
    if sequence.flow:
        return [f"volumes: {flow_source(items)}"]
    dash = dash_column(file, sequence) - file.column(pair.key.start) if pair.value is sequence else 2
    return block_lines("volumes", items, step=2, dash=dash)


def _config_directory(context: Context, model: Service) -> str:
    """Where our configuration lies: beside the model's, else in the stack's directory."""
    config = model.mounted_from(model.config_target) if model.config_target else None
    return config.rpartition("/")[0] if config and "/" in config else context.stack.directory


def _gap(context: Context, file: YamlFile, facts: ComposeFacts, pair: Pair, model: Service) -> list[str]:
    """Blank lines and a banner comment as they stand before the model, the banner with our name."""
    start = file.line_start(pair.key.start)
    above = file.text[:start].replace("\r\n", "\n").split("\n")[:-1]
    gap: list[str] = []
    while above and (not above[-1].strip() or above[-1].lstrip().startswith("#")):
        gap.insert(0, above.pop().strip())
    if above and above[-1].strip() == "services:":
        return [""] * (1 if file.text[line_end(file.text, pair_end(pair)) :].startswith(("\n\n", "\r\n\r\n")) else 0)
    name = context.settings.registry.name
    short = re.compile(re.escape(model.short_name), re.IGNORECASE)
    renamed = [short.sub(lambda match: _like(match.group(), name), line) for line in gap]
    return [line for old, line in zip(gap, renamed, strict=True) if not old or old != line]


def _like(model: str, name: str) -> str:
    """`name` in the capitals of the model."""
    return name.upper() if model.isupper() else name.capitalize() if model[0].isupper() else name
