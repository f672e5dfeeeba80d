"""Every directory `tests/cases/<rule-id>/<case>` is one run of `apply-caching --only <rule-id>` on a small repository.

`before/` is the repository, `after/` holds the files that the run changes or creates, and `case.toml` says the rest:
`title`, `exit_code`, and where they matter `profile`, `set`, `refusals` (path, line, contains) and `notes_contain`.
"""

from __future__ import annotations

import json
import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from codemods.catalogue import RECIPE
from codemods.cli.main import cli

CASES = Path(__file__).parent / "cases"
RULES = {rule.id for rule in RECIPE}
DIRECTORIES = sorted(path.parent for path in CASES.glob("*/*/case.toml") if path.parent.parent.name in RULES)
PIPELINES = "woodpecker-add-registry-cache"


def read_case(directory: Path) -> dict[str, Any]:
    return tomllib.loads((directory / "case.toml").read_text(encoding="utf-8"))


def read_tree(directory: Path) -> dict[str, bytes]:
    """Content of every file below a directory; the empty tree for one that does not exist."""
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in files}


def apply_caching(repository: Path, rule_id: str, case: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """Run the public command in this process; returns its exit code and its JSON report."""
    options = [part for pair in case.get("set", []) for part in ("--set", pair)]
    profile = ["--profile", case["profile"]] if "profile" in case else []
    command = ["apply-caching", "--allow-dirty", "--only", rule_id, "--format", "json", *profile]
    result = CliRunner().invoke(cli, ["-C", str(repository), *options, *command], standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return result.return_value, json.loads(result.stdout)


def refused(report: dict[str, Any]) -> list[tuple[str, int, str]]:
    """What the run would not touch, files that cannot be parsed among it: path, line, reason with advice."""
    unparsable = [found for found in report["findings"] if found["rule"] == "parse-error"]
    return [(entry["path"], entry["line"], f"{entry['reason']}; {entry['advice']}") for entry in report["refusals"]] + [
        (found["path"], found["line"], found["message"]) for found in unparsable
    ]


@pytest.mark.parametrize("directory", DIRECTORIES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_case(directory: Path, tmp_path: Path) -> None:
    """The run writes exactly the expected bytes and reports the rest; a second run changes nothing."""
    case = read_case(directory)
    rule_id = directory.parent.name
    shutil.copytree(directory / "before", tmp_path / "repository")
    before, after = read_tree(directory / "before"), read_tree(directory / "after")

    exit_code, report = apply_caching(tmp_path / "repository", rule_id, case)

    first = read_tree(tmp_path / "repository")
    differing = {path for path in {*first, *before} if first.get(path) != before.get(path)}
    for path, content in after.items():
        assert first.get(path, b"").decode() == content.decode(), path
    assert differing == set(after), case["title"]
    assert exit_code == case["exit_code"], report
    assert {change["path"] for change in report["changes"]} == set(after)
    expect_refusals(case.get("refusals", []), refused(report))
    for fragment in case.get("notes_contain", []):
        assert any(fragment in note for note in report["notes"]), (fragment, report["notes"])

    again, second_report = apply_caching(tmp_path / "repository", rule_id, case)

    assert read_tree(tmp_path / "repository") == first
    assert second_report["changes"] == []
    assert again == exit_code
    assert [(path, reason) for path, _, reason in refused(second_report)] == [
        (path, reason) for path, _, reason in refused(report)
    ]


def expect_refusals(expected: list[dict[str, Any]], found: list[tuple[str, int, str]]) -> None:
    """Each expected refusal is found once, and there is no other."""
    rest = list(found)
    for wanted in expected:
        matching = [
            refusal
            for refusal in rest
            if refusal[0] == wanted["path"]
            and refusal[1] == wanted.get("line", refusal[1])
            and wanted.get("contains", "") in refusal[2]
        ]
        assert matching, (wanted, found)
        rest.remove(matching[0])
    assert rest == []


@pytest.mark.parametrize("directory", DIRECTORIES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_case_is_well_formed(directory: Path) -> None:
    """A case says what it shows, expects a known exit code, and its after/ differs from its before/."""
    case = read_case(directory)
    assert set(case) <= {"title", "exit_code", "profile", "set", "refusals", "notes_contain"}
    assert case["title"].endswith(".")
    assert case["exit_code"] in (0, 1, 3)
    assert (case["exit_code"] == 3) == bool(case.get("refusals"))
    before, after = read_tree(directory / "before"), read_tree(directory / "after")
    assert before
    assert [path for path, content in after.items() if before.get(path) == content] == []


def test_no_two_cases_say_the_same() -> None:
    """Titles are unique within a rule."""
    titles = [(directory.parent.name, read_case(directory)["title"]) for directory in DIRECTORIES]
    assert sorted(titles) == sorted(set(titles))


def test_every_rule_has_an_example() -> None:
    """`explain` shows the case named `example` of each rule that has cases."""
    rules = {directory.parent for directory in DIRECTORIES}
    assert [path.name for path in sorted(rules) if not (path / "example" / "case.toml").is_file()] == []


def test_pipelines_in_the_wild_are_covered() -> None:
    """At least 40 cases, and more that must not change or are refused than plain rewrites."""
    cases = [directory for directory in DIRECTORIES if directory.parent.name == PIPELINES]
    plain = [path for path in cases if read_tree(path / "after") and not read_case(path).get("refusals")]
    assert len(cases) >= 40
    assert len(cases) - len(plain) > len(plain)
