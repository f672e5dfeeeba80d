"""The Woodpecker client: what it asks, and one clear line for everything that a server can answer."""

from __future__ import annotations

import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from codemods.ci.pipeline import read_log, read_pipeline, read_repository
from codemods.ci.woodpecker import NotFound, Woodpecker, connect
from codemods.errors import CodemodError, SettingsError
from codemods.http import Unreachable
from tests.woodpecker_server import Server
from tests.woodpecker_state import Job, Repository, State

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from codemods.ci.pipeline import Pipeline

TOKEN = "planted-woodpecker-token"
READER = "planted-reader-token"


def short(job: Job) -> None:
    """An agent whose pipelines have one step with three lines."""
    job.begin(every=["build"])
    job.run("build", [b"one\n", b"two \xff\n", "drei äöü\r\n".encode()])
    job.end()


@pytest.fixture
def state() -> State:
    """A server with one private repository, which the first user may push to and the second may see."""
    state = State({TOKEN: "ann", READER: "bob"})
    state.repository("team/infra", short, runs={"manual": ["build"]}, writers={"ann"}, readers={"bob"})
    state.repositories[0].configuration = {"build": "steps: []\n"}
    return state


@pytest.fixture
def repository(state: State) -> Repository:
    """The server's side of the repository."""
    return state.repositories[0]


@pytest.fixture
def server(state: State) -> Iterator[Server]:
    """The stand-in, below a path of its host."""
    with Server(state, prefix="/ci") as server:
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[Woodpecker]:
    """The client under test."""
    with Woodpecker(server.url, TOKEN) as client:
        yield client


def test_a_pipeline_is_started_and_read(client: Woodpecker, server: Server) -> None:
    """The branch is named, the token travels in the header only, and the log is what the step wrote."""
    found = client.repository("team/infra")
    assert (found.branch, found.timeout) == ("master", 3600)
    started = client.trigger(found)
    assert started is not None
    pipeline = ended(client, started.number)
    [workflow] = pipeline.workflows
    [step] = workflow.steps
    assert (pipeline.status, pipeline.event, workflow.name, step.name) == ("success", "manual", "build", "build")
    assert [line.text for line in client.log(found, 1, step.id)] == ["one", "two \ufffd", "drei äöü"]
    assert all(TOKEN not in path for _, path, _ in server.seen)
    assert all(headers["Authorization"] == f"Bearer {TOKEN}" for *_, headers in server.seen)


def ended(client: Woodpecker, number: int) -> Pipeline:
    """A pipeline in its last state."""
    found = client.repository("team/infra")
    while not (pipeline := client.pipeline(found, number)).has_ended:
        time.sleep(0.05)
    return pipeline


def test_a_filtered_trigger_is_no_pipeline(client: Woodpecker, repository: Repository) -> None:
    """The server answers 204 when no workflow wants to run."""
    repository.runs = {"push": ["build"]}
    assert client.trigger(client.repository("team/infra")) is None
    assert repository.pipelines == []


def test_all_pages_of_a_list_are_read(client: Woodpecker, state: State, repository: Repository) -> None:
    """Fifty in a page, newest first, only those of the event, and no page more than needed."""
    for number in range(240):
        state.create(repository, "push" if number % 2 else "manual", {})
    numbers = [pipeline.number for pipeline in client.pipelines(client.repository("team/infra"), "push")]
    assert numbers == list(range(240, 0, -2))


def test_a_list_is_read_no_further_than_asked(
    client: Woodpecker, state: State, repository: Repository, server: Server
) -> None:
    """The first of many pipelines costs one request."""
    for _ in range(120):
        state.create(repository, "push", {})
    found = client.repository("team/infra")
    server.seen.clear()
    assert next(client.pipelines(found, "push")).number == 120
    assert [path for _, path, _ in server.seen] == [
        "/ci/api/repos/7/pipelines?page=1&perPage=50&event=push&branch=master"
    ]


def test_the_stored_configuration_is_decoded(client: Woodpecker, state: State, repository: Repository) -> None:
    """Each file under the name of its workflow."""
    state.create(repository, "push", {"build": "steps:\n  - name: ä\n", "deploy": ""})
    found = client.configuration(client.repository("team/infra"), 1)
    assert found == {"build": "steps:\n  - name: ä\n", "deploy": ""}


