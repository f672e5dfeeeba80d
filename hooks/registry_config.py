"""registry-config: finds keys that Distribution ignores or dies of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codemods.cli.hook import Hook, run_family

if TYPE_CHECKING:
    from collections.abc import Sequence

    from codemods.engine.model import Role, Rule
    from codemods.settings import Settings

HOOK = Hook(
    "registry-config",
    "Registry configurations",
    "Finds keys that Distribution ignores or dies of.",
    files=r"(^|/)[^/]*(config|registry|distribution)[^/]*\.ya?ml(\.(tpl|tftpl))?$",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Check the named files."""
    return run_family(HOOK, r"(?ms)(?=.*^storage:)(?=.*^version:)", _family, argv)


def _family(settings: Settings) -> tuple[Role, Sequence[Rule]]:
    from codemods.engine.model import Role
    from codemods.rules import registry

    return Role.REGISTRY, registry.RULES
