"""Comments that suppress findings: where they count, for how long, and what is said about those that do not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codemods.caching import pipelines
from codemods.catalogue import ALL
from codemods.engine.check import fix
from codemods.engine.context import Context
from codemods.engine.edits import Edit
from codemods.engine.inspection import PARSE_ERROR, Judged, inspect
from codemods.engine.model import Finding, Impact, Note, Outcome, Refusal, Role, Rule, Severity, Suppressed
from codemods.engine.report.model import position
from codemods.engine.run import Change, Selection, plan_changes
from codemods.engine.suppress import suppress
from codemods.errors import CannotEdit
from codemods.repository import Document
from codemods.rules.suppression import RULES
from codemods.settings import RegistrySettings, Settings
from codemods.stack import Stack
from tests import yaml_texts
from tests.command import codemod, example
from tests.soak import EXAMPLES

TODAY = date(2027, 1, 31)
ID = "woodpecker-no-plaintext-secret"


def finder(id: str = ID, role: Role = Role.PIPELINE, word: str = "bad", block: str = "") -> Rule:
    """A rule that finds a word wherever it stands; `block` begins what a finding is in."""

    def check(_: Context, document: Document) -> Iterator[Outcome]:
        for match in re.finditer(rf"\b{word}\b", document.text):
            begins = document.text.rfind(block, 0, match.start()) if block else -1
            yield Finding(*match.span(), f"{word} is here", block=None if begins < 0 else begins)

    return Rule(id, role, check, Severity.ERROR, Impact.NONE, "0.1.0")


def context_of(files: dict[str, str], **stack: str) -> Context:
    """A context in which files that the stack does not name are pipelines."""
    documents = {path: Document(path, text) for path, text in files.items()}
    others = tuple(path for path in files if path not in stack.values())
    return Context(Settings(), Stack(pipelines=others, **stack), documents.__getitem__)  # type: ignore[arg-type]


def judge(files: str | dict[str, str], *rules: Rule, **stack: str) -> list[Judged]:
    """What is found in files, a text alone being that of a pipeline, by rules and the suppression rules."""
    context = context_of({"p.yml": files} if isinstance(files, str) else files, **stack)
    every = [*(rules or [finder()]), *RULES]
    return suppress(every, list(inspect(every, context, lambda done, total: None)), context, TODAY)


def told(judged: list[Judged]) -> list[str]:
    """Each outcome as `line rule`, suppressed ones in brackets."""
    found = []
    for item in judged:
        line, _ = position(item.located.document.text, getattr(item.located.outcome, "start", 0))
        text = f"{line} {item.located.rule}"
        found.append(f"[{text}]" if item.suppressed is Suppressed.COMMENT else text)
    return found


def message(judged: list[Judged]) -> str:
    """The text of the last finding."""
    outcome = judged[-1].located.outcome
    assert isinstance(outcome, Finding)
    return outcome.message


# Where a comment counts


@pytest.mark.parametrize(
    ("text", "suppressed"),
    [
        ("a: bad # codemod: ignore[ID] why\n", True),
        ("# codemod: ignore[ID] why\na: bad\n", True),
        ("x: y\n  # codemod: ignore[ID] why\na: bad\n", True),
        ("#codemod: ignore[ID] why\na: bad\n", True),
        ("## codemod: ignore[ID]: why\na: bad\n", True),
        ("# codemod: ignore[other-rule, ID] why\na: bad\n", True),
        ("# codemod: ignore[ ID ,other-rule ] why\na: bad\n", True),
        ("# codemod: ignore[ID] why\n# more\n# words\na: bad\n", True),
        ("# words\n# codemod: ignore[ID] why\n# more\na: bad\n", True),
        ("# codemod: ignore[ID] why\r\na: bad\r\n", True),
        ("a: bad # codemod: ignore[ID] why\r\n", True),
        ("a: bad # codemod: ignore[ID] why", True),
        ("\ta: bad # codemod: ignore[ID] why\n".lstrip(), True),
        ("é: 'ключ 🔑 bad' # codemod: ignore[ID] why\n", True),
        ("k: [a, # codemod: ignore[ID] why\n  bad]\n", False),
        ("k: [a,\n  # codemod: ignore[ID] why\n  bad]\n", True),
        ("k: |- # codemod: ignore[ID] why\n  bad\n", False),
        ("# codemod: ignore[ID] why\n\na: bad\n", False),
        ("# codemod: ignore[ID] why\nx: y\na: bad\n", False),
        ("x: y # codemod: ignore[ID] why\na: bad\n", False),
        ("a: bad\n# codemod: ignore[ID] why\n", False),
        ("# codemod: ignore[other-rule] why\na: bad\n", False),
        ("# codemod: ignore[ID-2] why\na: bad\n", False),
        ("# see codemod: ignore[ID] why\na: bad\n", False),
        ("# write `# codemod: ignore[ID] why`\na: bad\n", False),
        ("# `codemod: ignore[ID]` why\na: bad\n", False),
        ("# codemod: ignore ID why\na: bad\n", False),
        ("# codemod: ignore[ID why\na: bad\n", False),
        ("# codemod: ignore why\na: bad\n", False),
        ("# Codemod: ignore[ID] why\na: bad\n", False),
        ("a: 'bad # codemod: ignore[ID] why'\n", False),
        ("a: bad# codemod: ignore[ID] why\n", False),
        ("a: |\n  # codemod: ignore[ID] why\n  bad\n", False),
    ],
)
def test_where_it_counts(text: str, suppressed: bool) -> None:
    """On the finding's line, or in the unbroken run of comments directly above it; only as a comment's first words."""
    (first, *_) = judge(text.replace("ID", ID))
    assert first.located.rule == ID
    assert (first.suppressed is Suppressed.COMMENT) == suppressed


STEPS = """\
steps:
  # ONE
  - name: x # TWO
    # THREE
    image: y # FOUR
    # FIVE
    password: bad # SIX
  # SEVEN
  - name: z # EIGHT
