"""One report of several: everything once, the worst exit code, and steps in an order that suits all."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codemods.cli.one_report import in_turn, one_report
from codemods.engine.report.model import CheckResult, CheckState, Report
from tests.soak import EXAMPLES

STEPS = st.sets(st.integers(0, 9), max_size=6).map(lambda numbers: [f"step {number}" for number in sorted(numbers)])


@settings(max_examples=EXAMPLES)
@given(STEPS, STEPS)
def test_steps_of_two_lists(first: list[str], second: list[str]) -> None:
    """Both lists keep their order, and no step comes twice or gets lost."""
    merged = in_turn(first, second)
    assert sorted(merged) == sorted({*first, *second})
    for own in (first, second):
        assert [step for step in merged if step in own] == own


def test_what_is_said_twice_is_said_once() -> None:
    """Notes and checks that reports have in common come once, in the order in which they came first."""
    check = CheckResult("dns", "registry.home.lan", CheckState.PASS)
    reports = [
        Report("verify", 0, notes=("one", "both"), checks=(check,)),
        Report("verify", 1, notes=("both", "two"), checks=(check,), pending=True, fingerprint="f"),
    ]
    found = one_report(reports)
    assert (found.exit_code, found.notes, found.checks) == (1, ("one", "both", "two"), (check,))
    assert (found.pending, found.fingerprint) == (True, "f")
    assert one_report(reports[:1]) is reports[0]


@pytest.mark.parametrize(("codes", "code"), [((0, 0), 0), ((3, 1), 3), ((1, 4, 3), 4), ((5, 4), 5), ((130, 3), 130)])
def test_the_worst_exit_code_counts(codes: tuple[int, ...], code: int) -> None:
    """As within one run; an interruption ends everything."""
    assert one_report([Report("sync-vm", number) for number in codes]).exit_code == code
