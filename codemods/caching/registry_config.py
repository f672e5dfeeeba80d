"""Create the configuration of the private registry.

A registry takes pushes when its configuration has no `proxy` section. The file is the plan's, with the name and the
storage from the settings. Profile `verified` leaves `maxsize` out: Distribution has no such key and silently ignores
it, so the line promises a cap that nobody keeps.

With `registry.auth = "htpasswd"` it has an `auth` section that names the file of users; with `none` again that goes.

A configuration that is there already is left as it is, as long as it can serve pipelines.

Not for: the pull-through registries beside it; their configurations are never touched.

Evidence: facts 1, 2, 5, 7.
"""

from __future__ import annotations

from collections.abc import Iterator

from codemods.caching.production import USERS, users_mounted
from codemods.engine.context import Context
from codemods.engine.difference import Data
from codemods.engine.edits import Edit
from codemods.engine.model import Finding, Impact, Outcome, Refusal, Role, rule
from codemods.formats.yaml import Mapping, Node, duplicate_key, parse, text_of
from codemods.formats.yaml_edits import add_pairs, newline_at, remove_pair
from codemods.repository import Document
from codemods.settings import RegistrySettings

_TEXT = """\
version: 0.1
log:
  fields:
    service: {service}
storage:
  cache:
    blobdescriptor: inmemory
  filesystem:
    rootdirectory: /var/lib/registry
    maxsize: {storage}
  delete:
    enabled: true
  maintenance:
    uploadpurging:
      enabled: true
      age: 168h
      interval: 4h
      dryrun: false
http:
  addr: :5000
  headers:
    X-Content-Type-Options: [nosniff]
health:
  storagedriver:
    enabled: true
    interval: 10s
    threshold: 3
"""
_LOGINS = {"htpasswd": {"realm": "registry", "path": USERS}}
_AUTH = f"""\
auth:
  htpasswd:
    realm: registry
    path: {USERS}
"""
_OTHER_CONTENT = "rename one of the two: set registry.name in codemod.toml, or move this file"


@rule("registry-add-private-config", Role.CONFIG, impact=Impact.RECREATE, since="0.1.0", task="1")
def check(context: Context, document: Document) -> Iterator[Outcome]:
    """Yield the file's creation, the removal of its `maxsize`, and its section for logins, added or taken out."""
    registry = context.settings.registry
    if not document.exists:
        compose = context.document(context.stack.compose).text if context.stack.compose else ""
        text = config_text(registry, maxsize=not context.settings.verified)
        if newline_at(compose, 0) == "\r\n":
            text = text.replace("\n", "\r\n")
        yield Finding(0, 0, f"{registry.service} has no configuration", (Edit(0, 0, text),), ((),))
        return
    root = document.yaml.root
    if root is None or duplicate_key(root):
        yield Refusal(0, "exists, but is no registry configuration", _OTHER_CONTENT)
        return
    if reason := _cannot_serve(root):
        yield Refusal(reason[1], f"exists with other content: {reason[0]}", _OTHER_CONTENT)
        return
    yield from _logins(context, document, root)
    storage = root.value("storage")
    filesystem = storage.value("filesystem") if isinstance(storage, Mapping) else None
    maxsize = filesystem.get("maxsize") if isinstance(filesystem, Mapping) else None
    if isinstance(filesystem, Mapping) and maxsize and context.settings.verified:
        yield Finding(
            maxsize.key.start,
            maxsize.value.end,
            f"maxsize: {text_of(maxsize.value)} is no key of Distribution and caps nothing; it goes",
            (remove_pair(document.yaml, filesystem, maxsize),),
            (("storage", "filesystem", "maxsize"),),
        )
    elif not context.settings.verified and _without_logins(document) == _verified(registry):
        yield Refusal(
            0,
            "already migrated with profile verified; as-written would bring back maxsize, which caps nothing",
            'keep profile = "verified"',
        )


def config_text(registry: RegistrySettings, *, maxsize: bool) -> str:
    """The whole file; `maxsize` is the plan's line that profile `verified` leaves out."""
    text = _TEXT.format(service=registry.service, storage=registry.storage)
    if registry.auth == "htpasswd":
        text = text.replace("health:\n", f"{_AUTH}health:\n")
    return text if maxsize else text.replace(f"    maxsize: {registry.storage}\n", "")


def _without_logins(document: Document) -> dict[str, Data]:
    return {key: value for key, value in document.yaml.data.items() if key != "auth"}


def _verified(registry: RegistrySettings) -> Data:
    return parse(config_text(registry._replace(auth="none"), maxsize=False)).data


def _logins(context: Context, document: Document, root: Mapping) -> Iterator[Outcome]:
    """The section that asks for a login, when the settings want it and it is missing, or the other way round."""
    auth, http = root.get("auth"), root.get("http")
    if context.settings.registry.auth == "none":
        if auth and users_mounted(context):
            edit = remove_pair(document.yaml, root, auth)
            yield Finding(auth.key.start, auth.key.end, "it asks for a login; that goes", (edit,), (("auth",),))
    elif auth is None:
        edits = add_pairs(document.yaml, root, {"auth": _LOGINS}, after=http)
        yield Finding(0, 0, "it asks for no login", tuple(edits), (("auth",),))
    elif not _reads(auth.value, USERS):
        yield Refusal(
            auth.key.start,
            "its auth section is another one",
            f'write htpasswd with path: {USERS} there, or set registry.auth = "none" in codemod.toml',
        )


def _reads(auth: Node, path: str) -> bool:
    """Whether a section for logins takes its users from a file."""
    htpasswd = auth.value("htpasswd") if isinstance(auth, Mapping) else None
    return isinstance(htpasswd, Mapping) and text_of(htpasswd.value("path")) == path


def _cannot_serve(root: Mapping) -> tuple[str, int] | None:
    """Why this configuration cannot serve pipelines, and where."""
    if proxy := root.get("proxy"):
        return "its proxy section makes the registry pull-only", proxy.key.start
    http = root.value("http")
    address = http.get("addr") if isinstance(http, Mapping) else None
    if address is None or not (text_of(address.value) or "").endswith(":5000"):
        return "it does not listen on port 5000", address.value.start if address else 0
    storage = root.value("storage")
    filesystem = storage.value("filesystem") if isinstance(storage, Mapping) else None
    directory = filesystem.get("rootdirectory") if isinstance(filesystem, Mapping) else None
    if directory and text_of(directory.value) != "/var/lib/registry":
        return f"its data lies in {text_of(directory.value)}", directory.value.start
    return None
