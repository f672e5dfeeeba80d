"""Put the private registry into the VM's provisioning.

A VM made from the template must come up with the private registry: its data directory, its configuration, a crontab
line that collects its garbage, and its line in the comment about ports. Each part is written like the sibling
registry above it, so the list keeps its house style. The minute of the crontab line continues the siblings' stagger.

Profile `verified` does not collect in the live registry: `-m` deletes the children of every image index, and a run
beside pushes leaves layers of zero bytes. It stops the registry for the run and starts it again.

Not for: lists that provision by other means than `mkdir -p`, `base64 -d` and `crontab -`; they are refused by name.

Evidence: facts 11, 14, 15.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from codemods.caching.collection import mentions, plain, rename_spans
from codemods.caching.terraform_collection import provide_collection
from codemods.caching.terraform_site import Site, config_file
from codemods.engine.context import Context
from codemods.engine.edits import Edit
from codemods.engine.model import Finding, Impact, Outcome, Refusal, Role, rule
from codemods.errors import CannotEdit
from codemods.facts.compose import ComposeFacts, Service
from codemods.facts.terraform import Deployment, PortComment, resolve_source
from codemods.formats.hcl import String
from codemods.formats.hcl_edits import copied, insert_comment, insert_element, replace_in_string
from codemods.repository import Document


@rule("terraform-provision-private-registry", Role.TERRAFORM, impact=Impact.REPLACE, since="0.1.0", task="4")
def check(context: Context, document: Document) -> Iterator[Outcome]:
    """Yield the directory, the configuration, the crontab line and the port comment that are missing."""
    facts, compose = context.terraform, context.compose
    if facts is None:
        return
    elements = facts.elements
    if elements is None:
        name = context.stack.provision_list
        reason = f"there is no list {name}" if name else "no list of provisioning commands was found"
        yield Refusal(0, reason, "name the list in codemod.toml: paths.provision_list")
        return
    siblings = _siblings(context, compose)
    if compose is None or not siblings:
        reason = "no sibling registry is known: the compose file has none" if compose else "no compose file was found"
        yield Refusal(elements.start, reason, "name the compose file in codemod.toml: paths.compose")
        return
    site = Site(context, document.hcl, facts, elements, compose, siblings)
    for part in (_directory, _configuration, provide_collection, _port_comment):
        try:
            yield from part(site)
        except CannotEdit as error:
            yield Refusal(error.offset or elements.start, error.reason, error.advice)


def _siblings(context: Context, compose: ComposeFacts | None) -> list[Service]:
    ours = context.settings.registry.service
    return [service for service in compose.registries if service.name != ours] if compose else []


def _directory(site: Site) -> Iterator[Outcome]:
    wanted = site.data_directory
    theirs = {service.data_directory for service in site.siblings}
    known = [directory for directory in site.facts.directories if directory.path in theirs]
    if any(directory.path == wanted for directory in site.facts.directories):
        return
    if not known:
        yield Refusal(
            site.elements.start,
            "no `mkdir -p` in the list makes a sibling registry's data directory",
            f'add "mkdir -p {wanted}" to the list',
        )
        return
    last = known[-1]
    element = site.element(last.index)
    string = element if isinstance(element, String) else element.children[0]
    assert isinstance(string, String)
    edit = replace_in_string(site.file, string, last.end, last.end, f" {plain(wanted)}")
    yield site.finding(last.index, f"the data directory {wanted} is not made", [edit], str(last.index))


def _configuration(site: Site) -> Iterator[Outcome]:
    name, wanted = site.registry.config_name, site.destination
    if site.context.stack.configs is None:
        raise CannotEdit("the directory of the registry configurations is not known", "set paths.configs")
    for deployment in site.facts.deployments:
        same_target = _is_file(deployment.destination, wanted)
        same_source = _is_source(site, deployment, posixpath.normpath(f"{site.context.stack.configs}/{name}"))
        if same_target and same_source:
            return
        if same_target or same_source:
            yield Refusal(
                deployment.destination_span[0],
                f"{deployment.destination} is written from {_first_line(deployment.source)};"
                f" the registry needs {name} at {wanted}",
                "set registry.name in codemod.toml to another name, or take this element out",
            )
            return
    model = _model(site)
    configs = [one for one in site.facts.deployments if _is_config(site, one)] or [model]
    after = max(one.index for one in configs)
    commented = [above for one in configs if (above := site.file.comments_above(site.element(one.index).start))]
    sign = re.match(r"#+|//", commented[-1][-1].text) if commented else None
    comment = f"{sign[0]} Write {site.registry.name} R/W registry config (no proxy = accepts pushes)" if sign else ""
    source = copied(site.file, site.element(model.index), _retargeted(site, model))
    above = site.file.comments_above(site.element(after).start)
    gap = site.file.after_blank_line(above[0].start if above else site.element(after).start)
    edits = insert_element(site.file, site.elements, after, source, comment=comment, gap=gap)
    yield site.finding(after, f"{name} is not written to {wanted}", edits, "+")


def _is_file(written: str, wanted: str) -> bool:
    """Whether a path as written, perhaps with a variable for its directory, is the wanted one."""
    return written == wanted or ("${" in written and posixpath.basename(written) == posixpath.basename(wanted))


def _resolved(site: Site, deployment: Deployment) -> str | None:
    assert site.context.stack.terraform
    return resolve_source(site.context.stack.terraform, deployment.source)


def _is_source(site: Site, deployment: Deployment, wanted: str) -> bool:
    if deployment.kind not in ("file", "templatefile"):
        return False
    resolved = _resolved(site, deployment)
    return resolved == wanted or (resolved is None and _is_file(deployment.source, wanted))


def _first_line(text: str) -> str:
    return text.partition("\n")[0]


def _is_config(site: Site, deployment: Deployment) -> bool:
    """Whether an element writes the configuration of a sibling registry."""
    return any((path := config_file(service)) and _is_file(deployment.destination, path) for service in site.siblings)


def _model(site: Site) -> Deployment:
    """The element to write ours like: one that deploys one file as it is, the compose file's if there is one."""
    compose = site.context.stack.compose or ""
    together = [deployment.index for deployment in site.facts.deployments]
    simple = [
        deployment
        for deployment in site.facts.deployments
        if deployment.kind == "file" and not deployment.suffix and together.count(deployment.index) == 1
    ]
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


