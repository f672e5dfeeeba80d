"""The progress bar: only for long work, only on a terminal, and gone at the end."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
PROGRAM = """
import sys, time
from codemods.cli import progress
progress.DELAY = 0.2
with progress.progress("reading", quiet=%(quiet)r) as show:
    for number in range(10):
        show(number, 10)
        time.sleep(%(pause)r)
    print("result")
sys.exit("rich" in sys.modules)
"""


def run(*, pause: float, quiet: bool = False) -> tuple[int, str, str]:
    """Whether rich was imported, stdout, and what a terminal at stderr got."""
    main, other = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM % {"pause": pause, "quiet": quiet}],
        stdout=subprocess.PIPE,
        stderr=other,
        cwd=ROOT,
        check=False,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "80"},
    )
    os.set_blocking(main, False)
    os.close(other)
    try:
        shown = os.read(main, 1_000_000)
    except (BlockingIOError, OSError):
        shown = b""
    os.close(main)
    return done.returncode, done.stdout.decode(), shown.decode()


def test_long_work_shows_a_bar_on_stderr() -> None:
    """It names the work and counts, stdout keeps the result, and the cursor comes back."""
    code, out, shown = run(pause=0.05)
    assert code == 1
    assert out == "result\n"
    assert "reading" in shown
    assert "/10" in shown
    assert "\x1b[?25h" in shown
    assert shown.rpartition("reading")[2].endswith("\x1b[2K")


def test_short_work_shows_nothing() -> None:
    """And imports nothing for it."""
    assert run(pause=0) == (0, "result\n", "")


def test_quiet_work_shows_nothing() -> None:
    """However long it takes."""
    assert run(pause=0.05, quiet=True) == (0, "result\n", "")


def test_without_a_terminal_nothing_is_shown() -> None:
    """A log of a CI job stays free of bars."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM % {"pause": 0.05, "quiet": False}], capture_output=True, cwd=ROOT, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"result\n", b"")
