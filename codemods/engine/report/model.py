"""The report of one run: the shape of the JSON document, and the exit code that follows from it."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING

from codemods.engine.model import Impact, Severity, Suppressed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PARSE_ERROR = "parse-error"


class HostState(Enum):
    """How a machine came out of a roll-out, or stands before one."""

    CLEAN = "clean"
    PENDING = "pending"
    CHANGED = "changed"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    ROLLED_BACK = "rolled-back"
    ROLLBACK_FAILED = "rollback-failed"


class CheckState(Enum):
    """How a check of the live registry ended; `error` means that it could not be made."""

    PASS = "pass"
    FAIL = "fail"
    SKIPPED = "skipped"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class RelatedPlace:
    """Another place that a finding is about."""

    path: str
    line: int
    message: str


@dataclass(frozen=True, slots=True)
class ReportedFinding:
    """A finding that is still there after the run; lines and columns count from 1, the end is exclusive.

    `excerpt` is the source line, for people to look at.
    """

    rule: str
    path: str
    line: int
    column: int
    end_line: int
    end_column: int
    severity: Severity
    message: str
    fixable: bool = False
    impact: Impact | None = None
    related: tuple[RelatedPlace, ...] = ()
    suppressed: Suppressed | None = None
    excerpt: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """One file that changed or would change.

    There is one entry for each path: `rule` joins the ids of all rules that edit it with commas, in the order they
    ran, `impact` is the worst of theirs, `diff` is the file's whole diff. `what` says in words what was done.
    """

    rule: str
    path: str
    impact: Impact
    diff: str
    what: tuple[str, ...] = ()

    @property
    def added(self) -> int:
        """Number of lines that the diff adds."""
        return self.diff.partition("\n@@")[2].count("\n+")

    @property
    def removed(self) -> int:
        """Number of lines that the diff takes away."""
        return self.diff.partition("\n@@")[2].count("\n-")

    @property
    def creates(self) -> bool:
        """Whether the file is a new one."""
        return "\nnew file mode " in self.diff.partition("\n@@")[0]

    @property
    def deletes(self) -> bool:
        """Whether the file goes."""
        return "\ndeleted file mode " in self.diff.partition("\n@@")[0]

    @property
    def fate(self) -> str:
        """`new` or `gone`; empty for a file that was there and stays."""
        return "new" if self.creates else "gone" if self.deletes else ""


@dataclass(frozen=True, slots=True)
class ReportedRefusal:
    """A place that must change and was left alone; `line` counts from 1."""

    rule: str
    path: str
    line: int
    reason: str
    advice: str


@dataclass(frozen=True, slots=True)
class HostAction:
    """One step of a roll-out; `diff` is empty for steps that write no file."""

    kind: str
    target: str
    impact: Impact
    diff: str = ""


@dataclass(frozen=True, slots=True)
class Host:
    """One machine, the steps it needs or got, and why it is in this state."""

    host: str
    state: HostState
    actions: tuple[HostAction, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class RecordData:
    """What a DNS record says; `ttl` is in seconds."""

    value: str
    ttl: int


@dataclass(frozen=True, slots=True)
class RecordChange:
    """A DNS record that changed or would change: `before` is None for a new one, `after` for one taken away."""

    name: str
    type: str
    before: RecordData | None
    after: RecordData | None


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check of the live installation."""

    check: str
    target: str
    state: CheckState
    message: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """Everything a run has to say. `pending`: changes are shown, not made. `next_steps` are in their order."""

    command: str
    exit_code: int
    profile: str | None = None
    findings: tuple[ReportedFinding, ...] = ()
    changes: tuple[Change, ...] = ()
    refusals: tuple[ReportedRefusal, ...] = ()
    notes: tuple[str, ...] = ()
    hosts: tuple[Host, ...] = ()
    fingerprint: str | None = None
    records: tuple[RecordChange, ...] = ()
    checks: tuple[CheckResult, ...] = ()
    pending: bool = False
    next_steps: tuple[str, ...] = ()
    version: int = 1


