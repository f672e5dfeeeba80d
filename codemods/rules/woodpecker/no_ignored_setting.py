"""Use only settings that the step's plugin image reads.

A plugin gets its settings as environment variables; one that it does not know is ignored without a word. From 5.0 on
the standard images of the buildx plugin ignore `buildkit_config` and `buildkit_driveropt`, only the `-insecure` ones
read them: a registry over http then stays unknown to BuildKit. Other keys come from other plugins (`cache`,
`cache_repo` and `use_cache` from kaniko and the older Docker plugin) and never were settings of this one.

Not for: images whose version nobody can know; keys that are simply not in our list of well-known mistakes.

Evidence: facts 32, 35, 37.
"""

from __future__ import annotations

from collections.abc import Iterator

from codemods.caching.plugin import Config
from codemods.engine.context import Context
from codemods.engine.model import Finding, Impact, Role, rule
from codemods.facts.pipelines import Build, normal_key
from codemods.repository import Document
from codemods.rules.woodpecker.steps import buildx_steps, finding, pairs_of, version_of

_INSECURE_ONLY = ("buildkit_config", "buildkit_driveropt")
_CACHE = "cache_from and cache_to"
_MISTAKEN = {
    "cache": _CACHE,
    "cache_enabled": _CACHE,
    "cache_image": "cache_images",
    "cache_registry": _CACHE,
    "cache_repo": _CACHE,
    "cache_ttl": "a retention rule of the registry",
    "enable_cache": _CACHE,
    "use_cache": _CACHE,
    "buildkit_conf": "buildkit_config",
    "buildkitd_config": "buildkit_config",
    "driver_opts": "buildkit_driveropt",
    "insecure_registries": "buildkit_config, or https",
    "insecure_registry": "buildkit_config, or https",
    "skip_tls_verify": "buildkit_config, or https",
    "docker_file": "dockerfile",
    "repos": "repo",
    "repository": "repo",
    "tags_list": "tags",
}
"""Keys that no version has, by what people look for when they write them."""


@rule("woodpecker-no-ignored-setting", Role.PIPELINE, impact=Impact.PIPELINE, since="0.1.0")
def check(context: Context, document: Document) -> Iterator[Finding]:
    """Yield a finding for each setting that has no effect; one that steps share is named once."""
    seen = set()
    for build in buildx_steps(document):
        for name, pair in pairs_of(build.settings):
            reason = _ignored(build, normal_key(name))
            if reason and pair.key.start not in seen:
                seen.add(pair.key.start)
                yield finding(build, pair.key, f"{version_of(build)} ignores {name}{reason}")


def _ignored(build: Build, key: str) -> str:
    if key in _MISTAKEN:
        return f": it has no such setting; use {_MISTAKEN[key]}"
    row = build.plugin.row
    if key not in _INSECURE_ONLY or row is None or row.buildkit_config is Config.ALL or build.plugin.insecure:
        return ""
    return ", as all images since 5.0 without -insecure in their tag; use such a tag (5.2.2-insecure), or https"
