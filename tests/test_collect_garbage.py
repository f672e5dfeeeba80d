"""The collector as a program of its own; what it does to registries is in tests/live/test_collector.py."""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from codemods.caching import collect_garbage
from codemods.caching.collect_garbage import Damaged, Plan, Storage, parse_manifest, parse_size
from codemods.caching.collector_file import collector_text

PROGRAM = Path(collect_garbage.__file__)
TREE = ast.parse(collector_text(), feature_version=(3, 8))


def test_it_needs_the_standard_library_only() -> None:
    """The VM has a plain Python; the syntax is that of 3.8."""
    imports = [node for node in ast.walk(TREE) if isinstance(node, (ast.Import, ast.ImportFrom))]
    names = {alias.name for node in imports if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in imports if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in names} <= sys.stdlib_module_names


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it without site packages."""
    return subprocess.run([sys.executable, "-IS", str(PROGRAM), *arguments], capture_output=True, text=True)


def test_help_tells_every_exit_code() -> None:
    """Each constant of the program, and argparse's own 2."""
    codes = set(map(int, re.findall(r"^  (\d)  ", run("--help").stdout, re.M)))
    known = (collect_garbage.FAILED, collect_garbage.DAMAGED, collect_garbage.TOO_LARGE, collect_garbage.DOWN)
    assert codes == {0, 2, *known, collect_garbage.LOCKED}


@pytest.mark.parametrize(
    "arguments", [["--max-size", "big"], ["--keep", "x"], ["--keep", "-3"], ["--data", "/nowhere"], ["extra"]]
)
def test_wrong_arguments(arguments: list[str]) -> None:
    """They end the program before it does anything."""
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert arguments[-1] in done.stderr


def test_without_docker_it_fails_in_one_line(tmp_path: Path) -> None:
    """And leaves nothing behind."""
    done = run("--data", str(tmp_path), "--docker", str(tmp_path / "docker"))
    assert done.returncode == 1
    assert done.stdout.count("\n") == 1
    assert "failed: " in done.stdout and "container: [Errno 2]" in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "size"),
    [("1", 1), ("10K", 10_240), ("100GiB", 100 * 2**30), ("100GB", 10**11), ("1.5MiB", 3 * 2**19), ("2 TiB", 2**41)],
)
def test_sizes(text: str, size: int) -> None:
    """Binary units unless they end in B alone, as `registry.storage` has them."""
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "GiB", "-1", "1PiB", "1e3", "1GiBs"])
def test_no_sizes(text: str) -> None:
    """What is no size is an error of the command line."""
    with pytest.raises(argparse.ArgumentTypeError):
        parse_size(text)


HOSTILE = (
    {"subject": {"digest": ["sha256:" + "0" * 64]}},
    {"subject": {"digest": "../../etc"}},
    {"manifests": [{"digest": "sha256:../../" + "0" * 64}]},
)


@pytest.mark.parametrize(
    "content", [[], {"layers": [1]}, {"manifests": [{}]}, {"config": "x"}, {"layers": 1}, "x", *HOSTILE]
)
def test_a_manifest_of_another_shape_is_damage(content: Any, tmp_path: Path) -> None:
    """Nothing that is not understood is taken for empty."""
    storage, data = Storage(tmp_path), json.dumps(content).encode()
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    storage.blob(digest).parent.mkdir(parents=True)
    storage.blob(digest).write_bytes(data)
    with pytest.raises(Damaged, match="cannot be read"):
        storage.manifest(digest)


def test_layers_of_other_servers_are_not_expected() -> None:
    """They may never have been pushed; those of the old schema 1 are."""
    digest, other = f"sha256:{'0' * 64}", f"sha256:{'1' * 64}"
    foreign = {"digest": digest, "urls": ["https://example.org"]}
    assert parse_manifest({"layers": [foreign, {"digest": other}]}).blobs == [other]
    assert parse_manifest({"fsLayers": [{"blobSum": other}]}).blobs == [other]


def test_deep_nesting_is_damage(tmp_path: Path) -> None:
    """A registry takes any JSON up to 4 MB as a manifest's unknown parts."""
    storage = Storage(tmp_path)
    with pytest.raises(Damaged, match="recursion"):
        storage.manifest(store(storage, b'{"x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"))


def test_the_plan_goes_down_to_the_cap_and_no_further(tmp_path: Path) -> None:
    """It is read, marked, and cut down to half its size."""
    storage = Storage(tmp_path)
    for repository in range(4):
        for tag in range(12):
            push(storage, f"r{repository}", f"t{tag}", [f"{repository}-{tag // 2}-{layer}" for layer in range(10)])
    options = argparse.Namespace(keep=0, protect=["t0"], cache_tag="t1", max_size=0)
    whole = Plan(storage, options).size
    options.max_size = whole // 2
    plan = Plan(storage, options)
    assert whole // 2 - 1000 < plan.size <= whole // 2
    assert {"t0"} <= {tag.name for tag in plan.kept()}


def push(storage: Storage, repository: str, tag: str, layers: list[str]) -> None:
    """Put an image into the storage as a registry does; a layer is its own content."""
    blobs = [layer.encode() for layer in layers]
    manifest = json.dumps({"tag": tag, "layers": [{"digest": store(storage, blob)} for blob in blobs]}).encode()
    digest = store(storage, manifest)
    place = storage.root / "repositories" / repository / "_manifests"
    for link in (place / "revisions" / digest.replace(":", "/"), place / "tags" / tag / "current"):
        link.mkdir(parents=True, exist_ok=True)
        (link / "link").write_text(digest)
        os.utime(link / "link", (1_700_000_000 + int(tag[1:]),) * 2)


def store(storage: Storage, data: bytes) -> str:
    """Put a blob into the storage."""
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    storage.blob(digest).parent.mkdir(parents=True, exist_ok=True)
    storage.blob(digest).write_bytes(data)
    return digest