def exit_code(
    *,
    findings: Iterable[ReportedFinding] = (),
    refusals: Iterable[ReportedRefusal] = (),
    hosts: Iterable[Host] = (),
    checks: Iterable[CheckResult] = (),
    pending: bool = False,
    strict: bool = False,
) -> int:
    """The exit code of a run that came to its end; `pending` when it shows changes it did not make."""
    codes = [1] if pending else []
    codes += [3 for _ in refusals]
    codes += [_finding_code(finding, strict) for finding in findings]
    codes += [_HOST_CODES[host.state] for host in hosts]
    codes += [_CHECK_CODES[check.state] for check in checks]
    return worst_exit_code(codes)


def worst_exit_code(codes: Iterable[int]) -> int:
    """The one that a process ends with when several apply."""
    return min(codes, key=(5, 4, 2, 3, 1, 0).index, default=0)


_HOST_CODES = {
    HostState.CLEAN: 0,
    HostState.PENDING: 1,
    HostState.CHANGED: 0,
    HostState.REFUSED: 3,
    HostState.UNREACHABLE: 3,
    HostState.ROLLED_BACK: 4,
    HostState.ROLLBACK_FAILED: 5,
}
_CHECK_CODES = {CheckState.PASS: 0, CheckState.FAIL: 1, CheckState.SKIPPED: 0, CheckState.ERROR: 3}


def _finding_code(finding: ReportedFinding, strict: bool) -> int:
    if finding.suppressed is not None:
        return 0
    if finding.rule == PARSE_ERROR:
        return 3
    return int(strict or finding.severity is Severity.ERROR)


def position(text: str, offset: int) -> tuple[int, int]:
    """Line and column of a character offset, both from 1; an offset behind the end is the end.

    Columns count characters. A line ends with `\\n` or `\\r\\n`; a lone `\\r` is a character like others.
    """
    offset = min(max(offset, 0), len(text))
    starts = _line_starts(text)
    line = bisect_right(starts, offset)
    return line, offset - starts[line - 1] + 1


# Findings come file by file, so the index of the last few texts is all that is asked for.
@lru_cache(maxsize=4)
def _line_starts(text: str) -> list[int]:
    return [0, *(match.end() for match in re.finditer("\n", text))]


def summarise(report: Report) -> str:
    """The run in one sentence: `6 files would change, 1 place refused`."""
    counts = ", ".join(_counts(report))
    if report.command != "check":
        return counts or "nothing to do"
    suppressed = sum(finding.suppressed is not None for finding in report.findings)
    return f"{counts or 'no findings'}{f' ({suppressed} suppressed)' if suppressed else ''}"


def _counts(report: Report) -> Iterator[str]:
    open_findings = [finding for finding in report.findings if finding.suppressed is None]
    for severity in Severity:
        number = sum(finding.severity is severity for finding in open_findings)
        if number:
            yield count(number, severity.value)
    if report.changes:
        yield f"{count(len(report.changes), 'file')} {'would change' if report.pending else 'changed'}"
    if report.refusals:
        yield f"{count(len(report.refusals), 'place')} refused"
    if report.records:
        yield f"{count(len(report.records), 'record')} {'would change' if report.pending else 'changed'}"
    for state in HostState:
        number = sum(host.state is state for host in report.hosts)
        if number:
            yield f"{count(number, 'host')} {state.value.replace('-', ' ')}"
    for check_state, word in _CHECK_WORDS.items():
        number = sum(check.state is check_state for check in report.checks)
        if number:
            yield f"{count(number, 'check')} {word}"


_CHECK_WORDS = {
    CheckState.PASS: "passed",
    CheckState.FAIL: "failed",
    CheckState.SKIPPED: "skipped",
    CheckState.ERROR: "could not be made",
}


def count(number: int, noun: str) -> str:
    """`1 file`, `2 files`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
