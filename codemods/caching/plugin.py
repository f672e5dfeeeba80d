"""How each version of the Woodpecker buildx plugin turns settings into buildx arguments, and which can be used.

All that differs between versions stands in `VERSIONS`: a new plugin version is a new row. Facts 32-37.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from functools import lru_cache
from typing import NamedTuple

Value = object
"""A setting as YAML reads it: text, number, boolean, None, a list, a mapping (`{from_secret: name}` among them)."""

BUILDX = "woodpeckerci/plugin-docker-buildx"
MOVED = "codeberg.org/woodpecker-plugins/docker-buildx"
OTHERS = (
    "thegeeklab/wp-docker-buildx",
    "kaniko-project/executor",
    "banzaicloud/drone-kaniko",
    "woodpecker-plugins/kaniko",
    "woodpeckerci/plugin-docker",
    "woodpeckerci/plugin-kaniko",
    *(f"plugins/{name}" for name in ("docker", "buildx", "kaniko", "kaniko-ecr", "kaniko-gcr")),
    *(f"plugins/{name}" for name in ("acr", "ecr", "gar", "gcr", "heroku")),
)
"""Plugins with settings of their own that build images too; the ends of repository paths, on any host."""

_NEWEST = 1_000_000
_VERSION = re.compile(r"v?(\d+(?:\.\d+){0,2})(-insecure)?")
_FLOATING = {"latest": False, "insecure": True, "latest-insecure": True}


class Form(Enum):
    """How a version reads one setting."""

    ABSENT = "no such setting"
    STRING = "one argument, as it is"
    LIST = "an argument for each part between commas"
    ESCAPED_LIST = "an argument for each part between commas that have no backslash before them"


class Config(Enum):
    """Which images of a version read buildkit_config: the only way to tell BuildKit of a registry over http."""

    ALL = "all"
    INSECURE = "those with a tag in -insecure"
    UNPROVEN = "none that was shown to"


class Row(NamedTuple):
    """What the versions from `since` up to the next row do."""

    since: tuple[int, ...]
    cache_from: Form
    cache_to: Form
    cache_images: Form
    buildkit_config: Config
    source: str
    parses_logins: bool = True
    """Whether it stops at a registry in `logins` that Go cannot read as a URL; not known before 3.1 (facts 36)."""


VERSIONS = (
    Row((1, 0), Form.LIST, Form.ABSENT, Form.ABSENT, Config.ALL, "config.go at v1.0.0", False),
    Row((2, 1), Form.LIST, Form.LIST, Form.ABSENT, Config.ALL, "config.go at v2.1.0", False),
    Row((3, 1), Form.STRING, Form.STRING, Form.LIST, Config.ALL, "config.go at v3.1.0 (commit ef56bac)"),
    Row((5, 0), Form.STRING, Form.STRING, Form.LIST, Config.INSECURE, "config.go at 134731e, docs.md at 81c95d5"),
    Row((6, 0), Form.ESCAPED_LIST, Form.STRING, Form.LIST, Config.UNPROVEN, "plugin.go at 9cda4cb, woodpecker#5321"),
)
"""The plugin's history, oldest first. Facts 32 and the table above it have the evidence."""

PORTABLE_SINCE = (3, 1)
"""From here on no version cuts `cache_to` at its commas."""


class Plugin(NamedTuple):
    """A step's image. `repository` is without `docker.io/`, `kind` is `buildx`, `moved` or `other`.

    `version` is as precise as the tag: (5, 2, 2), (5,), () for the newest; None when nobody can know.
    """

    repository: str
    tag: str
    digest: str
    kind: str
    version: tuple[int, ...] | None
    insecure: bool

    @property
    def row(self) -> Row | None:
        """The version's line of the table; None when the version is unknown, or older than all."""
        return None if self.version is None else _row(self.version)

    @property
    def honours_config(self) -> bool:
        """Whether the image is known to read buildkit_config."""
        config = self.row.buildkit_config if self.row else Config.UNPROVEN
        return config is Config.ALL or (config is Config.INSECURE and self.insecure)


@lru_cache(maxsize=1024)
def _row(version: tuple[int, ...]) -> Row | None:
    padded = (*version, *(_NEWEST for _ in range(3 - len(version))))
    return next((row for row in reversed(VERSIONS) if row.since <= padded), None)


class Verdict(NamedTuple):
    """What the recipe does with an image: refuse it, pin another one, or (neither) keep it."""

    pin: bool = False
    refusal: str = ""
    advice: str = ""


@lru_cache(maxsize=4096)
def identify(image: str) -> Plugin | None:
    """Read an image reference; None when it is no plugin that builds images."""
    name, _, digest = image.strip().partition("@")
    head, slash, last = name.rpartition("/")
    last, _, tag = last.partition(":")
    repository = re.sub(r"\A(?:index\.)?docker\.io/", "", f"{head}{slash}{last}")
    if repository in (BUILDX, MOVED):
        kind = "buildx" if repository == BUILDX else "moved"
    elif any(f"/{repository}".endswith(f"/{other}") for other in OTHERS) or last in (
        "plugin-docker-buildx",
        "docker-buildx",
    ):
        kind = "other"
    else:
        return None
    version, insecure = _version(tag, digest)
    return Plugin(repository, tag, digest, kind, version, insecure)


def _version(tag: str, digest: str) -> tuple[tuple[int, ...] | None, bool]:
    """Version and whether the tag is an `-insecure` one; a digest fixes what `latest` only calls the newest."""
    if match := _VERSION.fullmatch(tag):
        return tuple(map(int, match[1].split("."))), bool(match[2])
    insecure = _FLOATING.get(tag or "latest")
    return (None, False) if insecure is None else (None if digest else (), insecure)


