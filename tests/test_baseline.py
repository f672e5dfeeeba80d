"""The baseline: known findings stay known when lines move, and it never grows by itself."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from codemods.caching import pipelines
from codemods.engine.baseline import BASELINE_FILE, Baseline, find_baseline
from codemods.engine.check import fix
from codemods.engine.context import Context
from codemods.engine.edits import Edit
from codemods.engine.inspection import PARSE_ERROR, Judged
from codemods.engine.judge import judge
from codemods.engine.model import Finding, Impact, Note, Outcome, Refusal, Role, Rule, Severity, Suppressed
from codemods.engine.run import Selection, plan_changes
from codemods.errors import ParseError, SettingsError
from codemods.repository import Document
from codemods.rules.suppression import RULES
from codemods.settings import RegistrySettings, Settings
from codemods.stack import Stack
from tests import yaml_texts
from tests.soak import EXAMPLES

ID = "woodpecker-no-plaintext-secret"
OTHER = "woodpecker-schema"


def finder(id: str = ID, word: str = r"bad\w*", role: Role = Role.PIPELINE, fixed: str = "") -> Rule:
    """A rule that finds a word; with `fixed` it puts that in its place."""

    def check(_: Context, document: Document) -> Iterator[Outcome]:
        for match in re.finditer(rf"(\w+): ({word})", document.text):
            edits = (Edit(*match.span(2), fixed),) if fixed else ()
            yield Finding(*match.span(2), f"{match[2]} is here", edits, ((match[1],),) if fixed else ())

    return Rule(id, role, check, Severity.ERROR, Impact.NONE, "0.1.0")


RULE = finder()


def context_of(files: str | dict[str, str], **stack: str) -> Context:
    """A context in which files that the stack does not name are pipelines; a text alone is one's."""
    texts = {"p.yml": files} if isinstance(files, str) else files
    documents = {path: Document(path, text) for path, text in texts.items()}
    others = tuple(path for path in texts if path not in stack.values())
    return Context(Settings(), Stack(pipelines=others, **stack), documents.__getitem__)  # type: ignore[arg-type]


def judged(files: str | dict[str, str], *rules: Rule, baseline: Baseline | None = None) -> list[Judged]:
    return judge(rules or [RULE], context_of(files), baseline)


def baseline_of(files: str | dict[str, str], *rules: Rule) -> Baseline:
    return Baseline.of(rules or [RULE], judged(files, *rules))


def left(files: str | dict[str, str], baseline: Baseline, *rules: Rule) -> list[str]:
    """What the baseline does not suppress: the text of each finding."""
    found = []
    for item in judged(files, *rules, baseline=baseline):
        assert item.suppressed is not Suppressed.COMMENT
        if item.suppressed is None and isinstance(item.located.outcome, Finding):
            found.append(item.located.document.text[item.located.outcome.start : item.located.outcome.end])
    return found


def entries(baseline: Baseline) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(baseline.text())["findings"]
    return found


TEXT = "steps:\n  - name: a\n    settings:\n      password: bad\n  - name: b\n    settings:\n      token: bad2\n"


def test_the_file() -> None:
    """Sorted, one entry for each kind of finding, with a message for people."""
    baseline = baseline_of({"p.yml": TEXT, "a.yml": "x: bad\ny: [{z: bad}, {z: bad}]\n"})
    assert baseline.text() == baseline.text().strip() + "\n"
    assert json.loads(baseline.text())["version"] == 1
    assert [(e["path"], e["rule"], e["data_path"], e["count"], e["message"]) for e in entries(baseline)] == [
        ("a.yml", ID, "x", 1, "bad is here"),
        ("a.yml", ID, "y.z", 2, "bad is here"),
        ("p.yml", ID, "steps.settings.password", 1, "bad is here"),
        ("p.yml", ID, "steps.settings.token", 1, "bad2 is here"),
    ]
    assert all(re.fullmatch("[0-9a-f]{16}", entry["hash"]) for entry in entries(baseline))
    assert len(baseline) == 5


def test_the_order_of_the_findings_does_not_matter() -> None:
    """The same findings give the same bytes."""
    found = judged(TEXT)
    assert Baseline.of([RULE], found[::-1]).text() == Baseline.of([RULE], found).text()


def test_what_is_known_is_suppressed() -> None:
    """And so it is after a round trip through the file."""
    baseline = baseline_of(TEXT)
    assert [item.suppressed for item in judged(TEXT, baseline=baseline)] == [Suppressed.BASELINE] * 2
    assert left(TEXT, baseline) == []


