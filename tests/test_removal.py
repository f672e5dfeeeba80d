"""`remove-caching` after `apply-caching`: with its commits the original bytes, without them nothing of ours."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from functools import cache
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codemods.formats.yaml import parse
from tests.command import EXAMPLE, changed, codemod, commit_all, git
from tests.soak import EXAMPLES
from tests.test_cases import DIRECTORIES, read_case, read_tree
from tests.test_production import HTTPS, LOGINS, sets

STATES = {
    "as-written": ("profile=as-written",),
    "http": (),
    "https": HTTPS,
    "https with logins": (*HTTPS, *LOGINS),
}
OWN = ("registry.scheme", "registry.auth", "profile")


@pytest.fixture(autouse=True)
def _identity(monkeypatch: pytest.MonkeyPatch) -> None:
    identify(monkeypatch)


def identify(monkeypatch: pytest.MonkeyPatch) -> None:
    for who, what in product(("AUTHOR", "COMMITTER"), ("NAME", "EMAIL")):
        monkeypatch.setenv(f"GIT_{who}_{what}", "t@example.org")


def run(root: Path, values: tuple[str, ...], *arguments: str) -> tuple[int, dict[str, Any]]:
    """Exit code and JSON report of a command under settings."""
    done = codemod(root, *sets(values), *arguments, "--format", "json")
    assert done.out, done.err
    report: dict[str, Any] = json.loads(done.out)
    assert report["exit_code"] == done.code
    return done.code, report


def tree(root: Path) -> dict[str, bytes]:
    """All files, git's own aside."""
    return {path: content for path, content in read_tree(root).items() if not path.startswith(".git/")}


@cache
def migrating() -> list[tuple[Path, tuple[str, ...]]]:
    """Every repository of the recipe's cases that a run changes, with the settings of its case; and the example."""
    found: list[tuple[Path, tuple[str, ...]]] = [(EXAMPLE, ())]
    for directory in DIRECTORIES:
        case = read_case(directory)
        own = tuple(value for value in case.get("set", []) if not value.startswith(OWN))
        if read_tree(directory / "after"):
            found.append((directory / "before", own))
    return found


def copied(source: Path, place: str) -> Path:
    root = Path(place) / "repository"
    shutil.copytree(source, root, ignore=shutil.ignore_patterns(".terraform*"))
    commit_all(root)
    return root


