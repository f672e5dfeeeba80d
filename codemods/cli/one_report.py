"""One report for several registries, from the report of each."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, TypeVar

from codemods.engine.report.model import worst_exit_code

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from codemods.engine.report.model import Report

T = TypeVar("T")
INTERRUPTED = 130


def one_report(reports: Sequence[Report]) -> Report:
    """What the reports say, each thing once. Changes of files are left as they are: they need one for each file."""
    if len(reports) == 1:
        return reports[0]
    next_steps: Sequence[str] = ()
    for report in reports:
        next_steps = in_turn(next_steps, report.next_steps)
    return replace(
        reports[0],
        exit_code=_exit_code(reports),
        findings=_once(report.findings for report in reports),
        refusals=_once(report.refusals for report in reports),
        notes=_once(report.notes for report in reports),
        hosts=_once(report.hosts for report in reports),
        fingerprint=",".join(_once([report.fingerprint] if report.fingerprint else [] for report in reports)) or None,
        records=_once(report.records for report in reports),
        checks=_once(report.checks for report in reports),
        pending=any(report.pending for report in reports),
        next_steps=tuple(next_steps),
    )


def in_turn(first: Sequence[str], second: Sequence[str]) -> list[str]:
    """Two lists of steps as one that keeps the order of both; what they have in common is done once."""
    merged: list[str] = []
    rest = list(second)
    for step in first:
        if step in rest:
            merged += rest[: rest.index(step)]
            rest = rest[rest.index(step) + 1 :]
        merged.append(step)
    return merged + rest


def _exit_code(reports: Sequence[Report]) -> int:
    codes = [report.exit_code for report in reports]
    return INTERRUPTED if INTERRUPTED in codes else worst_exit_code(codes)


def _once(parts: Iterable[Iterable[T]]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(chain.from_iterable(parts)))