"""


@pytest.mark.parametrize("place", ["ONE", "TWO", "FIVE", "SIX", "THREE", "FOUR", "SEVEN", "EIGHT"])
def test_the_beginning_of_the_block_counts_too(place: str) -> None:
    """A comment at a step's first line is about everything in the step; one elsewhere in it is not."""
    text = STEPS.replace(place, f"codemod: ignore[{ID}] why")
    found = told(judge(text, finder(block="name:")))
    assert found == ([f"[7 {ID}]"] if place in ("ONE", "TWO", "FIVE", "SIX") else [
        f"7 {ID}", f"{text[:text.index('codemod:')].count(chr(10)) + 1} suppression-no-unused"
    ])  # fmt: skip


def test_a_finding_about_the_whole_file() -> None:
    """One at the file's first character is suppressed by any of the comments that the file begins with."""

    def check(_: Context, document: Document) -> Iterator[Outcome]:
        yield Refusal(0, "it is bad", "repair it")

    rule = Rule(ID, Role.PIPELINE, check, Severity.ERROR, Impact.NONE, "0.1.0")
    assert told(judge(f"# words\n# codemod: ignore[{ID}] why\n\na: b\n", rule)) == [f"[1 {ID}]"]
    assert told(judge(f"# words\n\n# codemod: ignore[{ID}] why\na: b\n", rule)) == [f"1 {ID}"]


@pytest.mark.parametrize(
    ("role", "stack", "text"),
    [
        (Role.NGINX, "nginx", "# codemod: ignore[ID] why\nlisten bad;\n"),
        (Role.NGINX, "nginx", "listen bad; # codemod: ignore[ID] why\n"),
        (Role.TERRAFORM, "terraform", "// codemod: ignore[ID] why\na = bad\n"),
        (Role.TERRAFORM, "terraform", "/* codemod: ignore[ID] why */\na = bad\n"),
        (Role.TERRAFORM, "terraform", "/* codemod: ignore[ID]\n * because */\na = bad\n"),
        (Role.TERRAFORM, "terraform", "/* codemod: ignore[ID] why */ a = bad\n"),
        (Role.TERRAFORM, "terraform", "a = bad /* codemod: ignore[ID] why */\n"),
        (Role.TERRAFORM, "terraform", "a = [\n  # codemod: ignore[ID] why\n  bad,\n]\n"),
        (Role.CLEANUP, "cleanup", "# codemod: ignore[ID] why\nbad = 1\n"),
        (Role.COMPOSE, "compose", "services:\n  # codemod: ignore[ID] why\n  bad: {}\n"),
    ],
)
def test_every_comment_syntax(role: Role, stack: str, text: str) -> None:
    """All formats, all kinds of comments that they have."""
    judged = judge({"file": text.replace("ID", ID)}, finder(role=role), **{stack: "file"})
    assert [item.suppressed for item in judged] == [Suppressed.COMMENT]


