"""The pipeline rule on random pipelines: what it promises holds for each of them."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import given, settings
from ruamel.yaml import YAML

from codemods.caching import pipelines
from codemods.caching.plugin import buildx_arguments, identify
from codemods.engine.context import Context
from codemods.engine.run import ChangeSet, Selection, plan_changes
from codemods.repository import Document
from codemods.settings import RegistrySettings, Settings
from codemods.stack import Stack
from tests.pipeline_texts import pipelines as texts
from tests.soak import EXAMPLES

HOST = "reg.lan:5050"
ADDED = ("repo", "logins", "cache_from", "cache_to", "buildkit_config")


def plan(text: str, profile: str = "verified", scheme: str = "http") -> tuple[str, ChangeSet]:
    """The text after the rule, and what the run found."""
    registry = RegistrySettings(hostname="reg.lan", address="10.0.0.1", scheme=scheme)
    document = Document(".woodpecker/p.yml", text)
    stack = Stack(pipelines=(document.path,))
    context = Context(Settings(profile=profile, registry=registry), stack, lambda path: document)
    found = plan_changes([pipelines.check], context, Selection())
    return (found.changes[0].new_text if found.changes else text), found


def load(text: str) -> Any:
    """The data as a reader that is not ours sees it."""
    return YAML(typ="safe", pure=True).load(text)


def steps(data: Any) -> list[Any]:
    """The steps of a pipeline, whichever way they are written."""
    section = data.get("steps") or data.get("pipeline")
    return list(section.values()) if isinstance(section, dict) else list(section)


def names(repo: Any) -> list[str]:
    """The repositories of a step."""
    items = repo if isinstance(repo, list) else [repo]
    return [part.strip() for item in items for part in re.findall(r"(?:\$\{[^}]*\}|[^,])+", str(item))]


@settings(max_examples=EXAMPLES, deadline=None)
@given(texts())
def test_a_converted_step_gains_what_it_needs_and_loses_nothing(text: str) -> None:
    """Every other setting stays, the private copy comes last, and cache and copy agree on the name."""
    new, found = plan(text)
    assert not any("defect" in refusal.outcome.advice for refusal in found.refusals)  # type: ignore[union-attr]
    if found.refusals:
        assert new == text
        return
    old_data, new_data = load(text), load(new)
    for before, after in zip(steps(old_data), steps(new_data), strict=True):
        if before == after:
            continue
        old, done = before["settings"], after["settings"]
        assert {key: value for key, value in done.items() if key not in ADDED} == {
            key: value for key, value in old.items() if key != "repo"
        }
        assert {**before, "image": "", "settings": ""} == {**after, "image": "", "settings": ""}
        *kept, private = names(done["repo"])
        assert kept == names(old["repo"])
        assert private.startswith(f"{HOST}/")
        assert done["cache_from"].startswith(f"{private}:buildcache")
        if "username" in old and "password" in old:
            registry = old.get("registry", "https://index.docker.io/v1/")
            assert done["logins"] == [{"registry": registry, "username": old["username"], "password": old["password"]}]


@settings(max_examples=EXAMPLES, deadline=None)
@given(texts())
def test_the_plugin_makes_of_it_what_was_meant(text: str) -> None:
    """Run through the plugin's own version: one cache source, one target, both images, and the http registry named."""
    new, found = plan(text)
    if not found.changes:
        return
    for before, after in zip(steps(load(text)), steps(load(new)), strict=True):
        if before == after:
            continue
        plugin = identify(after["image"])
        assert plugin is not None
        done = after["settings"]
        arguments = buildx_arguments(plugin, done)
        pairs = list(zip(arguments, arguments[1:], strict=False))
        assert [value for option, value in pairs if option == "--cache-from"] == [done["cache_from"]]
        targets = [f"type=registry,ref={done['cache_from']},mode=max"] if "cache_to" in done else []
        assert [value for option, value in pairs if option == "--cache-to"] == targets
        pushed = {value.rpartition(":")[0] for option, value in pairs if option == "-t"}
        assert pushed == set(names(done["repo"]))
        assert "--push" in arguments
        (config,) = [value for option, value in pairs if option == "--config"]
        assert f'[registry."{HOST}"]' in config and "http = true" in config


@settings(max_examples=EXAMPLES, deadline=None)
@given(texts())
def test_lines_that_no_step_changes_are_untouched(text: str) -> None:
    """Line ends, the end of the file and every line besides image and repo are still there, in their order."""
    new, _ = plan(text)
    assert new.endswith("\n") == text.endswith("\n")
    if "\r\n" in text:
        assert new.count("\n") == new.count("\r\n")
    else:
        assert "\r" not in new
    remaining = iter(new.splitlines())
    for line in text.splitlines():
        if not re.search(r"repo:|image:|&plugin|settings: \{", line):
            assert any(line == other for other in remaining), line


@settings(max_examples=EXAMPLES, deadline=None)
@given(texts())
def test_verified_over_as_written_is_verified(text: str) -> None:
    """Both ways lead to the same bytes, and the way back is refused."""
    written, found = plan(text, "as-written")
    if found.refusals or written == text:
        return
    verified, refused = plan(text)
    if refused.refusals:
        return
    assert plan(written)[0] == verified
    if verified != written:
        again, downgrade = plan(verified, "as-written")
        assert again == verified
        assert downgrade.refusals


@settings(max_examples=EXAMPLES, deadline=None)
@given(texts())
def test_https_needs_no_configuration_and_keeps_the_image(text: str) -> None:
    """Over https no step gets a buildkit_config, and no image is pinned."""
    new, found = plan(text, scheme="https")
    if not found.changes:
        return
    assert "buildkit_config" not in new
    assert [step["image"] for step in steps(load(new))] == [step["image"] for step in steps(load(text))]
