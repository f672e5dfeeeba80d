"""`tests/correct` is a repository in which nothing is wrong; each mutation breaks one thing, and one rule says so."""

from __future__ import annotations

import json
import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest

from codemods.catalogue import LINT, RECIPE
from tests.command import codemod

HERE = Path(__file__).parent
CORRECT = HERE / "correct"
MUTATIONS = {
    f"{file.stem}-{number}": (file.stem, mutation)
    for file in sorted((HERE / "mutations").glob("*.toml"))
    for number, mutation in enumerate(tomllib.loads(file.read_text(encoding="utf-8"))["mutation"], 1)
}


def fired(root: Path) -> set[str]:
    """Rules that find something; the recipe wants its own form back after any mutation, and does not count."""
    report = json.loads(codemod(root, "check", "--format", "json").out)
    return {found["rule"] for found in report["findings"]} - {rule.id for rule in RECIPE}


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_condition_fires_its_rule(name: str, tmp_path: Path) -> None:
    """Exactly the rule fires, and repairing makes it silent again."""
    rule, mutation = MUTATIONS[name]
    root = tmp_path / "repository"
    shutil.copytree(CORRECT, root)
    file = root / mutation["path"]
    original = file.read_bytes()
    old, new = mutation["old"].encode(), mutation["new"].encode()
    assert old in original
    file.write_bytes(original.replace(old, new, 1))
    assert fired(root) == {rule, *mutation.get("also", [])}
    file.write_bytes(original)
    assert fired(root) == set()


def test_the_correct_repository_is_silent() -> None:
    """No rule finds anything in it, the recipe's included."""
    run: Any = codemod(CORRECT, "check", "--strict", "--format", "json")
    assert json.loads(run.out)["findings"] == []
    assert run.code == 0


@pytest.mark.parametrize("rule", [rule.id for rule in LINT if not rule.id.startswith("suppression-")])
def test_every_rule_has_a_mutation(rule: str) -> None:
    """What breaks it is written down."""
    assert (HERE / "mutations" / f"{rule}.toml").is_file()
