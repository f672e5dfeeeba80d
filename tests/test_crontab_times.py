"""Whether two crontab lines ever start at the same minute."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codemods.formats.crontab import parse
from codemods.formats.crontab_times import meet, read_fields
from tests.soak import EXAMPLES


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("0 3 * * 0", "0 3 * * 0", True),
        ("0 3 * * 0", "5 3 * * 0", False),
        ("0 3 * * 0", "00 03 * * 7", True),
        ("0 3 * * 0", "0 3 * * sun", True),
        ("0 3 * * 0", "0 3 * * MON-SUN", False),  # a range that ends before it begins is not read
        ("0 3 * * 0", "0 3 * * *", True),
        ("0 3 * * 0", "0 3 * * 1-6", False),
        ("0 3 * * 0", "0 3 1 * *", True),
        ("0 3 1 * *", "0 3 15 * *", False),
        ("0 3 1 * 1", "0 3 15 * 1", True),
        ("0 3 1 jan *", "0 3 1 2-12 *", False),
        ("0 0 * * 0", "@weekly", True),
        ("0 3 * * 0", "@weekly", False),
        ("*/5 * * * *", "10 3 * * 0", True),
        ("*/5 * * * *", "11 3 * * 0", False),
        ("1-59/2 * * * *", "0 3 * * 0", False),
        ("0,30 3 * * *", "30 3 * * *", True),
        ("@reboot", "@reboot", False),
        ("~ 3 * * 0", "0 3 * * 0", False),
        ("60 3 * * 0", "60 3 * * 0", False),
    ],
)
def test_meet(one: str, other: str, expected: bool) -> None:
    """Lines meet when some minute of some day belongs to both; what cannot be read meets nothing."""
    if one.startswith("~"):
        assert read_fields(one) == []
        return
    first, second = parse(f"{one} x"), parse(f"{other} y")
    assert meet(first, second) is expected
    assert meet(second, first) is expected


FIELDS = st.tuples(
    st.sampled_from(["*", "0", "*/20", "10-12", "5,40"]),
    st.sampled_from(["*", "3", "0-3", "*/7"]),
    st.sampled_from(["*", "1", "10-12", "*/9"]),
    st.sampled_from(["*", "2", "jan-mar"]),
    st.sampled_from(["*", "0", "7", "mon-fri", "2,4"]),
)


@settings(max_examples=EXAMPLES, deadline=None)
@given(FIELDS, FIELDS, st.integers(0, 366 * 24 * 60))
def test_a_common_start_is_seen(one: tuple[str, ...], other: tuple[str, ...], minutes: int) -> None:
    """Whatever minute starts both lines, they meet."""
    when = datetime(2028, 1, 1) + timedelta(minutes=minutes)
    if starts(one, when) and starts(other, when):
        assert meet(parse(" ".join((*one, "x"))), parse(" ".join((*other, "y"))))


@settings(max_examples=EXAMPLES, deadline=None)
@given(FIELDS)
def test_a_line_meets_itself(fields: tuple[str, ...]) -> None:
    """A schedule that ever starts meets itself."""
    line = parse(" ".join((*fields, "x")))
    assert meet(line, line)


def starts(texts: tuple[str, ...], when: datetime) -> bool:
    """What crontab(5) says, minute by minute."""
    minute, hour, day, month, weekday = read_fields(" ".join(texts))
    on_day, on_weekday = when.day in day, when.isoweekday() % 7 in weekday
    star = texts[2].startswith("*") or texts[4].startswith("*")
    on = (on_day and on_weekday) if star else (on_day or on_weekday)
    return when.minute in minute and when.hour in hour and when.month in month and on
