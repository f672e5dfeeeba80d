"""Options of every command; apart from click, which hooks do without."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class CommonOptions:
    """Options of every command; all but the directory may also stand after the command's name."""

    directory: Path
    overrides: tuple[str, ...] = ()
    verbosity: int = 0
