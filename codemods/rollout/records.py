"""What a run writes down on the machine: a record before it changes anything, the state that it leaves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from codemods.rollout import steps
from codemods.rollout.definitions import input_digest
from codemods.rollout.health import Answer, Answers
from codemods.rollout.lock import who
from codemods.rollout.plan import Wish, digest

if TYPE_CHECKING:
    from codemods.rollout.look import Observation
    from codemods.rollout.manifest import Manifest
    from codemods.rollout.snapshot import Snapshot
    from codemods.rollout.steps import Run


def make_record(run: Run, manifest: Manifest, found: Observation, before: Answers, commit: str) -> dict[str, Any]:
    """What a later run has to know of this one, if it is taken back or does not come to its end.

    It goes back to before an interrupted run that it carries on from.
    """
    former = found.snapshot.interrupted or {}
    wanted = {change.file.path: digest(change.file.content) for change in found.plan.files}
    files = {
        path: {"key": steps.file_key(path), "digest": wanted.get(path, "")} for path in steps.changed_paths(found.plan)
    }
    kept = {path: entry for path, entry in former.get("files", {}).items() if path not in files}
    there = {one.service for one in found.snapshot.containers if one.directory == manifest.directory}
    return {
        "version": 1,
        "run": run.id,
        "who": who(),
        "commit": commit,
        "files": {**kept, **files},
        "crontab": {
            user: list(dict.fromkeys((*former.get("crontab", {}).get(user, []), *lines)))
            for user, lines in manifest.crontab.items()
        },
        "users": list(dict.fromkeys((*former.get("users", []), *(table.user for table in found.plan.tables)))),
        "directories": list(dict.fromkeys((*former.get("directories", []), *found.plan.directories))),
        "services": former.get("services") or sorted(there),
        "baseline": {port: _plain(answer) for port, answer in before.items()},
    }


def read_baseline(record: Mapping[str, Any]) -> Answers:
    """What the ports answered before the run of a record."""
    return {int(port): _answer(data) for port, data in record.get("baseline", {}).items()}


def make_state(run: Run, wish: Wish, found: Observation, after: Snapshot, commit: str) -> dict[str, Any]:
    """What a run leaves, for the next one to compare with."""
    manifest, composition = wish.manifest, wish.composition
    left = (after.state or {}).get("files", {})
    kept = {path: entry for path, entry in left.items() if path not in found.plan.removed}
    containers = {one.name: after.container(one.name, composition.directory) for one in composition.services}
    return {
        "version": 1,
        "run": run.id,
        "commit": commit,
        "files": {**kept, **{file.path: {"digest": digest(file.content)} for file in manifest.files}},
        "crontab": {user: list(lines) for user, lines in manifest.crontab.items()},
        "inputs": input_digest(manifest, composition, after),
        "labels": {service: one.config_hash for service, one in containers.items() if one},
        "hashes": dict(found.definitions.hashes),
    }


def _plain(answer: Answer) -> dict[str, Any]:
    catalogue = None if answer.catalogue is None else sorted(answer.catalogue)
    return {"status": answer.status, "version": answer.version, "catalogue": catalogue}


def _answer(data: Mapping[str, Any]) -> Answer:
    names = data.get("catalogue")
    return Answer(data["status"], data["version"], catalogue=None if names is None else frozenset(names))
