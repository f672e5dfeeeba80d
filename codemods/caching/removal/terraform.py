"""Take the private registry out of the VM's provisioning.

What goes, in every form that the recipe has ever written: the data directory in `mkdir -p`, the elements that deploy
the configuration, the users, the certificate and its key, the collector, the crontab line that collects the
registry's garbage, the variable with the users, and the line in the comment about ports. An element that does more is
refused by name; one that deploys another file to such a place, and a crontab line of another form, are somebody's own
and stay.

A machine that is there keeps all of it until `codemod sync-vm --prune`.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, field

from codemods.caching.collection import mentions
from codemods.caching.removal.collector import other_containers
from codemods.caching.terraform_collection import collections, is_recipes
from codemods.caching.terraform_deployment import is_alone, is_file, is_source
from codemods.caching.terraform_files import File, declaration, every_file, is_as_declared
from codemods.caching.terraform_site import Site
from codemods.engine.context import Context
from codemods.engine.difference import Path, differences
from codemods.engine.edits import Edit, apply_edits
from codemods.engine.model import Finding, Impact, Note, Outcome, Refusal, Role, rule
from codemods.errors import CannotEdit
from codemods.facts.terraform import CronJob, Deployment, read_element
from codemods.formats.hcl_edits import remove_block
from codemods.formats.hcl_removal import remove_elements
from codemods.formats.lines import cut_lines
from codemods.repository import Document

_DEPLOYING = {"echo", "printf", "base64", "tee", "chmod", "chown"}
_COLLECTOR = "Write the registry garbage collector"


@rule("terraform-provision-private-registry", Role.TERRAFORM, impact=Impact.REPLACE, since="0.1.0", task="4")
def check(context: Context, document: Document) -> Iterator[Outcome]:
    """Yield one finding for the provision list, and one for the comment about ports."""
    facts, compose = context.terraform, context.compose
    if facts is None or facts.elements is None or compose is None or not context.siblings:
        return
    site = Site(context, document.hcl, facts, facts.elements, compose)
    gone = _Gone(site)
    try:
        told = [*_files(site, gone), *_collector(site, gone), *_collection(site, gone), *_directory(site, gone)]
        yield from told
        if gone:
            yield gone.finding()
    except CannotEdit as error:
        yield Refusal(error.offset or facts.elements.start, error.reason, error.advice)
    yield from _port_comment(site)


@dataclass
class _Gone:
    """What goes of the list: whole elements, parts of others, and the users' variable."""

    site: Site
    elements: dict[int, str] = field(default_factory=dict)
    changes: dict[int, Edit] = field(default_factory=dict)
    comments: set[str] = field(default_factory=set)
    with_variable: bool = False

    def __bool__(self) -> bool:
        return bool(self.elements or self.changes)

    def finding(self) -> Finding:
        """All of it as one finding."""
        site = self.site
        edits = remove_elements(site.file, site.elements, self.elements, self.comments) + list(self.changes.values())
        writes = list(self._writes())
        block = declaration(site)
        if self.with_variable and block and is_as_declared(site, block):
            edits.append(remove_block(site.file, block))
            writes.append(block.path)
        first = site.element(min((*self.elements, *self.changes)))
        message = f"without {', '.join(self.elements.values()) or site.data_directory}"
        return Finding(first.start, first.end, message, tuple(edits), tuple(writes))

    def _writes(self) -> Iterator[Path]:
        """The data paths of the list: elements that go shift those behind them."""
        attribute, text = self.site.facts.attribute, self.site.file.text
        assert attribute
        old = [text[child.start : child.end] for child in self.site.elements.children]
        new = [self._changed(index, source) for index, source in enumerate(old) if index not in self.elements]
        yield from dict.fromkeys((*attribute.path, *path) for path in differences(old, new))

    def _changed(self, index: int, source: str) -> str:
        edit, start = self.changes.get(index), self.site.element(index).start
        return source if edit is None else apply_edits(source, [Edit(edit.start - start, edit.end - start, edit.new)])


