"""The values of a Terraform module's variables and locals.

A variable's value is the first of: `--var NAME=VALUE`, the secrets file, the last of `terraform.tfvars`,
`terraform.tfvars.json` and `*.auto.tfvars` (with `.json`) beside the Terraform file that has it, `TF_VAR_NAME` in the
environment, the variable's default. Terraform has the same order. Only texts, numbers and bools are values here, as
only they can stand in a file. A module that another one of the repository calls has its values from that call, which
is not followed, instead of from files and environment.

`--var` is for what anybody may read: it stands in the process list. It takes no variable that Terraform marks
`sensitive`. The values of those, and all of the secrets file, are secrets.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from codemods.errors import CannotEdit, CodemodError, ParseError, SettingsError
from codemods.provisioning.literals import Unknown, literal_or_reason, number, read_tfvars, read_tfvars_json
from codemods.provisioning.template import NAME

if TYPE_CHECKING:
    from codemods.formats.hcl import Attribute, HclFile, Value
    from codemods.repository import Document, Repository

LOCKED = b"\0GITCRYPT\0"
"""How a file begins that git-crypt has encrypted."""

_ENVIRONMENT = "TF_VAR_"
_BOOLS = {"true": "true", "false": "false", "1": "true", "0": "false"}


@dataclass(frozen=True)
class Known:
    """A value as text; `secrets` are the parts of it that nobody may see."""

    text: str = field(repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class Values:
    """What a user gives besides the repository: `--var` by name, the secrets file, the environment."""

    given: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def from_options(
        cls, assignments: Sequence[str], secrets: Path | None = None, environment: Mapping[str, str] | None = None
    ) -> Values:
        """From `NAME=VALUE` each. Raises SettingsError, which repeats no value."""
        given = {}
        for assignment in assignments:
            name, equals, value = assignment.partition("=")
            if not equals or not re.fullmatch(NAME, name):
                raise SettingsError("--var takes NAME=VALUE, with the name of a Terraform variable")
            given[name] = value
        return cls(given, secrets, environment or {})


@dataclass(frozen=True)
class _Variable:
    """A `variable` block, and what overriding files say of it; each attribute with its file."""

    name: str
    attributes: dict[str, tuple[HclFile, Value]] = field(default_factory=dict)

    @property
    def type(self) -> str:
        return self._source("type").replace(" ", "") or "any"

    @property
    def is_sensitive(self) -> bool:
        return self._source("sensitive") not in ("", "false")

    def _source(self, name: str) -> str:
        if name not in self.attributes:
            return ""
        file, value = self.attributes[name]
        return file.tokens(value.start, value.end)


@dataclass(frozen=True)
class _Source:
    """One place that gives values: each as text, or why there is none. `error` when the whole place is unreadable."""

    values: Mapping[str, str | Unknown] = field(default_factory=dict, repr=False)
    error: str = ""
    is_secret: bool = False


class Variables:
    """The variables and locals of the module in one directory.

    Raises SettingsError for a wrong `--var`, CodemodError for a secrets file that cannot be used.
    """

    def __init__(
        self, repository: Repository, document: Callable[[str], Document], terraform: str, values: Values
    ) -> None:
        self._repository = repository
        self._directory = posixpath.dirname(terraform)
        self._variables: dict[str, _Variable] = {}
        self._locals: dict[str, tuple[HclFile, Value]] = {}
        self._broken: list[str] = []
        for path in self._files(".tf"):
            self._declare(path, document)
        self._check_given(values.given)
        self._sources = [
            _Source(values.given),
            *([self._secrets_file(values.secrets)] if values.secrets else []),
            *(self._callers(document) or [*self._tfvars(), _Source(_from_environment(values.environment))]),
        ]

    def variable(self, name: str) -> Known:
        """The value of `var.NAME`. Raises Unknown."""
        variable = self._variables.get(name)
        if variable is None:
            raise Unknown(f"var.{name} is not declared in {self._directory or 'this directory'}{self._unread()}")
        for source in (*self._sources, _default(variable)):
            if source.error:
                raise Unknown(f"needs value {name}: {source.error}", name)
            found = source.values.get(name)
            if isinstance(found, Unknown):
                raise Unknown(f"var.{name} {found}", name)
            if found is not None:
                text = _converted(found, variable)
                return Known(text, (text,) if variable.is_sensitive or source.is_secret else ())
        raise Unknown(f"needs value {name}", name)

    def local(self, name: str) -> tuple[HclFile, Value]:
        """The expression of `local.NAME`, and its file. Raises Unknown."""
        if name not in self._locals:
            raise Unknown(f"local.{name} is not declared in {self._directory or 'this directory'}{self._unread()}")
        return self._locals[name]

    def _unread(self) -> str:
        return f"; unread: {', '.join(self._broken)}" if self._broken else ""

    def _files(self, *suffixes: str) -> list[str]:
        """Files of the directory, as Terraform orders them: overriding ones last."""
        try:
            names = sorted(entry.name for entry in (self._repository.root / self._directory).iterdir())
        except OSError as error:
            raise CodemodError(f"{self._directory} cannot be read: {error.strerror}") from None
        names = [name for name in names if name.endswith(suffixes) and not name.startswith(".")]
        names.sort(key=lambda name: name == "override.tf" or name.endswith("_override.tf"))
        return [posixpath.join(self._directory, name) for name in names]

    def _declare(self, path: str, document: Callable[[str], Document]) -> None:
        try:
            file = document(path).hcl
        except (ParseError, CannotEdit) as error:
            self._broken.append(f"{path} ({error})")
            return
        for block in file.blocks:
            kind, _, name = block.path[0].partition(".")
            if kind == "variable":
                self._variables.setdefault(name, _Variable(name))
        for attribute in file.attributes:
            head, *rest = attribute.path
            kind, _, name = head.partition(".")
            if kind == "variable" and len(rest) == 1:
                self._variables[name].attributes[rest[0]] = file, attribute.value
            elif head.partition("#")[0] == "locals" and len(rest) == 1:
                self._locals[rest[0]] = file, attribute.value

    def _check_given(self, given: Mapping[str, str]) -> None:
        for name in given:
            self._check_declared(name, "--var", SettingsError)
            if self._variables[name].is_sensitive:
                raise SettingsError(
                    f"--var {name}: Terraform marks it sensitive, and a command line can be seen by others; "
                    f"give it in a secrets file or in {_ENVIRONMENT}{name}"
                )

    def _check_declared(self, name: str, where: str, error: type[CodemodError]) -> None:
        if name not in self._variables:
            near = get_close_matches(name, self._variables, 1, 0.4)
            hint = f"did you mean {near[0]}?" if near else f"declare it in {self._directory}"
            raise error(f"{where}: there is no Terraform variable {name}: {hint}{self._unread()}")

    def _secrets_file(self, path: Path) -> _Source:
        from codemods.credentials import read_private_file

        values = dict(read_tfvars(str(path), read_private_file(path)))
        for name in values:
            self._check_declared(name, str(path), CodemodError)
        return _Source(values, is_secret=True)

    def _callers(self, document: Callable[[str], Document]) -> list[_Source]:
        """The modules that call this one, which then takes its values from nowhere else."""
        found = []
        for path in self._repository.files():
            marker = posixpath.basename(self._directory).encode()
            if not path.endswith(".tf") or marker not in self._repository.peek(path):
                continue
            try:
                file = document(path).hcl
            except (ParseError, CannotEdit):
                continue
            calls = [one.path[0] for one in file.attributes if self._is_call(path, file, one)]
            reason = Unknown(f"is set by {path}, which calls this module")
            names = (one.path[1] for one in file.attributes if one.path[0] in calls and len(one.path) == 2)
            found += [_Source(dict.fromkeys(names, reason))] if calls else []
        return found

    def _is_call(self, path: str, file: HclFile, attribute: Attribute) -> bool:
        if not (attribute.path[0].startswith("module.") and attribute.path[1:] == ("source",)):
            return False
        source = literal_or_reason(file, attribute.value)
        here = posixpath.dirname(path)
        is_local = isinstance(source, str) and source.startswith(("./", "../"))
        return is_local and posixpath.normpath(posixpath.join(here, str(source))) == self._directory

    def _tfvars(self) -> Iterator[_Source]:
        """The files of values beside the Terraform file, the one that counts most first."""
        names = ("terraform.tfvars", "terraform.tfvars.json")
        found = self._files(".tfvars", ".tfvars.json")
        fixed = [path for name in names for path in found if posixpath.basename(path) == name]
        automatic = [path for path in found if path.endswith((".auto.tfvars", ".auto.tfvars.json"))]
        for path in reversed([*fixed, *automatic]):
            try:
                yield _Source(dict(self._tfvars_of(path)))
            except (ParseError, CannotEdit) as error:
                yield _Source(error=f"{path} cannot be read: {error}")
            except CodemodError as error:
                yield _Source(error=str(error))

    def _tfvars_of(self, path: str) -> Iterator[tuple[str, str | Unknown]]:
        if self._repository.read_bytes(path).startswith(LOCKED):
            raise CodemodError(f"{path} is locked by git-crypt: run `git-crypt unlock`")
        text = self._repository.read(path).text
        yield from read_tfvars_json(path, text) if path.endswith(".json") else read_tfvars(path, text)


def _default(variable: _Variable) -> _Source:
    if "default" not in variable.attributes:
        return _Source()
    return _Source({variable.name: literal_or_reason(*variable.attributes["default"])})


def _converted(text: str, variable: _Variable) -> str:
    """A value as the variable's type makes it."""
    if variable.type in ("string", "any"):
        return text
    try:
        if variable.type == "number":
            return number(text)
        if variable.type == "bool":
            return _BOOLS[text]
    except (Unknown, KeyError):
        raise Unknown(f"var.{variable.name} is no {variable.type}", variable.name) from None
    raise Unknown(f"var.{variable.name} is a {variable.type}, which no file can hold")


def _from_environment(environment: Mapping[str, str]) -> dict[str, str | Unknown]:
    prefix = _ENVIRONMENT
    return {name.removeprefix(prefix): value for name, value in environment.items() if name.startswith(prefix)}
