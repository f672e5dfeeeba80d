"""The model of the buildx plugin: which image is what, what it makes of settings, and what the recipe does with it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codemods.caching.plugin import (
    PORTABLE_SINCE,
    VERSIONS,
    Config,
    Form,
    buildx_arguments,
    environment,
    identify,
    verdict,
)
from tests.soak import EXAMPLES

PLUGIN = "woodpeckerci/plugin-docker-buildx"
DIGEST = "@sha256:" + "0a" * 32
REFERENCE = "registry.lan:5050/infra:buildcache"
LONG = f"type=registry,ref={REFERENCE}"
EVERY_VERSION = [
    "1.0.0",
    "2.0.0",
    "2.1.0",
    "3.0.1",
    "3.1.0",
    "3.2.1",
    "4.0.0",
    "5.0.0",
    "5.2.2-insecure",
    "6.0.4",
    "latest",
]
FROM_3_1 = EVERY_VERSION[4:]


def arguments(tag: str, **settings: object) -> list[str]:
    """What the plugin of that tag makes of cache settings, without its defaults."""
    plugin = identify(f"{PLUGIN}:{tag}")
    assert plugin is not None
    return buildx_arguments(plugin, {"dry_run": True, **settings})


@pytest.mark.parametrize(
    ("image", "kind", "version", "insecure"),
    [
        (PLUGIN, "buildx", (), False),
        (f"{PLUGIN}:latest", "buildx", (), False),
        (f"docker.io/{PLUGIN}:5", "buildx", (5,), False),
        (f"index.docker.io/{PLUGIN}:5.2", "buildx", (5, 2), False),
        (f"{PLUGIN}:5.2.2", "buildx", (5, 2, 2), False),
        (f"{PLUGIN}:v5.2.2", "buildx", (5, 2, 2), False),
        (f"{PLUGIN}:5.2.2-insecure", "buildx", (5, 2, 2), True),
        (f"{PLUGIN}:5-insecure", "buildx", (5,), True),
        (f"{PLUGIN}:insecure", "buildx", (), True),
        (f"{PLUGIN}:latest-insecure", "buildx", (), True),
        (f"{PLUGIN}:5.2.2{DIGEST}", "buildx", (5, 2, 2), False),
        (f"{PLUGIN}{DIGEST}", "buildx", None, False),
        (f"{PLUGIN}:latest{DIGEST}", "buildx", None, False),
        (f"{PLUGIN}:next", "buildx", None, False),
        (f"{PLUGIN}:5.2.2-rc1", "buildx", None, False),
        (f"{PLUGIN}:5.2.2.1", "buildx", None, False),
        (f"{PLUGIN}:${{TAG:-5.2.2}}", "buildx", None, False),
        ("codeberg.org/woodpecker-plugins/docker-buildx", "moved", (), False),
        ("codeberg.org/woodpecker-plugins/docker-buildx:6.0.2", "moved", (6, 0, 2), False),
        ("quay.io/thegeeklab/wp-docker-buildx:6", "other", (6,), False),
        ("thegeeklab/wp-docker-buildx", "other", (), False),
        ("plugins/docker", "other", (), False),
        ("plugins/ecr:20", "other", (20,), False),
        ("woodpeckerci/plugin-kaniko", "other", (), False),
        ("gcr.io/kaniko-project/executor:debug", "other", None, False),
        ("ghcr.io/bob/plugin-docker-buildx:5.2.2-insecure", "other", (5, 2, 2), True),
        ("registry.lan:5000/woodpeckerci/plugin-docker-buildx", "other", (), False),
    ],
)
def test_identify(image: str, kind: str, version: tuple[int, ...] | None, insecure: bool) -> None:
    """An image is known by its whole path, its version by its tag."""
    plugin = identify(image)
    assert plugin is not None
    assert (plugin.kind, plugin.version, plugin.insecure) == (kind, version, insecure)


@pytest.mark.parametrize(
    "image",
    [
        "docker.gosh.sh/plugin-docker-buildx-cond",
        "woodpeckerci/plugin-docker-buildx-cond:5.2.2",
        "my-woodpeckerci/plugin-docker-builder",
        "woodpeckerci/plugin-git",
        "woodpeckerci/plugin-trivy",
        "moby/buildkit:rootless",
        "docker:27-dind",
        "docker",
        "alpine",
        "plugins/docker-compose",
        "myplugins/docker",
        "registry.lan:5000/docker",
        "${IMAGE}",
        "",
    ],
)
def test_lookalikes_build_nothing(image: str) -> None:
    """A name that only resembles a build plugin's is none."""
    assert identify(image) is None


def test_repository_has_no_docker_hub_host() -> None:
    """All spellings of Docker Hub's host are one repository."""
    spellings = [identify(f"{host}{PLUGIN}:5") for host in ("", "docker.io/", "index.docker.io/")]
    assert {plugin.repository for plugin in spellings if plugin} == {PLUGIN}
    assert len(set(spellings)) == 1


