"""What a rule is given besides its document: settings, stack, and facts read once from the other files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from codemods.errors import CannotEdit, ParseError

if TYPE_CHECKING:
    from codemods.engine.directives import Directive
    from codemods.facts.compose import ComposeFacts, Service
    from codemods.facts.endpoints import Endpoint
    from codemods.facts.images import ImageNames
    from codemods.facts.nginx import NginxFacts
    from codemods.facts.pipelines import Build
    from codemods.facts.references import CacheWriter
    from codemods.facts.registries import Registry
    from codemods.facts.terraform import TerraformFacts
    from codemods.repository import Document
    from codemods.settings import Settings
    from codemods.stack import Stack


class Context:
    """Facts are None where the stack has no such file; reading them raises ParseError.

    `directives` are the comments that suppress findings, by file; there are none before all other rules have run.
    `others` are the contexts of the repository's other private registries, where a run is about all of them.
    """

    def __init__(
        self,
        settings: Settings,
        stack: Stack,
        document: Callable[[str], Document],
        directives: Mapping[str, tuple[Directive, ...]] | None = None,
        others: tuple[Context, ...] = (),
    ) -> None:
        self.settings = settings
        self.stack = stack
        self.document = document
        self.directives = directives or {}
        self.others = others

    def each(self) -> tuple[Context, ...]:
        """The context of each registry that the run is about, without others."""
        if not self.others:
            return (self,)
        return (Context(self.settings, self.stack, self.document, self.directives), *self.others)

    def over(self, new: Mapping[str, Document]) -> Context:
        """The same with other documents at some paths."""
        documents = dict(new)

        def read(path: str) -> Document:
            return documents[path] if path in documents else self.document(path)

        others = tuple(other.over(new) for other in self.others)
        return Context(self.settings, self.stack, read, self.directives, others)

    @cached_property
    def pipelines(self) -> frozenset[str]:
        """All pipelines, for looking up."""
        return frozenset(path for one in (self, *self.others) for path in one.stack.pipelines)

    @cached_property
    def neighbours(self) -> tuple[Service, ...]:
        """The stack's other registries."""
        found = self.compose.registries if self.compose else ()
        return tuple(service for service in found if service.name != self.settings.registry.service)

    @cached_property
    def siblings(self) -> tuple[Service, ...]:
        """Those of them that ours is written like: all but the other private ones, as long as there are more."""
        found = tuple(service for service in self.neighbours if service.name not in self.settings.services)
        return found or self.neighbours

    @cached_property
    def deployed(self) -> dict[str, str]:
        """Files of the repository by the path on the VM that Terraform writes them to."""
        from codemods.facts.terraform import resolve_source

        if self.terraform is None or self.stack.terraform is None:
            return {}
        found = {}
        for deployment in self.terraform.deployments:
            if deployment.kind in ("file", "templatefile"):
                path = resolve_source(self.stack.terraform, deployment.source)
                if path:
                    found[deployment.destination] = path
        return found

    @cached_property
    def registries(self) -> tuple[Registry, ...]:
        """The registries of the stack, each with its configuration."""
        from codemods.facts.registries import read_registries

        return read_registries(self)

    def takes_pushes(self, service: str) -> bool:
        """Whether pipelines can push to a service of the compose file.

        Without the stack at hand (a hook that sees one file) only the services that the settings name do.
        """
        if self.stack.compose is None:
            return service in self.settings.services
        return any(registry.service.name == service and registry.accepts_pushes for registry in self.registries)

    @cached_property
    def images(self) -> ImageNames:
        """Local names of all images that the pipelines build; a pipeline that cannot be read has none."""
        from codemods.facts.images import name_images

        return name_images((build for _, build in self.builds), self.settings.registry.host)

    @cached_property
    def builds(self) -> tuple[tuple[str, Build], ...]:
        """All steps that build images, each with the path of its pipeline; one that cannot be read has none."""
        return tuple(self._builds())

    def _builds(self) -> Iterator[tuple[str, Build]]:
        from codemods.facts.pipelines import MARKER, read_builds

        for path in self.stack.pipelines:
            try:
                document = self.document(path)
                if MARKER.search(document.text):
                    yield from ((path, build) for build in read_builds(document.yaml))
            except (ParseError, CannotEdit):
                continue

    @cached_property
    def cache_writers(self) -> dict[str, list[CacheWriter]]:
        """The steps that write each cache in a registry, by its reference."""
        from codemods.facts.references import read_cache_writers

        return read_cache_writers(self.builds)

    @cached_property
    def endpoints(self) -> dict[str, Endpoint]:
        """How clients reach the stack's registries, by host and port."""
        from codemods.facts.endpoints import read_endpoints

        return read_endpoints(self)

    @cached_property
    def compose(self) -> ComposeFacts | None:
        from codemods.facts.compose import read_compose

        return read_compose(self.document(self.stack.compose).yaml) if self.stack.compose else None

    @cached_property
    def nginx(self) -> NginxFacts | None:
        from codemods.facts.nginx import read_nginx

        return read_nginx(self.document(self.stack.nginx).nginx) if self.stack.nginx else None

    @cached_property
    def terraform(self) -> TerraformFacts | None:
        from codemods.facts.terraform import read_terraform

        if not self.stack.terraform:
            return None
        return read_terraform(self.document(self.stack.terraform).hcl, self.stack.provision_list)
