"""What must be on a VM: derived from the list of commands that cloud-init runs on the first boot."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from codemods.errors import CannotEdit, CodemodError, ParseError

if TYPE_CHECKING:
    from codemods.engine.context import Context
    from codemods.formats.hcl import Attribute, HclFile
    from codemods.provisioning.fresh import FreshVm
    from codemods.provisioning.variables import Values
    from codemods.repository import Repository


@dataclass(frozen=True)
class ManagedFile:
    """A file on the VM: absolute `path`, permission bits `mode`, `owner` as `user:group`.

    `source` is a path of the repository, or `path:line` of a text in the Terraform file. `secrets` are the values in
    `content` that nobody may see.
    """

    path: str
    content: bytes = field(repr=False)
    mode: int
    owner: str
    source: str
    secrets: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class Unmanaged:
    """Something that the list puts on the VM and we cannot, and why; `needs` are the variables to give.

    `path` is as in ManagedFile, or as written where it is no plain path, or empty where the list names no file.
    """

    path: str
    source: str
    needs: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class FirstBootOnly:
    """A command that cloud-init runs once and that is neither a file, a directory nor a crontab line."""

    text: str
    line: int


@dataclass(frozen=True)
class ManifestFinding:
    """What is wrong in the repository: files that nobody uses, mounts of what nobody deploys."""

    path: str
    line: int
    message: str


@dataclass(frozen=True)
class Manifest:
    """Everything that must be on the VM; what is beside it there is not ours.

    `directory` is where the stack lives, `compose` and `nginx` are two of `files`, which are in the order in which
    the list writes them. `crontab` has the lines by user, each once.
    """

    directory: str
    compose: ManagedFile
    nginx: ManagedFile | None
    files: tuple[ManagedFile, ...]
    directories: tuple[str, ...]
    crontab: dict[str, tuple[str, ...]]
    unmanaged: tuple[Unmanaged, ...]
    first_boot: tuple[FirstBootOnly, ...]
    findings: tuple[ManifestFinding, ...]


def read_manifest(context: Context, repository: Repository, values: Values) -> Manifest:
    """The manifest of the stack's VM, from the files as they are in the working tree.

    Raises SettingsError for a wrong `--var`; CodemodError when there is no list, when the list does not deploy the
    compose file or we cannot, and for a secrets file that cannot be used.
    """
    from codemods.provisioning.unused import find_faults

    file, attribute = _provision_list(context)
    vm = _first_boot(context, repository, values, file, attribute)
    compose, nginx = (next((one for one in vm.files if one.source == path), None) for path in _main_files(context))
    if compose is None:
        raise CodemodError(_missing_compose(context, vm))
    return Manifest(
        context.settings.vm.directory or posixpath.dirname(compose.path),
        compose,
        nginx if context.stack.nginx else None,
        vm.files,
        tuple(vm.directories),
        {user: tuple(lines) for user, lines in vm.crontab.items()},
        vm.unmanaged,
        tuple(vm.first_boot),
        tuple(find_faults(context, file, attribute, vm)),
    )


def _main_files(context: Context) -> tuple[str, str]:
    return context.stack.compose or "", context.stack.nginx or ""


def _provision_list(context: Context) -> tuple[HclFile, Attribute]:
    stack = context.stack
    if stack.compose is None:
        raise CodemodError("no compose file that runs a registry: set paths.compose in codemod.toml")
    if stack.terraform is None:
        advice = "set paths.terraform and paths.provision_list in codemod.toml"
        raise CodemodError(f"no Terraform list deploys {stack.compose}: {advice}")
    try:
        file = context.document(stack.terraform).hcl
    except (ParseError, CannotEdit) as error:
        raise CodemodError(f"{stack.terraform}: {error}") from None
    attribute = file.attribute(stack.provision_list)
    if attribute is None:
        raise CodemodError(
            f"{stack.terraform} has no {stack.provision_list or 'list of commands'}: set "
            "paths.provision_list in codemod.toml"
        )
    return file, attribute


def _first_boot(
    context: Context, repository: Repository, values: Values, file: HclFile, attribute: Attribute
) -> FreshVm:
    """A VM on which every element of the list has run."""
    from codemods.provisioning.elements import read_elements
    from codemods.provisioning.expressions import Expressions
    from codemods.provisioning.fresh import FreshVm
    from codemods.provisioning.variables import Variables

    terraform = context.stack.terraform or ""
    variables = Variables(repository, context.document, terraform, values)
    vm = FreshVm(terraform, Expressions(repository, terraform, file, variables))
    for element in read_elements(file, attribute.value):
        vm.run(element)
    return vm


def _missing_compose(context: Context, vm: FreshVm) -> str:
    stack = context.stack
    found = next((one for one in vm.unmanaged if one.source == stack.compose), None)
    if found:
        return f"{stack.compose} cannot be deployed to {found.path}: {found.reason}"
    return f"{stack.provision_list} in {stack.terraform} does not deploy {stack.compose}: add it, or set paths.compose"
