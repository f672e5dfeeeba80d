"""`codemod verify --images` and `--cache` between two real registries: what the pipelines name, and what is there."""

from __future__ import annotations

import base64
import re
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.live.conftest import require
from tests.live.contents import Contents
from tests.live.deployment import REGISTRY
from tests.live.front import OpenRegistry, Verified, registry_config, repository, verify
from tests.live.lab import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.live.deployment import Deployment

pytestmark = pytest.mark.live

STEP = """
when: {{event: push}}
{more}
steps:
  - name: build
    image: woodpeckerci/plugin-docker-buildx:5.2.2-insecure
    settings:
      repo: [{repos}]
      {settings}
"""


class Pair:
    """A private and a public registry, and a repository whose pipelines push to both."""

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        config = registry_config(directory)
        self.ours = stack.enter_context(OpenRegistry(directory / "ours", config))
        self.theirs = stack.enter_context(OpenRegistry(directory / "theirs", config))
        self.port = self.ours.address.rpartition(":")[2]
        self.root = repository(directory / "infra", int(self.port))
        self.host = f"localhost:{self.port}"

    def pipeline(self, name: str, *repos: str, settings: str = "", more: str = "") -> None:
        """Write a pipeline that pushes to these repositories; `ours/` and `theirs/` stand for the registries."""
        listed = ", ".join(f'"{self.named(repo)}"' for repo in repos)
        text = STEP.format(repos=listed, settings=self.named(settings), more=more)
        (self.root / ".woodpecker").mkdir(exist_ok=True)
        (self.root / f".woodpecker/{name}.yml").write_text(text)

    def named(self, text: str) -> str:
        """The text with the registries' addresses filled in."""
        return text.replace("ours/", f"{self.host}/").replace("theirs/", f"{self.theirs.address}/")

    def image(self, name: str, tag: str, seed: str, public: str = "") -> None:
        """Push an image to ours, and to a public repository what `public` says, perhaps another one."""
        Contents(self.ours.client, name).image(seed, tag)
        if public:
            Contents(self.theirs.client, f"team/{name}").image(public, tag)

    def verify(self, *arguments: str) -> Verified:
        """Run `codemod verify`."""
        return verify(self.root, *arguments, "--set", "registry.hostname=localhost")


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    """Two registries that run."""
    require("docker-registry")
    with ExitStack() as stack:
        yield Pair(tmp_path, stack)


def test_images(pair: Pair) -> None:
    """The same, another one, missing here, missing there, pushed only here: each image is told by its name."""
    for name in ("same", "other", "lost", "unpublished"):
        pair.pipeline(name, f"theirs/team/{name}", f"ours/{name}", settings="tags: [v1, v2]")
    pair.pipeline("alone", "ours/alone")
    for tag in ("v1", "v2"):
        pair.image("same", tag, tag, public=tag)
    pair.image("other", "v1", "here", public="there")
    pair.image("other", "v2", "both", public="both")
    Contents(pair.theirs.client, "team/lost").image("lost", "v1")
    pair.image("unpublished", "v1", "new")
    pair.image("alone", "latest", "alone")
    done = pair.verify("--images")
    assert done.code == 1
    there = pair.theirs.address
    assert done.one("same:v1") == ("pass", f"the same as {there}/team/same:v1, {digest(pair, 'same', 'v1')}")
    assert done.one("same:v2")[0] == "pass"
    state, message = done.one("other:v1")
    assert (state, message.startswith(f"not the same as {there}/team/other:v1")) == ("fail", True)
    assert digest(pair, "other", "v1") in message
    assert done.one("other:v2")[0] == "pass"
    assert done.one("lost:v1")[0] == "fail"
    assert "no build has pushed it there yet (.woodpecker/lost.yml, step build)" in done.one("lost:v1")[1]
    assert done.one("unpublished:v1") == ("fail", f"there, and {there}/team/unpublished:v1 is not")
    assert done.one("alone:latest")[0] == "pass"
    assert len(done.checks) == 9


def digest(pair: Pair, name: str, tag: str) -> str:
    """The digest of a tag in our registry."""
    found = pair.ours.client.digest(name, tag)
    assert found
    return found


