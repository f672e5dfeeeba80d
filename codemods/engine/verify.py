"""Proof before writing: the bytes outside the edits, and what the edits mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codemods.engine.difference import Data, Path, differences
from codemods.engine.edits import Edit, sort_edits
from codemods.engine.model import Role

if TYPE_CHECKING:
    from collections.abc import Iterable

    from codemods.repository import Document


def check_bytes(old: str, new: str, edits: Iterable[Edit]) -> str | None:
    """Say what is wrong when `new` is not `old` with exactly these spans replaced; None when all is well."""
    position = shifted = 0
    for edit in sort_edits(edits):
        kept = old[position : edit.start]
        if new[shifted : shifted + len(kept)] != kept:
            return f"the text before character {edit.start} has changed"
        shifted += len(kept)
        if new[shifted : shifted + len(edit.new)] != edit.new:
            return f"the edit at character {edit.start} is not in the new text"
        shifted += len(edit.new)
        position = edit.end
    return None if new[shifted:] == old[position:] else "the text after the last edit has changed"


def check_meaning(role: Role, old: Document, new: Document, writes: Iterable[Path]) -> str | None:
    """Say what is wrong when the data differs elsewhere than in the declared paths, or not in one of them.

    Raises ParseError when the new text cannot be read.
    """
    declared = set(writes)
    before = reading(role, old) if old.exists else None
    after = _proof(role, new) if new.exists else None
    changed = list(differences(before, after))
    for path in changed:
        if not any(path[: len(prefix)] == prefix for prefix in declared):
            return f"it would change {_shown(path)}, which no rule declares"
    for prefix in declared:
        if not any(path[: len(prefix)] == prefix for path in changed):
            return f"it declares a change of {_shown(prefix)} and makes none"
    return None


def reading(role: Role, document: Document) -> Data:
    """The data of a document as its role reads it; nginx through crossplane, a reader that is not our own."""
    match role:
        case Role.NGINX:
            from codemods.formats.nginx import second_reading

            return document.read_with(second_reading)
        case Role.TERRAFORM:
            return document.hcl.data
        case Role.CLEANUP | Role.COLLECTOR:
            return document.python.data
        case _:
            return document.yaml.data


def _proof(role: Role, new: Document) -> Data:
    """The data of a changed document; YAML that was read line by line is read by the library now."""
    if role not in (Role.NGINX, Role.TERRAFORM, Role.CLEANUP, Role.COLLECTOR):
        from codemods.formats.yaml import parse, parse_events

        new.read_with(parse, by=parse_events)
    return reading(role, new)


def _shown(path: Path) -> str:
    return ".".join(path) or "the whole file"
