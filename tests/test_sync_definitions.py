"""Which containers compose will recreate: by 1.29's own hash, by comparison with v2, and without asking at all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from codemods.rollout.definitions import Definitions, input_digest, override_path, read_definitions
from codemods.rollout.snapshot import LiveFile, Snapshot
from tests.rollout_scenes import COMPOSE, DIRECTORY, LocalMachine, container, machine, wish

SERVICES = ("nginx", "registry-hub", "registry-private")

# Answers as compose does: a hash of each service's lines in the files it is given.
STAND_IN = """#!/bin/sh
echo "$*" >>"$(dirname "$0")/calls"
files=
while [ $# -gt 0 ]; do
    case $1 in
    -f) files="$files $2"; shift ;;
    config) grep -q BROKEN $files && { echo "services.nginx: what is BROKEN" >&2; exit 15; } ;;
    esac
    shift
done
for service in nginx registry-hub registry-private; do
    printf '%s ' "$service"
    { echo "SALT"; sed -n "/^  $service:/,/^  [a-z]/p" $files | sed '$d'; } | sha256sum | cut -c 1-64
done
"""


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A directory with a compose."""
    directory = tmp_path / "bin"
    directory.mkdir()
    compose = directory / "docker-compose"
    compose.write_text(STAND_IN)
    compose.chmod(0o755)
    return directory


def hashes(programs: Path, tmp_path: Path, compose: str = COMPOSE) -> dict[str, str]:
    """What compose prints for a file; `tmp_path` takes the place of the stack's directory."""
    wanted = wish(compose=compose)
    found = read_definitions(LocalMachine(str(programs)), wanted.manifest, wanted.composition, machine(wanted))
    assert found.error == ""
    return dict(found.hashes)


def labelled(snapshot: Snapshot, labels: dict[str, str], version: str) -> Snapshot:
    """The machine with these hashes at its containers."""
    containers = tuple(container(name, config_hash=labels[name], compose_version=version) for name in SERVICES)
    return replace(snapshot, containers=containers)


def changed(programs: Path, compose: str, snapshot: Snapshot) -> set[str]:
    """The services whose definitions differ from those of a machine, when the repository has this compose file."""
    wanted = wish(compose=compose)
    return set(read_definitions(LocalMachine(str(programs)), wanted.manifest, wanted.composition, snapshot).changed)


OTHER = COMPOSE.replace('"5050:5050"', '"5060:5050"')


def test_compose_1_is_told_by_its_labels(programs: Path, tmp_path: Path) -> None:
    """A comment or a mounted file changes nothing; a port does."""
    labels = hashes(programs, tmp_path)
    before = labelled(machine(wish()), labels, "1.29.2")
    assert changed(programs, COMPOSE, before) == set()
    assert changed(programs, OTHER, before) == {"nginx"}


def test_compose_2_is_told_by_the_last_roll_out(programs: Path, tmp_path: Path) -> None:
    """Its labels are no measure: they differ from what it prints although nothing has changed."""
    left = {"hashes": hashes(programs, tmp_path)}
    before = replace(labelled(machine(wish()), dict.fromkeys(SERVICES, "label"), "2.24.5"), state=left)
    assert changed(programs, COMPOSE, before) == set()
    assert changed(programs, OTHER, before) == {"nginx"}


def test_compose_2_without_a_roll_out_is_told_by_the_file_on_the_machine(programs: Path, tmp_path: Path) -> None:
    """The containers were made from it."""
    wanted = wish()
    there = tmp_path / "registry"
    there.mkdir()
    (there / "docker-compose.yml").write_text(COMPOSE)
    # The stack's directory is in every path of the manifest: a machine on which it lies elsewhere.
    manifest = replace(
        wish(compose=OTHER).manifest,
        directory=str(there),
        compose=replace(wish(compose=OTHER).manifest.compose, path=str(there / "docker-compose.yml")),
    )
    composition = replace(wanted.composition, directory=str(there))
    containers = tuple(replace(container(name, compose_version="2.24.5"), directory=str(there)) for name in SERVICES)
    before = replace(machine(wanted), containers=containers)
    found = read_definitions(LocalMachine(str(programs)), manifest, composition, before)
    assert set(found.changed) == {"nginx"}


def test_compose_is_not_asked_when_all_is_as_the_last_roll_out_left_it(programs: Path, tmp_path: Path) -> None:
    """It takes half a second to start."""
    wanted = wish()
    before = labelled(machine(wanted), hashes(programs, tmp_path), "1.29.2")
    (programs / "calls").unlink()
    state = {
        "inputs": input_digest(wanted.manifest, wanted.composition, before),
        "labels": {one.service: one.config_hash for one in before.containers},
        "hashes": {"nginx": "kept"},
    }
    transport = LocalMachine(str(programs))
    found = read_definitions(transport, wanted.manifest, wanted.composition, replace(before, state=state))
    assert found == Definitions(hashes={"nginx": "kept"})
    assert not (programs / "calls").exists()
    for other in (
        replace(before, state={**state, "labels": {}}),
        replace(before, state={**state, "inputs": "other"}),
        replace(before, state=state, containers=before.containers[1:]),
        replace(before, state=state, files={**before.files, f"{DIRECTORY}/.env": LiveFile("file", digest="new")}),
    ):
        (programs / "calls").unlink(missing_ok=True)
        read_definitions(transport, wanted.manifest, wanted.composition, other)
        assert (programs / "calls").exists()


def test_what_compose_refuses_is_told_in_its_words(programs: Path) -> None:
    """Before anything is staged."""
    wanted = wish(compose=COMPOSE + "# BROKEN\n")
    found = read_definitions(LocalMachine(str(programs)), wanted.manifest, wanted.composition, machine(wanted))
    assert found.error == "services.nginx: what is BROKEN"


def test_the_override_file_is_read_where_it_is(programs: Path) -> None:
    """As compose itself does when it is started in the directory."""
    override = override_path(f"{DIRECTORY}/docker-compose.yml")
    assert override == f"{DIRECTORY}/docker-compose.override.yml"
    wanted = wish()
    before = machine(wanted, files={override: LiveFile("file", digest="x")})
    read_definitions(LocalMachine(str(programs)), wanted.manifest, wanted.composition, before)
    assert f"-f {override} --project-directory {DIRECTORY}" in (programs / "calls").read_text()
