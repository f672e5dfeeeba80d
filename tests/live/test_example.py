"""The programs that read the example's files accept them as they are before the migration."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.live.conftest import require
from tests.live.lab import run

pytestmark = pytest.mark.live

STACK = Path(__file__).parents[2] / "examples" / "infra" / "modules" / "docker-registry"
REGISTRIES = [f"registry-{name}" for name in ("dockerhub", "ghcr", "quay", "k8s", "kyverno")]

# nginx resolves its upstreams when it starts, opens its log and makes its cache directory: it gets a hosts file
# and directories of its own, that nobody else sees.
NGINX_TEST = """
set -e
mount --bind "$1" /etc/hosts
for directory in /run /var/cache /var/log; do mount -t tmpfs none "$directory"; done
mkdir /var/cache/nginx /var/log/nginx
exec nginx -t -c "$2"
"""


def test_compose_accepts_its_file() -> None:
    """`docker-compose config -q` has nothing to say."""
    require("docker-compose")
    done = run(["docker-compose", "-f", str(STACK / "docker-compose.yml"), "config", "-q"])
    assert done.stdout + done.stderr == ""


def nginx_test(directory: Path, *names: str) -> str:
    """What `nginx -t` says about the example's file where these host names resolve."""
    require("nginx", "unshare", root=True)
    hosts = directory / "hosts"
    hosts.write_text(f"127.0.0.1 {' '.join(names)}\n")
    arguments = [str(hosts), str(STACK / "nginx_registry.conf")]
    return run(["unshare", "--mount", "--net", "sh", "-c", NGINX_TEST, "nginx", *arguments], check=False).stderr


def test_nginx_accepts_its_file(tmp_path: Path) -> None:
    """`nginx -t` succeeds without a warning where the registries' names resolve."""
    said = nginx_test(tmp_path, *REGISTRIES)
    assert "test is successful" in said, said
    assert "[warn]" not in said, said


def test_nginx_needs_every_registry(tmp_path: Path) -> None:
    """Without one of its upstreams nginx refuses the same file: the test above can fail."""
    assert 'host not found in upstream "registry-kyverno:5000"' in nginx_test(tmp_path, *REGISTRIES[:-1])
