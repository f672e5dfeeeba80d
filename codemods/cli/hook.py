"""What the pre-commit hooks share. A hook runs on every commit, so nothing is imported before it is needed.

A family hook sees the files that pre-commit names and runs the rules that need nothing else. The drift hook runs the
whole check, unless nothing in the commit can concern it.
"""

from __future__ import annotations

import atexit
import gc
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from codemods.errors import CodemodError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from codemods.engine.inspection import Judged
    from codemods.engine.model import Role, Rule
    from codemods.repository import Document, Repository
    from codemods.settings import Settings
    from codemods.stack import Stack

_STACK = r"codemod\.toml\Z|\.codemod-|\.woodpecker(?:\.|/)"
"""Paths that always concern the check."""
_NAMES = r"\.(?:ya?ml|conf|tf|tfvars|hcl|tpl|tftpl|sh|py|env|toml)\Z|(?:\A|/)\.env|(?:\A|/)[^./]+\Z"
"""Paths of files that can belong to the stack; they do when they hold one of _WORDS."""
_WORDS = "registry|buildx|kaniko|docker|nginx|proxy_pass|rootdirectory|remoteurl|WOODPECKER_|_manifests|codemod"


class Hook(NamedTuple):
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


def run_family(
    hook: Hook,
    marker: str,
    family: Callable[[Settings], tuple[Role, Sequence[Rule]]],
    argv: Sequence[str] | None = None,
) -> int:
    """Check the files named in `argv` (the arguments of the process) that hold the marker, each by itself.

    Exit 1 for errors, 3 for what cannot be read. The family's rules are asked for only when there is such a file;
    those that need more than one file are left out.
    """
    paths = sys.argv[1:] if argv is None else argv
    return _guarded(lambda: _check_files(hook, re.compile(marker), family, paths))


def _check_files(
    hook: Hook,
    marker: re.Pattern[str],
    family: Callable[[Settings], tuple[Role, Sequence[Rule]]],
    paths: Sequence[str],
) -> int:
    from codemods.engine.model import SUPPRESSION_MARKER
    from codemods.repository import Repository

    root = Path.cwd()
    read = _reader(Repository(root))
    texts = {path: _text(read, path) for path in paths}
    paths = [path for path, text in texts.items() if text is None or marker.search(text) or SUPPRESSION_MARKER in text]
    if not paths:
        return 0
    from codemods.engine.context import Context
    from codemods.engine.judge import judge
    from codemods.settings import load_all_settings

    first, *others = load_all_settings(root)
    repository = Repository(root, first.exclude)
    role, rules = family(first)
    if any(SUPPRESSION_MARKER in (text or "") for text in texts.values()):
        from codemods.rules import suppression

        rules = (*rules, *suppression.RULES)
    wanted = [rule for rule in rules if not rule.cross and rule.id not in first.ignore]
    judged: list[Judged] = []
    for path in paths:
        if not repository.is_excluded(path):
            mine = _meant(role, path, (first, *others))
            for stack in _stacks(role, path, read):
                one, *more = (Context(settings, stack, read) for settings in mine)
                judged += judge(wanted, Context(one.settings, stack, read, others=tuple(more)))
    # Two lists of one Terraform file can lead to the same finding.
    return _report(hook, root, wanted, list(dict.fromkeys(judged)), read) if judged else 0


def _reader(repository: Repository) -> Callable[[str], Document]:
    """Reads each file once."""
    documents: dict[str, Document] = {}

    def read(path: str) -> Document:
        if path not in documents:
            documents[path] = repository.read_or_new(path)
        return documents[path]

    return read


def _text(read: Callable[[str], Document], path: str) -> str | None:
    """None for what cannot be read, which is for the check to report."""
    try:
        return read(path).text
    except CodemodError:
        return None


def _meant(role: Role, path: str, settings: Sequence[Settings]) -> Sequence[Settings]:
    """The settings of the registries that a file is about: a pipeline belongs to one, any other file may be of all."""
    from codemods.engine.model import Role
    from codemods.globs import Globs

    if role is not Role.PIPELINE or len(settings) == 1:
        return settings
    return [one for one in settings if Globs(one.paths.pipelines).match(path)] or settings[:1]


