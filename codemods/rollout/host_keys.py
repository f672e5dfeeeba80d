"""Host keys: read once, shown, and pinned in a file of our own; no roll-out ever adds one."""

from __future__ import annotations

import base64
import hashlib
import socket
from typing import TYPE_CHECKING, Any

from codemods.errors import CodemodError
from codemods.rollout.inventory import host_data
from codemods.rollout.ssh import CONNECT_TIMEOUT, connect_options
from codemods.rollout.transport import Unreachable

if TYPE_CHECKING:
    from pathlib import Path

    from paramiko import PKey


def read_host_key(host: str, known_hosts: Path) -> tuple[str, PKey]:
    """The name under which OpenSSH would know a host, and the key it shows; ssh_config and jump hosts are honoured.

    Raises Unreachable.
    """
    from paramiko import SSHException, Transport
    from pyinfra.api.exceptions import PyinfraError
    from pyinfra.connectors.sshuserclient.client import SSHClient

    data = host_data(host)
    options = {"port": data["ssh_port"]} if "ssh_port" in data else {}
    config_file = connect_options(known_hosts)["ssh_config_file"]
    try:
        read: Any = SSHClient().parse_config  # without types
        resolved = read(data["ssh_hostname"], None, config_file, "yes")
        name, config = resolved[0], {**resolved[1], **options}
        sock = config.get("sock") or socket.create_connection((name, config["port"]), CONNECT_TIMEOUT)
        transport = Transport(sock)
        try:
            transport.start_client(timeout=CONNECT_TIMEOUT)
            key = transport.get_remote_server_key()
        finally:
            transport.close()
    except (SSHException, OSError, EOFError, PyinfraError) as error:
        raise Unreachable(f"{host}: its host key cannot be read: {error or type(error).__name__}") from None
    return (name if int(config["port"]) == 22 else f"[{name}]:{config['port']}"), key


def fingerprint_of(key: PKey) -> str:
    """The fingerprint, as ssh-keygen prints it."""
    digest = base64.b64encode(hashlib.sha256(key.asbytes()).digest()).decode().rstrip("=")
    return f"SHA256:{digest}"


def pin(known_hosts: Path, name: str, key: PKey) -> None:
    """Store a key in place of all that were stored for that host. Raises CodemodError."""
    entry = f"{name} {key.get_name()} {key.get_base64()}\n"
    try:
        known_hosts.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        lines = known_hosts.read_text(encoding="utf-8").splitlines(keepends=True) if known_hosts.exists() else []
        kept = [line for line in lines if line.split(" ", 1)[0] != name]
        new = known_hosts.with_name(f"{known_hosts.name}.new")
        new.unlink(missing_ok=True)
        new.touch(mode=0o600)
        new.write_text("".join([*kept, entry]), encoding="utf-8")
        new.replace(known_hosts)
    except OSError as error:
        raise CodemodError(f"{known_hosts}: {error.strerror}: the key cannot be stored there") from None
