"""Elements of the provision list that write a file of the repository to the VM: finding them, and adding one."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence

from codemods.caching.collection import plain, rename_spans
from codemods.caching.terraform_site import Site
from codemods.engine.edits import Edit
from codemods.engine.model import Outcome
from codemods.errors import CannotEdit
from codemods.facts.terraform import Deployment, resolve_source
from codemods.formats.hcl_edits import copied, insert_element


def is_file(written: str, wanted: str) -> bool:
    """Whether a path as written, perhaps with a variable for its directory, is the wanted one."""
    return written == wanted or ("${" in written and posixpath.basename(written) == posixpath.basename(wanted))


def is_deployed(site: Site, source: str, destination: str, advice: str) -> bool:
    """Whether an element writes a file of the repository to its place; CannotEdit when only half of that is so."""
    for deployment in site.facts.deployments:
        same_target = is_file(deployment.destination, destination)
        same_source = _is_source(site, deployment, source)
        if same_target and same_source:
            return True
        if same_target or same_source:
            written = f"{deployment.destination} is written from {deployment.source.partition(chr(10))[0]}"
            reason = f"{written}; the registry needs {posixpath.basename(source)} at {destination}"
            raise CannotEdit(reason, advice, deployment.destination_span[0])
    return False


def deploy(
    site: Site, source: str, destination: str, *, model: Deployment, after: int, about: str, comments: Sequence[int]
) -> Iterator[Outcome]:
    """Yield an element behind element `after` that writes a file as `model` does.

    `about` is its comment, in the sign of those above the elements `comments`; without any it gets none.
    """
    above = [found for index in comments if (found := site.file.comments_above(site.element(index).start))]
    sign = re.match(r"#+|//", above[-1][-1].text) if above else None
    element = copied(site.file, site.element(model.index), _retargeted(site, model, source, destination))
    first = site.file.comments_above(site.element(after).start)
    gap = site.file.after_blank_line(first[0].start if first else site.element(after).start)
    comment = f"{sign[0]} {about}" if sign else ""
    edits = insert_element(site.file, site.elements, after, element, comment=comment, gap=gap)
    yield site.finding(after, f"{posixpath.basename(source)} is not written to {destination}", edits, "+")


def simple_model(site: Site) -> Deployment:
    """The element to write ours like: one that deploys one file as it is, the compose file's if there is one."""
    compose = site.context.stack.compose or ""
    simple = [one for one in site.facts.deployments if one.kind == "file" and not one.suffix and is_alone(site, one)]
    for deployment in simple:
        if _is_source(site, deployment, compose):
            return deployment
    for deployment in simple:
        if _resolved(site, deployment):
            return deployment
    raise CannotEdit(
        "no element of the list deploys a file with base64encode(file(…)) and nothing more",
        f"add one for {site.registry.config_name} by hand",
    )


def is_alone(site: Site, deployment: Deployment) -> bool:
    """Whether an element deploys one file only."""
    return sum(1 for one in site.facts.deployments if one.index == deployment.index) == 1


def _resolved(site: Site, deployment: Deployment) -> str | None:
    assert site.context.stack.terraform
    return resolve_source(site.context.stack.terraform, deployment.source)


def _is_source(site: Site, deployment: Deployment, wanted: str) -> bool:
    if deployment.kind not in ("file", "templatefile"):
        return False
    resolved = _resolved(site, deployment)
    return resolved == wanted or (resolved is None and is_file(deployment.source, wanted))


def _retargeted(site: Site, model: Deployment, source: str, destination: str) -> list[Edit]:
    """The model's paths replaced by ours, each with its own way to write the directory."""
    resolved = _resolved(site, model) or site.context.stack.compose or ""
    relative = posixpath.relpath(posixpath.dirname(source) or ".", posixpath.dirname(resolved) or ".")
    directory = model.source[: model.source.rfind("/") + 1] + ("" if relative == "." else f"{relative}/")
    plain(relative)
    plain(destination)
    if "${" in model.destination:
        destination = posixpath.join(posixpath.dirname(model.destination), posixpath.basename(destination))
    element = site.element(model.index)
    # A `chmod` behind it names the place once more.
    places = rename_spans(site.file.text[element.start : element.end], [(model.destination, destination)])
    targets = [Edit(element.start + start, element.start + end, new) for start, end, new in places]
    return [Edit(*model.source_span, directory + posixpath.basename(source)), *targets]
