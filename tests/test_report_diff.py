"""Diffs of one file: git applies them, readers understand them, and large files take no time."""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codemods.engine.report.diff import unified_diff
from tests.soak import EXAMPLES

if TYPE_CHECKING:
    from pathlib import Path


def git_apply(directory: Path, path: str, diff: str, old: str | None) -> bytes | None:
    """What git makes of `old` with this diff; None when the file is gone."""
    file = directory / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    if old is not None:
        file.write_bytes(old.encode())
    command = ["git", "-c", "core.autocrlf=false", "apply", "--whitespace=nowarn", "-"]
    done = subprocess.run(command, input=diff.encode(), cwd=directory, capture_output=True, check=False)
    assert done.returncode == 0, (done.stderr.decode(), diff)
    return file.read_bytes() if file.exists() else None


FEW_LINES = st.lists(
    st.sampled_from(["a", "b", "  a", "", "}", "-- x", "++ y", "ä😀", "\tq ", "a\rb", "\ufeffv", "@@ -1 +1 @@", "\\"]),
    max_size=12,
)
TEXTS = st.builds(
    lambda lines, ends, final: "".join(map("".join, zip(lines, ends, strict=False))) + final,
    FEW_LINES,
    st.lists(st.sampled_from(["\n", "\r\n"]), min_size=12, max_size=12),
    st.sampled_from(["", "", "z", "z\r"]),
)


@given(old=TEXTS, new=TEXTS)
@settings(max_examples=EXAMPLES, deadline=None)
def test_git_applies_every_diff(old: str, new: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """git turns the old bytes into the new ones, whatever the line ends and the end of the file."""
    if old == new:
        assert unified_diff("f", old, new) == ""
        return
    assert git_apply(tmp_path_factory.getbasetemp(), "f", unified_diff("f", old, new), old) == new.encode()


@pytest.mark.parametrize(
    "path",
    ["a b.yml", " x", 'q"uote.yml', "back\\slash", "tab\there", "ünï/ço dé.yml", "new\nline", "b/a b/x", "x\x7f"],
)
@pytest.mark.parametrize(
    ("old", "new"), [("a\n", "b\n"), (None, "b\n"), ("a\n", None), (None, ""), ("", None), ("", "b")]
)
def test_git_finds_every_path(tmp_path: Path, path: str, old: str | None, new: str | None) -> None:
    """Paths with spaces, quotes and non-ASCII letters are changed, created and deleted, also when empty."""
    diff = unified_diff(path, old or "", new or "", old is not None, new is not None)
    assert git_apply(tmp_path, path, diff, old) == (None if new is None else new.encode())


def test_a_diff_shows_three_lines_around_a_change() -> None:
    """The header and hunk are the ones that git writes."""
    old = "".join(f"{number}\n" for number in range(1, 11))
    assert unified_diff("d/f.yml", old, old.replace("5\n", "five\n")) == (
        "diff --git a/d/f.yml b/d/f.yml\n--- a/d/f.yml\n+++ b/d/f.yml\n"
        "@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n"
    )


def test_a_name_with_a_space_ends_with_a_tab() -> None:
    """Or other tools than git take what follows the space for a time stamp."""
    assert "\n--- a/a b\t\n+++ b/a b\t\n" in unified_diff("a b", "1\n", "2\n")


def test_changes_share_a_hunk_when_their_context_touches() -> None:
    """Six lines between two changes are shown once, of seven one is left out."""
    for between, hunks in ((6, 1), (7, 2)):
        lines = [f"{number}\n" for number in range(between + 2)]
        assert unified_diff("f", "".join(lines), "".join(["x\n", *lines[1:-1], "y\n"])).count("\n@@ ") == hunks


def test_a_missing_final_newline_is_told() -> None:
    """Both sides say so when both lack it."""
    assert unified_diff("f", "a", "b").endswith(
        "@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+b\n\\ No newline at end of file\n"
    )


def test_an_added_block_is_shown_as_a_reader_sees_it() -> None:
    """Of the places that mean the same, the one with the least indented first line is taken."""
    old = "depends_on:\n  one:\n    condition: ok\nnext: 1\n"
    new = "depends_on:\n  one:\n    condition: ok\n  two:\n    condition: ok\nnext: 1\n"
    assert "\n+  two:\n+    condition: ok\n next" in unified_diff("f", old, new)
    old = "- a:\n    x\n- a:\ny\n"
    assert "\n+- a:\n+    x\n - a:\n y" in unified_diff("f", old, "- a:\n    x\n" + old)
    nginx = "    server {\n        listen 1;\n    }\n"
    blocks = f"http {{\n{nginx}{nginx.replace('1', '2')}}}\n"
    added = blocks[:-2] + "\n    # third\n" + nginx.replace("1", "3") + "}\n"
    assert "\n+\n+    # third\n+    server {\n+        listen 3;\n+    }\n }\n" in unified_diff("f", blocks, added)


def test_far_apart_changes_of_a_large_file_are_found_quickly() -> None:
    """A hundred thousand lines between two changes cost no more than reading them."""
    lines = [f"step {number // 2}\n" if number % 3 else "}\n" for number in range(100_000)]
    new = ["first\n", *lines[:50_000], "middle\n", *lines[50_000:-1], "last\n"]
    started = time.process_time()
    diff = unified_diff("f", "".join(lines), "".join(new))
    assert time.process_time() - started < 5
    assert [line for line in diff.splitlines()[3:] if line[0] in "+-"] == [
        "+first",
        "+middle",
        f"-{lines[-1][:-1]}",
        "+last",
    ]


def test_a_region_without_a_unique_line_is_shown_as_replaced(tmp_path: Path) -> None:
    """Nothing quadratic is tried on thousands of lines that all look alike, and the diff is still right."""
    old, new = "a\nb\n" * 5_000, "b\na\na\n" * 5_000
    started = time.process_time()
    diff = unified_diff("f", old, new)
    assert time.process_time() - started < 2
    assert git_apply(tmp_path, "f", diff, old) == new.encode()
