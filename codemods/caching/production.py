"""What https and logins need: of the settings, in the containers, and whether the stack has them in another way.

Certificate, key and users lie beside the registry's configuration on the machine; their file names are the settings'.
A server with another certificate, or a registry with another file of users, was set up by hand and is left to that.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from codemods.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codemods.engine.context import Context
    from codemods.facts.nginx import NginxFacts, Server
    from codemods.settings import RegistrySettings, Settings
    from codemods.stack import Stack

USERS = "/auth/htpasswd"
"""Where the registry reads its users."""

_TLS = "/etc/nginx/tls"


def check_settings(settings: Settings, stack: Stack) -> None:
    """Raise SettingsError when https or logins are asked for and the settings do not say all that they need.

    A repository of pipelines only needs no certificate.
    """
    registry = settings.registry
    if not settings.verified and (registry.scheme, registry.auth) != ("http", "none"):
        what = "registry.scheme" if registry.scheme == "https" else "registry.auth"
        raise SettingsError(f'profile "as-written" has no {what}: use "verified", or leave the setting out')
    if registry.auth == "htpasswd":
        if registry.scheme == "http":
            raise SettingsError(
                'registry.auth = "htpasswd" needs registry.scheme = "https": over http passwords can be read on the '
                "way, and `docker login` in the plugin refuses such a registry"
            )
        settings.require("registry.username_secret", "registry.password_secret")
    if registry.scheme == "https" and stack.compose:
        settings.require("registry.certificate", "registry.key")


def production_notes(registry: RegistrySettings) -> Iterator[str]:
    """What https and logins need besides the repository's files."""
    if registry.scheme == "https" and registry.ca:
        login = "" if registry.auth == "htpasswd" else ", and only for a registry that `logins` names: add an entry"
        yield (
            f"{registry.ca} is an authority of your own: the plugin trusts it where its container has it as "
            f"/etc/docker/certs.d/{registry.host}/ca.crt{login}; mount it there on every CI agent"
        )
    if registry.auth == "htpasswd":
        yield (
            f"the users of the registry are {registry.users_variable}: lines of `htpasswd -nB NAME`, given to "
            f"Terraform and `codemod sync-vm` as TF_VAR_{registry.users_variable}, never in the repository"
        )
        yield (
            f"the CI server needs the secrets {registry.username_secret} and {registry.password_secret} with one of "
            "these users, before the pipelines are pushed"
        )


def certificate_target(registry: RegistrySettings) -> str:
    """Path of the certificate in nginx's container."""
    return f"{_TLS}/{registry.certificate_name}"


def key_target(registry: RegistrySettings) -> str:
    """Path of the certificate's key in nginx's container."""
    return f"{_TLS}/{registry.key_name}"


def brings_users(context: Context) -> bool:
    """Whether the registry gets its file of users from the recipe."""
    return context.settings.registry.auth == "htpasswd" and users_mounted(context) is not False


def users_mounted(context: Context) -> bool | None:
    """Whether compose mounts our file of users into the registry; None when it mounts none, False for another."""
    registry = context.settings.registry
    ours = context.compose.services.get(registry.service) if context.compose else None
    source = ours.mounted_from(USERS) if ours else None
    return None if source is None else posixpath.basename(source) == registry.users_name


def brings_certificate(context: Context) -> bool:
    """Whether nginx gets its certificate from the recipe."""
    registry = context.settings.registry
    return registry.scheme == "https" and not has_other_certificate(context.nginx, registry)


def has_other_certificate(nginx: NginxFacts | None, registry: RegistrySettings) -> bool:
    """Whether an nginx server on the registry's port has a certificate that is not ours."""
    servers = nginx.servers if nginx else ()
    names = [name for server in servers if server.listens_on(registry.port) for name in certificates(server)]
    return any(name != certificate_target(registry) for name in names)


def certificates(server: Server) -> list[str]:
    """The certificates that a server names itself."""
    return [directive.args[0] for directive in server.directive.all("ssl_certificate") if directive.args]