@pytest.mark.parametrize(
    "moved",
    [
        f"# new\n\n{TEXT}",
        TEXT.replace("steps:\n", "steps:\n  - name: new\n    image: x\n"),
        TEXT.replace("      password", "      url: x # why\n      password"),
        TEXT.replace("\n", "\r\n"),
        TEXT.replace("bad\n", "bad # why\n"),
        TEXT.replace("    settings", "    image: x\n    settings"),
        "steps:\n- {name: b, settings: {token: bad2}}\n- {name: a, settings: {password: bad}}\n",
    ],
)
def test_moving_lines_changes_nothing(moved: str) -> None:
    """Lines before, between and behind, steps in another order, another style, other line ends."""
    assert left(moved, baseline_of(TEXT)) == []


@pytest.mark.parametrize(
    ("changed", "rest"),
    [
        (TEXT.replace("bad2", "bad3"), ["bad3"]),
        (TEXT.replace("token", "key"), ["bad2"]),
        (f"{TEXT}extra:\n  password: bad\n", ["bad"]),
        (TEXT.replace("bad\n", "bad\n      secret: bad\n"), ["bad"]),
    ],
)
def test_a_change_is_a_new_finding(changed: str, rest: list[str]) -> None:
    """Another value, another key, another place."""
    assert left(changed, baseline_of(TEXT)) == rest


def test_another_file_and_another_rule_are_new_findings() -> None:
    """What one rule may find in one file another may not, nor it in another file."""
    baseline = baseline_of(TEXT)
    assert left({"q.yml": TEXT}, baseline) == ["bad", "bad2"]
    assert left(TEXT, baseline, finder(OTHER)) == ["bad", "bad2"]


def test_equal_findings_are_counted() -> None:
    """Of three where two are known one is left."""
    two = "a:\n- x: bad\n- x: bad\n"
    baseline = baseline_of(two)
    assert [entry["count"] for entry in entries(baseline)] == [2]
    assert left(two, baseline) == []
    assert left(f"{two}- x: bad\n", baseline) == ["bad"]
    one = Baseline.of([RULE], judged(two)[:1])
    assert left(two, one) == ["bad"]


@pytest.mark.parametrize(
    ("role", "stack", "text", "data_path"),
    [
        (Role.NGINX, "nginx", "http { server { set $x 'y: bad'; } }", "http.server.set"),
        (Role.TERRAFORM, "terraform", 'module "m" { a = ["y: bad"] }\n', "module.m.a"),
        (Role.CLEANUP, "cleanup", "def f():\n    return 'y: bad'\n", "def f"),
        (Role.CLEANUP, "cleanup", "x = 'y: bad'\n", ""),
        (Role.COMPOSE, "compose", "services: {y: bad}\n", "services.y"),
    ],
)
def test_every_format_has_data_paths(role: Role, stack: str, text: str, data_path: str) -> None:
    """Directives, blocks and attributes, functions, keys."""
    rules = [finder(role=role)]
    found = judge(rules, context_of({"file": text}, **{stack: "file"}))
    assert [entry["data_path"] for entry in entries(Baseline.of(rules, found))] == [data_path]


@settings(max_examples=EXAMPLES, deadline=None)
@given(yaml_texts.texts(), st.data())
def test_comment_lines_change_nothing(sample: tuple[str, object], data: st.DataObject) -> None:
    """Whatever the file, and wherever the comment: what is known stays known."""
    text = sample[0]
    starts = [0, *(number + 1 for number, character in enumerate(text) if character == "\n")]
    at = data.draw(st.sampled_from(starts))
    new = f"{text[:at]}# new\n{text[at:]}"

    def check(_: Context, document: Document) -> Iterator[Outcome]:
        for match in re.finditer(r"\w+", document.text.replace("# new\n", "      ")):
            yield Finding(*match.span(), "a word")

    rule = Rule(ID, Role.REGISTRY, check, Severity.ERROR, Impact.NONE, "0.1.0")
    try:
        assume(Document("p.yml", new).yaml.data == Document("p.yml", text).yaml.data)
    except ParseError:  # in the middle of a block scalar
        return
    assert left(new, baseline_of(text, rule), rule) == []


# What is written


def test_only_open_findings_are_written() -> None:
    """Notes, and what a comment suppresses or the baseline knows, are not."""

    def notes(_: Context, document: Document) -> Iterator[Outcome]:
        yield Note("by the way")

    rules = [RULE, Rule(OTHER, Role.PIPELINE, notes, Severity.ERROR, Impact.NONE, "0.1.0")]
    text = f"x: bad # codemod: ignore[{ID}] why\ny: bad\nz: bad2\n"
    known = baseline_of("y: bad\n")
    assert [entry["data_path"] for entry in entries(baseline_of(text, *rules))] == ["y", "z"]
    found = judge(rules, context_of(text), known)
    assert [entry["data_path"] for entry in entries(Baseline.of(rules, found))] == ["z"]
    assert (known + Baseline.of(rules, found)).text() == baseline_of(text, *rules).text()


