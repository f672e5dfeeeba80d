"""`registry.scheme` and `registry.auth`: from each state to each other, by a change of settings and one more run."""

from __future__ import annotations

import json
import re
import shutil
from itertools import permutations, product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.command import Run, changed, codemod, commit_all, example, git, write
from tests.soak import EXAMPLES
from tests.test_cases import DIRECTORIES, read_case, read_tree

HTTPS = ("registry.scheme=https", "registry.certificate=tls/registry.crt", "registry.key=tls/registry.key")
SECRETS = ("registry.username_secret=registry-user", "registry.password_secret=registry-password")
LOGINS = ("registry.auth=htpasswd", *SECRETS)
STATES = {"http": (), "https": HTTPS, "https with logins": (*HTTPS, *LOGINS)}
MOVES = list(permutations(STATES, 2))
PINNED = re.compile(rb"(plugin-docker-buildx)(?::[\w.-]+)?")
# Who has been migrated by hand keeps the places of the settings, which a move there and back cannot know.
CASES = [
    directory
    for directory in DIRECTORIES
    if read_case(directory).get("profile") != "as-written"
    and not any(b"http = true" in content for content in read_tree(directory / "before").values())
]


def run_in(root: Path, state: str, *arguments: str) -> Run:
    """Run the command with the settings of a state."""
    return codemod(root, *sets(STATES[state]), *arguments)


def apply(root: Path, state: str, *options: str) -> dict[str, Any]:
    """The report of an `apply-caching` under a state."""
    run = run_in(root, state, *options, "apply-caching", "--allow-dirty", "--format", "json")
    assert run.out, run.err
    report: dict[str, Any] = json.loads(run.out)
    return report


def sets(values: tuple[str, ...]) -> list[str]:
    return [part for value in values for part in ("--set", value)]


def without_pins(tree: dict[str, bytes]) -> dict[str, bytes]:
    """A tree in which the plugin has no version: what stood there before a pin for http, nobody knows."""
    return {path: PINNED.sub(rb"\1", content) for path, content in tree.items() if not path.startswith(".git/")}


