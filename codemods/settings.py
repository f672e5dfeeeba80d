"""Settings: `codemod.toml` or `[tool.codemod]` in pyproject.toml, overridden by `--set`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from codemods.errors import CodemodError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

SETTINGS_FILE = "codemod.toml"
VERSION = 1
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
    """All settings of one run, every value checked by its character set."""

    profile: str = "verified"
    exclude: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    registry: RegistrySettings = RegistrySettings()
    paths: PathSettings = PathSettings()
    vm: VmSettings = VmSettings()
    dns: DnsSettings = DnsSettings()
    woodpecker: WoodpeckerSettings = WoodpeckerSettings()
    commit: CommitSettings = CommitSettings()

    @property
    def verified(self) -> bool:
        """Whether the profile is `verified`; the other is `as-written`."""
        return self.profile == "verified"

    def require(self, *keys: str) -> None:
        """Raise SettingsError for the first of the dotted keys that has no value."""
        values = dict(_leaves(self))
        for key in keys:
            if values[key] in ("", ()):
                raise SettingsError(f"{key} is not set: run `codemod init`, or pass --set {key}=…")


def load_settings(root: Path, overrides: Sequence[str] = ()) -> Settings:
    """Read the settings of the repository at `root`, then apply overrides of the form `KEY=VALUE`.

    Raises SettingsError, one line: where it stands, which key, what is wrong, what is allowed.
    """
    return with_values(Settings(), given_values(root, overrides))


def given_values(root: Path, overrides: Sequence[str] = ()) -> dict[str, Value]:
    """The dotted keys that the repository and the overrides give, be it with the default's value.

    Raises SettingsError as `load_settings` does.
    """
    from codemods.settings_keys import check_override, check_value

    source, table = _read_table(root)
    defaults = dict(_leaves(Settings()))
    values = {key: check_value(source, key, value, defaults) for key, value in _flatten(source, table)}
    values.update(check_override(override, defaults) for override in overrides)
    return values


def has_settings(root: Path) -> bool:
    """Whether the repository has settings of its own."""
    return (root / SETTINGS_FILE).exists() or bool(_read_table(root)[1])


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
        else:
            yield prefix + name, value


def _read_table(root: Path) -> tuple[str, dict[str, Any]]:
    """Where the settings stand, and what stands there; nothing when there are none."""
    own = _text(root, SETTINGS_FILE)
    project = _text(root, "pyproject.toml")
    found = None
    # A pyproject.toml that does not speak of us may be as broken as it likes.
    if project is not None and "codemod" in project:
        tool = _parsed("pyproject.toml", project).get("tool")
        found = tool.get("codemod") if isinstance(tool, dict) else None
    if own is not None and found is not None:
        raise SettingsError(f"settings stand in {SETTINGS_FILE} and in pyproject.toml [tool.codemod]: keep one of them")
    source, table = (SETTINGS_FILE, _parsed(SETTINGS_FILE, own or ""))
    if found is not None:
        source, table = "pyproject.toml [tool.codemod]", found
    if not isinstance(table, dict):
        raise SettingsError(f"{source}: a table is expected")
    version = table.pop("version", VERSION)
    if type(version) is not int or version != VERSION:
        from codemods.settings_keys import shown

        raise SettingsError(f"{source}: version is {shown(version)}: {VERSION} is allowed")
    return source, table


def _text(root: Path, name: str) -> str | None:
    from codemods.repository import Repository

    if not (root / name).is_symlink() and not (root / name).exists():
        return None
    try:
        return Repository(root).read(name).text
    except CodemodError as error:
        raise SettingsError(f"{name}: {error}") from error


def _parsed(name: str, text: str) -> dict[str, Any]:
    from tomllib import loads

    try:
        return loads(text)
    except RecursionError:
        raise SettingsError(f"{name}: not valid TOML: nested too deeply") from None
    except ValueError as error:
        raise SettingsError(f"{name}: not valid TOML: {error}") from error


def _flatten(source: str, table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    tables = {key.partition(".")[0] for key, _ in _leaves(Settings()) if "." in key}
    for name, value in table.items():
        key = prefix + (f'"{name}"' if "." in name else name)
        if key == "registry" and isinstance(value, list):
            raise SettingsError(
                f"{source}: [[registry]]: several registries are not supported yet, write one [registry]"
            )
        if isinstance(value, dict) and not prefix and (value or key in tables):
            yield from _flatten(source, value, f"{key}.")
        else:
            yield key, value
