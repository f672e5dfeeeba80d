"""Machines over SSH, by pyinfra: its inventory, its reading of ssh_config (keys, ports, ProxyJump), its connections.

Of pyinfra's way of running things nothing is used: its operations wait for each other over all hosts, its file upload
writes in place, and its crontab operation changes other lines. Each machine is one greenlet that runs our scripts over
standard input. gevent has to patch the process first (`patch`).
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import re
import socket
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codemods.extras import require_extra
from codemods.rollout.transport import Disconnected, Done, Unreachable

if TYPE_CHECKING:
    from paramiko import Channel, SSHClient
    from paramiko.transport import Transport as ParamikoTransport
    from pyinfra.api.host import Host
    from pyinfra.api.inventory import Inventory

CONNECT_TIMEOUT = 10
KEEPALIVE = 15
"""Seconds between signs of life, which a silent network is known by."""
SILENCE_MS = 60_000
"""Milliseconds that sent data may stay unconfirmed; the kernel's own patience is a quarter of an hour."""
_CHUNK = 1 << 16
_NO_KEY = re.compile(r"No host key for (\S+) found")


def patch() -> None:
    """Prepare the process for many connections at once; before anything else of pyinfra is imported."""
    require_extra("vm", "gevent")
    from gevent import events, monkey

    if not monkey.is_module_patched("socket"):
        # It would look for plugins of its own in all installed packages, for each of the modules it patches.
        setattr(events, "notify_and_call_entry_points", lambda event: None)  # noqa: B010
        monkey.patch_all()
    # paramiko imports it, which takes longer than all of paramiko, for an ssh_config feature that pyinfra replaces.
    sys.modules.setdefault("invoke", None)  # type: ignore[arg-type]
    require_extra("vm", "pyinfra.api")
    for name in ("pyinfra", "paramiko"):
        logger = logging.getLogger(name)
        logger.addHandler(logging.NullHandler())
        logger.propagate = False
        logger.setLevel(logging.CRITICAL + 1)


def connect_options(known_hosts: Path) -> dict[str, Any]:
    """pyinfra's host data for connections that trust pinned keys only, those to jump hosts included."""
    return {
        "ssh_strict_host_key_checking": "yes",
        "ssh_known_hosts_file": str(known_hosts),
        "ssh_config_file": _strict_config(known_hosts),
    }


def _strict_config(known_hosts: Path) -> str:
    """The user's ssh_config behind two lines that win over it: pyinfra would ask at the terminal about a jump host."""
    handle, name = tempfile.mkstemp(prefix="codemod-ssh-", suffix=".conf")
    atexit.register(Path(name).unlink, missing_ok=True)
    own = Path.home() / ".ssh" / "config"
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(f"Host *\n  StrictHostKeyChecking yes\n  UserKnownHostsFile {known_hosts}\n")
        if own.is_file():
            file.write(f"Include {own}\n")
    return name


