"""Each registry of the stack with its configuration: what it is, and whether pipelines can push to it."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from codemods.errors import CannotEdit, ParseError
from codemods.facts.compose import Service
from codemods.formats.yaml import Mapping, Node, Pair, text_of

if TYPE_CHECKING:
    from codemods.engine.context import Context
    from codemods.repository import Document


@dataclass(frozen=True)
class Registry:
    """A service that runs Distribution; `path` is its configuration in the repository, None when not found.

    `document` is None, too, when that cannot be read. Several registries may share one configuration: a Terraform
    template that is rendered for each.
    """

    service: Service
    path: str | None = None
    document: Document | None = None

    @property
    def root(self) -> Mapping | None:
        """The configuration's mapping."""
        return self.document.yaml.root if self.document else None

    @property
    def accepts_pushes(self) -> bool:
        """Whether it is no pull-through mirror; a registry whose configuration is not found does not count."""
        return self.root is not None and self.root.get("proxy") is None

    @property
    def has_auth(self) -> bool:
        """Whether it asks for credentials."""
        auth = self.value("auth")
        return isinstance(auth, Mapping) and any(pair.name not in (None, "none") for pair in auth.pairs)

    @property
    def major(self) -> int:
        """Major version of Distribution by the image's tag; when that does not say, by where the image looks for it."""
        tag = self.service.image.partition("@")[0].rpartition("/")[2].partition(":")[2]
        number = tag.lstrip("v").split(".")[0]
        if number not in ("2", "3"):
            return 3 if (self.service.config_target or "").startswith("/etc/distribution/") else 2
        return int(number)

    def pair(self, *path: str) -> Pair | None:
        """The pair at a path of keys."""
        node: Node | None = self.root
        pair = None
        for name in path:
            pair = node.get(name) if isinstance(node, Mapping) else None
            node = pair.value if pair else None
        return pair

    def value(self, *path: str) -> Node | None:
        """The value at a path of keys."""
        pair = self.pair(*path)
        return pair.value if pair else None

    def text(self, *path: str) -> str:
        """The text at a path of keys; empty when there is none."""
        return text_of(self.value(*path)) or ""


def read_registries(context: Context) -> tuple[Registry, ...]:
    """All registries of the compose file, in its order."""
    if context.compose is None:
        return ()
    return tuple(_registry(context, service) for service in context.compose.registries)


def _registry(context: Context, service: Service) -> Registry:
    for path in _candidates(context, service):
        try:
            document = context.document(path)
            if document.exists:
                return Registry(service, path, document if document.yaml.root is not None else None)
        except (ParseError, CannotEdit):
            # A template with directives is no YAML before it is rendered.
            return Registry(service, None if path.endswith("tpl") else path)
    return Registry(service)


def _candidates(context: Context, service: Service) -> Iterator[str]:
    """Where a service's configuration may lie: what Terraform deploys there, beside compose, under its own name."""
    stack = context.stack
    source = service.mounted_from(service.config_target) if service.config_target else None
    if source is None or stack.compose is None:
        return
    if source in context.deployed:
        yield context.deployed[source]
    if source.startswith("."):
        yield posixpath.normpath(posixpath.join(posixpath.dirname(stack.compose), source))
    yield posixpath.join(stack.configs or "", posixpath.basename(source))
