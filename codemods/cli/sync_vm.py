"""`codemod sync-vm`: the live machines brought to what the repository says, or back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click

from codemods.cli.main import common_options, reader_may_leave
from codemods.cli.options import CommonOptions
from codemods.errors import SettingsError


@dataclass(frozen=True)
class Options:
    """What was asked for on the command line."""

    plan: bool = False
    out: Path | None = None
    apply: Path | None = None
    yes: bool = False
    hosts: tuple[str, ...] = ()
    inventory: str | None = None
    batch: str = "1,100%"
    variables: tuple[str, ...] = ()
    secrets: Path | None = None
    prune: bool = False
    overwrite: bool = False
    verify_only: bool = False
    rollback: str | None = None
    force: bool = False
    format: str = "text"


LAST = "the last"
"""What `--rollback` without a run means."""

_EXCLUSIVE = ("plan", "apply", "verify_only", "rollback")


@click.command("sync-vm")
@click.option("--plan", is_flag=True, help="Show what would be done; do nothing. Exit 1 when something would.")
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="With --plan: write the plan to FILE.")
@click.option("--apply", type=click.Path(path_type=Path), metavar="FILE", help="Carry out exactly the plan in FILE.")
@click.option("--yes", is_flag=True, help="Ask nothing.")
@click.option("--host", "hosts", multiple=True, metavar="HOST", help="This machine, instead of those of vm.hosts.")
@click.option("--inventory", metavar="FILE", help="Machines of a pyinfra inventory. It is Python code, and is run.")
@click.option(
    "--batch", default="1,100%", show_default=True, metavar="SIZES",
    help="Machines at a time, as in 1,5,25%; a failure stops later batches.",
)  # fmt: skip
@click.option("--var", "variables", multiple=True, metavar="NAME=VALUE", help="A Terraform variable that is no secret.")
@click.option(
    "--secrets", type=click.Path(path_type=Path), metavar="FILE", help="A .tfvars file with secrets, of mode 0600."
)
@click.option("--prune", is_flag=True, help="Remove files, containers and crontab lines that are no longer wanted.")
@click.option("--overwrite", is_flag=True, help="Replace files that were changed by hand on the machine, too.")
@click.option("--verify-only", is_flag=True, help="Only check the health of the stack.")
@click.option(
    "--rollback", is_flag=False, flag_value=LAST, metavar="[RUN]",
    help="Go back to before RUN, or before the last one. `codemod vm runs HOST` lists them.",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Roll out although the stack is not healthy before.")
@click.option("--format", type=click.Choice(["text", "json"]), default="text", show_default=True)
@common_options
@click.pass_obj
def sync_vm(common: CommonOptions, /, **values: object) -> int:
    """Bring the machines of vm.hosts to what the repository says: show the plan, ask, apply, check health.

    Whatever fails after the first change is rolled back. Exit codes: 4 rolled back, 5 the rollback failed.
    """
    options = Options(**values)  # type: ignore[arg-type]
    given = [name for name in _EXCLUSIVE if getattr(options, name)]
    if len(given) > 1:
        first, second = (f"--{name.replace('_', '-')}" for name in given[:2])
        raise SettingsError(f"{first} and {second} exclude each other")
    if options.out and not options.plan:
        raise SettingsError("--out goes with --plan")

    from codemods.rollout.ssh import patch

    patch()  # before anything else is imported: it looks through all objects that there are
    from codemods.cli.sync_vm_stacks import sync_stacks
    from codemods.engine.report.formats import print_as

    report = sync_stacks(common, options)
    with reader_may_leave():
        print_as(options.format, report, common.verbosity)
    return report.exit_code
