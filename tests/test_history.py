"""What commits did to files, and taking one change out of a text that others have changed since."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codemods.caching.removal.merge import line_edits, take_back
from codemods.engine.edits import apply_edits
from codemods.history import History, read_history
from codemods.repository import Document
from tests.command import git, write
from tests.soak import EXAMPLES

TRAILER = "Codemod: apply-caching"


def commit(root: Path, files: dict[str, str], message: str) -> str:
    """Write files and commit them; returns the commit's id."""
    write(root, files)
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", message)
    return git(root, "rev-parse", "HEAD").strip()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    commit(tmp_path, {"sub/a": "1\n", "sub/b": "x\n"}, "first")
    return tmp_path


def texts(root: Path, path: str, now: str = "") -> list[tuple[str | None, str]]:
    versions = read_history(root, TRAILER).of(Document(path, now))
    return [(before, after) for _, before, after in versions]


def test_the_changes_of_signed_commits(root: Path) -> None:
    """Newest first, with what stood before; commits without the line, and lines inside of a line, do not count."""
    commit(root, {"sub/a": "2\n", "sub/new": "n\n"}, f"two\n\n{TRAILER} some-rule")
    commit(root, {"sub/a": "3\n"}, f"three\n\nnot {TRAILER} some-rule")
    commit(root, {"sub/a": "4\n"}, f"four\n\n{TRAILER} some-rule\nSigned-off-by: somebody")
    assert texts(root, "sub/a") == [("3\n", "4\n"), ("1\n", "2\n")]
    assert texts(root, "sub/new") == [(None, "n\n")]
    assert texts(root, "sub/b") == []
    assert texts(root / "sub", "a") == texts(root, "sub/a")


def test_line_ends_are_those_of_today(root: Path) -> None:
    """Git may have stored others; a text of both kinds is left as it is."""
    commit(root, {"sub/a": "2\n"}, f"two\n\n{TRAILER} some-rule")
    assert texts(root, "sub/a", "3\r\n") == [("1\r\n", "2\r\n")]
    assert texts(root, "sub/a", "3\r\n4\n") == [("1\n", "2\n")]


def test_what_is_no_text_is_not_known(root: Path) -> None:
    """A file that a filter has locked, and a link, have no text to take back."""
    (root / "sub/b").write_bytes(b"\0GITCRYPT\0")
    (root / "link").symlink_to("sub/a")
    commit(root, {}, f"two\n\n{TRAILER} some-rule")
    assert texts(root, "sub/b") == texts(root, "link") == []


def test_without_git(tmp_path: Path) -> None:
    """No repository, and one without a commit, have no history."""
    assert read_history(tmp_path, TRAILER) == History()
    git(tmp_path, "init", "--quiet")
    assert read_history(tmp_path, TRAILER) == History()


def test_the_end_of_a_shallow_clone(root: Path, tmp_path: Path) -> None:
    """What a commit made cannot be told when its parent is not there."""
    commit(root, {"sub/a": "2\n"}, f"two\n\n{TRAILER} some-rule")
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{root}", "clone")
    history = read_history(tmp_path / "clone", TRAILER)
    assert (dict(history.versions), history.is_cut) == ({}, True)


@pytest.mark.parametrize(
    ("now", "wanted"),
    [
        ("a\nOURS\nb\n", "a\nb\n"),
        ("a\nb\n", "a\nb\n"),
        ("0\na\nOURS\nb\n", "0\na\nb\n"),
        ("a\n0\nOURS\nb\n", "a\n0\nb\n"),
        ("a\nOURS\n0\nb\n", "a\n0\nb\n"),
        ("a\nOURS too\nb\n", None),
        ("a\nb", None),
    ],
)
def test_one_change_is_taken_back(now: str, wanted: str | None) -> None:
    """Lines beside it stay, what was taken back before is no matter; a change of the same line is not guessed."""
    assert take_back(now, "a\nb\n", "a\nOURS\nb\n") == wanted


LINES = st.lists(st.sampled_from("abcdef"), max_size=8).map(lambda lines: "".join(f"{line}\n" for line in lines))


@settings(max_examples=EXAMPLES, deadline=None)
@given(LINES, LINES, st.lists(st.integers(0, 8), max_size=3))
def test_others_lines_stay(before: str, after: str, places: list[int]) -> None:
    """Lines that others have put into the text are there afterwards, and without any it is what it was before."""
    assert take_back(after, before, after) == before
    lines = after.splitlines(keepends=True)
    for number, place in enumerate(places):
        lines.insert(min(place, len(lines)), f"theirs {number}\n")
    result = take_back("".join(lines), before, after)
    if result is not None:
        assert [line for line in result.splitlines() if not line.startswith("theirs")] == before.splitlines()
        assert result.count("theirs") == len(places)


@settings(max_examples=EXAMPLES, deadline=None)
@given(LINES, LINES)
def test_edits_by_lines(old: str, new: str) -> None:
    """They make the one text of the other."""
    assert apply_edits(old, line_edits(old, new)) == new
