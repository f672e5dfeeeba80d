"""The collector with the real docker-registry: nothing that a tag needs is lost, and all else goes."""

from __future__ import annotations

import fcntl
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.live.artifacts import Layout
from tests.live.conftest import require
from tests.live.containers import Containers, children_of, is_guard
from tests.live.deployment import CRON, Deployment
from tests.live.lab import Registry, wait_until
from tests.live.random_registry import CACHE_TAG, RandomRegistry, Repository

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.live

REGISTRIES = int(os.environ.get("CODEMOD_REGISTRIES", "30"))
KILLS = int(os.environ.get("CODEMOD_KILLS", "8"))
BATCH = 10
"""Registries in one test, so that several workers share them."""


@pytest.fixture
def directory() -> Iterator[Path]:
    """In memory where there is such a place: a registry flushes every blob, which takes a disk most of the time."""
    require("docker-registry", "busybox", "setsid")
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="registries-", dir=memory if memory.is_dir() else None) as directory:
        yield Path(directory)


@pytest.fixture
def containers(directory: Path) -> Iterator[Containers]:
    """A registry that runs."""
    with Containers(directory) as containers:
        yield containers


def filled(containers: Containers, seed: int, pushes: int = 10) -> RandomRegistry:
    """The registry with random content."""
    registry = RandomRegistry(seed, containers.address, containers.data)
    registry.fill(pushes)
    return registry


