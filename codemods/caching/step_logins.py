"""The logins of a step: its own credentials by name, and those for the private registry when that asks for them."""

from __future__ import annotations

from codemods.caching.step_edits import StepEdits
from codemods.engine.context import Context
from codemods.errors import CannotEdit
from codemods.facts.pipelines import Build
from codemods.facts.references import login_host, with_scheme
from codemods.formats.yaml import Mapping, Node, Sequence, YamlFile, resolve, text_of
from codemods.formats.yaml_edits import add_pairs, append_item, copied, remove_item, remove_pair

DOCKER_HUB = "https://index.docker.io/v1/"


def step_logins(context: Context, file: YamlFile, step: StepEdits) -> None:
    """Bring `logins` to what the settings say; entries for other registries are left alone."""
    build, registry = step.build, context.settings.registry
    repo, logins = build.setting("repo"), build.setting("logins")
    wanted = registry.auth == "htpasswd" and bool(registry.username_secret and registry.password_secret)
    if repo is None:
        return
    if logins is None:
        entries = _own_entry(file, build)
        if wanted and not _logs_in_already(build, registry.host):
            entries.append(_entry(context))
        if entries:
            pair, owner = repo
            edits = add_pairs(file, owner, {"logins": entries}, after=pair)
            step.change(owner, edits, (*file.path_of(owner), "logins"), "logins")
        return
    value = resolve(logins[0].value)
    if isinstance(value, Sequence):
        _change(context, file, step, value, wanted=wanted)
    elif wanted:
        raise CannotEdit("logins is no list", f"write it as a list, with {registry.host} in it", logins[0].value.start)


def _own_entry(file: YamlFile, build: Build) -> list[object]:
    """The step's own credentials, which stand alone, under the registry they are for."""
    username, password, registry = (build.setting(name) for name in ("username", "password", "registry"))
    if username is None or password is None:
        return []
    return [
        {
            "registry": copied(file, registry[0].value) if registry else DOCKER_HUB,
            "username": copied(file, username[0].value),
            "password": copied(file, password[0].value),
        }
    ]


def _entry(context: Context) -> dict[str, object]:
    registry = context.settings.registry
    return {
        "registry": with_scheme(registry.host, registry.scheme),
        "username": {"from_secret": registry.username_secret},
        "password": {"from_secret": registry.password_secret},
    }


def _logs_in_already(build: Build, host: str) -> bool:
    """Whether the step's own credentials are for the private registry."""
    return build.setting("username") is not None and login_host(text_of(build.value("registry")) or "") == host.lower()


def _change(context: Context, file: YamlFile, step: StepEdits, logins: Sequence, *, wanted: bool) -> None:
    """Add our entry to a list of logins, take it out, or give it the scheme of today."""
    host, path = context.settings.registry.host, file.path_of(logins)
    entries = [(number, item) for number, item in enumerate(logins.items) if host_of(item) == host.lower()]
    if wanted and not entries:
        step.change(logins, append_item(file, logins, _entry(context)), (*path, "+"), f"login to {host}")
    for number, item in entries:
        if not wanted and context.settings.registry.auth == "none" and is_our_form(item):
            _remove(file, step, logins, number)


def _remove(file: YamlFile, step: StepEdits, logins: Sequence, number: int) -> None:
    what = "no login to an open registry"
    found = step.build.setting("logins")
    if len(logins.items) > 1 or found is None:
        step.change(logins, [remove_item(file, logins, number)], (*file.path_of(logins), "-"), what)
    else:
        pair, owner = found
        step.change(owner, [remove_pair(file, owner, pair)], (*file.path_of(owner), "logins"), what)


def host_of(item: Node) -> str | None:
    """The host of an entry, as Docker keeps it."""
    entry = resolve(item)
    return login_host(text_of(entry.value("registry")) or "") if isinstance(entry, Mapping) else None


def is_our_form(item: Node) -> bool:
    """Whether an entry has the form that we write: a registry and two secrets."""
    entry = resolve(item)
    if not isinstance(entry, Mapping) or [pair.name for pair in entry.pairs] != ["registry", "username", "password"]:
        return False
    secrets = [resolve(pair.value) for pair in entry.pairs[1:]]
    return all(isinstance(one, Mapping) and [pair.name for pair in one.pairs] == ["from_secret"] for one in secrets)
