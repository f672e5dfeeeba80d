"""Settings: `codemod.toml` or `[tool.codemod]` in pyproject.toml, overridden by `--set`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from codemods.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

SETTINGS_FILE = "codemod.toml"
VERSION = 1
REGISTRY = "registry"
OWN_TABLES = ("paths", "vm", "dns")
"""Tables in which one of several registries may differ from the others."""
Value = str | int | bool | tuple[str, ...]


class RegistrySettings(NamedTuple):
    """The private registry; `hostname` is empty until set, `address` until set or found."""

    name: str = "private"
    hostname: str = ""
    address: str = ""
    port: int = 5050
    scheme: str = "http"
    auth: str = "none"
    username_secret: str = ""
    password_secret: str = ""
    certificate: str = ""
    key: str = ""
    ca: str = ""
    storage: str = "100GiB"
    cache_tag: str = "buildcache"

    @property
    def service(self) -> str:
        """Name of the compose service and its container."""
        return f"registry-{self.name}"

    @property
    def config_name(self) -> str:
        """File name of its configuration."""
        return f"config-{self.name}.yml"

    @property
    def users_name(self) -> str:
        """File name of its users and their hashed passwords."""
        return f"{self.name}.htpasswd"

    @property
    def users_variable(self) -> str:
        """Name of the sensitive Terraform variable with that file's content."""
        return f"registry_{self.name.replace('-', '_')}_htpasswd"

    @property
    def certificate_name(self) -> str:
        """File name of its certificate on the machine, whatever it is called in the repository."""
        return f"{self.name}.crt"

    @property
    def key_name(self) -> str:
        """File name of the certificate's key on the machine."""
        return f"{self.name}.key"

    @property
    def file_names(self) -> tuple[str, ...]:
        """All its files that lie beside the other registries' configurations on the machine."""
        return (self.config_name, self.users_name, self.certificate_name, self.key_name)

    @property
    def host(self) -> str:
        """Host and port, as pipelines name the registry."""
        return f"{self.hostname}:{self.port}"


class PathSettings(NamedTuple):
    """Files of the stack, relative to the repository; empty means found in the repository."""

    compose: str = ""
    nginx: str = ""
    terraform: str = ""
    provision_list: str = ""
    configs: str = ""
    cleanup: str = ""
    pipelines: tuple[str, ...] = (".woodpecker.y*ml", ".woodpecker/**/*.y*ml")


class VmSettings(NamedTuple):
    """The machine that serves the stack."""

    hosts: tuple[str, ...] = ()
    directory: str = ""
    sudo: bool = False
    known_hosts: str = ""
    health_timeout: str = "120s"
    keep_backups: int = 5


class DnsSettings(NamedTuple):
    """The server that answers for the registry's host name."""

    provider: str = "technitium"
    server: str = ""
    zone: str = ""
    ttl: int = 3600


class WoodpeckerSettings(NamedTuple):
    """The CI server and the build plugin."""

    server: str = ""
    plugin_image: str = "woodpeckerci/plugin-docker-buildx:5.2.2-insecure"
    plugins_privileged: str = ""


class CommitSettings(NamedTuple):
    """How `--commit` words its messages."""

    prefix: str = "[ci skip] "


class Settings(NamedTuple):
    """All settings for one registry, every value checked by its character set.

    `peers` are the repository's other private registries, in the order of their ports.
    """

    profile: str = "verified"
    exclude: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    registry: RegistrySettings = RegistrySettings()
    paths: PathSettings = PathSettings()
    vm: VmSettings = VmSettings()
    dns: DnsSettings = DnsSettings()
    woodpecker: WoodpeckerSettings = WoodpeckerSettings()
    commit: CommitSettings = CommitSettings()
    peers: tuple[RegistrySettings, ...] = ()

    @property
    def registries(self) -> tuple[RegistrySettings, ...]:
        """The registry and its peers."""
        return (self.registry, *self.peers)

    @property
    def services(self) -> frozenset[str]:
        """The compose services of all of them."""
        return frozenset(registry.service for registry in self.registries)

    @property
    def verified(self) -> bool:
        """Whether the profile is `verified`; the other is `as-written`."""
        return self.profile == "verified"

    def require(self, *keys: str) -> None:
        """Raise SettingsError for the first of the dotted keys that has no value."""
        values = dict(_leaves(self))
        for key in keys:
            if values[key] in ("", ()):
                where = "set it in codemod.toml" if self.peers else "run `codemod init`"
                option = self.option(key)
                raise SettingsError(f"{option} is not set: {where}, or pass --set {option}=…")

    def option(self, key: str) -> str:
        """A dotted key as `--set` takes it for this registry: by its name, where there are several."""
        if not self.peers or key.partition(".")[0] not in (REGISTRY, *OWN_TABLES):
            return key
        return f"{REGISTRY}.{self.registry.name}.{key.removeprefix(f'{REGISTRY}.')}"


