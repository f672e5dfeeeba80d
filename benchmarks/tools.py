"""The programs that are measured, ours among them: where they are installed, and how they are called."""

from __future__ import annotations

import subprocess
import tomllib
import venv
from pathlib import Path

PROJECT = Path(__file__).parents[1]
HERE = Path(__file__).parent
RULES = {"pipelines": HERE / "add_cache.ast-grep.yml", "terraform": HERE / "live_garbage.ast-grep.yml"}


class Tools:
    """Two environments below a directory, as pre-commit would make them: ours and the others'."""

    def __init__(self, directory: Path) -> None:
        self.ours = directory / "ours"
        self.others = directory / "others"

    def install(self) -> None:
        """Install our working tree, and what the extra `bench` names."""
        settings = tomllib.loads((PROJECT / "pyproject.toml").read_text())
        _pip(self.others, *settings["project"]["optional-dependencies"]["bench"])
        _pip(self.ours, str(PROJECT))
        # The version does not change with the code.
        _pip(self.ours, "--force-reinstall", "--no-deps", str(PROJECT))

    def our(self, program: str, *arguments: str) -> list[str]:
        """A command line of ours."""
        return [str(self.ours / "bin" / program), *arguments]

    def other(self, program: str, *arguments: str) -> list[str]:
        """A command line of another tool."""
        return [str(self.others / "bin" / program), *arguments]

    def ast_grep(self, rules: str, *options: str) -> list[str]:
        """A scan with our equivalent of a rule."""
        hidden = ("--no-ignore", "hidden")
        return self.other("ast-grep", "scan", *hidden, "--rule", str(RULES[rules]), *options, ".")

    def versions(self) -> dict[str, str]:
        """What is installed of the others, by name."""
        listed = subprocess.run(
            self.other("pip", "list", "--format=freeze"), capture_output=True, text=True, check=True
        )
        installed = dict(line.split("==") for line in listed.stdout.splitlines() if "==" in line)
        names = ("ast-grep-cli", "ruamel.yaml", "yamllint", "check-jsonschema", "pre_commit_hooks", "ansible-core")
        return {name: installed[name] for name in names if name in installed}


def _pip(environment: Path, *requirements: str) -> None:
    if not (environment / "bin/pip").exists():
        venv.create(environment, with_pip=True)
    command = [str(environment / "bin/pip"), "--disable-pip-version-check", "install", "--quiet", *requirements]
    subprocess.run(command, check=True)
