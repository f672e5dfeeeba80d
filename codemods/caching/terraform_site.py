"""What the parts of the Terraform rule look at, and where the private registry's own things go on the VM."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass

from codemods.engine.context import Context
from codemods.engine.edits import Edit
from codemods.engine.model import Finding, Impact
from codemods.facts.compose import ComposeFacts, Service
from codemods.facts.terraform import Deployment, TerraformFacts, resolve_source
from codemods.formats.hcl import HclFile, List, Value
from codemods.settings import RegistrySettings
from codemods.stack import COLLECTOR


@dataclass(frozen=True)
class Site:
    """One provision list with the registries that it provisions."""

    context: Context
    file: HclFile
    facts: TerraformFacts
    elements: List
    compose: ComposeFacts

    @property
    def siblings(self) -> tuple[Service, ...]:
        """Those that ours is provisioned like; never empty."""
        return self.context.siblings

    @property
    def neighbours(self) -> tuple[Service, ...]:
        """All others, behind which ours goes."""
        return self.context.neighbours

    @property
    def registry(self) -> RegistrySettings:
        """Our registry's settings."""
        return self.context.settings.registry

    @property
    def ours(self) -> Service | None:
        """Our service, once compose has it."""
        return self.compose.services.get(self.registry.service)

    @property
    def container(self) -> str:
        """Name of our container."""
        return self.ours.container if self.ours else self.registry.service

    @property
    def data_directory(self) -> str:
        """Where our registry keeps its data: beside the last sibling's."""
        sibling = self.siblings[-1].data_directory or ""
        parent = posixpath.dirname(sibling) if "/" in sibling else f"{self.context.stack.directory}/data"
        return f"{parent}/{self.registry.name}"

    @property
    def destination(self) -> str:
        """Where compose mounts our configuration from."""
        sibling = config_file(self.siblings[-1])
        directory = posixpath.dirname(sibling) if "/" in sibling else self.context.stack.directory
        return f"{directory}/{self.registry.config_name}"

    @property
    def cleanup(self) -> Deployment | None:
        """The element that writes the cleanup script."""
        stack = self.context.stack
        for one in self.facts.deployments:
            if stack.terraform and stack.cleanup and resolve_source(stack.terraform, one.source) == stack.cleanup:
                return one
        return None

    @property
    def collector(self) -> str:
        """Where the collector lies on the VM: beside the cleanup script, else beside our configuration."""
        beside = self.cleanup.destination if self.cleanup else ""
        directory = posixpath.dirname(beside if beside.startswith("/") and "${" not in beside else self.destination)
        return f"{directory}/{COLLECTOR}"

    def element(self, index: int) -> Value:
        """An element of the list."""
        return self.elements.children[index]

    def finding(self, index: int, message: str, edits: list[Edit], place: str, impact: Impact | None = None) -> Finding:
        """A finding at an element; `place` is what it writes: the element's index, or `+`."""
        assert self.facts.attribute
        element = self.element(index)
        writes = ((*self.facts.attribute.path, place),)
        return Finding(element.start, element.end, message, tuple(edits), writes, impact=impact)


def config_file(service: Service) -> str:
    """Where a registry's configuration lies on the VM; empty when compose mounts none."""
    return service.mounted_from(service.config_target) or "" if service.config_target else ""
