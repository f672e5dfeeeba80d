"""The report for people: the result on stdout, the talk about it on stderr.

Everything that comes from files or servers is made printable first. Diffs and paths are never wrapped or cut.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO
from unicodedata import combining, east_asian_width

from codemods.engine.model import Impact, Severity
from codemods.engine.report.escape import printable
from codemods.engine.report.lines import Line, Piece, line, print_lines, prose
from codemods.engine.report.mask import mask_secrets
from codemods.engine.report.model import (
    Change,
    CheckResult,
    CheckState,
    Host,
    HostState,
    RecordChange,
    RecordData,
    Report,
    ReportedFinding,
    ReportedRefusal,
    summarise,
)
from codemods.engine.report.text_diff import diff_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

QUIET, NORMAL, VERBOSE = -1, 0, 1
WIDEST_EXCERPT = 160
WIDEST = 48

_IMPACT_STYLES = {Impact.RESTART: "yellow", Impact.RECREATE: "yellow", Impact.REPLACE: "red"}
_SEVERITY_STYLES = {Severity.ERROR: "red", Severity.WARNING: "yellow"}
_HOST_STYLES = {HostState.CLEAN: "green", HostState.CHANGED: "green", HostState.PENDING: "yellow"}
_CHECK_STYLES = {CheckState.PASS: "green", CheckState.SKIPPED: "dim"}


def print_report(report: Report, out: TextIO, err: TextIO, *, diff: bool = False, verbosity: int = NORMAL) -> None:
    """Print the result to `out` and the talk to `err`.

    With `diff`, `out` gets the diffs and nothing else, so that it is a patch. QUIET leaves out the talk and what is
    well; VERBOSE adds the rules of each change and the suppressed findings.
    """
    diffs = [item for change in report.changes for item in diff_lines(change.diff)] if diff else []
    result = [section for section in _result(report, verbosity) if section]
    talk = [section for section in _talk(report) if section] if verbosity > QUIET else []
    parts = [(out, diffs), *((err if diff else out, section) for section in result), *((err, part) for part in talk)]
    parts = [(stream, section) for stream, section in parts if section]
    for number, (stream, section) in enumerate(parts):
        print_lines([line(), *section] if number else section, stream)


def _result(report: Report, verbosity: int) -> Iterator[list[Line]]:
    quiet, verbose = verbosity <= QUIET, verbosity >= VERBOSE
    if report.changes and not quiet:
        yield [*_changes(report.changes, verbose)]
    for finding in report.findings:
        if finding.suppressed is None or verbose:
            yield [*_finding(finding)]
    if report.refusals:
        yield [_title("Refused"), *(item for refusal in report.refusals for item in _refusal(refusal))]
    for host in report.hosts:
        if not quiet or host.state not in (HostState.CLEAN, HostState.CHANGED):
            yield [*_host(host)]
    if report.records and not quiet:
        yield [*_records(report.records)]
    yield [*_checks([check for check in report.checks if not quiet or check.state not in _CHECK_STYLES])]


def _talk(report: Report) -> Iterator[list[Line]]:
    if report.notes:
        yield [_title("Notes"), *(item for note in report.notes for item in _paragraph("  - ", note))]
    if report.next_steps:
        steps = (_paragraph(f" {number:>2}. ", step) for number, step in enumerate(report.next_steps, 1))
        yield [_title("What comes next"), *(item for step in steps for item in step)]
    profile = f" ({report.profile})" if report.profile else ""
    style = "green" if report.exit_code == 0 else "yellow" if report.exit_code == 1 else "red"
    yield [line(Piece(f"{report.command}{profile}: ", "bold"), Piece(summarise(report), f"bold {style}"))]


def _title(text: str) -> Line:
    return line(Piece(text, "bold"))


def _changes(changes: Sequence[Change], verbose: bool) -> Iterator[Line]:
    head = [Piece("file", "dim"), Piece(), Piece("lines", "dim"), Piece(), Piece("impact", "dim")]
    first, *rows = _table([head, *(_change_row(change) for change in changes)], right=(1, 2, 3))
    yield first
    for change, row in zip(changes, rows, strict=True):
        yield row
        for what in change.what:
            yield from _paragraph("      ", what, "dim")
        if verbose:
            yield prose("      ", f"rules: {', '.join(change.rule.split(','))}", "dim")


def _change_row(change: Change) -> list[Piece]:
    return [
        Piece(printable(change.path)),
        Piece(change.fate, "red" if change.deletes else "green"),
        Piece(f"+{change.added}" if change.added else "", "green"),
        Piece(f"-{change.removed}" if change.removed else "", "red"),
        _impact(change.impact),
    ]


def _impact(impact: Impact) -> Piece:
    return Piece(str(impact), _IMPACT_STYLES.get(impact, ""))


def _finding(finding: ReportedFinding) -> Iterator[Line]:
    path, place = printable(finding.path), f":{finding.line}:{finding.column}"
    severity = Piece(f"  {finding.severity.value}", _SEVERITY_STYLES[finding.severity])
    suppressed = f" (suppressed by {finding.suppressed.value})" if finding.suppressed else ""
    yield line(Piece(path, "bold"), place, severity, Piece(f"  {finding.rule}{suppressed}", "dim"))
    yield from _excerpt(finding)
    yield from _paragraph("    ", finding.message)
    for related in finding.related:
        yield line(Piece(f"    see {printable(related.path)}:{related.line}", "dim"))
        yield from _paragraph("        ", related.message, "dim")


def _excerpt(finding: ReportedFinding) -> Iterator[Line]:
    """The source line, and a mark under what is meant; long lines are cut around it."""
    source = mask_secrets(finding.excerpt)
    if not source.strip():
        return
    first = finding.column - 1
    last = finding.end_column - 1 if finding.end_line == finding.line else len(source)
    begin = max(0, first - 40) if len(source) > WIDEST_EXCERPT else 0
    shown = source[begin : begin + WIDEST_EXCERPT]
    number = f"{finding.line:>7}"
    yield line(Piece(f"{number} | ", "dim"), printable(shown))
    lead = _width(printable(source[begin:first]))
    marked = _width(printable(source[first : min(last, begin + WIDEST_EXCERPT)]))
    marks = Piece(" " * lead + "^" * max(1, marked), _SEVERITY_STYLES[finding.severity])
    yield line(Piece(f"{'':>7} | ", "dim"), marks)


def _refusal(refusal: ReportedRefusal) -> Iterator[Line]:
    yield line("  ", Piece(printable(refusal.path), "bold"), f":{refusal.line}", Piece(f"  {refusal.rule}", "dim"))
    yield from _paragraph("      ", refusal.reason, "yellow")
    yield from _paragraph("    → ", refusal.advice)


def _host(host: Host) -> Iterator[Line]:
    style = _HOST_STYLES.get(host.state, "red")
    yield line(Piece(printable(host.host), "bold"), "  ", Piece(host.state.value.replace("-", " "), style))
    if host.reason:
        yield from _paragraph("    ", host.reason)
    rows = [[Piece(action.kind), Piece(printable(action.target)), _impact(action.impact)] for action in host.actions]
    for action, row in zip(host.actions, _table(rows), strict=True):
        yield row
        yield from diff_lines(action.diff)


def _records(records: Sequence[RecordChange]) -> Iterator[Line]:
    head = [Piece("record", "dim"), Piece(), Piece("before", "dim"), Piece("after", "dim")]
    rows = [
        [
            Piece(printable(record.name)),
            Piece(record.type),
            Piece(_data(record.before), "red" if record.after is None else ""),
            Piece(_data(record.after), "green"),
        ]
        for record in records
    ]
    yield from _table([head, *rows])


def _data(data: RecordData | None) -> str:
    return f"{printable(data.value)} (TTL {data.ttl})" if data else "none"


def _checks(checks: Sequence[CheckResult]) -> Iterator[Line]:
    rows = [
        [
            Piece(check.state.value, _CHECK_STYLES.get(check.state, "red")),
            Piece(check.check),
            Piece(printable(check.target)),
        ]
        for check in checks
    ]
    for check, row in zip(checks, _table(rows), strict=True):
        yield row
        if check.message:
            yield from _paragraph("      ", check.message, "dim" if check.state in _CHECK_STYLES else "")


def _paragraph(first: str, text: str, style: str = "") -> Iterator[Line]:
    for part in text.split("\n"):
        yield prose(first, printable(part), style)
        first = " " * len(first)


def _table(rows: Sequence[Sequence[Piece]], right: Sequence[int] = ()) -> list[Line]:
    """Rows with their columns in line; a cell wider than WIDEST pushes only its own row."""
    widths = [max(min(_width(piece.text), WIDEST) for piece in column) for column in zip(*rows, strict=True)]
    return [_row(row, widths, right) for row in rows]


def _row(row: Sequence[Piece], widths: Sequence[int], right: Sequence[int]) -> Line:
    pieces = []
    for column, (piece, width) in enumerate(zip(row, widths, strict=True)):
        padding = Piece(" " * (width - _width(piece.text)))
        gap = Piece(" " * (2 if width else 0))
        pieces += [gap, padding, piece] if column in right else [gap, piece, padding]
    return line(*pieces[:-1])


def _width(text: str) -> int:
    """Columns of a terminal that the text takes."""
    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)