def _files(site: Site, gone: _Gone) -> Iterator[Outcome]:
    """The elements that deploy the configuration, the users, the certificate and its key."""
    for file in every_file(site):
        gone.comments.add(f"Write {file.about}")
        for deployment in site.facts.deployments:
            if not is_file(deployment.destination, file.destination):
                continue
            if not _is_ours(site, file, deployment):
                yield Note(f"{deployment.destination} is written from another file than the recipe's: left as it is")
                continue
            _take(site, gone, deployment)
            gone.with_variable |= file.path is None


def _is_ours(site: Site, file: File, deployment: Deployment) -> bool:
    """Whether an element writes a file from where the recipe takes it; a certificate's place is in the settings."""
    if file.path is None:
        return f"var.{site.registry.users_variable}" in deployment.source
    if posixpath.basename(file.destination) == site.registry.config_name:
        return is_source(site, deployment, file.path)
    return deployment.kind == "file"


def _collector(site: Site, gone: _Gone) -> Iterator[Outcome]:
    """The element that deploys the collector, unless another registry's crontab line runs it."""
    source = site.context.stack.collector
    found = [one for one in site.facts.deployments if source and is_source(site, one, source)]
    if found and (others := other_containers(site.context)):
        yield Note(f"the collector stays: the crontab line of {', '.join(others)} runs it")
        return
    gone.comments.add(_COLLECTOR)
    for deployment in found:
        _take(site, gone, deployment)


def _take(site: Site, gone: _Gone, deployment: Deployment) -> None:
    """Let the element of a deployment go. Raises CannotEdit when it does something else, too."""
    element = site.element(deployment.index)
    commands = {(command.arguments or [""])[0] for command in read_element(site.file, element)}
    if not commands or not commands <= _DEPLOYING or not is_alone(site, deployment):
        does = f"the element that writes {deployment.destination} does something else, too"
        raise CannotEdit(does, "give that an element of its own", element.start)
    gone.elements[deployment.index] = deployment.destination


def _collection(site: Site, gone: _Gone) -> Iterator[Outcome]:
    """The crontab line that collects our registry's garbage."""
    for job in collections(site)[0]:
        start = site.element(job.index).start
        if not is_recipes(site, job):
            reason = f"a crontab line for {site.container} is not the recipe's: {job.line.command}"
            yield Refusal(start, reason, "take it out by hand when nothing needs it", partial=True)
        elif not job.alone or _does_more(site, job):
            raise CannotEdit("the crontab line shares its element with others", "give each line an element", start)
        else:
            gone.elements[job.index] = f"the crontab line of {site.container}"


def _does_more(site: Site, job: CronJob) -> bool:
    """Whether the element does more than those of the other crontab lines, like which it was written."""
    return not job.appended and any(other.appended for other in site.facts.cron_jobs)


def _directory(site: Site, gone: _Gone) -> Iterator[Outcome]:
    """Our data directory in `mkdir -p`."""
    for ours in site.facts.directories:
        if ours.path != site.data_directory or ours.index in gone.elements:
            continue
        element = site.element(ours.index)
        if any(other.index == ours.index and other is not ours for other in site.facts.directories):
            before = site.file.text[element.start : ours.start]
            gone.changes[ours.index] = Edit(element.start + len(before.rstrip(" ")), ours.end, "")
        elif len(read_element(site.file, element)) == 1:
            gone.elements[ours.index] = f"mkdir {ours.path}"
        else:
            yield Refusal(
                element.start, f"the element that makes {ours.path} does more", "take mkdir out of it by hand"
            )


def _port_comment(site: Site) -> Iterator[Outcome]:
    """Our line in the comment about ports."""
    for line in site.facts.ports:
        is_ours = mentions(line.rest, site.container) or mentions(line.rest, site.registry.name)
        if line.port == site.registry.port and is_ours:
            start, end = line.comment.start, line.comment.end
            edit = cut_lines(site.file.text, start, end)
            yield Finding(start, end, f"no port {line.port} in the comment", (edit,), impact=Impact.NONE)
