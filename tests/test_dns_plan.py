"""What is done to the records of a name: exactly one right one is served in the end, and the rest is left alone."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codemods.dns.model import Change, Record, Wanted
from codemods.dns.sync import plan_changes
from codemods.errors import CodemodError
from tests.soak import EXAMPLES

NAME, RIGHT = "registry.home.lan", "10.0.20.10"
WANTED = Wanted(NAME, "A", RIGHT, 3600)
WITH_TTL = WANTED._replace(ttl=300, ttl_given=True)


def a(value: str, ttl: int = 600, disabled: bool = False, comments: str = "") -> Record:
    """An A record of the name."""
    return Record(NAME, "A", value, ttl, disabled, comments)


def after(records: list[Record], changes: list[Change]) -> list[Record]:
    """The records that a server has when it made the changes; each must find what it is about."""
    left = list(records)
    for change in changes:
        if change.before:
            left.remove(change.before)
        if change.after:
            left.append(change.after)
    return left


@pytest.mark.parametrize(
    ("records", "wanted", "expected"),
    [
        ([], WANTED, [Change(None, a(RIGHT, 3600))]),
        ([], WITH_TTL, [Change(None, a(RIGHT, 300))]),
        ([a(RIGHT)], WANTED, []),
        ([a(RIGHT)], WITH_TTL, [Change(a(RIGHT), a(RIGHT, 300))]),
        ([a("10.0.0.9", comments="kept")], WANTED, [Change(a("10.0.0.9", comments="kept"), a(RIGHT, comments="kept"))]),
        ([a("10.0.0.9"), a(RIGHT)], WANTED, [Change(a("10.0.0.9"), None)]),
        ([a("10.0.0.9"), a("10.0.0.8")], WANTED, [Change(a("10.0.0.9"), a(RIGHT)), Change(a("10.0.0.8"), None)]),
        ([a(RIGHT, disabled=True)], WANTED, [Change(None, a(RIGHT, 3600))]),
        ([a("10.0.0.9", disabled=True), a(RIGHT)], WANTED, []),
        ([Record(NAME, "AAAA", "fd00::1", 60)], WANTED, [Change(None, a(RIGHT, 3600))]),
        ([Record(NAME, "CNAME", "vm.home.lan", 60, disabled=True)], WANTED, [Change(None, a(RIGHT, 3600))]),
    ],
)
def test_the_steps(records: list[Record], wanted: Wanted, expected: list[Change]) -> None:
    """A wrong record is changed in place with its TTL and comments, the others are removed, the right one stays."""
    assert plan_changes(records, wanted) == expected


def test_a_cname_is_a_conflict() -> None:
    """Beside a CNAME there may be no other record: its target is named and nothing is planned."""
    with pytest.raises(CodemodError, match=rf"^{NAME} is a CNAME of vm\.home\.lan, and beside a CNAME .*remove it"):
        plan_changes([Record(NAME, "CNAME", "vm.home.lan", 60)], WANTED)


RECORDS = st.lists(
    st.builds(
        Record,
        st.just(NAME),
        st.sampled_from(["A", "AAAA", "TXT"]),
        st.sampled_from([RIGHT, "10.0.0.8", "10.0.0.9"]),
        st.sampled_from([60, 300, 3600]),
        st.booleans(),
    ),
    max_size=6,
    unique_by=lambda record: (record.type, record.value, record.disabled),
)


@given(RECORDS, st.booleans())
@settings(max_examples=EXAMPLES)
def test_any_records_become_one(records: list[Record], ttl_given: bool) -> None:
    """Whatever there is: one right record is served, all else is untouched, and a second run finds nothing to do."""
    wanted = WANTED._replace(ttl_given=ttl_given)
    changes = plan_changes(records, wanted)
    left = after(records, changes)
    served = [record for record in left if record.type == "A" and not record.disabled]
    assert [record.value for record in served] == [RIGHT]
    assert not ttl_given or served[0].ttl == wanted.ttl
    untouched = [record for record in records if record.type != "A" or record.disabled]
    assert [record for record in left if record not in served] == untouched
    assert plan_changes(left, wanted) == []


@given(RECORDS)
@settings(max_examples=EXAMPLES)
def test_the_name_answers_at_every_moment(records: list[Record]) -> None:
    """A name that answers does so between any two steps."""
    changes = plan_changes(records, WANTED)
    if any(record.type == "A" and not record.disabled for record in records):
        for done in range(len(changes) + 1):
            left = after(records, changes[:done])
            assert any(record.type == "A" and not record.disabled for record in left)
