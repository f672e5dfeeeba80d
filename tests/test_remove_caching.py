"""`codemod remove-caching`: what it takes from the history, what it says, what waits for what."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from codemods.caching.recipe import RECIPE
from tests.command import Run, changed, codemod, commit_all, example, git
from tests.test_apply_caching import CLI, COLLECTOR, COMPOSE, CONFIG, F1, NGINX, SCHEMA, TERRAFORM, WHOLE_STACK
from tests.test_production import HTTPS, LOGINS, sets
from tests.test_removal import identify, tree

PINNED = "the tag before is not known"
RULE = "woodpecker-add-registry-cache"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The example, not migrated yet."""
    identify(monkeypatch)
    return example(tmp_path)


def migrate(root: Path, *options: str) -> dict[str, bytes]:
    """Run the recipe, commit by commit; returns the files as they were."""
    before = tree(root)
    done = codemod(root, *options, "apply-caching", "--commit")
    assert done.code == 0, done.err
    return before


def remove(root: Path, *options: str) -> Run:
    done = codemod(root, "remove-caching", *options)
    assert "Traceback" not in done.err
    return done


def report(root: Path, *options: str) -> dict[str, Any]:
    """The JSON report of a run; it follows the schema, and says the exit code."""
    done = remove(root, "--format", "json", *options)
    found: dict[str, Any] = json.loads(done.out)
    jsonschema.validate(found, SCHEMA, cls=jsonschema.Draft202012Validator)
    assert found["exit_code"] == done.code
    return found


def reasons(found: dict[str, Any]) -> list[tuple[str, str]]:
    return [(entry["path"], entry["reason"]) for entry in found["refusals"]]


def without_message(root: Path) -> None:
    """Make the last commits one, as a squash does that writes a message of its own."""
    git(root, "reset", "--quiet", "--soft", git(root, "rev-list", "--max-parents=0", "HEAD").strip())
    git(root, "commit", "--quiet", "--message=add a registry")


# The history


def test_commits_with_messages_and_trailers(root: Path) -> None:
    """One commit for each task, what needs the registry before the registry; everything is as before, to the byte."""
    before = migrate(root)
    head = git(root, "rev-parse", "HEAD").strip()
    assert remove(root, "--commit").code == 0
    assert (tree(root), changed(root)) == (before, set())
    assert git(root, "log", "--format=%s", "--reverse", f"{head}..").splitlines() == [
        "[ci skip] remove BuildKit layer caching and dual-push from build-cli pipeline",
        "[ci skip] remove BuildKit layer caching and dual-push from f1-stream pipeline",
        "[ci skip] let the tag cleanup age and remove tags as before",
        "[ci skip] remove private registry from Terraform provisioning",
        "[ci skip] remove the garbage collector of the private registry",
        "[ci skip] remove nginx upstream and server block for private registry",
        "[ci skip] remove registry-private service from Docker Compose stack",
        "[ci skip] remove private R/W registry config",
    ]
    trailers = git(root, "log", "--format=%(trailers:key=Codemod,valueonly,separator=)", f"{head}..").split("\n")
    assert trailers[0] == "remove-caching registry-add-private-config"
    again = remove(root)
    assert (again.code, again.out) == (0, "")
    assert again.err.rstrip().endswith("nothing to do")


def test_several_settings(root: Path) -> None:
    """Commits of http, https and logins are taken back together, whatever the settings say today."""
    before = migrate(root)
    for values in (HTTPS, (*HTTPS, *LOGINS)):
        migrate(root, *sets(values))
    assert remove(root).code == 0
    assert tree(root) == before


def test_removed_and_brought_back(root: Path) -> None:
    """What was removed and migrated again is removed again, for as often as somebody likes."""
    before = migrate(root)
    for _ in range(2):
        assert remove(root, "--commit").code == 0
        assert tree(root) == before
        migrate(root)
    assert remove(root).code == 0
    assert tree(root) == before


def test_a_revert_was_there_first(root: Path) -> None:
    """Commits that git has reverted leave nothing to do; a reverted revert does."""
    before = migrate(root)
    first = git(root, "rev-list", "--max-parents=0", "HEAD").strip()
    git(root, "revert", "--no-edit", f"{first}..HEAD")
    assert tree(root) == before
    assert remove(root).err.rstrip().endswith("nothing to do")
    git(root, "revert", "--no-edit", "HEAD")
    found = report(root)
    assert [change["path"] for change in found["changes"]] == [CONFIG]