@pytest.mark.parametrize(
    ("role", "stack", "text"),
    [
        (Role.NGINX, "nginx", "listen '\n# codemod: ignore[ID] why\nbad';\n"),
        (Role.NGINX, "nginx", "content_by_lua_block {\n# codemod: ignore[ID] why\nbad\n}\n"),
        (Role.TERRAFORM, "terraform", "a = <<EOF\n# codemod: ignore[ID] why\nbad\nEOF\n"),
        (Role.TERRAFORM, "terraform", 'a = "# codemod: ignore[ID] why bad"\n'),
        (Role.CLEANUP, "cleanup", "'''\n# codemod: ignore[ID] why\nbad'''\n"),
        (Role.CLEANUP, "cleanup", "#!/bin/sh\n# codemod: ignore[ID] why\nif bad; then x; fi\n"),
    ],
)
def test_what_only_looks_like_a_comment(role: Role, stack: str, text: str) -> None:
    """Strings, heredocs, other languages, and a file that cannot be read."""
    judged = judge({"file": text.replace("ID", ID)}, finder(role=role), **{stack: "file"})
    assert [(item.located.rule, item.suppressed) for item in judged] == [(ID, None)]


@settings(max_examples=EXAMPLES, deadline=None)
@given(yaml_texts.texts(), st.data())
def test_a_comment_line_above_suppresses_its_line_and_no_other(sample: tuple[str, object], data: st.DataObject) -> None:
    """Whatever the file: of findings on all lines, those are suppressed that the comment stands above."""
    text = sample[0]
    starts = [0, *(number + 1 for number, character in enumerate(text[:-1]) if character == "\n")]
    at = data.draw(st.sampled_from(starts))
    below = text[at:].partition("\n")[0]
    indent = " " * (len(below) - len(below.lstrip(" ")))
    new = f"{text[:at]}{indent}# codemod: ignore[{ID}] why\n{text[at:]}"

    def check(_: Context, document: Document) -> Iterator[Outcome]:
        for match in re.finditer(r"^[^\r\n]+", document.text, re.MULTILINE):
            if not match[0].strip().startswith("#"):
                yield Finding(*match.span(), "a line")

    judged = judge(new, Rule(ID, Role.PIPELINE, check, Severity.ERROR, Impact.NONE, "0.1.0"))
    suppressed = [item.located.outcome for item in judged if item.suppressed]
    comments = {position(new, found.start)[0] for found in Document("p", new).yaml.comments if found.own_line}
    line = position(new, at)[0]
    expected = next(number for number in range(line, line + 99) if number not in comments)
    says_something = new.split("\n")[expected - 1].strip() if expected <= new.count("\n") + 1 else ""
    # Inside a block scalar the line is no comment.
    wanted = [expected] if line in comments and says_something else []
    assert [position(new, found.start)[0] for found in suppressed if isinstance(found, Finding)] == wanted


# How long, and why


@pytest.mark.parametrize(
    ("words", "reason_and_day"),
    [
        ("until 2027-01-31 why", "in force"),
        ("why until 2027-01-31", "in force"),
        ("why (until 2027-01-31)", "in force"),
        ("why, until 2027-01-31.", "in force"),
        ("why until 2099-12-31", "in force"),
        ("why until the vendor answers", "in force"),
        ("until 2020-01-01 was too short, why", "expired"),
        ("why until 2027-01-30", "expired"),
        ("until 2027-01-30 why", "expired"),
        ("why until 2027-02-30", "expired"),
        ("was not so until 2020-01-01 when it changed", "in force"),
        ("until 2027-01-31", "no reason"),
        ("", "no reason"),
        ("   ", "no reason"),
        (": -- ...", "no reason"),
    ],
)
def test_reason_and_last_day(words: str, reason_and_day: str) -> None:
    """On its last day a comment is still in force; without words of its own it never is."""
    found = told(judge(f"# codemod: ignore[{ID}] {words}\na: bad\n"))
    rule = {"expired": "suppression-no-expired", "no reason": "suppression-require-reason"}.get(reason_and_day)
    assert found == ([f"2 {ID}", f"1 {rule}"] if rule else [f"[2 {ID}]"])


