"""The repository: which files there are, how they are read, and which have uncommitted changes."""

from __future__ import annotations

import os
import subprocess
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codemods.errors import CannotEdit, CodemodError, ParseError, SettingsError
from codemods.globs import Globs
from codemods.repository import SIZE_LIMIT, Repository, find_root
from tests.soak import EXAMPLES

if TYPE_CHECKING:
    from pathlib import Path


def git(directory: Path, *arguments: str) -> None:
    """Run git in a test repository, with an identity and no settings of the machine."""
    options = ["-c", "user.name=T", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"]
    options += ["-c", "protocol.file.allow=always"]
    subprocess.run(["git", *options, *arguments], cwd=directory, check=True, capture_output=True)


def write(root: Path, *paths: str, text: str = "x\n") -> None:
    """Write small files, with their directories."""
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A git repository with one commit."""
    top = tmp_path / "repository"
    top.mkdir()
    git(top, "init")
    write(top, "a.yml", "sub/b.yml", ".woodpecker/build.yml", ".woodpecker/deep/x.yaml", ".woodpecker.yml", "out.log")
    (top / ".gitignore").write_text("*.log\n")
    git(top, "add", ".")
    git(top, "commit", "-m", "first")
    return top


def test_files_of_git(root: Path) -> None:
    """Tracked and untracked files are listed, ignored and deleted ones are not."""
    write(root, "new.yml", "ignored.log", "sub/ü\n.yml")
    (root / "a.yml").unlink()
    assert Repository(root).files() == [
        ".gitignore",
        ".woodpecker.yml",
        ".woodpecker/build.yml",
        ".woodpecker/deep/x.yaml",
        "new.yml",
        "sub/b.yml",
        "sub/ü\n.yml",
    ]


def test_files_once_in_a_conflict(root: Path) -> None:
    """A file in conflict is listed once, though git has it three times."""
    git(root, "checkout", "-b", "other")
    write(root, "a.yml", text="other\n")
    git(root, "commit", "-am", "other")
    git(root, "checkout", "main")
    write(root, "a.yml", text="main\n")
    git(root, "commit", "-am", "main")
    with pytest.raises(subprocess.CalledProcessError):
        git(root, "merge", "other")
    assert Repository(root).files().count("a.yml") == 1


def test_files_without_git(tmp_path: Path) -> None:
    """Without git every file of the tree is listed, also one that a .gitignore names."""
    write(tmp_path, "a.yml", "sub/.hidden/b.yml", "out.log", ".gitignore", "nested/.git/config")
    (tmp_path / "link.yml").symlink_to("a.yml")
    (tmp_path / "linked").symlink_to("sub")
    os.mkfifo(tmp_path / "pipe.yml")
    assert Repository(tmp_path).files() == [".gitignore", "a.yml", "link.yml", "out.log", "sub/.hidden/b.yml"]


def test_files_without_the_git_program(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A repository on a machine without git is read as a tree."""
    monkeypatch.setenv("PATH", "")
    write(root, "ignored.log")
    assert "ignored.log" in Repository(root).files()
    assert not any(path.startswith(".git/") for path in Repository(root).files())
    assert Repository(root).dirty(["a.yml"]) == []
    assert find_root(root / "sub") == root / "sub"


def test_submodules_are_not_entered(root: Path, tmp_path: Path) -> None:
    """Files of a submodule, or of another repository inside, are not ours."""
    git(root, "submodule", "add", str(root), "module")
    write(root, "inner/c.yml")
    git(root / "inner", "init")
    files = Repository(root).files()
    assert ".gitmodules" in files
    assert not [path for path in files if path.startswith(("module", "inner"))]


def test_symlinked_directories_are_not_followed(root: Path) -> None:
    """A symlink to a directory is neither a file nor entered; one to a file is a file."""
    (root / "linked").symlink_to("sub")
    (root / "link.yml").symlink_to("sub/b.yml")
    files = Repository(root).files()
    assert "link.yml" in files
    assert not [path for path in files if path.startswith("linked")]


def test_leftovers_are_not_files(root: Path) -> None:
    """Temporary files of a run that was killed are not taken for files of the repository."""
    write(root, ".0123.new.codemod-tmp")
    assert not [path for path in Repository(root).files() if path.endswith("tmp")]


@pytest.mark.parametrize(
    ("exclude", "gone"),
    [
        (["sub"], {"sub/b.yml"}),
        (["sub/"], {"sub/b.yml"}),
        (["**/deep"], {".woodpecker/deep/x.yaml"}),
        (["*.yml"], {"a.yml", ".woodpecker.yml"}),
        (["**/*.yml"], {"a.yml", "sub/b.yml", ".woodpecker.yml", ".woodpecker/build.yml"}),
        (["b.yml", "ub"], set()),
    ],
)
def test_exclude(root: Path, exclude: list[str], gone: set[str]) -> None:
    """A glob excludes the files it matches and those below the directories it matches."""
    assert set(Repository(root).files()) - set(Repository(root, exclude).files()) == gone


def test_match(root: Path) -> None:
    """The default globs for pipelines find them at every depth."""
    found = Repository(root).match([".woodpecker.y*ml", ".woodpecker/**/*.y*ml"])
    assert found == [".woodpecker.yml", ".woodpecker/build.yml", ".woodpecker/deep/x.yaml"]


@pytest.mark.parametrize(
    ("glob", "yes", "no"),
    [
        ("*.yml", ["a.yml", ".yml", ".a.yml"], ["a/b.yml", "a.yaml", "a.yml2", "A.YML", "a.yml\n"]),
        ("a/*", ["a/b", "a/.b"], ["a", "a/b/c", "b/a/c"]),
        ("a/**", ["a/b", "a/b/c"], ["a", "ab", "b/a/c"]),
        ("**", ["a", "a/b"], []),
        ("**/a", ["a", "x/a", "x/y/a"], ["a/b", "xa", "x/ya"]),
        ("a/**/b", ["a/b", "a/x/b", "a/x/y/b"], ["a/xb", "ax/b", "a/b/c"]),
        ("a/**/b/**/c", ["a/b/c", "a/b/b/c", "a/x/b/y/c", "a/b/x/b/c"], ["a/c", "a/c/b", "a/b/c/d"]),
        ("./a/", ["a"], ["a/b"]),
        ("a**b", ["ab", "axb"], ["a/b"]),
        ("?.y[am]ml", ["a.ymml", "x.yaml"], ["/.yaml", "ab.yaml"]),
        ("[!a].yml", ["b.yml"], ["a.yml", "/.yml"]),
        ("a+(b).yml", ["a+(b).yml"], ["aab.yml"]),
        ("a[/]b", [], ["a/b"]),
        ("", [], ["a"]),
    ],
)
def test_globs(glob: str, yes: list[str], no: list[str]) -> None:
    """`*` and `?` stay in one segment, `**` is any number of directories, everything else is itself."""
    globs = Globs([glob])
    assert [path for path in yes if not globs.match(path)] == []
    assert [path for path in no if globs.match(path)] == []


def test_globs_are_never_slow() -> None:
    """A glob made to blow up is answered at once."""
    begun = time.monotonic()
    assert not Globs(["**/*a" * 40 + "/b"]).match("a/" * 500 + "c")
    assert not Globs(["*a" * 60 + "b"]).match("a" * 4000)
    assert time.monotonic() - begun < 1


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.lists(st.text("ab", min_size=1, max_size=3), min_size=1, max_size=5), st.data())
def test_globs_match_what_they_were_made_from(parts: list[str], data: st.DataObject) -> None:
    """A path whose segments are replaced by `*`, or left out for a `**`, is matched by the result."""
    start = data.draw(st.integers(0, len(parts) - 1))
    end = data.draw(st.integers(start, len(parts) - 1))
    star = data.draw(st.integers(0, len(parts) - 1))
    starred = [*parts[:star], "*", *parts[star + 1 :]]
    glob = "/".join([*starred[:start], "**", *starred[end:]])
    assert Globs([glob]).match("/".join(parts))
    assert not Globs([glob]).match("/".join([*parts[:-1], parts[-1] + "c"])) or starred[-1] == "*"