@pytest.mark.parametrize("mixed", [False, True], ids=["alone", "with a remark of somebody's"])
def test_a_squash_that_keeps_the_messages(root: Path, mixed: bool) -> None:
    """It is taken back as a whole; a file with something else in it is not, and keeps that."""
    before = migrate(root)
    messages = git(root, "log", "--format=* %s%n%n%b", "--reverse", "--grep=Codemod")
    git(root, "reset", "--quiet", "--soft", git(root, "rev-list", "--max-parents=0", "HEAD").strip())
    if mixed:
        (root / F1).write_bytes((root / F1).read_bytes() + b"# ask Bob\n")
        before[F1] += b"# ask Bob\n"
    git(root, "commit", "--all", "--quiet", f"--message=Add a registry (#1)\n\n{messages}")
    found = report(root)
    if not mixed:
        assert (found["exit_code"], tree(root)) == (0, before)
        return
    pinned = before[F1].replace(b"plugin-docker-buildx", b"plugin-docker-buildx:5.2.2-insecure")
    assert tree(root) == before | {F1: pinned}
    assert [path for path, reason in reasons(found) if PINNED in reason] == [F1]


def test_a_squash_without_the_messages(root: Path) -> None:
    """What it looks like tells what is ours; the pinned images stay and are named, and the rest goes."""
    before = migrate(root)
    without_message(root)
    found = report(root)
    assert found["exit_code"] == 3
    assert {path for path, reason in reasons(found) if PINNED in reason} == {CLI, F1} == {p for p, _ in reasons(found)}
    assert any("no commit of apply-caching explains it" in note for note in found["notes"])
    now = tree(root)
    assert {path for path in before if now[path] != before[path]} == {
        CLI,
        F1,
        "modules/docker-registry/cleanup-tags.sh",
    }
    assert set(now) == set(before)
    commit_all(root)
    assert report(root)["changes"] == []


def test_a_renamed_file(root: Path) -> None:
    """The commits of a file are found under its former name."""
    before = migrate(root)
    git(root, "mv", F1, ".woodpecker/renamed.yml")
    git(root, "commit", "--quiet", "--message=rename")
    assert remove(root).code == 0
    assert tree(root) == {
        **{path: text for path, text in before.items() if path != F1},
        ".woodpecker/renamed.yml": before[F1],
    }


def test_a_merged_branch(root: Path) -> None:
    """Commits on a branch count once it is merged; what the other branch changed meanwhile stays."""
    git(root, "checkout", "--quiet", "-b", "migration")
    before = migrate(root)
    git(root, "checkout", "--quiet", "main")
    (root / COMPOSE).write_bytes(before[COMPOSE].replace(b"services:\n", b"# ours to run\nservices:\n"))
    commit_all(root)
    git(root, "merge", "--quiet", "--no-edit", "migration")
    assert b"registry-private" in (root / COMPOSE).read_bytes()
    assert remove(root).code == 0
    assert tree(root) == before | {COMPOSE: before[COMPOSE].replace(b"services:\n", b"# ours to run\nservices:\n")}


def test_line_ends_that_git_converts(root: Path) -> None:
    """Where git checks text out with CRLF, it is put back with CRLF."""
    git(root, "config", "core.autocrlf", "true")
    git(root, "rm", "--quiet", "-r", "--cached", ".")
    git(root, "reset", "--quiet", "--hard")
    before = migrate(root)
    assert b"\r\n" in before[COMPOSE]
    assert remove(root).code == 0
    assert tree(root) == before


def test_a_shallow_clone(root: Path, tmp_path: Path) -> None:
    """A commit whose parent is cut off has made nothing; the report says how to get the history."""
    before = migrate(root)
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{root}", str(clone))
    found = report(clone)
    assert any("`git fetch --unshallow`" in note for note in found["notes"])
    assert (clone / TERRAFORM).read_bytes() == before[TERRAFORM]
    assert found["exit_code"] == 3


def test_changes_beside_and_inside(root: Path) -> None:
    """What others wrote beside ours stays; in our service it is refused by name, and the stack stays as it is."""
    before = migrate(root)
    text = (root / COMPOSE).read_text()
    (root / COMPOSE).write_text(
        text.replace(
            "    container_name: registry-private\n", "    labels: [a=b]\n    container_name: registry-private\n"
        )
    )
    commit_all(root)
    found = report(root)
    assert reasons(found) == [(COMPOSE, "registry-private has what the recipe does not write: labels")]
    assert changed(root) == {CLI, F1}
    assert (root / CLI).read_bytes() == before[CLI]


# What waits, what is said


