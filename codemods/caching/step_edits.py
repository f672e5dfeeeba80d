"""The edits of one pipeline step, and the question whether others share what they change."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from codemods.engine.edits import Edit
from codemods.engine.model import Outcome, Refusal
from codemods.facts.pipelines import Build, steps_of
from codemods.formats.yaml import Node, YamlFile
from codemods.formats.yaml_edits import add_pairs


@dataclass
class StepEdits:
    """A build with the edits it needs, each with the node whose text it changes; `done` says them in words."""

    build: Build
    edits: list[tuple[Node, Edit]] = field(default_factory=list)
    writes: list[tuple[str, ...]] = field(default_factory=list)
    done: list[str] = field(default_factory=list)

    def change(self, owner: Node, edits: list[Edit], writes: tuple[str, ...], what: str) -> None:
        """Add edits of the text of `owner`, which write the data path `writes`."""
        self.edits += ((owner, edit) for edit in edits)
        self.writes.append(writes)
        self.done.append(what)

    def append_settings(self, file: YamlFile, settings: dict[str, object]) -> None:
        """Add new settings at the end of the mapping that holds `repo`."""
        found = self.build.setting("repo")
        if found is None or not settings:
            return
        owner = found[1]
        self.edits += ((owner, edit) for edit in add_pairs(file, owner, settings))
        self.writes += ((*file.path_of(owner), key) for key in settings)
        self.done += settings


def refuse_shared(file: YamlFile, steps: list[StepEdits]) -> Iterator[Outcome]:
    """Refuse an edit of a text that others use too, unless every user is a step with the same edits."""
    refused = set()
    for step in steps:
        for owner in dict.fromkeys(owner for owner, _ in step.edits):
            mine = {edit for node, edit in step.edits if node is owner}
            for place in _places(file, step.build, owner):
                others = [other for other in steps if _holds(other.build.item, place)]
                same = others and all({edit for node, edit in other.edits if node is owner} == mine for other in others)
                if not same and owner not in refused:
                    refused.add(owner)
                    line = file.text.count("\n", 0, place) + 1
                    yield Refusal(
                        owner.start,
                        f"step {step.build.name}: what must change is shared with line {line}, which must not change",
                        "write the settings of this step out instead of sharing them",
                        step.build.start,
                    )


def _places(file: YamlFile, build: Build, owner: Node) -> Iterator[int]:
    """Where a node is used: in the step that holds it, and wherever an alias names it or something around it."""
    if not file.aliases:
        return
    yield from (alias.start for holder in file.holders(owner) for alias in file.users(holder))
    yield from (owner.start for _, item in steps_of(build.root) if _holds(item, owner.start))


def _holds(node: Node, offset: int) -> bool:
    return node.start <= offset < node.end