def test_secrets_are_not_written() -> None:
    """Messages are masked like everything that is shown, and of the text there is only a hash."""

    def check(_: Context, document: Document) -> Iterator[Outcome]:
        yield Finding(0, 10, "password: hunter2 is written in the file")

    rule = Rule(ID, Role.PIPELINE, check, Severity.ERROR, Impact.NONE, "0.1.0")
    assert "hunter2" not in baseline_of("password: hunter2\n", rule).text()


def test_parse_errors_and_refusals_can_be_known() -> None:
    """They are known by the line they are at; another problem in the file is a new one."""
    broken = {"p.yml": "a: b\nc: [\n"}

    def reads(_: Context, document: Document) -> Iterator[Outcome]:
        yield Refusal(document.yaml.documents[0].start, "too odd", "write it plainly")

    rule = Rule(ID, Role.PIPELINE, reads, Severity.ERROR, Impact.NONE, "0.1.0")
    known = baseline_of(broken, rule)
    assert [(entry["rule"], entry["data_path"]) for entry in entries(known)] == [(PARSE_ERROR, "")]
    assert [item.suppressed for item in judged(broken, rule, baseline=known)] == [Suppressed.BASELINE]
    assert [item.suppressed for item in judged({"p.yml": "a: b: c\n"}, rule, baseline=known)] == [None]
    odd = baseline_of("# x\na: odd\nb: c\n", rule)
    assert [item.suppressed for item in judged("a: odd\nb: d\n", rule, baseline=odd)] == [Suppressed.BASELINE]
    assert [item.suppressed for item in judged("a: other\nb: c\n", rule, baseline=odd)] == [None]


def test_findings_about_comments_can_be_known() -> None:
    """What the suppression rules find is a finding like others."""
    rules = (RULE, *RULES)
    text = f"x: good # codemod: ignore[{ID}] why\n"
    known = baseline_of(text, *rules)
    assert [entry["rule"] for entry in entries(known)] == ["suppression-no-unused"]
    assert left(f"# words\n\n{text}", known, *rules) == []


# What becomes stale


def test_fixed_findings_are_dropped() -> None:
    """One of two equal ones, then the other; a repository where all is fixed has an empty baseline."""
    two = "a:\n- x: bad\n- x: bad\n"
    known = baseline_of(two)
    assert known.without_stale([RULE], judged(two, baseline=known)).text() == known.text()
    one = two.replace("bad", "good", 1)
    shrunk = known.without_stale([RULE], judged(one, baseline=known))
    assert [entry["count"] for entry in entries(shrunk)] == [1]
    none = two.replace("bad", "good")
    assert len(known.stale([RULE], judged(none, baseline=known))) == 2
    assert entries(known.without_stale([RULE], judged(none, baseline=known))) == []


def test_it_does_not_grow() -> None:
    """New findings do not come into it by dropping old ones."""
    known = baseline_of("x: bad\n")
    new = "x: bad2\ny: bad\n"
    assert entries(known.without_stale([RULE], judged(new, baseline=known))) == []


def test_files_that_are_gone_are_dropped() -> None:
    """A deleted pipeline has no findings any more."""
    known = baseline_of({"p.yml": TEXT, "q.yml": TEXT})
    found = judged({"q.yml": TEXT}, baseline=known)
    assert {entry["path"] for entry in entries(known.without_stale([RULE], found))} == {"q.yml"}


def test_what_was_not_looked_at_is_kept() -> None:
    """Rules that did not run, files out of scope."""
    rules = [RULE, finder(OTHER)]
    known = baseline_of({"p.yml": "x: bad\n", "q.yml": "x: bad\n"}, *rules)
    good = {"p.yml": "x: good\n", "q.yml": "x: good\n"}
    found = judged(good, baseline=known)
    kept = known.without_stale([RULE], found, lambda path: path == "p.yml")
    assert [(entry["path"], entry["rule"]) for entry in entries(kept)] == [
        ("p.yml", OTHER),
        ("q.yml", ID),
        ("q.yml", OTHER),
    ]
    assert len(known.without_stale(rules, judged(good, *rules, baseline=known))) == 0


def test_where_files_cannot_be_read_nothing_is_stale() -> None:
    """Other files' findings may hang on the broken one; once it is known, only its own entries are kept."""

    def check(_: Context, document: Document) -> Iterator[Outcome]:
        assert document.yaml
        yield from RULE(_, document)

    rule = Rule(ID, Role.PIPELINE, check, Severity.ERROR, Impact.NONE, "0.1.0")
    known = baseline_of({"p.yml": "x: bad\n", "q.yml": "x: bad\n"}, rule)
    broken = {"p.yml": "x: [\n", "q.yml": "x: good\n"}
    assert len(known.stale([rule], judged(broken, rule, baseline=known))) == 0
    known = known + baseline_of(broken, rule)
    stale = known.stale([rule], judged(broken, rule, baseline=known))
    assert [entry["path"] for entry in entries(stale)] == ["q.yml"]


