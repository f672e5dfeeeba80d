"""The report in the formats of other programs, by name."""

from __future__ import annotations

import sys
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


def print_as(name: str, report: Report, verbosity: int, *, diff: bool = False) -> None:
    """Print the report as text, with `diff` the diffs too, or in one of FORMATS."""
    if name == "text":
        from codemods.engine.report.text import print_report

        print_report(report, sys.stdout, sys.stderr, diff=diff, verbosity=verbosity)
        return
    # Machines read UTF-8, whatever the terminal's encoding is; names that are none have halves of surrogate pairs.
    sys.stdout.buffer.write(render(report, name).encode("utf-8", "backslashreplace"))
    sys.stdout.buffer.flush()
