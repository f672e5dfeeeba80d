"""The engine: what it lets through, and what it refuses to write."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from codemods.engine.context import Context
from codemods.engine.edits import Edit, apply_edits
from codemods.engine.inspection import PARSE_ERROR
from codemods.engine.model import Finding, Impact, Note, Outcome, Refusal, Role, Rule, Severity
from codemods.engine.run import PIPELINES, ChangeSet, NotIdempotent, Order, Selection, plan_changes
from codemods.engine.verify import check_bytes
from codemods.errors import CannotEdit, OverlapError, ParseError
from codemods.repository import Document
from codemods.settings import Settings
from codemods.stack import Stack
from tests.soak import EXAMPLES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

COMPOSE = "# stack\nservices:\n  web:\n    image: nginx\n    ports: [80]\n"
PIPELINE = "steps:\n  - image: alpine\n"


def run(
    rules: Iterable[Rule],
    compose: str | Document = COMPOSE,
    *,
    others: dict[str, str] | None = None,
    selection: Selection | None = None,
    refuse: Iterable[str] = (),
    order: Order = Order.STACK_FIRST,
) -> ChangeSet:
    """Plan changes of `compose.yml`, of `main.tf`, and of any other file, which is a pipeline."""
    texts = {"compose.yml": compose, **(others or {})}
    documents = {path: Document(path, text) if isinstance(text, str) else text for path, text in texts.items()}
    pipelines = tuple(path for path in documents if path.startswith("."))
    terraform = "main.tf" if "main.tf" in documents else None
    stack = Stack(compose="compose.yml", terraform=terraform, provision_list="x.y", pipelines=pipelines)

    def obstacles(paths: Iterable[str]) -> dict[str, Refusal]:
        return {path: Refusal(0, "in the way", "move it") for path in paths if path in refuse}

    context = Context(Settings(), stack, documents.__getitem__)
    return plan_changes(list(rules), context, selection or Selection(), obstacles, order=order)


def a_rule(
    check: Callable[[Context, Document], Iterable[Outcome]], name: str = "a-rule", role: Role = Role.COMPOSE
) -> Rule:
    return Rule(name, role, check, Severity.ERROR, Impact.NONE, "0.1.0")


def replacing(
    old: str, new: str, *writes: tuple[str, ...], name: str = "a-rule", role: Role = Role.COMPOSE, once: bool = True
) -> Rule:
    """A rule that replaces one text by another, as long as the new one is not there."""

    def check(_: Context, document: Document) -> Iterator[Outcome]:
        if old in document.text and not (once and new in document.text):
            start = document.text.index(old)
            end = start + len(old)
            yield Finding(start, end, f"{old!r} is here", (Edit(start, end, new),), writes)

    return a_rule(check, name, role)


IMAGE = ("services", "web", "image")
UPGRADE = replacing("image: nginx", "image: nginx:1", IMAGE)
CACHE = replacing("alpine", "alpine:3", ("steps", "0", "image"), name=PIPELINES, role=Role.PIPELINE)


def texts(found: ChangeSet) -> dict[str, str]:
    return {change.path: change.new_text for change in found.changes}


def reasons(found: ChangeSet) -> list[tuple[str, str, str]]:
    """Rule, path and reason of each refusal."""
    return [
        (item.rule, item.document.path, item.outcome.reason)
        for item in found.refusals
        if isinstance(item.outcome, Refusal)
    ]


def test_a_declared_edit_goes_through() -> None:
    """A change that lies where its rule declared it is in the change set, with its findings."""
    found = run([UPGRADE])
    assert texts(found) == {"compose.yml": COMPOSE.replace("nginx", "nginx:1")}
    assert found.changes[0].rules == ("a-rule",)
    assert found.refusals == []


def test_restless_rule() -> None:
    """A rule that would change its own result is an error with its name and both diffs."""
    rule = replacing("image: nginx", "image: nginx-nginx", IMAGE, name="restless", once=False)
    with pytest.raises(NotIdempotent) as caught:
        run([rule])
    message = str(caught.value)
    assert message.startswith("nothing was written: restless would change their own result")
    first, _, second = message.partition("second pass:")
    assert "+    image: nginx-nginx\n" in first
    assert "-    image: nginx-nginx\n+    image: nginx-nginx-nginx\n" in second


def test_restless_rules_of_one_document_share_a_diff() -> None:
    """All edits of the second pass are shown together, also when they cannot be applied together."""
    one = replacing("nginx", "nginx2", IMAGE, name="one", once=False)
    two = replacing("[80]", "[80, 80]", ("services", "web", "ports"), name="two")
    three = replacing("80, 80", "80, 80, 81", ("services", "web", "ports"), name="three", once=False)
    with pytest.raises(NotIdempotent, match="one, three would change") as caught:
        run([one, two, three])
    assert "nginx22" in str(caught.value)
    assert "80, 80, 81" in str(caught.value)
    four = replacing("nginx2", "nginx3", IMAGE, name="four")
    with pytest.raises(NotIdempotent, match="second pass: edits overlap"):
        run([one, four])


def test_restless_diffs_hide_secrets() -> None:
    """What looks like a password is not in the error."""
    compose = f"{COMPOSE}    environment:\n      PASSWORD: hunter2\n"
    rule = replacing("image: nginx", "image: nginx-nginx", IMAGE, once=False)
    with pytest.raises(NotIdempotent) as caught:
        run([rule], compose.replace("ports: [80]\n    environment:\n", "environment:\n"))
    assert "PASSWORD" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_refusing_what_it_wrote() -> None:
    """A rule that refuses its own result is restless, too."""

    def check(context: Context, document: Document) -> Iterator[Outcome]:
        yield from UPGRADE.check(context, document)
        if "nginx:1" in document.text:
            yield Refusal(0, "no number", "take it away")

    with pytest.raises(NotIdempotent, match="no number"):
        run([a_rule(check)])


def test_a_change_that_wakes_another_document() -> None:
    """A file that was at rest and no longer is because of the change makes the run restless."""

    def check(context: Context, document: Document) -> Iterator[Outcome]:
        if "nginx:1" in context.document("compose.yml").text:
            yield from CACHE.check(context, document)

    follower = a_rule(check, "follower", Role.PIPELINE)
    with pytest.raises(NotIdempotent, match=r"follower at \.ci\.yml"):
        run([UPGRADE, follower], others={".ci.yml": PIPELINE})
    assert texts(run([UPGRADE, follower], others={".ci.yml": PIPELINE}, selection=Selection(("compose.yml",))))


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        (replacing("nginx", "httpd"), "it would change services.web.image, which no rule declares"),
        (
            replacing("nginx\n    ports: [80]", "httpd\n    ports: [81]", IMAGE),
            "it would change services.web.ports.0, which no rule declares",
        ),
        (replacing("# stack", "# the stack", IMAGE), "it declares a change of services.web.image and makes none"),
        (replacing("[80]", "[80, {", ("services", "web", "ports")), "invalid YAML"),
        (replacing("[80]\n", "[80]\n    ports: [81]\n"), "it would change services.web.ports#"),
    ],
)
def test_edits_that_are_not_what_they_say(rule: Rule, problem: str) -> None:
    """More than was declared, less than was declared, or a broken file: refused as a defect, and nothing written."""
    found = run([rule])
    assert texts(found) == {}
    ((name, path, reason),) = reasons(found)
    assert (name, path) == ("a-rule", "compose.yml")
    assert reason.startswith("the edits of a-rule did not pass their check: ")
    assert problem in reason
    assert isinstance(found.refusals[0].outcome, Refusal)
    assert "a defect of the tool" in found.refusals[0].outcome.advice


def test_an_edit_outside_of_the_text() -> None:
    """Offsets beyond the end are a defect of the rule, not a crash."""
    rule = a_rule(lambda context, document: [Finding(0, 0, "x", (Edit(900, 901, "x"),))])
    ((_, _, reason),) = reasons(run([rule]))
    assert "lies outside a text" in reason


def test_overlapping_edits_name_both_rules() -> None:
    """Only the two rules that claim the same characters are named."""
    far = replacing("# stack", "# the stack", name="far")
    one = replacing("image: nginx", "image: caddy", IMAGE, name="one")
    two = replacing("nginx", "haproxy", IMAGE, name="two")
    ((_, _, reason),) = reasons(run([far, one, two]))
    assert reason.startswith("the edits of one, two ")
    assert "overlap" in reason
    assert "far" not in reason


def test_the_same_edit_twice_is_one() -> None:
    """Two rules that want the very same edit do not overlap."""
    other = replacing("image: nginx", "image: nginx:1", IMAGE, name="other")
    found = run([UPGRADE, other])
    assert texts(found) == {"compose.yml": COMPOSE.replace("nginx", "nginx:1")}
    assert found.changes[0].rules == ("a-rule", "other")


def test_comments_need_no_declaration() -> None:
    """An edit of a comment declares nothing, and passes because the data stays."""
    assert texts(run([replacing("# stack", "# the stack")])) == {"compose.yml": COMPOSE.replace("stack", "the stack")}


def test_line_ends_and_mark_stay() -> None:
    """CRLF and the byte order mark outlive a change, byte for byte."""
    document = Document("compose.yml", COMPOSE.replace("\n", "\r\n"), bom=True)
    found = run([UPGRADE], document)
    (change,) = found.changes
    assert (
        change.document.encode(change.new_text)
        == b"\xef\xbb\xbf" + COMPOSE.replace("\n", "\r\n").replace("nginx", "nginx:1").encode()
    )


def test_a_refusal_refuses_the_group() -> None:
    """What a rule refuses in the stack keeps the whole stack as it is, and the pipelines with it."""

    def check(_: Context, document: Document) -> Iterator[Outcome]:
        yield Refusal(document.text.index("web"), "not this one", "do it by hand")

    found = run([UPGRADE, a_rule(check, "refuser"), CACHE], others={".ci.yml": PIPELINE})
    assert texts(found) == {}
    assert reasons(found) == [("refuser", "compose.yml", "not this one")]
    assert found.held_back == [".ci.yml"]
    asked = run([UPGRADE, a_rule(check, "refuser"), CACHE], others={".ci.yml": PIPELINE}, selection=Selection(
        only=frozenset({"refuser", PIPELINES})))  # fmt: skip
    assert texts(asked) == {".ci.yml": PIPELINE.replace("alpine", "alpine:3")}
    assert asked.held_back == []


def test_a_refused_pipeline_is_alone() -> None:
    """Pipelines are groups of their own: one that is refused leaves the stack and the others to be done."""

    def check(context: Context, document: Document) -> Iterator[Outcome]:
        if document.path == ".b.yml":
            raise CannotEdit("not this one", "do it by hand", 3)
        yield from CACHE.check(context, document)

    files = {".a.yml": PIPELINE, ".b.yml": PIPELINE, ".c.yml": PIPELINE}
    found = run([a_rule(check, PIPELINES, Role.PIPELINE), UPGRADE], others=files)
    assert [[change.path for change in group] for group in found.groups] == [["compose.yml"], [".a.yml"], [".c.yml"]]
    assert reasons(found) == [(PIPELINES, ".b.yml", "not this one")]


def test_the_stack_may_wait_for_the_pipelines() -> None:
    """What is taken away goes last: a pipeline that was refused holds the stack back, and is named wherever it is."""
    files = {".a.yml": PIPELINE, ".b.yml": PIPELINE}
    found = run([UPGRADE, CACHE], others=files, order=Order.STACK_LAST)
    assert [[change.path for change in group] for group in found.groups] == [[".a.yml"], [".b.yml"], ["compose.yml"]]
    scope = Selection(paths=("compose.yml", ".a.yml"))
    held = run([UPGRADE, CACHE], others=files, order=Order.STACK_LAST, refuse=[".a.yml"], selection=scope)
    assert (texts(held), held.held_back) == ({}, ["compose.yml"])
    only = Selection(only=frozenset({"a-rule"}))
    asked = run([UPGRADE, CACHE], others=files, order=Order.STACK_LAST, refuse=[".a.yml"], selection=only)
    assert set(texts(asked)) == {"compose.yml"}


def test_a_partial_refusal_holds_nothing_back() -> None:
    """The rest of its file and of its group is written, also when it is found again in the result."""

    def check(_: Context, document: Document) -> Iterator[Outcome]:
        yield Refusal(document.text.index("web"), "not this one", "do it by hand", partial=True)

    found = run([UPGRADE, a_rule(check, "refuser"), CACHE], others={".ci.yml": PIPELINE})
    assert set(texts(found)) == {"compose.yml", ".ci.yml"}
    assert reasons(found) == [("refuser", "compose.yml", "not this one")]


def test_a_file_whose_text_goes() -> None:
    """It goes, when it is of a kind that rules make."""

    def check(_: Context, document: Document) -> Iterator[Outcome]:
        if document.exists:
            yield Finding(0, 0, "no longer needed", (Edit(0, len(document.text), ""),), ((),))

    config = Document("config-private.yml", "version: 0.1\n")
    stack = Stack(compose="compose.yml", configs=".")
    context = Context(Settings(), stack, {"config-private.yml": config}.__getitem__)
    (change,) = plan_changes([a_rule(check, role=Role.CONFIG)], context, Selection()).changes
    assert (change.new.exists, change.new.text) == (False, "")


def test_obstacles() -> None:
    """A file that must not be written refuses its group; one of the stack holds the pipelines back."""
    others = {".a.yml": PIPELINE, ".b.yml": PIPELINE, "main.tf": 'x { y = ["z"] }\n'}
    terraform = replacing('"z"', '"zz"', ("x", "y"), name="tf", role=Role.TERRAFORM)
    found = run([UPGRADE, CACHE], others=others, refuse=[".a.yml"])
    assert set(texts(found)) == {"compose.yml", ".b.yml"}
    assert reasons(found) == [(PIPELINES, ".a.yml", "in the way")]
    found = run([UPGRADE, terraform, CACHE], others=others, refuse=["main.tf"])
    assert texts(found) == {}
    assert found.held_back == [".a.yml", ".b.yml"]


def test_paths_limit_what_is_written_and_reported() -> None:
    """Outside of the scope nothing is written and nothing said, except what holds back something inside."""

    def check(_: Context, document: Document) -> Iterator[Outcome]:
        yield Note("a note")
        yield Refusal(0, "not this one", "do it by hand")

    scope = Selection((".ci",))
    files = {".ci/a.yml": PIPELINE, ".other.yml": PIPELINE}
    found = run([UPGRADE, CACHE], others=files, selection=scope)
    assert set(texts(found)) == {".ci/a.yml"}
    assert {item.document.path for item in found.findings} == {".ci/a.yml"}
    held = run([a_rule(check, "refuser"), CACHE], others=files, selection=scope)
    assert texts(held) == {}
    assert held.held_back == [".ci/a.yml"]
    assert reasons(held) == [("refuser", "compose.yml", "not this one")]
    assert held.notes == []


def test_only_and_skip() -> None:
    """A rule that was not asked for, or was left out, does not run."""
    both = [UPGRADE, replacing("[80]", "[81]", ("services", "web", "ports"), name="ports")]
    assert "nginx:1" not in texts(run(both, selection=Selection(only=frozenset({"ports"}))))["compose.yml"]
    assert "[81]" not in texts(run(both, selection=Selection(skip=frozenset({"ports"}))))["compose.yml"]


def test_unreadable_documents_are_reported_once() -> None:
    """Two rules and one broken file make one refusal; nothing of its group is written."""
    found = run(
        [UPGRADE, replacing("a", "b", name="other"), CACHE], "services:\n  web: [\n", others={".a.yml": PIPELINE}
    )
    assert [(rule, path) for rule, path, _ in reasons(found)] == [(PARSE_ERROR, "compose.yml")]
    assert texts(found) == {}
    assert found.held_back == [".a.yml"]


def test_a_broken_file_that_only_facts_read_is_named() -> None:
    """A rule that needs another file's facts does not fall silent when that file is broken: it is named."""

    def check(context: Context, document: Document) -> Iterator[Outcome]:
        yield from UPGRADE.check(context, document)
        assert context.terraform

    found = run([a_rule(check)], others={"main.tf": "x {\n"})
    ((rule, path, _),) = reasons(found)
    assert (rule, path) == (PARSE_ERROR, "main.tf")
    assert texts(found) == {}


