"""When crontab lines start, and whether two of them ever start at the same minute. See crontab(5)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import product

from codemods.formats.crontab import CrontabLine

_NAMED = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_WORDS = {name: str(number) for number, name in (*enumerate(_MONTHS, 1), *enumerate(_DAYS))}
_PART = re.compile(r"(?:\*|(?P<first>\d{1,2})(?:-(?P<last>\d{1,2}))?)(?:/(?P<step>[1-9]\d?))?")


def meet(one: CrontabLine, other: CrontabLine) -> bool:
    """Whether both lines start at some same minute; schedules that cannot be read, and `@reboot`, never do."""
    fields, theirs = read_fields(one.schedule), read_fields(other.schedule)
    if not fields or not theirs:
        return False
    if not all(fields[i] & theirs[i] for i in (0, 1, 3)):
        return False
    return any(_on(one, fields, *day) and _on(other, theirs, *day) for day in product(range(1, 32), range(7)))


def read_fields(schedule: str) -> list[frozenset[int]]:
    """The minutes, hours, days of the month, months and days of the week (0 is Sunday); empty when one is unclear."""
    texts = _NAMED.get(schedule, schedule).split()
    if len(texts) != len(_RANGES):
        return []
    fields = [frozenset(_values(text, *limits)) for text, limits in zip(texts, _RANGES, strict=True)]
    fields[4] = frozenset(day % 7 for day in fields[4])
    return fields if all(fields) else []


def _values(text: str, low: int, high: int) -> Iterator[int]:
    """The numbers of one field; none when it cannot be read."""
    text = re.sub(r"[a-z]{3}", lambda word: _WORDS.get(word[0], word[0]), text.lower())
    parts = [_PART.fullmatch(part) for part in text.split(",")]
    for part in parts:
        if part is None or not all(parts):
            return
        first = int(part["first"] or low)
        last = int(part["last"] or (first if part["first"] and not part["step"] else high))
        if first < low or last > high:
            return
        yield from range(first, last + 1, int(part["step"] or 1))


def _on(line: CrontabLine, fields: list[frozenset[int]], day: int, weekday: int) -> bool:
    """Whether the line starts on such a day: either field will do when both are given."""
    texts = _NAMED.get(line.schedule, line.schedule).split()
    on_day, on_weekday = day in fields[2], weekday in fields[4]
    if texts[2].startswith("*") or texts[4].startswith("*"):
        return on_day and on_weekday
    return on_day or on_weekday