@pytest.mark.parametrize("batch", range(-(-REGISTRIES // BATCH)))
def test_every_tag_is_kept_whole_and_all_else_is_freed(batch: int, directory: Path) -> None:
    """After a run each tag is read back, and the disk holds what they need; the plan's line on a copy loses images."""
    lost = whole = 0
    for seed in range(batch * BATCH, min(REGISTRIES, (batch + 1) * BATCH)):
        place = directory / str(seed)
        place.mkdir()
        with Containers(place) as containers:
            registry = filled(containers, seed)
            copy = shutil.copytree(containers.data, place / "copy/storage")

            code, log = containers.collect()

            assert code == 0, (seed, log)
            assert not [tag for _, tag in registry.take_note() if not tag.startswith("sha256-")], seed
            assert registry.lost(containers.address) == [], (seed, log)
            assert registry.on_disk() == registry.needed(), (seed, log)
            assert containers.reloads() == 1
            with Registry(containers.config, copy.parent) as other:
                containers.collect_as_planned(copy)
                lost += len(registry.lost(other.address))
        whole += len(registry.tags())
        shutil.rmtree(place)
    print(f"\n{whole} tags: the collector lost 0, the plan's line {lost}")
    assert lost, "the plan's own line loses none of these images?"


@pytest.mark.parametrize("seed", range(max(1, REGISTRIES // 5)))
def test_the_cap_holds_to_within_the_largest_image(seed: int, containers: Containers) -> None:
    """No more is removed than needed: the oldest caches first, then the oldest tags; what is protected stays."""
    registry = filled(containers, 1000 + seed, pushes=14)
    sizes = [registry.size(one.needed([tag])) for one, tag in registry.tags()]
    cap = int(registry.size(registry.needed()) * random.Random(seed).uniform(0.2, 0.9))

    code, log = containers.collect("--max-size", str(cap), "--protect", "v1")

    gone = {(one.name, tag): one.pushed[tag] for one, tag in registry.take_note() if not tag.startswith("sha256-")}
    size = registry.size(registry.on_disk())
    assert registry.on_disk() == registry.needed()
    assert registry.lost(containers.address) == []
    assert "v1" not in {tag for _, tag in gone}
    assert size <= cap or (code == 4 and {tag for _, tag in registry.tags()} == {"v1"}), log
    assert size > cap - max(sizes) or not gone, log
    assert code == (4 if size > cap else 0), log
    expect_order(registry, gone)


def expect_order(registry: RandomRegistry, gone: dict[tuple[str, str], int]) -> None:
    """A tag that should have gone before one that went is only one name more for what is needed anyway."""
    caches = [pushed for (_, tag), pushed in gone.items() if is_cache(tag)]
    images = [pushed for (_, tag), pushed in gone.items() if not is_cache(tag)]
    for one, tag in registry.tags():
        went = caches if is_cache(tag) else images
        older = any(one.pushed[tag] < pushed for pushed in went) or (is_cache(tag) and bool(images))
        if older and tag != "v1":
            assert needed_by_others(registry, one, tag), (tag, gone)


def needed_by_others(registry: RandomRegistry, repository: Repository, tag: str) -> bool:
    """Whether all that a tag needs is needed by other tags that stayed."""
    others = [(one, name) for one, name in registry.tags() if (one, name) != (repository, tag)]
    found = set().union(*(one.needed([name]) for one, name in others))
    return repository.needed([tag]) <= found


def is_cache(tag: str) -> bool:
    return tag == CACHE_TAG or tag.startswith(f"{CACHE_TAG}-")


def test_keep_removes_all_but_the_newest_tags(containers: Containers) -> None:
    """Of each repository, by the last push; caches and protected tags stay and are not counted."""
    registry = RandomRegistry(1, containers.address, containers.data)
    repository = registry.repositories[1]
    with closing(registry.client.connection):
        for tag in ("v1", "a", "b", CACHE_TAG, "c", f"{CACHE_TAG}-arm64", "a"):
            registry.tag(repository, tag, registry.image(repository))

    code, log = containers.collect("--keep", "2", "--protect", "v*")

    assert code == 0, log
    assert [tag for _, tag in registry.take_note()] == ["b"]
    assert registry.lost(containers.address) == []
    assert registry.on_disk() == registry.needed()


def test_dry_run_changes_nothing(containers: Containers) -> None:
    """It says what it would do while the registry goes on."""
    registry = filled(containers, 7)
    before = sorted(containers.data.rglob("*"))
    code, log = containers.collect("--dry-run", "--max-size", "1KiB")
    assert code == 0
    assert "remove the tag " in log
    assert sorted(containers.data.rglob("*")) == before
    assert containers.reloads() == 0
    assert registry.lost(containers.address) == []


def test_a_damaged_repository_is_named_and_left_alone(containers: Containers) -> None:
    """Also the tags in it that would go; the others are collected."""
    registry = filled(containers, 3, pushes=20)
    damaged = next(one for one in registry.repositories if registry.layers_of(one))
    missing = registry.layers_of(damaged)[0]
    alone = {one for other in registry.repositories if other is not damaged for one in other.blobs}
    value = missing.partition(":")[2]
    shutil.rmtree(registry.storage / "blobs/sha256" / value[:2] / value)
    manifests = set(damaged.lists) - alone

    code, log = containers.collect("--keep", "1")

    assert code == 3, log
    assert f"{damaged.name}: {missing} is not there" in log
    assert damaged.tags.keys() == registry.present(damaged)
    assert manifests <= registry.on_disk()
    registry.take_note()
    others = [one for one, _ in registry.tags() if one is not damaged]
    assert all(len([tag for of, tag in registry.tags() if of is one and not is_cache(tag)]) <= 1 for one in others)
    assert all(damaged.name in tag for tag in registry.lost(containers.address))


def test_an_unreadable_manifest_stops_the_collection_before_it_deletes(containers: Containers) -> None:
    """The registry's own collection ends at what it cannot read, before it deletes, and the registry comes up again."""
    registry = filled(containers, 4)
    repository, tag = registry.tags()[0]
    value = repository.tags[tag].partition(":")[2]
    (registry.storage / "blobs/sha256" / value[:2] / value / "data").write_text("{}")
    before = registry.on_disk()
    code, log = containers.collect()
    assert code == 1, log
    assert f"{repository.name}: the manifest {repository.tags[tag]} has other content" in log
    assert registry.on_disk() == before
    assert containers.answers()


def test_two_runs_at_once_are_one(containers: Containers, tmp_path: Path) -> None:
    """A run ends at once, and says so, while the lock is held; of two at the same time at least one does the work."""
    registry = filled(containers, 5)
    assert containers.collect()[0] == 0
    with (containers.data / ".collect-garbage/lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        code, log = containers.collect()
        assert (code, "another run is under way" in log) == (6, True)
    first = containers.start_collector(tmp_path / "log")
    codes = {containers.collect()[0], first.wait(60)}
    assert 0 in codes and codes <= {0, 6}
    assert registry.lost(containers.address) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_the_run_with_the_registry_up(number: int, containers: Containers, tmp_path: Path) -> None:
    """The registry is started again before the program ends."""
    registry = filled(containers, 6)
    child = containers.start_collector(tmp_path / "log")
    wait_until(lambda: not containers.answers() or child.poll() is not None, "the stop of the registry")
    child.send_signal(number)
    assert child.wait(60) == 1, (tmp_path / "log").read_text()
    assert f"ended by signal {int(number)}" in (tmp_path / "log").read_text()
    assert containers.answers()
    assert registry.lost(containers.address) == []


@pytest.mark.parametrize("part", range(-(-KILLS // BATCH)))
def test_killed_at_any_point_nothing_is_lost_and_the_registry_comes_up(
    part: int, containers: Containers, tmp_path: Path
) -> None:
    """By its second process; when that is killed too, by the next run."""
    chance = random.Random(part)
    registry = filled(containers, 2000 + part)
    started, killed = time.monotonic(), 0
    assert containers.collect()[0] == 0
    lasts = time.monotonic() - started
    for _ in range(min(BATCH, KILLS - part * BATCH)):
        registry.fill(3)
        child = containers.start_collector(tmp_path / "log")
        after = chance.uniform(0, lasts)
        with_guard = chance.random() < 0.4
        kill_after(child.pid, after, with_guard)
        killed += child.wait(30) == -signal.SIGKILL
        if with_guard:
            assert containers.collect()[0] in (0, 6)
        wait_until(containers.answers, "an answer of the registry", 30, log=(tmp_path / "log").read_text)
        wait_until(lambda: is_free(containers.data), "the end of the guard", 30)
        assert [tag for _, tag in registry.take_note() if not tag.startswith("sha256-")] == []
        assert registry.lost(containers.address) == [], (after, with_guard, (tmp_path / "log").read_text())
    assert killed
    assert containers.collect()[0] == 0
    registry.take_note()
    assert registry.on_disk() == registry.needed()
    assert list((containers.data / ".collect-garbage/trash").iterdir()) == []


def kill_after(pid: int, seconds: float, with_guard: bool) -> None:
    """Kill a run after some time, as far as it has not ended."""
    time.sleep(seconds)
    guards = [child for child in children_of(pid) if is_guard(child)] if with_guard else []
    for one in (pid, *guards):
        os.kill(one, signal.SIGKILL)


def is_free(data: Path) -> bool:
    """Whether no run holds the lock."""
    with (data / ".collect-garbage/lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
    return True


def test_the_deployed_line_frees_what_was_overwritten_and_holds_the_cap(
    stack: Deployment, verified: Path, tmp_path: Path
) -> None:
    """On the machine, as cron runs it, with docker, compose and nginx."""
    layout = Layout(tmp_path / "layout")
    command = stack.crontab_command(verified)
    stack.collect(command)
    before = stored(stack)
    for build in ("1", "2"):
        stack.push(layout.tag(layout.image(f"overwritten-{build}", size=400_000), build), "overwritten:v1")
    stack.push(layout.tag(layout.index("kept"), "kept"), "kept:v1")
    log = stack.collect(command)
    assert "remove 1 of 2 manifests of overwritten" in log
    assert 400_000 < stored(stack) - before < 500_000
    for name in ("overwritten:v1", "kept:v1"):
        stack.pull(name, tmp_path / name.partition(":")[0])

    cap = stored(stack) - 1
    log = stack.collect(command.replace("--max-size 100GiB", f"--max-size {cap} --protect v1"))
    assert "remove the tag overwritten:v1" not in log
    cap = stored(stack) - 1  # that may have taken what other tests left
    log = stack.collect(command.replace("--max-size 100GiB", f"--max-size {cap}"))
    assert stored(stack) <= cap
    assert "remove the tag " in log


def test_a_run_killed_on_the_machine_leaves_the_registry_serving(
    stack: Deployment, verified: Path, tmp_path: Path
) -> None:
    """The second process starts the container again, and reloads nginx."""
    layout = Layout(tmp_path / "layout")
    stack.push(layout.tag(layout.index("killed"), "v1"), "killed:v1")
    # The collection starts late, by a client that outlives its parent: by then it must find nothing to start.
    slow = stack.machine.path("/root/slow-docker")
    slow.write_text('#!/bin/sh\n[ "$2" = --attach ] && echo >/root/collecting && sleep 9\nexec docker "$@"\n')
    slow.chmod(0o755)
    command = stack.crontab_command(verified).replace(" >>", " --docker /root/slow-docker >>")
    child = subprocess.Popen(stack.machine.inside(*CRON, command))
    wait_until(stack.machine.path("/root/collecting").exists, "the collection, with the registry stopped", 60)
    running = ("inspect", "-f", "{{.State.Running}}", "registry-private")
    assert stack.dockerd.docker(*running).stdout == "false\n"
    # Not the second process: that is the leader of a session, the sixth word of its status.
    stack.machine.shell(
        "for p in $(busybox pidof python3); do [ $(cut -d' ' -f6 /proc/$p/stat) = $p ] || kill -9 $p; done"
    )
    child.wait(30)
    stack.wait_until_serving()
    stack.wait_until_healthy()
    log = stack.machine.path("/var/log/registry-gc.log")
    wait_until(lambda: "No such container: registry-private-collect-garbage" in log.read_text(), "the late client")
    stack.pull("killed:v1", tmp_path / "pulled")


def stored(stack: Deployment) -> int:
    """Bytes of all blobs of the machine's private registry."""
    blobs = (stack.directory / "data/private/docker/registry/v2/blobs").rglob("data")
    return sum(path.stat().st_size for path in blobs)
