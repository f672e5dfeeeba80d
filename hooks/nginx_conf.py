"""nginx-conf: finds proxy settings that break pushes or serve stale manifests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codemods.cli.hook import Hook, run_family

if TYPE_CHECKING:
    from collections.abc import Sequence

    from codemods.engine.model import Role, Rule
    from codemods.settings import Settings

HOOK = Hook(
    "nginx-conf",
    "nginx before a registry",
    "Finds proxy settings that break pushes or serve stale manifests.",
    files=r"(^|/)([^/]*(nginx|registry)[^/]*|nginx[^/]*/.*|conf\.d/[^/]*)\.conf(\.tpl)?$",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Check the named files."""
    return run_family(HOOK, r"\bproxy_pass\b", _family, argv)


def _family(settings: Settings) -> tuple[Role, Sequence[Rule]]:
    from codemods.engine.model import Role
    from codemods.rules import nginx

    return Role.NGINX, nginx.RULES