@pytest.mark.parametrize(
    ("data", "text", "bom"),
    [
        (b"", "", False),
        (b"a\r\nb\rc\n", "a\r\nb\rc\n", False),
        (b"\xef\xbb\xbfa: \xc3\xa9\r\n", "a: é\r\n", True),
        (b"\xef\xbb\xbf\xef\xbb\xbfa", "\ufeffa", True),
        (b"a\x0c\xe2\x80\xa8b", "a\x0c\u2028b", False),
    ],
)
def test_read(root: Path, data: bytes, text: str, bom: bool) -> None:
    """The text keeps its line ends and loses its BOM; encoding it gives the bytes back."""
    (root / "a.yml").write_bytes(data)
    document = Repository(root).read("a.yml")
    assert (document.text, document.bom, document.path, document.exists) == (text, bom, "a.yml", True)
    assert document.encode(document.text) == data


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.binary(max_size=40))
def test_read_gives_back_every_byte(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    """Every file is either refused by name or read without loss."""
    root = tmp_path_factory.getbasetemp()
    (root / "any").write_bytes(data)
    try:
        document = Repository(root).read("any")
    except ParseError:
        assert b"\0" in data or data.decode(errors="replace").encode() != data
    else:
        assert document.encode(document.text) == data


def refusal(root: Path, path: str) -> str:
    """The one line with which reading a file ends."""
    with pytest.raises((ParseError, CannotEdit)) as caught:
        Repository(root).read(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_unreadable(root: Path) -> None:
    """What is no text of UTF-8 is refused with the reason, and the place where there is one."""
    (root / "latin").write_bytes(b"\xef\xbb\xbfab\xe9cd")
    (root / "binary").write_bytes(b"ab\0\xff")
    os.mkfifo(root / "pipe")
    assert refusal(root, "latin") == "not UTF-8 (byte 0xe9 at offset 5)"
    assert refusal(root, "binary") == "a binary file (zero byte at offset 2)"
    assert refusal(root, "sub") == "cannot be read: Is a directory"
    assert refusal(root, "pipe") == "not a regular file"
    assert refusal(root, "none") == "cannot be read: No such file or directory"
    assert refusal(root, "a.yml/x") == "cannot be read: Not a directory"
    assert refusal(root, "x" * 300) == "cannot be read: File name too long"


def test_large_files_are_not_read(root: Path) -> None:
    """A file above the limit costs no memory; one at the limit is read."""
    with (root / "huge").open("wb") as file:
        file.truncate(50 * 2**30)
    assert refusal(root, "huge") == "larger than 5 MB"
    (root / "edge").write_bytes(b"a" * SIZE_LIMIT)
    assert len(Repository(root).read("edge").text) == SIZE_LIMIT


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_no_permission(root: Path) -> None:
    """A file that we may not read is refused."""
    (root / "a.yml").chmod(0)
    assert refusal(root, "a.yml") == "cannot be read: Permission denied"


def test_symlinks(root: Path) -> None:
    """A symlink inside the repository is read but not written; one that leaves it is neither."""
    (root / "in.yml").symlink_to("sub/b.yml")
    (root / "out.yml").symlink_to("/etc/hostname")
    (root / "linked").symlink_to("sub")
    (root / "up").symlink_to("..")
    (root / "loop.yml").symlink_to("loop.yml")
    (root / "gone.yml").symlink_to("nothing.yml")
    repository = Repository(root)
    assert repository.read("in.yml").text == "x\n"
    assert repository.read("linked/b.yml").text == "x\n"
    for path, reason in {
        "in.yml": "a symlink",
        "linked/b.yml": "stands behind the symlink linked",
        "linked/new.yml": "stands behind the symlink linked",
        "up/x": "stands behind the symlink up",
    }.items():
        with pytest.raises(CannotEdit) as caught:
            repository.check_writable(path)
        assert caught.value.reason == reason
    assert refusal(root, "out.yml") == "a symlink that leaves the repository"
    assert refusal(root, "up/x") == "a symlink that leaves the repository"
    assert refusal(root, "loop.yml") == "a symlink that leads nowhere"
    assert refusal(root, "gone.yml") == "cannot be read: No such file or directory"


@pytest.mark.parametrize("path", ["../a", "sub/../../a", "/etc/hostname", "a\0b"])
def test_paths_that_leave(root: Path, path: str) -> None:
    """A path out of the repository is neither read nor written, whether there is such a file or not."""
    assert refusal(root, path) == "lies outside the repository"
    with pytest.raises(CannotEdit, match="lies outside the repository"):
        Repository(root).check_writable(path)
    with pytest.raises(CannotEdit, match="lies outside the repository"):
        Repository(root).read_or_new(path)


def test_read_or_new(root: Path) -> None:
    """Where there is no file there is an empty document; what is there is read."""
    repository = Repository(root)
    document = repository.read_or_new("sub/new.yml")
    assert (document.path, document.text, document.exists) == ("sub/new.yml", "", False)
    assert repository.read_or_new("a.yml").exists
    (root / "gone.yml").symlink_to("nothing.yml")
    with pytest.raises(ParseError, match="No such file"):
        repository.read_or_new("gone.yml")


def test_root_through_a_symlink(root: Path, tmp_path: Path) -> None:
    """A repository reached through a symlink works like any other."""
    (tmp_path / "other").symlink_to(root)
    repository = Repository(tmp_path / "other")
    assert repository.read("a.yml").text == "x\n"
    assert find_root(tmp_path / "other" / "sub") == root


def test_find_root(root: Path, tmp_path: Path) -> None:
    """The root is git's working tree around the directory, or the directory itself."""
    assert find_root(root / "sub") == root
    plain = tmp_path / "plain"
    plain.mkdir()
    assert find_root(plain) == plain
    git(root, "worktree", "add", str(tmp_path / "tree"))
    assert find_root(tmp_path / "tree" / "sub") == tmp_path / "tree"
    assert "sub/b.yml" in Repository(tmp_path / "tree").files()
    with pytest.raises(SettingsError, match="is not a directory"):
        find_root(root / "a.yml")
    with pytest.raises(SettingsError, match="is not a directory"):
        find_root(root / "none")


def test_find_root_with_settings(root: Path, tmp_path: Path) -> None:
    """The nearest directory with a codemod.toml is the root, as far up as git's top and no further."""
    write(root, "sub/deep/x", "sub/codemod.toml")
    assert find_root(root / "sub" / "deep") == root / "sub"
    assert find_root(root / "sub") == root / "sub"
    assert find_root(root) == root
    (root / "sub/codemod.toml").unlink()
    write(tmp_path, "codemod.toml")
    assert find_root(root / "sub" / "deep") == root
    plain = tmp_path / "plain"
    plain.mkdir()
    assert find_root(plain) == plain


def test_root_below_gits_top(root: Path) -> None:
    """Files and dirtiness of a directory inside a working tree are its own, by their paths from there."""
    write(root, "sub/new.yml", "sub/ignored.log")
    repository = Repository(root / "sub")
    assert repository.files() == ["b.yml", "new.yml"]
    assert repository.dirty(["b.yml", "new.yml", "a.yml"]) == ["new.yml"]
    write(root, "sub/b.yml", "a.yml", text="y\n")
    assert repository.dirty(["b.yml", "a.yml"]) == ["b.yml"]


def test_root_that_git_ignores(root: Path) -> None:
    """A directory that the repository around it ignores is a plain tree."""
    write(root, "sub/x.log/a.yml", "sub/x.log/b/c.yml")
    assert Repository(root / "sub/x.log").files() == ["a.yml", "b/c.yml"]
    assert Repository(root / "sub/x.log").dirty(["a.yml"]) == []


def test_find_root_inside_git(root: Path) -> None:
    """A directory that git knows but that is no working tree is an error, not a plain tree."""
    with pytest.raises(CodemodError, match="must be run in a work tree"):
        find_root(root / ".git")


def test_variables_of_a_git_hook(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run from another repository's hook, we still look at the directory we were given."""
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git" / "index"))
    assert find_root(root / "sub") == root
    assert "a.yml" in Repository(root).files()
    assert Repository(root).dirty(["a.yml"]) == []


def test_dirty(root: Path) -> None:
    """Changed, staged, deleted, renamed and untracked files are dirty; others and ignored ones are not."""
    write(root, "a.yml", "sub/b.yml", "new dir/é.yml", "ignored.log", text="y\n")
    git(root, "add", "sub/b.yml")
    git(root, "mv", ".woodpecker.yml", "renamed.yml")
    (root / ".woodpecker/build.yml").unlink()
    paths = ["sub/b.yml", "a.yml", "new dir/é.yml", ".woodpecker.yml", "renamed.yml", ".woodpecker/build.yml"]
    clean = [".gitignore", ".woodpecker/deep/x.yaml", "ignored.log", "none"]
    assert Repository(root).dirty([*paths, *clean]) == paths


def test_dirty_before_the_first_commit(tmp_path: Path) -> None:
    """In a repository without a commit every file is dirty; without git none is."""
    write(tmp_path, "a.yml")
    assert Repository(tmp_path).dirty(["a.yml"]) == []
    git(tmp_path, "init")
    assert Repository(tmp_path).dirty(["a.yml"]) == ["a.yml"]


def test_files_after_a_write(root: Path) -> None:
    """A file that was just created is listed."""
    from codemods.replace import FileChange

    repository = Repository(root)
    assert "new.yml" not in repository.files()
    repository.write([FileChange("new.yml", None, b"x\n")])
    assert "new.yml" in repository.files()
