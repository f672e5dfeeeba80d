"""A VM on which every line of the provision list has run once is what the manifest says, byte for byte."""

from __future__ import annotations

import base64
import grp
import json
import pwd
import re
import shlex
import subprocess
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from codemods.rollout.manifest import Manifest
from tests.command import EXAMPLE, commit_all, write
from tests.live.conftest import require
from tests.manifest_texts import BINARY, COMPOSE, NGINX, RENDERED, SECRET, manifest, other_repository

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.live

PLACES = ("opt", "srv", "etc/systemd/system", "var/spool/cron")
STUBS = ("apt-get", "systemctl")
"""Programs of the first boot that have nothing to do with files: they only say that they ran."""

ELEMENT = re.compile(
    r"""^[ ]{4}(?P<string>"(?:[^"\\]|\\.)*"),$
    | ^[ ]{4}format\((?P<form>"[^"]*"),\n[ ]{6}base64encode\((?P<source>.*?)\)\n[ ]{4}\),$""",
    re.MULTILINE | re.DOTALL | re.VERBOSE,
)
"""An element of the example's list."""

SANDBOX = """
set -e
umask 022
directory=$1
for place in {places}; do mount --bind "$directory/$place" "/$place"; done
mkdir -p /var/spool/cron/crontabs
PATH=$directory/bin:$PATH
# Like the script that cloud-init makes of runcmd.
sh "$directory/runcmd"
for user in root daemon; do crontab -u $user -l >"$directory/crontab-$user" 2>/dev/null || true; done
"""


class Vm(NamedTuple):
    """What is on a machine."""

    files: dict[str, tuple[bytes, int, str]]
    directories: set[str]
    crontab: dict[str, tuple[str, ...]]
    ran: list[str]


def run_once(directory: Path, lines: list[str]) -> Vm:
    """Run the lines in a mount namespace of their own, with empty directories in the place of PLACES."""
    for place in PLACES:
        (directory / place).mkdir(parents=True)
    for name in STUBS:
        stub = directory / "bin" / name
        stub.parent.mkdir(exist_ok=True)
        stub.write_text(f'#!/bin/sh\necho "{name} $*" >>{shlex.quote(str(directory / "ran"))}\n')
        stub.chmod(0o755)
    (directory / "runcmd").write_text("".join(f"{line}\n" for line in lines))
    script = SANDBOX.format(places=" ".join(PLACES))
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "vm", directory], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), done
    ran = directory / "ran"
    return Vm(
        {path: found for place in PLACES[:3] for path, found in files_below(directory, place)},
        {str("/" / path.relative_to(directory)) for place in PLACES[:3] for path in (directory / place).rglob("*/")},
        {
            user: tuple(lines)
            for user in ("root", "daemon")
            if (lines := (directory / f"crontab-{user}").read_text().splitlines())
        },
        ran.read_text().splitlines() if ran.exists() else [],
    )


def files_below(directory: Path, place: str) -> Iterator[tuple[str, tuple[bytes, int, str]]]:
    for path in sorted((directory / place).rglob("*")):
        if path.is_file():
            status = path.stat()
            owner = f"{pwd.getpwuid(status.st_uid).pw_name}:{grp.getgrgid(status.st_gid).gr_name}"
            yield f"/{path.relative_to(directory)}", (path.read_bytes(), status.st_mode & 0o7777, owner)


def check(found: Manifest, vm: Vm) -> None:
    """The manifest and the machine agree exactly."""
    assert {one.path: (one.content, one.mode, one.owner) for one in found.files} == vm.files
    parents = {str(parent) for path in found.directories for parent in (Path(path), *Path(path).parents)}
    assert parents - {"/", *(f"/{place}" for place in PLACES)} == vm.directories
    assert found.crontab == vm.crontab
    assert found.unmanaged == ()