def test_neither_reason_nor_time_left() -> None:
    """Both are said, and not that it is unused."""
    found = told(judge(f"# codemod: ignore[{ID}] until 2020-01-01\na: good\n"))
    assert found == ["1 suppression-require-reason", "1 suppression-no-expired"]


def test_messages_name_the_comment_and_say_what_to_do() -> None:
    """What is wrong with the value, then the way out."""
    said = f"ignore[{ID}]"
    assert message(judge(f"a: bad # codemod: ignore[{ID}]")) == (
        f"{said} gives no reason and suppresses nothing: say why behind the bracket"
    )
    assert message(judge(f"a: bad # codemod: ignore[{ID}] why until 2020-01-01")) == (
        f"{said} ended on 2020-01-01 and suppresses nothing: put right what it hid, or give it a later day"
    )
    assert message(judge(f"a: good # codemod: ignore[{ID}] why")) == f"{ID} finds nothing here: remove the comment"
    both = f"a: bad # codemod: ignore[{ID}, suppression-no-unused] why"
    assert message(judge(both)) == (
        "suppression-no-unused cannot be suppressed by a comment: remove it from the brackets"
    )
    assert message(judge("a: bad # codemod: ignore[woodpecker-plaintext-secret] why")) == (
        f"there is no rule woodpecker-plaintext-secret: did you mean {ID}?"
    )
    assert message(judge("a: bad # codemod: ignore[zzz] why")) == "there is no rule zzz: `codemod rules` lists them"
    assert message(judge("a: bad # codemod: ignore[] why")).startswith("ignore[] names no rule")


def test_a_finding_points_at_the_name() -> None:
    """Of several names the one that is meant."""
    text = f"a: bad # codemod: ignore[{ID}, nginx-x, y] why\n"
    judged = judge(text)
    spans = [(item.located.outcome.start, item.located.outcome.end) for item in judged[1:]]  # type: ignore[union-attr]
    assert [text[start:end] for start, end in spans] == ["nginx-x", "y"]


# Unused


def test_unused_is_said_when_the_rule_ran() -> None:
    """One comment is used, another not; of two rules in one comment only the idle one is named."""
    idle = finder("compose-no-duplicate-port", word="worse")
    text = f"""\
# codemod: ignore[{ID}, {idle.id}] why
a: bad
b: good # codemod: ignore[{ID}] why
"""
    assert told(judge(text, finder(), idle)) == [f"[2 {ID}]", "1 suppression-no-unused", "3 suppression-no-unused"]


def test_a_rule_that_did_not_run_is_not_unused() -> None:
    """Neither one that exists and was left out, nor any rule when only the suppression rules ran."""
    text = f"a: good # codemod: ignore[{ID}, compose-require-published-port] why\n"
    assert told(judge(text, finder("compose-no-duplicate-port"))) == []
    context = context_of({"p.yml": text})
    assert suppress(RULES, [], context, TODAY) == []


def test_two_comments_for_one_finding_are_both_used() -> None:
    """Nobody can say which of them is the one too many."""
    assert told(judge(f"# codemod: ignore[{ID}] why\na: bad # codemod: ignore[{ID}] why\n")) == [f"[2 {ID}]"]


def test_a_rule_that_stopped_is_not_unused() -> None:
    """What a refused file would have shown behind the refusal nobody knows."""

    def check(_: Context, document: Document) -> Iterator[Outcome]:
        raise CannotEdit("too odd", "write it plainly", document.text.index("odd"))
        yield

    rule = Rule(ID, Role.PIPELINE, check, Severity.ERROR, Impact.NONE, "0.1.0")
    assert told(judge(f"a: odd\nb: bad # codemod: ignore[{ID}] why\n", rule)) == [f"1 {ID}"]


