"""What the engine needs of a connection to a machine; `ssh.py` is the one that people use."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from codemods.errors import CodemodError

if TYPE_CHECKING:
    import socket


class Done(NamedTuple):
    """How a script ended: its exit code, and what it wrote to stdout and stderr together."""

    code: int
    output: str


class Unreachable(CodemodError):
    """A machine that cannot be reached, or not trusted: nothing was run on it."""


class Disconnected(CodemodError):
    """A connection that broke, or an answer that did not come in time; what was started may go on."""


class Transport(Protocol):
    """A connection to one machine as the account that may change it."""

    @property
    def name(self) -> str:
        """The machine, as the user named it."""

    def run(self, script: str, timeout: float) -> Done:
        """Run a script of POSIX sh; it goes over standard input, never on a command line. Raises Disconnected.

        `timeout` is the longest silence, in seconds.
        """

    def dial(self, address: str, port: int, timeout: float) -> socket.socket:
        """A TCP connection as the machine itself would make it. Raises OSError."""

    def reconnect(self) -> None:
        """Leave this connection and make a new one. Raises Unreachable."""

    def close(self) -> None:
        """End the connection."""
