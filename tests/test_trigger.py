"""`codemod verify --trigger`: two runs of a pipeline on the CI server, and what their logs prove."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.build_logs import CACHE, EMPTY, EXPORT_FAILED, FULL, lines
from tests.command import PROGRAM, Run, codemod, write
from tests.woodpecker_server import Server
from tests.woodpecker_state import Job, Repository, State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TOKEN = "planted-woodpecker-token"
MIGRATED = f"""\
when:
  event: push
steps:
  - name: image
    image: woodpeckerci/plugin-docker-buildx:5.2.2-insecure
    settings:
      repo: team/app
      cache_from: {CACHE}
      cache_to: type=registry,ref={CACHE},mode=max
"""
UNMIGRATED = "\n".join(line for line in MIGRATED.splitlines() if "cache_" not in line)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    """A stand-in that the user's token is for."""
    with Server(State({TOKEN: "ann"})) as server:
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
        monkeypatch.setenv("CODEMOD_WOODPECKER_ORIGIN", server.url)
        monkeypatch.setenv("CODEMOD_WOODPECKER_TOKEN", TOKEN)
        monkeypatch.setenv("CODEMOD_WOODPECKER_ALLOW_HTTP", "1")
        yield server


@pytest.fixture
def root(server: Server, tmp_path: Path) -> Path:
    """A repository whose settings name the server and the registry."""
    settings = f'[registry]\nhostname = "registry.home.lan"\n[woodpecker]\nserver = "{server.url}"\n'
    write(tmp_path / "infra", {"codemod.toml": settings})
    return tmp_path / "infra"


def builder(*logs: str) -> Callable[[Job], None]:
    """An agent that writes these logs, one for each pipeline in turn; the first takes the longest."""
    waiting = list(logs)

    def agent(job: Job) -> None:
        seconds = 10 * len(waiting)
        job.begin(every=["clone", "image"])
        job.run("clone", [b"+ git fetch\n"])
        job.run("image", lines(waiting.pop(0)), seconds=seconds)
        job.end(seconds=seconds + 2)

    return agent


def add(server: Server, agent: Callable[[Job], None], runs: dict[str, list[str]], **values: Any) -> Repository:
    """The repository on the server; its branch has the migrated pipeline."""
    configuration = {"build": MIGRATED, "renew": "steps: []\n"}
    return server.state.repository(
        "team/app", agent, runs=runs, **{"configuration": configuration, "writers": {"ann"}, **values}
    )


def verify(root: Path, *options: str) -> tuple[Run, list[tuple[str, str, str]]]:
    """The run, and target, state and message of each result."""
    done = codemod(root, "verify", "--trigger", "team/app", "--format", "json", *options)
    assert TOKEN not in done.out + done.err
    checks = json.loads(done.out)["checks"] if done.out else []
    assert {check["check"] for check in checks} <= {"trigger"}
    return done, [(check["target"], check["state"], check["message"]) for check in checks]


MANUAL = {"manual": ["build"]}
PUSH = {"push": ["build"]}


def test_the_second_run_builds_from_the_cache(root: Path, server: Server) -> None:
    """Both pipelines are named, the log is shown while they run, and the report says what the cache saved."""
    add(server, builder(EMPTY, FULL), MANUAL)
    done, checks = verify(root)
    assert checks == [
        ("team/app #1", "pass", "started by hand: ran for 22 s"),
        ("team/app #2", "pass", "started by hand: ran for 12 s"),
        (
            "team/app build/image",
            "pass",
            f"{CACHE} imported, not the first time; 0, then 3 of 3 steps cached; the others took 1.6 s, then 0.0 s, "
            "and all of it 20 s, then 10 s: 10 s saved",
        ),
    ]
    assert done.code == 0
    assert f"1 build/image | #9 ERROR: {CACHE}: not found\n" in done.err
    assert "2 build/image | #6 CACHED\n" in done.err
    assert f"1: started by hand, {server.url}/repos/7/pipeline/1\n" in done.err


def test_a_cache_that_is_never_there_fails(root: Path, server: Server) -> None:
    """With BuildKit's reason, and nothing else for those who want it quiet."""
    add(server, builder(EMPTY, EMPTY), MANUAL)
    done, checks = verify(root, "-q")
    assert checks[2:] == [("team/app build/image", "fail", f"{CACHE} was not imported: {CACHE}: not found")]
    assert (done.code, done.err) == (1, "")


