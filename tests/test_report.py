"""The report: exit codes, positions, and every format of it."""

from __future__ import annotations

import io
import json
import os
import pty
import random
import re
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from codemods.engine.model import Impact, Severity, Suppressed
from codemods.engine.report.as_json import as_json
from codemods.engine.report.diff import unified_diff
from codemods.engine.report.escape import printable, printable_lines
from codemods.engine.report.markdown import LONGEST, as_markdown, code, escape, fenced
from codemods.engine.report.model import (
    Change,
    CheckResult,
    CheckState,
    Host,
    HostAction,
    HostState,
    RecordChange,
    RecordData,
    RelatedPlace,
    Report,
    ReportedFinding,
    ReportedRefusal,
    exit_code,
    position,
    summarise,
    worst_exit_code,
)
from codemods.engine.report.text import QUIET, VERBOSE, print_report
from codemods.engine.report.text_diff import diff_lines
from tests.soak import EXAMPLES
from tests.test_report_diff import TEXTS, git_apply

ROOT = Path(__file__).parent.parent
SCHEMA = json.loads((ROOT / "docs" / "report.schema.json").read_text(encoding="utf-8"))


def finding(rule: str = "nginx-require-host-port", **values: Any) -> ReportedFinding:
    """A finding with an error in nginx.conf."""
    place = {"path": "nginx.conf", "line": 3, "column": 5, "end_line": 3, "end_column": 9}
    return ReportedFinding(rule, **{**place, "severity": Severity.ERROR, "message": "wrong", **values})


REFUSAL = ReportedRefusal("woodpecker-add-registry-cache", ".woodpecker/kaniko.yml", 12, "another plugin", "change it")
COMPOSE = Change(
    "compose-add-private-registry,compose-no-floating-registry-tag",
    "modules/docker-compose.yml",
    Impact.RECREATE,
    unified_diff("modules/docker-compose.yml", "a: 1\nb: 2\n", "a: 1\nb: 3\nc: 4\n"),
    ("add the service registry-private",),
)
CONFIG = Change(
    "registry-add-private-config",
    "modules/config-private.yml",
    Impact.NONE,
    unified_diff("modules/config-private.yml", "", "version: 0.1\n", old_exists=False),
)
FULL = Report(
    "apply-caching",
    3,
    "verified",
    findings=(
        finding(fixable=True, impact=Impact.RELOAD, related=(RelatedPlace("compose.yml", 7, "published here"),)),
        finding("compose-no-floating-registry-tag", severity=Severity.WARNING, suppressed=Suppressed.COMMENT),
    ),
    changes=(CONFIG, COMPOSE),
    refusals=(REFUSAL,),
    notes=("no cap yet",),
    hosts=(Host("root@10.0.20.10", HostState.PENDING, (HostAction("copy", "/opt/x", Impact.RESTART, ""),), "why"),),
    fingerprint="abc",
    records=(
        RecordChange("registry.home.lan", "A", RecordData("10.0.0.9", 600), RecordData("10.0.20.10", 600)),
        RecordChange("registry.home.lan", "A", RecordData("10.0.0.8", 600), None),
    ),
    checks=(CheckResult("push", "registry.home.lan:5050", CheckState.PASS), CheckResult("dns", "x", CheckState.ERROR)),
    pending=True,
    next_steps=("commit", "push"),
)