@pytest.mark.parametrize("tag", EVERY_VERSION)
def test_bare_reference_is_one_source_on_every_version(tag: str) -> None:
    """The form of profile verified: one --cache-from with the whole reference, whatever the version."""
    assert arguments(tag, cache_from=REFERENCE) == ["--cache-from", REFERENCE]


@pytest.mark.parametrize("tag", EVERY_VERSION)
def test_bare_reference_in_a_list_is_one_source_on_every_version(tag: str) -> None:
    """A list of one bare reference is the same as the reference alone."""
    assert arguments(tag, cache_from=[REFERENCE]) == ["--cache-from", REFERENCE]


@pytest.mark.parametrize("tag", FROM_3_1)
def test_cache_to_is_whole_from_3_1(tag: str) -> None:
    """`type=registry,ref=…,mode=max` reaches buildx as one argument on every version from 3.1."""
    assert arguments(tag, cache_to=f"{LONG},mode=max") == ["--cache-to", f"{LONG},mode=max"]


FROM_TWO = ["--cache-from", "type=registry", "--cache-from", f"ref={REFERENCE}"]
TO_THREE = ["--cache-to", "type=registry", "--cache-to", f"ref={REFERENCE}", "--cache-to", "mode=max"]
ESCAPED = LONG.replace(",", "\\,")
IMAGES = ["--cache-from", REFERENCE, "--cache-to", f"{LONG},mode=max,image-manifest=true,oci-mediatypes=true"]


@pytest.mark.parametrize(
    ("tag", "given", "expected"),
    [
        # The long form is cut by plugins that read a list, and buildx then stops at "ref=…".
        ("2.0.0", {"cache_from": LONG}, FROM_TWO),
        ("3.0.1", {"cache_from": LONG}, FROM_TWO),
        ("6.0.4", {"cache_from": LONG}, FROM_TWO),
        ("latest", {"cache_from": LONG}, FROM_TWO),
        ("3.1.0", {"cache_from": LONG}, ["--cache-from", LONG]),
        ("4.0.0", {"cache_from": LONG}, ["--cache-from", LONG]),
        ("5.2.2", {"cache_from": LONG}, ["--cache-from", LONG]),
        # Escaping is right from 6 on and becomes part of the reference before.
        ("6.0.4", {"cache_from": ESCAPED}, ["--cache-from", LONG]),
        ("6", {"cache_from": [ESCAPED, "other"]}, ["--cache-from", LONG, "--cache-from", "other"]),
        ("5.2.2", {"cache_from": ESCAPED}, ["--cache-from", ESCAPED]),
        ("3.0.1", {"cache_from": ESCAPED}, ["--cache-from", "type=registry\\", "--cache-from", f"ref={REFERENCE}"]),
        ("6.0.4", {"cache_to": ESCAPED}, ["--cache-to", ESCAPED]),
        # A list of two is one argument where the version wants a string.
        ("5.2.2", {"cache_from": [LONG, LONG + "2"]}, ["--cache-from", f"{LONG},{LONG}2"]),
        ("5.2.2", {"cache_from": ["a", LONG]}, ["--cache-from", f"a,{LONG}"]),
        ("3.2.1", {"cache_to": [LONG, "b"]}, ["--cache-to", f"{LONG},b"]),
        # cache_to came in 2.1 as a list and became a string in 3.1.
        ("2.0.0", {"cache_to": f"{LONG},mode=max"}, []),
        ("2.1.0", {"cache_to": f"{LONG},mode=max"}, TO_THREE),
        ("3.0.1", {"cache_to": f"{LONG},mode=max"}, TO_THREE),
        # cache_images came in 3.1 and writes the long forms itself.
        ("3.0.1", {"cache_images": [REFERENCE]}, []),
        *((tag, {"cache_images": [REFERENCE]}, IMAGES) for tag in FROM_3_1),
        # Nothing given, nothing passed on.
        ("5.2.2", {"cache_from": "", "cache_to": [], "cache_images": None}, []),
        ("6.0.4", {"cache_from": [], "cache_to": ""}, []),
        # Keys are folded by the server.
        ("5.2.2", {"cache-from": REFERENCE}, ["--cache-from", REFERENCE]),
        ("5.2.2", {"cache.from": REFERENCE}, ["--cache-from", REFERENCE]),
    ],
)
def test_cache_settings(tag: str, given: dict[str, object], expected: list[str]) -> None:
    """What each version makes of each form, as measured (facts 33 and 34)."""
    assert arguments(tag, **given) == expected


