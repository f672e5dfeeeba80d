"""The report as workflow commands of GitHub Actions: one annotation for each finding, suppressed ones left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codemods.engine.report.escape import printable
from codemods.engine.report.model import Report, ReportedFinding, summarise

if TYPE_CHECKING:
    from collections.abc import Iterator


def as_github(report: Report) -> str:
    """One line for each annotation, and a notice with the summary."""
    return "".join(f"{line}\n" for line in _lines(report))


def _lines(report: Report) -> Iterator[str]:
    for finding in report.findings:
        if finding.suppressed is None:
            head = f"{finding.severity.value} {_place(finding)},title={_property(finding.rule)}"
            yield f"::{head}::{_text(finding.message)}"
    for refusal in report.refusals:
        place = f"file={_property(refusal.path)},line={refusal.line}"
        message = f"{refusal.reason}; {refusal.advice}"
        yield f"::error {place},title={_property(refusal.rule)}::{_text(message)}"
    yield f"::notice::{_text(f'{report.command}: {summarise(report)}')}"


def _place(finding: ReportedFinding) -> str:
    place = f"file={_property(finding.path)},line={finding.line},endLine={finding.end_line}"
    # GitHub takes columns only for findings within one line.
    return f"{place},col={finding.column},endColumn={finding.end_column}" if finding.line == finding.end_line else place


def _text(value: str) -> str:
    """The text of a command: its line ends must not end it, control characters must not reach a terminal."""
    return "%0A".join(printable(line).replace("%", "%25") for line in value.split("\n"))


def _property(value: str) -> str:
    return _text(value).replace(":", "%3A").replace(",", "%2C")
