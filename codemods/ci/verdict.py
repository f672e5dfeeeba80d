"""What two runs of a pipeline prove: how each ended, and whether the second one built from the cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from codemods.ci.cache_log import BuildLog, Outcome, Transfer, read_build
from codemods.ci.follow import Run, labelled_steps
from codemods.engine.report.model import CheckResult, CheckState

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from codemods.ci.pipeline import Pipeline


class BuildStep(NamedTuple):
    """A step that built something: its name, how long it ran in seconds, and what its log says."""

    label: str
    seconds: int
    log: BuildLog

    def imports(self, hosts: tuple[str, ...]) -> list[Transfer]:
        """The caches of our registry that it asked for."""
        return [one for one in self.log.imports if one.reference.startswith(hosts)]


def build_steps(run: Run) -> list[BuildStep]:
    """The steps whose logs are those of builds."""
    read = ((label, step, read_build(run.logs.get(step.id, ()))) for label, step in labelled_steps(run.pipeline))
    return [BuildStep(label, step.seconds, log) for label, step, log in read if log is not None]


def ending(pipeline: Pipeline) -> tuple[CheckState, str]:
    """What a pipeline's last state means: one that was stopped by people says nothing of the pipeline."""
    match pipeline.status:
        case "success":
            return CheckState.PASS, f"ran for {pipeline.seconds} s"
        case "failure":
            return CheckState.FAIL, f"failed{_failed_steps(pipeline)}"
        case "error":
            reasons = "; ".join(pipeline.errors) or "it gives no reason"
            return CheckState.FAIL, f"the server cannot run its configuration: {reasons}"
        case "blocked":
            return CheckState.ERROR, "waits for an approval: approve it on the server, then verify again"
        case "declined":
            return CheckState.ERROR, "was declined by someone on the server"
        case "canceled":
            return CheckState.ERROR, "was cancelled by someone on the server"
        case "killed":
            return CheckState.ERROR, "was killed: cancelled, or it ran longer than the server allows"
        case "skipped":
            return CheckState.ERROR, "was skipped: no workflow had anything to run"
    return CheckState.ERROR, f"is in the state {pipeline.status}, which is not known"


def judge(
    first: Sequence[BuildStep], second: Sequence[BuildStep], hosts: tuple[str, ...], name: str
) -> Iterator[CheckResult]:
    """One result for each step that built: did it use a cache in our registry the second time?

    `hosts` are the beginnings of references to caches in it.
    """
    if not any(step.imports(hosts) for step in second):
        reason = f"no build asked for a cache in {hosts[0]}: have the migrated pipelines been pushed?"
        yield CheckResult("trigger", name, CheckState.FAIL, reason)
    before = {step.label: step for step in first}
    for step in second:
        state, message = _verdict(before.get(step.label), step, hosts)
        yield CheckResult("trigger", f"{name} {step.label}", state, message)


def _verdict(before: BuildStep | None, after: BuildStep, hosts: tuple[str, ...]) -> tuple[CheckState, str]:
    imports = after.imports(hosts)
    if not imports:
        return CheckState.SKIPPED, "asked for no cache in this registry"
    for one in imports:
        if one.outcome is not Outcome.DONE:
            return CheckState.FAIL, f"{one.reference} was not imported: {one.reason or 'the log ends before that'}"
    for export in (*(before.log.exports if before else ()), *after.log.exports):
        if export.outcome is Outcome.FAILED:
            return CheckState.FAIL, f"the cache was not written: {export.reason}"
    imported = f"{', '.join(one.reference for one in imports)} imported"
    if after.log.steps and not after.log.cached:
        return CheckState.FAIL, f"{imported}, but none of {after.log.steps} steps was cached"
    was_there = before is None or any(one.outcome is Outcome.DONE for one in before.imports(hosts))
    return CheckState.PASS, f"{imported}{'' if was_there else ', not the first time'}; {_compared(before, after)}"


def _compared(before: BuildStep | None, after: BuildStep) -> str:
    cached = f"{after.log.cached} of {after.log.steps} steps cached"
    if before is None:
        return cached
    saved = before.seconds - after.seconds
    return (
        f"{before.log.cached}, then {cached}; the others took {before.log.seconds:.1f} s, then "
        f"{after.log.seconds:.1f} s, and all of it {before.seconds} s, then {after.seconds} s: "
        f"{f'{saved} s' if saved > 0 else 'nothing'} saved"
    )


def _failed_steps(pipeline: Pipeline) -> str:
    failed = [
        f"{label} ({step.error or f'exit code {step.exit_code}'})"
        for label, step in labelled_steps(pipeline)
        if step.state in ("failure", "error")
    ]
    return f": {', '.join(failed)}" if failed else ""
