"""The command at a terminal: what it shows, and what a user types when it asks."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import time
from typing import TYPE_CHECKING, NamedTuple

from tests.command import PROGRAM
from tests.live.lab import LabError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

PATIENCE = 60.0


class Shown(NamedTuple):
    """How a run ended, and everything that was to be seen."""

    code: int
    text: str


def at_terminal(root: Path, arguments: Sequence[str], dialogue: Sequence[tuple[str, str]]) -> Shown:
    """Run the command in `root`; for each pair of the dialogue, wait for the question and type the answer."""
    ours, theirs = pty.openpty()
    command = ["setsid", "--ctty", "--wait", *PROGRAM, *arguments]
    with subprocess.Popen(
        command, cwd=root, stdin=theirs, stdout=theirs, stderr=theirs, env={**os.environ, "TERM": "dumb"}
    ) as process:
        os.close(theirs)
        try:
            text = ""
            for question, answer in dialogue:
                text += _read_until(ours, question)
                os.write(ours, f"{answer}\n".encode())
            text += _read_until(ours, None)
        finally:
            os.close(ours)
    return Shown(process.returncode, text)


def _read_until(terminal: int, wanted: str | None) -> str:
    """What is shown up to some text, or to the end."""
    text, deadline = "", time.monotonic() + PATIENCE
    while wanted is None or wanted not in text:
        if not select.select([terminal], [], [], max(0, deadline - time.monotonic()))[0]:
            raise LabError(f"{wanted} was never shown, but:\n{text}")
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # the other end is closed
            piece = b""
        if not piece and wanted is None:
            return text
        if not piece:
            raise LabError(f"it ended before it showed {wanted}:\n{text}")
        text += piece.decode()
    return text
