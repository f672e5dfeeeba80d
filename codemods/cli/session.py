"""What every command begins with: the repository, its settings, its stack."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from ipaddress import ip_address
from itertools import combinations
from pathlib import Path

from codemods.cli.options import CommonOptions
from codemods.engine.context import Context
from codemods.errors import CannotEdit, CodemodError, ParseError, SettingsError
from codemods.repository import Document, Repository, find_root
from codemods.settings import PathSettings, Settings, has_settings, load_all_settings


@dataclass(frozen=True)
class Session:
    """An opened repository; `context` gives rules each file once, and has the other registries' contexts with it."""

    repository: Repository
    context: Context

    @property
    def settings(self) -> Settings:
        """The settings of this run."""
        return self.context.settings

    def each(self) -> tuple[Session, ...]:
        """A session for each private registry, in the order of their ports."""
        return tuple(Session(self.repository, context) for context in self.context.each())

    @property
    def address(self) -> str:
        """The registry's address: as set, else as Terraform gives it to the VM. Raises SettingsError without one."""
        found, option = self.settings.registry.address or self.found_address(), self.settings.option("registry.address")
        try:
            return str(ip_address(found))
        except ValueError:
            raise SettingsError(f"{option} is not set, and no Terraform file tells it: pass --set {option}=…") from None

    def found_address(self) -> str:
        """The address that Terraform gives to the VM; empty where none can be read."""
        try:
            terraform = self.context.terraform
        except CodemodError:
            return ""
        return terraform.address if terraform else ""

    def has_adopted_recipe(self) -> bool:
        """Whether the repository has settings of its own, or any part of the recipe."""
        return has_settings(self.repository.root) or any(one._has_a_part() for one in self.each())

    def _has_a_part(self) -> bool:
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
    """Find the repository, load its settings and find the stack of each registry. Raises SettingsError."""
    root = find_root(options.directory)
    return open_with(root, *load_all_settings(root, (*options.overrides, *overrides)))


def open_with(root: Path, settings: Settings, *others: Settings, repository: Repository | None = None) -> Session:
    """A session with settings that were loaded before, one for each registry, and perhaps a repository that was opened.

    Raises SettingsError.
    """
    from codemods.stack import find_stack

    repository = repository or Repository(root, settings.exclude)
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

    contexts = [Context(one, find_stack(repository, one, read), read) for one in (settings, *others)]
    for pair in combinations(contexts, 2):
        _check_apart(*pair)
    first, *rest = contexts
    if not rest:
        return Session(repository, first)
    stack = first.stack._replace(notes=(*first.stack.notes, *_left_out(repository, contexts)))
    return Session(repository, Context(first.settings, stack, read, others=tuple(rest)))


def _left_out(repository: Repository, contexts: Sequence[Context]) -> Iterator[str]:
    """Pipelines that build images and that none of several registries has."""
    known = {path for one in contexts for path in one.stack.pipelines}
    for path in repository.match(PathSettings().pipelines):
        if path not in known and _builds(contexts[0].document, path):
            yield f"{path} belongs to no registry, and no rule looks at it: set pipelines in [registry.paths]"


def _builds(read: Callable[[str], Document], path: str) -> bool:
    """Whether a pipeline builds images, or cannot be read."""
    from codemods.facts.pipelines import MARKER, read_builds

    try:
        document = read(path)
        return MARKER.search(document.text) is not None and bool(list(read_builds(document.yaml)))
    except (CannotEdit, ParseError):
        return True


def _check_apart(one: Context, other: Context) -> None:
    """Raise SettingsError for two registries that have a port of one stack, or a pipeline, in common."""
    first, second = one.settings.registry, other.settings.registry
    names = f"{first.name} and {second.name}"
    if first.port == second.port and one.stack.compose is not None and one.stack.compose == other.stack.compose:
        raise SettingsError(
            f"the registries {names} both have port {first.port} in {one.stack.compose}: give one another registry.port"
        )
    if shared := sorted(one.pipelines & other.pipelines):
        more = f" and {len(shared) - 1} more" if len(shared) > 1 else ""
        raise SettingsError(
            f"{shared[0]}{more} may belong to the registry {first.name} or {second.name}: set pipelines in "
            "[registry.paths] of each, so that every pipeline belongs to one"
        )


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
