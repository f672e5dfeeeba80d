"""`codemod rules` and `codemod explain`: every rule has its page, and a file says what the tool takes it for."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from codemods.catalogue import ALL
from codemods.engine.model import Role
from tests.command import ROOT, codemod, commit_all, example, write

if TYPE_CHECKING:
    from pathlib import Path

    from codemods.engine.model import Rule

CLI = ".woodpecker/build-cli.yml"


def test_rules(tmp_path: Path) -> None:
    """One line for each rule, in order, with its id and its title."""
    run = codemod(tmp_path, "rules")
    assert (run.code, run.err) == (0, "")
    lines = run.out.splitlines()
    assert [line.split()[0] for line in lines] == [rule.id for rule in ALL]
    assert all(line.endswith(rule.title) for line, rule in zip(lines, ALL, strict=True))


@pytest.mark.parametrize("rule", ALL, ids=lambda rule: rule.id)
def test_explain(tmp_path: Path, rule: Rule) -> None:
    """A rule's page is its docstring, with what it is for, what not, and nothing of the next rule."""
    run = codemod(tmp_path, "explain", rule.id)
    assert (run.code, run.err) == (0, "")
    assert run.out.startswith(f"{rule.id}\n{'=' * len(rule.id)}\n")
    assert rule.page in run.out
    assert "\n## " not in run.out


@pytest.mark.parametrize("rule", [rule for rule in ALL if rule.task], ids=lambda rule: rule.id)
def test_explain_shows_an_example(tmp_path: Path, rule: Rule) -> None:
    """The rules of the recipe show the diff of their example."""
    out = codemod(tmp_path, "explain", rule.id).out
    if (ROOT / "tests" / "cases" / rule.id / "example" / "after").is_dir():
        assert "Example:\n\n```diff\ndiff --git " in out


def test_the_page_is_current() -> None:
    """docs/rules.md is what the rules say (`make docs`)."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "generate.py"), "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name a rule (`codemod rules` lists them), or a file with --path"),
        (["compose-add-private-registry", "--path", "x"], "name a rule"),
        (["compose-add-private-registri"], "did you mean compose-add-private-registry?"),
        (["--path", "none.yml"], "none.yml: no such file or directory"),
        (["--path", "/etc/hostname"], "lies outside the repository"),
    ],
)
def test_wrong_usage(tmp_path: Path, arguments: list[str], message: str) -> None:
    """What cannot be explained is exit 2 and one line."""
    run = codemod(tmp_path, "explain", *arguments)
    assert (run.code, run.out, run.err.count("\n")) == (2, "", 1)
    assert message in run.err


def test_explain_a_file(tmp_path: Path) -> None:
    """A file says its role, the rules that look at it, and what they see; before and after the change."""
    root = example(tmp_path)
    run = codemod(root, "explain", "--path", CLI)
    assert run.code == 0
    first, second, *rest = run.out.splitlines()
    assert first == f"{CLI}: pipeline"
    ids = [rule.id for rule in ALL if rule.role is Role.PIPELINE]
    assert second == f"rules that look at it: {', '.join(ids)}"
    assert any(line.startswith(f"{CLI}:13: woodpecker-add-registry-cache: step build-image: ") for line in rest)
    assert any(line.endswith(" (would be changed)") for line in rest)
    codemod(root, "apply-caching")
    assert "would be changed" not in codemod(root, "explain", "--path", CLI).out
    assert codemod(root / ".woodpecker", "explain", "--path", "build-cli.yml").code == 0


@pytest.mark.parametrize(
    ("path", "role"),
    [
        ("modules/docker-registry/docker-compose.yml", "compose"),
        ("modules/docker-registry/nginx_registry.conf", "nginx"),
        ("modules/docker-registry/cleanup-tags.sh", "cleanup"),
        ("stacks/infra/main.tf", "terraform"),
    ],
)
def test_roles(tmp_path: Path, path: str, role: str) -> None:
    """Every file of the stack knows its role."""
    assert codemod(example(tmp_path), "explain", "--path", path).out.startswith(f"{path}: {role}\n")


def test_a_file_that_is_nothing(tmp_path: Path) -> None:
    """A file without a role, and a directory, say so."""
    root = example(tmp_path)
    assert "no part of the stack, and no pipeline; no rule" in codemod(root, "explain", "--path", "README.md").out
    assert "a directory; name a file in it" in codemod(root, "explain", "--path", "stacks").out


def test_a_file_without_settings(tmp_path: Path) -> None:
    """Its role needs no settings; what would be done does, and that is said."""
    write(tmp_path, {CLI: "steps: []\n"})
    run = codemod(tmp_path, "explain", "--path", CLI)
    assert run.code == 0
    assert run.out.startswith(f"{CLI}: pipeline\n")
    assert "registry.hostname, which is not set: run `codemod init`" in run.out


def test_a_broken_file(tmp_path: Path) -> None:
    """A file that cannot be read says why; so does a file whose rules depend on one."""
    root = example(tmp_path)
    compose = root / "modules/docker-registry/docker-compose.yml"
    compose.write_text(compose.read_text() + "  x: [\n")
    commit_all(root)
    for path in ("modules/docker-registry/docker-compose.yml", "stacks/infra/main.tf"):
        out = codemod(root, "explain", "--path", path).out
        assert "parse-error: refused: invalid YAML" in out
        assert "nothing to do" not in out


def test_odd_names(tmp_path: Path) -> None:
    """Control characters of a name do not reach the terminal."""
    write(tmp_path, {"a\x1b[2J\n.yml": ""})
    out = codemod(tmp_path, "explain", "--path", "a\x1b[2J\n.yml").out
    assert "\x1b" not in out
    assert out.startswith("a\\x1b[2J\\n.yml: no part")
