"""The report as GitLab's code quality artifact, suppressed findings left out."""

from __future__ import annotations

import json
from collections import Counter
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from codemods.engine.model import Severity

if TYPE_CHECKING:
    from codemods.engine.report.model import Report

_SEVERITIES = {Severity.ERROR: "major", Severity.WARNING: "minor"}


def as_gitlab(report: Report) -> str:
    """A JSON list; the fingerprint does not change when lines above a finding come or go."""
    issues: list[dict[str, Any]] = []
    seen: Counter[str] = Counter()
    for finding in report.findings:
        if finding.suppressed is not None:
            continue
        key = f"{finding.rule}\0{finding.path}\0{finding.message}"
        seen[key] += 1
        issues.append(
            {
                "description": finding.message,
                "check_name": finding.rule,
                "fingerprint": sha256(f"{key}\0{seen[key]}".encode("utf-8", "surrogateescape")).hexdigest(),
                "severity": _SEVERITIES[finding.severity],
                "location": {"path": finding.path, "lines": {"begin": finding.line, "end": finding.end_line}},
            }
        )
    return json.dumps(issues, indent=2) + "\n"