def test_a_restart_keeps_event_and_configuration(client: Woodpecker, state: State, repository: Repository) -> None:
    """It is a new pipeline that names the old one."""
    repository.runs["push"] = ["build"]
    state.create(repository, "push", {"build": "old"})
    repository.configuration = {"build": "new"}
    started = client.restart(client.repository("team/infra"), 1)
    assert started is not None
    assert (started.number, started.event) == (2, "push")
    assert (repository.pipelines[1].configuration, repository.pipelines[1].parent) == ({"build": "old"}, 1)


def test_an_unknown_token(server: Server) -> None:
    """401."""
    with Woodpecker(server.url, "no-such-token") as client, pytest.raises(CodemodError) as caught:
        client.repository("team/infra")
    assert (
        str(caught.value)
        == f"http://127.0.0.1:{server.port} does not accept the token: make a new one on its user page"
    )


def test_a_user_who_may_not_push(server: Server, repository: Repository) -> None:
    """403 for a repository that everybody may see, 404 for a private one."""
    with Woodpecker(server.url, READER) as client:
        found = client.repository("team/infra")
        with pytest.raises(NotFound, match=r"branch master is not on .*, or the token's user may not see it and push"):
            client.trigger(found)
        repository.is_private = False
        with pytest.raises(
            CodemodError, match="does not allow this token branch master: take one of a user who may push"
        ):
            client.trigger(found)


def test_what_is_not_there(client: Woodpecker) -> None:
    """404 names what was looked for."""
    found = client.repository("team/infra")
    with pytest.raises(NotFound, match=r"^team/other is not on http"):
        client.repository("team/other")
    with pytest.raises(NotFound, match=r"^pipeline 99 is not on http"):
        client.pipeline(found, 99)


def test_a_branch_that_is_gone(client: Woodpecker, repository: Repository) -> None:
    """500 comes with the server's own words."""
    found = client.repository("team/infra")._replace(branch="gone")
    with pytest.raises(CodemodError, match="branch gone: HTTP 500: could not fetch branch head"):
        client.trigger(found)


def test_a_pipeline_that_nobody_approved_is_not_restarted(
    client: Woodpecker, state: State, repository: Repository
) -> None:
    """400 comes with the server's own words."""
    state.create(repository, "push", {}).status = "declined"
    with pytest.raises(CodemodError, match="HTTP 400: cannot restart a pipeline with status declined"):
        client.restart(client.repository("team/infra"), 1)


