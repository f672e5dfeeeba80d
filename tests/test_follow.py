"""Following a pipeline: every line is shown once, as it is written, whatever becomes of the connection."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from codemods.ci.follow import Follower, Run
from codemods.ci.woodpecker import Woodpecker
from codemods.errors import CodemodError
from codemods.http import Unreachable
from tests.woodpecker_server import Server
from tests.woodpecker_state import Job, State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TOKEN = "planted-woodpecker-token"


@pytest.fixture
def server() -> Iterator[Server]:
    """A stand-in without repositories."""
    with Server(State({TOKEN: "ann"})) as server:
        yield server


def follow(server: Server, agent: Callable[[Job], None], shown: list[str], **options: float) -> Run:
    """Start a pipeline of two workflows that this agent runs, and follow it."""
    server.state.repository("team/infra", agent, runs={"manual": ["build", "test"]}, writers={"ann"})
    server.state.repositories[0].configuration = {"build": "", "test": ""}
    with Woodpecker(server.url, TOKEN) as client:
        repository = client.repository("team/infra")
        started = client.trigger(repository)
        assert started is not None
        return Follower(client, repository, shown.append, **options).follow(started.number)


def wait_for(number: int, shown: list[str]) -> None:
    """Return when so many lines of logs are shown, or after ten seconds."""
    deadline = time.monotonic() + 10
    while sum("|" in line for line in shown) < number and time.monotonic() < deadline:
        time.sleep(0.05)


def numbered(count: int, word: str = "line") -> list[bytes]:
    """Lines that differ."""
    return [b"%s %d\n" % (word.encode(), number) for number in range(count)]


def test_logs_are_shown_while_they_are_written(server: Server) -> None:
    """Two steps at a time, each line behind the names of its workflow and step; then all of it is returned."""
    shown: list[str] = []
    seen_before_the_end: list[str] = []
    asked: list[str] = []

    def agent(job: Job) -> None:
        job.begin(build=["clone", "image"], test=["unit"])
        job.start("clone")
        job.start("unit")
        for number in range(4):
            job.write("clone", [b"clone %d\n" % number])
            job.write("unit", [b"unit %d\n" % number])
            time.sleep(0.1)
        wait_for(4 * 2, shown)
        seen_before_the_end.extend(shown)
        asked.extend(path.split("/")[2] + "/" + path.split("/")[4] for _, path, _ in server.seen if "logs/" in path)
        job.finish("clone")
        job.finish("unit")
        job.run("image", [b"image\n"])
        job.end(seconds=3)

    run = follow(server, agent, shown)
    assert asked == ["stream/7", "stream/7"], "each log is read once, by a connection that stays open"
    assert {"1 build/clone | clone 0", "1 test/unit | unit 0"} <= set(seen_before_the_end)
    assert [line for line in shown if "unit" in line] == [
        *(f"1 test/unit | unit {number}" for number in range(4)),
        "1 test/unit: success",
    ]
    assert (run.pipeline.status, run.pipeline.seconds) == ("success", 3)
    assert sorted(run.logs.values()) == [
        tuple(f"clone {n}" for n in range(4)),
        ("image",),
        tuple(f"unit {n}" for n in range(4)),
    ]
    assert shown[-1] == "1: success"


def test_a_log_of_many_lines_is_whole(server: Server) -> None:
    """Twenty thousand lines come once each."""
    shown: list[str] = []

    def agent(job: Job) -> None:
        job.begin(build=["image"])
        job.run("image", numbered(20_000))
        job.end()

    run = follow(server, agent, shown)
    [log] = run.logs.values()
    assert log == tuple(f"line {number}" for number in range(20_000))
    assert Counter(line for line in shown if "|" in line) == Counter(f"1 build/image | {line}" for line in log)


def test_lines_that_come_late_are_not_lost(server: Server) -> None:
    """An agent sends the last lines of a step when the pipeline has already ended."""
    shown: list[str] = []

    def agent(job: Job) -> None:
        job.begin(build=["image"])
        job.run("image", [b"early\n"])
        job.end()
        time.sleep(0.4)
        job.write("image", [b"late\n"])

    assert [*follow(server, agent, shown).logs.values()] == [("early", "late")]
    assert shown[-2:] == ["1 build/image | late", "1: success"]


def test_without_live_logs_they_are_asked_for(server: Server) -> None:
    """Behind a proxy that passes no streams on, lines come a little later and once each."""
    server.streams = False
    shown: list[str] = []
    early: list[str] = []

    def agent(job: Job) -> None:
        job.begin(build=["image"])
        job.start("image")
        job.write("image", numbered(5))
        wait_for(5, shown)
        early.extend(shown)
        job.write("image", numbered(5, "more"))
        job.finish("image")
        job.end()

    follow(server, agent, shown)
    assert "1 build/image | line 4" in early
    assert [line for line in shown if "|" in line] == [
        *(f"1 build/image | line {number}" for number in range(5)),
        *(f"1 build/image | more {number}" for number in range(5)),
    ]


def test_a_restart_of_the_server_is_waited_for(server: Server) -> None:
    """It is said once, and no line is lost or shown twice."""
    shown: list[str] = []

    def agent(job: Job) -> None:
        job.begin(build=["image"])
        job.start("image")
        job.write("image", numbered(100))
        time.sleep(0.5)
        server.restart(3)
        job.write("image", numbered(100, "more"))
        job.finish("image")
        job.end()

    run = follow(server, agent, shown)
    [log] = run.logs.values()
    assert log == (*(f"line {n}" for n in range(100)), *(f"more {n}" for n in range(100)))
    assert max(Counter(line for line in shown if "|" in line).values()) == 1
    assert sum("waiting for the server" in line for line in shown) == 1


def test_a_server_that_stays_away_is_given_up(server: Server) -> None:
    """After the time that an outage may take."""

    def agent(job: Job) -> None:
        job.begin(build=["image"])
        job.start("image")
        time.sleep(0.5)
        server.stop()

    begin = time.monotonic()
    with pytest.raises(Unreachable):
        follow(server, agent, [], outage=1.5)
    assert time.monotonic() - begin > 1.5


@pytest.mark.parametrize("status", ["failure", "killed", "canceled", "error", "declined", "skipped", "blocked"])
def test_every_end_is_an_end(server: Server, status: str) -> None:
    """Also before a step has run, and when the pipeline waits for an approval."""
    run = follow(server, lambda job: job.end(status), [])
    assert (run.pipeline.status, run.logs) == (status, {})


def test_a_pipeline_that_no_agent_takes_is_given_up(server: Server) -> None:
    """With the question that helps."""
    shown: list[str] = []
    with pytest.raises(CodemodError, match=r"pipeline 1 has waited for an agent for .*: is one connected"):
        follow(server, lambda job: None, shown, patience=1)
    assert shown == ["1: waiting for an agent"]


def test_a_pipeline_that_hangs_is_given_up(server: Server) -> None:
    """When neither a state nor a log has changed for longer than the server lets a workflow run."""

    def agent(job: Job) -> None:
        job.begin(build=["image"])
        job.start("image")
        job.write("image", [b"one\n"])

    with pytest.raises(CodemodError, match=r"pipeline 1 has done nothing for .*: look at http"):
        follow(server, agent, [], patience=1)
