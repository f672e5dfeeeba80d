"""What https and logins change in the compose file: the certificate's mounts, the users' mount, the health check.

With logins `GET /v2/` answers 401, on which a health check fails; `GET /` needs none (fact 39).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from codemods.caching.production import USERS
from codemods.engine.edits import Edit
from codemods.engine.model import Finding, Outcome
from codemods.errors import CannotEdit
from codemods.formats.yaml import Alias, Mapping, Node, Pair, Sequence, YamlFile, resolve
from codemods.formats.yaml_edits import (
    Source,
    append_item,
    block_lines,
    copied,
    indentation,
    insert_lines,
    line_end,
    lines_of,
    newline_at,
    pair_end,
    remove_item,
    remove_pair,
)

if TYPE_CHECKING:
    from codemods.engine.context import Context
    from codemods.facts.compose import Service

_PROBE = re.compile(r"(https?://)[^\s/\"':]+((?::\d+)?)/v2/?(?=[\s\"']|$)")


def probe_lines(file: YamlFile, mapping: Mapping, service: Service, *, logins: bool) -> list[str]:
    """The lines of a health check like that of a service, with `logins` one that needs none; empty for no key."""
    pair, node = mapping.get("healthcheck"), service.value("healthcheck")
    own = lines_of(file, pair) if pair else []
    is_shared = pair is None or isinstance(pair.value, Alias)
    if pair and pair.value.anchor and not is_shared:
        own, is_shared = [f"healthcheck: *{pair.value.anchor}"], True
    if names(service.short_name, own):
        return []
    if not logins or node is None:
        return own
    step, dash = indentation(file, mapping)
    lines = block_lines("healthcheck", copied(file, node), step=step, dash=dash) if is_shared else own
    return own if _open_to_all(lines) == lines else _open_to_all(lines)


def _open_to_all(lines: list[str]) -> list[str]:
    return [_PROBE.sub(r"\g<1>127.0.0.1\g<2>/", line) for line in lines]


def names(name: str, lines: list[str]) -> bool:
    """Whether lines speak of a service by its short name."""
    return re.search(rf"\b{re.escape(name)}\b", "\n".join(lines)) is not None


def bind_item(file: YamlFile, like: Node | None, source: str, target: str) -> object:
    """An item that mounts a file to be read only, written like another item."""
    node = resolve(like) if like else None
    if isinstance(node, Mapping):
        return copied(file, node) | {"source": source, "target": target, "read_only": Source("true")}
    quote = file.text[file.content_start(node)] if node else ""
    quote = quote if quote in "'\"" else ""
    return Source(f"{quote}{source}:{target}:ro{quote}")


def change_registry(
    context: Context, file: YamlFile, pair: Pair, present: Service, model: tuple[Mapping, Service], directory: str
) -> Iterator[Outcome]:
    """What the registry's service, there already, lacks for logins, or has too much without them."""
    mapping = resolve(pair.value)
    if not isinstance(mapping, Mapping):
        return
    name, where = present.name, ("services", present.name)
    wanted = context.settings.registry.auth == "htpasswd"
    source = present.mounted_from(USERS)
    if source is not None and posixpath.basename(source) != context.settings.registry.users_name:
        return
    if wanted != (source is not None):
        message = f"{name} has no users" if wanted else f"{name} still has users"
        users = {USERS: context.settings.registry.users_name}
        edits = mounts(file, mapping, present, _config_mount(present), users, wanted=wanted, directory=directory)
        sign = "+" if wanted else "-"
        yield Finding(pair.key.start, pair.key.end, message, tuple(edits), ((*where, "volumes", sign),))
    texts = [probe_lines(file, *model, logins=logins) for logins in (wanted, not wanted)]
    check = mapping.get("healthcheck")
    now = lines_of(file, check) if check else []
    new = texts[0] if now == texts[1] else _open_to_all(now) if wanted else now
    if new != now:
        edit = _replaced(file, mapping, check, new)
        message = f"the health check of {name} asks for what needs {'a' if wanted else 'no'} login"
        yield Finding(pair.key.start, pair.key.end, message, (edit,), ((*where, "healthcheck"),))


def _config_mount(service: Service) -> Node | None:
    """The item that mounts a registry's configuration."""
    return next((mount.node for mount in service.mounts if mount.target == service.config_target), None)


def mounts(
    file: YamlFile,
    mapping: Mapping,
    service: Service,
    like: Node | None,
    files: dict[str, str],
    *,
    wanted: bool,
    directory: str,
) -> list[Edit]:
    """Mounts of files, by target and name, put behind another item, or taken out."""
    pair = mapping.get("volumes")
    if pair is None or not isinstance(pair.value, Sequence) or not pair.value.items:
        raise CannotEdit(
            f"{service.name} has no list `volumes` of its own", f"mount {', '.join(files)} by hand", mapping.start
        )
    sequence = pair.value
    if not wanted:
        nodes = [mount.node for mount in service.mounts if mount.target in files]
        return [remove_item(file, sequence, index) for index, item in enumerate(sequence.items) if item in nodes]
    items = [bind_item(file, like, f"{directory}/{name}", target) for target, name in files.items()]
    after = sequence.items.index(like) if like in sequence.items else -1
    return append_item(file, sequence, *items, after=after)


def _replaced(file: YamlFile, mapping: Mapping, pair: Pair | None, lines: list[str]) -> Edit:
    """The edit that writes lines in place of a pair of a block mapping, or at its end; no lines take the pair out."""
    if pair is None:
        return insert_lines(file, pair_end(mapping.pairs[-1]), lines, file.column(mapping.pairs[0].key.start))
    if not lines:
        return remove_pair(file, mapping, pair)
    start, newline = pair.key.start, newline_at(file.text, pair.key.start)
    margin = newline + " " * file.column(start)
    return Edit(start, line_end(file.text, pair_end(pair)), margin.join(lines))
