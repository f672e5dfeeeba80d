"""`codemod apply-caching`: the recipe, shown, written or committed."""

from __future__ import annotations

import click

from codemods.cli.caching_report import build_report, finished
from codemods.cli.options import CommonOptions
from codemods.cli.recipe_run import Options, Run, finish, open_run, recipe_options, select
from codemods.engine.baseline import find_baseline


@click.command("apply-caching")
@recipe_options
@click.pass_obj
def apply_caching(common: CommonOptions, /, **values: object) -> int:
    """Give the repository a private registry, and its pipelines a second target and a layer cache.

    PATHs limit what is written, never what is looked at.
    """
    from codemods.caching.messages import commit_steps
    from codemods.caching.production import check_settings
    from codemods.caching.recipe import RECIPE

    options = Options(**values)  # type: ignore[arg-type]
    session = open_run(common, options)
    for one in session.each():
        check_settings(one.settings, one.context.stack)
    selection = select(session, common, options)
    baseline = find_baseline(session.repository.root)
    run = Run("apply-caching", session, options, RECIPE, commit_steps, baseline=baseline)
    made = list(run.make(selection, quiet=common.verbosity < 0))
    reports = [build_report(one, found, pending=options.diff, committed=committed) for one, found, committed in made]
    return finish(finished(session, reports, [found for _, found, _ in made]), options, common.verbosity)
