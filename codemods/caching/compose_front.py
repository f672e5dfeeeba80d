"""What the private registry needs of nginx in the compose file: its port, `depends_on`, the certificate."""

from __future__ import annotations

import re
from collections.abc import Iterator

from codemods.caching.compose_production import mounts
from codemods.caching.production import brings_certificate, certificate_target, key_target
from codemods.engine.context import Context
from codemods.engine.model import Finding, Impact, Note, Outcome, Refusal
from codemods.errors import CannotEdit
from codemods.facts.compose import ComposeFacts, Service
from codemods.formats.yaml import Mapping, Sequence, YamlFile, resolve, text_of
from codemods.formats.yaml_edits import Source, add_pairs, append_item, copied


def publish_port(context: Context, file: YamlFile, facts: ComposeFacts, nginx: Mapping) -> Iterator[Outcome]:
    """The registry's port, when nginx does not publish it."""
    assert facts.nginx is not None
    port = context.settings.registry.port
    for service in facts.services.values():
        for published in service.ports:
            if published.published != port:
                continue
            if service.name == facts.nginx.name and published.target == port:
                return
            yield Refusal(
                nginx.start,
                f"host port {port} is taken: {service.name} publishes {published.published}:{published.target}",
                "set registry.port in codemod.toml to a free port",
            )
            return
    if nginx.value("network_mode"):
        yield Note(f"{facts.nginx.name} uses network_mode: port {port} needs no publishing")
        return
    pair = nginx.get("ports")
    if pair is None or not isinstance(pair.value, Sequence) or not pair.value.items:
        raise CannotEdit(
            f"{facts.nginx.name} has no list `ports` of its own", f"publish {port}:{port} by hand", nginx.start
        )
    sequence = pair.value
    yield Finding(
        pair.key.start,
        pair.key.end,
        f"{facts.nginx.name} does not publish port {port}",
        tuple(append_item(file, sequence, port_item(file, sequence, port))),
        (("services", facts.nginx.name, "ports", "+"),),
        impact=Impact.RECREATE,
    )


def port_item(file: YamlFile, sequence: Sequence, port: int) -> object:
    """The last item with our port in place of its two: same quotes, same address, same form."""
    last = resolve(sequence.items[-1])
    if isinstance(last, Mapping):
        copy: dict[str, object] = copied(file, last)
        return copy | {"target": Source(str(port)), "published": _number_like(copy.get("published"), port)}
    source = file.text[file.content_start(last) : last.end]
    match = re.fullmatch(r"""(['"]?)((?:.*:)?)\d+:\d+((?:/\w+)?)\1""", source)
    if not match:
        raise CannotEdit("the last port has a form of its own", f"publish {port}:{port} by hand", last.start)
    quote, address, protocol = match.groups()
    return Source(f"{quote}{address}{port}:{port}{protocol}{quote}")


def _number_like(published: object, port: int) -> Source:
    quoted = isinstance(published, Source) and published.text[:1] in "'\""
    return Source(f'"{port}"' if quoted else str(port))


def wait_for_registry(context: Context, file: YamlFile, facts: ComposeFacts, nginx: Mapping) -> Iterator[Outcome]:
    """The registry in nginx's `depends_on`, where that is written."""
    assert facts.nginx is not None
    name = context.settings.registry.service
    pair = nginx.get("depends_on")
    if pair is None:
        return
    registries = {service.name for service in facts.registries}
    where = ("services", facts.nginx.name, "depends_on")
    value = pair.value
    if isinstance(value, Mapping) and value.pairs:
        if value.get(name):
            return
        last = next((entry for entry in reversed(value.pairs) if entry.name in registries), value.pairs[-1])
        edits = add_pairs(file, value, {name: copied(file, resolve(last.value))}, after=last)
        writes = (*where, name)
    elif isinstance(value, Sequence) and value.items:
        names = [text_of(item) for item in value.items]
        if name in names:
            return
        index = max((number for number, item in enumerate(names) if item in registries), default=len(names) - 1)
        edits = append_item(file, value, name, after=index)
        writes = (*where, "+")
    else:
        raise CannotEdit("depends_on is neither a map nor a list of its own", f"add {name} by hand", pair.key.start)
    message = f"{facts.nginx.name} does not wait for {name}"
    yield Finding(pair.key.start, pair.key.end, message, tuple(edits), (writes,))


def mount_certificate(
    context: Context, file: YamlFile, nginx: Mapping, front: Service, directory: str
) -> Iterator[Outcome]:
    """The mounts of certificate and key, when they are missing, or when they are there and not wanted."""
    registry, wanted = context.settings.registry, brings_certificate(context)
    files = {certificate_target(registry): registry.certificate_name, key_target(registry): registry.key_name}
    there = {mount.target for mount in front.mounts}
    files = {target: name for target, name in files.items() if (target in there) != wanted}
    if not files or (not wanted and registry.scheme == "https"):
        return
    peers = {target(peer) for peer in context.settings.peers for target in (certificate_target, key_target)}
    theirs = [mount for mount in front.mounts if mount.target in peers]
    like = next((mount.node for mount in (*reversed(theirs), front.nginx_config) if mount), None)
    edits = mounts(file, nginx, front, like, files, wanted=wanted, directory=directory)
    message = f"{front.name} {'does not mount' if wanted else 'still mounts'} the certificate"
    where = ("services", front.name, "volumes", "+" if wanted else "-")
    yield Finding(nginx.start, nginx.start + 1, message, tuple(edits), (where,))
