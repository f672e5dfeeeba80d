"""`codemod check`: every rule over the whole repository, reported, and fixed if asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from codemods.cli.main import common_options, reader_may_leave
from codemods.cli.options import CheckOptions, CommonOptions
from codemods.engine.report.formats import FORMATS, print_as
from codemods.errors import SettingsError

if TYPE_CHECKING:
    from codemods.engine.report.model import Report


@click.command("check")
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@click.option("--fix", is_flag=True, help="Make the fixes that restart nothing.")
@click.option("--unsafe-fixes", is_flag=True, help="With --fix: make those that recreate containers or resources, too.")
@click.option("--strict", is_flag=True, help="Fail on warnings, too.")
@click.option("--select", multiple=True, metavar="RULE", help="Run this rule, and no other.")
@click.option("--ignore", multiple=True, metavar="RULE", help="Leave this rule out.")
@click.option(
    "--since", metavar="REV", help="Report only what files changed since the git revision REV have to do with."
)
@click.option("--baseline", metavar="FILE", help="Known findings that do not fail.  [default: .codemod-baseline.json]")
@click.option("--write-baseline", is_flag=True, help="Write all present findings to the baseline.")
@click.option("--format", type=click.Choice(["text", *FORMATS]), default="text", show_default=True)
@common_options
@click.pass_obj
def check(common: CommonOptions, /, **values: object) -> int:
    """Check the repository for drift and known mistakes.

    PATHs limit what is reported, never what is looked at.
    """
    options = CheckOptions(**values)  # type: ignore[arg-type]
    if options.unsafe_fixes and not options.fix:
        raise SettingsError("--unsafe-fixes goes with --fix")
    report = run_check(common, options)
    with reader_may_leave():
        print_as(options.format, report, common.verbosity)
    return report.exit_code


def run_check(common: CommonOptions, options: CheckOptions) -> Report:
    """What the last check said when nothing has changed since; else what this one finds."""
    from codemods.cli.check_memory import CheckMemory
    from codemods.repository import Repository, find_root
    from codemods.settings import load_all_settings

    root = find_root(common.directory)
    settings = load_all_settings(root, common.overrides)
    repository = Repository(root, settings[0].exclude)
    memory = CheckMemory(repository, common, options)
    if (report := memory.recall()) is not None:
        return report
    from codemods.cli.check_run import CheckRun
    from codemods.cli.session import open_with

    report = CheckRun(open_with(root, *settings, repository=repository), common, options).run()
    memory.keep(report)
    return report
