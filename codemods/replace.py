"""Putting new bytes in the place of files, or taking files away: all of a group or none."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from codemods.errors import CannotEdit, CodemodError
from codemods.repository import TEMPORARY_SUFFIX

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@dataclass(frozen=True)
class FileChange:
    """`old` are the bytes that were read, None for a file to be created; `mode` is for that one, before the umask.

    `new` is None for a file that goes.
    """

    path: str
    old: bytes | None
    new: bytes | None
    mode: int = 0o666


class WriteError(CodemodError):
    """Why a group of files was not written; the files are as they were, unless the reason says otherwise."""

    def __init__(self, path: str, reason: str, advice: str = "nothing of this file's group was written") -> None:
        super().__init__(f"{path}: {reason}; {advice}")
        self.path = path
        self.reason = reason
        self.advice = advice


def check_replaceable(root: Path, path: str) -> None:
    """Raise CannotEdit when the file at `path`, or a directory above it, is not ours to replace or create."""
    if ".." in Path(path).parts or Path(path).is_absolute() or "\0" in path:
        raise CannotEdit("lies outside the repository", "give a path inside the repository")
    target = root / path
    for parent in reversed(Path(path).parents[:-1]):
        if (root / parent).is_symlink():
            raise CannotEdit(f"stands behind the symlink {parent}", "name the file by its own path")
        if os.path.lexists(root / parent) and not (root / parent).is_dir():
            raise CannotEdit(f"{parent} is not a directory", "move that file away")
    if not os.path.lexists(target):
        return
    mode = target.lstat().st_mode
    if stat.S_ISLNK(mode):
        raise CannotEdit("a symlink", "name the file that it leads to")
    if not stat.S_ISREG(mode):
        raise CannotEdit("not a regular file", "move it away")
    # Root may write anything; a file without write bits was still meant to stay as it is.
    if not mode & 0o222 or not os.access(target, os.W_OK):
        raise CannotEdit("read-only", f"make it writable: chmod u+w {path}")


def replace_files(root: Path, changes: Sequence[FileChange]) -> None:
    """Write all changes, or leave every file as it was and raise WriteError.

    Each file is at all times, also when we are killed, either the old or the new one; permissions and owner are kept.
    """
    replacements: list[_Replacement] = []
    try:
        for change in changes:
            replacements.append(_Replacement(root, change))
            replacements[-1].prepare()
        for replacement in replacements:
            replacement.check_unchanged()
        for replacement in replacements:
            replacement.swap()
        for replacement in replacements:
            replacement.settle()
    except BaseException as error:
        lost = [message for replacement in reversed(replacements) if (message := replacement.undo())]
        if lost and isinstance(error, WriteError):
            raise WriteError(error.path, error.reason, "; ".join(lost)) from error
        raise
    for replacement in replacements:
        replacement.clean()


class _Replacement:
    """One file on its way: `temporary` holds the new bytes, `backup` the old file under a second name."""

    def __init__(self, root: Path, change: FileChange) -> None:
        self.root = root
        self.change = change
        self.target = root / change.path
        prefix = f".{os.urandom(6).hex()}"
        self.temporary = self.target.with_name(f"{prefix}.new{TEMPORARY_SUFFIX}")
        self.backup = self.target.with_name(f"{prefix}.old{TEMPORARY_SUFFIX}")
        self.directories: list[Path] = []
        self.inode = 0
        self.gone = False

    def prepare(self) -> None:
        """Do everything that needs disk space: after this only names change."""
        try:
            check_replaceable(self.root, self.change.path)
        except CannotEdit as error:
            raise WriteError(self.change.path, error.reason, error.advice) from error
        with self._naming_errors():
            self._make_directories()
            status = None if self.change.old is None else self.target.stat()
            if self.change.new is not None:
                self._write_temporary(self.change.new, status)
            if status:
                self._back_up()

    def _make_directories(self) -> None:
        for parent in reversed(self.target.parents):
            if not parent.exists():
                parent.mkdir()
                self.directories.append(parent)

    def _write_temporary(self, content: bytes, status: os.stat_result | None) -> None:
        mode = self.change.mode if status is None else 0o600
        handle = os.open(self.temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            if status:
                with suppress(PermissionError):
                    os.fchown(handle, status.st_uid, status.st_gid)
                os.fchmod(handle, stat.S_IMODE(status.st_mode))
            os.fsync(handle)
            self.inode = os.fstat(handle).st_ino

    def _back_up(self) -> None:
        try:
            # A second name costs no space, so putting the old file back works on a full disk too.
            self.backup.hardlink_to(self.target)
        except OSError:
            from shutil import copy2

            copy2(self.target, self.backup)

    def check_unchanged(self) -> None:
        """Refuse when someone else has written the file since it was read."""
        with self._naming_errors():
            if self.change.old is None:
                same = not os.path.lexists(self.target)
            else:
                same = self.target.read_bytes() == self.change.old
        if not same:
            raise WriteError(self.change.path, "changed while we worked", "run again")

    def swap(self) -> None:
        """Let the new file take the name, or nothing."""
        with self._naming_errors():
            if self.change.new is None:
                self.gone = True
                self.target.unlink()
            else:
                self.temporary.replace(self.target)

    def settle(self) -> None:
        """Make the new name survive a crash of the machine."""
        with self._naming_errors():
            handle = os.open(self.target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)

    def undo(self) -> str:
        """Put the old file back and leave nothing behind; the result says what could not be put back."""
        try:
            if os.path.lexists(self.target) and self.target.lstat().st_ino == self.inode:
                if self.change.old is None:
                    self.target.unlink()
                else:
                    self.backup.replace(self.target)
            elif self.gone and not os.path.lexists(self.target):
                self.backup.replace(self.target)
        except OSError as error:
            where = "" if self.change.old is None else f" (its old text is in {self.backup.name} beside it)"
            return f"{self.change.path} could not be put back: {error.strerror}{where}"
        self.clean()
        for directory in reversed(self.directories):
            with suppress(OSError):
                directory.rmdir()
        return ""

    def clean(self) -> None:
        """Remove our own files."""
        for leftover in (self.temporary, self.backup):
            with suppress(OSError):
                leftover.unlink(missing_ok=True)

    @contextmanager
    def _naming_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise WriteError(self.change.path, f"cannot be written: {error.strerror}") from error