def test_nothing_is_unused_beside_a_broken_stack() -> None:
    """Rules read the stack's other files: where one cannot be read, they did not find all. A pipeline stands alone."""
    idle = {"p.yml": f"a: good # codemod: ignore[{ID}] why\n"}
    compose = finder("compose-no-duplicate-port", Role.COMPOSE)
    broken = judge({**idle, "c.yml": "a: [\n"}, finder(), compose, compose="c.yml")
    assert told(broken) == [f"2 {PARSE_ERROR}"]

    def reads(_: Context, document: Document) -> Iterator[Outcome]:
        yield Note(f"{len(document.yaml.documents)} documents")

    reader = Rule(ID, Role.PIPELINE, reads, Severity.ERROR, Impact.NONE, "0.1.0")
    other = [entry.partition(" ")[2] for entry in told(judge({**idle, "q.yml": "a: [\n"}, reader))]
    assert other == [ID, PARSE_ERROR, "suppression-no-unused"]


def test_a_broken_file_keeps_its_findings() -> None:
    """Where no comment can be told from a string none counts; and nothing suppresses the error itself."""
    judged = judge({"c": f"# codemod: ignore[{PARSE_ERROR}] why\nlisten bad\n"}, finder(role=Role.NGINX), nginx="c")
    assert [(item.located.rule, item.suppressed) for item in judged] == [(PARSE_ERROR, None)]


def test_notes_are_left_alone() -> None:
    """There is nothing to suppress in them."""

    def check(_: Context, document: Document) -> Iterator[Outcome]:
        yield Note("by the way")

    rule = Rule(ID, Role.PIPELINE, check, Severity.ERROR, Impact.NONE, "0.1.0")
    assert told(judge(f"# codemod: ignore[{ID}] why\na: b\n", rule)) == [f"1 {ID}", "1 suppression-no-unused"]


@pytest.mark.parametrize("rule", [rule for rule in ALL if rule.role is Role.SUPPRESSION], ids=lambda rule: rule.id)
def test_suppression_rules_cannot_be_suppressed(rule: Rule) -> None:
    """A comment about one of them is itself unused, whatever stands beside it."""
    text = f"# codemod: ignore[{rule.id}] why\na: good # codemod: ignore[no-rule] why\n"
    assert told(judge(text)) == ["1 suppression-no-unused", "2 suppression-no-unknown"]


def test_files_without_a_directive_are_not_read() -> None:
    """The marker is looked for before anything is parsed."""
    context = context_of({"p.yml": "a: b", "q.yml": "# codemod: ignore\n"})
    assert suppress([finder(), *RULES], [], context, TODAY) == []
    assert not any(context.document(path)._readings for path in ("p.yml", "q.yml"))


# What is suppressed is not changed

REGISTRY = RegistrySettings(hostname="reg.lan", address="10.0.0.1")


def plan(text: str) -> tuple[str, list[str], int]:
    """A pipeline after the recipe's rule, the reasons of refusals, and how many places were suppressed."""
    document = Document(".woodpecker/p.yml", text)
    context = Context(Settings(registry=REGISTRY), Stack(pipelines=(document.path,)), lambda path: document)
    found = plan_changes([pipelines.check], context, Selection())
    reasons = [item.outcome.reason for item in found.refusals if isinstance(item.outcome, Refusal)]
    new = found.changes[0].new_text if found.changes else text
    return new, reasons, len(found.suppressed)


STEP = """\
  - name: {name}
    image: {image}
    settings:
      repo: me/{name}
"""
BUILDX = "woodpeckerci/plugin-docker-buildx:5.2.2-insecure"


def pipeline(*steps: str, **images: str) -> str:
    written = (STEP.format(name=name, image=images.get(name, BUILDX)) for name in steps)
    return f"when: {{event: push}}\nsteps:\n{''.join(written)}"