def test_tags_that_ci_fills_in(pair: Pair) -> None:
    """The form of the tag is looked for, and the newest one compared; a matrix stands for each of its values."""
    pair.pipeline("auto", "theirs/team/auto", "ours/auto", settings="auto_tag: true")
    pair.pipeline("sha", "theirs/team/sha", "ours/sha", settings="tags: ['build-${CI_PIPELINE_NUMBER}']")
    pair.pipeline("none", "theirs/team/none", "ours/none", settings="tags: ['v${CI_PIPELINE_NUMBER}']")
    pair.pipeline("name", "theirs/team/${CI_REPO_NAME}", "ours/${CI_REPO_NAME}")
    matrix = "matrix: {VARIANT: [alpine, debian]}"
    pair.pipeline("matrix", "theirs/team/matrix", "ours/matrix", settings="tags: ['${VARIANT}']", more=matrix)
    pair.image("auto", "1.9.0", "old", public="old")
    pair.image("auto", "1.10.0", "new", public="newer")
    for number in ("9", "10"):
        pair.image("sha", f"build-{number}", number, public=number)
    pair.image("none", "latest", "x", public="x")
    pair.image("matrix", "alpine", "alpine", public="alpine")
    done = pair.verify("--images")
    assert "1.10.0: not the same as" in done.one("auto:auto_tag")[1]
    assert done.one("sha:")[0] == "pass"
    assert "2 tags there have the form; build-10: the same as" in done.one("sha:")[1]
    assert done.one("none:")[0] == "fail"
    assert "no tag of this form" in done.one("none:")[1]
    assert done.one("${CI_REPO_NAME}:")[0] == "skipped"
    assert done.one("matrix:alpine")[0] == "pass"
    assert done.one("matrix:debian")[0] == "fail"


def test_without_the_public_registry(pair: Pair) -> None:
    """What can be said of the private copy is said; that nothing was compared is no failure."""
    nowhere = f"127.0.0.1:{free_port()}"
    pair.pipeline("app", f"{nowhere}/team/app", "ours/app")
    pair.pipeline("lost", f"{nowhere}/team/lost", "ours/lost")
    pair.pipeline("elsewhere", "theirs/team/app")
    pair.image("app", "latest", "app")
    done = pair.verify("--images")
    assert done.code == 1
    state, message = done.one("app:latest")
    assert state == "skipped"
    assert message.startswith(f"there; not compared with {nowhere}/team/app:latest: https://{nowhere}: ")
    assert done.one("lost:latest")[0] == "fail"
    assert done.one(".woodpecker/elsewhere.yml")[0] == "skipped"
    pair.ours.stop()
    done = pair.verify("--images")
    assert (done.code, done.states) == (3, ["skipped", "error"])
    assert "refused" in done.checks[1][2]


def test_caches(pair: Pair) -> None:
    """Each form is told, with its size and its age; what is missing, damaged, shared or no cache is a failure."""
    made = (datetime.now(UTC) - timedelta(hours=50)).isoformat()
    for form in ("image", "index", "list"):
        cached(pair, form)
        Contents(pair.ours.client, form).cache(form, "buildcache", made=made)
    cached(pair, "inline")
    inline = base64.b64encode(b'{"layers":[]}').decode()
    config = {"moby.buildkit.cache.v0": inline, "created": made}
    Contents(pair.ours.client, "inline").image("inline", "buildcache", **config)
    for name in ("plain", "missing", "damaged"):
        cached(pair, name)
    Contents(pair.ours.client, "plain").image("plain", "buildcache")
    damaged = Contents(pair.ours.client, "damaged")
    damaged.cache("index", "buildcache")
    link = damaged.blob(b"cached 1")["digest"].partition(":")[2]
    (repository_links(pair) / link / "link").unlink()
    done = pair.verify("--cache")
    assert done.code == 1
    names = {"image": "image manifest", "index": "OCI index", "list": "Docker list"}
    for form, name in names.items():
        state, message = done.one(f"{pair.host}/{form}:buildcache")
        assert state == "pass", message
        assert message.startswith(f"{name} (application/vnd.")
        assert " 4 blobs, " in message
        assert "written 2 days ago" in message
    assert done.one(f"{pair.host}/inline:")[0] == "pass"
    assert done.one(f"{pair.host}/inline:")[1].startswith("inline in an image, 3 blobs, ")
    assert "carries no cache" in done.one(f"{pair.host}/plain:")[1]
    assert "age unknown" in done.one(f"{pair.host}/plain:")[1]
    assert "no build has written it yet" in done.one(f"{pair.host}/missing:")[1]
    assert f"it is damaged: sha256:{link}: the blob is gone (404)" in done.one(f"{pair.host}/damaged:")[1]


