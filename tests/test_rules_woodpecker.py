"""The rules on pipelines beyond their cases: every plugin version, random pipelines, and what must never be shown."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codemods.caching import plugin as model
from codemods.caching.pipelines import check as recipe
from codemods.caching.plugin import BUILDX, Config, Form, Row, buildx_arguments, identify
from codemods.engine.check import fix
from codemods.engine.context import Context
from codemods.engine.inspection import Located, inspect
from codemods.engine.model import Finding, Note, Rule
from codemods.facts.privileged import is_privileged
from codemods.facts.references import login_host, needs_scheme, registry_of, with_scheme
from codemods.repository import Document
from codemods.rules.woodpecker import (
    CHECK_ONLY,
    RULES,
    no_plaintext_secret,
    no_split_cache_flag,
    require_cache,
    require_login,
    schema,
)
from codemods.settings import Settings, with_values
from codemods.stack import Stack
from tests.pipeline_texts import pipelines
from tests.soak import EXAMPLES

PATH = ".woodpecker/build.yml"
HOST = "registry.home.lan:5050"
REFERENCE = f"{HOST}/web:buildcache"
VERSIONS = ("1.0.0", "2.0.0", "2.1.0", "3.0.1", "3.1.0", "4.0.0", "5.2.2", "5.2.2-insecure", "6.0.4", "latest")
DIGEST = "@sha256:" + "0a" * 32


def context_of(*texts: str, **values: Any) -> Context:
    """Pipelines in a repository that holds nothing else; `registry__auth="htpasswd"` sets registry.auth."""
    keys = {"registry.hostname": "registry.home.lan"} | {key.replace("__", "."): new for key, new in values.items()}
    paths = (PATH, *(f".woodpecker/{number}.yml" for number in range(1, len(texts))))
    documents = {path: Document(path, text) for path, text in zip(paths, texts, strict=True)}
    return Context(with_values(Settings(), keys), Stack(pipelines=paths), documents.__getitem__)


def findings(rules: tuple[Rule, ...], context: Context) -> list[Located]:
    """What rules find, without notes and refusals."""
    return [item for item in inspect(rules, context, lambda done, total: None) if isinstance(item.outcome, Finding)]


def messages(rule: Rule, text: str, **values: Any) -> list[str]:
    """The messages of one rule's findings in one pipeline."""
    return [getattr(item.outcome, "message", "") for item in findings((rule,), context_of(text, **values))]


def fixed(rules: tuple[Rule, ...], context: Context) -> str:
    """The first pipeline after all fixes."""
    changes = fix(rules, context, None, lambda item: item.wants_edits).changes
    return next((change.new_text for change in changes if change.path == PATH), context.document(PATH).text)


def step(version: str, **values: str) -> str:
    lines = [f"      {key}: {value}" for key, value in values.items()]
    head = ["when:", "  event: push", "steps:", "  - name: build", f"    image: {BUILDX}:{version}", "    settings:"]
    return "\n".join([*head, "      repo: alice/web", *lines, ""])


FORMS = {
    "bare": (REFERENCE, REFERENCE),
    "long": (f"type=registry,ref={REFERENCE}", f"type=registry,ref={REFERENCE}"),
    "escaped": (f"type=registry\\,ref={REFERENCE}", f"type=registry\\,ref={REFERENCE}"),
    "quoted": (f'"type=registry,ref={REFERENCE}"', f"type=registry,ref={REFERENCE}"),
    "mode": (f"type=registry,ref={REFERENCE},mode=max", f"type=registry,ref={REFERENCE},mode=max"),
    "one item": (f"[{REFERENCE}]", [REFERENCE]),
    "two items": (f'["type=registry,ref={REFERENCE}", alice/web:a]', [f"type=registry,ref={REFERENCE}", "alice/web:a"]),
    "cut by hand": (f"[type=registry, ref={REFERENCE}]", ["type=registry", f"ref={REFERENCE}"]),
}


def reaches_buildx(version: str, key: str, value: object) -> bool:
    """Whether every argument that the model makes of a setting names one whole cache, and all of them count."""
    plugin = identify(f"{BUILDX}:{version}")
    assert plugin is not None
    arguments = buildx_arguments(plugin, {key: value})
    option = "--cache-to" if key == "cache_to" else "--cache-from"
    found = [argument for name, argument in zip(arguments, arguments[1:], strict=False) if name == option]
    whole = [a for a in found if a == REFERENCE or a.startswith(f"type=registry,ref={REFERENCE}")]
    return len(found) == 1 and whole == found and found[0].count("type=") <= 1 and "\\" not in found[0]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("key", ["cache_from", "cache_to"])
