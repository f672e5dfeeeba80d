"""The points at which live roll-outs are cut off."""

from __future__ import annotations

from tests.live.killing import LONGEST, STEPS, Kind, points


def test_points_can_be_had_again() -> None:
    """A seed gives the same points, another seed others, and more points begin with the fewer ones."""
    assert points(4, 60) == points(4, 60)
    assert points(4, 60) != points(5, 60)
    assert points(4, 60)[:8] == points(4, 8)


def test_every_step_is_cut_off_in_every_way() -> None:
    """Eight points have every step and kind; sixty have every kind at every step, and delays all over the range."""
    few, many = points(4, len(STEPS)), points(4, 60)
    assert {point.step for point in few} == set(STEPS)
    assert {point.kind for point in few} == set(Kind)
    assert {(point.step, point.kind) for point in many} == {(step, kind) for step in STEPS for kind in Kind}
    delays = sorted(point.delay for point in many)
    assert delays[0] < LONGEST / 5 and delays[-1] > LONGEST * 4 / 5
    assert all(0 <= delay <= LONGEST for delay in delays)
