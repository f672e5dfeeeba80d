"""Under which name a step caches in the private registry."""

from __future__ import annotations

import re
from collections.abc import Iterator

from codemods.engine.context import Context
from codemods.errors import CannotEdit
from codemods.facts.pipelines import VARIABLE, Build, matrix, texts
from codemods.formats.yaml import Mapping, Node, Scalar, Sequence, resolve

_NAME = re.compile(r"(?:[a-z0-9._/-]|\$\{[^{}\s'\"]+\}|\$\w+)+")
_BUILD_KEYS = ("dockerfile", "context", "target", "build_args")


def is_ours(context: Context, build: Build, key: str) -> bool:
    """Whether a cache setting points to the private registry, and only there."""
    parts = texts(build.value(key)) or []
    references = [part.removeprefix("ref=") for part in parts if "=" not in part or part.startswith("ref=")]
    host = f"{context.settings.registry.host}/"
    return bool(references) and all(reference.startswith(host) for reference in references)


def cache_reference(context: Context, build: Build, primary: str | None) -> str:
    """The cache reference: the one in use, else image name and cache tag."""
    registry = context.settings.registry
    for part in (texts(build.value("cache_from")) or []) + (texts(build.value("cache_to")) or []):
        if part.removeprefix("ref=").startswith(f"{registry.host}/"):
            return part.removeprefix("ref=")
    name = image_name(context, build, primary)
    return f"{registry.host}/{name}:{registry.cache_tag}{_cache_variant(build, name)}"


def image_name(context: Context, build: Build, primary: str | None) -> str:
    host = context.settings.registry.host
    if primary is None:
        first = (build.repositories or [""])[0].removeprefix(f"{host}/")
        return re.sub(r":[\w.-]+\Z", "", first)
    name = context.images.of(primary)
    if not _NAME.fullmatch(name):
        raise CannotEdit(f"the name {name!r} is no image name", "correct repo", build.position("repo"))
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
