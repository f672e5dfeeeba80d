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


@dataclass(frozen=True)
class CheckOptions:
    """What was asked for of a check."""

    paths: tuple[str, ...] = ()
    fix: bool = False
    unsafe_fixes: bool = False
    strict: bool = False
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    since: str | None = None
    baseline: str | None = None
    write_baseline: bool = False
    format: str = "text"

    @property
    def only_looks(self) -> bool:
        """Whether the files alone decide what it says, and it writes nothing."""
        return not (self.fix or self.write_baseline or self.since is not None)
