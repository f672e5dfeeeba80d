"""`examples/infra` is a repository to which the plan applies word for word, and one that real tools accept."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import crossplane
import pytest
from hcl2.api import parses_to_tree

from tests.plan import snippets

EXAMPLE = Path(__file__).parents[1] / "examples" / "infra"
STACK = EXAMPLE / "modules" / "docker-registry"
PIPELINES = sorted((EXAMPLE / ".woodpecker").iterdir())


def read(path: str) -> str:
    return (EXAMPLE / path).read_text(encoding="utf-8")


def check_schema(name: str, *paths: Path) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", name, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_private_config_is_the_docker_hub_config_less_its_proxy() -> None:
    """Task 1 says in words how the new file comes from config.yaml: carried out, they give the plan's text."""
    text = read("modules/docker-registry/config.yaml")
    text = text.replace("registry-dockerhub", "registry-private").replace("15GiB", "100GiB").replace("24h", "168h")
    text = re.sub(r"^  debug:\n(    .*\n)+", "", text, flags=re.MULTILINE)
    text = re.sub(r"^proxy:\n(  .*\n)+", "", text, flags=re.MULTILINE)
    assert [text] == snippets(1, "yaml")


def test_private_service_is_kyvernos_by_another_name() -> None:
    """Task 2: the service to copy occurs once, and so do the last entries of the two lists to append to."""
    service, port, dependency = snippets(2, "yaml")
    compose = read("modules/docker-registry/docker-compose.yml")
    assert compose.count(service.replace("private", "kyverno") + "\n") == 1
    assert compose.count(port.replace("5050", "5040") + "    volumes:\n") == 1
    assert compose.count(dependency.replace("private", "kyverno") + "    healthcheck:\n") == 1


def test_private_upstream_is_kyvernos_by_another_name() -> None:
    """Task 3: the upstream to copy occurs once, and the kyverno server with its banner is the last."""
    upstream, server = snippets(3, "nginx")
    nginx = read("modules/docker-registry/nginx_registry.conf")
    assert nginx.count(upstream.replace("private", "kyverno") + "\n") == 1
    banner = server.splitlines()[0].replace("Private R/W Registry (port 5050)", "Kyverno (port 5040)")
    assert nginx.count("\n" + banner + "\n\n    server {\n        listen 5040;\n") == 1
    assert nginx.rindex("    # ---") == nginx.index(banner)


def test_terraform_has_the_lines_that_the_plan_changes() -> None:
    """Task 4: the mkdir line as the plan quotes it, the last cron minute 20, and the comment without port 5050."""
    old_mkdir, _, deployment, cron, ports = snippets(4, "hcl")
    terraform = read("stacks/infra/main.tf")
    assert terraform.count("\n" + old_mkdir) == 1
    assert terraform.count("\n" + cron.replace("private", "kyverno").replace("'25 ", "'20 ")) == 1
    assert terraform.count("\n" + re.sub(r".*5050.*\n", "", ports) + "}\n") == 1
    head = deployment.splitlines()[1].replace("private", "kyverno")
    assert terraform.count("proxy config\n" + head + "\n      base64encode(templatefile(") == 1


@pytest.mark.parametrize(("task", "pipeline"), [(7, "build-cli"), (8, "f1-stream")])
def test_pipelines_are_the_plans_less_what_it_adds(task: int, pipeline: str) -> None:
    """Tasks 7 and 8: repo is a scalar, and there are no logins, cache flags, or BuildKit configuration."""
    (text,) = snippets(task, "yaml")
    text = re.sub(r"repo:\n +- (\S+)\n +- registry\S+\n", r"repo: \1\n", text)
    text = re.sub(
        r"^      (logins|cache_from|cache_to|buildkit_config):.*\n(       .*\n)*", "", text, flags=re.MULTILINE
    )
    assert read(f".woodpecker/{pipeline}.yml") == text


def test_what_compose_mounts_is_deployed_or_created() -> None:
    """Every host path in the compose file comes from Terraform, and every deployed file from the repository."""
    mounts = re.findall(r"- (/opt/registry/[^:]+):", read("modules/docker-registry/docker-compose.yml"))
    terraform = read("stacks/infra/main.tf")
    (made,) = re.findall(r'"mkdir -p (.*)",', terraform)
    deployed = re.findall(r"base64 -d > (\S+?)[\" ]", terraform)
    assert len(mounts) == 11
    assert not set(mounts) - {*made.split(), *deployed}
    sources = re.findall(r"\.\./\.\./(modules/docker-registry/[^\"]+)", terraform)
    assert {path for path in sources if not (EXAMPLE / path).is_file()} == set()


def test_cleanup_keeps_the_newest_tags_of_every_registry(tmp_path: Path) -> None:
    """The script removes the tag directories that were changed longest ago, in every registry below its base."""
    for registry in ("dockerhub", "ghcr"):
        tags = tmp_path / registry / "docker/registry/v2/repositories/some/name/_manifests/tags"
        for age, tag in enumerate(["c", "a", "d", "b"]):
            (tags / tag / "current").mkdir(parents=True)
            os.utime(tags / tag, (1_000_000 - age, 1_000_000 - age))
    (tmp_path / "no-registry").mkdir()
    subprocess.run([STACK / "cleanup-tags.sh", "2", tmp_path], check=True, capture_output=True)
    left = sorted(path.parent.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("current"))
    assert [path.replace("docker/registry/v2/repositories/some/name/_manifests/tags/", "") for path in left] == [
        "dockerhub/a",
        "dockerhub/c",
        "ghcr/a",
        "ghcr/c",
    ]


def test_compose_schema() -> None:
    """The compose specification's schema accepts the compose file."""
    check_schema("vendor.compose-spec", STACK / "docker-compose.yml")


def test_pipelines_schema() -> None:
    """Woodpecker's schema accepts every pipeline."""
    assert len(PIPELINES) == 4
    check_schema("vendor.woodpecker-ci", *PIPELINES)


def test_nginx_is_read_by_crossplane() -> None:
    """A second reader of nginx files finds no error, directives and their contexts included."""
    payload = crossplane.parse(str(STACK / "nginx_registry.conf"), strict=True)
    assert payload["errors"] == []


def test_terraform_is_read_by_hcl2() -> None:
    """Every Terraform file parses."""
    files = sorted(EXAMPLE.rglob("*.tf"))
    assert len(files) == 6
    for path in files:
        parses_to_tree(path.read_text(encoding="utf-8"))


@pytest.mark.skipif(shutil.which("terraform") is None, reason="terraform is not on PATH")
def test_terraform_is_formatted() -> None:
    """`terraform fmt` would change nothing."""
    command = ["terraform", "fmt", "-check", "-diff", "-recursive", str(EXAMPLE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
