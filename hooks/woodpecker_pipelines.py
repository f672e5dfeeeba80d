"""woodpecker-pipelines: finds cache flags that the plugin splits or ignores, missing logins and plain-text secrets."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from codemods.cli.hook import Hook, run_family
from codemods.engine.model import Role
from codemods.rules import suppression, woodpecker

HOOK = Hook(
    "woodpecker-pipelines",
    "Woodpecker pipelines",
    "Finds cache flags that the plugin splits or ignores, missing logins and plain-text secrets.",
    files=r"^\.woodpecker(\.ya?ml|/.*\.ya?ml)$",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Check the named files."""
    rules = (*woodpecker.RULES, *suppression.RULES)
    return run_family(Role.PIPELINE, rules, r"docker|kaniko|buildx", sys.argv[1:] if argv is None else argv)
