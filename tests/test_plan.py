"""`apply-caching` on examples/infra is the plan: as written to the byte, verified from either start."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner

from codemods.cli.main import cli
from tests.plan import snippets
from tests.test_cases import read_tree

EXAMPLE = Path(__file__).parents[1] / "examples" / "infra"
STACK = "modules/docker-registry"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A copy of the example without what a `terraform init` or a build may have left in it."""
    target = tmp_path / "infra"
    shutil.copytree(EXAMPLE, target, ignore=shutil.ignore_patterns(".terraform*"))
    return target


def apply_caching(repository: Path, profile: str) -> int:
    arguments = ["-C", str(repository), "apply-caching", "--allow-dirty", "--profile", profile, "--format", "json"]
    result = CliRunner().invoke(cli, arguments, standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    assert json.loads(result.stdout)["profile"] == profile
    exit_code: int = result.return_value
    return exit_code


def put_after(text: str, anchor: str, new: str) -> str:
    """Insert `new` behind the one occurrence of `anchor`."""
    assert text.count(anchor) == 1, anchor
    return text.replace(anchor, anchor + new)


def by_hand(repository: Path) -> dict[str, str]:
    """The files that somebody gets who places the plan's snippets where its sentences say."""

    def read(path: str) -> str:
        return (repository / path).read_text(encoding="utf-8")

    service, port, dependency = snippets(2, "yaml")
    compose = put_after(read(f"{STACK}/docker-compose.yml"), service.replace("private", "kyverno"), "\n" + service)
    compose = put_after(compose, port.replace("5050", "5040"), port)
    compose = put_after(compose, dependency.replace("private", "kyverno"), dependency)

    upstream, server = snippets(3, "nginx")
    nginx = put_after(read(f"{STACK}/nginx_registry.conf"), upstream.replace("private", "kyverno"), "\n" + upstream)
    assert nginx.endswith("\n    }\n}\n")
    nginx = nginx.removesuffix("}\n") + "\n" + server + "}\n"

    old_mkdir, new_mkdir, deployment, cron, ports = snippets(4, "hcl")
    terraform = read("stacks/infra/main.tf")
    assert terraform.count(old_mkdir) == 1
    terraform = terraform.replace(old_mkdir, new_mkdir)
    kyverno = re.search(r"^    # Write Kyverno .*?^    \),\n", terraform, re.MULTILINE | re.DOTALL)
    assert kyverno is not None
    terraform = put_after(terraform, kyverno.group(), deployment)
    terraform = put_after(terraform, cron.replace("private", "kyverno").replace("'25 ", "'20 "), cron)
    first, *_, last = ports.splitlines(keepends=True)
    terraform = terraform[: terraform.index(first)] + ports + terraform[terraform.index(last) + len(last) :]

    return {
        f"{STACK}/config-private.yml": snippets(1, "yaml")[0],
        f"{STACK}/docker-compose.yml": compose,
        f"{STACK}/nginx_registry.conf": nginx,
        "stacks/infra/main.tf": terraform,
        ".woodpecker/build-cli.yml": snippets(7, "yaml")[0],
        ".woodpecker/f1-stream.yml": snippets(8, "yaml")[0],
    }


def test_as_written_is_the_plan_to_the_byte(repository: Path) -> None:
    """Every file equals what the plan's snippets make by hand; no other file changes."""
    expected = by_hand(repository)
    before = read_tree(repository)
    assert apply_caching(repository, "as-written") == 0
    after = read_tree(repository)
    for path, text in expected.items():
        assert after[path].decode() == text, path
    assert {path for path in after if before.get(path) != after[path]} == set(expected)
    assert set(before) <= set(after)


def test_as_written_diff_has_only_lines_that_the_plan_names(repository: Path) -> None:
    """`git diff`: each added line stands in a snippet; the only lines that go are the old mkdir and the two repos."""

    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "core.hooksPath=/dev/null"]
        command = ["git", "-C", str(repository), *identity, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    git("init", "--quiet")
    git("add", "--all", "--force")
    git("commit", "--quiet", "--message", "before")
    assert apply_caching(repository, "as-written") == 0
    git("add", "--all", "--force")
    diff = git("diff", "--cached", "--unified=0", "--no-color").splitlines()

    named = {
        line
        for task, language in [(1, "yaml"), (2, "yaml"), (3, "nginx"), (4, "hcl"), (7, "yaml"), (8, "yaml")]
        for snippet in snippets(task, language)
        for line in snippet.splitlines()
    }
    added = [line[1:] for line in diff if line.startswith("+") and not line.startswith("+++")]
    removed = Counter(line[1:] for line in diff if line.startswith("-") and not line.startswith("---"))
    assert [line for line in added if line and line not in named] == []
    assert removed == Counter(
        [
            snippets(4, "hcl")[0].rstrip("\n"),
            "      repo: viktorbarzin/infra",
            "      repo: viktorbarzin/f1-stream",
        ]
    )
    assert git("diff", "--cached", "--numstat").splitlines() == [
        "14\t1\t.woodpecker/build-cli.yml",
        "14\t1\t.woodpecker/f1-stream.yml",
        f"27\t0\t{STACK}/config-private.yml",
        f"19\t0\t{STACK}/docker-compose.yml",
        f"34\t0\t{STACK}/nginx_registry.conf",
        "7\t1\tstacks/infra/main.tf",
    ]


def test_verified_over_as_written_equals_verified(repository: Path, tmp_path: Path) -> None:
    """A repository migrated as written ends in the same bytes as one that starts with verified."""
    twin = tmp_path / "twin"
    shutil.copytree(repository, twin)
    assert apply_caching(repository, "verified") == 0
    assert apply_caching(twin, "as-written") == 0
    assert apply_caching(twin, "verified") == 0
    assert read_tree(twin) == read_tree(repository)


@pytest.mark.parametrize("profile", ["as-written", "verified"])
def test_second_run_changes_nothing(repository: Path, profile: str) -> None:
    """The profile is reached after one run: the next one leaves every byte and exits 0."""
    assert apply_caching(repository, profile) == 0
    first = read_tree(repository)
    assert apply_caching(repository, profile) == 0
    assert read_tree(repository) == first


def test_as_written_over_verified_is_refused(repository: Path) -> None:
    """There is no way back to lines that are known to fail; nothing is written."""
    assert apply_caching(repository, "verified") == 0
    verified = read_tree(repository)
    assert apply_caching(repository, "as-written") == 3
    assert read_tree(repository) == verified