def test_an_error_of_a_rules_own_reading() -> None:
    """A parse error that no file of the stack explains is a refusal of the rule's document."""

    def check(context: Context, document: Document) -> Iterator[Outcome]:
        raise ParseError("no crontab line", 5)
        yield

    assert reasons(run([a_rule(check)])) == [("a-rule", "compose.yml", "no crontab line")]


def test_nothing_to_do() -> None:
    """No finding, no group; a finding without edits is reported and changes nothing."""
    assert run([]).groups == []
    found = run([a_rule(lambda context, document: [Finding(0, 1, "odd")])])
    assert found.groups == []
    assert len(found.findings) == 1


EDITS = st.lists(st.builds(Edit, st.integers(0, 30), st.integers(0, 30), st.text("xy\r\né", max_size=3)), max_size=4)


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.text("ab\r\né#", max_size=30), EDITS, st.integers(0, 40), st.text("ab", max_size=1))
def test_check_bytes(text: str, edits: list[Edit], position: int, character: str) -> None:
    """What the edits make passes; the same with one character more or less anywhere does not."""
    edits = [edit for edit in edits if edit.start <= edit.end <= len(text)]
    try:
        new = apply_edits(text, edits)
    except OverlapError:
        assume(False)
    assert check_bytes(text, new, edits) is None
    tampered = new[:position] + character + new[position + 1 - len(character) :]
    if tampered != new:
        assert check_bytes(text, tampered, edits) is not None