@pytest.mark.parametrize(
    ("tag", "read"),
    [
        *((tag, True) for tag in ("1.0.0", "3.1.0", "4.0.0", "5.2.2-insecure", "5-insecure")),
        *((tag, False) for tag in ("5.0.0", "5", "6.0.4", "6.0.2-insecure", "latest", "insecure")),
    ],
)
def test_buildkit_config_is_read_only_by_some(tag: str, read: bool) -> None:
    """From 5.0 only -insecure images read buildkit_config, and none of 6.x is known to."""
    assert arguments(tag, buildkit_config="[registry]") == (["--config", "[registry]"] if read else [])


def test_plan_pipeline_on_the_pinned_plugin() -> None:
    """The whole of the plan's Task 8 on 5.2.2-insecure: two targets, pushed, with cache and configuration."""
    plugin = identify(f"{PLUGIN}:5.2.2-insecure")
    assert plugin is not None
    given = {
        "username": "viktorbarzin",
        "password": {"from_secret": "dockerhub-pat"},
        "repo": ["viktorbarzin/f1-stream", "registry.lan:5050/f1-stream"],
        "tags": "latest",
        "cache_from": REFERENCE,
        "cache_to": f"{LONG},mode=max",
        "buildkit_config": "toml",
    }
    assert buildx_arguments(plugin, given) == [
        *("--config", "toml"),
        *("-t", "viktorbarzin/f1-stream:latest", "-t", "registry.lan:5050/f1-stream:latest", "--push"),
        *("--cache-from", REFERENCE, "--cache-to", f"{LONG},mode=max"),
    ]


def test_tags_and_targets_multiply() -> None:
    """Every repository gets every tag; commas inside a variable do not part repositories."""
    plugin = identify(f"{PLUGIN}:5.2.2")
    assert plugin is not None
    given = {"repo": "${CI_REPO,,}, quay.io/a/b", "tag": ["1", "latest"]}
    assert buildx_arguments(plugin, given) == [
        *("-t", "${CI_REPO,,}:1", "-t", "${CI_REPO,,}:latest", "-t", "quay.io/a/b:1", "-t", "quay.io/a/b:latest"),
        "--push",
    ]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"dry_run": True}, []),
        ({"dry-run": "true"}, []),
        ({"dry_run": False}, ["--push"]),
        ({}, ["--push"]),
        ({"output": "type=local,dest=out"}, ["--output", "type=local,dest=out"]),
    ],
)
def test_push(given: dict[str, object], expected: list[str]) -> None:
    """dry_run and output do not push."""
    plugin = identify(PLUGIN)
    assert plugin is not None
    assert buildx_arguments(plugin, given) == expected


@pytest.mark.parametrize("image", ["plugins/docker:2", f"{PLUGIN}{DIGEST}", f"{PLUGIN}:next", f"{PLUGIN}:0.9"])
def test_unknown_versions_have_no_arguments(image: str) -> None:
    """Nobody can say what an unknown version does."""
    plugin = identify(image)
    assert plugin is not None
    with pytest.raises(ValueError, match="no known version"):
        buildx_arguments(plugin, {})


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("text", "text"),
        (True, "true"),
        (False, "false"),
        (5, "5"),
        (1.5, "1.5"),
        (None, ""),
        ([], ""),
        (["a", "b"], "a,b"),
        (["a,b", "c"], "a,b,c"),
        (["a\\,b", "c"], "a\\,b,c"),
        ([1, True], "1,true"),
        ({"from_secret": "token"}, "<secret token>"),
        (["a", {"from_secret": "token"}], '["a","<secret token>"]'),
        ({"A": 1, "B": {"from_secret": "token"}}, '{"A":1,"B":"<secret token>"}'),
        ([{"registry": "r", "password": {"from_secret": "p"}}], '[{"registry":"r","password":"<secret p>"}]'),
    ],
)
def test_environment(value: object, expected: str) -> None:
    """The server's conversion of values (facts 37)."""
    assert environment({"some-key.x": value}) == {"PLUGIN_SOME_KEY_X": expected}


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.lists(st.text(st.characters(exclude_characters=",$", categories=["L", "N", "P"]), min_size=1)))
def test_commas_in_a_list_cannot_be_told_from_its_items(parts: list[str]) -> None:
    """A list and the same parts in one string are one and the same to every version."""
    for tag in EVERY_VERSION:
        assert arguments(tag, cache_from=parts) == arguments(tag, cache_from=",".join(parts))


KEPT, PINNED = "kept", "pinned"


