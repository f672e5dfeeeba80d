"""The caching recipe: its rules, and none of the others, which a run of it need not import."""

from __future__ import annotations

from codemods.caching import (
    cleanup_check,
    cleanup_protect,
    collector_file,
    compose_service,
    nginx_server,
    pipelines,
    registry_config,
    terraform_provision,
)

RECIPE = (
    registry_config.check,
    compose_service.check,
    nginx_server.check,
    collector_file.check,
    terraform_provision.check,
    pipelines.check,
    cleanup_check.check,
    cleanup_protect.check,
)
"""The caching recipe, in the plan's order."""