def cached(pair: Pair, name: str, reference: str = "") -> None:
    """A pipeline that reads and writes a cache of its own."""
    reference = reference or f"ours/{name}:buildcache"
    settings = f"cache_from: '{reference}'\n      cache_to: 'type=registry,ref={reference},mode=max'"
    pair.pipeline(name, f"theirs/team/{name}", f"ours/{name}", settings=settings)


def repository_links(pair: Pair) -> Path:
    """Where our registry links the blobs of the repository `damaged`."""
    return pair.ours.storage / "docker/registry/v2/repositories/damaged/_layers/sha256"


def test_caches_elsewhere_and_shared(pair: Pair) -> None:
    """A cache of several images is flagged, one with variables is not guessed, one out of reach fails nothing."""
    cached(pair, "one", "ours/shared:buildcache")
    cached(pair, "two", "ours/shared:buildcache")
    cached(pair, "their", "theirs/cache:app")
    cached(pair, "variable", "ours/${CI_REPO_NAME}:buildcache")
    cached(pair, "offline", f"127.0.0.1:{free_port()}/cache:app")
    Contents(pair.ours.client, "shared").cache("image", "buildcache")
    Contents(pair.theirs.client, "cache").cache("image", "app")
    done = pair.verify("--cache")
    state, message = done.one(f"{pair.host}/shared:")
    assert state == "fail"
    assert (
        "throw each other's layers away (.woodpecker/one.yml, step build; .woodpecker/two.yml, step build)" in message
    )
    assert done.one(f"{pair.theirs.address}/cache:app")[0] == "pass"
    assert done.one(f"{pair.host}/${{CI_REPO_NAME}}")[0] == "skipped"
    assert sorted(done.states) == ["fail", "pass", "skipped", "skipped"]


DOCKERFILE = "FROM nginx:alpine\nRUN cat /etc/passwd > /copy\n"


def test_a_cache_that_buildkit_wrote(stack: Deployment, tmp_path: Path) -> None:
    """A real build pushes an image with its cache inline: it is told as such, just written, and whole."""
    name = f"{REGISTRY}/real:buildcache"
    context = stack.machine.path("/root/real")
    context.mkdir()
    (context / "Dockerfile").write_text(DOCKERFILE)
    options = f"--build-arg BUILDKIT_INLINE_CACHE=1 -t {name}"
    stack.machine.shell(f"DOCKER_BUILDKIT=1 docker build {options} /root/real && docker push {name}")
    settings = f"cache_from: '{name}'"
    text = STEP.format(repos=f"{REGISTRY}/real", settings=f"{settings}\n      tags: buildcache", more="")
    root = repository(tmp_path / "infra", 5050, **{".woodpecker/real.yml": text})
    network = ["nsenter", f"--target={stack.machine.pid}", "--net"]
    asked = ("--cache", "--images", "--integrity", "--sample", "1000")
    done = verify(root, *asked, "--set", "registry.hostname=127.0.0.1", prefix=network)
    assert done.states[:2] == ["pass"] * 2, done.output
    # The machine is shared: other tests damage their own images on it.
    assert not [target for target, state, _ in done.checks if state != "pass" and target.startswith("real")], (
        done.output
    )
    cache = done.checks[1][2]
    assert cache.startswith("inline in an image, ")
    assert re.search(r", written (less than a second|\d+ (second|minute)s?) ago", cache), cache
