"""The steps of a plan as people see them, with diffs in which no secret stands."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from codemods.engine.model import Impact
from codemods.engine.report.mask import mask_secrets
from codemods.engine.report.model import HostAction
from codemods.rollout import services
from codemods.rollout.masking import masked

if TYPE_CHECKING:
    from codemods.rollout.manifest import ManagedFile
    from codemods.rollout.plan import FileChange, Plan
    from codemods.rollout.snapshot import LiveFile

_IMPACTS = {services.RESTART: Impact.RESTART, services.RECREATE: Impact.RECREATE, services.REMOVE: Impact.RECREATE}


def actions(plan: Plan) -> Iterator[HostAction]:
    """Everything that a plan does, in its order."""
    for path in plan.directories:
        yield HostAction("mkdir", path, Impact.NONE)
    for change in plan.files:
        yield _file_action(change)
    for path in plan.removed:
        yield HostAction("delete", path, Impact.NONE)
    for table in plan.tables:
        name = f"crontab of {table.user}"
        diff = mask_secrets(_diff(name, table.former or "", table.merge.text))
        yield HostAction("crontab", name, Impact.NONE, diff)
    if plan.reloads_units:
        yield HostAction("daemon-reload", "systemd", Impact.NONE)
    for one in plan.services:
        yield HostAction(one.verb, f"{one.container}: {one.why}", _IMPACTS.get(one.verb, Impact.NONE))
    if plan.resumes:
        yield HostAction("finish", f"run {plan.resumes}, which did not come to its end", Impact.NONE)


def _file_action(change: FileChange) -> HostAction:
    file, former = change.file, change.former
    about = []
    if former.kind == "file" and former.mode != file.mode:
        about.append(f"mode {former.mode:04o} -> {file.mode:04o}")
    if former.kind == "file" and former.owner != file.owner:
        about.append(f"owner {former.owner} -> {file.owner}")
    if former.kind != "file":
        about.append(f"new, mode {file.mode:04o}, owner {file.owner}")
    target = f"{file.path} ({', '.join(about)})" if about else file.path
    if not change.is_content:
        return HostAction("chmod" if former.owner == file.owner else "chown", target, Impact.NONE)
    return HostAction("copy", target, Impact.NONE, _file_diff(file, former))


def _file_diff(file: ManagedFile, former: LiveFile) -> str:
    if former.kind == "file" and former.content is None:
        return f"(the former content is too large to be shown: {former.size} bytes)\n"
    try:
        old, new = (former.content or b"").decode(), file.content.decode()
    except UnicodeDecodeError:
        return "(not a text)\n"
    return _diff(file.path, *masked_texts(old, new, file.secrets)) or "(only a secret changes)\n"


def masked_texts(old: str, new: str, secrets: tuple[str, ...]) -> tuple[str, str]:
    """Both texts for a diff, without the secret and without the former one: whatever stood in its place."""
    shown = masked(new, secrets).split("\n")
    places = [line.partition("***")[0] for line, plain in zip(shown, new.split("\n"), strict=False) if line != plain]
    heads = tuple(place for place in places if place.strip())
    hidden = [
        next((f"{head}***" for head in heads if line.startswith(head)), line) if line not in new.split("\n") else line
        for line in old.split("\n")
    ]
    return masked("\n".join(hidden), secrets), "\n".join(shown)


def _diff(name: str, old: str, new: str) -> str:
    lines = difflib.unified_diff(
        old.splitlines(keepends=True), new.splitlines(keepends=True), f"{name} (machine)", f"{name} (repository)"
    )
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)
