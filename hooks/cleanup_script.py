"""cleanup-script: finds tag cleanups that remove what was pushed last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codemods.cli.hook import Hook, run_family

if TYPE_CHECKING:
    from collections.abc import Sequence

    from codemods.engine.model import Role, Rule
    from codemods.settings import Settings

HOOK = Hook(
    "cleanup-script",
    "Tag cleanup script",
    "Finds tag cleanups that remove what was pushed last.",
    files=r"(^|/)[^/.]*(clean|prune|purge|tags)[^/.]*(\.(sh|py))?$",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Check the named files."""
    return run_family(HOOK, r"(?s)(?=.*repositories)(?=.*tags)(?=.*(?:rmtree|rm -r))", _family, argv)


def _family(settings: Settings) -> tuple[Role, Sequence[Rule]]:
    from codemods.caching import cleanup_protect
    from codemods.engine.model import Role

    return Role.CLEANUP, (cleanup_protect.check,) if settings.registry.hostname else ()
