"""Write a scheme before a registry in `logins` that Go cannot read as a URL without one.

The plugin reads every registry of `logins` as a URL while it prepares BuildKit. `reg.lan:5000` passes, its host taken
for a scheme; an address with a port, or a host with a port that begins with a digit or holds an underscore, stops the
step: `first path segment in URL cannot contain colon`. With `http://` or `https://` in front every form passes, and
Docker keeps the same login.

Not for: steps with a `buildkit_config` that their image reads, where the plugin prepares nothing; versions before 3.1
and unknown ones; values with variables.

Evidence: facts 36.
"""

from __future__ import annotations

from collections.abc import Iterator

from codemods.engine.context import Context
from codemods.engine.model import Finding, Impact, Role, rule
from codemods.errors import CannotEdit
from codemods.facts.references import logins_of, needs_scheme, with_scheme
from codemods.formats.yaml import Scalar
from codemods.repository import Document
from codemods.rules.woodpecker.steps import buildx_steps, finding, is_shared, version_of


@rule("woodpecker-require-login-scheme", Role.PIPELINE, impact=Impact.PIPELINE, since="0.1.0")
def check(context: Context, document: Document) -> Iterator[Finding]:
    """Yield a finding for each such registry, with the scheme as its fix."""
    file, seen = document.yaml, set()
    for build in buildx_steps(document):
        row = build.plugin.row
        configured = build.value("buildkit_config") is not None and (
            build.plugin.honours_config or build.plugin.insecure
        )
        if row is None or not row.parses_logins or configured:
            continue
        for login in logins_of(build) or ():
            node = login.registry
            if not isinstance(node, Scalar) or node in seen or not needs_scheme(node.value):
                continue
            from codemods.formats.yaml_edits import replace_scalar

            seen.add(node)
            new = with_scheme(node.value, _scheme(context, login.host or ""))
            message = f"{version_of(build)} stops at the login registry {node.value}; write {new}"
            try:
                edits = () if is_shared(file, build, node) else (replace_scalar(file, node, new),)
            except CannotEdit:
                edits = ()
            yield finding(build, node, message, edits=edits, writes=(file.path_of(node),) if edits else ())


def _scheme(context: Context, host: str) -> str:
    """That of the private registry for its own host; else https, which is what Docker tries first."""
    for registry in context.settings.registries:
        if host in {f"{name}:{registry.port}" for name in (registry.hostname, registry.address) if name}:
            return registry.scheme
    return "https"
