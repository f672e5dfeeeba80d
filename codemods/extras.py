"""Libraries that only some commands need, and what to say where one is not installed."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

from codemods.errors import CodemodError


def require_extra(extra: str, *modules: str) -> None:
    """Import modules of an extra. Raises CodemodError with the `pip install` that brings them."""
    for module in modules:
        if find_spec(module.partition(".")[0]) is None:
            raise CodemodError(
                f"{module} is not installed, and this command needs it: pip install 'infra-codemods[{extra}]'"
            )
        import_module(module)
