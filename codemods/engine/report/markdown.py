"""The report as a comment on a pull request; nothing that comes from a file can become markup in it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from codemods.engine.report.escape import printable, printable_lines
from codemods.engine.report.model import (
    Change,
    CheckResult,
    Host,
    Report,
    ReportedFinding,
    ReportedRefusal,
    summarise,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# GitHub takes comments of 65,536 characters; without its diffs a report nearly always fits.
LONGEST = 65_000


def as_markdown(report: Report) -> str:
    """The report in GitHub's Markdown; diffs that do not fit into a comment are left out, and it says so."""
    text = _joined(report, with_diffs=True)
    return text if len(text) <= LONGEST else _joined(report, with_diffs=False)


def _joined(report: Report, with_diffs: bool) -> str:
    return "\n\n".join(_blocks(report, with_diffs)) + "\n"


def _blocks(report: Report, with_diffs: bool) -> Iterator[str]:
    profile = f" ({report.profile})" if report.profile else ""
    yield f"### {escape(report.command)}{profile}: {escape(summarise(report))}"
    if report.changes:
        yield _table(("file", "lines", "impact", "rules"), (_change(change) for change in report.changes))
        yield _diffs([change.diff for change in report.changes], with_diffs)
    if findings := [finding for finding in report.findings if finding.suppressed is None]:
        yield "#### Findings"
        yield _items(_finding(finding) for finding in findings)
    if report.refusals:
        yield "#### Refused"
        yield _items(_refusal(refusal) for refusal in report.refusals)
    for host in report.hosts:
        yield from _host(host, with_diffs)
    if report.checks:
        yield _table(("check", "target", "state", "message"), (_check(check) for check in report.checks))
    if report.notes:
        yield "#### Notes"
        yield _items(escape(note) for note in report.notes)
    if report.next_steps:
        yield "#### What comes next"
        yield "\n".join(f"{number}. {escape(step)}" for number, step in enumerate(report.next_steps, 1))


def escape(text: str) -> str:
    """Text that shows as it is: no markup, no HTML, no mention of a user or an issue; `words` are code."""
    return "<br>".join(_escaped_line(printable(line)) for line in text.split("\n"))


def _escaped_line(text: str) -> str:
    parts = re.split("`([^`]+)`", text)
    return "".join(code(part) if index % 2 else _escaped(part) for index, part in enumerate(parts))


def _escaped(text: str) -> str:
    text = re.sub(r"[\\`*_{}\[\]<>|~$&]", r"\\\g<0>", text)
    # Mentions are looked for in the finished text, where a backslash is gone: an empty comment parts them.
    text = re.sub(r"[@#](?=\w)", r"\g<0><!-- -->", text)
    return re.sub(r"^(\s*)([-+#=]|\d+(?=[.)]))", _escaped_start, text)


def _escaped_start(match: re.Match[str]) -> str:
    return f"{match[1]}&#{ord(match[2][0])};{match[2][1:]}"


def code(text: str) -> str:
    """A code span, also of text with backticks, and inside a table."""
    text = printable(text)
    if "|" in text:
        # No backslash is safe here: a table cell takes it for an escape, a code span elsewhere shows it.
        return f"<code>{''.join(f'&#{ord(character)};' for character in text)}</code>"
    ticks = "`" * (_longest_ticks(text) + 1)
    space = " " if text[:1] in ("`", " ") or text[-1:] in ("`", " ") else ""
    return f"{ticks}{space}{text}{space}{ticks}"


def fenced(text: str) -> str:
    """A block of code, with a fence that the text cannot close."""
    fence = "`" * max(3, _longest_ticks(text) + 1)
    return f"{fence}diff\n{printable_lines(text).removesuffix(chr(10))}\n{fence}"


def _longest_ticks(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = tuple(head)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows))


def _items(items: Iterable[str]) -> str:
    return "\n".join(f"- {item}" for item in items)


def _diffs(diffs: Iterable[str], with_diffs: bool) -> str:
    text = "".join(diffs)
    if not with_diffs:
        return f"The diff of {text.count(chr(10))} lines is too long for a comment."
    return f"<details>\n<summary>Diff</summary>\n\n{fenced(text)}\n\n</details>"


def _change(change: Change) -> tuple[str, ...]:
    sizes = [change.fate, f"+{change.added}" if change.added else ""]
    sizes.append(f"-{change.removed}" if change.removed else "")
    rules = ", ".join(code(rule) for rule in change.rule.split(","))
    return code(change.path), " ".join(filter(None, sizes)), str(change.impact), rules


def _finding(finding: ReportedFinding) -> str:
    place = code(f"{finding.path}:{finding.line}:{finding.column}")
    related = "".join(f"; {code(f'{other.path}:{other.line}')}: {escape(other.message)}" for other in finding.related)
    return f"{place} **{finding.severity.value}** {code(finding.rule)}: {escape(finding.message)}{related}"


def _refusal(refusal: ReportedRefusal) -> str:
    place = code(f"{refusal.path}:{refusal.line}")
    return f"{place} {code(refusal.rule)}: {escape(refusal.reason)}<br>→ {escape(refusal.advice)}"


def _host(host: Host, with_diffs: bool) -> Iterator[str]:
    yield f"#### {code(host.host)}: {host.state.value.replace('-', ' ')}"
    if host.reason:
        yield escape(host.reason)
    if host.actions:
        rows = ((escape(action.kind), code(action.target), str(action.impact)) for action in host.actions)
        yield _table(("action", "target", "impact"), rows)
    if any(action.diff for action in host.actions):
        yield _diffs([action.diff for action in host.actions], with_diffs)


def _check(check: CheckResult) -> tuple[str, ...]:
    return escape(check.check), code(check.target), check.state.value, escape(check.message)
