"""terraform-provisioning: finds garbage collection that destroys images, and crontab lines that stand twice."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from codemods.cli.hook import Hook, run_family
from codemods.engine.model import Role
from codemods.rules import suppression, terraform

HOOK = Hook(
    "terraform-provisioning",
    "Terraform provisioning",
    "Finds garbage collection that destroys images, and crontab lines that stand twice.",
    files=r"\.tf$",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Check the named files."""
    rules = (*terraform.RULES, *suppression.RULES)
    return run_family(Role.TERRAFORM, rules, r"\bcrontab\b", sys.argv[1:] if argv is None else argv)