def _retargeted(site: Site, model: Deployment) -> list[Edit]:
    """The model's two paths replaced by ours, each with its own way to write the directory."""
    assert site.context.stack.configs is not None
    resolved = _resolved(site, model) or site.context.stack.compose or ""
    relative = posixpath.relpath(site.context.stack.configs, posixpath.dirname(resolved) or ".")
    directory = model.source[: model.source.rfind("/") + 1] + ("" if relative == "." else f"{relative}/")
    name, destination = site.registry.config_name, site.destination
    if "${" in model.destination:
        destination = posixpath.join(posixpath.dirname(model.destination), name)
    plain(relative)
    plain(site.destination)
    return [Edit(*model.source_span, directory + name), Edit(*model.destination_span, destination)]


def _port_comment(site: Site) -> Iterator[Outcome]:
    lines, port = site.facts.ports, site.registry.port
    if not lines:
        return
    present = next((line for line in lines if line.port == port), None)
    if present:
        if not mentions(present.rest, site.container) and not mentions(present.rest, site.registry.name):
            yield Refusal(
                present.comment.start,
                f"the comment says that port {port} is something else: {present.rest}",
                "correct the comment, or set registry.port in codemod.toml",
            )
        return
    smaller = [line for line in lines if line.port < port]
    neighbour = max(smaller, key=lambda line: line.port) if smaller else lines[0]
    edit = insert_comment(site.file, neighbour.comment, _port_line(site, neighbour), before=not smaller)
    start, end = neighbour.comment.start, neighbour.comment.end
    yield Finding(start, end, f"the comment about ports does not know port {port}", (edit,), impact=Impact.NONE)


def _port_line(site: Site, neighbour: PortComment) -> str:
    """Our line, written like the nearest registry's line above."""
    lines = [
        line for line in site.facts.ports if any(mentions(line.rest, service.container) for service in site.siblings)
    ]
    through_nginx = [line for line in lines if "nginx" in line.rest] or lines
    if not lines:
        raise CannotEdit(
            "the comment about ports names no sibling's container",
            f"add a line for port {site.registry.port} by hand",
            neighbour.comment.start,
        )
    model = max(
        (line for line in through_nginx if line.port < site.registry.port),
        key=lambda line: line.port,
        default=through_nginx[0],
    )
    text = model.comment.text.replace(str(model.port), str(site.registry.port), 1)
    names = [(service.container, site.container) for service in site.siblings]
    start, end, new = rename_spans(text, names)[0]
    about = " (R/W registry for CI build cache)" if text[end:].strip() else ""
    return text[:start] + new + about