def example_lines(root: Path, password: str) -> list[str]:
    """The example's list as Terraform gives it to cloud-init; reads only the forms that the example has."""
    terraform = (root / "stacks/infra/main.tf").read_text()
    list_text = terraform.split("  provision_cmds = [\n")[1].split("\n  ]\n}")[0]
    lines = []
    for match in ELEMENT.finditer(list_text):
        if match["string"]:
            lines.append(json.loads(match["string"]))
        else:
            content = example_content(root, match["source"], password)
            lines.append(json.loads(match["form"]) % base64.b64encode(content.encode()).decode())
    assert len(lines) == len(re.findall(r'^    (?:"|format)', list_text, re.MULTILINE))
    return lines


def example_content(root: Path, source: str, password: str) -> str:
    """What one base64encode of the example is given."""
    if source.startswith("<<-EOT"):
        return textwrap.dedent(source.split("\n", 1)[1].rsplit("EOT", 1)[0])
    path = re.search(r"\.\./\.\./([^\"]+)", source)
    assert path
    text = (root / path[1]).read_bytes().decode()
    for name, value in re.findall(r"(\w+) = (\"[^\"]*\"|var\.dockerhub_password)", source):
        text = text.replace(f"${{{name}}}", password if value.startswith("var.") else json.loads(value))
    return text


@pytest.mark.parametrize("state", ["before", "migrated"])
def test_example_vm_is_its_manifest(state: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Before and after the migration, the example's list run once gives the manifest, and nothing else."""
    require("unshare", "mount", "crontab", root=True)
    root: Path = request.getfixturevalue("verified") if state == "migrated" else EXAMPLE
    password = "h&unter$2 \\ %s"
    vm = run_once(tmp_path, example_lines(root, password))
    found = manifest(root, TF_VAR_dockerhub_password=password)
    check(found, vm)
    assert len(vm.files) == (11 if state == "migrated" else 9)
    assert [one.text for one in found.first_boot] == vm.ran


def test_other_vm_is_its_manifest(tmp_path: Path) -> None:
    """So does a list of another shape: concat, heredocs, tee, modes, owners, binary files, crontabs of two users."""
    require("unshare", "mount", "crontab", root=True)
    root = tmp_path / "repository"
    write(root, other_repository())
    (root / "edge/files/logo.bin").write_bytes(BINARY)
    commit_all(root)
    contents = {"compose": COMPOSE.encode(), "logo": BINARY, "config": RENDERED.encode(), "nginx": NGINX.encode()}
    encoded = {name: base64.b64encode(content).decode() for name, content in contents.items()}
    config = "/srv/hub/etc/registry.yml"
    lines = [
        "apt-get install -y docker.io",
        "install -d /srv/hub/etc /srv/hub/data",
        f"echo {encoded['compose']} | base64 -d > /srv/hub/compose.yaml",
        f"printf '%s' '{encoded['logo']}' | base64 --decode | tee /srv/hub/logo.bin > /dev/null",
        'umask 022\necho x > /dev/null\nmkdir -p "/srv/hub/data/tmp" && true\n',
        f"echo {encoded['config']} | base64 -d >{config}; chmod u=rw,g=r,o= '{config}' && chown daemon:daemon {config}",
        f"echo {encoded['nginx']} | base64 -d > /srv/hub/etc/nginx.conf",
        '(crontab -u daemon -l 2>/dev/null; echo "15 4 * * 1 date +\\%F >> /tmp/x") | crontab -u daemon -',
        "echo '@daily true' | crontab -",
        "crontab -l | { cat; echo '0 1 * * * one'; printf '%s\\n' '0 2 * * * two' '@daily true'; } | crontab -",
        "(crontab -l 2>/dev/null | grep -v one; echo '0 3 * * * one again') | crontab -",
    ]
    vm = run_once(tmp_path / "vm", lines)
    found = manifest(root, TF_VAR_hub_secret=SECRET)
    doubled = vm.crontab["root"]
    assert doubled.count("@daily true") == 2
    check(found, vm._replace(crontab={**vm.crontab, "root": tuple(dict.fromkeys(doubled))}))
