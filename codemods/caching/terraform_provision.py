"""Put the private registry into the VM's provisioning.

A VM made from the template must come up with the private registry: its data directory, its configuration, a crontab
line that collects its garbage, and its line in the comment about ports. Each part is written like the sibling
registry above it, so the list keeps its house style. The minute of the crontab line continues the siblings' stagger.

With `registry.scheme = "https"` the certificate and its key are deployed from the repository, with
`registry.auth = "htpasswd"` the file of users from a sensitive variable; what only root may read gets mode 0600.

Profile `verified` does not collect in the live registry: `-m` deletes the children of every image index, and a run
beside pushes leaves layers of zero bytes. Its line runs the collector of `registry-add-collector`, which this rule
deploys like the cleanup script: the registry is stopped for the run, and kept within `registry.storage`. Lines of the
plan and of earlier versions are replaced.

Not for: lists that provision by other means than `mkdir -p`, `base64 -d` and `crontab -`; they are refused by name.

Evidence: facts 11, 14, 15.
"""

from __future__ import annotations

from collections.abc import Iterator

from codemods.caching.collection import mentions, plain, rename_spans
from codemods.caching.terraform_collection import provide_collection
from codemods.caching.terraform_collector import provide_collector
from codemods.caching.terraform_files import provide_files
from codemods.caching.terraform_site import Site
from codemods.engine.context import Context
from codemods.engine.model import Finding, Impact, Outcome, Refusal, Role, rule
from codemods.errors import CannotEdit
from codemods.facts.terraform import PortComment
from codemods.formats.hcl import Call, String
from codemods.formats.hcl_edits import insert_comment, replace_in_string
from codemods.repository import Document


@rule("terraform-provision-private-registry", Role.TERRAFORM, impact=Impact.REPLACE, since="0.1.0", task="4")
def check(context: Context, document: Document) -> Iterator[Outcome]:
    """Yield the directory, the files, the collector, its crontab line and the port comment that are missing."""
    facts, compose = context.terraform, context.compose
    if facts is None:
        return
    elements = facts.elements
    if elements is None:
        yield _no_list(document, context.stack.provision_list)
        return
    if compose is None or not context.siblings:
        reason = "no sibling registry is known: the compose file has none" if compose else "no compose file was found"
        yield Refusal(elements.start, reason, "name the compose file in codemod.toml: paths.compose")
        return
    site = Site(context, document.hcl, facts, elements, compose)
    refused: set[str] = set()
    for part in (_directory, provide_files, provide_collector, provide_collection, _port_comment):
        try:
            yield from part(site)
        except CannotEdit as error:
            if error.reason not in refused:  # two parts may lack the same thing
                yield Refusal(error.offset or elements.start, error.reason, error.advice)
            refused.add(error.reason)


def _no_list(document: Document, name: str) -> Refusal:
    attribute = document.hcl.attribute(name) if name else None
    if attribute and isinstance(attribute.value, Call):
        reason = f"{name} is no plain list, and which of its parts the new elements belong to is not clear"
        return Refusal(attribute.start, reason, "write it as one list [...], or add them by hand")
    reason = f"there is no list {name}" if name else "no list of provisioning commands was found"
    return Refusal(0, reason, "name the list in codemod.toml: paths.provision_list")


def _directory(site: Site) -> Iterator[Outcome]:
    wanted = site.data_directory
    theirs = {service.data_directory for service in site.neighbours}
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
        line for line in site.facts.ports if any(mentions(line.rest, service.container) for service in site.neighbours)
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
    names = [(service.container, site.container) for service in site.neighbours]
    start, end, new = rename_spans(text, names)[0]
    about = " (R/W registry for CI build cache)" if text[end:].strip() else ""
    return text[:start] + new + about
