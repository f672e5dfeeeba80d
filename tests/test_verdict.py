"""What two builds prove: only a second one that came from our cache is good."""

from __future__ import annotations

import pytest

from codemods.ci.cache_log import read_build
from codemods.ci.verdict import BuildStep, judge
from tests.build_logs import CACHE, EMPTY, EXPORT_FAILED, FULL

HOSTS = ("registry.home.lan:5050/", "10.0.20.10:5050/")
OTHER = "other.example.org/app:buildcache"


def step(log: str, seconds: int = 10) -> BuildStep:
    """A step with this log."""
    found = read_build(log.splitlines())
    assert found is not None
    return BuildStep("build/image", seconds, found)


def judged(first: list[BuildStep], second: list[BuildStep]) -> list[tuple[str, str, str]]:
    """Target, state and message of each result."""
    return [(one.target, one.state.value, one.message) for one in judge(first, second, HOSTS, "team/app")]


@pytest.mark.parametrize(
    ("first", "second", "state", "message"),
    [
        (EMPTY, FULL, "pass", f"{CACHE} imported, not the first time; 0, then 3 of 3 steps cached; "),
        (FULL, FULL, "pass", f"{CACHE} imported; 3, then 3 of 3 steps cached; "),
        (EMPTY, EMPTY, "fail", f"{CACHE} was not imported: {CACHE}: not found"),
        (EMPTY, FULL[: FULL.index("#4 DONE")], "fail", f"{CACHE} was not imported: the log ends before that"),
        (FULL, FULL.replace("CACHED", "DONE 0.1s"), "fail", f"{CACHE} imported, but none of 3 steps was cached"),
        (FULL, FULL + EXPORT_FAILED, "fail", "the cache was not written: error writing layer blob"),
        (FULL + EXPORT_FAILED, FULL, "fail", "the cache was not written: error writing layer blob"),
    ],
)
def test_a_step(first: str, second: str, state: str, message: str) -> None:
    """The second import must work and save steps, and no export may fail, as a build goes on without either."""
    [(target, found, words)] = judged([step(first)], [step(second)])
    assert (target, found) == ("team/app build/image", state)
    assert words.startswith(message)


@pytest.mark.parametrize(("first", "second", "saved"), [(20, 10, "10 s saved"), (10, 12, "nothing saved")])
def test_the_time_saved(first: int, second: int, saved: str) -> None:
    """By the instructions themselves, and by the whole step."""
    [(_, _, message)] = judged([step(EMPTY, first)], [step(FULL, second)])
    assert message.endswith(f"the others took 1.6 s, then 0.0 s, and all of it {first} s, then {second} s: {saved}")


def test_the_address_of_the_registry_is_as_good_as_its_name() -> None:
    """Pipelines may name either."""
    by_address = FULL.replace("registry.home.lan", "10.0.20.10")
    [(_, state, _)] = judged([], [step(by_address)])
    assert state == "pass"


def test_a_build_with_another_cache_only_is_left_out() -> None:
    """But not all of them: then it is not the migrated pipeline that ran."""
    other = step(FULL.replace(CACHE, OTHER))
    ours = step(FULL)._replace(label="web/image")
    skipped = ("team/app build/image", "skipped", "asked for no cache in this registry")
    assert judged([other, ours], [other, ours])[0] == skipped
    none = "no build asked for a cache in registry.home.lan:5050/: have the migrated pipelines been pushed?"
    assert judged([other], [other]) == [("team/app", "fail", none), skipped]
