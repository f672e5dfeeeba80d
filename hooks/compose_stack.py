"""compose-stack: finds floating registry tags, ports published twice and health checks that cannot pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codemods.cli.hook import Hook, run_family

if TYPE_CHECKING:
    from collections.abc import Sequence

    from codemods.engine.model import Role, Rule
    from codemods.settings import Settings

HOOK = Hook(
    "compose-stack",
    "Compose stack",
    "Finds floating registry tags, ports published twice and health checks that cannot pass.",
    files=r"(^|/)([^/]*[-_.])?compose([-_.0-9][^/]*)?\.ya?ml$",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Check the named files."""
    return run_family(HOOK, r"services:", _family, argv)


def _family(settings: Settings) -> tuple[Role, Sequence[Rule]]:
    from codemods.engine.model import Role
    from codemods.rules import compose

    return Role.COMPOSE, compose.RULES