def test_a_filtered_trigger_restarts_the_newest_push_with_our_cache(root: Path, server: Server) -> None:
    """Not the newest push, for which another workflow ran, nor those before: broken files, not migrated files."""
    repository = add(server, builder(EMPTY, FULL), PUSH)
    state = server.state
    pushes = [
        (PUSH, MIGRATED),
        (PUSH, MIGRATED),
        (PUSH, UNMIGRATED),
        (PUSH, "steps: [\n"),
        ({"push": ["renew"]}, MIGRATED),
    ]
    for runs, text in pushes:
        repository.runs = runs
        state.create(repository, "push", {"build": text, "renew": "steps: []\n"}).status = "success"
    repository.runs = PUSH
    repository.pipelines[1].status = "failure"
    done, checks = verify(root)
    how = "restart of #2 with the configuration of 00000000, as no workflow runs when started by hand"
    assert checks[:2] == [
        ("team/app #6", "pass", f"{how}: ran for 22 s"),
        ("team/app #7", "pass", f"{how}: ran for 12 s"),
    ]
    assert [state for _, state, _ in checks] == ["pass", "pass", "pass"]
    assert [one.parent for one in repository.pipelines[5:]] == [2, 2]
    assert done.code == 0


@pytest.mark.parametrize(("exit_code", "state"), [(0, "pass"), (1, "fail")])
def test_a_run_by_hand_that_builds_nothing_restarts_a_push(
    root: Path, server: Server, exit_code: int, state: str
) -> None:
    """Some other workflow runs when started by hand; the report says so, and how it ended."""

    def agent(job: Job) -> None:
        if job.pipeline.event == "push":
            build(job)
            return
        job.begin(every=["renew"])
        job.run("renew", [b"nothing to renew\n"], exit_code)
        job.end("failure" if exit_code else "success")

    build = builder(FULL, FULL)
    repository = add(server, agent, {"push": ["build"], "manual": ["renew"]})
    server.state.create(repository, "push", {"build": MIGRATED}).status = "success"
    done, checks = verify(root)
    assert checks[0][:2] == ("team/app #2", state)
    how = "restart of #1 with the configuration of 00000000, as #2 builds nothing"
    assert [(target, message.partition(":")[0]) for target, _, message in checks[1:3]] == [
        ("team/app #3", how),
        ("team/app #4", how),
    ]
    assert (checks[3][1], done.code) == ("pass", exit_code)


@pytest.mark.parametrize("status", ["", "declined", "blocked"])
def test_nothing_has_run_since_the_migration(root: Path, server: Server, status: str) -> None:
    """Every push was before it, or was never let run: exit 3, with what to do."""
    repository = add(server, builder(), PUSH)
    for number in range(3):
        text = MIGRATED if status and number == 2 else UNMIGRATED
        server.state.create(repository, "push", {"build": text}).status = status if number == 2 else "success"
    done, checks = verify(root)
    assert checks == [("", "error", "nothing has run since the migration; push a commit without [ci skip]")]
    assert done.code == 3
    assert len(repository.pipelines) == 3


def end_with(status: str) -> Callable[[Job], None]:
    """An agent whose build is stopped."""

    def agent(job: Job) -> None:
        job.begin(every=["image"])
        job.start("image")
        job.write("image", [b"#1 [internal] load build definition from Dockerfile\n"])
        job.end(status)

    return agent


@pytest.mark.parametrize(
    ("agent", "approval", "state", "message"),
    [
        (end_with("canceled"), False, "error", "was cancelled by someone on the server"),
        (end_with("killed"), False, "error", "was killed: cancelled, or it ran longer than the server allows"),
        (end_with("declined"), False, "error", "was declined by someone on the server"),
        (end_with("skipped"), False, "error", "was skipped: no workflow had anything to run"),
        (
            lambda job: job.fail_to_compile("yaml: line 3: mapping values", "no steps"),
            False,
            "fail",
            "the server cannot run its configuration: yaml: line 3: mapping values; no steps",
        ),
        (builder(), True, "error", "waits for an approval: approve it on the server, then verify again"),
    ],
    ids=["cancelled", "killed", "declined", "skipped", "error", "blocked"],
)
def test_every_end_is_told_apart(
    root: Path, server: Server, agent: Callable[[Job], None], approval: bool, state: str, message: str
) -> None:
    """With the page to look at, and no second run; only a wrong configuration is the pipeline's fault."""
    repository = add(server, agent, MANUAL, asks_approval=approval)
    done, checks = verify(root)
    assert checks == [("team/app #1", state, f"started by hand: {message}; {server.url}/repos/7/pipeline/1")]
    assert done.code == (1 if state == "fail" else 3)
    assert len(repository.pipelines) == 1


