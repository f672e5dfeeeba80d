"""Replacing files: all of a group or none, whatever goes wrong in the middle."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from codemods.errors import CannotEdit
from codemods.replace import FileChange, WriteError, check_replaceable, replace_files

if TYPE_CHECKING:
    from collections.abc import Iterator


def tree(root: Path) -> dict[str, tuple[int, bytes]]:
    """Mode and bytes of every file, and the directories."""
    found = {}
    for path in sorted(root.rglob("*")):
        data = path.read_bytes() if path.is_file() else b""
        found[str(path.relative_to(root))] = (path.lstat().st_mode, data)
    return found


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A directory with three files of different permissions."""
    (tmp_path / "sub").mkdir()
    for number, (path, mode) in enumerate({"a": 0o644, "b.sh": 0o755, "sub/c": 0o600}.items()):
        (tmp_path / path).write_bytes(b"old %d\r\n" % number)
        (tmp_path / path).chmod(mode)
    return tmp_path


CHANGES = [
    FileChange("a", b"old 0\r\n", b"new 0\r\n"),
    FileChange("b.sh", b"old 1\r\n", b"new 1"),
    FileChange("sub/c", b"old 2\r\n", b""),
    FileChange("new/deep/d", None, b"made\n"),
    FileChange("e.sh", None, b"run\n", 0o777),
]


def failure(root: Path, changes: list[FileChange]) -> WriteError:
    """The error of a group that cannot be written; everything is as it was before."""
    before = tree(root)
    with pytest.raises(WriteError) as caught:
        replace_files(root, changes)
    assert tree(root) == before
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"{caught.value.path}: ")
    assert caught.value.exit_code == 3
    return caught.value


def test_all_are_written(root: Path) -> None:
    """Old files keep their permissions, new ones get theirs by the umask, and nothing else is left behind."""
    old = os.umask(0o027)
    try:
        replace_files(root, CHANGES)
    finally:
        os.umask(old)
    assert {path: (oct(mode & 0o777), data) for path, (mode, data) in tree(root).items()} == {
        "a": ("0o644", b"new 0\r\n"),
        "b.sh": ("0o755", b"new 1"),
        "e.sh": ("0o750", b"run\n"),
        "new": ("0o750", b""),
        "new/deep": ("0o750", b""),
        "new/deep/d": ("0o640", b"made\n"),
        "sub": ("0o755", b""),
        "sub/c": ("0o600", b""),
    }


def test_a_file_goes(root: Path) -> None:
    """Without new bytes the file is deleted, its directory stays, and nothing of ours is left."""
    before = tree(root)
    replace_files(root, [FileChange("sub/c", b"old 2\r\n", None), CHANGES[0]])
    assert (root / "a").read_bytes() == b"new 0\r\n"
    assert set(before) - set(tree(root)) == {"sub/c"}


