"""What every command begins with: the repository, its settings, its stack."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from ipaddress import ip_address
from pathlib import Path

from codemods.cli.options import CommonOptions
from codemods.engine.context import Context
from codemods.errors import CodemodError, SettingsError
from codemods.repository import Document, Repository, find_root
from codemods.settings import Settings, load_settings


@dataclass(frozen=True)
class Session:
    """An opened repository; `context` gives rules each file once."""

    repository: Repository
    context: Context

    @property
    def settings(self) -> Settings:
        """The settings of this run."""
        return self.context.settings

    @property
    def address(self) -> str:
        """The registry's address: as set, else as Terraform gives it to the VM. Raises SettingsError without one."""
        found = self.settings.registry.address or self.found_address()
        try:
            return str(ip_address(found))
        except ValueError:
            raise SettingsError(
                "registry.address is not set, and no Terraform file tells it: pass --set registry.address=…"
            ) from None

    def found_address(self) -> str:
        """The address that Terraform gives to the VM; empty where none can be read."""
        try:
            terraform = self.context.terraform
        except CodemodError:
            return ""
        return terraform.address if terraform else ""

    def has_adopted_recipe(self) -> bool:
        """Whether the repository has any part of the recipe. Settings alone are a wish: they stay after a removal."""
        registry, context = self.settings.registry, self.context
        with suppress(CodemodError):  # what cannot be read is said by the rules that read it
            if context.compose is not None and registry.service in context.compose.services:
                return True
        if context.stack.nginx and registry.service.encode() in self.repository.peek(context.stack.nginx):
            return True
        return any(
            registry.host.encode() in self.repository.peek(path)
            for path in context.stack.pipelines
            if registry.hostname
        )


def open_session(options: CommonOptions, overrides: Sequence[str] = ()) -> Session:
    """Find the repository, load its settings and find its stack. Raises SettingsError."""
    root = find_root(options.directory)
    settings = load_settings(root, (*options.overrides, *overrides))
    return open_with(root, settings)


def open_with(root: Path, settings: Settings) -> Session:
    """A session with settings that were loaded before."""
    from codemods.stack import find_stack

    repository = Repository(root, settings.exclude)
    documents: dict[str, Document | CodemodError] = {}

    def read(path: str) -> Document:
        if path not in documents:
            try:
                documents[path] = repository.read_or_new(path)
            except CodemodError as error:
                documents[path] = error
        found = documents[path]
        if isinstance(found, CodemodError):
            raise found
        return found

    return Session(repository, Context(settings, find_stack(repository, settings, read), read))


def scope(repository: Repository, directory: Path, paths: Iterable[str]) -> tuple[str, ...]:
    """Paths of a command line, relative to `directory`, as paths of the repository. Raises SettingsError."""
    found = []
    for path in paths:
        full = Path(os.path.abspath(directory / path))
        if not full.is_relative_to(repository.root):
            full = full.parent.resolve() / full.name
        if not full.is_relative_to(repository.root):
            raise SettingsError(f"{path} lies outside the repository {repository.root}: give a path inside it")
        if not os.path.lexists(full):
            raise SettingsError(f"{path}: no such file or directory")
        found.append(full.relative_to(repository.root).as_posix())
    return tuple(found)


def known_rules(given: Iterable[str], known: Sequence[str], where: str = "") -> frozenset[str]:
    """The rule ids given. Raises SettingsError, beginning with `where`, that names the nearest known one."""
    found = frozenset(given)
    for rule in sorted(found.difference(known)):
        near = get_close_matches(rule, known, 1, 0.4)
        hint = f"did you mean {near[0]}?" if near else "`codemod rules` lists them"
        raise SettingsError(f"{where}there is no rule {rule}: {hint}")
    return found
