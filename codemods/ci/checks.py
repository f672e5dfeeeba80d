"""`verify --trigger`: run a pipeline twice, and read from its logs whether the cache works."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from codemods.ci.follow import Follower, Run
from codemods.ci.verdict import build_steps, ending, judge
from codemods.ci.woodpecker import Woodpecker, connect
from codemods.engine.report.escape import printable
from codemods.engine.report.mask import mask_secrets
from codemods.engine.report.model import CheckResult, CheckState
from codemods.errors import CannotEdit, CodemodError, ParseError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from codemods.ci.pipeline import Pipeline, Repository
    from codemods.cli.options import CommonOptions
    from codemods.cli.session import Session
    from codemods.cli.verify import Options
    from codemods.settings import RegistrySettings

MOST_SEARCHED = 100
"""Pushes that are looked through for one that uses the cache."""

_FULL_NAME = re.compile(r"[\w.-]+(?:/[\w.-]+)+", re.ASCII)
_NEVER_RAN = ("declined", "blocked")
"""States of pipelines that the server refuses to restart."""


def check_trigger(session: Session, options: Options, common: CommonOptions) -> Iterator[CheckResult]:
    """Run the pipeline of a repository twice: one result for each run, and one for each step that builds.

    Raises SettingsError without server, token or host name of the registry, CodemodError when nothing could be run.
    """
    if not _FULL_NAME.fullmatch(options.trigger):
        raise SettingsError(f"--trigger {printable(options.trigger)}: OWNER/NAME is expected")
    session.settings.require("woodpecker.server", "registry.hostname")
    with connect(session.settings.woodpecker.server) as server:
        repository = server.repository(options.trigger)
        if not repository.is_enabled:
            raise CodemodError(f"{repository.name} is not enabled on the server: enable it there")
        show = _show if common.verbosity >= 0 else _be_quiet
        yield from _Trial(server, repository, cache_hosts(session.settings.registries), show).results()


def cache_hosts(registries: Iterable[RegistrySettings]) -> tuple[str, ...]:
    """How references to caches in our registries begin."""
    return tuple(f"{name}:{one.port}/" for one in registries for name in (one.hostname, one.address) if name)


def reads_cache(text: str, hosts: tuple[str, ...]) -> bool:
    """Whether a workflow file has a step that builds and reads a cache whose reference begins with one of `hosts`."""
    from codemods.facts.pipelines import read_builds
    from codemods.facts.references import cache_entries
    from codemods.repository import Document

    try:
        builds = read_builds(Document("", text).yaml)
    except (ParseError, CannotEdit):
        return False
    read = (cache_entries(build, key) for build in builds for key in ("cache_from", "cache_images"))
    return any(entry.reference.startswith(hosts) for entries in read for entry in entries)


class _Way(NamedTuple):
    """A way to run a pipeline, in words and as it is done; None when the server finds no workflow to run."""

    name: str
    start: Callable[[], Pipeline | None]


@dataclass
class _Trial:
    """Two runs of a repository's pipeline; `hosts` are the beginnings of references to our caches."""

    server: Woodpecker
    repository: Repository
    hosts: tuple[str, ...]
    show: Callable[[str], None]

    def results(self) -> Iterator[CheckResult]:
        way = _Way("started by hand", partial(self.server.trigger, self.repository))
        first = self.run(way)
        if first is None:
            way = self.push_again("no workflow runs when started by hand")
        elif self.is_another_job(first):
            yield self.result(first, way)
            way = self.push_again(f"#{first.pipeline.number} builds nothing")
            first = None
        first = first or self.run_surely(way)
        yield self.result(first, way)
        if first.pipeline.status == "success":
            second = self.run_surely(way)
            yield self.result(second, way)
            if second.pipeline.status == "success":
                yield from judge(build_steps(first), build_steps(second), self.hosts, self.repository.name)

    def run(self, way: _Way) -> Run | None:
        """Start a pipeline and follow it; None when no workflow runs."""
        pipeline = way.start()
        if pipeline is None:
            return None
        self.show(f"{pipeline.number}: {way.name}, {self.server.page_of(self.repository, pipeline.number)}")
        return Follower(self.server, self.repository, self.show).follow(pipeline.number)

    def run_surely(self, way: _Way) -> Run:
        run = self.run(way)
        if run is None:
            raise CodemodError(f"{way.name}: the server found no workflow to run; push a commit without [ci skip]")
        return run

    def is_another_job(self, run: Run) -> bool:
        """Whether a run that came to its end has nothing to do with builds and caches."""
        ran = run.pipeline.status in ("success", "failure")
        return ran and not build_steps(run) and not self.ran_with_cache(run.pipeline.number)

    def push_again(self, reason: str) -> _Way:
        """Restart the newest push that a workflow with our cache ran for, by the configuration that the server kept."""
        for listed in islice(self.server.pipelines(self.repository, "push"), MOST_SEARCHED):
            if listed.status not in _NEVER_RAN and self.ran_with_cache(listed.number):
                name = f"restart of #{listed.number} with the configuration of {listed.commit[:8]}, as {reason}"
                return _Way(name, partial(self.server.restart, self.repository, listed.number))
        raise CodemodError("nothing has run since the migration; push a commit without [ci skip]")

    def ran_with_cache(self, number: int) -> bool:
        texts = self.server.configuration(self.repository, number)
        using = {name for name, text in texts.items() if reads_cache(text, self.hosts)}
        return bool(using) and any(
            workflow.name in using for workflow in self.server.pipeline(self.repository, number).workflows
        )

    def result(self, run: Run, way: _Way) -> CheckResult:
        """How a run ended, with its number."""
        state, end = ending(run.pipeline)
        page = "" if state is CheckState.PASS else f"; {self.server.page_of(self.repository, run.pipeline.number)}"
        return CheckResult(
            "trigger", f"{self.repository.name} #{run.pipeline.number}", state, f"{way.name}: {end}{page}"
        )


def _show(line: str) -> None:
    print(printable(mask_secrets(line)), file=sys.stderr, flush=True)


def _be_quiet(line: str) -> None:
    """Who wants the result only is told nothing else."""