def test_another_server_behind_the_address(server: Server) -> None:
    """A path that Woodpecker does not have is answered with its web page."""
    with (
        Woodpecker(f"http://127.0.0.1:{server.port}/elsewhere", TOKEN) as client,
        pytest.raises(CodemodError) as caught,
    ):
        client.repository("team/infra")
    assert "answers as no Woodpecker server does: correct woodpecker.server" in str(caught.value)


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (302, "", "redirects elsewhere: set woodpecker.server to the address it means"),
        (422, "cannot\nparse\x1b[2J it", "HTTP 422: cannot parse\x1b[2J it"),
        (500, f"bad header: Bearer {TOKEN}", "HTTP 500: bad header: Bearer ***"),
        (500, "", "HTTP 500"),
        (200, "[]", "the server's answer is not what Woodpecker's API says: is it older than 3.0?"),
        (200, '{"id": "7"}', "the server's answer is not what Woodpecker's API says: is it older than 3.0?"),
        (200, "{", "the server's answer is not what Woodpecker's API says: is it older than 3.0?"),
        (200, "[" * 100_000, "the server's answer is not what Woodpecker's API says: is it older than 3.0?"),
    ],
)
def test_odd_answers(status: int, body: str, message: str) -> None:
    """Each is one line, without the token, and no redirect is followed with it."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Location", "http://127.0.0.2/")
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        with Woodpecker(f"http://127.0.0.1:{http.server_port}", TOKEN) as client, pytest.raises(CodemodError) as caught:
            client.repository("team/infra")
        http.shutdown()
        thread.join()
    assert str(caught.value).endswith(message)
    assert "\n" not in str(caught.value)


def test_no_server(server: Server, client: Woodpecker) -> None:
    """A refused connection is told from an answer."""
    server.stop()
    with pytest.raises(Unreachable, match=r"^http://127\.0\.0\.1:\d+: "):
        client.repository("team/infra")


def test_a_live_log_is_read_to_its_end(client: Woodpecker, state: State, repository: Repository) -> None:
    """From the first line of a running step, through pings, until it ends."""
    made = state.create(repository, "manual", {"build": ""})
    job = Job(state, made)
    job.begin(every=["build"])
    job.start("build")
    job.write("build", [b"early\n"])
    lines = client.live_log(client.repository("team/infra"), 1, job.step("build").id)
    assert next(lines).text == "early"
    job.write("build", [b"late\n"])
    assert next(lines).text == "late"
    job.finish("build")
    assert list(lines) == []
    assert list(client.live_log(client.repository("team/infra"), 1, job.step("build").id)) == []


def test_a_server_without_live_logs_says_so(
    client: Woodpecker, server: Server, state: State, repository: Repository
) -> None:
    """A proxy that holds streams back, and a step that is not there."""
    state.create(repository, "manual", {"build": ""})
    found = client.repository("team/infra")
    with pytest.raises(NotFound):
        list(client.live_log(found, 1, 1))
    server.streams = False
    with pytest.raises(Unreachable, match="HTTP 504"):
        list(client.live_log(found, 1, 1))


def test_the_token_comes_from_the_environment_for_its_own_server_only(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Settings that name another server get no token."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("CODEMOD_WOODPECKER_ORIGIN", f"http://127.0.0.1:{server.port}")
    monkeypatch.setenv("CODEMOD_WOODPECKER_TOKEN", TOKEN)
    with pytest.raises(CodemodError, match="would travel unencrypted") as caught:
        connect(server.url)
    assert TOKEN not in str(caught.value)
    monkeypatch.setenv("CODEMOD_WOODPECKER_ALLOW_HTTP", "1")
    with connect(server.url) as client:
        assert client.repository("team/infra").name == "team/infra"
    with pytest.raises(
        SettingsError, match=r"no Woodpecker token for http://127\.0\.0\.2: set CODEMOD_WOODPECKER_ORIGIN="
    ):
        connect("http://127.0.0.2")


@pytest.mark.parametrize("token", ["planted token", "planted\ntoken", "plänted"])
def test_a_token_that_no_header_can_carry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, token: str) -> None:
    """It is refused without being shown."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("CODEMOD_WOODPECKER_ORIGIN", "https://127.0.0.2")
    monkeypatch.setenv("CODEMOD_WOODPECKER_TOKEN", token)
    with pytest.raises(
        SettingsError,
        match=r"the woodpecker credentials for https://127\.0\.0\.2 cannot be used: the token has a space",
    ) as caught:
        connect("https://127.0.0.2")
    assert token not in str(caught.value)


def test_values_of_a_wrong_type_are_not_trusted() -> None:
    """What is missing has a neutral value, what must be there is asked for."""
    assert read_repository('{"id": 1, "timeout": "long", "default_branch": 7}').timeout == 3600
    read = read_pipeline('{"number": 3, "status": null, "workflows": null, "errors": null, "started": true}')
    assert (read.status, read.workflows, read.started, read.has_ended) == ("", (), 0, False)
    for text in (
        "{}",
        '{"number": 1, "workflows": {"a": 1}}',
        '{"number": 1, "workflows": [{"children": [{}]}]}',
        "null",
    ):
        with pytest.raises(CodemodError):
            read_pipeline(text)
    with pytest.raises(CodemodError):
        read_log('[{"line": 1, "data": "not base64!", "type": 0}]')


def test_only_what_a_step_wrote_is_its_log() -> None:
    """Exit codes, metadata and progress are for the web page; lines are put in their order."""
    text = (
        '[{"line": 2, "data": "Yg==", "type": 1}, {"line": 3, "data": "MA==", "type": 2}, {"line": 1, "data": "YQo="}]'
    )
    assert [(line.number, line.text) for line in read_log(text)] == [(1, "a"), (2, "b")]