def test_a_failed_step_is_named(root: Path, server: Server) -> None:
    """With its exit code."""

    def agent(job: Job) -> None:
        job.begin(every=["clone", "image"])
        job.run("clone", [])
        job.run("image", lines(EXPORT_FAILED), exit_code=17)
        job.end("failure")

    add(server, agent, MANUAL)
    done, checks = verify(root)
    page = f"{server.url}/repos/7/pipeline/1"
    assert checks == [("team/app #1", "fail", f"started by hand: failed: build/image (exit code 17); {page}")]
    assert done.code == 1


def test_a_restart_of_the_server_in_the_middle(root: Path, server: Server) -> None:
    """Both runs are followed to their ends, and their logs are whole."""
    plain = builder(EMPTY, FULL)

    def agent(job: Job) -> None:
        if job.pipeline.number == 1:
            time.sleep(0.3)
            server.restart(3)
        plain(job)

    add(server, agent, MANUAL)
    done, checks = verify(root)
    assert [state for _, state, _ in checks] == ["pass", "pass", "pass"]
    assert "waiting for the server" in done.err


def test_what_is_wrong_before_anything_runs(root: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line each: the name, the settings, the token, the repository."""
    repository = add(server, builder(), MANUAL)
    repository.active = False
    done, checks = verify(root)
    assert (done.code, checks) == (3, [("", "error", "team/app is not enabled on the server: enable it there")])
    server.state.repositories.clear()
    done, checks = verify(root)
    [(_, state, message)] = checks
    assert (done.code, state) == (3, "error")
    assert message.startswith("team/app is not on http://127.0.0.1")

    done = codemod(root, "verify", "--trigger", "app\x1b[2J")
    assert (done.code, done.err) == (2, "codemod: --trigger app\\x1b[2J: OWNER/NAME is expected\n")
    done = codemod(root, "verify", "--trigger", "team/app", "--set", "registry.hostname=")
    assert (done.code, done.err.partition(":")[0]) == (2, "codemod")
    assert "registry.hostname is not set" in done.err
    monkeypatch.delenv("CODEMOD_WOODPECKER_TOKEN")
    done = codemod(root, "verify", "--trigger", "team/app")
    assert done.code == 2
    assert "no Woodpecker token for http://127.0.0.1" in done.err


def test_hostile_logs_are_escaped_and_secrets_in_them_masked(root: Path, server: Server) -> None:
    """What a build prints cannot drive the terminal."""
    hostile = "\x1b]0;owned\x07\u202e password=hunter2\n" + FULL
    add(server, builder(hostile, hostile), MANUAL)
    done, checks = verify(root)
    assert [state for _, state, _ in checks] == ["pass", "pass", "pass"]
    assert "\\x1b]0;owned\\x07\\u202e password=***" in done.err
    assert not {"\x1b", "\u202e"} & set(done.err)
    assert "hunter2" not in done.out + done.err


def test_the_token_is_in_no_process_list(root: Path, server: Server) -> None:
    """Nor in any output or address, while a real process runs the command."""
    commands: list[bytes] = []

    def agent(job: Job) -> None:
        commands.extend(path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if os.access(path, os.R_OK))
        plain(job)

    plain = builder(EMPTY, FULL)
    add(server, agent, MANUAL)
    done = subprocess.run(
        [*PROGRAM, "-v", "verify", "--trigger", "team/app"], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert any(b"--trigger" in command for command in commands)
    assert not any(TOKEN.encode() in command for command in commands)
    assert TOKEN not in done.stdout + done.stderr
    assert all(TOKEN not in path for _, path, _ in server.seen)
