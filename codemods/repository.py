"""The user's files: which there are, their text, and putting new text in their place."""

from __future__ import annotations

import os
import stat
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, TypeVar

from codemods.errors import CannotEdit, CodemodError, ParseError, SettingsError
from codemods.globs import Globs

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from codemods.formats.hcl import HclFile
    from codemods.formats.nginx import NginxFile
    from codemods.formats.python import PythonFile
    from codemods.formats.yaml import YamlFile
    from codemods.replace import FileChange


T = TypeVar("T")

SIZE_LIMIT = 5 * 1024 * 1024
"""Bytes; a larger file is no configuration, and is not even read."""

TEMPORARY_SUFFIX = ".codemod-tmp"
"""End of the names of our own files beside those being replaced; a run that was killed leaves them behind."""

GIT_LOCAL_VARIABLES = frozenset(
    {
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_COMMON_DIR",
        "GIT_DIR",
        "GIT_INDEX_FILE",
        "GIT_NAMESPACE",
        "GIT_OBJECT_DIRECTORY",
        "GIT_PREFIX",
        "GIT_WORK_TREE",
    }
)
"""Variables that git sets for its hooks and that would override where we look."""

_BOM = b"\xef\xbb\xbf"


class NoRepository(CodemodError):
    """A directory that git knows nothing of."""


class Document:
    """One file: `path` is relative to the repository, with `/`; `text` has no BOM and its own line ends.

    `exists` is False for a file that a rule may create; its text is then empty.
    The readings are made once, when first asked for; each raises ParseError.
    """

    __slots__ = ("_readings", "bom", "exists", "path", "text")

    def __init__(self, path: str, text: str, bom: bool = False, exists: bool = True) -> None:
        self.path = path
        self.text = text
        self.bom = bom
        self.exists = exists
        self._readings: dict[object, Any] = {}

    def read_with(self, parse: Callable[[str], T], by: Callable[[str], T] | None = None) -> T:
        """What `parse`, or `by` in its place, makes of the text, made once. Raises its ParseError each time."""
        if parse not in self._readings:
            try:
                self._readings[parse] = (by or parse)(self.text)
            except ParseError as error:
                self._readings[parse] = error
        found: T | ParseError = self._readings[parse]
        if isinstance(found, ParseError):
            raise found
        return found

    def encode(self, text: str) -> bytes:
        """The bytes of the file when it holds `text`."""
        return (_BOM if self.bom else b"") + text.encode()

    @property
    def yaml(self) -> YamlFile:
        from codemods.formats.yaml import parse

        return self.read_with(parse)

    @property
    def hcl(self) -> HclFile:
        from codemods.formats.hcl import parse

        return self.read_with(parse)

    @property
    def nginx(self) -> NginxFile:
        from codemods.formats.nginx import parse

        return self.read_with(parse)

    @property
    def python(self) -> PythonFile:
        from codemods.formats.python import parse

        return self.read_with(parse)


def find_root(directory: Path) -> Path:
    """The nearest directory upwards that has a codemod.toml, as far as the top of git's working tree; else that top.

    Without git the directory itself. Raises SettingsError when it is no directory, CodemodError when git refuses to
    look at it.
    """
    from codemods.settings import SETTINGS_FILE

    if not directory.is_dir():
        raise SettingsError(f"{directory} is not a directory: give the repository with -C DIR")
    directory = directory.resolve()
    try:
        top = Path(os.fsdecode(git(directory, "rev-parse", "--show-toplevel").removesuffix(b"\n")))
    except (FileNotFoundError, NoRepository):
        return directory
    inside = [parent for parent in (directory, *directory.parents) if parent.is_relative_to(top)]
    return next((parent for parent in inside if os.path.lexists(parent / SETTINGS_FILE)), top)


