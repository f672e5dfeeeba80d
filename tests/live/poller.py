"""A client on a VM that asks its registries all the time, and tells what it was answered and when."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import TYPE_CHECKING, Self

from tests.live.network import get, join_network

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    from tests.live.vm import Vm

INTERVAL = 0.05
PATIENCE = 2.0
"""Seconds that a client waits for an answer."""


@dataclass
class Record:
    """What one port answered: times of right answers, wrong ones by status and path, catalogues in their order."""

    begun: float = field(default_factory=time.monotonic)
    served: list[float] = field(default_factory=list)
    wrong: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    catalogues: list[str] = field(default_factory=list)
    ended: float = 0.0

    @property
    def longest_gap(self) -> float:
        """The longest time without a right answer, in seconds."""
        times = [self.begun, *self.served, self.ended or time.monotonic()]
        return max(later - earlier for earlier, later in zip(times, times[1:], strict=False))


class Poller:
    """Asks `/v2/` and `/v2/_catalog` of ports of a VM every 50 ms, as long as its `with` block lasts."""

    def __init__(self, vm: Vm, ports: Iterable[int]) -> None:
        self.pid = vm.pid
        self.records = {port: Record() for port in ports}
        self.done = threading.Event()
        self.threads = [threading.Thread(target=self.poll, args=item) for item in self.records.items()]

    def __enter__(self) -> Self:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.done.set()
        for thread in self.threads:
            thread.join()

    def poll(self, port: int, record: Record) -> None:
        """Ask one port until the end."""
        join_network(self.pid)
        record.begun = time.monotonic()
        while not self.done.wait(INTERVAL):
            try:
                self.ask(port, record)
            except (OSError, HTTPException) as error:
                record.failures[type(error).__name__] += 1
        record.ended = time.monotonic()

    def ask(self, port: int, record: Record) -> None:
        """Ask once. An error of nginx is no wrong answer of the registry, but no right one, either."""
        answer = get(port, "/v2/", PATIENCE)
        if answer.is_registry:
            record.served.append(time.monotonic())
        elif answer.status in (502, 503, 504):
            record.failures[str(answer.status)] += 1
        else:
            record.wrong[f"{answer.status} /v2/"] += 1
        catalogue = get(port, "/v2/_catalog", PATIENCE)
        if catalogue.status == 200 and catalogue.body not in record.catalogues[-1:]:
            record.catalogues.append(catalogue.body)

    @property
    def longest_gap(self) -> float:
        """The longest time that any port gave no right answer, in seconds."""
        return max(record.longest_gap for record in self.records.values())

    @property
    def wrong(self) -> Counter[str]:
        """Answers that no client should get, by what they were."""
        return sum((record.wrong for record in self.records.values()), Counter())

    def tell(self) -> str:
        """Gaps and errors of every port in one line each."""
        return "\n".join(
            f"port {port}: longest gap {record.longest_gap:.2f} s, {len(record.served)} answers, "
            f"errors {dict(record.failures)}, wrong {dict(record.wrong)}"
            for port, record in self.records.items()
        )
