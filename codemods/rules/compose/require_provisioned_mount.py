"""What compose mounts from the stack's directory is put there by Terraform.

When the source of a bind mount does not exist, Docker makes a directory of that name, and the container starts with an
empty directory where it expects a file; nginx and the registry do not start then. A fresh VM has nothing but what its
provisioning writes.

Not for: named volumes, sources outside the stack's directory, and the data and configuration of registries, which
`terraform-require-data-directory` is about.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from codemods.engine.context import Context
from codemods.engine.model import Finding, Impact, Outcome, Related, Role, rule
from codemods.repository import Document


@rule("compose-require-provisioned-mount", Role.COMPOSE, impact=Impact.RECREATE, since="0.1.0", cross=True)
def check(context: Context, document: Document) -> Iterator[Outcome]:
    """Yield a finding for each mount source below the stack's directory that nothing deploys or creates."""
    facts, compose = context.terraform, context.compose
    if compose is None or facts is None or facts.elements is None or context.stack.terraform is None:
        return
    files = {deployment.destination for deployment in facts.deployments}
    made = {directory.path.rstrip("/") for directory in facts.directories}
    provided = files | made | {posixpath.dirname(path) for path in files}
    own = {
        source
        for service in compose.registries
        for source in (service.data_directory, service.mounted_from(service.config_target or ""))
    }
    for service in compose.services.values():
        for mount in service.mounts:
            below = mount.source.startswith(f"{context.stack.directory}/")
            if not below or mount.source in provided or mount.source in own or "$" in mount.source:
                continue
            if mount.node is not None:
                yield Finding(
                    mount.node.start,
                    mount.node.end,
                    f"{service.name} mounts {mount.source}, which Terraform neither writes nor makes: on a fresh VM "
                    "Docker puts an empty directory there",
                    related=(Related(context.stack.terraform, facts.elements.start, "the provisioning is here"),),
                )
