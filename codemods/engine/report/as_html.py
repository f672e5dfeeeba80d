"""The report as one HTML page that needs nothing else; everything from files is escaped."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from codemods.engine.report.escape import printable, printable_lines
from codemods.engine.report.model import Report, summarise

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
table { border-collapse: collapse; width: 100% } td, th { text-align: left; padding: .3rem .6rem; vertical-align: top }
tr { border-bottom: 1px solid #ddd } .error { color: #b00020 } .warning { color: #8a6d00 } .suppressed { color: #888 }
pre { background: #f6f6f6; padding: .8rem; overflow-x: auto }
"""


def as_html(report: Report) -> str:
    """A page with findings, changes, refusals and notes."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    title = _text(f"{report.command}: {summarise(report)}")
    yield f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
    yield f"<style>{_STYLE}</style></head><body>\n<h1>{title}</h1>"
    if report.findings:
        yield "<h2>Findings</h2>"
        yield from _table(
            ("place", "severity", "rule", "what"),
            (
                (
                    f"{finding.path}:{finding.line}:{finding.column}",
                    f"{finding.severity.value}{f' ({finding.suppressed.value})' if finding.suppressed else ''}",
                    finding.rule,
                    "; ".join((finding.message, *(f"{it.path}:{it.line}: {it.message}" for it in finding.related))),
                )
                for finding in report.findings
            ),
            ["suppressed" if finding.suppressed else finding.severity.value for finding in report.findings],
        )
    if report.refusals:
        yield "<h2>Refused</h2>"
        rows = ((f"{item.path}:{item.line}", item.rule, item.reason, item.advice) for item in report.refusals)
        yield from _table(("place", "rule", "reason", "what to do"), rows, ["error"] * len(report.refusals))
    for change in report.changes:
        yield f"<h2>{_text(change.path)}</h2><p>{_text(change.rule)}, impact {change.impact}</p>"
        yield f"<pre>{escape(printable_lines(change.diff))}</pre>"
    for heading, items, tag in (("Notes", report.notes, "ul"), ("What comes next", report.next_steps, "ol")):
        if items:
            yield f"<h2>{heading}</h2><{tag}>{''.join(f'<li>{_text(item)}</li>' for item in items)}</{tag}>"
    yield "</body></html>"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]], classes: Iterable[str]) -> Iterator[str]:
    yield f"<table><tr>{''.join(f'<th>{name}</th>' for name in head)}</tr>"
    for row, name in zip(rows, classes, strict=True):
        yield f'<tr class="{name}">{"".join(f"<td>{_text(cell)}</td>" for cell in row)}</tr>'
    yield "</table>"


def _text(value: str) -> str:
    return escape(printable(value))
