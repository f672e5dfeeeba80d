"""Rules about registry configurations."""

from __future__ import annotations

from codemods.rules.registry import (
    no_proxy_in_private,
    no_public_debug,
    no_quoted_boolean,
    no_unknown_key,
    require_auth,
    require_complete_section,
)

RULES = (
    no_unknown_key.check,
    no_quoted_boolean.check,
    require_complete_section.check,
    no_proxy_in_private.check,
    require_auth.check,
    no_public_debug.check,
)