class Repository:
    """The files below `root`; all paths are relative to it, with `/`."""

    def __init__(self, root: Path, exclude: Sequence[str] = ()) -> None:
        self.root = root.resolve()
        self.asked: set[str] = set()
        """Paths that somebody has looked for or read."""
        self._exclude = Globs(exclude)

    def files(self) -> list[str]:
        """Files that git tracks or does not ignore, without git all; sorted, without those excluded.

        Symlinks to files are files; nothing inside a submodule or behind a symlinked directory is.
        """
        return self._files

    @cached_property
    def _files(self) -> list[str]:
        tracked = self._tracked()
        paths = _walk(self.root) if tracked is None else tracked
        return sorted(path for path in set(paths) if self._is_ours(path))

    def _tracked(self) -> list[str] | None:
        try:
            listed = git(self.root, "ls-files", "-co", "--exclude-standard", "-z")
        except (FileNotFoundError, NoRepository):
            return None
        if not listed and not (self.root / ".git").exists():
            # A directory that the repository around it ignores is a tree of its own.
            return None
        return [os.fsdecode(path) for path in listed.split(b"\0") if path]

    def is_excluded(self, path: str) -> bool:
        """Whether the settings exclude a file, or a directory above it."""
        return self._exclude.match_tree(path)

    def _is_ours(self, path: str) -> bool:
        if path.endswith(TEMPORARY_SUFFIX) or self.is_excluded(path):
            return False
        try:
            mode = os.lstat(f"{self.root}/{path}").st_mode
        except OSError:
            return False
        return stat.S_ISREG(mode) or (stat.S_ISLNK(mode) and not (self.root / path).is_dir())

    def match(self, globs: Iterable[str]) -> list[str]:
        """Files that match one of the globs: `*` stays inside a directory, `**` is any number of them."""
        wanted = Globs(globs)
        return [path for path in self.files() if wanted.match(path)]

    def read(self, path: str) -> Document:
        """The file's text. Raises ParseError when it is not text of UTF-8, too large, or cannot be read,
        CannotEdit when it lies outside the repository."""
        return Document(path, *decode(self.read_bytes(path)))

    def read_or_new(self, path: str) -> Document:
        """Like `read`; where there is no such file, an empty document that does not exist yet."""
        self.asked.add(path)
        if os.path.lexists(self.root / path):
            return self.read(path)
        _check_inside(self.root, path)
        return Document(path, "", exists=False)

    def peek(self, path: str) -> bytes:
        """The bytes of a file that is only looked into; nothing of one that cannot be read or is too large."""
        try:
            return self.read_bytes(path)
        except (ParseError, CannotEdit):
            return b""

    def read_bytes(self, path: str) -> bytes:
        """The file's bytes. Raises ParseError when it is too large, no regular file, or cannot be read, CannotEdit
        when it lies outside the repository."""
        self.asked.add(path)
        full = _check_inside(self.root, path)
        try:
            # Without O_NONBLOCK a named pipe would wait for its writer.
            with open(full, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
                status = os.fstat(file.fileno())
                if not stat.S_ISREG(status.st_mode):
                    raise ParseError("not a regular file")
                data = file.read(SIZE_LIMIT + 1) if status.st_size <= SIZE_LIMIT else b""
        except OSError as error:
            raise ParseError(f"cannot be read: {error.strerror}") from error
        if max(len(data), status.st_size) > SIZE_LIMIT:
            raise ParseError(f"larger than {SIZE_LIMIT // 2**20} MB")
        return data

    def has_file(self, path: str) -> bool:
        """Whether there is such a file, tracked or not."""
        self.asked.add(path)
        return (self.root / path).is_file()

    def check_writable(self, path: str) -> None:
        """Raise CannotEdit when the file must not be replaced, or created: symlinks, read-only files, no file."""
        from codemods.replace import check_replaceable

        check_replaceable(self.root, path)

    def write(self, changes: Sequence[FileChange]) -> None:
        """Replace files, all or none of them. Raises WriteError."""
        from codemods.replace import replace_files

        replace_files(self.root, changes)
        self.__dict__.pop("_files", None)

    def changed_since(self, revision: str) -> frozenset[str]:
        """Files that differ from a git revision, uncommitted and untracked ones too. Raises SettingsError."""
        try:
            git(self.root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        except (CodemodError, FileNotFoundError) as error:
            raise SettingsError(f"--since {revision}: git knows no such commit here") from error
        changed = git(self.root, "diff", "--name-only", "--relative", "--no-renames", "-z", revision, "--")
        new = git(self.root, "ls-files", "-o", "--exclude-standard", "-z")
        return frozenset(os.fsdecode(path) for path in (changed + new).split(b"\0") if path)

    def dirty(self, paths: Collection[str]) -> list[str]:
        """Those of the paths that have uncommitted changes, staged or not, or that git does not track."""
        # Not the paths themselves: thousands of them would not fit in a command line.
        options = ("-z", "--porcelain", "--untracked-files=all", "--no-renames", "--ignore-submodules=all", "--", ".")
        try:
            prefix = git(self.root, "rev-parse", "--show-prefix").removesuffix(b"\n")
            listed = git(self.root, "--no-optional-locks", "status", *options)
        except (FileNotFoundError, NoRepository):
            return []
        # Git says paths from the top of its working tree, which may lie above our root.
        changed = {os.fsdecode(entry[3:].removeprefix(prefix)) for entry in listed.split(b"\0")}
        return [path for path in paths if path in changed]


def decode(data: bytes) -> tuple[str, bool]:
    """A file's text without its byte order mark, and whether it had one. Raises ParseError when it is not UTF-8."""
    bom = data.startswith(_BOM)
    zero = data.find(b"\0")
    if zero >= 0:
        raise ParseError(f"a binary file (zero byte at offset {zero})")
    try:
        return data[len(_BOM) * bom :].decode(), bom
    except UnicodeDecodeError as error:
        offset = error.start + len(_BOM) * bom
        raise ParseError(f"not UTF-8 (byte 0x{data[offset]:02x} at offset {offset})") from error


def git(directory: Path, *arguments: str, given: bytes = b"") -> bytes:
    """Output of a git command, which is `given` some input. Raises CodemodError with git's complaint, NoRepository
    where that is all it complains about, FileNotFoundError without git."""
    from subprocess import run

    done = run(["git", *arguments], cwd=directory, env=git_environment(), input=given, capture_output=True, check=False)
    if done.returncode:
        complaint = os.fsdecode(done.stderr).strip().partition("\n")[0] or f"exit {done.returncode}"
        error = NoRepository if "not a git repository" in complaint else CodemodError
        raise error(f"git {arguments[0]}: {complaint}")
    return done.stdout


def git_environment() -> dict[str, str]:
    """Our environment in English, without what points git at the repository whose hook may be running us."""
    kept = {name: value for name, value in os.environ.items() if name not in GIT_LOCAL_VARIABLES}
    return {**kept, "LC_ALL": "C"}


def _walk(root: Path) -> Iterator[str]:
    for directory, directories, names in os.walk(root):
        if ".git" in directories:
            directories.remove(".git")
        parent = PurePosixPath(directory).relative_to(root)
        yield from (str(parent / name) for name in names)


def _check_inside(root: Path, path: str) -> Path:
    """The file's full name. Raises CannotEdit when it is not inside the repository."""
    advice = "give a path inside the repository"
    if "\0" in path or PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        raise CannotEdit("lies outside the repository", advice)
    full = root / path
    try:
        real = full.resolve()
    except (OSError, RuntimeError) as error:
        raise CannotEdit("a symlink that leads nowhere", advice) from error
    if not real.is_relative_to(root):
        raise CannotEdit("a symlink that leaves the repository", advice)
    return full