# Exit codes


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({}, 0),
        ({"findings": [finding(severity=Severity.WARNING)]}, 0),
        ({"findings": [finding(severity=Severity.WARNING)], "strict": True}, 1),
        ({"findings": [finding()]}, 1),
        ({"findings": [finding(suppressed=Suppressed.BASELINE)], "strict": True}, 0),
        ({"findings": [finding("parse-error")]}, 3),
        ({"findings": [finding("parse-error"), finding()]}, 3),
        ({"pending": True}, 1),
        ({"pending": True, "refusals": [REFUSAL]}, 3),
        ({"refusals": [REFUSAL]}, 3),
        ({"checks": [CheckResult("a", "b", CheckState.PASS), CheckResult("a", "b", CheckState.SKIPPED)]}, 0),
        ({"checks": [CheckResult("a", "b", CheckState.FAIL)]}, 1),
        ({"checks": [CheckResult("a", "b", CheckState.FAIL), CheckResult("a", "b", CheckState.ERROR)]}, 3),
        ({"hosts": [Host("a", HostState.CLEAN), Host("b", HostState.CHANGED)]}, 0),
        ({"hosts": [Host("a", HostState.PENDING)]}, 1),
        ({"hosts": [Host("a", HostState.REFUSED)]}, 3),
        ({"hosts": [Host("a", HostState.UNREACHABLE), Host("b", HostState.ROLLED_BACK)]}, 4),
        ({"hosts": [Host("a", HostState.ROLLBACK_FAILED), Host("b", HostState.ROLLED_BACK)]}, 5),
        ({"hosts": [Host("a", HostState.ROLLED_BACK)], "refusals": [REFUSAL], "findings": [finding()]}, 4),
    ],
)
def test_exit_code_follows_the_contract(parts: dict[str, Any], expected: int) -> None:
    """Each part of a run has its code, and the gravest one wins."""
    assert exit_code(**parts) == expected


def test_the_order_of_exit_codes() -> None:
    """5, 4, 2, 3, 1, 0: a usage error outweighs a refusal, but not a roll-back."""
    codes = [5, 4, 2, 3, 1, 0]
    for index in range(len(codes)):
        assert worst_exit_code(random.sample(codes[index:], len(codes) - index)) == codes[index]
    assert worst_exit_code([]) == 0


# Positions


@pytest.mark.parametrize(
    ("text", "offset", "expected"),
    [
        ("", 0, (1, 1)),
        ("ab", 2, (1, 3)),
        ("a\nb", 1, (1, 2)),
        ("a\nb", 2, (2, 1)),
        ("a\r\nb\nc", 3, (2, 1)),
        ("a\r\nb\nc", 5, (3, 1)),
        ("a\rb\nc", 2, (1, 3)),
        ("😀é\n😀x", 4, (2, 2)),
        ("a\u2028b\x0bc\x85d\n", 6, (1, 7)),
        ("a\n", 99, (2, 1)),
        ("a\n", -1, (1, 1)),
    ],
)
def test_position(text: str, offset: int, expected: tuple[int, int]) -> None:
    """Only a line feed ends a line, columns are characters, and offsets outside the text are its ends."""
    assert position(text, offset) == expected


def test_many_positions_in_a_large_text_are_cheap() -> None:
    """The lines of a text are looked for once, not once for each position."""
    text = "x: 1\n" * 200_000
    started = time.process_time()
    assert all(position(text, offset)[1] == 1 for offset in range(0, len(text), 50))
    assert time.process_time() - started < 2


# Changes


def test_a_change_counts_its_lines() -> None:
    """Lines that look like a header of a diff count as lines."""
    change = Change("r", "f", Impact.NONE, unified_diff("f", "-- a\n", "++ b\n++ c\n"))
    assert (change.added, change.removed, change.creates) == (2, 1, False)
    assert (CONFIG.added, CONFIG.removed, CONFIG.creates) == (1, 0, True)


# Escaping


def test_control_characters_are_spelled_out() -> None:
    """Nothing that moves the cursor, hides text or turns its direction gets through."""
    assert printable("a\x1b[2Jb\tc\nd\x9b\u202ee\udc80") == "a\\x1b[2Jb\\tc\\nd\\x9b\\u202ee\\udc80"
    assert printable_lines("a\tb\r\nc\rd\x1b\n") == "a\tb\r\nc\\rd\\x1b\n"


@given(st.text())
@settings(max_examples=EXAMPLES, deadline=None)
def test_printable_text_is_one_visible_line(text: str) -> None:
    """No control character is left, of any kind."""
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", printable(text))


# JSON


