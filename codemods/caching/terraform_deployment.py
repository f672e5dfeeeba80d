"""Elements of the provision list that write a file to the VM: finding them, and writing another one like them."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable

from codemods.caching.collection import plain
from codemods.caching.terraform_site import Site, config_file
from codemods.errors import CannotEdit
from codemods.facts.terraform import Deployment, resolve_source
from codemods.formats.hcl_edits import NewElement


def is_file(written: str, wanted: str) -> bool:
    """Whether a path as written, perhaps with a variable for its directory, is the wanted one."""
    return written == wanted or ("${" in written and posixpath.basename(written) == posixpath.basename(wanted))


def is_deployed(site: Site, source: str, destination: str, advice: str) -> bool:
    """Whether an element writes a file of the repository to its place; CannotEdit when only half of that is so."""
    for deployment in site.facts.deployments:
        same_target = is_file(deployment.destination, destination)
        same_source = is_source(site, deployment, source)
        if same_target and same_source:
            return True
        if same_target or same_source:
            written = f"{deployment.destination} is written from {deployment.source.partition(chr(10))[0]}"
            reason = f"{written}; the registry needs {posixpath.basename(source)} at {destination}"
            raise CannotEdit(reason, advice, deployment.destination_span[0])
    return False


def is_config(site: Site, deployment: Deployment) -> bool:
    """Whether an element writes the configuration of another registry, or what else another private one has."""
    paths = [path for service in site.neighbours if (path := config_file(service))]
    directory = posixpath.dirname(site.destination)
    paths += [f"{directory}/{name}" for peer in site.context.settings.peers for name in peer.file_names]
    return any(is_file(deployment.destination, path) for path in paths)


def simple_model(site: Site) -> Deployment:
    """The element to write ours like: one that deploys one file as it is, the compose file's if there is one."""
    compose = site.context.stack.compose or ""
    simple = [one for one in site.facts.deployments if one.kind == "file" and not one.suffix and is_alone(site, one)]
    for deployment in simple:
        if is_source(site, deployment, compose):
            return deployment
    for deployment in simple:
        if resolved(site, deployment):
            return deployment
    raise CannotEdit(
        "no element of the list deploys a file with base64encode(file(…)) and nothing more",
        f"add one for {site.registry.config_name} by hand",
    )


def is_alone(site: Site, deployment: Deployment) -> bool:
    """Whether an element deploys one file only."""
    return sum(1 for one in site.facts.deployments if one.index == deployment.index) == 1


def resolved(site: Site, deployment: Deployment) -> str | None:
    """The path in the repository that an element writes from, where that can be told."""
    assert site.context.stack.terraform
    return resolve_source(site.context.stack.terraform, deployment.source)


def is_source(site: Site, deployment: Deployment, wanted: str) -> bool:
    """Whether an element writes from a path of the repository."""
    if deployment.kind not in ("file", "templatefile"):
        return False
    path = resolved(site, deployment)
    return path == wanted or (path is None and is_file(deployment.source, wanted))


def source_like(site: Site, model: Deployment, path: str) -> str:
    """A path of the repository as the model writes its own."""
    own = resolved(site, model) or site.context.stack.compose or ""
    relative = posixpath.relpath(path, posixpath.dirname(own) or ".")
    directory = model.source[: model.source.rfind("/") + 1]
    if not relative.startswith("../"):
        return directory + plain(relative)
    root = directory[: directory.rfind("}/") + 2] if "}/" in directory else ""
    return root + posixpath.normpath(directory.removeprefix(root) + plain(relative))


def destination_like(model: Deployment, destination: str) -> str:
    """A path on the VM with the directory as the model writes it, when that has a variable."""
    plain(destination)
    if "${" in model.destination:
        return posixpath.join(posixpath.dirname(model.destination), posixpath.basename(destination))
    return destination


def new_element(site: Site, source: str, after: int, about: str, comments: Iterable[int]) -> NewElement:
    """The element `source`, to be inserted behind element `after`, set off by a blank line when that one is.

    `about` is its comment, in the sign of those above the elements `comments`; without any it gets none.
    """
    above = [found for index in comments if (found := site.file.comments_above(site.element(index).start))]
    sign = re.match(r"#+|//", above[-1][-1].text) if above else None
    first = site.file.comments_above(site.element(after).start)
    gap = site.file.after_blank_line(first[0].start if first else site.element(after).start)
    return NewElement(source, f"{sign[0]} {about}" if sign else "", gap)
