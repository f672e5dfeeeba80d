"""One name, one record: compare what the server has with what is wanted, and put it right."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from codemods.dns.checks import check_answer
from codemods.dns.model import Change, Record, Wanted
from codemods.engine.report.model import CheckState
from codemods.errors import CodemodError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from codemods.dns.model import Provider
    from codemods.engine.report.model import CheckResult

DEADLINE = 30.0
"""Seconds for the server to answer with a record after it was set."""

PAUSE = 0.5
"""Seconds between two questions."""


def plan_changes(records: Iterable[Record], wanted: Wanted) -> list[Change]:
    """The steps after which the wanted record is the only one of its name and type that is served.

    A wrong record is changed in place, with the TTL that it has unless another was given, before others are removed:
    the name answers at every moment. Raises CodemodError for a CNAME, beside which no other record may stand.
    """
    served = [record for record in records if not record.disabled]
    for record in served:
        if record.type == "CNAME":
            raise CodemodError(
                f"{wanted.name} is a CNAME of {record.value}, and beside a CNAME there is no other record: "
                "remove it, or set registry.hostname to another name"
            )
    same = [record for record in served if record.type == wanted.type]
    if not same:
        return [Change(None, Record(wanted.name, wanted.type, wanted.value, wanted.ttl))]
    kept = next((record for record in same if record.value == wanted.value), same[0])
    right = kept._replace(value=wanted.value, ttl=wanted.ttl if wanted.ttl_given else kept.ttl)
    changes = [] if right == kept else [Change(kept, right)]
    return changes + [Change(record, None) for record in same if record is not kept]


def apply_changes(provider: Provider, seen: list[Record], changes: list[Change], wanted: Wanted) -> None:
    """Make the changes, and read the records again. Raises CodemodError when they are not as wanted then."""
    provider.change(seen, changes)
    if plan_changes(provider.records(wanted.name, wanted.type), wanted):
        raise CodemodError(
            f"the server took the changes, and the records of {wanted.name} are not as wanted: run sync-dns again"
        )


def wait_for_answer(wanted: Wanted, server: str, show: Callable[[int, int], None]) -> Iterator[CheckResult]:
    """Ask the server over UDP, then over TCP, until it answers with the record and nothing else, or for DEADLINE.

    `show` is called with the seconds that have passed, and with how many there are.
    """
    started = time.monotonic()
    for tcp in (False, True):
        result = check_answer(wanted.name, wanted.value, server, tcp=tcp)
        while result.state is not CheckState.PASS and time.monotonic() < started + DEADLINE:
            time.sleep(PAUSE)
            show(int(time.monotonic() - started), int(DEADLINE))
            result = check_answer(wanted.name, wanted.value, server, tcp=tcp)
        yield result
