"""The JSON report; its schema is docs/report.schema.json, and keys are only ever added to it."""

from __future__ import annotations

import json
from enum import Enum, IntEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from codemods.engine.report.model import Change, Host, RecordChange, Report, ReportedFinding


def as_json(report: Report) -> str:
    """The report as one JSON document, its keys always in the same order."""
    data = {
        "version": report.version,
        "command": report.command,
        "profile": report.profile,
        "exit_code": report.exit_code,
        "pending": report.pending,
        "findings": [_finding(finding) for finding in report.findings],
        "changes": [_change(change) for change in report.changes],
        "refusals": [_fields(refusal, "rule", "path", "line", "reason", "advice") for refusal in report.refusals],
        "notes": report.notes,
        "next_steps": report.next_steps,
        "hosts": [_host(host) for host in report.hosts],
        "fingerprint": report.fingerprint,
        "records": [_record(record) for record in report.records],
        "checks": [_fields(check, "check", "target", "state", "message") for check in report.checks],
    }
    text = json.dumps(data, ensure_ascii=False, indent=2) + "\n"
    # A path that is no UTF-8 comes with halves of surrogate pairs; JSON spells them the way Python does.
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _finding(finding: ReportedFinding) -> dict[str, Any]:
    return {
        **_fields(finding, "rule", "path", "line", "column", "end_line", "end_column"),
        **_fields(finding, "severity", "message", "fixable", "impact"),
        "related": [_fields(place, "path", "line", "message") for place in finding.related],
        **_fields(finding, "suppressed"),
    }


def _change(change: Change) -> dict[str, Any]:
    return _fields(change, "rule", "path", "impact", "diff", "what")


def _host(host: Host) -> dict[str, Any]:
    return {
        **_fields(host, "host", "state"),
        "actions": [_fields(action, "kind", "target", "impact", "diff") for action in host.actions],
        **_fields(host, "reason"),
    }


def _record(record: RecordChange) -> dict[str, Any]:
    states = {"before": record.before, "after": record.after}
    return {
        **_fields(record, "name", "type"),
        **{name: data and _fields(data, "value", "ttl") for name, data in states.items()},
    }


def _fields(item: object, *names: str) -> dict[str, Any]:
    return {name: _plain(getattr(item, name)) for name in names}


def _plain(value: Any) -> Any:
    if isinstance(value, IntEnum):
        return str(value)
    return value.value if isinstance(value, Enum) else value