@pytest.mark.parametrize("report", [FULL, Report("verify", 0)])
def test_json_follows_its_schema(report: Report) -> None:
    """The smallest report and one with everything in it."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(json.loads(as_json(report)), SCHEMA, cls=jsonschema.Draft202012Validator)


def test_the_schema_knows_every_key() -> None:
    """A key that is written is in the schema, in the same object."""

    def check(value: Any, schema: dict[str, Any]) -> None:
        schema = SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
        if isinstance(value, dict):
            assert set(value) == set(schema["properties"])
            for key, item in value.items():
                check(item, schema["properties"][key])
        for item in value if isinstance(value, list) else ():
            check(item, schema["items"])

    check(json.loads(as_json(FULL)), SCHEMA)


def test_every_field_of_the_schema_is_described() -> None:
    """Every property and every definition says what it is."""

    def check(schema: Any) -> None:
        if isinstance(schema, dict):
            for group in ("properties", "$defs"):
                assert not [name for name, part in schema.get(group, {}).items() if not part.get("description")]
            for part in schema.values():
                check(part)

    check(SCHEMA)


def test_the_schema_tells_wrong_reports_from_right_ones() -> None:
    """A missing key and an unknown state are errors, a new key is not."""
    validator = jsonschema.Draft202012Validator(SCHEMA)
    data = json.loads(as_json(FULL))
    assert validator.is_valid({**data, "later": 1})
    assert not validator.is_valid({**data, "exit_code": 130})
    assert not validator.is_valid({key: value for key, value in data.items() if key != "notes"})
    data["checks"][0]["state"] = "maybe"
    assert not validator.is_valid(data)


def test_json_keeps_order_letters_and_its_final_newline() -> None:
    """The same report is the same text; letters stay letters, and bytes that are no text do not break it."""
    text = as_json(Report("check", 0, notes=("grün 😀", "bad \udc80 name")))
    assert list(json.loads(text))[:4] == ["version", "command", "profile", "exit_code"]
    assert "grün 😀" in text
    assert text.endswith("}\n")
    assert json.loads(text.encode().decode())["notes"][1] == "bad \udc80 name"


# Text


def printed(report: Report, **options: Any) -> tuple[str, str]:
    """What goes to stdout and stderr."""
    out, err = io.StringIO(), io.StringIO()
    print_report(report, out, err, **options)
    return out.getvalue(), err.getvalue()


def test_text_tells_everything() -> None:
    """The result on stdout, the talk on stderr."""
    out, err = printed(FULL)
    assert out == (
        "  file                             lines      impact\n"
        "  modules/config-private.yml  new     +1      none\n"
        "  modules/docker-compose.yml          +2  -1  recreate\n"
        "      add the service registry-private\n"
        "\n"
        "nginx.conf:3:5  error  nginx-require-host-port\n"
        "    wrong\n"
        "    see compose.yml:7\n"
        "        published here\n"
        "\n"
        "Refused\n"
        "  .woodpecker/kaniko.yml:12  woodpecker-add-registry-cache\n"
        "      another plugin\n"
        "    → change it\n"
        "\n"
        "root@10.0.20.10  pending\n"
        "    why\n"
        "  copy  /opt/x  restart\n"
        "\n"
        "  record                before              after\n"
        "  registry.home.lan  A  10.0.0.9 (TTL 600)  10.0.20.10 (TTL 600)\n"
        "  registry.home.lan  A  10.0.0.8 (TTL 600)  none\n"
        "\n"
        "  pass   push  registry.home.lan:5050\n"
        "  error  dns   x\n"
    )
    assert err == (
        "\nNotes\n  - no cap yet\n\nWhat comes next\n  1. commit\n  2. push\n\n"
        "apply-caching (verified): 1 error, 2 files would change, 1 place refused, 2 records would change, "
        "1 host pending, 1 check passed, "
        "1 check could not be made\n"
    )


def test_with_diff_stdout_is_a_patch(tmp_path: Path) -> None:
    """git applies what stands there; everything else is on stderr."""
    out, err = printed(FULL, diff=True)
    assert out == CONFIG.diff + COMPOSE.diff
    assert "Refused" in err
    assert git_apply(tmp_path, COMPOSE.path, out, "a: 1\nb: 2\n") == b"a: 1\nb: 3\nc: 4\n"


def test_quiet_leaves_what_is_wrong() -> None:
    """No table, no notes, no summary; findings, refusals and failed checks stay."""
    out, err = printed(FULL, verbosity=QUIET)
    assert err == ""
    assert out.startswith("nginx.conf:3:5  error")
    assert "Refused" in out
    assert "  error  dns  x\n" in out
    assert "pass" not in out
    assert printed(Report("apply-caching", 0, changes=(COMPOSE,)), verbosity=QUIET) == ("", "")


def test_verbose_adds_rules_and_suppressed_findings() -> None:
    """Both are left out otherwise."""
    out, _ = printed(FULL, verbosity=VERBOSE)
    assert "rules: compose-add-private-registry, compose-no-floating-registry-tag" in out
    assert "warning  compose-no-floating-registry-tag (suppressed by comment)" in out
    assert "suppressed" not in printed(FULL)[0]


def test_nothing_to_do_is_one_line() -> None:
    """A clean run does not leave the user wondering."""
    assert printed(Report("apply-caching", 0, "verified")) == ("", "apply-caching (verified): nothing to do\n")


def test_contents_are_made_printable_in_text() -> None:
    """Control characters in paths and messages are spelled out, and a message of many lines stays in its column."""
    refusal = ReportedRefusal("r", "a\x1b[2J\n.yml", 1, "one\ntwo\x07", "do")
    assert printed(Report("check", 3, refusals=(refusal,)))[0] == (
        "Refused\n  a\\x1b[2J\\n.yml:1  r\n      one\n      two\\x07\n    → do\n"
    )


def test_a_stream_that_is_not_utf8_gets_ascii() -> None:
    """Letters it does not have are spelled out instead of raising."""
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    print_report(Report("check", 3, refusals=(ReportedRefusal("r", "ü", 1, "x", "y"),)), out, out)
    assert b"\\xfc:1" in out.buffer.getvalue()
    assert b"    -> y\n" in out.buffer.getvalue()


def on_terminal(report: Report, columns: int = 80, **options: Any) -> str:
    """What a terminal of that width is sent on stdout and stderr."""
    main, other = pty.openpty()
    os.set_blocking(main, False)
    with pytest.MonkeyPatch.context() as patch, os.fdopen(other, "w") as stream:
        patch.setenv("COLUMNS", str(columns))
        patch.setenv("TERM", "xterm-256color")
        for name in ("NO_COLOR", "FORCE_COLOR", *(set(options) & {"NO_COLOR"})):
            patch.delenv(name, raising=False)
        if options.pop("NO_COLOR", None):
            patch.setenv("NO_COLOR", "1")
        print_report(report, stream, stream, **options)
        received = b""
        while True:
            try:
                received += os.read(main, 65_536)
            except BlockingIOError:
                break
    os.close(main)
    return received.decode().replace("\r\n", "\n")


def without_styles(text: str) -> str:
    """What is to be read."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def test_a_terminal_shows_colours_and_wraps_prose_only() -> None:
    """Prose goes on in its column; paths and lines of a diff stay whole, at any width."""
    path = "deep/" * 30 + "f.yml"
    change = Change("r", path, Impact.REPLACE, unified_diff(path, "x" * 200 + "\n", "x" * 201 + "\n"))
    report = Report("apply-caching", 1, changes=(change,), notes=("word " * 30 + path,), pending=True)
    text = on_terminal(report, 80, diff=True)
    assert "\x1b[31m" in text
    plain = without_styles(text)
    assert f"+{'x' * 201}\n" in plain
    assert f"\n  {path} " in plain
    assert f"\n    {path}\n" in plain
    assert all(len(line) <= 80 for line in plain.splitlines() if "x" * 9 not in line and "deep/deep" not in line)


