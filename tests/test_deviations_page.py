"""docs/deviations.md names its proofs; each of them must exist."""

from __future__ import annotations

import re
from pathlib import Path

PROJECT = Path(__file__).parents[1]
PAGE = (PROJECT / "docs/deviations.md").read_text()


def test_files_exist() -> None:
    """Every test file that the page names is there."""
    files = set(re.findall(r"tests/[\w/]+\.py", PAGE))
    assert files
    assert [name for name in sorted(files) if not (PROJECT / name).is_file()] == []


def test_functions_exist() -> None:
    """Every test that the page names is in one of those files."""
    sources = "".join((PROJECT / name).read_text() for name in set(re.findall(r"tests/[\w/]+\.py", PAGE)))
    named = set(re.findall(r"\b(test_\w+)`", PAGE))
    assert named
    assert [name for name in sorted(named) if f"def {name}(" not in sources] == []
