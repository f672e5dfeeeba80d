"""terraform-provisioning: finds garbage collection that destroys images, and crontab lines that stand twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codemods.cli.hook import Hook, run_family

if TYPE_CHECKING:
    from collections.abc import Sequence

    from codemods.engine.model import Role, Rule
    from codemods.settings import Settings

HOOK = Hook(
    "terraform-provisioning",
    "Terraform provisioning",
    "Finds garbage collection that destroys images, and crontab lines that stand twice.",
    files=r"\.tf$",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Check the named files."""
    return run_family(HOOK, r"\bcrontab\b", _family, argv)


def _family(settings: Settings) -> tuple[Role, Sequence[Rule]]:
    from codemods.engine.model import Role
    from codemods.rules import terraform

    return Role.TERRAFORM, terraform.RULES
