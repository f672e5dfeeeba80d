"""caching-drift: the whole check, on every commit that can concern the stack."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from codemods.cli.hook import Hook, run_drift

HOOK = Hook(
    "caching-drift",
    "Registry and pipelines agree",
    "Checks compose, nginx, Terraform, registry configurations and pipelines against each other.",
    require_serial=True,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Check the repository in the current directory."""
    return run_drift(sys.argv[1:] if argv is None else argv)
