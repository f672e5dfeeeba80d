"""The report in the formats of other programs, by name."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from codemods.engine.report.model import Report

FORMATS = ("json", "sarif", "github", "gitlab", "markdown", "html")


def render(report: Report, name: str) -> str:
    """The report in one of FORMATS; a format's module is loaded when it is asked for."""
    module = name if name == "markdown" else f"as_{name}"
    text: str = getattr(import_module(f"codemods.engine.report.{module}"), f"as_{name}")(report)
    return text
