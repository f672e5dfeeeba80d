"""The provision list has nothing for a registry that compose no longer has.

A registry that is taken out of compose leaves its data directory, its configuration and its crontab line behind. The
crontab line fails every week, and hides the failures that matter; the directory is walked by the cleanup script; the
next person takes all three for a registry that is down. The fix takes them out; what is on the VM stays there.

Not for: the private registry of the settings, which compose may be about to get; directories and files that any
service mounts, or that anything else in the list or in a deployed file names; containers that the list itself runs.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from codemods.caching.collection import mentions, rename_spans
from codemods.engine.context import Context
from codemods.engine.edits import Edit
from codemods.engine.model import Finding, Impact, Related, Role, Severity, rule
from codemods.errors import CannotEdit, ParseError
from codemods.facts.compose import ComposeFacts
from codemods.facts.terraform import Deployment, Directory, TerraformFacts, read_element, resolve_source
from codemods.formats.hcl import HclFile, List
from codemods.formats.yaml import Mapping
from codemods.repository import Document
from codemods.rules.terraform.changes import remove, remove_job, written
from codemods.rules.terraform.garbage import (
    Collection,
    ScriptRun,
    is_named,
    is_ours,
    read_collections,
    read_script_runs,
)
from codemods.rules.terraform.provisioned import deployed_texts

_WRITING = ("echo", "printf", "base64", "tee", "chmod", "chown")


@rule(
    "terraform-no-orphan-provisioning",
    Role.TERRAFORM,
    severity=Severity.WARNING,
    impact=Impact.REPLACE,
    since="0.1.0",
    cross=True,
)
def check(context: Context, document: Document) -> Iterator[Finding]:
    """Yield a finding for each directory, configuration and crontab line that no registry has use for."""
    facts, compose = context.terraform, context.compose
    if facts is None or facts.elements is None or compose is None or not compose.registries:
        return
    orphans = _Orphans(context, document.hcl, facts, facts.elements, compose)
    yield from orphans.directory_findings()
    yield from orphans.configuration_findings()
    yield from orphans.job_findings()


@dataclass
class _Orphans:
    """One look at the provision list."""

    context: Context
    file: HclFile
    facts: TerraformFacts
    elements: List
    compose: ComposeFacts

    @cached_property
    def collections(self) -> list[Collection | ScriptRun]:
        """All collections of the list; that one names something does not mean that it is there."""
        return [*read_collections(self.facts), *read_script_runs(self.facts)]

    @cached_property
    def jobs(self) -> list[Collection | ScriptRun]:
        """Collections of containers, or in directories, that compose does not have."""
        return [one for one in self.collections if not is_ours(self.context, one) and self._is_unknown(one)]

    @cached_property
    def configurations(self) -> list[Deployment]:
        """Registry configurations that no service mounts."""
        ours = {registry.config_name for registry in self.context.settings.registries}
        return [
            one
            for one in self.facts.deployments
            if one.kind in ("file", "templatefile")
            and posixpath.basename(one.destination) not in ours
            and self._is_configuration(one)
            and not self._is_used(one.destination, {one.index})
        ]

    @cached_property
    def directories(self) -> list[Directory]:
        """Directories among those of the registries that nothing uses."""
        data = [service.data_directory or "" for service in self.compose.registries]
        parents = [posixpath.dirname(path) for path in data if path.startswith("/")]
        roots = {parent for parent in parents if parents.count(parent) > 1}
        left = {registry.name for registry in self.context.settings.registries}
        left |= {posixpath.basename(path) for path in data}
        return [
            one
            for one in self.facts.directories
            if posixpath.dirname(one.path) in roots
            and posixpath.basename(one.path) not in left
            and not self._is_used(one.path, {one.index})
            and len(rename_spans(self._source(one.index), [(one.path, one.path)])) == 1
            and (self._has_only_registries(posixpath.dirname(one.path)) or self._is_named_elsewhere(one.path))
        ]

    def directory_findings(self) -> Iterator[Finding]:
        """A finding for each directory; the fix leaves the others of its `mkdir`."""
        for one in self.directories:
            edits = self._directory_edits(one)
            message = f"the data directory {one.path} is made, but no service of compose has it; take it out"
            yield self._finding((one.start, one.end), message, edits)

    def configuration_findings(self) -> Iterator[Finding]:
        """A finding for each configuration; the fix takes out an element that does nothing but write it."""
        for one in self.configurations:
            commands = [command.arguments[:1] for command in read_element(self.file, self.elements.children[one.index])]
            together = [other for other in self.facts.deployments if other.index == one.index]
            is_alone = len(together) == 1 and all(name and name[0] in _WRITING for name in commands)
            edits = remove(self.file, self.elements, one.index) if is_alone else ()
            message = f"the registry configuration {one.destination} is written, but no service of compose mounts it"
            yield self._finding(one.destination_span, f"{message}; take it out", edits)

    def job_findings(self) -> Iterator[Finding]:
        """A finding for each crontab line; the fix takes out an element that installs no other line."""
        for one in self.jobs:
            edits = remove_job(self.file, self.elements, one.job)
            name = one.container or one.data
            message = f"a crontab line collects the garbage of {name}, which compose does not have; take it out"
            yield self._finding(one.job.span(0, len(one.job.line.text)), message, edits)

    def _finding(self, span: tuple[int, int], message: str, edits: tuple[Edit, ...]) -> Finding:
        assert self.context.stack.compose
        related = Related(self.context.stack.compose, 0, "the services are here")
        return Finding(*span, message, edits, written(self.facts, edits), (related,))

    def _directory_edits(self, one: Directory) -> tuple[Edit, ...]:
        """The word taken out of its `mkdir`, or the element when it makes nothing else."""
        commands = read_element(self.file, self.elements.children[one.index])
        command = next(found for found in commands if any(word.start == one.start for word in found.words))
        options = {word.text for word in command.words if word.text.startswith("-")}
        made = [word for word in command.words if word.text not in ("{", "sudo", "mkdir", *options)]
        orphans = {orphan.start for orphan in self.directories}
        if any(word.start not in orphans for word in made):
            before = self.file.text[: one.start]
            return (Edit(len(before.rstrip(" ")), one.end, ""),)
        return remove(self.file, self.elements, one.index) if len(commands) == 1 else ()

    def _is_unknown(self, one: Collection | ScriptRun) -> bool:
        """Whether a collection is of something that neither compose nor the rest of the list knows."""
        if one.container:
            known = any(is_named(service, one.container) for service in self.compose.services.values())
            return "$" not in one.container and not known and not self._is_mentioned(one.container, set())
        made = {directory.index for directory in self.facts.directories}
        return one.data.startswith("/") and "$" not in one.data and not self._is_used(one.data, made)

    def _source(self, index: int) -> str:
        element = self.elements.children[index]
        return self.file.text[element.start : element.end]

    def _is_configuration(self, one: Deployment) -> bool:
        """Whether the source is a configuration of Distribution."""
        assert self.context.stack.terraform
        path = resolve_source(self.context.stack.terraform, one.source)
        try:
            root = self.context.document(path).yaml.root if path else None
        except (ParseError, CannotEdit):
            return False
        return root is not None and isinstance(root.value("storage"), Mapping) and root.get("version") is not None

    def _is_used(self, path: str, makers: set[int]) -> bool:
        """Whether a service mounts a path, something in it or around it, or anything but its makers names it."""
        for service in self.compose.services.values():
            for mount in service.mounts:
                source = posixpath.normpath(posixpath.join(self.context.stack.directory, mount.source))
                if "$" in mount.source + path:
                    if posixpath.basename(mount.source) == posixpath.basename(path):
                        return True
                elif mount.source.startswith((".", "/")) and (_holds(source, path) or _holds(path, source)):
                    return True
        compose = self.context.document(self.context.stack.compose or "").yaml.data
        return mentions(str(compose), path) or self._is_mentioned(path, makers)

    def _is_mentioned(self, name: str, makers: set[int]) -> bool:
        """Whether an element, besides makers and collections, or a deployed file names it."""
        stack = self.context.stack
        left = makers | {one.job.index for one in self.collections}
        elements = [self._source(index) for index in range(len(self.elements.children)) if index not in left]
        deployed = self.context.deployed
        files = [
            text
            for to, text in deployed_texts(self.context).items()
            if deployed[to] not in (stack.compose, stack.nginx)
        ]
        return any(mentions(text, name) for text in (*elements, *files))

    def _has_only_registries(self, root: str) -> bool:
        """Whether no other service keeps its things among the registries' data."""
        registries = {service.name for service in self.compose.registries}
        others = [service for service in self.compose.services.values() if service.name not in registries]
        return not any(posixpath.dirname(mount.source) == root for service in others for mount in service.mounts)

    def _is_named_elsewhere(self, path: str) -> bool:
        """Whether an orphaned configuration or crontab line has the directory's name."""
        name = re.compile(rf"(?<![a-z0-9]){re.escape(posixpath.basename(path))}(?![a-z0-9])")
        texts = [one.destination for one in self.configurations] + [f"{one.container} {one.data}" for one in self.jobs]
        return any(name.search(text) for text in texts)


def _holds(outer: str, inner: str) -> bool:
    return inner == outer or inner.startswith(outer.rstrip("/") + "/")
