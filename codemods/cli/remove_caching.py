"""`codemod remove-caching`: what `apply-caching` added, taken out again; shown, written or committed."""

from __future__ import annotations

from functools import partial

import click

from codemods.cli.options import CommonOptions
from codemods.cli.recipe_run import Options, Run, finish, open_run, recipe_options, select
from codemods.cli.removal_report import build_report
from codemods.engine.run import Order

TRAILER = "Codemod: apply-caching"


@click.command("remove-caching")
@recipe_options
@click.pass_obj
def remove_caching(common: CommonOptions, /, **values: object) -> int:
    """Take out what apply-caching added: the registry, and what the pipelines have for its sake.

    Where the migration's commits are in the history, the files get back what stood there before them. PATHs limit what
    is written, never what is looked at; RULE is the rule of apply-caching that added something.
    """
    from codemods.caching.removal.messages import commit_steps
    from codemods.caching.removal.recipe import removal
    from codemods.history import read_history

    options = Options(**values)  # type: ignore[arg-type]
    session = open_run(common, options)
    selection = select(session, common, options)
    history = read_history(session.repository.root, TRAILER)
    steps = partial(commit_steps, settings=session.settings)
    run = Run("remove-caching", session, options, removal(history), steps, Order.STACK_LAST)
    found, committed = run.make(selection, quiet=common.verbosity < 0)
    report = build_report(session, found, history, pending=options.diff, committed=committed)
    return finish(report, options, common.verbosity)
