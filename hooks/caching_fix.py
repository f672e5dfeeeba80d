"""caching-fix: makes the fixes that restart nothing."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from codemods.cli.hook import Hook, run_fix

HOOK = Hook(
    "caching-fix",
    "Fix registry and pipelines",
    "Makes the fixes of the check that restart nothing; the commit waits for a look at them.",
    require_serial=True,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Fix the repository in the current directory."""
    return run_fix(sys.argv[1:] if argv is None else argv)
