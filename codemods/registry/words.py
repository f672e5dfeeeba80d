"""Numbers of bytes and seconds, in words for people."""

from __future__ import annotations

from codemods.engine.report.model import count

_STEPS = ((86_400 * 365, "year"), (86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


def in_bytes(number: int) -> str:
    """`999 B`, `1.5 MiB`."""
    size, unit = float(number), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if size < 1000:
            break
        size, unit = size / 1024, larger
    return f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.1f} {unit}"


def in_time(seconds: float) -> str:
    """`3 days`, in the largest unit of which there is one."""
    for length, unit in _STEPS:
        if seconds >= length:
            return count(int(seconds // length), unit)
    return "less than a second"
