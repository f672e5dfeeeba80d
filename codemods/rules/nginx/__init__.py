"""Rules about nginx in front of registries."""

from __future__ import annotations

from codemods.rules.nginx import (
    no_cache_on_push,
    no_manifest_cache,
    require_forwarded_proto,
    require_host_port,
    require_http11,
    require_read_timeout,
    require_unlimited_body,
)

RULES = (
    require_host_port.check,
    require_forwarded_proto.check,
    no_cache_on_push.check,
    no_manifest_cache.check,
    require_unlimited_body.check,
    require_http11.check,
    require_read_timeout.check,
)
