"""The example after the migration is accepted by whoever reads such files."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command import codemod, example

SCHEMAS = {
    "compose-spec": ("modules/docker-registry/docker-compose.yml",),
    "woodpecker-ci": (".woodpecker/build-cli.yml", ".woodpecker/f1-stream.yml"),
}


@pytest.fixture(scope="module", params=["verified", "as-written"])
def migrated(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = example(tmp_path_factory.mktemp("migrated"))
    assert codemod(root, "apply-caching", "--profile", request.param).code == 0
    return root


@pytest.mark.parametrize("schema", SCHEMAS)
def test_schemas(migrated: Path, schema: str) -> None:
    """Compose and Woodpecker's own schemas hold."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", *SCHEMAS[schema]]
    done = subprocess.run(command, cwd=migrated, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.skipif(shutil.which("terraform") is None, reason="terraform is not installed")
def test_terraform_fmt(migrated: Path) -> None:
    """Terraform would not write it otherwise."""
    done = subprocess.run(["terraform", "fmt", "-check", "stacks"], cwd=migrated, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout
