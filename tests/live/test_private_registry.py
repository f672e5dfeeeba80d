"""The stack that `apply-caching` writes comes up for real, and takes and gives images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.live.artifacts import Layout
from tests.live.conftest import require
from tests.live.deployment import SOURCE, Deployment
from tests.live.lab import Registry

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.live


def test_the_whole_stack_comes_up(stack: Deployment) -> None:
    """One `docker compose up -d` brings a healthy private registry, and nginx answers for it on the published port."""
    stack.wait_until_healthy()
    assert stack.get("/v2/") == "{}"
    assert stack.get("/") == "ok"


def test_push_and_pull(stack: Deployment, tmp_path: Path) -> None:
    """A layer larger than nginx's default limit is pushed, and the image pulled has the digest of the one pushed."""
    layout = Layout(tmp_path / "layout")
    image = layout.image("push-and-pull", size=3_000_000)
    stack.push(layout.tag(image, "v1"), "app:v1")
    assert stack.digest("app:v1") == image["digest"]
    stack.pull("app:v1", tmp_path / "pulled")
    assert stack.get("/v2/app/tags/list").strip() == '{"name":"app","tags":["v1"]}'


def test_compose_and_nginx_accept_their_files(stack: Deployment) -> None:
    """`docker-compose config -q` and `nginx -t` have nothing against the migrated files."""
    stack.machine.run("docker-compose", "-f", "/opt/registry/docker-compose.yml", "config", "-q")
    stack.dockerd.docker("exec", "registry-nginx", "nginx", "-t")


def test_the_config_starts_a_registry(verified: Path, tmp_path: Path) -> None:
    """A plain docker-registry starts with the generated configuration and has nothing to warn about."""
    require("docker-registry")
    with Registry(verified / SOURCE / "config-private.yml", tmp_path) as registry:
        assert registry.answers()
        # Without a shared secret every registry makes up its own; that warning is not about the file.
        warnings = [line for line in registry.log.read_text().splitlines() if "level=warning" in line]
        assert [line for line in warnings if "No HTTP secret provided" not in line] == []
