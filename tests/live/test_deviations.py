"""Each deviation of `verified` from the plan's text: the line as written fails, the verified line works."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.live.artifacts import Layout
from tests.live.conftest import require
from tests.live.deployment import SOURCE, Deployment, migrate
from tests.live.lab import Registry, run

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

pytestmark = pytest.mark.live


def test_nginx_host(stack: Deployment, as_written: Path, verified: Path, tmp_path: Path) -> None:
    """With `Host $host` the upload address has lost its port and no push works; with `$http_host` it does."""
    layout = Layout(tmp_path / "layout")
    image = layout.image("nginx-host")
    source = layout.tag(image, "v1")

    stack.lay(as_written)
    stack.restart("registry-nginx")
    try:
        refused = stack.push(source, "host:v1", check=False)
    finally:
        stack.lay(verified)
        stack.restart("registry-nginx")
    assert refused.returncode != 0
    assert "127.0.0.1:80: connect: connection refused" in refused.stderr

    stack.push(source, "host:v1")
    stack.pull("host:v1", tmp_path / "pulled")
    assert stack.digest("host:v1") == image["digest"]


def test_registry_maxsize(verified: Path, tmp_path: Path) -> None:
    """A registry takes three megabytes under `maxsize: 1MiB` and says nothing; without the line it does the same."""
    require("docker-registry", "skopeo")
    tiny = migrate(tmp_path / "infra", "as-written", "registry.storage=1MiB")
    config = tiny / SOURCE / "config-private.yml"
    assert "    maxsize: 1MiB\n" in config.read_text()
    with Registry(config, tmp_path) as registry:
        pushed(registry, tmp_path)
        assert sum(file.stat().st_size for file in registry.storage.rglob("*") if file.is_file()) > 3_000_000
        assert "maxsize" not in registry.log.read_text()

    config = verified / SOURCE / "config-private.yml"
    assert "maxsize" not in config.read_text()
    (tmp_path / "again").mkdir()
    with Registry(config, tmp_path / "again") as registry:
        pushed(registry, tmp_path)


def pushed(registry: Registry, directory: Path) -> None:
    """Push an image of three megabytes."""
    layout = Layout(directory / "layout")
    source = layout.tag(layout.image("maxsize", size=3_000_000), "v1")
    options = ["--insecure-policy", "copy", "--dest-tls-verify=false"]
    run(["skopeo", *options, source, f"docker://{registry.address}/large:v1"])


def test_collection_keeps_the_images_of_an_index(
    stack: Deployment, as_written: Path, verified: Path, tmp_path: Path
) -> None:
    """`garbage-collect -m` deletes the images that a tagged index lists; the verified line leaves it complete."""
    layout = Layout(tmp_path / "layout")
    index = layout.index("collected")
    source = layout.tag(index, "v1")

    stack.push(source, "multi:v1")
    log = stack.collect(stack.crontab_command(verified))
    assert "blobs marked" in log
    stack.pull("multi:v1", tmp_path / "complete")
    assert stack.digest("multi:v1") == index["digest"]

    log = stack.collect(stack.crontab_command(as_written))
    assert "manifest eligible for deletion" in log
    assert stack.digest("multi:v1") == index["digest"], "the index itself stays"
    lost = stack.pull("multi:v1", tmp_path / "lost", check=False)
    assert lost.returncode != 0
    assert "manifest unknown" in lost.stderr


def test_collection_does_not_leave_empty_layers(
    stack: Deployment, as_written: Path, verified: Path, tmp_path: Path
) -> None:
    """Collected while it runs, a registry still says that it has a deleted layer: the next image with it is broken."""
    layout = Layout(tmp_path / "layout")

    def collected_between_two_pushes(name: str, tree: Path) -> subprocess.CompletedProcess[str]:
        stack.push(layout.tag(layout.image(name), f"{name}-1"), f"{name}:v1")
        stack.delete(f"{name}:v1")
        assert "blob eligible for deletion" in stack.collect(stack.crontab_command(tree))
        # Another image with the same layer, as the next build makes it.
        stack.push(layout.tag(layout.image(name, "arm64"), f"{name}-2"), f"{name}:v2")
        return stack.pull(f"{name}:v2", tmp_path / name, check=False)

    broken = collected_between_two_pushes("running", as_written)
    assert broken.returncode != 0
    assert "unexpected EOF" in broken.stderr
    whole = collected_between_two_pushes("stopped", verified)
    assert whole.returncode == 0, whole.stderr


def test_failed_collection_leaves_the_registry_running(stack: Deployment, verified: Path, tmp_path: Path) -> None:
    """When the collection fails, the verified line still starts the registry again, with all its images."""
    layout = Layout(tmp_path / "layout")
    stack.push(layout.tag(layout.image("failed"), "v1"), "failed:v1")
    repository = stack.directory / "data/private/docker/registry/v2/repositories/failed"
    broken = repository / "_manifests/revisions/sha256" / ("0" * 64) / "link"
    broken.parent.mkdir()
    broken.write_text("not a digest")
    try:
        log = stack.collect(stack.crontab_command(verified))
    finally:
        broken.unlink()
        broken.parent.rmdir()
    assert "failed to garbage collect" in log
    stack.pull("failed:v1", tmp_path / "pulled")


def test_collection_ends_with_nginx_at_the_right_address(stack: Deployment, verified: Path) -> None:
    """An nginx keeps the address it resolved at its start; the verified line lets it look again after the restart."""
    stack.machine.shell("docker stop registry-private")
    network = stack.dockerd.docker("network", "ls", "-q", "--filter", "name=registry").stdout.strip()
    stack.dockerd.docker("run", "-d", "--name", "squatter", "--network", network, "nginx:alpine")
    try:
        stack.machine.shell("docker start registry-private")
        stack.wait_until_healthy()
        assert not stack.serving(), "nginx asks at the old address"
        stack.collect(stack.crontab_command(verified))
    finally:
        stack.dockerd.docker("rm", "-f", "squatter")
