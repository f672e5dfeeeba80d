"""Every directory `tests/cases/<lint rule>/<case>` is one run of `check --select <rule>` on a small repository.

`before/` is the repository; `case.toml` has `title`, `exit_code`, `findings` (path, line, contains: exactly these) and
perhaps `set`, and `select`, rules that run along. `after/` holds what `check --fix --unsafe-fixes` makes of it, where
it changes anything.
"""

from __future__ import annotations

import json
import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest

from codemods.catalogue import LINT
from tests.command import codemod

CASES = Path(__file__).parent / "cases"
RULES = {rule.id: rule for rule in LINT}
DIRECTORIES = sorted(path.parent for path in CASES.glob("*/*/case.toml") if path.parent.parent.name in RULES)


def read_case(directory: Path) -> dict[str, Any]:
    return tomllib.loads((directory / "case.toml").read_text(encoding="utf-8"))


def read_tree(directory: Path) -> dict[str, bytes]:
    """Content of every file below a directory; the empty tree for one that does not exist."""
    return {p.relative_to(directory).as_posix(): p.read_bytes() for p in sorted(directory.rglob("*")) if p.is_file()}


def check(root: Path, rule: str, case: dict[str, Any], *options: str) -> tuple[int, dict[str, Any]]:
    """Exit code and JSON report of the check of one rule."""
    overrides = [part for pair in case.get("set", []) for part in ("--set", pair)]
    selected = [part for name in (rule, *case.get("select", [])) for part in ("--select", name)]
    run = codemod(root, *overrides, "check", *selected, "--format", "json", *options)
    assert run.out, run.err
    return run.code, json.loads(run.out)


@pytest.mark.parametrize("directory", DIRECTORIES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_case(directory: Path, tmp_path: Path) -> None:
    """The check finds exactly what the case says; fixing gives exactly the expected bytes, and then rests."""
    case, rule = read_case(directory), directory.parent.name
    root = tmp_path / "repository"
    shutil.copytree(directory / "before", root)
    before, after = read_tree(directory / "before"), read_tree(directory / "after")

    code, report = check(root, rule, case)

    open_findings = [found for found in report["findings"] if found["suppressed"] is None]
    rest = [(found["path"], found["line"], found["message"]) for found in open_findings]
    for wanted in case["findings"]:
        matching = [
            found
            for found in rest
            if found[0] == wanted["path"] and found[1] == wanted["line"] and wanted.get("contains", "") in found[2]
        ]
        assert matching, (wanted, rest)
        rest.remove(matching[0])
    assert rest == [], case["title"]
    assert code == case["exit_code"]
    assert read_tree(root) == before

    check(root, rule, case, "--fix", "--unsafe-fixes")
    fixed = read_tree(root)
    for path, content in after.items():
        assert fixed.get(path, b"").decode() == content.decode(), path
    assert {path for path in {*fixed, *before} if fixed.get(path) != before.get(path)} == set(after)

    _, report = check(root, rule, case, "--fix", "--unsafe-fixes")
    assert read_tree(root) == fixed
    assert report["changes"] == []


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_has_its_kinds_of_cases(rule: str) -> None:
    """An example that is found, something right that is silent, and a look-alike that is silent."""
    cases = {path.name: read_case(path) for path in DIRECTORIES if path.parent.name == rule}
    assert cases["example"]["findings"], "the example shows a finding"
    assert cases["already-right"]["findings"] == []
    assert any(name.startswith("look-alike") and not case["findings"] for name, case in cases.items())


@pytest.mark.parametrize("directory", DIRECTORIES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_case_is_well_formed(directory: Path) -> None:
    """A case says what it shows and expects what its rule's severity leads to."""
    case, rule = read_case(directory), RULES[directory.parent.name]
    assert set(case) <= {"title", "exit_code", "findings", "set", "select"}
    assert case["title"].endswith(".")
    fails = bool(case["findings"]) and rule.severity.value == "error"
    assert case["exit_code"] == int(fails)