@settings(max_examples=max(EXAMPLES // 4, 25), deadline=None)
@given(st.sampled_from(CASES), st.sampled_from(MOVES))
def test_every_way_leads_to_the_same_bytes(directory: Path, move: tuple[str, str]) -> None:
    """What was migrated under one state and then under another reads as if it had never been in the first."""
    first, then = move
    states = ("registry.scheme", "registry.auth")
    own = tuple(value for value in read_case(directory).get("set", []) if not value.startswith(states))
    with TemporaryDirectory() as place:
        moved, straight = Path(place) / "moved", Path(place) / "straight"
        for root in (moved, straight):
            shutil.copytree(directory / "before", root)
        apply(moved, first, *sets(own))
        between = read_tree(moved)
        wanted, report = apply(straight, then, *sets(own)), apply(moved, then, *sets(own))
        if report["exit_code"] == 3:
            # Some places refuse: by name, and each such file is as it was.
            refused = {entry["path"] for entry in report["refusals"]} | {one["path"] for one in report["findings"]}
            assert refused
            assert all(read_tree(moved).get(path) == between.get(path) for path in refused)
            return
        assert report["exit_code"] == wanted["exit_code"]
        assert without_pins(read_tree(moved)) == without_pins(read_tree(straight))


def test_the_example_goes_round(tmp_path: Path) -> None:
    """http, https, https with logins, http: the last is the first, to the byte; each state is at rest."""
    root = example(tmp_path)
    apply(root, "http")
    first = read_tree(root)
    for state in ("https", "https with logins", "http"):
        report = apply(root, state)
        assert (report["exit_code"], report["refusals"]) == (0, [])
        assert {"modules/docker-registry/docker-compose.yml", "stacks/infra/main.tf"} <= {
            change["path"] for change in report["changes"]
        }
        assert apply(root, state)["changes"] == []
    assert {path: text for path, text in read_tree(root).items() if not path.startswith(".git/")} == {
        path: text for path, text in first.items() if not path.startswith(".git/")
    }


def findings(root: Path, state: str) -> set[tuple[str, str, str]]:
    """Rule, path and message of what `check` finds."""
    report = json.loads(run_in(root, state, "check", "--format", "json").out)
    return {(found["rule"], found["path"], found["message"]) for found in report["findings"]}


def test_the_check_finds_nothing_new(tmp_path: Path) -> None:
    """The lint rules and the recipe's own have nothing to say about https and logins; logins answer one of them."""
    found = {}
    for state in STATES:
        root = example(tmp_path / state)
        write(root, {"tls/registry.crt": "certificate\n", "tls/registry.key": "key\n"})
        apply(root, state)
        found[state] = findings(root, state)
    assert found["https"] == found["http"]
    assert {rule for rule, _, _ in found["http"] - found["https with logins"]} == {"registry-require-auth"}
    assert found["https with logins"] < found["http"]


def test_the_pinned_image_stays(tmp_path: Path) -> None:
    """Over https nobody knows what stood in the place of the pin for http: it is kept, and said so."""
    root = example(tmp_path)
    apply(root, "http")
    report = apply(root, "https")
    assert sum("keeps woodpeckerci/plugin-docker-buildx:5.2.2-insecure" in note for note in report["notes"]) == 2


def test_a_certificate_that_is_not_there_is_missed(tmp_path: Path) -> None:
    """Terraform would not start without the files; one that git-crypt has locked is there."""
    root = example(tmp_path)
    (root / "tls").mkdir()
    (root / "tls/registry.key").write_bytes(b"\0GITCRYPT\0" + bytes(range(256)))
    notes = apply(root, "https")["notes"]
    assert any("there is no tls/registry.crt yet" in note for note in notes)
    assert not any("tls/registry.key" in note for note in notes)


def test_the_commits_of_a_move(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is added, so the plan's messages would be wrong."""
    for who, what in product(("AUTHOR", "COMMITTER"), ("NAME", "EMAIL")):
        monkeypatch.setenv(f"GIT_{who}_{what}", "t@example.org")
    root = example(tmp_path)
    apply(root, "http")
    commit_all(root)
    assert run_in(root, "https with logins", "apply-caching", "--commit").code == 0
    assert git(root, "log", "--format=%s", "--reverse").splitlines()[2:] == [
        "[ci skip] follow the settings of the private registry in its configuration",
        "[ci skip] follow the settings of the private registry in the Docker Compose stack",
        "[ci skip] follow the settings of the private registry in nginx",
        "[ci skip] follow the settings of the private registry in Terraform provisioning",
        "[ci skip] follow the settings of the private registry in build-cli pipeline",
        "[ci skip] follow the settings of the private registry in f1-stream pipeline",
    ]


def test_another_certificate_file(tmp_path: Path) -> None:
    """A change of `registry.certificate` changes the one source that Terraform deploys it from."""
    root = example(tmp_path)
    apply(root, "https")
    commit_all(root)
    report = apply(root, "https", "--set", "registry.certificate=tls/2027/registry.crt")
    assert (report["exit_code"], changed(root)) == (0, {"stacks/infra/main.tf"})
    (diff,) = [change["diff"] for change in report["changes"]]
    lines = [line for line in diff.splitlines() if line[:1] in "+-" and not line.startswith(("+++", "---"))]
    assert [line.strip("+- ") for line in lines] == [
        'base64encode(file("${path.root}/../../tls/registry.crt"))',
        'base64encode(file("${path.root}/../../tls/2027/registry.crt"))',
    ]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (("registry.auth=htpasswd",), 'registry.auth = "htpasswd" needs registry.scheme = "https"'),
        ((*HTTPS, "registry.auth=htpasswd"), "registry.username_secret is not set"),
        ((*HTTPS, "registry.auth=htpasswd", SECRETS[0]), "registry.password_secret is not set"),
        (("registry.scheme=https",), "registry.certificate is not set"),
        (HTTPS[:2], "registry.key is not set"),
        ((*HTTPS, "profile=as-written"), 'profile "as-written" has no registry.scheme'),
        ((*LOGINS, "profile=as-written"), 'profile "as-written" has no registry.auth'),
        ((*HTTPS, "registry.certificate=/etc/ssl/registry.crt"), "registry.certificate is"),
        ((*HTTPS, "registry.key=../registry.key"), "registry.key is"),
    ],
)
def test_what_https_and_logins_need(tmp_path: Path, values: tuple[str, ...], message: str) -> None:
    """Settings that do not say all that is needed are exit 2 with one line, and nothing is written."""
    root = example(tmp_path)
    done = codemod(root, *sets(values), "apply-caching")
    assert (done.code, done.out, changed(root)) == (2, "", set())
    assert message in done.err
    assert done.err.count("\n") == 1


def test_pipelines_alone_need_no_certificate(tmp_path: Path) -> None:
    """A repository without the stack says how the registry is reached, and nothing about its files."""
    pipeline = (
        "when: {event: push}\nsteps:\n  - name: a\n    image: woodpeckerci/plugin-docker-buildx\n"
        "    settings:\n      repo: alice/web\n"
    )
    write(tmp_path, {".woodpecker.yml": pipeline})
    commit_all(tmp_path)
    done = codemod(tmp_path, *sets(("registry.hostname=10.0.20.10", "registry.scheme=https", *LOGINS)), "apply-caching")
    assert done.code == 0, done.err
    assert "        - registry: https://10.0.20.10:5050\n" in (tmp_path / ".woodpecker.yml").read_text()


def test_an_authority_of_ones_own(tmp_path: Path) -> None:
    """The plugin reads it from its container's certs.d only, and only for registries that `logins` names."""
    root = example(tmp_path)
    notes = apply(root, "https", "--set", "registry.ca=tls/ca.crt")["notes"]
    (note,) = [note for note in notes if "tls/ca.crt" in note]
    assert "/etc/docker/certs.d/registry.viktorbarzin.lan:5050/ca.crt" in note
    assert "only for a registry that `logins` names" in note
