"""Every directory `tests/removal_cases/<rule-id>/<case>` is a repository without history, and one rule's work in it.

Like `tests/cases`, with `remove-caching --only <rule-id>`; `gone` in `case.toml` are the files that the run deletes.
"""

from __future__ import annotations

import json
import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.command import codemod
from tests.test_cases import expect_refusals, read_tree, refused
from tests.test_production import sets

CASES = Path(__file__).parent / "removal_cases"
DIRECTORIES = sorted(path.parent for path in CASES.glob("*/*/case.toml"))


def remove_caching(root: Path, rule_id: str, case: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """Exit code and JSON report of the public command."""
    profile = ("--profile", case["profile"]) if "profile" in case else ()
    options = ("--allow-dirty", "--only", rule_id, "--format", "json", *profile)
    done = codemod(root, *sets(tuple(case.get("set", ()))), "remove-caching", *options)
    assert done.out, done.err
    report: dict[str, Any] = json.loads(done.out)
    return done.code, report


@pytest.mark.parametrize("directory", DIRECTORIES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_case(directory: Path, tmp_path: Path) -> None:
    """The run writes exactly the expected bytes and reports the rest; a second run changes nothing."""
    case = tomllib.loads((directory / "case.toml").read_text(encoding="utf-8"))
    rule_id, root = directory.parent.name, tmp_path / "repository"
    shutil.copytree(directory / "before", root)
    before, after = read_tree(directory / "before"), read_tree(directory / "after")
    wanted = {path: content for path, content in {**before, **after}.items() if path not in case.get("gone", [])}
    assert before and all(before[path] != content for path, content in after.items())

    code, report = remove_caching(root, rule_id, case)

    for path, content in wanted.items():
        assert read_tree(root).get(path, b"").decode() == content.decode(), path
    assert set(read_tree(root)) == set(wanted)
    assert {change["path"] for change in report["changes"]} == {*after, *case.get("gone", [])}
    assert (code == 3) == bool(case.get("refusals")) and code == case["exit_code"]
    expect_refusals(case.get("refusals", []), refused(report))
    for fragment in case.get("notes_contain", []):
        assert any(fragment in note for note in report["notes"]), report["notes"]

    _, again = remove_caching(root, rule_id, case)
    assert (again["changes"], read_tree(root)) == ([], wanted)


def test_every_rule_that_writes_has_cases() -> None:
    """Each has an example, and more cases than that; the collector, whose bytes count, is tested with the command."""
    from codemods.caching.removal import collector
    from codemods.caching.removal.recipe import RULES

    found = {
        rule.id: [path.name for path in DIRECTORIES if path.parent.name == rule.id]
        for rule in RULES
        if rule is not collector.check
    }
    assert all("example" in names and len(names) > 1 for names in found.values()), found
    assert {path.parent.name for path in DIRECTORIES} == set(found)
