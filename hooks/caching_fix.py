"""caching-fix: makes the fixes that restart nothing."""

from __future__ import annotations

from codemods.cli.hook import Hook, run_fix

HOOK = Hook(
    "caching-fix",
    "Fix registry and pipelines",
    "Makes the fixes of the check that restart nothing; the commit waits for a look at them.",
    require_serial=True,
)


def main() -> int:
    """Fix the repository in the current directory."""
    return run_fix()
