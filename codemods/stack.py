"""The files of one registry installation and their roles, found in the repository.

The compose file is the one that runs Distribution. What Terraform deploys to the paths that compose mounts tells
which file is nginx.conf and where the registry configurations lie; without Terraform the compose file's own
directory does. Every role can be set in `[paths]` instead; two candidates for one role are an error that names both.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from codemods.errors import CannotEdit, CodemodError, ParseError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from codemods.repository import Document

    ProvisionLists = dict[tuple[str, str], list[tuple["Deployment", str]]]
    from codemods.facts.compose import ComposeFacts
    from codemods.facts.terraform import Deployment
    from codemods.repository import Repository
    from codemods.settings import Settings

_REGISTRY_IMAGE = re.compile(rb"""image:\s*["']?(?:[\w.-]+/|\$\{\w+:?-)*(?:registry|distribution)(?:[:@}"'\s]|$)""")
_COMPOSE_NAME = re.compile(r"(?:docker-)?compose[^/]*\.ya?ml\Z")
_DEFAULT_DIRECTORY = "/opt/registry"

COLLECTOR = "collect-garbage.py"
"""Name of the script that collects the private registry's garbage, in the repository and on the VM."""


@dataclass(frozen=True)
class Stack:
    """Paths relative to the repository, with `/`; None where the repository has no such part.

    `configs` is the directory of the registry configurations ("." is the repository's root), `registry_configs` are
    those that a hook was given, which sees no stack; `directory` is where the stack lives on the VM;
    `provision_list` the dotted name of the Terraform list that cloud-init runs; `plugins_privileged` the server's
    list of privileged plugins (None: not in this repository) and `plugins_privileged_at` its `path:line`.
    """

    compose: str | None = None
    nginx: str | None = None
    terraform: str | None = None
    provision_list: str = ""
    configs: str | None = None
    cleanup: str | None = None
    pipelines: tuple[str, ...] = ()
    registry_configs: tuple[str, ...] = ()
    directory: str = _DEFAULT_DIRECTORY
    plugins_privileged: str | None = None
    plugins_privileged_at: str = ""
    notes: tuple[str, ...] = ()

    @property
    def collector(self) -> str | None:
        """The script that collects garbage, beside the cleanup script; without Terraform nothing would deploy it."""
        if self.terraform is None or self.configs is None:
            return None
        directory = posixpath.dirname(self.cleanup) if self.cleanup else self.configs
        return posixpath.normpath(posixpath.join(directory, COLLECTOR))


def find_stack(repository: Repository, settings: Settings, read: Callable[[str], Document]) -> Stack:
    """Find every role. Raises SettingsError when a configured path is missing or a role has two candidates."""
    search = _Search(repository, settings, read)
    pipelines = search.pipelines()
    value, place = search.privileged(pipelines)
    stack = Stack(
        pipelines=pipelines,
        directory=settings.vm.directory or _DEFAULT_DIRECTORY,
        plugins_privileged=value,
        plugins_privileged_at=place,
    )
    configured = {key: search.configured(key) for key in ("compose", "nginx", "terraform", "configs", "cleanup")}
    compose = search.compose(pipelines)
    if compose is not None:
        return search.around(replace(stack, compose=compose))
    unused = ", ".join(f"paths.{key}" for key, path in configured.items() if path)
    but = f"; {unused} cannot be used without it" if unused else ""
    note = f"no compose file that runs a registry: the recipe is applied to pipelines only{but}"
    return replace(stack, notes=(*search.notes, note))


class _Search:
    """One look at the repository; only files with the right marker are parsed."""

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

    def read_error(self, path: str) -> CodemodError | None:
        try:
            self.read(path)
        except (ParseError, CannotEdit) as error:
            return error
        return None

    def unreadable(self, path: str) -> bool:
        """Whether a file shows nothing: too large, binary, a symlink out of the repository, empty."""
        return bool(self.read_error(path)) or not self.read(path).text.strip()

    def pipelines(self) -> tuple[str, ...]:
        """The files that the globs match; a symlink to one of them is no pipeline of its own."""
        return tuple(self.without_links(self.repository.match(self.settings.paths.pipelines)))

    def without_links(self, paths: Sequence[str]) -> list[str]:
        """The paths without symlinks to others of them."""
        root = str(self.repository.root)
        known = {posixpath.join(root, path) for path in paths}
        links = {path for path in paths if posixpath.islink(posixpath.join(root, path))}
        return [
            path for path in paths if path not in links or posixpath.realpath(posixpath.join(root, path)) not in known
        ]

    def configured(self, key: str) -> str | None:
        """The path set in `[paths]`, which must exist."""
        path: str = getattr(self.settings.paths, key)
        if path and not (self.repository.root / path).exists():
            raise SettingsError(f"paths.{key} is {path}: there is nothing of that name in the repository; correct it")
        return path or None

    def one(self, role: str, candidates: Iterable[str]) -> str | None:
        found = sorted(set(candidates))
        found = self.without_links(found) if len(found) > 1 else found
        if len(found) > 1:
            more = f" and {len(found) - 5} more" if len(found) > 5 else ""
            listed = ", ".join(found[:5]) + more
            advice = f"set it in codemod.toml, or with --set {self.settings.option(f'paths.{role}')}=…"
            raise SettingsError(f"{len(found)} candidates for paths.{role}: {listed}; {advice}")
        return found[0] if found else None

    def compose(self, pipelines: Sequence[str]) -> str | None:
        if configured := self.configured("compose"):
            return configured
        skip = set(pipelines)
        candidates = [path for path in self.with_suffix(".yml", ".yaml") if path not in skip]
        found = self.one("compose", filter(self.runs_registry, candidates))
        if found is None:
            # One of these may be the one: better refused by name than left out.
            found = self.one("compose", (p for p in candidates if _COMPOSE_NAME.search(p) and self.unreadable(p)))
        return found

    def runs_registry(self, path: str) -> bool:
        content = self.bytes_of(path)
        if b"services:" not in content or not _REGISTRY_IMAGE.search(content):
            return False
        try:
            _ = self.read(path).yaml
        except (ParseError, CannotEdit):
            return bool(_COMPOSE_NAME.search(path))
        try:
            return bool(self.compose_facts(path).registries)
        except (ParseError, CannotEdit):
            return False

    def compose_facts(self, path: str) -> ComposeFacts:
        from codemods.facts.compose import read_compose

        return read_compose(self.read(path).yaml)

    def around(self, stack: Stack) -> Stack:
        """The other roles, from what Terraform deploys and compose mounts."""
        assert stack.compose is not None
        terraform, name, deployments = self.terraform(stack.compose)
        deployed = {deployment.destination: source for deployment, source in deployments if source}
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
        for role, key, path in (
            ("nginx configuration", "nginx", nginx),
            ("Terraform provisioning", "terraform", terraform),
            ("cleanup script", "cleanup", cleanup),
        ):
            if path is None:
                note = f"no {role} found for {stack.compose}: that part of the recipe is left out"
                self.notes.append(f"{note} (if there is one, set paths.{key})")
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
        configured, wanted = self.configured("terraform"), self.settings.paths.provision_list
        found, broken = self.provision_lists(compose, configured, wanted)
        deploying = {
            key: deployments
            for key, deployments in found.items()
            if any(source == compose for _, source in deployments)
        }
        if configured or wanted:
            deploying = deploying or found
        if not deploying:
            if wanted and not configured and not broken:
                raise SettingsError(f"paths.provision_list is {wanted}: no Terraform file has that list; correct it")
            return configured or self.one("terraform", broken), wanted, []
        self.notes += [f"{path} was not searched for provisioning: {error}" for path, error in broken.items()]
        paths = {path for path, _ in deploying}
        if len(paths) > 1:
            self.one("terraform", paths)
        self.one("provision_list", (name for _, name in deploying))
        (((path, name), deployments),) = deploying.items()
        return path, name, deployments

    def provision_lists(
        self, compose: str, configured: str | None, wanted: str
    ) -> tuple[ProvisionLists, dict[str, CodemodError]]:
        """Every list that deploys files, by path and dotted name; and the files in which there may be more."""
        from codemods.facts.terraform import find_provision_lists, resolve_source

        marker = (wanted.rpartition(".")[2] or posixpath.basename(compose)).encode()
        found: ProvisionLists = {}
        broken: dict[str, CodemodError] = {}
        for path in [configured] if configured else self.with_suffix(".tf"):
            content = self.bytes_of(path)
            if not content and (closed := self.read_error(path)):
                broken[path] = closed
            if not configured and not (marker in content and b"base64" in content):
                continue
            try:
                lists = find_provision_lists(self.read(path).hcl)
            except (ParseError, CannotEdit) as error:
                broken[path] = error
                continue
            for name, deployments in lists:
                files = [one for one in deployments if one.kind in ("file", "templatefile")]
                if not wanted or name == wanted:
                    found[path, name] = [(one, resolve_source(path, one.source) or "") for one in files]
        return found, broken

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
        if configured := self.configured("configs"):
            return configured
        directories = []
        for service in facts.registries if facts else ():
            source = service.mounted_from(service.config_target) if service.config_target else None
            if source and (path := self.local(compose, source, deployed)):
                directories.append(posixpath.dirname(path))
        found = max(directories, key=directories.count) if directories else posixpath.dirname(compose)
        return found or "."

    def local(self, compose: str, source: str, deployed: dict[str, str]) -> str | None:
        """The repository's file behind a mount source: what Terraform deploys there, or a path beside compose."""
        if source in deployed:
            return deployed[source]
        if not source.startswith("."):
            return None
        path = posixpath.normpath(posixpath.join(posixpath.dirname(compose), source))
        return path if (self.repository.root / path).is_file() else None

    def cleanup(self, compose: str, deployed: dict[str, str]) -> str | None:
        if configured := self.configured("cleanup"):
            return configured
        return self.one("cleanup", (p for p in {*self.beside(compose), *deployed.values()} if self.cleans_tags(p)))

    def cleans_tags(self, path: str) -> bool:
        if posixpath.basename(path) == COLLECTOR:
            return False
        content = self.bytes_of(path) if path.endswith((".sh", ".py")) or "." not in posixpath.basename(path) else b""
        return b"repositories" in content and b"tags" in content and (b"rmtree" in content or b"rm -r" in content)

    def beside(self, compose: str) -> list[str]:
        directory = posixpath.dirname(compose)
        return [path for path in self.files if posixpath.dirname(path) == directory]

    def privileged(self, pipelines: Sequence[str]) -> tuple[str | None, str]:
        """The server's list of privileged plugins, and where it stands: it decides which plugin image may build."""
        from codemods.facts.privileged import MARKER, read_privileged

        if configured := self.settings.woodpecker.plugins_privileged:
            return configured, "woodpecker.plugins_privileged"
        found: dict[str, str] = {}
        for path in self.with_suffix(".yml", ".yaml", ".tf", ".tfvars", ".hcl", ".env"):
            content = self.bytes_of(path)
            if not MARKER.search(content) or path in pipelines:
                continue
            for value, line in read_privileged(content.decode(errors="replace")):
                if value is None:
                    self.notes.append(f"{path}:{line}: this list of privileged plugins is not written out here")
                else:
                    found.setdefault(value, f"{path}:{line}")
        if len(found) > 1:
            listed = ", ".join(sorted(found.values()))
            advice = "set woodpecker.plugins_privileged to the one that counts"
            self.notes.append(f"several lists of privileged plugins ({listed}): {advice}")
            return None, ""
        return next(iter(found.items()), (None, ""))


def _data_root(facts: ComposeFacts | None) -> str:
    """`/opt/registry` when the registries keep their data in `/opt/registry/data/NAME`."""
    for service in facts.registries if facts else ():
        parent = posixpath.dirname(service.data_directory or "")
        if parent.startswith("/") and posixpath.basename(parent) == "data":
            return posixpath.dirname(parent)
    return ""
