"""Figures as a table, as JSON, and held against the targets."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from benchmarks.measure import Side
from benchmarks.scenarios import OURS, Scenario


class Target(NamedTuple):
    """How many times the other side's time we may take, at one size."""

    scenario: str
    files: int
    ours: str
    other: str
    limit: float


TARGETS = (
    Target("hook-pipeline", 1, OURS, "check-yaml", 1.0),
    Target("hook-terraform", 1, OURS, "check-yaml", 3.0),
    Target("hook-terraform-plain", 1, OURS, "check-yaml", 3.0),
    Target("check-0", 10_000, f"{OURS}, again", "ast-grep scan", 0.5),
    Target("check-0", 10_000, OURS, "ast-grep scan", 1.5),
    Target("apply-100", 10_000, OURS, "ast-grep scan --update-all", 1.0),
    Target("apply-100", 10_000, OURS, "ruamel.yaml script", 0.07),
)
GROWTH, MEMORY = 11.0, 250.0
"""From 1,000 to 10,000 files: times the time; MB at the most."""


@dataclass
class Live:
    """What one of the benchmarks that need a laboratory said."""

    name: str
    code: int
    lines: list[str]


def as_markdown(scenarios: Sequence[Scenario], live: Sequence[Live], machine: dict[str, str]) -> str:
    """The tables, one for the targets and one for each scenario."""
    return "\n".join(_lines(scenarios, live, machine)) + "\n"


def _lines(scenarios: Sequence[Scenario], live: Sequence[Live], machine: dict[str, str]) -> Iterator[str]:
    yield "# Side by side\n\nWritten by `make bench`; explained in [docs/performance.md](../docs/performance.md)."
    yield "Seconds are wall clock, all sides in turns on the same files; a run whose output is wrong does not count.\n"
    yield from (f"* {name}: {value}" for name, value in machine.items())
    yield "\n## Targets\n\n| work | files | against | ratio | of CPU | wanted | |\n|---|---:|---|---:|---:|---:|---|"
    yield from (_row(cells) for cells in _targets(scenarios))
    yield "\n![time over size](time.svg)"
    for scenario in scenarios:
        yield f"\n## {scenario.title}: {scenario.files:,} files\n"
        yield "| side | runs | median | minimum | CPU | ratio | peak memory |\n|---|---:|---:|---:|---:|---:|---:|"
        yield from (_row(_cells(scenario, name)) for name in (side.name for side in scenario.sides))
    for part in live:
        yield f"\n## {part.name}\n\n```"
        yield from part.lines
        yield "```"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cells(scenario: Scenario, name: str) -> list[str]:
    side, ours = scenario.side(name), scenario.sides[0]
    assert side is not None
    if not side.runs:
        return [name, "0", "", "", "", "", ""]
    memory = "" if side.memory is None else f"{side.memory:.0f} MB"
    seconds = (f"{value:.3f} s" for value in (side.median, side.fastest, side.cpu))
    ratio = f"{side.median / ours.median:.2f}" if ours.runs else ""
    return [name, str(len(side.runs)), *seconds, ratio, memory]


def _targets(scenarios: Sequence[Scenario]) -> Iterator[list[str]]:
    by_size = {(scenario.id, scenario.files): scenario for scenario in scenarios}
    for target in TARGETS:
        scenario = by_size.get((target.scenario, target.files))
        ours, other = (scenario.side(name) if scenario else None for name in (target.ours, target.other))
        if scenario and ours and other and ours.runs and other.runs:
            ratio, cpu = ours.median / other.median, ours.cpu / other.cpu
            work = scenario.title + (", again" if target.ours != OURS else "")
            figures = (f"{ratio:.2f}", f"{cpu:.2f}", f"≤ {target.limit:g}", _met(ratio, target.limit))
            yield [work, f"{target.files:,}", target.other, *figures]
    for name in ("check-0", "apply-100"):
        small, large = by_size.get((name, 1_000)), by_size.get((name, 10_000))
        if small and large and small.sides[0].runs and large.sides[0].runs:
            yield from _growth(large.title, small.sides[0], large.sides[0])


def _growth(title: str, small: Side, large: Side) -> Iterator[list[str]]:
    """Ten times the files, and the memory that they take."""
    growth, cpu = large.median / small.median, large.cpu / small.cpu
    figures = (f"{growth:.1f}", f"{cpu:.1f}", f"≤ {GROWTH:g}", _met(growth, GROWTH))
    yield [title, "10,000", "itself at 1,000", *figures]
    if large.memory is not None:
        memory = (f"{large.memory:.0f} MB", "", f"≤ {MEMORY:g} MB", _met(large.memory, MEMORY))
        yield [title, "10,000", "peak memory", *memory]


def _met(value: float, limit: float) -> str:
    return "met" if value <= limit else "**missed**"


def as_json(scenarios: Sequence[Scenario], live: Sequence[Live], machine: dict[str, str]) -> str:
    """All figures, every run by itself."""
    data: dict[str, Any] = {"machine": machine, "scenarios": [], "live": [vars(part) for part in live]}
    for scenario in scenarios:
        sides = [
            {
                "name": side.name,
                "seconds": [round(run.seconds, 4) for run in side.runs],
                "cpu_seconds": [round(run.cpu, 4) for run in side.runs],
                "peak_memory_mb": None if side.memory is None else round(side.memory, 1),
            }
            for side in scenario.sides
        ]
        data["scenarios"].append({"id": scenario.id, "files": scenario.files, "sides": sides})
    return json.dumps(data, indent=1) + "\n"
