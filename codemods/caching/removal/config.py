"""Delete the private registry's configuration, when it is what the recipe writes under any settings.

One that somebody has changed stays, and is named: the registry is gone, so nothing reads it.
"""

from __future__ import annotations

from collections.abc import Iterator

from codemods.caching.production import USERS
from codemods.caching.registry_config import config_text
from codemods.engine.context import Context
from codemods.engine.difference import Data
from codemods.engine.edits import Edit
from codemods.engine.model import Finding, Impact, Note, Outcome, Refusal, Role, rule
from codemods.formats.yaml import parse
from codemods.repository import Document
from codemods.settings import RegistrySettings


@rule("registry-add-private-config", Role.CONFIG, impact=Impact.RECREATE, since="0.1.0", task="1")
def check(context: Context, document: Document) -> Iterator[Outcome]:
    """Yield the file's removal."""
    if not document.exists:
        return
    registry = context.settings.registry
    if users := [name for name in _users(context) if name != registry.service]:
        yield Note(f"{', '.join(users)} uses this configuration: it stays")
    elif not document.yaml.comments and _data(document) == _written(registry):
        whole = Edit(0, len(document.text), "")
        yield Finding(0, 0, f"without the configuration of {registry.service}", (whole,), ((),))
    else:
        yield Refusal(
            0, "it says more than the recipe writes", "delete it by hand, when nothing reads it", partial=True
        )


def _users(context: Context) -> list[str]:
    """The services that mount a file of this name."""
    services = context.compose.services.values() if context.compose else ()
    ending = f"/{context.settings.registry.config_name}"
    return [one.name for one in services if any(f"/{mount.source}".endswith(ending) for mount in one.mounts)]


def _written(registry: RegistrySettings) -> Data:
    """What the recipe's file says, without what depends on the settings."""
    return parse(config_text(registry._replace(auth="none"), maxsize=False)).data


def _data(document: Document) -> Data:
    """What the file says, without what depends on the settings: `maxsize`, and the section for logins."""
    data = parse(document.text).data
    if not isinstance(data, dict):
        return data
    logins = parse(f"htpasswd:\n  realm: registry\n  path: {USERS}\n").data
    rest = {key: value for key, value in data.items() if key != "auth" or value != logins}
    storage = rest.get("storage")
    filesystem = storage.get("filesystem") if isinstance(storage, dict) else None
    if isinstance(storage, dict) and isinstance(filesystem, dict):
        without = {key: value for key, value in filesystem.items() if key != "maxsize"}
        rest["storage"] = {**storage, "filesystem": without}
    return rest
