"""One crontab line is read with positions, and only its time changes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codemods.engine.edits import apply_edits
from codemods.errors import CannotEdit, ParseError
from codemods.formats.crontab import parse
from tests.soak import EXAMPLES

FIELDS = st.sampled_from(["*", "0", "5", "59", "*/5", "1-5", "1,2", "10-40/5", "MON-FRI", "jan"])
COMMANDS = st.text(st.sampled_from(list("ab %\\'\"é漢>|&;{}$!-")), min_size=1).filter(lambda text: text == text.strip())


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    st.tuples(st.sampled_from(["0", "5", "07", "*", "*/5"]), FIELDS, FIELDS, FIELDS, FIELDS),
    st.sampled_from([" ", "\t", "  "]),
    st.sampled_from(["", " ", "\t"]),
    COMMANDS,
    st.integers(0, 59),
    st.integers(0, 23) | st.none(),
)
def test_only_the_time_changes(
    fields: tuple[str, ...], blank: str, edge: str, command: str, minute: int, hour: int | None
) -> None:
    """Any line is read back to the letter, and another time leaves every other character alone."""
    text = edge + blank.join([*fields, command]) + edge
    line = parse(text)
    assert line.schedule == blank.join(fields)
    assert line.command == command
    assert apply_edits(text, []) == text
    new = apply_edits(text, line.at(minute, hour))
    wanted = [str(minute) if fields[0] != str(minute) else fields[0], fields[1] if hour is None else str(hour)]
    assert new == edge + blank.join([*wanted, *fields[2:], command]) + edge
    assert parse(new).minute == minute


@pytest.mark.parametrize(
    ("text", "minute", "hour", "every_hour"),
    [
        ("5 3 * * 0 x", 5, 3, False),
        ("05 * * * 0 x", 5, None, True),
        ("*/5 3 * * 0 x", None, 3, False),
        ("0,30 1-3 * * 0 x", None, None, False),
        ("@daily x", None, None, False),
    ],
)
def test_time(text: str, minute: int | None, hour: int | None, every_hour: bool) -> None:
    """Minute and hour are known where they are plain numbers."""
    line = parse(text)
    assert (line.minute, line.hour, line.every_hour) == (minute, hour, every_hour)


def test_named_schedule_has_no_minute() -> None:
    """`@weekly` cannot be moved by five minutes."""
    with pytest.raises(CannotEdit, match="@weekly"):
        parse("@weekly x").at(5, 3)


def test_percent() -> None:
    """A bare `%` ends the command, an escaped one is a percent sign."""
    line = parse(r"0 1 * * * date +\%F > x%input")
    assert line.command == r"date +\%F > x%input"
    assert line.shell_command == "date +%F > x"


@pytest.mark.parametrize(
    "text",
    ["", "# 5 3 * * 0 x", "MAILTO=x", "5 3 * * 0", "5 3 * *", "hello big wide world of cron", "@daily", "0 1 * * *\nx"],
)
def test_no_crontab_line(text: str) -> None:
    """Comments, settings and other text are no crontab lines."""
    with pytest.raises(ParseError):
        parse(text)