def test_markup_and_emoji_codes_are_shown_as_they_are() -> None:
    """What rich would take for a style or a picture is text of the user's file."""
    refusal = ReportedRefusal("r", "[bold]x[/bold].yml", 1, ":smile: [link=http://x]y[/]", "[/]")
    change = Change("r", "f", Impact.NONE, unified_diff("f", "", "[red]a[/red] :boom:\n"))
    plain = without_styles(on_terminal(Report("check", 3, changes=(change,), refusals=(refusal,)), diff=True))
    for text in ("[bold]x[/bold].yml:1", ":smile: [link=http://x]y[/]", "→ [/]", "+[red]a[/red] :boom:"):
        assert text in plain


def test_no_color_is_honoured() -> None:
    """With NO_COLOR no colour is sent, also on a terminal."""
    assert not re.search(r"\x1b\[(?:\d+;)*3\d", on_terminal(FULL, diff=True, NO_COLOR=True))
    assert re.search(r"\x1b\[(?:\d+;)*3\d", on_terminal(FULL, diff=True))


def test_the_part_of_a_line_that_changed_is_marked() -> None:
    """Lines that took each other's place show where they differ, others do not."""
    lines = list(diff_lines(unified_diff("f", "mkdir -p /a /b\nq\n", "mkdir -p /a /b /c\nz\n")))
    marked = [
        [piece.text for piece in line.pieces if "reverse" in piece.style] for line in lines if "@" not in line.text
    ]
    assert [" /c"] in marked
    assert sum(map(bool, (any(texts) for texts in marked))) == 1