def verdict(plugin: Plugin, scheme: str) -> Verdict:
    """What to do with an image when the private registry speaks `scheme` (`http` or `https`).

    The table of plugin images in the design; an image that is to be pinned but has a digest is refused.
    """
    if plugin.kind == "other":
        return Verdict(
            refusal=f"{plugin.repository} is another plugin, with settings of its own",
            advice=f"build with {BUILDX}, or exclude the file in codemod.toml",
        )
    row = plugin.row
    if plugin.version is not None and (row is None or row.since < PORTABLE_SINCE):
        return Verdict(
            refusal=f"plugin {plugin.tag} cuts cache_to at its commas, or does not have it",
            advice="use version 3.1 or later",
        )
    if scheme == "https" or (plugin.kind == "buildx" and plugin.honours_config):
        return Verdict()
    return _over_http(plugin, row)


def _over_http(plugin: Plugin, row: Row | None) -> Verdict:
    """Of a plugin that is not known to read buildkit_config."""
    if plugin.kind == "moved" or row is None:
        what = f"tag {plugin.tag or 'latest'}" if not plugin.digest else "a digest without a version"
        return Verdict(
            refusal=f"the version of {plugin.repository} is unknown ({what}), and so is whether it can use http",
            advice=f"name a 5.x-insecure version of {BUILDX}, or use a registry over https",
        )
    floating = plugin.version == () and not plugin.insecure
    if not floating and row.buildkit_config is not Config.INSECURE:
        return Verdict(
            refusal=f"plugin {plugin.tag} cannot be told about a registry over http",
            advice="use a registry over https, or a 5.x-insecure tag of the plugin",
        )
    if plugin.digest:
        return Verdict(
            refusal=f"plugin {plugin.tag} knows no registry over http, and its digest would win over a new tag",
            advice="remove the digest, or use a registry over https",
        )
    return Verdict(pin=True)


def environment(settings: Mapping[str, Value]) -> dict[str, str]:
    """The variables that Woodpecker makes of settings; a secret's value is shown as `<secret name>`. Facts 37."""
    return {f"PLUGIN_{re.sub('[.-]', '_', key).upper()}": _text(value) for key, value in settings.items()}


def _text(value: Value) -> str:
    if isinstance(value, list) and not any(isinstance(item, (list, Mapping)) for item in value):
        return ",".join(map(_text, value))
    if isinstance(value, Mapping) and set(value) == {"from_secret"}:
        return f"<secret {value['from_secret']}>"
    if isinstance(value, (list, Mapping)):
        from json import dumps

        return dumps(_revealed(value), separators=(",", ":"))
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def _revealed(value: Value) -> Value:
    """A value with every secret in it put in its place."""
    if isinstance(value, Mapping) and set(value) != {"from_secret"}:
        return {key: _revealed(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_revealed(inner) for inner in value]
    return _text(value) if isinstance(value, Mapping) else value


def buildx_arguments(plugin: Plugin, settings: Mapping[str, Value]) -> list[str]:
    """The arguments of `buildx` that name registries: --config, -t, --push, --output, --cache-from, --cache-to.

    Every option and its value are two elements. The value of --config is the content of the file, buildkit_config;
    `auto_tag` counts as the tag latest. Raises ValueError for another plugin and for an unknown version.
    """
    row = plugin.row
    if row is None or plugin.kind == "other":
        raise ValueError(f"{plugin.repository}:{plugin.tag} is no known version of {BUILDX}")
    values = environment(settings)
    arguments: list[str] = []
    if plugin.honours_config and (config := values.get("PLUGIN_BUILDKIT_CONFIG")):
        arguments += ("--config", config)
    tags = _split(values.get("PLUGIN_TAGS") or values.get("PLUGIN_TAG") or "latest")
    arguments += (
        part for name in _split(values.get("PLUGIN_REPO", "")) for tag in tags for part in ("-t", f"{name}:{tag}")
    )
    if output := values.get("PLUGIN_OUTPUT"):
        arguments += ("--output", output)
    elif values.get("PLUGIN_DRY_RUN") != "true":
        arguments.append("--push")
    return arguments + _cache_arguments(row, values)


def _cache_arguments(row: Row, values: Mapping[str, str]) -> list[str]:
    arguments: list[str] = []
    for image in _read(row.cache_images, values.get("PLUGIN_CACHE_IMAGES", "")):
        target = f"type=registry,ref={image},mode=max,image-manifest=true,oci-mediatypes=true"
        arguments += ("--cache-from", image, "--cache-to", target)
    for source in _read(row.cache_from, values.get("PLUGIN_CACHE_FROM", "")):
        arguments += ("--cache-from", source)
    for target in _read(row.cache_to, values.get("PLUGIN_CACHE_TO", "")):
        arguments += ("--cache-to", target)
    return arguments


def _read(form: Form, value: str) -> list[str]:
    """A variable's text as a version reads it. Facts 33."""
    if form is Form.STRING:
        return [value] if value else []
    if form is Form.ESCAPED_LIST:
        return [part.replace("\\,", ",") for part in re.split(r"(?<!\\),", value) if part]
    return _split(value) if form is Form.LIST else []


def _split(value: str) -> list[str]:
    """Parts between commas; the server has replaced `${…}` before, so commas in there do not count."""
    parts = re.findall(r"(?:\$\{[^}]*\}|[^,])+", value)
    return [part.strip() for part in parts if part.strip()]