@pytest.mark.parametrize("form", sorted(FORMS.keys() - {"two items"}))
def test_a_flag_is_named_exactly_when_it_does_not_reach_buildx(version: str, key: str, form: str) -> None:
    """The rule agrees with the plugin's model on every version and form of one cache."""
    source, value = FORMS[form]
    found = messages(no_split_cache_flag.check, step(version, **{key: source}))
    assert bool(found) != reaches_buildx(version, key, value), found


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    st.sampled_from(VERSIONS),
    st.sampled_from(["cache_from", "cache_to", "cache_images", "cache-from"]),
    st.sampled_from(sorted(FORMS)),
)
def test_a_fixed_flag_is_right(version: str, key: str, form: str) -> None:
    """After the fixes no finding is left that had edits, and the text does not move any more."""
    rules = (no_split_cache_flag.check,)
    context = context_of(step(version, **{key: FORMS[form][0]}))
    had_edits = any(item.wants_edits for item in findings(rules, context))
    text = fixed(rules, context)
    again = context_of(text)
    assert (text != context.document(PATH).text) == had_edits
    assert not any(item.wants_edits for item in findings(rules, again))
    assert not had_edits or findings(rules, again) == []


def test_a_new_version_is_a_new_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a version does stands in the table only."""
    text = step("7.0", cache_from=f"type=registry,ref={REFERENCE}")
    assert messages(no_split_cache_flag.check, text)
    row = Row((7, 0), Form.STRING, Form.STRING, Form.LIST, Config.ALL, "an example")
    monkeypatch.setattr(model, "VERSIONS", (*model.VERSIONS, row))
    model._row.cache_clear()  # the table never changes in a run
    try:
        assert messages(no_split_cache_flag.check, text) == []
    finally:
        model._row.cache_clear()


@settings(max_examples=EXAMPLES, deadline=None)
@given(pipelines(), st.sampled_from(["none", "htpasswd"]))
def test_random_pipelines(text: str, auth: str) -> None:
    """Findings lie inside the text and inside their step, fixes converge, and the recipe's own rule stands beside."""
    context = context_of(text, registry__auth=auth, registry__username_secret="u", registry__password_secret="p")
    for item in findings(RULES, context):
        outcome = item.outcome
        assert isinstance(outcome, Finding)
        assert 0 <= outcome.start < outcome.end <= len(text)
        assert text[outcome.start : outcome.end].strip()
    new = fixed((recipe, *RULES), context)
    assert not any(item.wants_edits for item in findings((recipe, *RULES), context_of(new, **{"registry.auth": auth})))


@settings(max_examples=EXAMPLES, deadline=None)
@given(pipelines())
def test_a_step_is_reported_by_the_recipe_or_by_require_cache(text: str) -> None:
    """Never by both."""
    context = context_of(text)
    mine = {item.outcome.start for item in findings((require_cache.check,), context)}  # type: ignore[union-attr]
    theirs = {(item.outcome.start, item.outcome.end) for item in findings((recipe,), context)}  # type: ignore[union-attr]
    assert not any(start <= place < end for place in mine for start, end in theirs)


SECRET = st.text("abcdefghijklmnopqrstuvwxyzABC0123456789!#%&+-", min_size=8, max_size=30).map(
    lambda value: "Zq" + value
)


@settings(max_examples=EXAMPLES, deadline=None)
@given(SECRET, st.sampled_from(["password", "token", "api-key", "client.secret", "PRIVATE_KEY"]))
def test_a_secret_is_found_and_never_shown(value: str, key: str) -> None:
    """Neither in a message nor in the text that a finding marks."""
    text = f"steps:\n  - name: a\n    image: alice/plugin\n    settings:\n      {key}: '{value}'\n"
    (item,) = findings((no_plaintext_secret.check,), context_of(text))
    assert isinstance(item.outcome, Finding)
    assert value not in item.outcome.message
    assert text[item.outcome.start : item.outcome.end] == key


@settings(max_examples=EXAMPLES, deadline=None)
@given(SECRET)
def test_the_schema_shows_no_value(value: str) -> None:
    """What breaks the schema may be a secret."""
    text = f"steps:\n  - name: a\n    image: alice/plugin\n    settings: '{value}'\n    when: '{value}'\n"
    found = messages(schema.check, text)
    assert len(found) == 2
    assert not any(value in message for message in found)


def test_without_its_package_the_schema_is_silent_and_says_so_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """One note for the repository, on its first pipeline."""
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "check_jsonschema" else find_spec(name)
    )
    schema._validator.cache_clear()
    try:
        found = list(inspect((schema.check,), context_of("setps: []\n", "setps: []\n"), lambda done, total: None))
    finally:
        schema._validator.cache_clear()
    assert [type(item.outcome) for item in found] == [Note]
    assert "infra-codemods[schema]" in getattr(found[0].outcome, "message", "")