class SshTransport:
    """A connection to one host; `sudo` runs everything as root, with `password` where sudo asks for one."""

    def __init__(self, host: Host, *, sudo: bool = False, password: str = "") -> None:
        self.host = host
        self.sudo = sudo
        self.password = password
        self._command = "sh -s"
        self._first = b""

    @property
    def name(self) -> str:
        """The machine, as the user named it."""
        return str(self.host.name).removeprefix("@ssh/")

    def connect(self) -> None:
        """Connect. Raises Unreachable."""
        from pyinfra.api.exceptions import ConnectError, PyinfraError

        try:
            self.host.connect(show_errors=False, raise_exceptions=True)
        except ConnectError as error:
            raise Unreachable(f"{self.name}: {_reason(str(error), self.name)}") from None
        except PyinfraError as error:
            raise Unreachable(f"{self.name}: {error}") from None
        transport = self._transport()
        if isinstance(transport.sock, socket.socket):
            # Without it every command waits for the peer's delayed acknowledgement.
            transport.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if hasattr(socket, "TCP_USER_TIMEOUT"):
                transport.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SILENCE_MS)
        transport.set_keepalive(KEEPALIVE)
        if self.sudo:
            self._become_root()

    def reconnect(self) -> None:
        """Leave this connection and make a new one. Raises Unreachable."""
        self.close()
        self.connect()

    def close(self) -> None:
        """End the connection."""
        if (client := self._client()) is not None:
            client.close()
        self.host.connected = False

    def run(self, script: str, timeout: float) -> Done:
        """Run a script. Raises Disconnected."""
        return self._execute(self._command, self._first + script.encode(), timeout)

    def dial(self, address: str, port: int, timeout: float) -> socket.socket:
        """A TCP connection from the machine itself; from here when its sshd does not forward. Raises OSError."""
        import gevent
        from paramiko import ChannelException, SSHException

        try:
            channel = self._transport().open_channel("direct-tcpip", (address, port), ("127.0.0.1", 0), timeout=timeout)
        except ChannelException as error:
            if error.code != 1:  # administratively prohibited
                raise ConnectionRefusedError(f"nothing answers at {address}:{port}") from None
            return socket.create_connection((self._hostname(), port), timeout)
        except (SSHException, EOFError, Disconnected) as error:
            raise OSError(str(error) or "the connection broke") from None
        ours, theirs = socket.socketpair()
        ours.settimeout(timeout)
        gevent.spawn(_pump, theirs.recv, channel.sendall, channel.shutdown_write)
        gevent.spawn(_pump, channel.recv, theirs.sendall, theirs.close)
        return ours

    def _hostname(self) -> str:
        peer: tuple[str, int] = self._transport().getpeername()
        return peer[0]

    def _transport(self) -> ParamikoTransport:
        client = self._client()
        transport = client.get_transport() if client is not None else None
        if transport is None or not transport.is_active():
            raise Disconnected(f"{self.name}: the connection broke")
        return transport

    def _client(self) -> SSHClient | None:
        from pyinfra.connectors.ssh import SSHConnector

        assert isinstance(self.host.connector, SSHConnector)
        return self.host.connector.client

    def _execute(self, command: str, data: bytes, timeout: float) -> Done:
        from paramiko import SSHException

        try:
            channel = self._transport().open_session(timeout=timeout)
            channel.settimeout(timeout)
            channel.set_combine_stderr(True)
            channel.exec_command(command)
            channel.sendall(data)
            channel.shutdown_write()
            output = b"".join(_chunks(channel))
            code = channel.recv_exit_status()
            channel.close()
        except TimeoutError:
            raise Disconnected(f"{self.name}: no answer for {timeout:g} s") from None
        except (SSHException, OSError, EOFError) as error:
            raise Disconnected(f"{self.name}: the connection broke ({error or type(error).__name__})") from None
        if code < 0:
            raise Disconnected(f"{self.name}: the connection broke while something ran there")
        return Done(code, output.decode(errors="replace"))

    def _become_root(self) -> None:
        """Find out how sudo is to be called. Raises Unreachable when it cannot."""
        if self._execute("sudo -k -n true", b"", 30).code == 0:
            self._command, self._first = "sudo -n sh -s", b""
            return
        if not self.password:
            raise Unreachable(
                f"{self.name}: sudo asks for a password there: set CODEMOD_VM_SUDO_PASSWORD, or NOPASSWD in sudoers"
            )
        # -k: it must ask, or the password would be taken for a line of the script.
        self._command, self._first = "sudo -k -S -p '' sh -s", f"{self.password}\n".encode()
        done = self._execute(self._command, self._first + b"echo root-$(id -u)\n", 30)
        if "root-0" not in done.output:
            said = (
                "the sudo password is wrong" if "try again" in done.output else "sudo does not make this account root"
            )
            raise Unreachable(f"{self.name}: {said}")


def make_hosts(hosts: Iterable[tuple[str, Mapping[str, Any]]]) -> list[Host]:
    """pyinfra's hosts for names and their data, each ready to connect."""
    from pyinfra.api.inventory import Inventory

    return prepare(Inventory((list(hosts), {})))  # type: ignore[no-untyped-call]


def prepare(inventory: Inventory) -> list[Host]:
    """The hosts of an inventory, each ready to connect."""
    from pyinfra.api.config import Config
    from pyinfra.api.state import State, StateStage

    state = State(inventory, Config(CONNECT_TIMEOUT=CONNECT_TIMEOUT))  # type: ignore[no-untyped-call]
    state.set_stage(StateStage.Connect)
    return list(inventory)


def _chunks(channel: Channel) -> Iterator[bytes]:
    while data := channel.recv(_CHUNK):
        yield data


def _pump(receive: Any, send: Any, end: Any) -> None:
    """Pass bytes on until one side has had enough."""
    with contextlib.suppress(OSError, EOFError):
        while data := receive(_CHUNK):
            send(data)
    with contextlib.suppress(OSError, EOFError):
        end()


def _reason(error: str, name: str) -> str:
    """pyinfra's words in ours, with what to do next."""
    if missing := _NO_KEY.search(error):
        shown = missing[1].replace("[", "").replace("]", "")
        jump = "" if shown.partition(":")[0] in name else f", or {shown} if that is a jump host"
        return f"the host key of {shown} is not pinned: codemod vm pin-host {name}{jump}"
    if "does not match" in error:
        return f"its host key is not the pinned one, nothing was run: find out why, then codemod vm pin-host {name}"
    if error.startswith("Authentication error"):
        return f"it takes none of our keys ({error.partition('(')[2].partition(')')[0]})"
    return error[:1].lower() + error[1:]
