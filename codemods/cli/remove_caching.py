"""`codemod remove-caching`: what `apply-caching` added, taken out again; shown, written or committed."""

from __future__ import annotations

import click

from codemods.cli.options import CommonOptions
from codemods.cli.recipe_report import in_one
from codemods.cli.recipe_run import Options, Run, finish, open_run, recipe_options, select
from codemods.cli.removal_report import build_report
from codemods.engine.run import Order


@click.command("remove-caching")
@recipe_options
@click.pass_obj
def remove_caching(common: CommonOptions, /, **values: object) -> int:
    """Take out what apply-caching added: the registry, and what the pipelines have for its sake.

    Where the migration's commits are in the history, the files get back what stood there before them. PATHs limit what
    is written, never what is looked at; RULE is the rule of apply-caching that added something.
    """
    from codemods.caching.messages import TRAILER
    from codemods.caching.removal.messages import commit_steps
    from codemods.caching.removal.recipe import removal
    from codemods.history import read_history

    options = Options(**values)  # type: ignore[arg-type]
    session = open_run(common, options)
    selection = select(session, common, options)
    history = read_history(session.repository.root, TRAILER)
    run = Run("remove-caching", session, options, removal(history), commit_steps, Order.STACK_LAST)
    made = list(run.make(selection, quiet=common.verbosity < 0))
    reports = [
        build_report(one, found, history, pending=options.diff, committed=committed) for one, found, committed in made
    ]
    return finish(in_one(reports, [found for _, found, _ in made]), options, common.verbosity)
