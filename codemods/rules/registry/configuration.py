"""A registry's configuration as its rules look at it: who uses it, and its keys beside those of Distribution."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from codemods.engine.context import Context
from codemods.facts.registries import Registry
from codemods.formats.yaml import Alias, Mapping, Node, Pair, Scalar, Sequence, YamlFile, merged, resolve, text_of
from codemods.repository import Document
from codemods.rules.registry.keys import MAJORS, Key, keys_of

Path = tuple[str, ...]
PURGING = ("storage", "maintenance", "uploadpurging")
READONLY = ("storage", "maintenance", "readonly")
_FALSE = ("false", "no", "off", "n")


@dataclass(frozen=True)
class Configuration:
    """One file; `users` are the registries that run with it, `majors` the versions of Distribution that they may be."""

    file: YamlFile
    root: Mapping
    users: tuple[Registry, ...]
    majors: tuple[int, ...]

    def pair(self, *path: str) -> Pair | None:
        """The pair at a path of keys, aliases and merged mappings looked into."""
        node: Node = self.root
        pair = None
        for name in path:
            pairs = merged(node) if isinstance(node, Mapping) else iter(())
            pair = next((pair for pair, _ in pairs if pair.name == name), None)
            if pair is None:
                return None
            node = resolve(pair.value)
        return pair

    def may_be_set_elsewhere(self, *path: str) -> bool:
        """Whether the environment may give what the file does not.

        Nobody knows without the compose file; but what belongs to the storage is hardly ever spread over both.
        """
        if not self.users:
            return path[0] != "storage"
        names = ["_".join(["REGISTRY", *path[: depth + 1]]).upper() for depth in range(len(path))]
        return any(user.service.may_set(*names) for user in self.users)


@dataclass(frozen=True)
class Place:
    """A key of a configuration; `key` is what Distribution makes of it, None where it knows no such key.

    `section` is what it knows around it. `shared` when other places of the file have the same text, or it comes from
    elsewhere by `<<`.
    """

    path: Path
    pair: Pair
    holder: Mapping
    section: Key
    key: Key | None
    shared: bool


def read_configuration(context: Context, document: Document) -> Configuration | None:
    """The document as a configuration; None where it cannot be told to be one."""
    root = document.yaml.root
    if root is None or not root.pairs:
        return None
    if context.stack.compose is None:
        is_one = text_of(root.value("version")) == "0.1" and root.get("storage") is not None
        return Configuration(document.yaml, root, (), MAJORS) if is_one else None
    users = tuple(registry for registry in context.registries if registry.path == document.path)
    majors = tuple(sorted({registry.major for registry in users}))
    return Configuration(document.yaml, root, users, majors or MAJORS)


def is_unknown(text: str | None) -> bool:
    """Whether a text is filled in later, by Terraform or another templating."""
    return text is not None and any(mark in text for mark in ("$", "{{", "%{"))


def purges(configuration: Configuration) -> bool:
    """Whether the settings of upload purging are read at all: not with a plain `enabled: false`."""
    pair = configuration.pair(*PURGING, "enabled")
    value = resolve(pair.value) if pair else None
    is_false = isinstance(value, Scalar) and not value.style and value.value.lower() in _FALSE
    return not is_false and not is_unknown(text_of(value))


def places(configuration: Configuration) -> Iterator[Place]:
    """Every key that Distribution reads or might be thought to read; nothing below an unknown one."""
    yield from _visit(configuration.file, configuration.root, keys_of(configuration.majors), (), False)


def _visit(file: YamlFile, node: Node, section: Key, path: Path, shared: bool) -> Iterator[Place]:
    target = resolve(node)
    shared = shared or isinstance(node, Alias) or bool(target.anchor and file.users(target))
    if isinstance(target, Sequence) and section.items:
        for number, item in enumerate(target.items):
            yield from _visit(file, item, section.items, (*path, str(number)), shared)
    if not isinstance(target, Mapping) or not (section.keys or section.absent):
        return
    for pair, holder in merged(target):
        if pair.name is None or is_unknown(pair.name):
            continue
        key = section.keys.get(pair.name)
        if key is None and section.is_free and pair.name not in section.absent:
            continue
        here = (*path, pair.name)
        is_elsewhere = shared or holder is not target
        yield Place(here, pair, holder, section, key, is_elsewhere)
        if key:
            yield from _visit(file, pair.value, key, here, is_elsewhere)