def _stacks(role: Role, path: str, read: Callable[[str], Document]) -> Iterator[Stack]:
    """The stack as far as one file shows it."""
    from codemods.engine.model import Role
    from codemods.stack import Stack

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


def _report(
    hook: Hook, root: Path, rules: Sequence[Rule], judged: Sequence[Judged], read: Callable[[str], Document]
) -> int:
    from codemods.engine.baseline import find_baseline
    from codemods.engine.report.located import reported_findings
    from codemods.engine.report.model import Report, exit_code
    from codemods.engine.report.text import print_report

    if baseline := find_baseline(root):
        judged = baseline.judge(rules, judged)
    findings = tuple(reported_findings(judged, rules, read))
    code = exit_code(findings=findings)
    if any(finding.suppressed is None for finding in findings):
        print_report(Report(hook.id, code, findings=findings), sys.stdout, sys.stderr)
    return code


def run_drift() -> int:
    """Check the whole repository, unless nothing that is committed can concern the stack."""
    return _guarded(lambda: _check_all(fix=False) if _is_concerned(Path.cwd()) else 0)


def run_fix() -> int:
    """Make the safe fixes; exit 1 when files changed, so that the commit waits for a look at them."""
    return _guarded(lambda: _check_all(fix=True) if _is_concerned(Path.cwd()) else 0)


def _check_all(*, fix: bool) -> int:
    from codemods.cli.check_run import CheckOptions, CheckRun, print_check
    from codemods.cli.options import CommonOptions
    from codemods.cli.session import open_session
    from codemods.rules.woodpecker import CHECK_ONLY

    common = CommonOptions(Path.cwd())
    options = CheckOptions(fix=fix, ignore=tuple(rule.id for rule in CHECK_ONLY))
    report = CheckRun(open_session(common), common, options).run()
    if report.exit_code or report.changes:
        print_check(report, options, common.verbosity)
    return max(report.exit_code, int(bool(report.changes)))


def _is_concerned(root: Path) -> bool:
    """Whether a file of this commit could belong to the stack; True when there is no commit to look at."""
    old, new = os.environ.get("PRE_COMMIT_FROM_REF"), os.environ.get("PRE_COMMIT_TO_REF")
    what = (f"{old}...{new}",) if old and new else ("--cached",)
    changed = _diff(root, "--name-status", *what)
    if not changed:
        return True
    unsure = []
    for status, path in zip(changed[0::2], changed[1::2], strict=True):
        if re.match(_STACK, path) or (re.search(_NAMES, path) and (status == "D" or _has_words(root / path))):
            return True
        if status != "A" and re.search(_NAMES, path):
            unsure.append(path)
    # A file may have held the words before.
    return bool(unsure) and bool(_diff(root, "--name-only", f"-G{_WORDS}", *what, "--", *unsure))


def _has_words(path: Path) -> bool:
    try:
        return re.search(_WORDS.encode(), path.read_bytes()) is not None
    except OSError:
        return True


def _diff(root: Path, *arguments: str) -> list[str]:
    """Fields of a `git diff`; none when git cannot tell, or there is none."""
    from subprocess import DEVNULL, run

    # Git says in GIT_INDEX_FILE what a `git commit PATH` commits.
    command = ["git", "--literal-pathspecs", "diff", "--no-renames", "--no-ext-diff", "-z", *arguments]
    try:
        done = run(command, cwd=root, stdin=DEVNULL, capture_output=True, check=False)
    except OSError:
        return []
    return [os.fsdecode(field) for field in done.stdout.split(b"\0")[:-1]]


def _guarded(work: Callable[[], int]) -> int:
    """Expected errors are one line and their exit code."""
    # The process is over before it pays to look for garbage, and at its end none of it matters.
    gc.disable()
    atexit.register(gc.freeze)
    try:
        return work()
    except CodemodError as error:
        from codemods.engine.report.escape import printable_lines

        print(f"codemod: {printable_lines(str(error))}", file=sys.stderr)
        return error.exit_code
    finally:
        gc.enable()
