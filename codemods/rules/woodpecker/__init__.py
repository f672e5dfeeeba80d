"""Rules on Woodpecker pipelines: what the build plugin makes of settings, and what a cache needs."""

from codemods.rules.woodpecker import (
    no_ignored_setting,
    no_plaintext_secret,
    no_shared_cache_ref,
    no_split_cache_flag,
    no_untrusted_cache_write,
    require_cache,
    require_login,
    require_login_scheme,
    require_privilege,
    require_reachable_registry,
    schema,
)

RULES = (
    require_cache.check,
    no_split_cache_flag.check,
    no_ignored_setting.check,
    require_reachable_registry.check,
    require_login.check,
    require_login_scheme.check,
    no_shared_cache_ref.check,
    no_plaintext_secret.check,
    require_privilege.check,
    schema.check,
    no_untrusted_cache_write.check,
)

CHECK_ONLY = (schema.check,)
"""Rules that no hook runs: they need another package."""
