"""What the pre-commit hooks share. A hook runs on every commit, so nothing here imports click.

A family hook sees the files that pre-commit names and runs the rules that need nothing else. The drift hook runs the
whole check, unless nothing in the commit can concern it.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from codemods.engine.context import Context
from codemods.engine.model import Finding, Role, Rule
from codemods.errors import CodemodError
from codemods.repository import Document, Repository, git
from codemods.settings import load_settings
from codemods.stack import Stack

if TYPE_CHECKING:
    from codemods.engine.inspection import Judged

_CONCERNS = re.compile(r"\.(?:ya?ml|conf|tf|tfvars|tpl|tftpl|sh|py|env|toml)\Z|(?:^|/)[^./]+\Z")
_WORDS = re.compile(rb"registry|buildx|kaniko|docker|nginx|WOODPECKER_|_manifests|codemod")


@dataclass(frozen=True)
class Hook:
    """One pre-commit hook: `files` is the regular expression of its file names, empty for a hook over everything."""

    id: str
    name: str
    description: str
    files: str = ""
    require_serial: bool = False

    @property
    def entry(self) -> str:
        """Its console script."""
        return f"codemod-{self.id}"


def run_family(role: Role, rules: Sequence[Rule], marker: str, argv: Sequence[str]) -> int:
    """Check the named files that hold the marker, each by itself; exit 1 for errors, 3 for what cannot be read."""
    return _guarded(lambda: _check_files(role, rules, re.compile(marker), argv))


def _check_files(role: Role, rules: Sequence[Rule], marker: re.Pattern[str], paths: Sequence[str]) -> int:
    from codemods.engine.baseline import find_baseline
    from codemods.engine.judge import judge

    root = Path.cwd()
    settings = load_settings(root)
    repository = Repository(root, settings.exclude)
    wanted = [rule for rule in rules if not rule.cross and rule.id not in settings.ignore]
    baseline = find_baseline(root)
    judged: list[Judged] = []
    for path in paths:
        if repository.is_excluded(path):
            continue
        read = _reader(repository)
        try:
            if not marker.search(read(path).text):
                continue
        except CodemodError:
            pass  # what cannot be read is for the check to report
        for stack in _stacks(role, path, read):
            judged += judge(wanted, Context(settings, stack, read), baseline)
    return _report(wanted, judged)


def _reader(repository: Repository) -> Callable[[str], Document]:
    """Reads each file once."""
    documents: dict[str, Document] = {}

    def read(path: str) -> Document:
        if path not in documents:
            documents[path] = repository.read_or_new(path)
        return documents[path]

    return read


def _stacks(role: Role, path: str, read: Callable[[str], Document]) -> Iterator[Stack]:
    """The stack as far as one file shows it."""
    match role:
        case Role.COMPOSE:
            yield Stack(compose=path)
        case Role.NGINX:
            yield Stack(nginx=path)
        case Role.CLEANUP:
            yield Stack(cleanup=path)
        case Role.REGISTRY:
            yield Stack(registry_configs=(path,))
        case Role.TERRAFORM:
            from codemods.facts.terraform import find_provision_lists

            try:
                names = [name for name, _ in find_provision_lists(read(path).hcl)]
            except CodemodError:
                names = [""]
            yield from (Stack(terraform=path, provision_list=name) for name in names)
        case _:
            yield Stack(pipelines=(path,))


def _report(rules: Sequence[Rule], judged: Sequence[Judged]) -> int:
    from codemods.engine.inspection import PARSE_ERROR
    from codemods.engine.model import Note, Severity
    from codemods.engine.report.located import reported_finding
    from codemods.engine.report.model import Report, exit_code
    from codemods.engine.report.text import print_report

    severities = {rule.id: rule.severity for rule in rules}
    findings = tuple(
        reported_finding(
            item.located,
            Severity.ERROR if item.located.rule == PARSE_ERROR else severities.get(item.located.rule, Severity.WARNING),
            fixable=isinstance(item.located.outcome, Finding) and item.located.wants_edits,
            suppressed=item.suppressed,
        )
        for item in judged
        if not isinstance(item.located.outcome, Note)
    )
    if any(finding.suppressed is None for finding in findings):
        print_report(Report("hook", exit_code(findings=findings), findings=findings), sys.stdout, sys.stderr)
    return exit_code(findings=findings)


def run_drift(argv: Sequence[str]) -> int:
    """Check the whole repository, unless nothing that is committed can concern the stack."""
    return _guarded(lambda: _whole(fix=False) if _is_concerned(Path.cwd()) else 0)


def run_fix(argv: Sequence[str]) -> int:
    """Make the safe fixes; exit 1 when files changed, so that the commit waits for a look at them."""
    return _guarded(lambda: _whole(fix=True) if _is_concerned(Path.cwd()) else 0)


def _whole(*, fix: bool) -> int:
    from codemods.cli.check_run import CheckOptions, CheckRun, print_check
    from codemods.cli.options import CommonOptions
    from codemods.cli.session import open_session

    common = CommonOptions(Path.cwd())
    options = CheckOptions(fix=fix)
    report = CheckRun(open_session(common), common, options).run()
    if report.exit_code or report.changes:
        print_check(report, options, common.verbosity)
    return max(report.exit_code, int(bool(report.changes)))


def _is_concerned(root: Path) -> bool:
    """Whether a file of this commit could belong to the stack; True when there is no commit to look at."""
    paths = _committed(root)
    return not paths or any(_could_concern(root, path, status) for status, path in paths)


def _committed(root: Path) -> list[tuple[str, str]]:
    """Status letter and path of every file in the commit, or between the revisions that pre-commit was given."""
    old, new = os.environ.get("PRE_COMMIT_FROM_REF"), os.environ.get("PRE_COMMIT_TO_REF")
    what = [f"{old}...{new}"] if old and new else ["--cached"]
    try:
        listed = git(root, "diff", "--name-status", "--no-renames", "-z", *what, "--")
    except (CodemodError, FileNotFoundError):
        return []
    fields = [os.fsdecode(field) for field in listed.split(b"\0")]
    return list(zip(fields[0::2], fields[1::2], strict=False))


def _could_concern(root: Path, path: str, status: str) -> bool:
    if not _CONCERNS.search(path):
        return False
    if status == "D":
        return True
    try:
        return bool(_WORDS.search((root / path).read_bytes()))
    except OSError:
        return True


def _guarded(work: Callable[[], int]) -> int:
    """Expected errors are one line and their exit code."""
    try:
        return work()
    except CodemodError as error:
        print(f"codemod: {error}", file=sys.stderr)
        return error.exit_code
