"""Running the `codemod` command, and repositories to run it in."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

from codemods.cli.main import main

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "infra"
PROGRAM = (sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); import codemods.__main__")
"""The command as a process of its own; arguments follow."""


class Run(NamedTuple):
    """How a run ended."""

    code: int
    out: str
    err: str


def codemod(root: Path, *arguments: str) -> Run:
    """Run the command in this process, as if typed in `root`, without a terminal."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    arguments = ("codemod", "-C", str(root), *arguments)
    with patch.multiple(sys, stdout=out, stderr=err, stdin=io.StringIO(), argv=list(arguments)):
        try:
            main()
        except SystemExit as end:
            code = end.code
    assert isinstance(code, int)
    return Run(code, *(stream.buffer.getvalue().decode() for stream in (out, err)))


def codemod_process(root: Path, *arguments: str) -> Run:
    """Run the command in a process of its own."""
    done = subprocess.run(
        [*PROGRAM, *arguments], cwd=root, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    return Run(done.returncode, done.stdout, done.stderr)


def git(root: Path, *arguments: str) -> str:
    """Output of a git command, with an identity and without settings of this machine."""
    identity = {f"GIT_{who}_{what}": "t@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    environment = {**os.environ, **identity, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(["git", *arguments], cwd=root, env=environment, check=True, capture_output=True, text=True)
    return done.stdout


def write(root: Path, files: dict[str, str]) -> None:
    """Write files, with their directories."""
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8", newline="")


def commit_all(root: Path) -> None:
    """Make `root` a git repository in which everything is committed."""
    if not (root / ".git").exists():
        git(root, "init", "--quiet", "--initial-branch=main")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--allow-empty", "--message=all")


def example(parent: Path) -> Path:
    """A copy of examples/infra, without what a `terraform init` may have left in it, committed."""
    root = parent / "infra"
    shutil.copytree(EXAMPLE, root, ignore=shutil.ignore_patterns(".terraform*"))
    commit_all(root)
    return root


def changed(root: Path) -> set[str]:
    """Paths that git says are not as committed."""
    listed = git(root, "status", "--porcelain", "-z", "--untracked-files=all", "--no-renames")
    return {entry[3:] for entry in listed.split("\0") if entry}
