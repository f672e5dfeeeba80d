"""Shell text for the machine: POSIX sh, coreutils and docker are all that it may use.

Everything that comes from a repository enters it through `quote`.
"""

from __future__ import annotations

import base64
import shlex
from collections.abc import Iterable

OWN_DIRECTORY = ".sync-vm"
"""Below the stack's directory: the lock, the runs with their backups, the last state, the log."""

_PRELUDE = """PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C
export PATH LC_ALL
umask 022
limit=60
compose() {
    # Asking it for its version can take longer than what it is to do.
    for place in "${DOCKER_CONFIG:-$HOME/.docker}" /usr/local/lib/docker /usr/local/libexec/docker /usr/lib/docker \\
        /usr/libexec/docker; do
        if [ -x "$place/cli-plugins/docker-compose" ]; then
            timeout "$limit" docker compose "$@"
            return
        fi
    done
    if command -v docker-compose >/dev/null; then timeout "$limit" docker-compose "$@"
    else timeout "$limit" docker compose "$@"
    fi
}
"""


def quote(*words: object) -> str:
    """Words, each as one argument of a command, whatever characters it holds."""
    return shlex.join(map(str, words))


def whole(*parts: str) -> str:
    """A script of which nothing runs before all of it has arrived: a broken connection leaves half a group."""
    return "\n".join(["{", _PRELUDE, *parts, "exit", "}", ""])


def decoded(content: bytes) -> str:
    """A command that prints bytes; they stand in a here-document, so their size does not matter."""
    lines = base64.encodebytes(content).decode()
    return f"base64 -d <<'_END_'\n{lines}_END_\n"


def function(name: str, *body: str) -> str:
    """A shell function."""
    return "\n".join([f"{name}() {{", *body, "}"])


def lines_of(commands: Iterable[str]) -> str:
    """Commands, one after the other."""
    return "\n".join(commands)