@pytest.mark.parametrize("rule", ["woodpecker-add-registry-cache", "woodpecker-require-cache"])
def test_a_suppressed_step_is_opted_out(rule: str) -> None:
    """The recipe changes the other step as if it were alone; both rules that ask for the cache can be named."""
    text = pipeline("a", "b").replace("  - name: a\n", f"  # codemod: ignore[{rule}] built elsewhere\n  - name: a\n")
    new, reasons, suppressed = plan(text)
    changed = text[: text.index("  - name: b")] + plan(pipeline("b"))[0].partition("steps:\n")[2]
    assert (new, reasons, suppressed) == (changed, [], 1)
    assert plan(new)[0] == new


def test_a_suppressed_refusal_does_not_hold_the_file_back() -> None:
    """A step that cannot be changed is left out, and the others are changed."""
    text = pipeline("a", "b", a="gcr.io/kaniko-project/executor")
    new, reasons, _ = plan(text)
    assert (new, len(reasons)) == (text, 1)
    text = text.replace("  - name: a\n", "  - name: a # codemod: ignore[woodpecker-add-registry-cache] slow anyway\n")
    new, reasons, suppressed = plan(text)
    assert (reasons, suppressed) == ([], 1)
    assert new.startswith(text[: text.index("  - name: b")])
    assert "reg.lan:5050/b" in new


def test_a_step_in_a_map_begins_with_its_key() -> None:
    """There the comment stands above the key, where a list has its dash."""
    comment = "# codemod: ignore[woodpecker-add-registry-cache] built elsewhere"
    body = f"    image: {BUILDX}\n    settings:\n      repo: me/a\n"
    text = f"when: {{event: push}}\nsteps:\n  {comment}\n  a:\n{body}"
    assert plan(text) == (text, [], 1)
    assert plan(text.replace(comment, "# why"))[0] != text


def test_a_suppressed_step_must_not_change_through_an_anchor() -> None:
    """Settings shared with a suppressed step are refused, not changed for both."""
    text = (
        f"when: {{event: push}}\nsteps:\n  - name: a\n    image: {BUILDX}\n    settings: &s\n      repo: me/x\n"
        f"  - name: b # codemod: ignore[woodpecker-add-registry-cache] why\n    image: {BUILDX}\n    settings: *s\n"
    )
    new, reasons, suppressed = plan(text)
    assert (new, suppressed) == (text, 1)
    assert "shared with a place that is suppressed" in reasons[0]
    assert plan(text.replace("# codemod", "# why"))[0] != text


def test_a_suppressed_place_is_not_fixed() -> None:
    """`check --fix` mends one of two, and comes to rest."""

    def check(_: Context, document: Document) -> Iterator[Outcome]:
        for match in re.finditer(r"(\w+): bad\b", document.text):
            edit = Edit(match.end() - 3, match.end(), "good")
            yield Finding(*match.span(), "bad", (edit,), ((match[1],),))

    rule = Rule(ID, Role.PIPELINE, check, Severity.ERROR, Impact.NONE, "0.1.0")
    context = context_of({"p.yml": f"a: bad # codemod: ignore[{ID}] why\nb: bad\n"})
    fixed = fix([rule], context, None, lambda item: item.wants_edits)
    changes: list[Change] = fixed.changes
    assert [change.new_text for change in changes] == [f"a: bad # codemod: ignore[{ID}] why\nb: good\n"]
    assert told(fixed.left) == [f"[1 {ID}]"]


def test_apply_caching_says_what_it_left_alone(tmp_path: Path) -> None:
    """The command as users run it: the suppressed pipeline stays as it is, the note names it."""
    root = example(tmp_path)
    path = root / ".woodpecker" / "build-cli.yml"
    text = path.read_text(encoding="utf-8")
    step = next(line for line in text.splitlines() if "plugin-docker-buildx" in line)
    text = text.replace(step, f"{step} # codemod: ignore[woodpecker-add-registry-cache] built elsewhere")
    path.write_text(text, encoding="utf-8")
    run = codemod(root, "apply-caching", "--allow-dirty")
    assert run.code == 0
    assert path.read_text(encoding="utf-8") == text
    assert "1 place left alone, suppressed by a comment or the baseline: .woodpecker/build-cli.yml" in run.out + run.err
