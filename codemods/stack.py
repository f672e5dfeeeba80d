"""The files of one registry installation and their roles, found in the repository.

The compose file is the one that runs Distribution. What Terraform deploys to the paths that compose mounts tells
which file is nginx.conf and where the registry configurations lie; without Terraform the compose file's own
directory does. Every role can be set in `[paths]` instead; two candidates for one role are an error that names both.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from codemods.errors import CannotEdit, ParseError, SettingsError
from codemods.repository import Document

if TYPE_CHECKING:
    from codemods.facts.compose import ComposeFacts
    from codemods.facts.terraform import Deployment
    from codemods.repository import Repository
    from codemods.settings import Settings

_REGISTRY_IMAGE = re.compile(rb"""image:\s*["']?(?:[\w.-]+/)*(?:registry|distribution)(?:[:@"'\s]|$)""")
_COMPOSE_NAME = re.compile(r"(?:docker-)?compose[^/]*\.ya?ml\Z")
_PRIVILEGED = re.compile(
    r"""^(?P<lead>[^#\n]*?)\bWOODPECKER_(?:PLUGINS_PRIVILEGED|ESCALATE)\b["']?
        (?: \s*[:=]\s* | \s*\n\s*value\s*[:=]\s* ) ["']? (?P<value>[^"'\s#]*)""",
    re.MULTILINE | re.VERBOSE,
)
_DEFAULT_DIRECTORY = "/opt/registry"


@dataclass(frozen=True)
class Stack:
    """Paths relative to the repository, with `/`; None where the repository has no such part.

    `configs` is the directory of the registry configurations ("" is the repository's root); `directory` is where
    the stack lives on the VM; `provision_list` the dotted name of the Terraform list that cloud-init runs;
    `plugins_privileged` the server's list of privileged plugins (None: not in this repository) and
    `plugins_privileged_at` its `path:line`.
    """

    compose: str | None = None
    nginx: str | None = None
    terraform: str | None = None
    provision_list: str = ""
    configs: str | None = None
    cleanup: str | None = None
    pipelines: tuple[str, ...] = ()
    directory: str = _DEFAULT_DIRECTORY
    plugins_privileged: str | None = None
    plugins_privileged_at: str = ""
    notes: tuple[str, ...] = ()


def find_stack(repository: Repository, settings: Settings, read: Callable[[str], Document]) -> Stack:
    """Find every role. Raises SettingsError when a configured path is missing or a role has two candidates."""
    search = _Search(repository, settings, read)
    pipelines = tuple(repository.match(settings.paths.pipelines))
    stack = Stack(pipelines=pipelines, directory=settings.vm.directory or _DEFAULT_DIRECTORY)
    stack = search.privileged(stack)
    compose = search.compose(pipelines)
    if compose is None:
        return replace(stack, notes=("no compose file that runs a registry: the recipe is applied to pipelines only",))
    return search.around(replace(stack, compose=compose))


class _Search:
    """One look at the repository; files are read at most once."""

    def __init__(self, repository: Repository, settings: Settings, read: Callable[[str], Document]) -> None:
        self.repository = repository
        self.settings = settings
        self.read = read
        self.files = repository.files()
        self.notes: list[str] = []

    def with_suffix(self, *suffixes: str) -> list[str]:
        return [path for path in self.files if path.endswith(suffixes)]

    def bytes_of(self, path: str) -> bytes:
        return self.repository.peek(path)

    def configured(self, key: str) -> str | None:
        """The path set in `[paths]`, which must exist."""
        path: str = getattr(self.settings.paths, key)
        if path and not (self.repository.root / path).exists():
            raise SettingsError(f"paths.{key} = {path!r}: no such file in the repository; correct it in codemod.toml")
        return path or None

    def one(self, role: str, candidates: Iterable[str]) -> str | None:
        found = sorted(set(candidates))
        if len(found) > 1:
            more = f" and {len(found) - 5} more" if len(found) > 5 else ""
            listed = ", ".join(found[:5]) + more
            raise SettingsError(f"{len(found)} candidates for paths.{role}: {listed}; set one of them in codemod.toml")
        return found[0] if found else None

    def compose(self, pipelines: Sequence[str]) -> str | None:
        if configured := self.configured("compose"):
            return configured
        skip = set(pipelines)
        return self.one(
            "compose", (p for p in self.with_suffix(".yml", ".yaml") if p not in skip and self.runs_registry(p))
        )

    def runs_registry(self, path: str) -> bool:
        content = self.bytes_of(path)
        if b"services:" not in content or not _REGISTRY_IMAGE.search(content):
            return False
        try:
            return bool(self.compose_facts(path).registries)
        except (ParseError, CannotEdit):
            return bool(_COMPOSE_NAME.search(path))

    def compose_facts(self, path: str) -> ComposeFacts:
        from codemods.facts.compose import read_compose

        return read_compose(self.read(path).yaml)

    def around(self, stack: Stack) -> Stack:
        """The other roles, from what Terraform deploys and compose mounts."""
        assert stack.compose is not None
        terraform, name, deployments = self.terraform(stack.compose)
        deployed = {deployment.destination: source for deployment, source in deployments}
        try:
            facts = self.compose_facts(stack.compose)
        except (ParseError, CannotEdit):
            facts = None
        directory = stack.directory
        if not self.settings.vm.directory:
            directory = next((posixpath.dirname(to) for to, path in deployed.items() if path == stack.compose), "")
            directory = directory or _data_root(facts) or _DEFAULT_DIRECTORY
        nginx = self.nginx(stack.compose, facts, deployed)
        configs = self.configs(stack.compose, facts, deployed)
        cleanup = self.cleanup(stack.compose, deployed)
        for role, path in (
            ("nginx configuration", nginx),
            ("Terraform provisioning", terraform),
            ("cleanup script", cleanup),
        ):
            if path is None:
                self.notes.append(f"no {role} found for {stack.compose}: that part of the recipe is left out")
        return replace(
            stack,
            nginx=nginx,
            terraform=terraform,
            provision_list=name,
            configs=configs,
            cleanup=cleanup,
            directory=directory,
            notes=(*stack.notes, *self.notes),
        )

    def terraform(self, compose: str) -> tuple[str | None, str, list[tuple[Deployment, str]]]:
        """The file, the dotted name of the list that deploys the compose file, and what that list deploys."""
        configured = self.configured("terraform")
        marker = posixpath.basename(compose).encode()
        found: dict[tuple[str, str], list[tuple[Deployment, str]]] = {}
        for path in [configured] if configured else self.with_suffix(".tf"):
            if configured or marker in self.bytes_of(path):
                for name, deployments in self.provision_lists(path):
                    if configured or any(source == compose for _, source in deployments):
                        found[path, name] = deployments
        wanted = self.settings.paths.provision_list
        if wanted:
            found = {key: value for key, value in found.items() if key[1] == wanted}
        choice = self.one("provision_list" if configured else "terraform", (f"{p} ({n})" for p, n in found))
        if choice is None:
            return configured, wanted, []
        ((path, name), deployments) = next(iter(found.items()))
        return path, name, deployments

    def provision_lists(self, path: str) -> list[tuple[str, list[tuple[Deployment, str]]]]:
        from codemods.facts.terraform import find_provision_lists, resolve_source

        try:
            lists = find_provision_lists(self.read(path).hcl)
        except (ParseError, CannotEdit) as error:
            self.notes.append(f"{path} was not searched for provisioning: {error}")
            return []
        return [
            (
                name,
                [(d, resolve_source(path, d.source) or "") for d in deployments if d.kind in ("file", "templatefile")],
            )
            for name, deployments in lists
        ]

    def nginx(self, compose: str, facts: ComposeFacts | None, deployed: dict[str, str]) -> str | None:
        if configured := self.configured("nginx"):
            return configured
        mount = facts.nginx.nginx_config if facts and facts.nginx else None
        if mount is None:
            return None
        if path := self.local(compose, mount.source, deployed):
            return path
        beside = [p for p in self.beside(compose) if p.endswith((".conf", ".conf.tpl"))]
        return self.one("nginx", (p for p in beside if b"proxy_pass" in self.bytes_of(p)))

    def configs(self, compose: str, facts: ComposeFacts | None, deployed: dict[str, str]) -> str | None:
        if self.settings.paths.configs:
            return self.settings.paths.configs.rstrip("/")
        directories = []
        for service in facts.registries if facts else ():
            source = service.mounted_from(service.config_target) if service.config_target else None
            if source and (path := self.local(compose, source, deployed)):
                directories.append(posixpath.dirname(path))
        return max(directories, key=directories.count) if directories else posixpath.dirname(compose)

    def local(self, compose: str, source: str, deployed: dict[str, str]) -> str | None:
        """The repository's file behind a mount source: what Terraform deploys there, or a path beside compose."""
        path = deployed.get(source)
        if path is None and source.startswith("."):
            path = posixpath.normpath(posixpath.join(posixpath.dirname(compose), source))
        return path if path and (self.repository.root / path).is_file() else None

    def cleanup(self, compose: str, deployed: dict[str, str]) -> str | None:
        if configured := self.configured("cleanup"):
            return configured
        return self.one("cleanup", (p for p in {*self.beside(compose), *deployed.values()} if self.cleans_tags(p)))

    def cleans_tags(self, path: str) -> bool:
        content = self.bytes_of(path) if path.endswith((".sh", ".py")) or "." not in posixpath.basename(path) else b""
        return b"repositories" in content and b"tags" in content and (b"rmtree" in content or b"rm -r" in content)

    def beside(self, compose: str) -> list[str]:
        directory = posixpath.dirname(compose)
        return [path for path in self.files if posixpath.dirname(path) == directory]

    def privileged(self, stack: Stack) -> Stack:
        """Find the server's list of privileged plugins; it decides whether a pinned plugin image may still build."""
        if self.settings.woodpecker.plugins_privileged:
            return replace(
                stack,
                plugins_privileged=self.settings.woodpecker.plugins_privileged,
                plugins_privileged_at="woodpecker.plugins_privileged in codemod.toml",
            )
        pipelines = set(stack.pipelines)
        found: dict[str, str] = {}
        for path in self.with_suffix(".yml", ".yaml", ".tf", ".env", ".tfvars", ".hcl"):
            if path in pipelines:
                continue
            content = self.bytes_of(path)
            if b"WOODPECKER_PLUGINS_PRIVILEGED" not in content and b"WOODPECKER_ESCALATE" not in content:
                continue
            for match in _PRIVILEGED.finditer(content.decode(errors="replace")):
                line = match.string.count("\n", 0, match.start("value")) + 1
                found.setdefault(match["value"], f"{path}:{line}")
        if len(found) > 1:
            listed = ", ".join(sorted(found.values()))
            note = f"several lists of privileged plugins ({listed}): set woodpecker.plugins_privileged to the one that counts"
            return replace(stack, notes=(*stack.notes, note))
        for value, place in found.items():
            return replace(stack, plugins_privileged=value, plugins_privileged_at=place)
        return stack


def _data_root(facts: ComposeFacts | None) -> str:
    """`/opt/registry` when the registries keep their data in `/opt/registry/data/NAME`."""
    for service in facts.registries if facts else ():
        parent = posixpath.dirname(service.data_directory or "")
        if parent.startswith("/") and posixpath.basename(parent) == "data":
            return posixpath.dirname(parent)
    return ""
