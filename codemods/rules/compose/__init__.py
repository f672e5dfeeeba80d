"""Rules about compose files."""

from __future__ import annotations

from codemods.rules.compose import (
    no_duplicate_port,
    no_floating_registry_tag,
    no_localhost_healthcheck,
    require_authless_probe,
    require_provisioned_mount,
    require_published_port,
    require_upstream_service,
)

RULES = (
    no_floating_registry_tag.check,
    no_localhost_healthcheck.check,
    require_authless_probe.check,
    require_upstream_service.check,
    require_published_port.check,
    require_provisioned_mount.check,
    no_duplicate_port.check,
)