def test_a_comment_makes_an_entry_stale() -> None:
    """What a comment suppresses needs no entry."""
    known = baseline_of("x: bad\n")
    found = judged(f"x: bad # codemod: ignore[{ID}] why\n", baseline=known)
    assert [item.suppressed for item in found] == [Suppressed.COMMENT]
    assert len(known.stale([RULE], found)) == 1


# What is known is not changed


def test_known_findings_are_not_fixed() -> None:
    """`check --fix` mends the new one of two."""
    rule = finder(fixed="good")
    context = context_of("x: bad\ny: bad\n")
    fixed = fix([rule], context, baseline_of("x: bad\n", rule), lambda item: item.wants_edits)
    assert [change.new_text for change in fixed.changes] == ["x: bad\ny: good\n"]
    assert [item.suppressed for item in fixed.left] == [Suppressed.BASELINE]


def test_the_recipe_leaves_known_places_alone() -> None:
    """Both of its passes: the known step stays as it is, the other one changes."""
    step = (
        "  - name: {0}\n    image: woodpeckerci/plugin-docker-buildx:5.2.2-insecure\n    settings: {{repo: me/{0}}}\n"
    )
    text = f"when: {{event: push}}\nsteps:\n{step.format('a')}{step.format('b')}"
    document = Document("p.yml", text)
    registry = RegistrySettings(hostname="reg.lan", address="10.0.0.1")
    context = Context(Settings(registry=registry), Stack(pipelines=("p.yml",)), lambda path: document)
    rules = [pipelines.check]
    known = Baseline.of(rules, judge(rules, context)[:1])
    found = plan_changes(rules, context, Selection(), baseline=known)
    (change,) = found.changes
    assert change.new_text.startswith(text[: text.index("  - name: b")])
    assert "reg.lan:5050/b" in change.new_text
    assert [item.suppressed for item in found.suppressed] == [Suppressed.BASELINE]


# The file itself


def test_find(tmp_path: Path) -> None:
    """At the repository's root, where there is one."""
    assert find_baseline(tmp_path) is None
    known = baseline_of(TEXT)
    (tmp_path / BASELINE_FILE).write_text(known.text(), encoding="utf-8")
    found = find_baseline(tmp_path)
    assert found is not None
    assert found.text() == known.text()
    assert left(TEXT, found) == []


def test_a_merge_that_repeats_an_entry_adds_up(tmp_path: Path) -> None:
    """Two branches that both added the finding leave a file that still can be used, whatever its order."""
    content = json.loads(baseline_of(TEXT).text())
    content["findings"] += content["findings"][::-1]
    path = tmp_path / "b.json"
    path.write_text("\ufeff" + json.dumps(content), encoding="utf-8")
    assert len(Baseline.load(path)) == 4


ENTRY = {"path": "p", "rule": "r", "data_path": "", "hash": "0", "count": 1, "message": "m"}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "no baseline: Expecting value"),
        ("{", "no baseline: Expecting property name"),
        ("[" * 100_000, "no baseline: nested too deep"),
        ("[]", "version must be 1, not null"),
        ("{}", "version must be 1, not null"),
        ('{"version": 2, "findings": []}', "version must be 1, not 2"),
        ('{"version": "1\\n", "findings": []}', 'version must be 1, not "1\\n"'),
        ('{"version": 1}', "findings must be a list"),
        ('{"version": 1, "findings": {}}', "findings must be a list"),
        ('{"version": 1, "findings": ["x"]}', "a finding must be an object"),
        (json.dumps({"version": 1, "findings": [{**ENTRY, "path": 1}]}), "must be texts"),
        (json.dumps({"version": 1, "findings": [{"path": "p"}]}), "must be texts"),
        (json.dumps({"version": 1, "findings": [{**ENTRY, "count": 0}]}), "count must be a positive number, not 0"),
        (json.dumps({"version": 1, "findings": [{**ENTRY, "count": True}]}), "positive number, not true"),
        (json.dumps({"version": 1, "findings": [{**ENTRY, "count": "2"}]}), 'positive number, not "2"'),
        (b"\xff\xfe", "codec can't decode"),
        (None, "cannot be read: No such file"),
    ],
)
def test_a_broken_file_is_one_line(content: str | bytes | None, problem: str, tmp_path: Path) -> None:
    """What is wrong with it and how to write a new one; the command ends with 2."""
    path = tmp_path / BASELINE_FILE
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(SettingsError) as caught:
        Baseline.load(path)
    said = str(caught.value)
    assert said.startswith(f"{BASELINE_FILE}: ")
    assert problem in said
    assert said.endswith("`codemod check --write-baseline` writes it anew")
    assert "\n" not in said
    assert caught.value.exit_code == 2
