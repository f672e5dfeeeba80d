"""One check of a repository: judged, fixed if asked for, reported; the command and the hooks share it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from codemods.cli.session import Session, known_rules, scope
from codemods.engine.baseline import BASELINE_FILE, Baseline
from codemods.engine.check import SAFE_IMPACTS, fix, is_safe
from codemods.engine.context import Context
from codemods.engine.inspection import Judged, Located
from codemods.engine.judge import judge
from codemods.engine.model import Finding, Rule
from codemods.engine.report.located import reported_change, reported_findings
from codemods.engine.report.model import Report, ReportedFinding, count, exit_code
from codemods.errors import CannotEdit, SettingsError
from codemods.replace import FileChange, WriteError, replace_files
from codemods.settings import with_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from codemods.cli.options import CommonOptions
    from codemods.engine.run import Change


@dataclass(frozen=True)
class CheckOptions:
    """What was asked for on the command line."""

    paths: tuple[str, ...] = ()
    fix: bool = False
    unsafe_fixes: bool = False
    strict: bool = False
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    since: str | None = None
    baseline: str | None = None
    write_baseline: bool = False
    format: str = "text"


class CheckRun:
    """One run of the command."""

    def __init__(self, session: Session, common: CommonOptions, options: CheckOptions) -> None:
        self.session = session
        self.options = options
        self.context = session.context
        self.notes: list[str] = list(dict.fromkeys(note for one in self.context.each() for note in one.stack.notes))
        self.recipe: frozenset[str] = frozenset()
        self.rules = self._rules()
        self.paths = scope(session.repository, common.directory, options.paths)
        self.since = None if options.since is None else session.repository.changed_since(options.since)
        self.baseline_path = (
            session.repository.root / BASELINE_FILE if options.baseline is None else common.directory / options.baseline
        )
        if options.write_baseline and (
            options.paths or options.since or options.select or options.ignore or options.fix
        ):
            raise SettingsError(
                "--write-baseline takes the whole repository: leave out paths, rules, --since and --fix"
            )

    def _rules(self) -> list[Rule]:
        """The rules to run: the recipe's only once the repository has adopted it."""
        from codemods.caching.production import check_settings
        from codemods.catalogue import ALL, LINT, RECIPE

        settings, ids = self.session.settings, [rule.id for rule in ALL]
        select = known_rules(self.options.select, ids, "--select: ")
        ignore = known_rules(self.options.ignore, ids, "--ignore: ") | known_rules(settings.ignore, ids, "ignore: ")
        rules = list(LINT)
        if settings.registry.hostname and self.session.has_adopted_recipe():
            for one in self.context.each():
                check_settings(one.settings, one.stack)
            rules = [*RECIPE, *LINT]
            self.recipe = frozenset(rule.id for rule in RECIPE)
        elif settings.registry.hostname:
            # The recipe does not run here, and no rule must leave anything to it.
            without = with_values(settings, {"registry.hostname": ""})
            self.context = Context(without, self.context.stack, self.context.document)
        return [rule for rule in rules if (not select or rule.id in select) and rule.id not in ignore]

    def run(self) -> Report:
        """Judge, fix if asked for, write the baseline if asked for, and report."""
        baseline = None if self.options.write_baseline else self._load_baseline()
        changes: list[Change] = []
        if self.options.fix:
            fixed = fix(self.rules, self.context, baseline, self._is_wanted)
            changes, judged = self._write(fixed.changes), fixed.left
        if not self.options.fix or len(changes) != len(fixed.changes):
            judged = judge(self.rules, self.context, baseline)
        if self.options.write_baseline:
            baseline = Baseline.of(self.rules, judged)
            self._save(baseline)
            judged = baseline.judge(self.rules, judged)
        elif baseline is not None:
            self._shrink(baseline, judged)
        in_scope = [item for item in judged if self._in_scope(item.located)]
        findings = tuple(reported_findings(in_scope, self.rules, self.context.document, self.recipe))
        self._say_what_can_be_fixed(findings)
        return Report(
            command="check",
            exit_code=exit_code(findings=findings, strict=self.options.strict),
            profile=self.session.settings.profile,
            findings=findings,
            changes=tuple(reported_change(change) for change in changes),
            notes=tuple(self.notes),
        )

    def _load_baseline(self) -> Baseline | None:
        wanted = self.options.baseline is not None or self.baseline_path.exists()
        return Baseline.load(self.baseline_path) if wanted else None

    def _save(self, baseline: Baseline) -> None:
        old = self.baseline_path.read_bytes() if self.baseline_path.exists() else None
        full = self.baseline_path.absolute()
        replace_files(full.parent, [FileChange(full.name, old, baseline.text().encode())])
        self.notes.append(f"{full.name} holds {count(len(baseline), 'finding')}: commit it")

    def _shrink(self, baseline: Baseline, judged: Sequence[Judged]) -> None:
        """Drop known findings that are gone; without `--fix` only say so, a check writes nothing."""
        gone = len(baseline.stale(self.rules, judged, self._has_path))
        if gone and self.options.fix:
            self._save(baseline.without_stale(self.rules, judged, self._has_path))
        elif gone:
            self.notes.append(f"{count(gone, 'finding')} of {self.baseline_path.name} gone: --fix drops them from it")

    def _is_wanted(self, item: Located) -> bool:
        """Whether a finding is to be fixed: in scope, not the recipe's, and safe or allowed."""
        return (
            item.wants_edits
            and item.rule not in self.recipe
            and (self.options.unsafe_fixes or is_safe(item))
            and self._in_scope(item)
        )

    def _in_scope(self, item: Located) -> bool:
        """Whether the finding's own place or a related one is asked for."""
        related = item.outcome.related if isinstance(item.outcome, Finding) else ()
        return any(self._has_path(path) for path in (item.document.path, *(place.path for place in related)))

    def _has_path(self, path: str) -> bool:
        if self.since is not None and path not in self.since:
            return False
        return not self.paths or any(p in (path, ".") or path.startswith(f"{p}/") for p in self.paths)

    def _write(self, changes: Sequence[Change]) -> list[Change]:
        """Write fixed files, the stack's all or none; what must not be written is a note."""
        groups: dict[str, list[Change]] = {}
        for change in changes:
            groups.setdefault(change.path if change.path in self.context.pipelines else "", []).append(change)
        written: list[Change] = []
        for group in groups.values():
            try:
                for change in group:
                    self.session.repository.check_writable(change.path)
                self.session.repository.write([
                    FileChange(c.path, c.document.encode(c.document.text), c.document.encode(c.new_text)) for c in group
                ])  # fmt: skip
            except (CannotEdit, WriteError) as error:
                self.notes.append(f"not fixed: {', '.join(change.path for change in group)}: {error}")
            else:
                written += group
        return written

    def _say_what_can_be_fixed(self, findings: Sequence[ReportedFinding]) -> None:
        fixable = [finding for finding in findings if finding.fixable and finding.suppressed is None]
        impacts = [finding.impact for finding in fixable if finding.impact is not None]
        safe = sum(impact in SAFE_IMPACTS for impact in impacts)
        if safe:
            self.notes.append(f"{count(safe, 'finding')} can be fixed: codemod check --fix")
        if unsafe := [impact for impact in impacts if impact not in SAFE_IMPACTS]:
            self.notes.append(
                f"{count(len(unsafe), 'finding')} can be fixed with worst impact {max(unsafe)}:"
                " codemod check --fix --unsafe-fixes"
            )


def print_check(report: Report, options: CheckOptions, verbosity: int) -> None:
    if options.format == "text":
        from codemods.engine.report.text import print_report

        print_report(report, sys.stdout, sys.stderr, verbosity=verbosity)
        return
    from codemods.engine.report.formats import render

    # Machines read UTF-8, whatever the terminal's encoding is; names that are none have halves of surrogate pairs.
    sys.stdout.buffer.write(render(report, options.format).encode("utf-8", "backslashreplace"))
    sys.stdout.buffer.flush()
