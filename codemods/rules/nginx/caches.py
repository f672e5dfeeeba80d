"""What nginx keeps of a registry's answers."""

from __future__ import annotations

import re

from codemods.formats.nginx import Directive
from codemods.rules.nginx.places import Place

_CLIENTS = re.compile(r"\$\{?(?:http|cookie|arg)_\w+\}?\Z")
_NEVER = re.compile(r"0+[a-zA-Z]*\Z")


def cache_of(place: Place) -> Directive | None:
    """The `proxy_cache` of a place; None where there is none, or where something may keep answers out of it."""
    cache = place.location.setting("proxy_cache")
    if cache is None or place.value("proxy_cache", "off") in (None, "off"):
        return None
    exceptions = [place.location.setting(name) for name in ("proxy_no_cache", "proxy_cache_bypass")]
    words = [word for directive in exceptions if directive for word in directive.args]
    # What a client sends excludes nothing by itself; another variable may stand for anything, a map of paths too.
    return None if any(word != "0" and not _CLIENTS.match(word) for word in words) else cache


def keeps_for(place: Place) -> str:
    """How long answers are kept that do not say so themselves, as a registry's manifests; empty for not at all."""
    nearest = place.location.setting("proxy_cache_valid")
    level = place.file.siblings(nearest) if nearest and not place.hides(nearest) else []
    for directive in level:
        if directive.name == "proxy_cache_valid" and directive.args:
            *codes, time = directive.args
            if (not codes or {"200", "any"} & set(codes)) and not _NEVER.match(time) and "$" not in time:
                return time
    return ""
