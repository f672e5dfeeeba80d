"""A registry that accepts pushes asks for a login.

Whoever reaches an open one can write the build cache, and with that put code into every image that is built from it;
overwrite tags; fill the disk; pull everything. Set `auth = "htpasswd"` under `[registry]` in codemod.toml, with the
names of the pipelines' secrets, and add the section to the configuration.

Not for: mirrors and read-only registries; registries that nginx does not pass requests on to, or for which it asks for
a login itself, or lets in certain addresses or methods only.

Evidence: facts 5, 41.
"""

from __future__ import annotations

from collections.abc import Iterator

from codemods.engine.context import Context
from codemods.engine.model import Finding, Impact, Outcome, Related, Role, Severity, rule
from codemods.facts.nginx import Location, Server
from codemods.facts.registries import Registry
from codemods.formats.nginx import Directive
from codemods.formats.yaml import text_of
from codemods.repository import Document
from codemods.rules.registry.configuration import READONLY, is_unknown

_GUARDS = ("auth_basic", "auth_request", "auth_jwt")


@rule(
    "registry-require-auth",
    Role.REGISTRY,
    severity=Severity.WARNING,
    impact=Impact.RESTART,
    since="0.1.0",
    cross=True,
)
def check(context: Context, document: Document) -> Iterator[Outcome]:
    """Yield a finding for each open registry with this configuration."""
    for registry in context.registries:
        if registry.path == document.path and registry.root and registry.root.pairs and _is_open(registry):
            way = _way_in(context, registry)
            place = registry.pair("auth") or registry.pair("http") or registry.root.pairs[0]
            if way:
                message = (
                    f"{registry.service.name} accepts pushes from everyone who reaches nginx: give it an auth "
                    "section (htpasswd), and its pipelines a login"
                )
                yield Finding(place.key.start, place.key.end, message, related=(way,))


def _is_open(registry: Registry) -> bool:
    """Whether it accepts pushes without a login, as far as its file and its environment say."""
    may_be_guarded = registry.service.may_set(
        "REGISTRY_AUTH", "REGISTRY_AUTH_HTPASSWD_REALM", "REGISTRY_PROXY_REMOTEURL"
    )
    is_readonly = (registry.text(*READONLY, "enabled") or "").lower() in ("true", "yes", "on")
    is_templated = is_unknown(text_of(registry.value("auth")))
    return registry.accepts_pushes and not (registry.has_auth or may_be_guarded or is_readonly or is_templated)


def _way_in(context: Context, registry: Registry) -> Related | None:
    """The first location of nginx through which anybody reaches it."""
    service = registry.service
    names = {service.name, service.container, *service.names}
    for server in context.nginx.servers if context.nginx and context.stack.nginx else ():
        for location in server.locations:
            hosts = {address.host for address in location.target.addresses} if location.target else set()
            if hosts & names and not _is_guarded(server, location):
                return Related(context.stack.nginx or "", location.directive.start, "nginx passes requests on here")
    return None


def _is_guarded(server: Server, location: Location) -> bool:
    """Whether nginx itself lets in only some: by login, certificate, address, or method."""
    settings = [setting.args for name in _GUARDS if (setting := location.setting(name))]
    verify = location.setting("ssl_verify_client")
    is_local = bool(server.listens) and all(item.address.startswith(("127.", "[::1]")) for item in server.listens)
    return (
        any(args != ["off"] for args in settings)
        or (verify is not None and verify.args == ["on"])
        or any(directive.name == "deny" and directive.args == ["all"] for directive in _access(location))
        or is_local
    )


def _access(location: Location) -> Iterator[Directive]:
    """What stands beside the `deny` that counts in a location, and what its `limit_except` blocks hold."""
    nearest = location.setting("deny")
    yield from location.file.siblings(nearest) if nearest else ()
    for block in location.directive.all("limit_except"):
        yield from block.block or ()
