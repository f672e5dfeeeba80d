"""What a rule is given besides its document: settings, stack, and facts read once from the other files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from codemods.errors import CannotEdit, ParseError
from codemods.repository import Document
from codemods.settings import Settings
from codemods.stack import Stack

if TYPE_CHECKING:
    from codemods.facts.compose import ComposeFacts
    from codemods.facts.images import ImageNames
    from codemods.facts.nginx import NginxFacts
    from codemods.facts.pipelines import Build
    from codemods.facts.terraform import TerraformFacts


@dataclass(eq=False)
class Context:
    """Facts are None where the stack has no such file; reading them raises ParseError."""

    settings: Settings
    stack: Stack
    document: Callable[[str], Document]

    @cached_property
    def pipelines(self) -> frozenset[str]:
        """The stack's pipelines, for looking up."""
        return frozenset(self.stack.pipelines)

    @cached_property
    def images(self) -> ImageNames:
        """Local names of all images that the pipelines build; a pipeline that cannot be read has none."""
        from codemods.facts.images import name_images

        return name_images(self._builds(), self.settings.registry.host)

    def _builds(self) -> Iterator[Build]:
        from codemods.facts.pipelines import MARKER, read_builds

        for path in self.stack.pipelines:
            try:
                document = self.document(path)
                if MARKER.search(document.text):
                    yield from read_builds(document.yaml)
            except (ParseError, CannotEdit):
                continue

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
