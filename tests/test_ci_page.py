"""docs/ci.md: every snippet is what its program takes, and its commands do what the page says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from codemods import __version__
from codemods.engine.baseline import BASELINE_FILE
from codemods.engine.report.formats import FORMATS
from tests.command import ROOT, codemod, commit_all, example, write

PAGE = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
SNIPPETS = {text.partition("\n")[0].removeprefix("# "): text for kind, text in BLOCKS if kind == "yaml"}
SCHEMAS = {
    ".woodpecker/check.yaml": "vendor.woodpecker-ci",
    ".github/workflows/check.yml": "vendor.github-workflows",
    ".github/workflows/code-scanning.yml": "vendor.github-workflows",
    ".gitlab-ci.yml": "vendor.gitlab-ci",
}


def strings(value: Any) -> Iterator[str]:
    """Every text in parsed YAML."""
    if isinstance(value, dict):
        value = list(value.values())
    for item in value if isinstance(value, list) else ():
        yield from strings(item)
    if isinstance(value, str):
        yield value


def commands(text: str) -> list[str]:
    """The commands of a job."""
    return [line for line in strings(YAML(typ="safe").load(text)) if re.match(r"(codemod|pip) ", line)]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A runner: `codemod` is on the path, and installing it does nothing."""
    program = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from codemods.cli.main import main; main()"
    write(
        tmp_path / "bin", {"codemod": f'#!/bin/sh\nexec {sys.executable} -c "{program}" "$@"\n', "pip": "#!/bin/sh\n"}
    )
    for name in ("codemod", "pip"):
        (tmp_path / "bin" / name).chmod(0o755)
    own = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md")}
    return {**os.environ, **own}


def run(root: Path, environment: dict[str, str], *lines: str) -> int:
    """Exit code of a job: the first line that fails ends it."""
    script = "\n".join(("set -e", *lines))
    return subprocess.run(["sh", "-c", script], cwd=root, env=environment, capture_output=True, check=False).returncode


def test_every_snippet_is_looked_at() -> None:
    """A file name begins each of them."""
    assert set(SNIPPETS) == {*SCHEMAS, ".pre-commit-config.yaml"}
    assert [kind for kind, _ in BLOCKS] == ["sh", *["yaml"] * len(SNIPPETS)]


@pytest.mark.parametrize("path", SCHEMAS)
def test_snippets_follow_their_schema(path: str, tmp_path: Path) -> None:
    """The schemas that check-jsonschema ships."""
    write(tmp_path, {path: SNIPPETS[path]})
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", SCHEMAS[path], str(tmp_path / path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_pre_commit_takes_its_configuration(tmp_path: Path) -> None:
    """It names hooks that exist, all but the one that writes."""
    text = SNIPPETS[".pre-commit-config.yaml"]
    write(tmp_path, {".pre-commit-config.yaml": text})
    command = [sys.executable, "-m", "pre_commit", "validate-config", str(tmp_path / ".pre-commit-config.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    known = [hook["id"] for hook in YAML(typ="safe").load(ROOT / ".pre-commit-hooks.yaml")]
    assert re.findall(r"- id: (\S+)", text) == [name for name in known if name != "caching-fix"]
    assert re.findall(r"^\| `([a-z]+-[a-z]+)` \|", PAGE, re.MULTILINE) == known


@pytest.mark.parametrize("path", SCHEMAS)
def test_jobs_are_red_for_errors_and_green_without(path: str, tmp_path: Path, environment: dict[str, str]) -> None:
    """On the example before the migration, and after it with what is older in the baseline."""
    root = example(tmp_path)
    write(root, {path: SNIPPETS[path]})
    commit_all(root)
    job = commands(SNIPPETS[path])
    assert job[0].startswith("pip ") and len(job) > 1
    assert run(root, environment, *job) == 1
    assert codemod(root, "apply-caching").code == 0
    assert codemod(root, "check", "--write-baseline").code == 0
    assert run(root, environment, *job) == 0


def test_reports_are_written_where_they_are_uploaded_from(tmp_path: Path, environment: dict[str, str]) -> None:
    """Also when the job is red."""
    root = example(tmp_path)
    for path, report in (
        (".github/workflows/code-scanning.yml", root / "codemod.sarif"),
        (".gitlab-ci.yml", root / "gl-code-quality-report.json"),
        (".github/workflows/check.yml", Path(environment["GITHUB_STEP_SUMMARY"])),
    ):
        run(root, environment, *commands(SNIPPETS[path]))
        assert report.stat().st_size > 1000
        assert report.name == "summary.md" or SNIPPETS[path].count(report.name) == 2


def test_our_own_snippet_is_no_finding(tmp_path: Path) -> None:
    """The pipeline that runs the check is a pipeline, too."""
    root = shutil.copytree(ROOT / "tests" / "correct", tmp_path / "correct")
    write(root, {".woodpecker/check.yaml": SNIPPETS[".woodpecker/check.yaml"]})
    assert codemod(root, "check", "--strict").code == 0


def test_the_green_start(tmp_path: Path, environment: dict[str, str]) -> None:
    """The shell snippet, on the example after the plan was carried out as written."""
    root = example(tmp_path)
    assert codemod(root, "apply-caching", "--profile", "as-written").code == 0
    commit_all(root)
    (script,) = (text for kind, text in BLOCKS if kind == "sh")
    assert run(root, environment, "codemod check") == 1
    assert run(root, environment, script) == 0
    assert BASELINE_FILE in script


def test_versions_and_formats_are_ours() -> None:
    """The version that is installed is this one, and every format is named."""
    assert set(re.findall(r"infra-codemods==(\S+)", PAGE)) == {__version__}
    assert set(re.findall(r"rev: v(\S+)", PAGE)) == {__version__}
    assert set(re.findall(r"^\| `([a-z]+)` \|", PAGE, re.MULTILINE)) == {"text", *FORMATS}
