"""`codemod verify --hub` as users run it: against Docker Hub's name over TLS, and against a real registry."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.command import PROGRAM, ROOT, codemod, write
from tests.live.artifacts import Layout
from tests.live.conftest import require
from tests.live.lab import PATH, Process, Registry, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.live

SETTINGS = '[registry]\nhostname = "registry.home.lan"\naddress = "127.0.0.1"\n'
PIPELINE = """\
steps:
  - name: image
    image: woodpeckerci/plugin-docker-buildx:5.2.2-insecure
    settings:
      repo: {}
      tags: [v1, v2]
"""
CONFIG = "version: 0.1\nstorage: {filesystem: {rootdirectory: /var/lib/registry}}\nhttp: {addr: ':5000'}\n"


def results(out: str) -> list[tuple[str, str]]:
    """Target and state of each result."""
    return [(check["target"], check["state"]) for check in json.loads(out)["checks"]]


def test_another_registry(tmp_path: Path) -> None:
    """A real one on a loopback port, which BuildKit takes for plain http, and so do we."""
    require("docker-registry", "skopeo")
    (tmp_path / "config.yml").write_text(CONFIG)
    with Registry(tmp_path / "config.yml", tmp_path) as registry:
        image = f"{registry.address}/team/app"
        write(tmp_path / "infra", {"codemod.toml": SETTINGS, ".woodpecker/build.yml": PIPELINE.format(image)})
        missing = codemod(tmp_path / "infra", "verify", "--hub", "--format", "json")
        layout = Layout(tmp_path / "layout")
        source = layout.tag(layout.index("hub"), "v1")
        run(["skopeo", "--insecure-policy", "copy", "--all", "--dest-tls-verify=false", source, f"docker://{image}:v1"])
        found = codemod(tmp_path / "infra", "verify", "--hub", "--format", "json")
    assert (missing.code, results(missing.out)) == (1, [(f"{image}:v1", "fail"), (f"{image}:v2", "fail")])
    assert "no such repository" in missing.out
    assert (found.code, results(found.out)) == (1, [(f"{image}:v1", "pass"), (f"{image}:v2", "fail")])
    assert "the repository has no such tag" in found.out


class Island(Process):
    """A network with nothing but itself, in which these names are known; all else is as on this host."""

    def __init__(self, directory: Path, hosts: str) -> None:
        (directory / "hosts").write_text(hosts)
        boot = 'mount --bind "$1" /etc/hosts && busybox ip link set lo up && echo up && exec cat >/dev/null'
        self.output = directory / "island.log"
        command = ["unshare", "--mount", "--net", "sh", "-c", boot, "sh", str(directory / "hosts")]
        super().__init__(command, self.output, lambda: self.output.read_text() == "up\n")

    def inside(self, *command: str) -> list[str]:
        """The command that runs `command` in it."""
        return ["nsenter", "--target", str(self.pid), "--mount", "--net", *command]


@contextmanager
def docker_hub(island: Island, directory: Path, *images: str) -> Iterator[Path]:
    """Docker Hub's stand-in with these images; yields the certificate of the authority that vouches for it."""
    key, certificate, log = (directory / name for name in ("key.pem", "ca.pem", "hub.log"))
    subject = ["-subj", "/CN=hub.docker.com", "-addext", "subjectAltName=DNS:hub.docker.com"]
    new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    run(["openssl", "req", "-x509", *new_key, "-keyout", str(key), "-out", str(certificate), *subject])
    serve = [sys.executable, "-m", "tests.hub_server", "443", str(certificate), str(key), *images]
    with Process(island.inside(*serve), log, lambda: "ready" in log.read_text(), {"PYTHONPATH": str(ROOT)}):
        yield certificate


def test_docker_hub(tmp_path: Path) -> None:
    """The command itself, without a switch for tests: name, port and TLS are as everywhere."""
    require("openssl", "unshare", "nsenter", "busybox", root=True)
    write(tmp_path / "infra", {"codemod.toml": SETTINGS, ".woodpecker/build.yml": PIPELINE.format("team/app")})
    verify = [*PROGRAM, "-C", str(tmp_path / "infra"), "verify", "--hub", "--format", "json"]
    with Island(tmp_path, "127.0.0.1 localhost hub.docker.com\n") as island:
        with docker_hub(island, tmp_path, "team/app:v1") as certificate:
            trusting = {"PATH": PATH, "SSL_CERT_FILE": str(certificate)}
            done = run(island.inside(*verify), env=trusting, check=False)
            distrusting = run(island.inside(*verify), env={"PATH": PATH}, check=False)
        offline = run(island.inside(*verify), env=trusting, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    assert results(done.stdout) == [("team/app:v1", "pass"), ("team/app:v2", "fail")]
    for failed, reason in ((distrusting, "certificate verify failed"), (offline, "Connection refused")):
        assert (failed.returncode, results(failed.stdout)) == (3, [("docker.io", "error")])
        assert "https://hub.docker.com: " in failed.stdout
        assert reason in failed.stdout
        assert "2 images not looked for" in failed.stdout
