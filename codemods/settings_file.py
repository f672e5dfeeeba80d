"""The file with the settings: `codemod.toml`, or `[tool.codemod]` in pyproject.toml, as TOML has it."""

from __future__ import annotations

from tomllib import loads
from typing import TYPE_CHECKING, Any

from codemods.errors import CodemodError, SettingsError
from codemods.repository import Repository
from codemods.settings import SETTINGS_FILE, VERSION
from codemods.settings_keys import shown

if TYPE_CHECKING:
    from pathlib import Path


def read_table(root: Path) -> tuple[str, dict[str, Any]]:
    """Where the settings stand, and what stands there; nothing when there are none. Raises SettingsError."""
    own = _text(root, SETTINGS_FILE)
    project = _text(root, "pyproject.toml")
    found = None
    # A pyproject.toml that does not speak of us may be as broken as it likes.
    if project is not None and "codemod" in project:
        tool = _parsed("pyproject.toml", project).get("tool")
        found = tool.get("codemod") if isinstance(tool, dict) else None
    if own is not None and found is not None:
        raise SettingsError(f"settings stand in {SETTINGS_FILE} and in pyproject.toml [tool.codemod]: keep one of them")
    source, table = (SETTINGS_FILE, _parsed(SETTINGS_FILE, own or ""))
    if found is not None:
        source, table = "pyproject.toml [tool.codemod]", found
    if not isinstance(table, dict):
        raise SettingsError(f"{source}: a table is expected")
    version = table.pop("version", VERSION)
    if type(version) is not int or version != VERSION:
        raise SettingsError(f"{source}: version is {shown(version)}: {VERSION} is allowed")
    return source, table


def _text(root: Path, name: str) -> str | None:
    if not (root / name).is_symlink() and not (root / name).exists():
        return None
    try:
        return Repository(root).read(name).text
    except CodemodError as error:
        raise SettingsError(f"{name}: {error}") from error


def _parsed(name: str, text: str) -> dict[str, Any]:
    try:
        return loads(text)
    except RecursionError:
        raise SettingsError(f"{name}: not valid TOML: nested too deeply") from None
    except ValueError as error:
        raise SettingsError(f"{name}: not valid TOML: {error}") from error
