"""woodpecker-pipelines: finds cache flags that the plugin splits or ignores, missing logins and plain-text secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codemods.cli.hook import Hook, run_family

if TYPE_CHECKING:
    from collections.abc import Sequence

    from codemods.engine.model import Role, Rule
    from codemods.settings import Settings

HOOK = Hook(
    "woodpecker-pipelines",
    "Woodpecker pipelines",
    "Finds cache flags that the plugin splits or ignores, missing logins and plain-text secrets.",
    files=r"^\.woodpecker(\.ya?ml|/.*\.ya?ml)$",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Check the named files."""
    return run_family(HOOK, r"(?i)docker|kaniko|buildx|passw|passphrase|token|secret|key", _family, argv)


def _family(settings: Settings) -> tuple[Role, Sequence[Rule]]:
    from codemods.engine.model import Role
    from codemods.rules import woodpecker

    return Role.PIPELINE, [rule for rule in woodpecker.RULES if rule not in woodpecker.CHECK_ONLY]
