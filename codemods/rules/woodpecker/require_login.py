"""Log in to every registry that a step pushes to, when it pushes to several.

`username` and `password` log in to one registry, `registry` or else Docker Hub; every other one needs an entry in
`logins`. Docker keeps a login under host and port, whatever scheme or path it was written with; an entry without the
port is a login to another registry, and the push gets 401. A private registry asks for credentials as soon as its
configuration has an `auth` section, for the cache as much as for images.

Where the settings name the secrets of the private registry, the fix adds its entry. A step that the recipe has yet to
change, or with credentials of its own and no `logins`, is left to the recipe first.

Not for: steps with `secrets`, `environment` or `volumes`, which may hold credentials that are not seen here; outside of
the stack also steps without any credentials, and hosts that may be open to all (an address, a local name, a port).

Evidence: facts 36, 41.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from codemods.engine.context import Context
from codemods.engine.edits import Edit
from codemods.engine.model import Finding, Impact, Role, rule
from codemods.errors import CannotEdit
from codemods.facts.pipelines import Build, parts
from codemods.facts.references import CACHE_KEYS, cache_entries, logins_of, registry_of, with_scheme
from codemods.formats.yaml import Node, Sequence
from codemods.repository import Document
from codemods.rules.woodpecker.steps import buildx_steps, finding, is_shared, left_to_recipe

_MAY_BE_OPEN = re.compile(
    r"[^.]*(?::\d+)?|.*:\d+|\d+(?:\.\d+){3}|.*\.(?:lan|local|localdomain|home|internal|intranet|arpa|svc|test)"
)

Fix = tuple[tuple[Edit, ...], tuple[tuple[str, ...], ...]]


@rule("woodpecker-require-login", Role.PIPELINE, impact=Impact.PIPELINE, since="0.1.0", cross=True)
def check(context: Context, document: Document) -> Iterator[Finding]:
    """Yield a finding for each step and registry, at the first reference to it."""
    for build in buildx_steps(document):
        logins = logins_of(build)
        if logins is None:
            continue
        done = {login.host for login in logins if login.has_credentials}
        fixed = False
        for node, host in _needed(context, build, has_logins=bool(done)):
            if host in done:
                continue
            done.add(host)
            edits, writes = ((), ()) if fixed else _fix(context, document, build, host)
            fixed = fixed or bool(edits)
            near = [login.host for login in logins if login.host == host.partition(":")[0]]
            other = f" ({near[0]} without the port is another registry)" if near and near[0] != host else ""
            message = f"it needs a login to {host} and has none{other}; add an entry for it to logins"
            yield finding(build, node, message, edits=edits, writes=writes)


def _needed(context: Context, build: Build, *, has_logins: bool) -> Iterator[tuple[Node, str]]:
    """The registries that ask for credentials: those of the stack that do, and others that are open to nobody."""
    targets = (parts(build.value("repo")) or []) if build.pushes else []
    for node, reference in targets:
        host = registry_of(reference)
        endpoint = context.endpoints.get(host or "")
        foreign = has_logins and len(targets) > 1 and not _MAY_BE_OPEN.fullmatch(host or "")
        if host and (endpoint.has_auth if endpoint else foreign):
            yield node, host
    for key in CACHE_KEYS:
        for entry in cache_entries(build, key):
            host = registry_of(entry.reference) if entry.type == "registry" and entry.reference else None
            if host and host in context.endpoints and context.endpoints[host].has_auth:
                yield entry.node, host


def _fix(context: Context, document: Document, build: Build, host: str) -> Fix:
    """Add the private registry's entry, when the settings name its secrets."""
    from codemods.formats.yaml_edits import add_pairs, append_item

    registry, file = context.settings.registry, document.yaml
    ours = context.endpoints.get(host)
    if not (registry.username_secret and registry.password_secret and ours and ours.service == registry.service):
        return (), ()
    if build.image.key.start in left_to_recipe(context, document):
        return (), ()
    entry = {
        "registry": with_scheme(host, ours.scheme),
        "username": {"from_secret": registry.username_secret},
        "password": {"from_secret": registry.password_secret},
    }
    logins, repo = build.value("logins"), build.setting("repo")
    try:
        if isinstance(logins, Sequence) and not is_shared(file, build, logins):
            return tuple(append_item(file, logins, entry)), ((*file.path_of(logins), "+"),)
        if logins is None and repo and not build.setting("username") and not is_shared(file, build, repo[1]):
            edits = add_pairs(file, repo[1], {"logins": [entry]}, after=repo[0])
            return tuple(edits), ((*file.path_of(repo[1]), "logins"),)
    except CannotEdit:
        pass
    return (), ()
