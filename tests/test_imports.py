"""Start-up: what is imported before a command knows that it needs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from shutil import copytree

import pytest

ROOT = Path(__file__).parent.parent
HEAVY = {"rich", "libcst", "hcl2", "lark", "git", "crossplane", "httpx", "dns", "pyinfra", "gevent", "ruamel", "yaml"}
# Not even where there is something to change: rich is for terminals, GitPython for `--commit`.
NOT_FOR_A_DIFF = {"rich", "git", "httpx", "dns", "pyinfra", "gevent", "yaml"}


def imported(program: str, *arguments: str, cwd: Path = ROOT, whole: bool = False) -> set[str]:
    """Modules that a Python process has imported when it ends: top-level names, or `whole` ones."""
    report = "import atexit, sys; atexit.register(lambda: print('MODULES', *sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", f"{report}\nsys.path.insert(0, {str(ROOT)!r})\n{program}", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        check=False,
    )
    names = done.stdout.rpartition("MODULES ")[2].split()
    assert "sys" in names, done.stderr
    return set(names) if whole else {name.partition(".")[0] for name in names}


def test_heavy_modules_are_noticed() -> None:
    """A library that is imported is found, or the other tests would pass without reason."""
    assert HEAVY & imported("import ruamel.yaml, rich.console") == {"ruamel", "rich"}


def test_the_command_line_imports_nothing_heavy() -> None:
    """Importing it costs little more than importing click."""
    found = imported("import codemods.cli.main")
    assert "click" in found
    assert not HEAVY & found


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], []])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    """Neither the list of commands nor the version needs a format's library."""
    assert not HEAVY & imported("from codemods.cli.main import main; main()", *arguments)


def test_a_dry_run_imports_no_more_than_it_reads_with(tmp_path: Path) -> None:
    """`apply-caching --diff` into a pipe reads with the libraries of the formats, and needs no other."""
    repository = tmp_path / "infra"
    copytree(ROOT / "examples" / "infra", repository)
    subprocess.run(["git", "init", "--quiet"], cwd=repository, check=True)
    found = imported("from codemods.cli.main import main; main()", "apply-caching", "--diff", cwd=repository)
    assert {"ruamel", "hcl2"} <= found
    assert not NOT_FOR_A_DIFF & found
