"""Every rule, in the order in which they run."""

from __future__ import annotations

from codemods.caching.recipe import RECIPE
from codemods.rules import compose, nginx, registry, suppression, terraform, woodpecker

__all__ = ["ALL", "LINT", "RECIPE"]

LINT = (
    *registry.RULES,
    *compose.RULES,
    *nginx.RULES,
    *terraform.RULES,
    *woodpecker.RULES,
    *suppression.RULES,
)
"""Rules that find known mistakes, family by family."""

ALL = (*RECIPE, *LINT)
