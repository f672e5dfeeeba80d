"""Sections of registry configurations have all that Distribution needs of them.

It does not fill in what is missing: upload purging without one of its settings, a `readonly` that is no section, and
logins without realm or path stop the registry at its start. Without `http.addr` it starts and listens on any free port,
where neither nginx nor a health check finds it.

Not for: what the service's environment may give (a single file does not show it: there the address and the logins are
left out); purging with `enabled: false`, which needs nothing else.

Evidence: facts 2, 5.
"""

from __future__ import annotations

from collections.abc import Iterator

from codemods.engine.context import Context
from codemods.engine.model import Finding, Impact, Outcome, Role, rule
from codemods.formats.yaml import Mapping, Node, Pair, Scalar, merged, resolve, text_of
from codemods.formats.yaml_edits import pair_end
from codemods.repository import Document
from codemods.rules.registry.configuration import (
    PURGING,
    READONLY,
    Configuration,
    Path,
    is_unknown,
    purges,
    read_configuration,
)

_NEEDED: dict[Path, tuple[str, ...]] = {
    PURGING: ("age", "interval", "dryrun"),
    READONLY: (),
    ("storage", "redirect"): ("disable",),
    ("auth", "htpasswd"): ("realm", "path"),
    ("auth", "token"): ("realm", "service", "issuer", "rootcertbundle"),
    ("auth", "silly"): ("realm", "service"),
}
"""The keys without which a section stops the registry; one that needs none must at least be a section."""
_ONLY_2 = (("storage", "redirect"), ("auth", "token"))
_NULL = ("", "~", "null", "Null", "NULL")


@rule("registry-require-complete-section", Role.REGISTRY, impact=Impact.RESTART, since="0.1.0")
def check(context: Context, document: Document) -> Iterator[Outcome]:
    """Yield a finding for each section that lacks something, and one for a missing address."""
    configuration = read_configuration(context, document)
    if configuration is None:
        return
    yield from _address(configuration)
    for path, names in _NEEDED.items():
        pair = configuration.pair(*path) or _short_form(configuration, path)
        is_read = path != PURGING or purges(configuration)
        if pair and is_read and not (path in _ONLY_2 and 3 in configuration.majors):
            yield from _lacks(configuration, pair, path, names)


def _address(configuration: Configuration) -> Iterator[Finding]:
    address, http = configuration.pair("http", "addr"), configuration.pair("http")
    is_given = address is not None and not _is_null(address.value) and text_of(address.value) != ""
    is_templated = http is not None and is_unknown(text_of(http.value))
    if is_given or is_templated or configuration.may_be_set_elsewhere("http", "addr"):
        return
    key = (address or http or configuration.root.pairs[0]).key
    message = "no http.addr: the registry listens on any free port; write addr: :5000 into the section http"
    yield Finding(key.start, key.end, message)


def _short_form(configuration: Configuration, path: Path) -> Pair | None:
    """`auth: htpasswd`, which is the section without anything in it."""
    pair = configuration.pair(path[0])
    return pair if pair and text_of(pair.value) == path[1] and path[0] == "auth" else None


def _lacks(configuration: Configuration, pair: Pair, path: Path, names: tuple[str, ...]) -> Iterator[Finding]:
    section, where = resolve(pair.value), ".".join(path)
    if is_unknown(text_of(section)) or configuration.may_be_set_elsewhere(*path):
        return
    pairs = reversed(list(merged(section))) if isinstance(section, Mapping) else ()
    known = {inner.name: inner.value for inner, _ in pairs}
    if any(is_unknown(name) for name in known):
        return
    lacking = [
        name for name in names if _is_null(known.get(name)) and not configuration.may_be_set_elsewhere(*path, name)
    ]
    if lacking:
        message = f"{where} has no {' and no '.join(lacking)}, which stops the registry at its start; add it"
        yield Finding(pair.key.start, pair.key.end, message)
    elif not isinstance(section, Mapping):
        shown = text_of(section) or "true"
        message = f"{where} is a section: this stops the registry at its start; write enabled: {shown} below it"
        yield Finding(pair.key.start, pair_end(pair), message)


def _is_null(node: Node | None) -> bool:
    value = resolve(node) if node else None
    return value is None or (isinstance(value, Scalar) and not value.style and value.value in _NULL)
