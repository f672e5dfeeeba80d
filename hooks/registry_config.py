"""registry-config: finds keys that Distribution ignores or dies of."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from codemods.cli.hook import Hook, run_family
from codemods.engine.model import Role
from codemods.rules import registry, suppression

HOOK = Hook(
    "registry-config",
    "Registry configurations",
    "Finds keys that Distribution ignores or dies of.",
    files=r"(^|/)config[^/]*\.ya?ml(\.(tpl|tftpl))?$",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Check the named files."""
    rules = (*registry.RULES, *suppression.RULES)
    return run_family(
        Role.REGISTRY, rules, r"(?ms)(?=.*^storage:)(?=.*^version:)", sys.argv[1:] if argv is None else argv
    )
