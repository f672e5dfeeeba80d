"""Several registries in one repository: `[[registry]]` in the settings, and `--set registry.NAME.KEY=VALUE`.

Each has the keys of `[registry]`, and tables such as `[registry.paths]` that go before the top-level ones, key by key.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

from codemods.errors import SettingsError
from codemods.settings import OWN_TABLES, REGISTRY, RegistrySettings
from codemods.settings_keys import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from codemods.settings import Settings, Value


def split(source: str, table: Mapping[str, Any]) -> Iterator[list[tuple[str, dict[str, Any]]]]:
    """The tables for each registry, each with the place that an error names; values of later ones count.

    Raises SettingsError.
    """
    registries = table.get(REGISTRY)
    if not isinstance(registries, list):
        yield [(source, dict(table))]
        return
    if not registries:
        raise SettingsError(f"{source}: {REGISTRY} is an empty list: write [registry], or several [[registry]]")
    shared = {name: value for name, value in table.items() if name != REGISTRY}
    for number, registry in enumerate(registries, 1):
        where = f"{source}: [[registry]] {number}"
        if not isinstance(registry, dict):
            raise SettingsError(f"{where}: a table is expected")
        tables = {name: value for name, value in registry.items() if isinstance(value, dict)}
        for name in tables:
            if name not in OWN_TABLES:
                raise SettingsError(f"{where}: no table {shown(name)}: {', '.join(OWN_TABLES)} are allowed")
        keys = {name: value for name, value in registry.items() if name not in tables}
        yield [(source, shared), (where, {REGISTRY: keys, **tables})]


def addressed(override: str, given: Sequence[Mapping[str, Value]]) -> tuple[Sequence[int], str]:
    """The numbers of the registries that a `KEY=VALUE` is for, and the override as for a single one.

    A key of one of several registries has its name, as in `registry.team.port`. Raises SettingsError.
    """
    everyone = range(len(given))
    key, equals, value = override.partition("=")
    table, _, rest = key.strip().partition(".")
    if len(given) == 1 or table != REGISTRY or not equals:
        return everyone, override
    names = [str(values.get("registry.name", RegistrySettings().name)) for values in given]
    name, _, inner = rest.partition(".")
    if name not in names or not inner:
        examples = " or ".join(f"{REGISTRY}.{one}.{inner or name}" for one in names)
        raise SettingsError(
            f"--set {shown(key.strip())}: there are several registries: name one of them, as {examples}"
        )
    plain = inner if inner.partition(".")[0] in OWN_TABLES else f"{REGISTRY}.{inner}"
    return [number for number in everyone if names[number] == name], f"{plain}={value}"


def in_order(settings: Sequence[Settings]) -> tuple[Settings, ...]:
    """The settings by port, each with the others as its peers.

    Raises SettingsError for two that cannot be told apart, and for one of several without a host name.
    """
    ordered = sorted(settings, key=lambda one: (one.registry.port, one.registry.name))
    registries = [one.registry for one in ordered]
    for first, second in combinations(registries, 2):
        _check_apart(first, second)
    found = tuple(
        one._replace(peers=(*registries[:number], *registries[number + 1 :])) for number, one in enumerate(ordered)
    )
    for one in found if len(found) > 1 else ():
        one.require("registry.hostname")
    return found


def _check_apart(one: RegistrySettings, other: RegistrySettings) -> None:
    if one.name == other.name:
        raise SettingsError(f"two [[registry]] have the name {one.name}: give each a registry.name of its own")
    if one.hostname and one.host.lower() == other.host.lower():
        raise SettingsError(
            f"the registries {one.name} and {other.name} are both {one.host}: give one another port or hostname"
        )
