"""Which image a step must run so that its build can use the private registry."""

from __future__ import annotations

from codemods.caching.plugin import identify, verdict
from codemods.caching.step_edits import StepEdits
from codemods.engine.context import Context
from codemods.errors import CannotEdit, SettingsError
from codemods.facts.pipelines import Build
from codemods.formats.yaml import Scalar, YamlFile, resolve
from codemods.formats.yaml_edits import replace_scalar


def pin_image(context: Context, file: YamlFile, step: StepEdits) -> None:
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
    from codemods.facts.privileged import is_privileged

    allowed = context.stack.plugins_privileged
    if allowed is None or is_privileged(allowed, image):
        return
    raise CannotEdit(
        f"{image} is not privileged by {context.stack.plugins_privileged_at}: {allowed}",
        f"add {image.split(':')[0]} without a tag, or {image}, to that line",
        build.image.value.start,
    )