def test_a_pipeline_that_needs_the_registry_holds_the_stack_back(root: Path) -> None:
    """It is named; the other pipelines go ahead, and `--skip` takes the rest out all the same."""
    before = migrate(root)
    other = (root / F1).read_text().replace("      - viktorbarzin/f1-stream\n", "")
    (root / F1).write_text(other)
    commit_all(root)
    found = report(root)
    assert [path for path, reason in reasons(found) if "pushes to registry.viktorbarzin.lan:5050 only" in reason] == [
        F1
    ]
    assert any(note.startswith("held back: ") for note in found["notes"])
    assert changed(root) == {CLI}
    commit_all(root)
    assert report(root, "--skip", RULE)["refusals"] == []
    assert changed(root) == WHOLE_STACK
    assert (root / NGINX).read_bytes() == before[NGINX]


def test_an_unreadable_pipeline_of_others_holds_nothing_back(root: Path) -> None:
    """A file that does not name the registry is not even read."""
    migrate(root)
    (root / ".woodpecker/broken.yml").write_text("steps: [docker\n")
    commit_all(root)
    assert report(root)["exit_code"] == 0
    assert not (root / CONFIG).exists()


def test_only_and_paths(root: Path) -> None:
    """A rule stands for what it added; paths limit what is written."""
    migrate(root)
    assert report(root, "--only", "nginx-add-private-server")["exit_code"] == 0
    assert changed(root) == {NGINX}
    git(root, "reset", "--quiet", "--hard")
    assert report(root, ".woodpecker")["exit_code"] == 0
    assert changed(root) == {CLI, F1}


def test_diff_is_a_patch(root: Path) -> None:
    """`--diff` writes nothing, exits 1, and prints a patch that also deletes."""
    before = migrate(root)
    done = remove(root, "--diff")
    assert (done.code, changed(root)) == (1, set())
    subprocess.run(["git", "apply"], cwd=root, input=done.out.encode(), check=True)
    assert tree(root) == before


def test_uncommitted_changes(root: Path) -> None:
    """A dirty file of the stack is refused with all of the stack, unless it is allowed; then its changes stay."""
    before = migrate(root)
    (root / NGINX).write_bytes(b"# mine\n" + (root / NGINX).read_bytes())
    assert reasons(report(root)) == [(NGINX, "it has uncommitted changes")]
    assert changed(root) == {NGINX, CLI, F1}
    assert report(root, "--allow-dirty")["exit_code"] == 0
    assert tree(root) == before | {NGINX: b"# mine\n" + before[NGINX]}


@pytest.mark.parametrize("options", [("--commit", "--allow-dirty"), ("--commit", "--diff"), ("--only", "nginx")])
def test_usage(root: Path, options: tuple[str, ...]) -> None:
    """Options that exclude each other, and rules that there are not, are exit 2 and one line."""
    done = remove(root, *options)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)


def test_what_stays_is_said(root: Path) -> None:
    """The settings, the data and the name stay, and the steps are in the order that breaks nothing."""
    migrate(root)
    said = " ".join(remove(root).err.split())
    assert "codemod.toml stays, as you wrote it, and `codemod check` asks for the recipe: delete it" in said
    assert "/opt/registry/data/private: delete them by hand" in said
    assert "proven: apply-caching, run on the result, writes what was there, to the byte" in said
    steps = ("then commit", "push: until then", "`codemod sync-vm --prune`", "still has its address")
    assert sorted(steps, key=said.index) == list(steps)


def test_the_check_says_what_it_said_before(root: Path) -> None:
    """Right after the removal, committed or not; without settings it does not ask for the recipe any more."""

    def findings() -> list[Any]:
        return sorted(map(json.dumps, json.loads(codemod(root, "check", "--format", "json").out)["findings"]))

    before = findings()
    migrate(root)
    assert findings() != before
    remove(root)
    assert findings() == before
    (root / "codemod.toml").unlink()
    missing = {json.loads(finding)["rule"] for finding in before} & {rule.id for rule in RECIPE}
    assert missing and not missing & {json.loads(finding)["rule"] for finding in findings()}


def test_nothing_to_remove(root: Path) -> None:
    """A repository that was never migrated is left as it is."""
    done = remove(root)
    assert (done.code, done.out, changed(root)) == (0, "", set())


def test_a_changed_collector_stays(root: Path) -> None:
    """It is named, and the rest of the stack goes."""
    migrate(root)
    (root / COLLECTOR).write_text((root / COLLECTOR).read_text() + "# mine\n")
    commit_all(root)
    found = report(root)
    assert reasons(found) == [(COLLECTOR, "it is not the collector of this version, or has been changed")]
    assert (root / COLLECTOR).exists() and not (root / CONFIG).exists()


def test_several_registries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them go in one run, and every file is as it was."""
    from tests.test_several import repository

    identify(monkeypatch)
    root = repository("two-names", tmp_path)
    before = migrate(root)
    assert remove(root, "--commit").code == 0
    assert tree(root) == before
