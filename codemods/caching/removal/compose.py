"""Take the private registry out of the compose stack: its service, its port, `depends_on`, the certificate's mounts.

The service goes with its banner when it is the recipe's: it keeps its data where the recipe puts it, and has no keys
and mounts but those that the recipe writes or that its siblings have. With others it is refused by name: they are
somebody's own. A service that only has the name is left alone.
"""

from __future__ import annotations

from collections.abc import Iterator

from codemods.caching.compose_service import CLONED, data_directory, last_of, other_content
from codemods.caching.production import USERS, certificate_target, key_target
from codemods.caching.removal.proof import is_about_us
from codemods.engine.context import Context
from codemods.engine.model import Finding, Impact, Note, Outcome, Refusal, Role, rule
from codemods.errors import CannotEdit
from codemods.facts.compose import ComposeFacts, Service
from codemods.formats.lines import begin_above, cut_lines
from codemods.formats.yaml import Mapping, Node, Pair, Sequence, YamlFile, resolve, text_of
from codemods.formats.yaml_edits import pair_end
from codemods.formats.yaml_removal import remove_items, remove_pairs
from codemods.repository import Document

_OWN_KEYS = {*CLONED, "container_name", "volumes", "healthcheck"}


@rule("compose-add-private-registry", Role.COMPOSE, impact=Impact.RECREATE, since="0.1.0", task="2")
def check(context: Context, document: Document) -> Iterator[Outcome]:
    """Yield the service, and what nginx has for its sake."""
    file, facts, registry = document.yaml, context.compose, context.settings.registry
    services = file.root.value("services") if file.root else None
    if facts is None or not isinstance(services, Mapping):
        return
    present, pair = facts.services.get(registry.service), services.get(registry.service)
    siblings = context.siblings
    if present and pair:
        if not siblings:
            yield Note(f"{present.name} is the only registry here, and not the recipe's: left as it is")
            return
        if difference := other_content(present, data_directory(context, last_of(facts, siblings))):
            yield Note(f"the service {present.name} is not the recipe's ({difference}): left as it is")
            return
        yield from _service(context, file, facts, pair, present, siblings)
    nginx = services.value(facts.nginx.name) if facts.nginx else None
    if facts.nginx and isinstance(nginx, Mapping):
        yield from _front(context, file, facts.nginx, nginx)


def _service(
    context: Context, file: YamlFile, facts: ComposeFacts, pair: Pair, present: Service, siblings: tuple[Service, ...]
) -> Iterator[Outcome]:
    """The service with its lines, as far as nothing else needs it and nothing else is in it."""
    start, name = pair.key.start, present.name
    if foreign := _foreign(context, present, siblings):
        yield Refusal(start, f"{name} has what the recipe does not write: {', '.join(foreign)}", _KEEP)
        return
    front = facts.nginx.name if facts.nginx else ""
    if users := [other for other in _users(facts, name) if other not in (name, front)]:
        yield Refusal(start, f"{', '.join(users)} needs {name}", "take it out of depends_on there")
        return
    inside = range(start, pair_end(pair))
    if any(alias.target.start in inside and alias.start not in inside for alias in file.aliases):
        yield Refusal(start, f"an anchor in {name} is used elsewhere", "move the anchor to another service")
        return
    first = begin_above(file.text, start, lambda line: is_about_us(context, line))
    edit = cut_lines(file.text, first, pair_end(pair))
    yield Finding(start, pair.key.end, f"without the service {name}", (edit,), (("services", name),))


_KEEP = "take it out of the service first, when it is not needed, or the service by hand"


def _foreign(context: Context, present: Service, siblings: tuple[Service, ...]) -> list[str]:
    """Keys and mounts of our service that are neither the recipe's nor like those of a sibling."""
    shared = {(name, _data(service, name)) for service in siblings for name in service.pairs}
    keys = [name for name in present.pairs if name not in _OWN_KEYS and (name, _data(present, name)) not in shared]
    targets = {"/var/lib/registry", present.config_target, USERS}
    mounts = [mount.target for mount in present.mounts if mount.target not in targets]
    return keys + [f"the mount {target}" for target in mounts]


def _data(service: Service, name: str) -> str:
    return repr(YamlFile("", [resolve(service.pairs[name].value)], []).data)


def _users(facts: ComposeFacts, name: str) -> Iterator[str]:
    """The services that name ours in `depends_on` or `links`."""
    for service in facts.services.values():
        for key in ("depends_on", "links"):
            if name in {(text or "").partition(":")[0] for text in _names(service.value(key))}:
                yield service.name


def _names(node: Node | None) -> list[str | None]:
    if isinstance(node, Mapping):
        return [pair.name for pair in node.pairs]
    return [text_of(item) for item in node.items] if isinstance(node, Sequence) else []


def _front(context: Context, file: YamlFile, front: Service, nginx: Mapping) -> Iterator[Outcome]:
    """The port, the dependency and the certificate of nginx."""
    registry = context.settings.registry
    tls = {certificate_target(registry), key_target(registry)}
    ports = [port.node for port in front.ports if port.published == registry.port == port.target]
    mounts = [mount.node for mount in front.mounts if mount.target in tls]
    for key, nodes, what in (
        ("ports", ports, f"port {registry.port}"),
        ("volumes", mounts, "the certificate"),
        ("depends_on", _items(nginx.value("depends_on"), registry.service), f"waiting for {registry.service}"),
    ):
        pair = nginx.get(key)
        if pair and nodes:
            yield _without(file, front, nginx, pair, [node for node in nodes if node], what)
    waits = nginx.get("depends_on")
    value = resolve(waits.value) if waits else None
    entry = value.get(registry.service) if isinstance(value, Mapping) else None
    if waits and entry and isinstance(value, Mapping):
        yield _without(file, front, nginx, waits, entry, f"waiting for {registry.service}")


def _items(node: Node | None, name: str) -> list[Node | None]:
    return [item for item in node.items if text_of(item) == name] if isinstance(node, Sequence) else []


def _without(file: YamlFile, front: Service, nginx: Mapping, pair: Pair, ours: list[Node] | Pair, what: str) -> Finding:
    """A finding that takes items of a list or a pair of a map out, and the key when nothing else is below it."""
    value, where = pair.value, ("services", front.name, pair.name or "")
    if isinstance(value, Sequence) and isinstance(ours, list):
        alone, writes = len(ours) == len(value.items), (*where, "-")
        edits = remove_pairs(file, nginx, [pair]) if alone else remove_items(file, value, ours)
    elif isinstance(value, Mapping) and isinstance(ours, Pair):
        alone, writes = len(value.pairs) == 1, (*where, ours.name or "")
        edits = remove_pairs(file, nginx, [pair]) if alone else remove_pairs(file, value, [ours])
    else:
        raise CannotEdit(f"{pair.name} of {front.name} is shared with others", "take it out by hand", pair.key.start)
    message = f"{front.name} without {what}"
    return Finding(pair.key.start, pair.key.end, message, tuple(edits), (where if alone else writes,))
