"""Which machines: from the settings, from `--host`, or from a pyinfra inventory, which is Python code that runs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codemods.credentials import configuration_directory, find_credentials
from codemods.errors import CodemodError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyinfra.api.host import Host

    from codemods.settings import VmSettings

SUDO_PASSWORD = "CODEMOD_VM_SUDO_PASSWORD"
_HOST = re.compile(r"(?:ssh://)?(?:(?P<user>[^@/]+)@)?(?P<host>\[[^\]]+\]|[^:@/]+)(?::(?P<port>\d+))?")


def known_hosts_file(settings: VmSettings) -> Path:
    """The file with the pinned host keys."""
    if settings.known_hosts:
        return Path(settings.known_hosts).expanduser()
    return configuration_directory() / "known_hosts"


def host_names(settings: VmSettings, chosen: Sequence[str]) -> list[str]:
    """The machines to work on, each once. Raises SettingsError when there is none."""
    names = list(dict.fromkeys(chosen or settings.hosts))
    if not names:
        raise SettingsError("vm.hosts is not set: run `codemod init`, or pass --host root@HOST")
    return names


def host_data(name: str) -> dict[str, Any]:
    """pyinfra's data for a host given as [USER@]HOST[:PORT]; what is not given comes from ssh_config.

    Raises SettingsError.
    """
    match = _HOST.fullmatch(name)
    if not match or name.startswith("-"):
        raise SettingsError(f"--host {name}: [USER@]HOST[:PORT] is expected")
    data: dict[str, Any] = {"ssh_hostname": match["host"].strip("[]")}
    if match["user"]:
        data["ssh_user"] = match["user"]
    if match["port"]:
        data["ssh_port"] = int(match["port"])
    return data


def load_hosts(
    settings: VmSettings, chosen: Sequence[str], inventory: str | None, shared: Mapping[str, Any]
) -> list[Host]:
    """pyinfra's hosts, with `shared` data that wins over their own. gevent must have patched the process before.

    Raises CodemodError.
    """
    from codemods.rollout.ssh import make_hosts

    if inventory is None:
        return make_hosts([(name, {**host_data(name), **shared}) for name in host_names(settings, chosen)])
    hosts = _from_file(Path(inventory), shared)
    unknown = sorted(set(chosen) - {plain_name(host) for host in hosts})
    if unknown:
        raise SettingsError(f"--host {unknown[0]}: {inventory} has no such host")
    return [host for host in hosts if not chosen or plain_name(host) in chosen]


def _from_file(path: Path, shared: Mapping[str, Any]) -> list[Host]:
    import click
    from pyinfra.api.exceptions import PyinfraError
    from pyinfra.api.state import State
    from pyinfra.connectors.ssh import SSHConnector
    from pyinfra.context import ctx_state
    from pyinfra_cli.inventory import make_inventory_from_files

    from codemods.rollout.ssh import prepare

    if not path.is_file():
        raise SettingsError(f"--inventory {path}: there is no such file")
    try:
        with ctx_state.use(State()):
            inventory = make_inventory_from_files(str(path), override_data=dict(shared))
    except (PyinfraError, click.ClickException, SyntaxError) as error:
        # What the file's own code raises is wrapped.
        raise CodemodError(
            f"{path} is no inventory that pyinfra can read: {getattr(error, 'exception', error)}"
        ) from None
    finally:
        ctx_state.reset()
    hosts = prepare(inventory)
    for host in hosts:
        if not issubclass(host.connector_cls, SSHConnector):
            raise CodemodError(f"{path}: {host.name} is not reached by ssh: only ssh hosts can be rolled out to")
    if not hosts:
        raise SettingsError(f"{path} names no host")
    return hosts


def plain_name(host: Host) -> str:
    """The name of a host as the user wrote it."""
    return str(host.name).removeprefix("@ssh/")


def sudo_password(name: str, environment: Mapping[str, str]) -> str:
    """The password for sudo on a machine, from the environment or the credentials file; empty without one."""
    if given := environment.get(SUDO_PASSWORD):
        return given
    found = find_credentials("vm", name, {})
    return found.password if found else ""
