"""caching-drift: the whole check, on every commit that can concern the stack."""

from __future__ import annotations

from codemods.cli.hook import Hook, run_drift

HOOK = Hook(
    "caching-drift",
    "Registry and pipelines agree",
    "Checks compose, nginx, Terraform, registry configurations and pipelines against each other.",
    require_serial=True,
)


def main() -> int:
    """Check the repository in the current directory."""
    return run_drift()