@given(old=TEXTS, new=TEXTS)
@settings(max_examples=EXAMPLES, deadline=None)
def test_styles_change_no_character_of_a_diff(old: str, new: str) -> None:
    """The lines are those of the diff, control characters spelled out."""
    diff = unified_diff("f", old, new)
    assert "".join(f"{line.text}\n" for line in diff_lines(diff)) == printable_lines(diff)


# Markdown


class _Html(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def rendered(markdown: str) -> _Html:
    """Tags and text that a browser gets."""
    return _Html(MarkdownIt("gfm-like", {"linkify": False}).render(markdown))


NASTY = [
    "<b>x</b>",
    "`",
    "``` x ```",
    "[a](http://b)",
    "![a](b)",
    "*a* _b_ ~~c~~",
    "a | b",
    "\\|",
    "&amp;",
    "# a",
    "1. a",
    "- a",
    "@user #12",
    "-->",
    "$x$",
    "</details>",
    "\\",
]


@pytest.mark.parametrize("text", NASTY)
def test_contents_are_no_markup_in_markdown(text: str) -> None:
    """Text shows as it is in a paragraph, a list, a table and a code span, and a diff cannot end its block."""
    prose = rendered(escape(text))
    assert prose.text.replace("`", "").strip() == text.replace("`", "").strip()
    assert set(prose.tags) <= ({"p", "code"} if "`" in text else {"p"})
    table = rendered(f"| a | b |\n| --- | --- |\n| {escape(text)} | {code(text)} |")
    assert table.text.replace("`", "").split() == ["a", "b", *text.replace("`", "").split() * 2]
    assert set(table.tags) <= {"table", "thead", "tbody", "tr", "th", "td", "code"}
    assert rendered(code(text)).text.strip() == text
    assert rendered(code(text)).tags == ["p", "code"]
    block = rendered(fenced(f"+{text}\n```\n````\n"))
    assert (block.text.rstrip("\n"), block.tags) == (f"+{text}\n```\n````", ["pre", "code"])


def test_words_in_backticks_are_code_in_markdown() -> None:
    """As messages write them; a mention inside or outside of it calls nobody."""
    assert escape("use `Host $http_host`, @me") == "use `Host $http_host`, @<!-- -->me"


def test_markdown_tells_everything() -> None:
    """A table of changes, the diff in a closed fold, findings, refusals, checks and what comes next."""
    html = rendered(as_markdown(FULL))
    assert {"table", "details", "summary", "pre", "h3", "h4", "ol", "ul"} <= set(html.tags)
    for text in (
        "1 error, 2 files would change",
        CONFIG.diff,
        "change it",
        "no cap yet",
        "root@10.0.20.10",
        "published here",
    ):
        assert text in html.text
    assert "suppressed" not in html.text


def test_a_comment_that_would_be_too_long_leaves_out_the_diff() -> None:
    """The rest of it stays, and it says what is missing."""
    change = Change("r", "f", Impact.NONE, unified_diff("f", "", "x\n" * LONGEST))
    text = as_markdown(Report("apply-caching", 0, changes=(change,)))
    assert len(text) < LONGEST
    assert "too long for a comment" in text


def test_summary_counts() -> None:
    """One of a thing is singular, and what was done differs from what would be done."""
    assert summarise(FULL).startswith("1 error, 2 files would change")
    assert summarise(Report("x", 0, changes=(COMPOSE,))) == "1 file changed"


# Cost


@pytest.mark.parametrize("module", ["model", "as_json", "markdown", "text", "diff", "mask"])
def test_reports_import_nothing_heavy(module: str) -> None:
    """Plain output works without rich, and the report without click."""
    program = (
        f"import sys, codemods.engine.report.{module}; "
        "heavy = {'rich', 'click', 'ruamel', 'difflib'} & set(sys.modules); "
        "sys.exit(str(heavy) if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)