@pytest.mark.parametrize(
    ("image", "http", "https"),
    [
        # The design's table, row by row.
        (PLUGIN, PINNED, KEPT),
        (f"docker.io/{PLUGIN}", PINNED, KEPT),
        (f"{PLUGIN}:latest", PINNED, KEPT),
        (f"{PLUGIN}:5", PINNED, KEPT),
        (f"{PLUGIN}:5.0.0", PINNED, KEPT),
        (f"{PLUGIN}:5.2.2", PINNED, KEPT),
        (f"{PLUGIN}:5.2.2-insecure", KEPT, KEPT),
        (f"{PLUGIN}:5-insecure", KEPT, KEPT),
        (f"{PLUGIN}:5.2.2-insecure{DIGEST}", KEPT, KEPT),
        (f"{PLUGIN}:3.1.0", KEPT, KEPT),
        (f"{PLUGIN}:3", KEPT, KEPT),
        (f"{PLUGIN}:4.0.0", KEPT, KEPT),
        (f"{PLUGIN}:4.0.0{DIGEST}", KEPT, KEPT),
        (f"{PLUGIN}:6", "over http", KEPT),
        (f"{PLUGIN}:6.0.4", "over http", KEPT),
        (f"{PLUGIN}:7.1.0", "over http", KEPT),
        (f"{PLUGIN}:6.0.2-insecure", "over http", KEPT),
        (f"{PLUGIN}:insecure", "over http", KEPT),
        (f"{PLUGIN}:0.9", "cuts cache_to", "cuts cache_to"),
        (f"{PLUGIN}:2.2.1", "cuts cache_to", "cuts cache_to"),
        (f"{PLUGIN}:2", "cuts cache_to", "cuts cache_to"),
        (f"{PLUGIN}:3.0", "cuts cache_to", "cuts cache_to"),
        (f"{PLUGIN}:3.0.1{DIGEST}", "cuts cache_to", "cuts cache_to"),
        (f"{PLUGIN}{DIGEST}", "version of", KEPT),
        (f"{PLUGIN}:next", "next", KEPT),
        (f"{PLUGIN}:${{TAG}}", "version of", KEPT),
        ("codeberg.org/woodpecker-plugins/docker-buildx", "version of", KEPT),
        ("codeberg.org/woodpecker-plugins/docker-buildx:5.2.2-insecure", "version of", KEPT),
        ("codeberg.org/woodpecker-plugins/docker-buildx:2.2.1", "cuts cache_to", "cuts cache_to"),
        (f"{PLUGIN}:latest{DIGEST}", "digest", KEPT),
        (f"{PLUGIN}:5.1.0{DIGEST}", "digest", KEPT),
        ("thegeeklab/wp-docker-buildx:6", "another plugin", "another plugin"),
        ("quay.io/thegeeklab/wp-docker-buildx", "another plugin", "another plugin"),
        ("plugins/docker", "another plugin", "another plugin"),
        ("woodpeckerci/plugin-kaniko:5.2.2-insecure", "another plugin", "another plugin"),
        ("ghcr.io/bob/plugin-docker-buildx:5.2.2-insecure", "another plugin", "another plugin"),
    ],
)
def test_verdict(image: str, http: str, https: str) -> None:
    """What the recipe does with an image: keep it, pin another one, or refuse it with a reason and a way out."""
    plugin = identify(image)
    assert plugin is not None
    for scheme, expected in (("http", http), ("https", https)):
        decision = verdict(plugin, scheme)
        if expected in (KEPT, PINNED):
            assert (decision.refusal, decision.pin) == ("", expected is PINNED), scheme
        else:
            assert expected in decision.refusal, scheme
            assert decision.advice
            assert not decision.pin


@pytest.mark.parametrize("major", range(8))
@pytest.mark.parametrize("suffix", ["", "-insecure"])
def test_whatever_is_kept_works(major: int, suffix: str) -> None:
    """An image that is kept passes on the recipe's cache settings whole, and over http the configuration too."""
    for minor in range(4):
        plugin = identify(f"{PLUGIN}:{major}.{minor}.0{suffix}")
        assert plugin is not None
        for scheme in ("http", "https"):
            decision = verdict(plugin, scheme)
            if decision.refusal or decision.pin:
                continue
            given = {
                "cache_from": REFERENCE,
                "cache_to": f"{LONG},mode=max",
                "buildkit_config": "toml",
                "dry_run": True,
            }
            config = ["--config", "toml"] if plugin.honours_config else []
            cache = ["--cache-from", REFERENCE, "--cache-to", f"{LONG},mode=max"]
            assert buildx_arguments(plugin, given) == config + cache
            assert config or scheme == "https"


def test_version_table_is_in_order_and_sourced() -> None:
    """Rows ascend, each says where it comes from, and cache_to is never cut from PORTABLE_SINCE on."""
    assert [row.since for row in VERSIONS] == sorted({row.since for row in VERSIONS})
    assert all(row.source for row in VERSIONS)
    assert [row.cache_to for row in VERSIONS if row.since >= PORTABLE_SINCE] == [Form.STRING] * 3
    assert [row.buildkit_config for row in VERSIONS].count(Config.ALL) == 3
