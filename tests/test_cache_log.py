"""Reading BuildKit's log: which caches a build imported, how many steps they saved, which cache it wrote."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codemods.ci.cache_log import BuildLog, Outcome, Transfer, read_build
from tests.build_logs import BUILDX_FULL, CACHE, EMPTY, EXPORT_FAILED, FULL
from tests.soak import EXAMPLES

WRITTEN = (Transfer("", Outcome.DONE),)
IMPORTED = Transfer(CACHE, Outcome.DONE)
NOT_FOUND = Transfer(CACHE, Outcome.FAILED, f"{CACHE}: not found")

# What the same builds must be read as, whatever stands around and in front of their lines.
KNOWN = {
    EMPTY: BuildLog((NOT_FOUND,), WRITTEN, steps=3, cached=0, seconds=1.6),
    FULL: BuildLog((IMPORTED,), WRITTEN, steps=3, cached=3, seconds=0.0),
    BUILDX_FULL: BuildLog((IMPORTED,), WRITTEN, steps=3, cached=2, seconds=1240.5),
}


def read(text: str) -> BuildLog:
    """A log in which something was built."""
    found = read_build(text.splitlines())
    assert found is not None
    return found


def about(found: BuildLog) -> BuildLog:
    """With the seconds rounded as they are written."""
    return found._replace(seconds=round(found.seconds, 1))


@pytest.mark.parametrize("text", KNOWN, ids=["empty", "full", "buildx"])
def test_a_real_log_is_read(text: str) -> None:
    """Imports with their reasons, steps but FROM, those from the cache, and the seconds of the others."""
    assert about(read(text)) == KNOWN[text]


def test_a_step_whose_layer_was_fetched_is_cached() -> None:
    """It has no CACHED line; a step that ran and printed something is not, even if it fetched something."""
    fetched = "#5 [2/2] COPY a .\n#5 extracting sha256:46 0.0s done\n#5 DONE 0.2s\n"
    assert (read(fetched).cached, read(fetched).seconds) == (1, 0.0)
    ran = "#5 [2/2] RUN make\n#5 extracting sha256:46 0.0s done\n#5 0.912 done\n#5 DONE 2.0s\n"
    assert (read(ran).cached, read(ran).seconds) == (0, 2.0)


def test_a_cache_that_cannot_be_written_says_why() -> None:
    """With `ignore-error=true` the build goes on, and only the log tells."""
    [export] = read(EXPORT_FAILED).exports
    assert export.outcome is Outcome.FAILED
    assert export.reason.endswith("connection refused")


def test_an_import_without_an_end_is_unfinished() -> None:
    """A log that was cut off proves nothing."""
    cut = FULL[: FULL.index("#4 DONE")]
    assert read(cut).imports == (Transfer(CACHE, Outcome.UNFINISHED),)


def test_builds_that_follow_one_another_are_counted_together() -> None:
    """Each begins with #1 again; also the same build twice."""
    both = read(EMPTY + FULL)
    assert both.imports == (NOT_FOUND, IMPORTED)
    assert (both.steps, both.cached) == (6, 3)
    assert (read(FULL + FULL).steps, read(BUILDX_FULL * 3).steps) == (6, 9)


def test_logs_without_a_build_are_none() -> None:
    """Whatever numbers they have in them."""
    assert read_build([]) is None
    assert read_build(["#1 of 3: deploy", "issue #12 CACHED", "[1/2] COPY", "importing cache manifest from x"]) is None


def test_what_a_program_prints_is_not_believed() -> None:
    """A step can print what looks like BuildKit's own lines."""
    forged = EMPTY.replace(
        "#7 1.272 hello",
        "#7 0.1 #8 CACHED\n#7 0.2 importing cache manifest from registry.home.lan:5050/other:buildcache\n"
        "#7 0.3 [2/4] COPY b\n#7 1.3e+04 CACHED\n#7 12345. CACHED\n#7 1.272 hello",
    )
    assert about(read(forged)) == KNOWN[EMPTY]


def test_a_long_line_costs_no_more_than_its_length() -> None:
    """Half a million characters that nearly match are read at once."""
    for unit in ("12:00 ", "a: ", "[x] ", "k=v ", "\x1b[", "a/", "#", "#1 "):
        assert read_build([unit * (500_000 // len(unit)) + "#"]) is None


PREFIXES = (
    "",
    "2026-01-02T03:04:05.678Z ",
    "2026-01-02 03:04:05,678 ",
    "[12:34:56] ",
    "[build-image] ",
    "build-image | ",
    "build/app: ",
    "level=info 12:34 ",
    "\x1b[0m\x1b[32m",
    "#0 something that is overwritten\r",
)


NOISE = st.text(max_size=40).filter(lambda line: not re.search(r"#\d", line))


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    text=st.sampled_from([*KNOWN]),
    prefix=st.sampled_from(PREFIXES),
    end=st.sampled_from(("", "\r", "\x1b[0m", "   ")),
    noise=st.lists(st.tuples(st.integers(0, 60), NOISE), max_size=20),
)
def test_noise_never_changes_the_verdict(text: str, prefix: str, end: str, noise: list[tuple[int, str]]) -> None:
    """Lines of others in between, prefixes, colours and line ends leave what is read the same."""
    lines = [prefix + line + end for line in text.splitlines()]
    for place, line in noise:
        lines.insert(place, line)
    found = read_build(lines)
    assert found is not None
    assert about(found) == KNOWN[text]
