"""Every rule, in the order in which they run."""

from __future__ import annotations

from codemods.caching import (
    cleanup_check,
    cleanup_protect,
    compose_service,
    nginx_server,
    pipelines,
    registry_config,
    terraform_provision,
)
from codemods.rules import compose, nginx, registry, suppression, terraform, woodpecker

RECIPE = (
    registry_config.check,
    compose_service.check,
    nginx_server.check,
    terraform_provision.check,
    pipelines.check,
    cleanup_check.check,
    cleanup_protect.check,
)
"""The caching recipe, in the plan's order."""

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
