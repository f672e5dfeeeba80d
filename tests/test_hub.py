"""`codemod verify --hub`: the images that pipelines push are looked for where they push them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from codemods.engine.report.model import CheckResult, CheckState
from codemods.errors import CodemodError
from codemods.facts.pipelines import read_builds
from codemods.facts.pushed import PushedImage, pushed_images
from codemods.registry.hub import look_for
from codemods.registry.public import Answer, Distribution, DockerHub
from codemods.repository import Document
from tests.command import codemod, write
from tests.hub_server import Images, Server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PIPELINE = """\
steps:
  - name: one
    image: woodpeckerci/plugin-docker-buildx:5.2.2-insecure
    settings: {{ {} }}
"""
TAGS = {"team/app": {"latest", "v1"}, "library/tool": {"latest"}, "team/hidden": {"latest"}}


@pytest.fixture
def images() -> Images:
    """What the stand-in has."""
    return Images({name: set(tags) for name, tags in TAGS.items()}, private={"team/hidden"})


@pytest.fixture
def server(images: Images) -> Iterator[Server]:
    """Docker Hub, and a registry with tokens."""
    with Server(images) as server:
        yield server


@pytest.fixture
def hub(server: Server) -> Iterator[DockerHub]:
    """The client for the first of them."""
    hub = DockerHub(f"http://{server.host}")
    yield hub
    hub.close()


@pytest.fixture
def distribution(server: Server) -> Iterator[Distribution]:
    """The client for the second."""
    distribution = Distribution(f"http://{server.host}")
    yield distribution
    distribution.close()


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ("repo: team/app", ["docker.io team/app latest"]),
        ("repo: app", ["docker.io library/app latest"]),
        ("repo: 'docker.io/team/app:v3', tags: [v1, v2]", ["docker.io team/app v1", "docker.io team/app v2"]),
        ("repo: team/app, tag: 'v1,v2'", ["docker.io team/app v1", "docker.io team/app v2"]),
        ("repo: team/app, auto_tag: true, tags: v9", ["docker.io team/app latest"]),
        ("repo: team/app, auto_tag: true, auto_tag_suffix: alpine", ["docker.io team/app alpine"]),
        ("repo: [ghcr.io/team/app, 'registry.home.lan:5050/app']", ["ghcr.io team/app latest"]),
        ("repo: 'localhost:5000/app'", ["localhost:5000 app latest"]),
        ("repo: team/app, tags: '${CI_COMMIT_SHA:0:8}'", ["docker.io team/app ${CI_COMMIT_SHA:0:8}?"]),
        ("repo: 'team/${NAME}'", ["docker.io team/${NAME} latest?"]),
        ("repo: '${HOST}/app'", ["  latest?"]),
        ("repo: { from_secret: name }", ["  ?"]),
        ("repo: team/app, dry_run: true", []),
        ("repo: 'registry.home.lan:5050/app'", []),
    ],
)
def test_what_a_step_pushes(settings: str, expected: list[str]) -> None:
    """Host, repository and tag; a `?` marks what nobody can know before a run."""
    builds = read_builds(Document("", PIPELINE.format(settings)).yaml)
    found = pushed_images([("build.yml", build) for build in builds], "registry.home.lan:5050")
    assert [f"{one.host} {one.repository} {one.tag}{'' if one.is_known else '?'}" for one in found] == expected


def test_docker_hub(hub: DockerHub) -> None:
    """Present, missing, and hidden: private and missing repositories look the same from outside."""
    assert hub.find("team/app", "v1") is Answer.PRESENT
    assert hub.find("library/tool", "latest") is Answer.PRESENT
    assert hub.find("team/app", "v2") is Answer.NO_TAG
    assert hub.find("team/hidden", "latest") is Answer.HIDDEN
    assert hub.find("team/none", "latest") is Answer.HIDDEN


def test_a_registry_with_anonymous_tokens(distribution: Distribution, images: Images) -> None:
    """One token for each repository, without credentials; what needs more than that stays hidden."""
    assert distribution.find("team/app", "v1") is Answer.PRESENT
    assert distribution.find("team/app", "v2") is Answer.NO_TAG
    assert distribution.find("team/none", "latest") is Answer.NO_REPOSITORY
    assert distribution.find("team/hidden", "latest") is Answer.HIDDEN
    assert len(images.tokens) == 3
    assert all(not sent for path, sent in images.seen if path.startswith("/token"))


def test_a_token_that_has_expired_is_replaced(distribution: Distribution, images: Images) -> None:
    """They live a few minutes, which many images take."""
    assert distribution.find("team/app", "v1") is Answer.PRESENT
    images.tokens.clear()
    assert distribution.find("team/app", "latest") is Answer.PRESENT


@pytest.mark.parametrize("token", ["", "two\nlines", "\u00e4"])
def test_a_token_that_is_none_is_not_sent(distribution: Distribution, images: Images, token: str) -> None:
    """What a registry calls a token may be anything."""
    images.gives = token
    assert distribution.find("team/app", "v1") is Answer.HIDDEN
    assert all(not sent for _, sent in images.seen)


@pytest.mark.parametrize("realm", ["http://127.0.0.2:1/token", "file:///etc/passwd", "http://[", "nowhere"])
def test_a_realm_elsewhere_is_not_asked_without_tls(images: Images, realm: str) -> None:
    """A registry cannot send us to any address it likes."""
    with Server(images, realm=realm) as server:
        distribution = Distribution(f"http://{server.host}")
        assert distribution.find("team/app", "v1") is Answer.HIDDEN
        distribution.close()
    assert len(images.seen) == 1


def test_a_rate_limit_says_when_to_come_back(hub: DockerHub, images: Images) -> None:
    """429 is no answer about the image."""
    images.allowed = 0
    with pytest.raises(CodemodError, match="takes no more requests now: try again in 42 s"):
        hub.find("team/app", "v1")


IMAGES = [
    PushedImage("team/app:v1", "docker.io", "team/app", "v1"),
    PushedImage("team/app:v2", "docker.io", "team/app", "v2"),
    PushedImage("ghcr.io/team/app:${TAG}", "ghcr.io", "team/app", "${TAG}"),
    PushedImage("quay.io/team/app:latest", "quay.io", "team/app", "latest"),
    PushedImage("team/hidden:latest", "docker.io", "team/hidden", "latest"),
]


def results(
    server: Server, unasked: CheckState = CheckState.SKIPPED
) -> tuple[list[CheckResult], list[tuple[int, int]]]:
    """The results for IMAGES, with their progress; quay.io is away."""
    shown: list[tuple[int, int]] = []

    def connect(host: str) -> DockerHub | Distribution:
        return DockerHub(f"http://{server.host}") if host == "docker.io" else Distribution("http://127.0.0.1:1")

    found = [*look_for(IMAGES, connect, unasked, lambda *numbers: shown.append(numbers))]
    return found, shown


def test_each_image_is_one_result(server: Server) -> None:
    """A registry that is away is one result, too, and keeps none of the others from being looked for."""
    found, shown = results(server)
    assert [(one.target, one.state.value) for one in found] == [
        ("team/app:v1", "pass"),
        ("team/app:v2", "fail"),
        ("team/hidden:latest", "skipped"),
        ("quay.io", "skipped"),
    ]
    assert found[1].message == "the repository has no such tag: has its pipeline run?"
    assert found[2].message == "private, or there is none: without a login nobody can tell"
    assert found[3].message.startswith("1 image not looked for: http://127.0.0.1:1: ")
    assert found[3].message.endswith("; is this machine offline?")
    assert shown == [(0, 4), (1, 4), (2, 4), (3, 4)]


def test_a_rate_limit_ends_the_questions(server: Server, images: Images) -> None:
    """What was found before stays."""
    images.allowed = 1
    found, _ = results(server, CheckState.ERROR)
    assert [(one.target, one.state.value) for one in found] == [
        ("team/app:v1", "pass"),
        ("docker.io", "error"),
        ("quay.io", "error"),
    ]
    assert found[1].message.startswith("2 images not looked for: ")
    assert found[1].message.endswith("takes no more requests now: try again in 42 s")
    assert [path for path, _ in images.seen][1:] == ["/v2/repositories/team/app/tags/v2"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository that pushes to a registry on a loopback port where nobody listens."""
    settings = '[registry]\nhostname = "registry.home.lan"\naddress = "127.0.0.1"\n'
    write(
        tmp_path, {"codemod.toml": settings, ".woodpecker/build.yml": PIPELINE.format("repo: '127.0.0.1:1/team/app'")}
    )
    return tmp_path


def test_offline_is_a_message(root: Path) -> None:
    """An error when the check was asked for: it could not be made."""
    done = codemod(root, "verify", "--hub")
    assert done.code == 3
    assert "error  hub  127.0.0.1:1" in done.out
    assert "1 image not looked for" in done.out


def test_nothing_pushed_is_nothing_to_look_for(root: Path) -> None:
    """And what only a run knows is said."""
    write(root, {".woodpecker/build.yml": "steps: []\n"})
    done = codemod(root, "verify", "--hub")
    assert (done.code, "the pipelines push no image to a public registry" in done.out) == (0, True)
    write(root, {".woodpecker/build.yml": PIPELINE.format("repo: { from_secret: name }")})
    done = codemod(root, "verify", "--hub")
    assert (done.code, "skipped  hub  .woodpecker/build.yml: one" in done.out) == (0, True)
