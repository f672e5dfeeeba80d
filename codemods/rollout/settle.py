"""Containers brought to the files: `up`, then restarts of what still sees a former file, nginx last.

What has to be restarted is read from the running containers, not remembered: after a run that was killed the next one
finds the same.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from codemods.errors import CodemodError
from codemods.facts.compose import ComposeFacts, read_compose
from codemods.formats.yaml import parse
from codemods.rollout import services
from codemods.rollout.definitions import compose_files, override_path
from codemods.rollout.observe import observe
from codemods.rollout.services import Composition, composition_of, predict
from codemods.rollout.snapshot import Question, Snapshot

if TYPE_CHECKING:
    from codemods.rollout.apply import Rollout
    from codemods.rollout.look import Observation
    from codemods.rollout.plan import Plan

UP_TIMEOUT = 900
ROUNDS = 3


def settle(rollout: Rollout, composition: Composition, found: Observation, plan: Plan) -> list[str]:
    """Do what the plan says about containers. Returns notes where it came otherwise. Raises StepFailed."""
    run, manifest = rollout.run, rollout.wish.manifest
    if plan.runs_up:
        rollout.step("up", run.up(compose_files(manifest, found.snapshot), UP_TIMEOUT))
    interrupted = found.snapshot.interrupted is not None
    now = _restart(rollout, composition, rollout.wish.question, found.snapshot, interrupted)
    removed = [one.container for one in plan.services if one.verb == services.REMOVE]
    if removed:
        rollout.step("removing " + ", ".join(removed), run.remove(removed))
    expected = {one.service for one in plan.services if one.verb != services.REMOVE}
    return [*_surprises(composition, found.snapshot, now, expected)]


def settle_restored(rollout: Rollout, records: Sequence[Mapping[str, Any]]) -> Composition:
    """Bring the containers back to what the restored files say. Returns that composition. Raises StepFailed."""
    run, path = rollout.run, rollout.wish.manifest.compose.path
    override = override_path(path)
    snapshot = observe(rollout.transport, Question(run.directory, {path: "read it", override: ""}))
    content = snapshot.file(path).content
    facts = read_compose(parse(content.decode())) if content else ComposeFacts({}, (), None)
    composition = composition_of(facts, run.directory)
    former = {*records[-1]["services"], *facts.services}
    new = [one.name for one in snapshot.containers if one.directory == run.directory and one.service not in former]
    if new:
        rollout.step("removing " + ", ".join(new), run.remove(new))
    if content:
        rollout.step("up", run.up(compose_files(rollout.wish.manifest, snapshot), UP_TIMEOUT))
    binds = [source for service in composition.services for source, _ in composition.binds(service)]
    question = Question(run.directory, dict.fromkeys(binds, ""), mounts=composition.file_mounts(binds))
    _restart(rollout, composition, question, snapshot, True)
    return composition


def _restart(
    rollout: Rollout, composition: Composition, question: Question, before: Snapshot, suspect_all: bool
) -> Snapshot:
    """Restart until every container sees its files; returns how the machine then stands. Raises StepFailed.

    nginx is restarted after a registry that was started since `before`; with `suspect_all` after any that was started
    after nginx.
    """
    for _ in range(ROUNDS):
        snapshot = replace(observe(rollout.transport, question), interrupted=None)
        registries = [service.name for service in composition.facts.registries]
        suspects = registries if suspect_all else _touched(composition, before, snapshot, registries)
        changes = predict(composition, snapshot, (), (), suspects=suspects)
        restarts = [one.container for one in changes if one.verb == services.RESTART]
        if not restarts:
            return snapshot
        rollout.step("restarting " + ", ".join(restarts), rollout.run.restart(restarts))
    raise CodemodError(f"{', '.join(restarts)}: restarted {ROUNDS} times and still not as the files say")


def _touched(composition: Composition, before: Snapshot, now: Snapshot, names: Collection[str]) -> list[str]:
    """The services whose containers are new, or were started, since."""
    found = []
    for name in names:
        old, new = (one.container(name, composition.directory) for one in (before, now))
        if new and (old is None or (old.id, old.started) != (new.id, new.started)):
            found.append(name)
    return found


def _surprises(composition: Composition, before: Snapshot, now: Snapshot, expected: Collection[str]) -> list[str]:
    """Where what happened to the containers is not what the plan said."""
    names = [service.name for service in composition.services]
    happened = _touched(composition, before, now, names)
    return [
        *(
            f"{name} was restarted or recreated, which the plan did not say"
            for name in happened
            if name not in expected
        ),
        *(f"{name} was left alone, although the plan said otherwise" for name in expected if name not in happened),
    ]
