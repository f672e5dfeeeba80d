"""What the names of pipelines stand for: rows of a matrix, forms of tags, and hosts with their repositories."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codemods.facts.pipelines import Build, read_builds
from codemods.facts.references import split_repository
from codemods.registry.caches import named_caches
from codemods.registry.names import is_known, newest, tag_form, tags_of, variants
from codemods.registry.words import in_bytes, in_time
from codemods.repository import Document

PIPELINE = """matrix:
  ARCH: [linux/amd64, linux/arm64]
  BASE: [alpine, debian, alpine]
steps:
  - name: build
    image: woodpeckerci/plugin-docker-buildx:5
    settings:
      repo: app
      {setting}
"""


def build(setting: str = "") -> Build:
    """A step with one more setting."""
    [found] = read_builds(Document("p.yml", PIPELINE.format(setting=setting)).yaml)
    return found


def test_a_variable_of_the_matrix_stands_for_its_values() -> None:
    """In each way in which it is written; two variables, and those of CI, are left as they are."""
    step = build()
    assert variants(step, "app:$BASE") == variants(step, "app:${BASE}") == ["app:alpine", "app:debian"]
    assert variants(step, "app:cache-${ARCH##*/}") == ["app:cache-amd64", "app:cache-arm64"]
    assert variants(step, "app:v1") == ["app:v1"]
    for text in ("${ARCH}-${BASE}", "${CI_COMMIT_SHA:0:8}", "$BASED"):
        assert variants(step, text) == [text]
        assert not is_known(text)


@pytest.mark.parametrize(
    ("setting", "tags", "form"),
    [
        ("", ["latest"], ""),
        ("tags: [v1, 'v2']", ["v1", "v2"], ""),
        ("tags: v1,v2", ["v1", "v2"], ""),
        ("tag: v1", ["v1"], ""),
        ("tags: {from_secret: tags}", [], "some"),
        ("auto_tag: true", [], "some"),
        ("auto_tag: false", ["latest"], ""),
    ],
)
def test_tags(setting: str, tags: list[str], form: str) -> None:
    """As the plugin reads them."""
    found, found_form = tags_of(build(setting))
    assert (found, bool(found_form)) == (tags, bool(form))


def test_the_forms_of_automatic_tags() -> None:
    """`latest` and versions, with the suffix when there is one."""
    plain, suffixed = (tags_of(build(f"auto_tag: true{more}"))[1] for more in ("", "\n      auto_tag_suffix: slim"))
    for tag, fits in {"latest": plain, "1": plain, "1.2": plain, "1.2.3-rc1": plain}.items():
        assert re.fullmatch(fits, tag)
    for tag in ("slim", "1.2-slim", "1.2.3-slim"):
        assert re.fullmatch(suffixed, tag)
    assert not re.fullmatch(plain, "buildcache")
    assert not re.fullmatch(suffixed, "latest")


@given(before=st.text("a.+-", max_size=4), value=st.text("b1_.-", min_size=1, max_size=4))
def test_a_tag_with_variables_has_a_form(before: str, value: str) -> None:
    """What stands around the variable is taken literally."""
    form = tag_form(f"{before}${{CI_X:0:8}}-$CI_Y")
    assert re.fullmatch(form, f"{before}{value}-{value}")
    assert not re.fullmatch(form, f"{before}-")
    assert not re.fullmatch(form, f"!{before}{value}-{value}")


def test_the_newest_tag() -> None:
    """Numbers count by their value, and `latest` before all."""
    assert newest(["1.9.0", "1.10.0", "1.2"]) == "1.10.0"
    assert newest(["build-9", "build-10", "build"]) == "build-10"
    assert newest(["9", "latest", "a"]) == "latest"


@pytest.mark.parametrize(
    ("repository", "host", "name"),
    [
        ("app", "docker.io", "library/app"),
        ("team/app", "docker.io", "team/app"),
        ("docker.io/team/app", "docker.io", "team/app"),
        ("index.docker.io/app", "docker.io", "library/app"),
        ("ghcr.io/team/deep/app", "ghcr.io", "team/deep/app"),
        ("localhost:5000/app", "localhost:5000", "app"),
    ],
)
def test_hosts_and_repositories(repository: str, host: str, name: str) -> None:
    """As Docker reads a reference; Docker Hub keeps its official images under a name of their own."""
    assert split_repository(repository) == (host, name)


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("r.lan:5050/app:cache", ("r.lan:5050", "app", "cache")),
        ("r.lan:5050/team/app", ("r.lan:5050", "team/app", "latest")),
        ("app", ("docker.io", "library/app", "latest")),
    ],
)
def test_cache_references(reference: str, expected: tuple[str, str, str]) -> None:
    """A port is no tag; read and written, one reference is one cache."""
    step = build(f"cache_from: {reference}\n      cache_to: type=registry,ref={reference},mode=max")
    [cache] = named_caches((("p.yml", step),)).values()
    assert cache.name == expected
    assert cache.writers == ["p.yml, step build"]


def test_numbers_in_words() -> None:
    """Short, and in the unit that fits."""
    sizes = (0, 999, 1000, 1024, 1536 * 1024, 340 * 1024**2, 5 * 1024**4)
    assert [*map(in_bytes, sizes)] == ["0 B", "999 B", "1.0 KiB", "1.0 KiB", "1.5 MiB", "340 MiB", "5.0 TiB"]
    times = (0.5, 1, 119, 7200, 86400 * 3, 86400 * 800)
    assert [*map(in_time, times)] == ["less than a second", "1 second", "1 minute", "2 hours", "3 days", "2 years"]
