"""Time over size as SVG: both axes logarithmic, one line for each side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from math import ceil, floor, log10

from benchmarks.scenarios import Scenario

WIDTH, HEIGHT = 460, 340
LEFT, RIGHT, TOP, BOTTOM = 60, 20, 40, 130
COLOURS = ("#c0392b", "#e67e22", "#2980b9", "#27ae60", "#8e44ad", "#7f8c8d")
Points = dict[str, list[tuple[int, float]]]


def plot(scenarios: Sequence[Scenario], ids: Sequence[str]) -> str:
    """A picture with one chart for each of the scenarios, beside each other."""
    charts = []
    for number, name in enumerate(ids):
        chosen = [scenario for scenario in scenarios if scenario.id == name]
        body = "".join(_chart(chosen[0].title, _points(chosen))) if chosen else ""
        charts.append(f'<g transform="translate({number * WIDTH} 0)">{body}</g>\n')
    size = f'width="{WIDTH * len(ids)}" height="{HEIGHT}"'
    style = "<style>text{font:12px sans-serif}.grid{stroke:#ddd}polyline{fill:none;stroke-width:2}</style>"
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{style}\n{"".join(charts)}</svg>\n'


def _points(scenarios: Sequence[Scenario]) -> Points:
    """Files and seconds of each side."""
    points: Points = {}
    for scenario in scenarios:
        for side in scenario.sides:
            if side.runs:
                points.setdefault(side.name, []).append((scenario.files, side.median))
    return points


def _chart(title: str, points: Points) -> Iterator[str]:
    every = [point for line in points.values() for point in line]
    across = _decades([files for files, _ in every])
    up = _decades([seconds for _, seconds in every])
    yield f'<text x="{LEFT}" y="20">{escape(title)}: seconds over files</text>\n'
    for decade in range(across[0], across[1] + 1):
        x = _place(10.0**decade, across, LEFT, WIDTH - RIGHT)
        yield f'<line class="grid" x1="{x}" x2="{x}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
        yield f'<text x="{x}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{10**decade:,}</text>\n'
    for decade in range(up[0], up[1] + 1):
        y = _place(10.0**decade, up, HEIGHT - BOTTOM, TOP)
        yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>'
        yield f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{10.0**decade:g}</text>\n'
    for number, (name, line) in enumerate(points.items()):
        places = [
            (_place(files, across, LEFT, WIDTH - RIGHT), _place(seconds, up, HEIGHT - BOTTOM, TOP))
            for files, seconds in line
        ]
        yield from _line(number, name, places)


def _line(number: int, name: str, places: Sequence[tuple[float, float]]) -> Iterator[str]:
    colour = COLOURS[number % len(COLOURS)]
    yield f'<polyline stroke="{colour}" points="{" ".join(f"{x},{y}" for x, y in places)}"/>'
    yield from (f'<circle fill="{colour}" cx="{x}" cy="{y}" r="3"/>' for x, y in places)
    x, y = LEFT + number % 2 * 190, HEIGHT - BOTTOM + 40 + number // 2 * 20
    yield f'<rect fill="{colour}" x="{x}" y="{y - 9}" width="10" height="10"/>'
    yield f'<text x="{x + 16}" y="{y}">{escape(name)}</text>\n'


def _decades(values: Sequence[float]) -> tuple[int, int]:
    """The powers of ten around values."""
    low, high = floor(log10(min(values))), ceil(log10(max(values)))
    return low, max(high, low + 1)


def _place(value: float, decades: tuple[int, int], low: float, high: float) -> float:
    share = (log10(value) - decades[0]) / (decades[1] - decades[0])
    return round(low + share * (high - low), 1)
