"""What the compose file says: services, what they mount, publish and depend on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from codemods.errors import ParseError
from codemods.formats.yaml import Mapping, Node, Pair, Sequence, YamlFile, merged, resolve, text_of

_REGISTRY_HEADS = (
    "",
    "library",
    "docker.io",
    "docker.io/library",
    "distribution",
    "docker.io/distribution",
    "ghcr.io/distribution",
)
_DEFAULT = re.compile(r"(?<!\$)\$\{[A-Za-z_]\w*:?-([^${}]*)\}")


@dataclass(frozen=True)
class Mount:
    """A bind mount or named volume: `source` as written, `target` in the container, `node` the list's item."""

    source: str
    target: str
    node: Node | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Port:
    """A published port; `address` is empty when all addresses are bound, `node` is the list's item."""

    published: int
    target: int
    address: str = ""
    protocol: str = "tcp"
    node: Node | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Service:
    """One service; `container` is its container_name, else its name; `names` are those it answers to besides.

    `image` is as written, variables and all.
    """

    name: str
    image: str
    container: str
    mounts: tuple[Mount, ...] = ()
    ports: tuple[Port, ...] = ()
    names: tuple[str, ...] = ()
    pairs: dict[str, Pair] = field(default_factory=dict, compare=False, repr=False)

    def value(self, *path: str) -> Node | None:
        """The value at a path of keys, aliases resolved and merged mappings looked into."""
        pair = self.pairs.get(path[0])
        node = resolve(pair.value) if pair else None
        for name in path[1:]:
            node = node.value(name) if isinstance(node, Mapping) else None
        return node

    def may_set(self, *names: str) -> bool:
        """Whether it gets a variable of one of these names, or may get one: from `env_file`, or by `extends`."""
        given = [(text_of(item) or "").partition("=")[0] for item in _items(self.value("environment"))]
        if isinstance(mapping := self.value("environment"), Mapping):
            given = [pair.name or "" for pair, _ in merged(mapping)]
        return "env_file" in self.pairs or "extends" in self.pairs or not set(names).isdisjoint(given)

    @property
    def short_name(self) -> str:
        """`kyverno` for `registry-kyverno`."""
        return self.name.removeprefix("registry-")

    def mounted_from(self, target: str) -> str | None:
        """The source of the mount at `target`."""
        return next((mount.source for mount in self.mounts if mount.target == target), None)

    @property
    def data_directory(self) -> str | None:
        """Where a registry keeps its data on the host."""
        return self.mounted_from("/var/lib/registry")

    @property
    def nginx_config(self) -> Mount | None:
        """Where nginx's configuration comes from."""
        return next(
            (
                mount
                for mount in self.mounts
                if mount.target.startswith("/etc/nginx/") and mount.target.endswith(".conf")
            ),
            None,
        )

    @property
    def config_target(self) -> str | None:
        """Path of a registry's configuration in the container: it differs between registry:2 and registry:3."""
        targets = ("/etc/docker/registry/config.yml", "/etc/distribution/config.yml")
        return next((mount.target for mount in self.mounts if mount.target in targets), None)


@dataclass(frozen=True)
class ComposeFacts:
    """`registries` run Distribution, in the order of the file; `nginx` is the service in front of them."""

    services: dict[str, Service]
    registries: tuple[Service, ...]
    nginx: Service | None


def read_compose(file: YamlFile) -> ComposeFacts:
    """Read the facts; raises ParseError when the file is no compose file."""
    root = file.root
    services = root.value("services") if root else None
    if not isinstance(services, Mapping):
        raise ParseError("not a compose file: it has no mapping `services`")
    found = [_service(pair.name, resolve(pair.value)) for pair, _ in merged(services) if pair.name]
    by_name = {service.name: service for service in reversed(found)}
    ordered = [by_name[service.name] for service in found]
    registries = tuple(service for service in ordered if is_registry_image(service.image))
    return ComposeFacts({service.name: service for service in ordered}, registries, _front(ordered))


def with_defaults(text: str) -> str:
    """A text with the default of each `${NAME:-default}` and `${NAME-default}`, also of one inside another.

    That is what compose reads where nothing sets the variable; what `.env` or the environment say is not known here.
    """
    while (inner := _DEFAULT.sub(r"\1", text)) != text:
        text = inner
    return text


def is_registry_image(image: str) -> bool:
    """Whether an image reference names Distribution: `registry:2`, `docker.io/library/registry`, `distribution/…`."""
    repository = with_defaults(image).split("@")[0]
    head, _, last = repository.rpartition("/")
    return head in _REGISTRY_HEADS and last.split(":")[0] in ("registry", "distribution")


def _front(services: list[Service]) -> Service | None:
    """The nginx in front: it mounts an nginx configuration, or at least runs the image."""
    images = [with_defaults(service.image).split("@")[0].rpartition("/")[2] for service in services]
    running = [service for service, image in zip(services, images, strict=True) if image.startswith("nginx")]
    mounting = [service for service in running if service.nginx_config]
    return next(iter(mounting or running), None)


def _service(name: str, node: Node) -> Service:
    pairs: dict[str, Pair] = {}
    for pair, _ in merged(node) if isinstance(node, Mapping) else ():
        pairs.setdefault(pair.name or "", pair)

    def value(key: str) -> Node | None:
        return resolve(pairs[key].value) if key in pairs else None

    return Service(
        name,
        text_of(value("image")) or "",
        text_of(value("container_name")) or name,
        tuple(mount for item in _items(value("volumes")) if (mount := _mount(item))),
        tuple(port for item in _items(value("ports")) if (port := _port(item))),
        tuple(_names(value("networks"), value("hostname"))),
        pairs,
    )


def _names(networks: Node | None, hostname: Node | None) -> Iterator[str]:
    """Host name and network aliases of a service."""
    if name := text_of(hostname):
        yield name
    for pair in networks.pairs if isinstance(networks, Mapping) else ():
        network = resolve(pair.value)
        aliases = network.value("aliases") if isinstance(network, Mapping) else None
        yield from (text_of(item) or "" for item in _items(aliases))


def _items(node: Node | None) -> list[Node]:
    return list(node.items) if isinstance(node, Sequence) else []


def _mount(item: Node) -> Mount | None:
    node = resolve(item)
    if isinstance(node, Mapping):
        source, target = text_of(node.value("source")), text_of(node.value("target"))
        return Mount(source or "", target, item) if target else None
    parts = (text_of(node) or "").split(":")
    return Mount(parts[0].rstrip("/") or "/", parts[1].rstrip("/"), item) if len(parts) > 1 else None


def _port(item: Node) -> Port | None:
    """A single published port, of a variable its default; ranges and variables without one are none."""
    node = resolve(item)
    if isinstance(node, Mapping):
        published, target = (with_defaults(text_of(node.value(key)) or "") for key in ("published", "target"))
        address, protocol = text_of(node.value("host_ip")) or "", text_of(node.value("protocol")) or "tcp"
    else:
        text, _, protocol = with_defaults(text_of(node) or "").partition("/")
        rest, _, target = text.rpartition(":")
        address, _, published = rest.rpartition(":")
    if not (published.isdigit() and target.isdigit()):
        return None
    return Port(int(published), int(target), address, protocol or "tcp", item)
