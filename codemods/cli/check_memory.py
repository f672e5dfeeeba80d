"""What the last check said: when no file has changed since, it is said again without a look into any of them.

A report is kept under everything that could change it: the tool's own files, the day (suppressions expire), options and
overrides, and of each file its size, times and inode. Files are listed and looked at before they are read, and nothing
is kept when one of them is so young that a later change might not show in its times, as git does it. Kept reports hold
no line of a file: what people are shown of one is read again. What cannot be read or written here is only slower.
"""

from __future__ import annotations

import json
import os
import stat
import time
from contextlib import suppress
from datetime import date
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codemods import __version__
from codemods.engine.model import Impact, Severity, Suppressed
from codemods.engine.report.model import RelatedPlace, Report, ReportedFinding
from codemods.errors import CodemodError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from codemods.cli.options import CheckOptions, CommonOptions
    from codemods.repository import Repository

RACY = 2_000_000_000
"""Nanoseconds within which two changes may leave a file with the same times, on the coarsest file systems."""
_PACKAGE = Path(__file__).parents[1]


class CheckMemory:
    """The memory of one check with its options; made before anything is read."""

    def __init__(self, repository: Repository, common: CommonOptions, options: CheckOptions) -> None:
        self.repository = repository
        self.begun = time.time_ns()
        self.youngest = 0
        self.usable = options.only_looks
        if self.usable:
            self.settings = _settings_of(repository, common, options)
            self.wanted = {"state": self.state()}
            asked = blake2b(repr((common, options, Path.cwd())).encode("utf-8", "surrogateescape"), digest_size=8)
            self.path = _directory(repository.root) / f"check-{asked.hexdigest()}.json"

    def state(self) -> str:
        """A hash of everything that is known before the stack is looked for."""
        known = blake2b(f"{__version__} {date.today()} {_schema()}".encode(), digest_size=16)
        for path in (*sorted(_PACKAGE.rglob("*.py")), *self.settings):
            known.update(f"{path}\0{self.signature(str(path))}\n".encode("utf-8", "surrogateescape"))
        root = f"{self.repository.root}/"
        for name in self.repository.files():
            known.update(f"{name}\0{self.signature(root + name)}\n".encode("utf-8", "surrogateescape"))
        return known.hexdigest()

    def signature(self, full: str) -> str:
        """What changes when a file does; of a symlink also that of what it leads to. Empty without such a file."""
        try:
            found = os.lstat(full)
            target = f" {self.signature(os.path.realpath(full))}" if stat.S_ISLNK(found.st_mode) else ""
        except OSError:
            return ""
        self.youngest = max(self.youngest, found.st_mtime_ns, found.st_ctime_ns)
        return f"{found.st_size} {found.st_mtime_ns} {found.st_ctime_ns} {found.st_ino} {found.st_mode}{target}"

    def recall(self) -> Report | None:
        """What the last check said; None when it could say something else today."""
        if not self.usable:
            return None
        try:
            if self.path.stat().st_uid != os.getuid():
                return None
            kept = json.loads(self.path.read_bytes())
            if kept["state"] != self.wanted["state"]:
                return None
            if any(self.signature(f"{self.repository.root}/{path}") != seen for path, seen in kept["asked"].items()):
                return None
            return self.report(kept["report"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def report(self, kept: dict[str, Any]) -> Report:
        findings = tuple(self.finding(**fields) for fields in kept["findings"])
        return Report("check", kept["exit_code"], kept["profile"], findings, notes=tuple(kept["notes"]))

    def finding(self, **kept: Any) -> ReportedFinding:
        kept["severity"] = Severity(kept["severity"])
        kept["impact"] = None if kept["impact"] is None else Impact(kept["impact"])
        kept["suppressed"] = None if kept["suppressed"] is None else Suppressed(kept["suppressed"])
        kept["related"] = tuple(RelatedPlace(*place) for place in kept["related"])
        return ReportedFinding(**kept, excerpt=self.excerpt(kept["path"], kept["line"]))

    def excerpt(self, path: str, line: int) -> str:
        """The line of a file that a finding is about."""
        try:
            lines = self.repository.read_or_new(path).text.split("\n", line)
        except CodemodError:
            return ""
        return lines[line - 1].rstrip("\r") if len(lines) >= line else ""

    def keep(self, report: Report) -> None:
        """Keep a report for the next check, if it is sure to notice changes."""
        if not self.usable:
            return
        listed = set(self.repository.files())
        root = f"{self.repository.root}/"
        asked = {path: self.signature(root + path) for path in self.repository.asked - listed if "\0" not in path}
        if self.youngest + RACY >= self.begun:
            return
        data = {**self.wanted, "asked": asked, "report": _plain(report)}
        with suppress(OSError, UnicodeError):
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            temporary = self.path.with_suffix(f".{os.getpid()}")
            with open(temporary, "x", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
                json.dump(data, file)
            temporary.replace(self.path)


def _settings_of(repository: Repository, common: CommonOptions, options: CheckOptions) -> Iterable[Path]:
    """The files that settings and known findings come from, listed by git or not."""
    from codemods.engine.baseline import BASELINE_FILE
    from codemods.settings import SETTINGS_FILE

    baseline = common.directory / options.baseline if options.baseline else repository.root / BASELINE_FILE
    return (repository.root / SETTINGS_FILE, repository.root / "pyproject.toml", baseline.absolute())


def _schema() -> str:
    """The place of the schemas that a rule uses where they are installed; a version of its own for each."""
    from importlib.util import find_spec

    found = find_spec("check_jsonschema")
    return f"{found.origin} {Path(found.origin).stat().st_mtime_ns}" if found and found.origin else ""


def _directory(root: Path) -> Path:
    """Where git keeps what is this working tree's alone; else the user's cache."""
    if (root / ".git").is_dir():
        return root / ".git/codemod"
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "codemod" / blake2b(os.fsencode(root), digest_size=8).hexdigest()


def _plain(report: Report) -> dict[str, Any]:
    return {
        "exit_code": report.exit_code,
        "profile": report.profile,
        "notes": report.notes,
        "findings": [dict(_fields(finding)) for finding in report.findings],
    }


def _fields(finding: ReportedFinding) -> Iterator[tuple[str, Any]]:
    for name in ("rule", "path", "line", "column", "end_line", "end_column", "message", "fixable"):
        yield name, getattr(finding, name)
    yield "severity", finding.severity.value
    yield "impact", None if finding.impact is None else int(finding.impact)
    yield "suppressed", finding.suppressed and finding.suppressed.value
    yield "related", [(place.path, place.line, place.message) for place in finding.related]
