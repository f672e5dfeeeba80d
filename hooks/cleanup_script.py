"""cleanup-script: finds tag cleanups that miss a registry, or remove what was pushed last."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from codemods.caching import cleanup_check, cleanup_protect
from codemods.cli.hook import Hook, run_family
from codemods.engine.model import Role
from codemods.rules import suppression

HOOK = Hook(
    "cleanup-script",
    "Tag cleanup script",
    "Finds tag cleanups that miss a registry, or remove what was pushed last.",
    files=r"(^|/)[^/]*clean[^/]*\.(sh|py)$",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Check the named files."""
    rules = (cleanup_check.check, cleanup_protect.check, *suppression.RULES)
    return run_family(Role.CLEANUP, rules, r"repositories", sys.argv[1:] if argv is None else argv)