def test_a_pipeline_that_expands_without_end_is_not_compared() -> None:
    """Ten anchors of ten aliases each are ten billion steps."""
    lines = ["variables:", "  - &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"  - &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    assert messages(schema.check, "\n".join([*lines, "wrong: *a9", ""])) == []


def test_the_schema_is_no_rule_for_hooks() -> None:
    """Hooks have no other package to load."""
    assert [rule.id for rule in CHECK_ONLY] == ["woodpecker-schema"]
    assert set(CHECK_ONLY) < set(RULES)


@pytest.mark.parametrize(
    ("registry", "refused"),
    [
        ("192.168.1.5:5000", True),
        ("192.168.1.5:5000/v2/", True),
        ("my_registry:5000", True),
        ("9p.example:443", True),
        ("[::1]:5000", True),
        ("reg.lan:5000", False),
        ("localhost:5000", False),
        ("192.168.1.5", False),
        ("my_registry", False),
        ("http://192.168.1.5:5000", False),
        ("https://index.docker.io/v1/", False),
        ("${REGISTRY}:5000", False),
    ],
)
def test_what_go_cannot_parse(registry: str, refused: bool) -> None:
    """Facts 36; with a scheme everything passes."""
    assert needs_scheme(registry) is refused
    assert not needs_scheme(with_scheme(registry, "https"))


@pytest.mark.parametrize(
    ("allowed", "image", "privileged"),
    [
        (BUILDX, BUILDX, True),
        (BUILDX, f"{BUILDX}:5.2.2-insecure", True),
        (BUILDX, f"docker.io/{BUILDX}:6{DIGEST}", True),
        (f"plugins/docker, index.docker.io/{BUILDX}", BUILDX, True),
        (f"{BUILDX}:5", f"{BUILDX}:5", True),
        (f"{BUILDX}:latest", BUILDX, True),
        (f"{BUILDX}:5", BUILDX, False),
        (f"{BUILDX}:5", f"{BUILDX}:5{DIGEST}", False),
        (f"{BUILDX}:5", f"{BUILDX}:5.2.2", False),
        ("reg.lan:5000/plugin", "reg.lan:5000/plugin", True),
        ("reg.lan:5000/plugin", "reg.lan:5000/plugin:1", False),
        (f"x{BUILDX}", BUILDX, False),
        ("", BUILDX, False),
    ],
)
def test_privileged_images(allowed: str, image: str, privileged: bool) -> None:
    """Facts 38: an entry with a colon anywhere is one image, any other stands for every tag."""
    assert is_privileged(allowed, image) is privileged


@pytest.mark.parametrize(
    ("reference", "registry"),
    [
        ("alice/web", "docker.io"),
        ("web", "docker.io"),
        ("docker.io/alice/web:1", "docker.io"),
        ("ghcr.io/alice/web", "ghcr.io"),
        (f"{HOST}/web", HOST),
        ("localhost/web", "localhost"),
        ("nas:5000/web", "nas:5000"),
        ("${REGISTRY}/web", None),
        ("${CI_REPO}", None),
        ("alice/${CI_REPO_NAME}", "docker.io"),
    ],
)
def test_registry_of_a_reference(reference: str, registry: str | None) -> None:
    """The part before the first slash is a host when it looks like one, and unknown when it is a variable."""
    assert registry_of(reference) == registry


@pytest.mark.parametrize("form", ["{}", "http://{}", "https://{}", "https://{}/", "{}/v2/", "HTTPS://{}/v1/"])
@pytest.mark.parametrize("host", [HOST, "ghcr.io", "192.168.1.5:5000"])
def test_a_login_counts_in_every_form(form: str, host: str) -> None:
    """Docker keeps host and port only."""
    assert login_host(form.format(host)) == host


def test_a_login_without_the_port_is_another_registry() -> None:
    """It stays a finding, and its fix adds an entry beside it."""
    logins = "[{registry: registry.home.lan, username: ci, password: {from_secret: ci}}]"
    text = step("4.0.0", cache_from=REFERENCE, cache_to=REFERENCE, logins=logins)
    values = {"registry__auth": "htpasswd", "registry__username_secret": "u", "registry__password_secret": "p"}
    assert "without the port" in messages(require_login.check, text, **values)[0]
    context = context_of(text.replace("alice/web", f"{HOST}/web"), **values)
    assert messages(require_login.check, fixed((recipe, require_login.check), context), **values) == []
