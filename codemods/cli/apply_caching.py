"""`codemod apply-caching`: the recipe, shown, written or committed."""

from __future__ import annotations

from functools import partial

import click

from codemods.cli.caching_report import build_report
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
    check_settings(session.settings, session.context.stack)
    selection = select(session, common, options)
    baseline = find_baseline(session.repository.root)
    steps = partial(commit_steps, settings=session.settings)
    run = Run("apply-caching", session, options, RECIPE, steps, baseline=baseline)
    found, committed = run.make(selection, quiet=common.verbosity < 0)
    return finish(build_report(session, found, pending=options.diff, committed=committed), options, common.verbosity)
