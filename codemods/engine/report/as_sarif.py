"""The report as SARIF 2.1.0, for code scanning; suppressed findings are in it, marked as such."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from codemods import __version__
from codemods.engine.model import Severity, Suppressed

if TYPE_CHECKING:
    from codemods.engine.report.model import Report, ReportedFinding

_KINDS = {Suppressed.COMMENT: "inSource", Suppressed.BASELINE: "external"}


def as_sarif(report: Report) -> str:
    """One run; rules are described by their titles and pages."""
    ids = list(dict.fromkeys(finding.rule for finding in report.findings))
    run = {
        "tool": {"driver": {"name": "codemod", "version": __version__, "rules": [_rule(name) for name in ids]}},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {"SRCROOT": {"description": {"text": "The root of the repository."}}},
        "results": [_result(finding, ids.index(finding.rule)) for finding in report.findings],
        "invocations": [{"executionSuccessful": report.exit_code in (0, 1), "exitCode": report.exit_code}],
    }
    schema = "https://json.schemastore.org/sarif-2.1.0.json"
    return json.dumps({"$schema": schema, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _rule(name: str) -> dict[str, Any]:
    from codemods.catalogue import ALL

    rule = next((rule for rule in ALL if rule.id == name), None)
    if rule is None:
        return {"id": name}
    level = "error" if rule.severity is Severity.ERROR else "warning"
    return {
        "id": name,
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.page},
        "help": {"text": rule.page},
        "defaultConfiguration": {"level": level},
    }


def _result(finding: ReportedFinding, index: int) -> dict[str, Any]:
    region = {
        "startLine": finding.line,
        "startColumn": finding.column,
        "endLine": finding.end_line,
        "endColumn": finding.end_column,
    }
    result: dict[str, Any] = {
        "ruleId": finding.rule,
        "ruleIndex": index,
        "level": finding.severity.value,
        "message": {"text": finding.message},
        "locations": [_location(finding.path, region)],
    }
    if finding.related:
        result["relatedLocations"] = [
            {**_location(place.path, {"startLine": place.line}), "message": {"text": place.message}}
            for place in finding.related
        ]
    if finding.suppressed is not None:
        result["suppressions"] = [{"kind": _KINDS[finding.suppressed]}]
    return result


def _location(path: str, region: dict[str, int]) -> dict[str, Any]:
    artifact = {"uri": quote(path.encode("utf-8", "surrogateescape")), "uriBaseId": "SRCROOT"}
    return {"physicalLocation": {"artifactLocation": artifact, "region": region}}
