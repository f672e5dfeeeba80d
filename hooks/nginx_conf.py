"""nginx-conf: finds proxy settings that break pushes or serve stale manifests."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from codemods.cli.hook import Hook, run_family
from codemods.engine.model import Role
from codemods.rules import nginx, suppression

HOOK = Hook(
    "nginx-conf",
    "nginx before a registry",
    "Finds proxy settings that break pushes or serve stale manifests.",
    files=r"(^|/)([^/]*nginx[^/]*\.conf|nginx[^/]*/.*\.conf|conf\.d/[^/]*\.conf)$",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Check the named files."""
    rules = (*nginx.RULES, *suppression.RULES)
    return run_family(Role.NGINX, rules, r"\bproxy_pass\b", sys.argv[1:] if argv is None else argv)
