"""A progress bar for work that takes longer than a second."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.progress import Progress, TaskID

DELAY = 1.0


@contextmanager
def progress(label: str, *, quiet: bool = False, stream: TextIO | None = None) -> Iterator[Callable[[int, int], None]]:
    """Yield a function to call with how many items are done, and of how many.

    Its first call after a second shows a bar on `stream` (stderr), if that is a terminal and not `quiet`; the end
    of the block takes the bar away again. Until then nothing of it is imported.
    """
    stream = sys.stderr if stream is None else stream
    bar = _Bar(label, stream, wanted=not quiet and stream.isatty())
    try:
        yield bar.show
    finally:
        bar.stop()


class _Bar:
    def __init__(self, label: str, stream: TextIO, wanted: bool) -> None:
        self.label, self.stream = label, stream
        self.due = time.monotonic() + DELAY if wanted else float("inf")
        self.shown: tuple[Progress, TaskID] | None = None

    def show(self, done: int, total: int) -> None:
        if self.shown is None and time.monotonic() >= self.due:
            self.shown = self.start()
        if self.shown is not None:
            shown, task = self.shown
            shown.update(task, completed=done, total=total)

    def start(self) -> tuple[Progress, TaskID]:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
        # What is printed to stdout meanwhile is the result and stays there.
        shown = Progress(*columns, console=Console(file=self.stream), transient=True, redirect_stdout=False)
        shown.start()
        return shown, shown.add_task(self.label)

    def stop(self) -> None:
        if self.shown is not None:
            self.shown[0].stop()
