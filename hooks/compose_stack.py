"""compose-stack: finds floating registry tags, ports published twice and health checks that cannot pass."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from codemods.cli.hook import Hook, run_family
from codemods.engine.model import Role
from codemods.rules import compose, suppression

HOOK = Hook(
    "compose-stack",
    "Compose stack",
    "Finds floating registry tags, ports published twice and health checks that cannot pass.",
    files=r"(^|/)(docker-)?compose[^/]*\.ya?ml$",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Check the named files."""
    rules = (*compose.RULES, *suppression.RULES)
    return run_family(Role.COMPOSE, rules, r"services:", sys.argv[1:] if argv is None else argv)
