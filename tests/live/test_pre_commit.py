"""The hooks in the hands of the real pre-commit, which installs them from a repository of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command import ROOT, changed, codemod, commit_all, example, git, write
from tests.live.lab import in_ci

pytestmark = pytest.mark.live
SOURCES = ("codemods", "hooks", "docs/rules.md", "pyproject.toml", "README.md", "LICENSE", ".pre-commit-hooks.yaml")
PIPELINE = ".woodpecker/f1-stream.yml"
COMPOSE = "modules/docker-registry/docker-compose.yml"
NGINX = "modules/docker-registry/nginx_registry.conf"
FIXED = "cache_from: registry.viktorbarzin.lan:5050/f1-stream:buildcache"
DRIFTED = "cache_from: type=registry,ref=registry.viktorbarzin.lan:5050/f1-stream:buildcache"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The working tree's hooks, committed in a repository of their own."""
    root = tmp_path_factory.mktemp("source") / "infra-codemods"
    for name in SOURCES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, root / name)
    write(root, {".gitignore": "__pycache__/\n*.pyc\n"})
    commit_all(root)
    return root


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Variables for pre-commit, whose environments all tests share; our own git identity and none of its settings.

    The environments are installed with pip: without an index to install from there is nothing to try.
    """
    download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "hatchling", "--dest"]
    if subprocess.run([*download, tmp_path_factory.mktemp("pip")], capture_output=True, check=False).returncode:
        (pytest.fail if in_ci() else pytest.skip)("no package index")
    identity = {f"GIT_{who}_{what}": "t@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    own = {
        **identity,
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "PRE_COMMIT_HOME": str(tmp_path_factory.mktemp("pre-commit")),
        "PRE_COMMIT_COLOR": "never",
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "PRE_COMMIT", "SKIP"))}
    return {**kept, **own}


@pytest.fixture
def repository(tmp_path: Path, source: Path, environment: dict[str, str]) -> Path:
    """The example after `apply-caching`, everything committed and known to the baseline, with the hooks installed."""
    root = example(tmp_path)
    assert codemod(root, "apply-caching").code == 0
    revision = git(source, "rev-parse", "HEAD").strip()
    ids = [line.removeprefix("- id: ") for line in read(source, ".pre-commit-hooks.yaml") if line.startswith("- id: ")]
    hooks = "".join(f"      - id: {name}\n" for name in ids if name != "caching-fix")
    config = f"repos:\n  - repo: {source}\n    rev: {revision}\n    hooks:\n{hooks}"
    write(root, {".pre-commit-config.yaml": config})
    commit_all(root)
    assert codemod(root, "check", "--write-baseline").code == 0
    commit_all(root)
    pre_commit(root, environment, "install")
    return root


def read(root: Path, path: str) -> list[str]:
    return (root / path).read_text(encoding="utf-8").splitlines()


def call(root: Path, environment: dict[str, str], *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=root,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def pre_commit(root: Path, environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return call(root, environment, sys.executable, "-m", "pre_commit", *arguments)


def commit(root: Path, environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """A commit as a user makes it, with the hooks."""
    return call(root, environment, "git", "commit", "--message=change", *arguments)


def results(output: str) -> dict[str, str]:
    """What became of each hook, by its name."""
    lines = (line for line in output.splitlines() if line.endswith(("Passed", "Failed", "Skipped")))
    return {line.partition("..")[0]: line.rpartition(".")[2].removeprefix("(no files to check)") for line in lines}


def replace(root: Path, path: str, old: str, new: str) -> None:
    text = (root / path).read_text(encoding="utf-8")
    assert old in text
    write(root, {path: text.replace(old, new)})


def test_try_repo_on_the_example(tmp_path: Path, source: Path, environment: dict[str, str]) -> None:
    """Every hook of the manifest is installed and runs; the example as it is lacks its private registry."""
    root = example(tmp_path)
    done = pre_commit(root, environment, "try-repo", str(source), "--all-files")
    assert results(done.stdout) == {
        "Registry configurations": "Failed",
        "Compose stack": "Passed",
        "nginx before a registry": "Passed",
        "Terraform provisioning": "Failed",
        "Woodpecker pipelines": "Passed",
        "Tag cleanup script": "Failed",
        "Registry and pipelines agree": "Failed",
        "Fix registry and pipelines": "Failed",
    }, done.stdout
    assert "registry-add-private-config" in done.stdout
    assert done.returncode == 1


def test_a_drifted_commit_is_refused_and_the_fixed_one_passes(repository: Path, environment: dict[str, str]) -> None:
    """By the hook of its family, before anything is pushed."""
    before = git(repository, "rev-parse", "HEAD")
    replace(repository, PIPELINE, FIXED, DRIFTED)
    replace(repository, PIPELINE, ":5.2.2-insecure", ":2.2.1")
    refused = commit(repository, environment, "--all")
    assert refused.returncode == 1, refused.stdout
    assert "woodpecker-no-split-cache-flag" in refused.stdout
    assert results(refused.stdout)["Woodpecker pipelines"] == "Failed"
    assert git(repository, "rev-parse", "HEAD") == before

    git(repository, "checkout", "--quiet", "HEAD", "--", PIPELINE)
    replace(repository, PIPELINE, "attempts: 5", "attempts: 6")
    passed = commit(repository, environment, "--all")
    assert passed.returncode == 0, passed.stdout
    assert results(passed.stdout)["Woodpecker pipelines"] == "Passed"


def test_a_commit_that_only_deletes_is_checked(repository: Path, environment: dict[str, str]) -> None:
    """The family hooks see no file; drift sees that a configuration is gone."""
    git(repository, "rm", "--quiet", "modules/docker-registry/config-private.yml")
    refused = commit(repository, environment)
    assert refused.returncode == 1, refused.stdout
    assert results(refused.stdout)["Registry and pipelines agree"] == "Failed"
    assert results(refused.stdout)["Registry configurations"] == "Skipped"


def test_a_commit_of_something_else_passes(repository: Path, environment: dict[str, str]) -> None:
    """Nothing is said about the stack."""
    write(repository, {"docs/notes.md": "docker registry\n"})
    git(repository, "add", "docs")
    passed = commit(repository, environment)
    assert passed.returncode == 0, passed.stdout
    assert results(passed.stdout)["Registry and pipelines agree"] == "Passed"


def test_unstaged_mistakes_do_not_count(repository: Path, environment: dict[str, str]) -> None:
    """What is committed is right; the mistake stays in the working tree, as it was."""
    replace(repository, PIPELINE, "attempts: 5", "attempts: 6")
    git(repository, "add", PIPELINE)
    replace(repository, PIPELINE, ":5.2.2-insecure", ":2.2.1")
    replace(repository, COMPOSE, '"5050:5050"', '"5051:5051"')
    unstaged = [read(repository, path) for path in (PIPELINE, COMPOSE)]
    passed = commit(repository, environment)
    assert passed.returncode == 0, passed.stdout
    assert [read(repository, path) for path in (PIPELINE, COMPOSE)] == unstaged
    assert "attempts: 6" in git(repository, "show", f"HEAD:{PIPELINE}")
    assert ":5.2.2-insecure" in git(repository, "show", f"HEAD:{PIPELINE}")


def test_a_staged_mistake_counts_though_it_is_corrected_since(repository: Path, environment: dict[str, str]) -> None:
    """The correction was not added: the commit would hold the mistake."""
    right = read(repository, PIPELINE)
    replace(repository, PIPELINE, ":5.2.2-insecure", ":2.2.1")
    git(repository, "add", PIPELINE)
    replace(repository, PIPELINE, ":2.2.1", ":5.2.2-insecure")
    refused = commit(repository, environment)
    assert refused.returncode == 1, refused.stdout
    assert read(repository, PIPELINE) == right


def test_fix_changes_files_and_fails_the_commit_once(repository: Path, environment: dict[str, str]) -> None:
    """Its changes are for the user to look at; added, they pass."""
    config = (repository / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    head, _, _ = config.partition("    hooks:\n")
    write(repository, {".pre-commit-config.yaml": f"{head}    hooks:\n      - id: caching-fix\n"})
    git(repository, "add", "--all")
    assert commit(repository, environment).returncode == 0
    right = read(repository, NGINX)
    above, private, below = (repository / NGINX).read_text(encoding="utf-8").partition("        listen 5050;\n")
    write(repository, {NGINX: above + private + below.replace("client_max_body_size 0;", "client_max_body_size 1g;")})
    replace(repository, PIPELINE, "attempts: 5", "attempts: 6")
    git(repository, "add", "--all")
    refused = commit(repository, environment)
    assert refused.returncode == 1, refused.stdout
    assert "files were modified by this hook" in refused.stdout
    assert read(repository, NGINX) == right
    git(repository, "add", "--all")
    passed = commit(repository, environment)
    assert passed.returncode == 0, passed.stdout
    assert changed(repository) == set()
