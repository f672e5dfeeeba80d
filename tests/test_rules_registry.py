"""The registry rules on one file: versions, what the fix takes out, and configurations of any shape."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codemods.rules.registry.keys import MAJORS, NAMES, Key, keys_of
from tests.command import codemod, write
from tests.registry_texts import COMPOSE, TARGETS, findings
from tests.soak import EXAMPLES

RIGHT = {"version": "0.1", "storage": {"filesystem": {"rootdirectory": "/data"}}, "http": {"addr": ":5000"}}
COMPLETE = "registry-require-complete-section"
FREE = {
    *(("storage", driver) for driver in ("s3", "s3aws", "azure", "gcs")),
    *(("redis", name) for name in ("password", "db", "dialtimeout", "readtimeout", "writetimeout")),
}
"""Sections that one version has keys for and another takes as they are."""
IMAGES = {2: "registry:2.8.3", 3: "registry:3.0.0"}


def with_section(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """A right configuration with a value at a path."""
    data: dict[str, Any] = json.loads(json.dumps(RIGHT))
    node = data
    for name in path[:-1]:
        node = node.setdefault(name, {})
    node[path[-1]] = value
    return data


def leaves(key: Key, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Paths of the keys below `key` that have none below them; lists are not looked into."""
    found: list[tuple[str, ...]] = []
    for name, below in key.keys.items():
        found += [(*path, name)] if not below.keys else leaves(below, (*path, name))
    return found


@pytest.mark.parametrize("major", MAJORS)
def test_every_key_of_a_version_is_known_to_it(major: int) -> None:
    """No key of the table is found where the image has that version."""
    for path in leaves(keys_of((major,))):
        text = json.dumps(with_section(path, "x"))
        assert [found for found in findings(text, IMAGES[major]) if "unknown" in found[0]] == [], path


@pytest.mark.parametrize("major", MAJORS)
def test_what_only_the_other_version_knows_is_found(major: int) -> None:
    """A key of one version is unknown to the other, and the message says whose it is; a file alone may be of either."""
    (other,) = set(MAJORS) - {major}
    only = set(leaves(keys_of((other,)))) - set(leaves(keys_of((major,))))
    told = [path for path in only if path[:2] not in FREE and path != ("redis",)]
    assert len(told) > 8
    for path in told:
        text = json.dumps(with_section(path, "x"))
        ((rule, message),) = [found for found in findings(text, IMAGES[major]) if found[0] != COMPLETE]
        assert (rule, NAMES[other] in message) == ("registry-no-unknown-key", True), path
        assert findings(text, None) == [], path


NEAREST = {
    "storage.fileSystem": "the key is storage.filesystem",
    "storage.filesystem.root_directory": "the key is storage.filesystem.rootdirectory",
    "storage.filesystem.maxthread": "the key is storage.filesystem.maxthreads",
    "storage.filesystem.maxsize": "there is rootdirectory, maxthreads",
    "storage.readOnly": "the key is storage.maintenance.readonly",
    "storage.uploadpurging": "the key is storage.maintenance.uploadpurging",
    "http.http_2": "the key is http.http2",
    "http.remoteurl": "the key is proxy.remoteurl",
    "http.timeout": "remove it",
    "helth": "the key is health",
    "ui": "remove it",
}


@pytest.mark.parametrize("path", NEAREST)
def test_the_message_names_the_nearest_key(path: str) -> None:
    """A key that is spelled alike, or stands elsewhere, is named with its path."""
    ((_, message),) = findings(json.dumps(with_section(tuple(path.split(".")), "x")))
    assert message.startswith(f"{path} ")
    assert NEAREST[path] in message


def test_no_value_under_an_unknown_key_is_shown_unless_it_is_harmless() -> None:
    """A misspelt key may hold a password."""
    for value in ("hunter2x!", "12345", "a b"):
        ((_, message),) = findings(json.dumps(with_section(("proxy", "pasword"), value)))
        assert value not in message
        assert "the key is proxy.password" in message