def load_settings(root: Path, overrides: Sequence[str] = ()) -> Settings:
    """The settings for the first registry of the repository at `root`, which mostly is the only one.

    Raises SettingsError as `load_all_settings` does.
    """
    return load_all_settings(root, overrides)[0]


def load_all_settings(root: Path, overrides: Sequence[str] = ()) -> tuple[Settings, ...]:
    """Read the settings for each registry of the repository at `root`, in the order of their ports.

    Overrides have the form `KEY=VALUE`. Raises SettingsError, one line: where it stands, which key, what is wrong,
    what is allowed.
    """
    from codemods.settings_several import in_order

    return in_order([with_values(Settings(), values) for values in _given(root, overrides)])


def given_values(root: Path, overrides: Sequence[str] = (), registry: str | None = None) -> dict[str, Value]:
    """The dotted keys that the repository and the overrides give, be it with the default's value.

    `registry` is the name of the one that is meant. Raises SettingsError as `load_settings` does.
    """
    given = _given(root, overrides)
    default = RegistrySettings().name
    return next((values for values in given if values.get("registry.name", default) == registry), given[0])


def _given(root: Path, overrides: Sequence[str]) -> list[dict[str, Value]]:
    """The given values for each registry, in the order of the file."""
    from codemods.settings_file import read_table
    from codemods.settings_keys import check_override, check_value
    from codemods.settings_several import addressed, split

    source, table = read_table(root)
    defaults = dict(_leaves(Settings()))
    given = [
        {key: check_value(where, key, value, defaults) for where, part in parts for key, value in _flatten(part)}
        for parts in split(source, table)
    ]
    for override in overrides:
        numbers, plain = addressed(override, given)
        for number in numbers:
            given[number].update([check_override(plain, defaults)])
    return given


def has_settings(root: Path) -> bool:
    """Whether the repository has settings of its own."""
    from codemods.settings_file import read_table

    return (root / SETTINGS_FILE).exists() or bool(read_table(root)[1])


def with_values(settings: Settings, values: Mapping[str, Value]) -> Settings:
    """Settings with the values of some dotted keys put in; values must have been checked."""
    for key, value in values.items():
        table, _, name = key.rpartition(".")
        change: dict[str, Any] = {name: value}
        if table:
            change = {table: getattr(settings, table)._replace(**change)}
        settings = settings._replace(**change)
    return settings


def changed_values(settings: Settings) -> dict[str, Value]:
    """The dotted keys whose values are not the default ones."""
    defaults = dict(_leaves(Settings()))
    return {key: value for key, value in _leaves(settings) if value != defaults[key]}


def render_settings(values: Mapping[str, Value]) -> str:
    """Text of a codemod.toml that holds these dotted keys, each with a comment; it loads back equal.

    Raises SettingsError for a key or value that would not load.
    """
    from codemods.settings_keys import KEYS, check_value

    defaults = dict(_leaves(Settings()))
    for key, value in values.items():
        check_value(SETTINGS_FILE, key, list(value) if isinstance(value, tuple) else value, defaults)
    lines = ["# A key that is not here has its default, or is found in the repository.", f"version = {VERSION}"]
    table = ""
    for key, known in KEYS.items():
        if key not in values:
            continue
        head, _, name = key.rpartition(".")
        if head != table:
            lines += ["", f"[{head}]"]
            table = head
        lines += [f"# {known.about}", f"{name} = {_toml(values[key])}"]
    return "\n".join(lines) + "\n"


def _toml(value: Value) -> str:
    from json import dumps

    # A TOML basic string is a JSON string as long as there is no control character, which no key takes.
    return dumps(value, ensure_ascii=False)


def _leaves(settings: Any, prefix: str = "") -> Iterator[tuple[str, Value]]:
    for name, value in settings._asdict().items():
        if hasattr(value, "_asdict"):
            yield from _leaves(value, f"{name}.")
        elif name != "peers":
            yield prefix + name, value


def _flatten(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    tables = {key.partition(".")[0] for key, _ in _leaves(Settings()) if "." in key}
    for name, value in table.items():
        key = prefix + (f'"{name}"' if "." in name else name)
        if isinstance(value, dict) and not prefix and (value or key in tables):
            yield from _flatten(value, f"{key}.")
        else:
            yield key, value
