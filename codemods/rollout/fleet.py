"""Many machines: connected to at the same time, rolled out to in batches, stopped by the first that fails."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from codemods.errors import CodemodError, SettingsError
from codemods.rollout.apply import Interrupted

if TYPE_CHECKING:
    from codemods.rollout.ssh import SshTransport

T = TypeVar("T")

AT_ONCE = 50
"""Machines that are worked on at the same time."""


def batches(sizes: str, items: Sequence[T]) -> Iterator[Sequence[T]]:
    """The items in groups of these sizes, `1,5,25%`; the last size repeats. Raises SettingsError."""
    steps = [_size(text.strip(), len(items)) for text in sizes.split(",")]
    start = 0
    for number in range(len(items)):
        size = steps[min(number, len(steps) - 1)]
        if start < len(items):
            yield items[start : start + size]
        start += size


def check_sizes(sizes: str) -> None:
    """Raise SettingsError when that are no sizes of batches."""
    for text in sizes.split(","):
        _size(text.strip(), 1)


def _size(text: str, total: int) -> int:
    match = re.fullmatch(r"(\d{1,6})(%?)", text)
    if not match or int(match[1]) < 1 or (match[2] and int(match[1]) > 100):
        raise SettingsError(f"--batch {text}: numbers and percentages are expected, as in 1,5,25%")
    return max(1, total * int(match[1]) // 100) if match[2] else int(match[1])


def each(items: Iterable[T], work: Callable[[T], Any], say: Callable[[str], None]) -> tuple[list[Any], bool]:
    """Work on all items at the same time. Returns the results in order and whether the user interrupted.

    An expected error is a result. SIGINT and SIGTERM reach each work as Interrupted, once; what it does then, it does
    undisturbed.
    """
    import gevent
    from gevent.pool import Pool

    interrupted = False

    def careful(item: T) -> Any:
        try:
            return work(item)
        except (CodemodError, Interrupted) as error:
            return error

    def stop() -> None:
        nonlocal interrupted
        if interrupted:
            say("already stopping: what was begun is being put back, please wait")
            return
        interrupted = True
        say("interrupted: putting back what was begun")
        for greenlet in greenlets:
            greenlet.kill(Interrupted(), block=False)

    pool = Pool(AT_ONCE)
    handlers = [gevent.signal_handler(number, stop) for number in (signal.SIGINT, signal.SIGTERM)]
    try:
        greenlets = [pool.spawn(careful, item) for item in items]
        gevent.joinall(greenlets)
    finally:
        for handler in handlers:
            handler.cancel()
    results = []
    for greenlet in greenlets:
        if greenlet.exception is not None and not isinstance(greenlet.exception, Interrupted):
            raise greenlet.exception
        results.append(greenlet.value if greenlet.exception is None else greenlet.exception)
    return results, interrupted


def close_all(transports: Iterable[SshTransport]) -> None:
    """End all connections."""
    for transport in transports:
        transport.close()