@pytest.mark.parametrize(
    ("image", "target", "ttl_is_known"),
    [
        ("registry:2", "2", False),
        ("registry:2.8.3@sha256:" + "0" * 64, "2", False),
        ("docker.io/library/registry:3.1", "3", True),
        ("distribution/distribution:v3.0.0-rc.1", "3", True),
        ("registry:latest", "2", False),
        ("registry", "3", True),
        ("registry:${TAG:-latest}", "3", True),
        ("registry@sha256:" + "0" * 64, "2", False),
    ],
)
def test_the_version_is_that_of_the_image(image: str, target: str, ttl_is_known: bool, tmp_path: Any) -> None:
    """The tag says it, else the path at which the configuration is mounted."""
    compose = COMPOSE.format(image=json.dumps(image), target=TARGETS[target])
    text = json.dumps(with_section(("proxy",), {"remoteurl": "https://example.org", "ttl": "1h"}))
    write(tmp_path, {"compose.yml": compose, "config.yml": text, "codemod.toml": "version = 1\n"})
    report = json.loads(codemod(tmp_path, "check", "--select", "registry-no-unknown-key", "--format", "json").out)
    assert (report["findings"] == []) is ttl_is_known


def test_a_file_alone_is_not_blamed_for_what_others_may_say() -> None:
    """Without the compose file the environment may give address and login, and other programs have such files, too."""
    alone = "version: 0.1\nstorage: {filesystem: {}}\nauth: {htpasswd: {realm: r}}\n"
    assert findings(alone, None) == []
    assert {rule for rule, _ in findings(alone)} == {COMPLETE}
    assert findings("version: 3\nstorage: {maxsize: 1}\nservices: {}\n", None) == []
    purging = "version: 0.1\nstorage: {filesystem: {}, maintenance: {uploadpurging: {enabled: true}}}\n"
    assert [rule for rule, _ in findings(purging, None)] == [COMPLETE]


ADDED = st.sampled_from(("maxsize", "size", "quota", "é", "zz", "owner-of", "ünter_"))
VALUES = st.sampled_from(("1", "5GiB", "'quoted'", "${name}", "[a, b]", "{a: b}", "|\n{pad}  text\n{pad}  more", ""))


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.lists(st.tuples(ADDED, VALUES), max_size=3, unique_by=lambda pair: pair[0]), st.booleans(), st.booleans())
def test_the_fix_takes_out_exactly_what_does_nothing(
    added: list[tuple[str, str]], crlf: bool, final_newline: bool
) -> None:
    """Whatever is added to a section goes again, and every other byte stays."""
    from codemods.engine.edits import apply_edits
    from codemods.formats.yaml import parse

    pad = "    "
    right = "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: /data # here\nhttp:\n  addr: :5000\n"
    lines = "".join(f"{pad}{name}: {value.replace('{pad}', pad)}\n" for name, value in added)
    before, after = (right.replace("http:", f"{more}http:") for more in (lines, ""))
    if not final_newline:
        before, after = before.removesuffix("\n"), after.removesuffix("\n")
    if crlf:
        before, after = before.replace("\n", "\r\n"), after.replace("\n", "\r\n")
    edits = found_edits(before)
    assert len(edits) == len(added)
    fixed = apply_edits(before, edits)
    assert fixed == after
    assert parse(fixed).data == parse(after).data
    assert findings(fixed) == []


def found_edits(text: str) -> list[Any]:
    """All edits that the rules of one file propose."""
    from codemods.engine.context import Context
    from codemods.repository import Document
    from codemods.settings import Settings
    from codemods.stack import Stack
    from tests.registry_texts import FILE_RULES

    document = Document("config.yml", text)
    context = Context(Settings(), Stack(registry_configs=("config.yml",)), lambda path: document)
    outcomes = (outcome for rule in FILE_RULES for outcome in rule(context, document))
    return [edit for outcome in outcomes for edit in getattr(outcome, "edits", ())]


KEYS = st.sampled_from(
    [
        "version",
        "storage",
        "filesystem",
        "maintenance",
        "uploadpurging",
        "readonly",
        "enabled",
        "http",
        "addr",
        "auth",
        "htpasswd",
        "hooks",
        "log",
        "middleware",
        "registry",
        "redirect",
        "debug",
        "proxy",
        "maxsize",
        "<<",
        "x-a",
    ]
)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.sampled_from(("0.1", "true", "no", "${x}", "")))
TREES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(KEYS, inner, max_size=4)),
    max_leaves=20,
)


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.dictionaries(KEYS, TREES, max_size=6))
def test_any_configuration_can_be_judged(data: dict[str, Any]) -> None:
    """Whatever stands where, the rules say something or nothing, and their fixes leave YAML that can be read."""
    from codemods.engine.edits import apply_edits
    from codemods.formats.yaml import parse

    text = json.dumps(data, indent=1)
    for image in ("registry:2", "registry:3", None):
        for rule, message in findings(text, image):
            assert rule.startswith("registry-")
            assert re.match(r"[a-z<.]", message), message
    parse(apply_edits(text, found_edits(text)))