@settings(max_examples=max(EXAMPLES // 8, 25), deadline=None)
@given(st.data(), st.sampled_from(sorted(STATES)))
def test_commits_are_taken_back_to_the_byte(data: st.DataObject, state: str) -> None:
    """After `apply-caching --commit`, `remove-caching --commit` leaves every file as it was before, and nothing to do.

    A repository that had parts of the recipe before loses these, too: as if it had only been removed.
    """
    source, own = data.draw(st.sampled_from(migrating()))
    values = (*own, *STATES[state])
    with TemporaryDirectory() as place, pytest.MonkeyPatch.context() as patch:
        identify(patch)
        root = copied(source, place)
        run(root, values, "remove-caching", "--commit")
        wanted = tree(root)
        git(root, "reset", "--quiet", "--hard", git(root, "rev-list", "--max-parents=0", "HEAD").strip())
        run(root, values, "apply-caching", "--commit")
        migrated = tree(root)
        report = run(root, values, "remove-caching", "--commit")[1]
        result = tree(root)
        refused = {entry["path"] for entry in report["refusals"]}
        held_back = any(note.startswith("held back: ") for note in report["notes"])
        for path in {*wanted, *result} - refused:
            assert result.get(path) in (wanted.get(path), migrated.get(path) if held_back else wanted.get(path)), path
        assert all(result[path] in (wanted[path], migrated[path]) for path in refused)
        assert bool(refused) == (report["exit_code"] == 3)
        again = run(root, values, "remove-caching")[1]
        assert (again["changes"], tree(root), changed(root)) == ([], result, set())


def unique_lines(*texts: bytes) -> list[bytes]:
    """Lines that stand once in each of the texts, and are no blank ones."""
    counts = [Counter(text.split(b"\n")[:-1]) for text in texts]
    return [line for line in counts[0] if line.strip() and all(count[line] == 1 for count in counts)]


def with_remarks(text: bytes, lines: list[bytes]) -> bytes:
    """The text with a remark of somebody else's below each of these lines."""
    result = []
    for line in text.split(b"\n"):
        result.append(line)
        if line in lines:
            margin = line[: len(line) - len(line.lstrip())]
            result.append(margin + b"# theirs" + b"\r" * line.endswith(b"\r"))
    return b"\n".join(result)


@settings(max_examples=max(EXAMPLES // 8, 25), deadline=None)
@given(st.data(), st.sampled_from(sorted(STATES)), st.booleans())
def test_what_others_wrote_since_stays(data: st.DataObject, state: str, known: bool) -> None:
    """Remarks put into the migrated files stay where they are, and ours goes, with and without the commits."""
    source, own = data.draw(st.sampled_from(migrating()))
    values = (*own, *STATES[state])
    with TemporaryDirectory() as place, pytest.MonkeyPatch.context() as patch:
        identify(patch)
        root = copied(source, place)
        before = tree(root)
        run(root, values, "apply-caching", *(["--commit"] if known else []))
        migrated, wanted, edited = tree(root), {}, {}
        for path, text in migrated.items():
            both = unique_lines(text, before.get(path, b""))
            lines = data.draw(st.lists(st.sampled_from(both), max_size=3, unique=True)) if both else []
            edited[path], wanted[path] = with_remarks(text, lines), with_remarks(before.get(path, b""), lines)
            (root / path).write_bytes(edited[path])
        commit_all(root)
        report = run(root, values, "remove-caching")[1]
        result = tree(root)
        for path in (path for path in before if not names_us(before[path])):
            assert result[path].count(b"# theirs") == edited[path].count(b"# theirs"), path
            if known and not report["refusals"]:
                assert result[path] == wanted[path], path


def names_us(text: bytes) -> bool:
    """Whether a file has parts of the recipe."""
    return any(name in text for name in (b"registry-private", b"config-private", b":5050", b"last_pushed"))


PINNED = re.compile(rb"(plugin-docker-buildx)(?::[\w.-]+)?")


def comparable(files: dict[str, bytes]) -> dict[str, object]:
    """The files without the plugin's versions and without blank lines, of which one may stay in a script.

    Pipelines as data: a list of one element became a scalar, and a list again in another place of the line.
    """
    plain = {path: re.sub(rb"\n\s*\n", b"\n", PINNED.sub(rb"\1", content)) for path, content in files.items()}
    return {path: parse(text.decode()).data if ".woodpecker" in path else text for path, text in plain.items()}


@settings(max_examples=max(EXAMPLES // 8, 25), deadline=None)
@given(st.data(), st.sampled_from(sorted(STATES)))
def test_without_commits_nothing_of_ours_is_left(data: st.DataObject, state: str) -> None:
    """All that is recognised goes, and nothing else: `apply-caching` makes the same files of what is left."""
    source, own = data.draw(st.sampled_from(migrating()))
    values = (*own, *STATES[state])
    with TemporaryDirectory() as place:
        root = copied(source, place)
        before = tree(root)
        first = run(root, values, "apply-caching")[1]
        migrated = tree(root)
        commit_all(root)
        report = run(root, values, "remove-caching", "--allow-dirty")[1]
        result = tree(root)
        kept = {entry["path"] for entry in report["refusals"]}
        unpinned = {path for path in kept if result[path] != migrated[path]}
        assert all("may have been pinned" in e["reason"] for e in report["refusals"] if e["path"] in unpinned)
        for path in {change["path"] for change in first["changes"]} - (kept - unpinned):
            assert path in before or path not in result or path in kept, path
            if path in result and not names_us(before[path]):
                assert not names_us(result[path]), path
        if not any(map(names_us, before.values())):
            run(root, values, "apply-caching", "--allow-dirty")
            assert comparable(tree(root)) == comparable(migrated)