def test_a_deleted_file_comes_back(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When a later file of the group fails, one that was deleted is there again, with its mode; so when it changed."""
    assert failure(root, [FileChange("a", b"other\n", None)]).reason == "changed while we worked"
    gone = FileChange("b.sh", b"old 1\r\n", None)

    def fail(self: Path, target: Path) -> Path:
        raise OSError(errno.EIO, "Input/output error")

    before = tree(root)
    with monkeypatch.context() as patch:
        real = Path.replace
        patch.setattr(Path, "replace", lambda self, to: fail(self, to) if ".new" in self.name else real(self, to))
        with pytest.raises(WriteError, match="a: cannot be written"):
            replace_files(root, [gone, CHANGES[0]])
    assert tree(root) == before


def test_nothing_to_write(root: Path) -> None:
    """An empty group is no error."""
    replace_files(root, [])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_owner_is_kept(root: Path) -> None:
    """Root does not take a file over by changing it."""
    os.chown(root / "a", 1234, 2345)
    (root / "a").chmod(0o664)
    replace_files(root, CHANGES[:1])
    status = (root / "a").stat()
    assert (status.st_uid, status.st_gid, status.st_mode & 0o777) == (1234, 2345, 0o664)


@pytest.mark.parametrize("last", [b"old 2\n", b"", b"old 2\r\nmore"])
def test_changed_meanwhile(root: Path, last: bytes) -> None:
    """When one file is no longer what was read, none is written."""
    (root / "sub/c").write_bytes(last)
    error = failure(root, CHANGES)
    assert str(error) == "sub/c: changed while we worked; run again"


def test_appeared_or_gone_meanwhile(root: Path) -> None:
    """A file that appeared where a new one belongs is kept, and one that is gone stays gone."""
    (root / "e.sh").write_bytes(b"theirs")
    assert failure(root, CHANGES).path == "e.sh"
    (root / "e.sh").unlink()
    (root / "a").unlink()
    assert str(failure(root, CHANGES)).startswith("a: cannot be written: No such file or directory")


def test_obstacles(root: Path) -> None:
    """Read-only files (for root too), directories, symlinks and paths that leave are refused, with what to do."""
    (root / "b.sh").chmod(0o555)
    (root / "link").symlink_to("a")
    (root / "linked").symlink_to("sub")
    (root / "gone").symlink_to("nothing")
    for path, reason in {
        "b.sh": "read-only",
        "sub": "not a regular file",
        "link": "a symlink",
        "gone": "a symlink",
        "linked/c": "stands behind the symlink linked",
        "a/new": "a is not a directory",
        "../x": "lies outside the repository",
        "/x": "lies outside the repository",
    }.items():
        with pytest.raises(CannotEdit) as caught:
            check_replaceable(root, path)
        assert caught.value.reason == reason
        assert caught.value.advice
        error = failure(root, [*CHANGES[:1], FileChange(path, b"x", b"y")])
        assert (error.path, error.reason, error.advice) == (path, reason, caught.value.advice)
    for path in ("a", "sub/new", "new/deep/d"):
        check_replaceable(root, path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_directory_without_permission(root: Path) -> None:
    """A directory in which we may not create files keeps the whole group back."""
    (root / "sub").chmod(0o555)
    assert str(failure(root, CHANGES)).startswith("sub/c: cannot be written: Permission denied")


CALLS = ("replace", "fsync", "open", "fchmod", "mkdir")


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("number", range(1, 12))
def test_every_call_may_fail(root: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int) -> None:
    """Whichever call of the system fails, and when, all files are new or all are old."""
    before = tree(root)
    real = getattr(os, call)
    count = 0

    def failing(*arguments: object, **options: object) -> object:
        nonlocal count
        count += 1
        if count == number:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, call, failing)
        try:
            replace_files(root, CHANGES)
        except WriteError as error:
            message = str(error)
        else:
            message = ""
    if count < number:
        assert message == ""
        assert (root / "a").read_bytes() == b"new 0\r\n"
    else:
        assert "Input/output error" in message
        assert tree(root) == before


def test_interrupt(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in the middle puts everything back, too."""
    before = tree(root)
    real = os.replace

    def interrupted(source: Path, target: Path) -> None:
        real(source, target)
        if str(target).endswith("b.sh") and "new" in str(source):
            raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        replace_files(root, CHANGES)
    assert tree(root) == before


def test_cannot_put_back(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When even putting back fails, the error says for which file and where its old text is."""
    real = os.replace

    def failing(source: Path, target: Path) -> None:
        if str(target).endswith("b.sh") or ".old." in str(source):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        real(source, target)

    monkeypatch.setattr(os, "replace", failing)
    with pytest.raises(WriteError) as caught:
        replace_files(root, CHANGES)
    message = str(caught.value)
    assert message.startswith("b.sh: cannot be written: Read-only file system; a could not be put back: Read-only")
    backup = message.split("its old text is in ")[1].split(" ")[0]
    assert (root / backup).read_bytes() == b"old 0\r\n"
    assert (root / "b.sh").read_bytes() == b"old 1\r\n"


def test_without_hard_links(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a file system without hard links the old files are copied, and still put back."""

    def refused(*arguments: object, **options: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refused)
    (root / "e.sh").write_bytes(b"theirs")
    failure(root, CHANGES)
    (root / "e.sh").unlink()
    replace_files(root, CHANGES)
    assert (root / "a").read_bytes() == b"new 0\r\n"


@contextmanager
def mounted(directory: Path, *options: str) -> Iterator[None]:
    """Something mounted at a place, by default a small file system in memory."""
    done = subprocess.run(["mount", *(options or TMPFS), directory], capture_output=True, text=True, check=False)
    if done.returncode:
        assert not os.environ.get("CI"), done.stderr
        pytest.skip("mounting is not allowed here")
    try:
        yield
    finally:
        subprocess.run(["umount", directory], check=True)


TMPFS = ("-t", "tmpfs", "tmpfs")


def test_full_disk(tmp_path: Path) -> None:
    """On a disk that is full nothing is written, and what was there is whole."""
    with mounted(tmp_path, "-o", "size=64k", *TMPFS):
        (tmp_path / "a").write_bytes(b"a" * 20000)
        (tmp_path / "b").write_bytes(b"b" * 20000)
        changes = [FileChange("a", b"a" * 20000, b"A" * 8000), FileChange("b", b"b" * 20000, b"B" * 40000)]
        error = failure(tmp_path, [*changes, FileChange("new/c", None, b"c")])
        assert str(error) == "b: cannot be written: No space left on device; nothing of this file's group was written"


def test_no_inode_left(tmp_path: Path) -> None:
    """When there is room for bytes but for no further file, nothing is written."""
    with mounted(tmp_path, "-o", "size=1m,nr_inodes=4", *TMPFS):
        (tmp_path / "a").write_bytes(b"a")
        (tmp_path / "b").write_bytes(b"b")
        error = failure(tmp_path, [FileChange("a", b"a", b"A"), FileChange("b", b"b", b"B")])
        assert "No space left on device" in str(error)


def test_read_only_file_system(tmp_path: Path) -> None:
    """A read-only file system is named as the reason."""
    with mounted(tmp_path):
        (tmp_path / "a").write_bytes(b"a")
        subprocess.run(["mount", "-o", "remount,ro", tmp_path], check=True)
        assert "read-only" in str(failure(tmp_path, [FileChange("a", b"a", b"A")]))
        assert "Read-only file system" in str(failure(tmp_path, [FileChange("new", None, b"A")]))


def test_rename_that_fails(root: Path) -> None:
    """A file that cannot be replaced because something is mounted on it puts the files before it back."""
    target = root / "sub/c"
    with mounted(target, "--bind", str(target)):
        error = failure(root, CHANGES)
    assert str(error).startswith("sub/c: cannot be written: Device or resource busy")


WRITER = """
import sys
from pathlib import Path
from codemods.replace import FileChange, replace_files
root = Path(sys.argv[1])
versions = [b"x" * 200_000, b"y" * 300_000]
print("ready", flush=True)
for turn in range(100_000):
    old, new = versions[turn % 2], versions[(turn + 1) % 2]
    replace_files(root, [FileChange(str(number), old, new) for number in range(3)])
"""


def test_kill(tmp_path: Path) -> None:
    """Killed at any moment, every file is wholly old or wholly new."""
    versions = {b"x" * 200_000, b"y" * 300_000}
    for attempt in range(12):
        for number in range(3):
            (tmp_path / str(number)).write_bytes(b"x" * 200_000)
        command = [sys.executable, "-c", WRITER, str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parent.parent) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"ready\n"
            time.sleep(0.003 + 0.007 * attempt)
            writer.send_signal(signal.SIGKILL)
        assert writer.returncode == -signal.SIGKILL
        for number in range(3):
            assert (tmp_path / str(number)).read_bytes() in versions
