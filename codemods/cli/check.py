"""`codemod check`: every rule over the whole repository, reported, and fixed if asked for."""

from __future__ import annotations

import click

from codemods.cli.check_run import CheckOptions, CheckRun, print_check
from codemods.cli.main import common_options, reader_may_leave
from codemods.cli.options import CommonOptions
from codemods.cli.session import open_session
from codemods.engine.baseline import BASELINE_FILE
from codemods.engine.report.formats import FORMATS
from codemods.errors import SettingsError


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
@click.option("--baseline", metavar="FILE", help=f"Known findings that do not fail.  [default: {BASELINE_FILE}]")
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
    session = open_session(common)
    report = CheckRun(session, common, options).run()
    with reader_may_leave():
        print_check(report, options, common.verbosity)
    return report.exit_code
