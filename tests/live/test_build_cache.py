"""Real builds through the real registry: `codemod verify --trigger` reads what the cache does from their logs."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.build_logs import lines
from tests.command import codemod_process
from tests.live.deployment import REGISTRY, Deployment
from tests.woodpecker_server import Server
from tests.woodpecker_state import Job, State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.live

TOKEN = "planted-woodpecker-token"

DOCKERFILE = """\
FROM nginx:alpine
COPY greeting /greeting
RUN sleep 1; cat /greeting; cat /greeting > /copy
RUN cat /copy /greeting > /both
"""


class Builder:
    """An agent whose build step is a real one, on a docker that has nothing left of the build before.

    With `pushes` it pushes the image with its cache, as the plugin does at the end of its step.
    """

    def __init__(self, stack: Deployment, name: str, pushes: bool = True) -> None:
        self.machine, self.pushes = stack.machine, pushes
        self.cache = f"{REGISTRY}/{name}:buildcache"
        self.context = f"/root/{name}"
        self.machine.path(self.context).mkdir()
        (self.machine.path(self.context) / "Dockerfile").write_text(DOCKERFILE)
        (self.machine.path(self.context) / "greeting").write_text(f"hello from {name}\n")

    def __call__(self, job: Job) -> None:
        job.begin(every=["image"])
        job.start("image")
        options = f"--progress=plain --cache-from {self.cache} --build-arg BUILDKIT_INLINE_CACHE=1 -t {self.cache}"
        code = self.run(job, f"DOCKER_BUILDKIT=1 docker build {options} {self.context}")
        if self.pushes and not code:
            code = self.run(job, f"docker push {self.cache}")
        self.machine.shell(f"docker rmi {self.cache}; docker builder prune --all --force")
        job.finish("image", code)
        job.end("failure" if code else "success")

    def run(self, job: Job, command: str) -> int:
        """Run a command of the step; its output is the step's log, its errors too."""
        done = self.machine.shell(f"{command} 2>&1", check=False)
        job.write("image", lines(done.stdout))
        return done.returncode


@contextmanager
def woodpecker(agent: Callable[[Job], None], monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server on which every pipeline is run by this agent."""
    state = State({TOKEN: "ann"})
    state.repository("team/app", agent, runs={"manual": ["build"]}, writers={"ann"}, configuration={"build": ""})
    with Server(state) as server:
        monkeypatch.setenv("CODEMOD_WOODPECKER_ORIGIN", server.url)
        monkeypatch.setenv("CODEMOD_WOODPECKER_TOKEN", TOKEN)
        monkeypatch.setenv("CODEMOD_WOODPECKER_ALLOW_HTTP", "1")
        yield server


def verify(repository: Path, server: Server) -> tuple[int, list[dict[str, Any]], str]:
    """Exit code, results and talk of `verify --trigger` in the migrated repository."""
    options = ("--set", "registry.hostname=127.0.0.1", "--set", f"woodpecker.server={server.url}")
    done = codemod_process(repository, *options, "verify", "--trigger", "team/app", "--format", "json")
    assert TOKEN not in done.out + done.err
    return done.code, json.loads(done.out)["checks"], done.err


def test_the_second_build_comes_from_the_registry(
    stack: Deployment, verified: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pushed, forgotten and built again: every step is CACHED, and the report says so."""
    builder = Builder(stack, "cached")
    with woodpecker(builder, monkeypatch) as server:
        code, checks, talk = verify(verified, server)
    assert [check["state"] for check in checks] == ["pass", "pass", "pass"], checks
    message = checks[2]["message"]
    assert message.startswith(
        f"{builder.cache} imported, not the first time; 0, then 3 of 3 steps cached; the others took "
    )
    assert code == 0
    for line in (f"importing cache manifest from {builder.cache}", "CACHED"):
        assert line in talk.partition("2 build/image")[2]
    assert "CACHED" not in talk.partition("2 build/image")[0]


def test_a_cache_that_nobody_pushed_is_missed(
    stack: Deployment, verified: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The build succeeds all the same, twice at full length: only the log tells."""
    builder = Builder(stack, "missed", pushes=False)
    with woodpecker(builder, monkeypatch) as server:
        code, checks, _ = verify(verified, server)
    assert [check["state"] for check in checks] == ["pass", "pass", "fail"], checks
    assert checks[2]["message"] == f"{builder.cache} was not imported: {builder.cache}: not found"
    assert code == 1
