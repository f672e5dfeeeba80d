"""The provision list makes every registry's data directory and writes its configuration.

Docker makes a missing source of a bind mount itself, as an empty directory that belongs to root. For data that is luck;
in place of a configuration it is a directory where the registry expects a file, and the registry does not start. It
shows on the next fresh VM only, when the one that somebody has set up by hand is gone.

The fix adds the directory to the siblings' `mkdir -p`. A configuration gets an element like the siblings' when the
repository has a plain file of that name; a template's values are nobody's to guess.

Not for: the private registry, whose parts `terraform-provision-private-registry` adds; lists that make no sibling's
directory, or write no sibling's configuration; paths that a script, a variable or a loop may put there.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from codemods.caching.collection import plain
from codemods.caching.terraform_site import config_file
from codemods.engine.context import Context
from codemods.engine.edits import Edit
from codemods.engine.model import Finding, Impact, Role, rule
from codemods.errors import CannotEdit
from codemods.facts.compose import Service
from codemods.facts.registries import Registry
from codemods.facts.terraform import Deployment, TerraformFacts, resolve_source
from codemods.formats.hcl import HclFile, String
from codemods.formats.hcl_edits import copied, insert_element, replace_in_string
from codemods.repository import Document
from codemods.rules.terraform.changes import written
from codemods.rules.terraform.provisioned import may_provide, service_place


@rule("terraform-require-data-directory", Role.TERRAFORM, impact=Impact.REPLACE, since="0.1.0", cross=True)
def check(context: Context, document: Document) -> Iterator[Finding]:
    """Yield a finding for each directory that is not made and each configuration that is not written."""
    facts = context.terraform
    if facts is None or facts.elements is None:
        return
    registries = [one for one in context.registries if one.service.name not in context.settings.services]
    yield from _directories(context, document.hcl, facts, [one.service for one in registries])
    yield from _configurations(context, document.hcl, facts, registries)


def _directories(context: Context, file: HclFile, facts: TerraformFacts, services: list[Service]) -> Iterator[Finding]:
    theirs = {service.data_directory for service in services}
    known = [directory for directory in facts.directories if directory.path in theirs]
    for service in services if known else ():
        path = service.data_directory or ""
        if not _is_plain(path) or may_provide(context, file, facts, path):
            continue
        last = known[-1]
        assert facts.elements and facts.attribute
        element = facts.elements.children[last.index]
        string = element if isinstance(element, String) else element.children[0]
        edits: tuple[Edit, ...] = ()
        if isinstance(string, String):
            edits = (replace_in_string(file, string, last.end, last.end, f" {plain(path)}"),)
        yield Finding(
            last.start,
            last.end,
            f"the data directory {path} of {service.name} is not made; add it to the mkdir",
            edits,
            written(facts, edits),
            service_place(context, service),
        )


def _configurations(
    context: Context, file: HclFile, facts: TerraformFacts, registries: list[Registry]
) -> Iterator[Finding]:
    paths = {config_file(one.service) for one in registries}
    known = [deployment for deployment in facts.deployments if deployment.destination in paths]
    fixed = False
    for registry in registries if known else ():
        path = config_file(registry.service)
        if not _is_plain(path) or may_provide(context, file, facts, path):
            continue
        assert facts.elements and facts.attribute
        # Two insertions at one place would need to know of each other: one in each pass.
        edits = () if fixed else _deploy(context, file, facts, registry, known)
        fixed = fixed or bool(edits)
        yield Finding(
            *known[-1].destination_span,
            f"{path}, which {registry.service.name} mounts, is not written; deploy it like {known[-1].destination}",
            edits,
            written(facts, edits),
            service_place(context, registry.service),
        )


def _is_plain(path: str) -> bool:
    return path.startswith("/") and "$" not in path and " " not in path


def _deploy(
    context: Context, file: HclFile, facts: TerraformFacts, registry: Registry, known: list[Deployment]
) -> tuple[Edit, ...]:
    """An element that deploys the registry's own file, written like one that deploys a file as it is."""
    model = next((one for one in facts.deployments if _is_simple(context, facts, one)), None)
    path = config_file(registry.service)
    if registry.path is None or registry.document is None or "${" in registry.document.text or model is None:
        return ()
    assert facts.elements and context.stack.terraform
    source = resolve_source(context.stack.terraform, model.source) or ""
    relative = posixpath.relpath(registry.path, posixpath.dirname(source) or ".")
    directory = model.source[: model.source.rfind("/") + 1]
    after = max(one.index for one in known)
    above = file.comments_above(facts.elements.children[after].start)
    comment = f"# Write {registry.service.name}'s configuration" if above else ""
    try:
        changes = [Edit(*model.source_span, directory + plain(relative)), Edit(*model.destination_span, plain(path))]
        element = copied(file, facts.elements.children[model.index], changes)
        return tuple(insert_element(file, facts.elements, after, element, comment=comment))
    except CannotEdit:
        return ()


def _is_simple(context: Context, facts: TerraformFacts, deployment: Deployment) -> bool:
    """Whether an element deploys one file of the repository as it is, and nothing more."""
    alone = sum(1 for one in facts.deployments if one.index == deployment.index) == 1
    known = deployment.kind == "file" and not deployment.suffix and "${" not in deployment.destination
    assert context.stack.terraform
    return alone and known and resolve_source(context.stack.terraform, deployment.source) is not None
