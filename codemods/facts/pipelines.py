"""What a Woodpecker pipeline builds: its image-building steps, their repositories, and for whom they run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property

from codemods.caching.plugin import Plugin, identify
from codemods.formats.yaml import Mapping, Node, Pair, Scalar, Sequence, YamlFile, merged, resolve, text_of

MARKER = re.compile(r"docker|kaniko|buildx")
VARIABLE = re.compile(r"\$\{(\w+)[^}]*\}|\$(\w+)")
_NOT_COMMA = re.compile(r"(?:\$\{[^}]*\}|[^,])+")
_NOT_A_CONJUNCTION = re.compile(r"\|\||\bor\b|\bnot\b|!(?!=)|\?")
_EVENT = re.compile(r"""CI_PIPELINE_EVENT\s*([!=]=)\s*["'](\w+)["']""")


class Build:
    """A step that runs an image-building plugin.

    `item` is the step as it stands in the list of steps (perhaps an alias), `step` its mapping, `settings` the
    mapping of its settings with aliases resolved, `root` the document it stands in.
    """

    def __init__(
        self, root: Mapping, item: Node, step: Mapping, name: str, image: Pair, plugin: Plugin, settings: Mapping | None
    ) -> None:
        self.root = root
        self.item = item
        self.step = step
        self.name = name
        self.image = image
        self.plugin = plugin
        self.settings = settings

    @cached_property
    def _by_name(self) -> dict[str, tuple[Pair, Mapping]]:
        found: dict[str, tuple[Pair, Mapping]] = {}
        for pair, owner in merged(self.settings) if self.settings else ():
            if pair.name is not None:
                found.setdefault(normal_key(pair.name), (pair, owner))
        return found

    def setting(self, name: str) -> tuple[Pair, Mapping] | None:
        """A setting and the mapping that holds it, own ones before merged ones; `-` and `.` count as `_`."""
        return self._by_name.get(name)

    def value(self, name: str) -> Node | None:
        """A setting's value with an alias resolved."""
        found = self.setting(name)
        return resolve(found[0].value) if found else None

    def position(self, name: str) -> int:
        """Where a setting's value stands; the image's place when there is no such setting."""
        found = self.setting(name)
        return found[0].value.start if found else self.image.value.start

    @cached_property
    def repositories(self) -> list[str] | None:
        """The `repo` setting as the plugin sees it; None when it comes from a secret or is no text."""
        return texts(self.value("repo"))

    @cached_property
    def start(self) -> int:
        """Where the step begins: its item in the list of steps, or its key in the map of them."""
        return start_of_step(self.root, self.item)

    @property
    def pushes(self) -> bool:
        """Whether the step pushes: `dry_run: true` and an `output` to somewhere else do not."""
        if (text_of(self.value("dry_run")) or "").lower() in ("true", "yes", "on", "1"):
            return False
        return self.value("output") is None and self.value("outputs") is None


def normal_key(name: str) -> str:
    """A setting's name as the server's environment conversion folds it (facts 37)."""
    return name.lower().replace("-", "_").replace(".", "_")


def texts(node: Node | None) -> list[str] | None:
    """Comma-separated parts of a scalar or of all items of a list, commas inside `${…}` left alone; else None."""
    found = parts(node)
    return None if found is None else [part for _, part in found]


def parts(node: Node | None) -> list[tuple[Scalar, str]] | None:
    """The same as `texts`, each part with the scalar that holds it."""
    if node is None:
        return []
    items = [resolve(item) for item in node.items] if isinstance(node, Sequence) else [node]
    found: list[tuple[Scalar, str]] = []
    for item in items:
        if not isinstance(item, Scalar):
            return None
        found += ((item, part.strip()) for part in _NOT_COMMA.findall(item.value) if part.strip())
    return found


def read_builds(file: YamlFile) -> list[Build]:
    """All steps with an image-building plugin, in the order of the file; looked for once."""
    return file.fact(_builds)


def _builds(file: YamlFile) -> list[Build]:
    found = []
    for root in file.documents:
        if isinstance(root, Mapping):
            for name, item in steps_of(root):
                step = resolve(item)
                if isinstance(step, Mapping) and (build := _build(root, name, item, step)):
                    found.append(build)
    return found


def steps_of(root: Mapping) -> Iterator[tuple[str, Node]]:
    """Name and node of every step, from `steps:` or the older `pipeline:`, as a list or as a map."""
    for key in ("steps", "pipeline"):
        section = root.value(key)
        if isinstance(section, Sequence):
            for number, item in enumerate(section.items):
                step = resolve(item)
                name = text_of(step.value("name")) if isinstance(step, Mapping) else None
                yield name or f"number {number + 1}", item
        elif isinstance(section, Mapping):
            yield from ((pair.name or "", pair.value) for pair, _ in merged(section))


def start_of_step(root: Mapping, item: Node) -> int:
    """Where a step begins: its item in the list of steps, or its key in the map of them."""
    sections = (root.value(key) for key in ("steps", "pipeline"))
    pairs = (pair for section in sections if isinstance(section, Mapping) for pair in section.pairs)
    return next((pair.key.start for pair in pairs if pair.value is item), item.start)


def _build(root: Mapping, name: str, item: Node, step: Mapping) -> Build | None:
    pairs: dict[str | None, tuple[Pair, Mapping]] = {}
    for pair, owner in merged(step):
        pairs.setdefault(pair.name, (pair, owner))
    if "image" not in pairs:
        return None
    image, _ = pairs["image"]
    plugin = identify(text_of(image.value) or "")
    if plugin is None:
        return None
    settings = resolve(pairs["settings"][0].value) if "settings" in pairs else None
    return Build(root, item, step, name, image, plugin, settings if isinstance(settings, Mapping) else None)


def matrix(root: Mapping) -> dict[str, list[str]]:
    """The variables of the workflow's matrix with their values."""
    section = root.value("matrix")
    found: dict[str, list[str]] = {}
    if isinstance(section, Mapping):
        for pair in section.pairs:
            value = resolve(pair.value)
            rows = [resolve(item) for item in value.items] if isinstance(value, Sequence) else []
            if pair.name == "include":
                for row in rows:
                    for inner in row.pairs if isinstance(row, Mapping) else ():
                        found.setdefault(inner.name or "", []).append(text_of(inner.value) or "")
            elif pair.name:
                found.setdefault(pair.name, []).extend(text_of(row) or "" for row in rows)
    return found


def may_run_for_pull_requests(build: Build) -> bool:
    """Whether neither the workflow's nor the step's `when` keeps pull requests out."""
    step = next((pair.value for pair, _ in merged(build.step) if pair.name == "when"), None)
    return _lets_in(build.root.value("when")) and _lets_in(resolve(step) if step else None)


def _lets_in(when: Node | None) -> bool:
    if isinstance(when, Sequence):
        return any(_lets_in(resolve(item)) for item in when.items)
    if not isinstance(when, Mapping):
        return True
    conditions: dict[str | None, Node] = {}
    for pair, _ in merged(when):
        conditions.setdefault(pair.name, resolve(pair.value))
    return (
        _event_lets_in(conditions.get("event"))
        and _ref_lets_in(conditions.get("ref"))
        and _expression_lets_in(text_of(conditions.get("evaluate")))
    )


def _event_lets_in(event: Node | None) -> bool:
    if isinstance(event, Mapping):
        excluded = texts(event.value("exclude")) or []
        return "pull_request" not in excluded and _event_lets_in(event.value("include"))
    names = texts(event)
    return not names or any(name.startswith("pull_request") for name in names)


def _ref_lets_in(ref: Node | None) -> bool:
    included = texts(ref.value("include") if isinstance(ref, Mapping) else ref)
    return not included or not all(name.startswith(("refs/heads/", "refs/tags/")) for name in included)


def _expression_lets_in(expression: str | None) -> bool:
    if not expression or _NOT_A_CONJUNCTION.search(expression):
        return True
    compared = _EVENT.findall(expression)
    return not any((operator == "==") != (event == "pull_request") for operator, event in compared)
