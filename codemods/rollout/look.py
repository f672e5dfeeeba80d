"""A machine as it was found, and what has to be done to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from codemods.rollout.definitions import Definitions, read_definitions
from codemods.rollout.fingerprint import fingerprint
from codemods.rollout.observe import observe
from codemods.rollout.plan import Plan, Wish, make_plan
from codemods.rollout.snapshot import Snapshot

if TYPE_CHECKING:
    from codemods.rollout.transport import Transport


@dataclass(frozen=True)
class Observation:
    """A machine as it was found, and the plan for it."""

    snapshot: Snapshot
    definitions: Definitions
    plan: Plan
    fingerprint: Mapping[str, str]


def look(transport: Transport, wish: Wish) -> Observation:
    """Observe a machine and plan. Changes nothing there. Raises CodemodError."""
    snapshot = observe(transport, wish.question)
    definitions = Definitions()
    if snapshot.is_root and snapshot.has_docker:
        definitions = read_definitions(transport, wish.manifest, wish.composition, snapshot)
    plan = make_plan(wish, snapshot, definitions)
    return Observation(snapshot, definitions, plan, fingerprint(wish, snapshot))
