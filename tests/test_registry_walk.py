"""The walk over random storage directories: it finds what a plain recursion finds, and names the tags that suffer."""

from __future__ import annotations

import hashlib
import json
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codemods.cli.options import CommonOptions
from codemods.cli.session import open_session
from codemods.cli.verify import Options
from codemods.engine.report.model import CheckState
from codemods.errors import CodemodError
from codemods.registry.checks import check_integrity
from codemods.registry.integrity import Walk
from codemods.registry.manifest import OCI_INDEX, OCI_MANIFEST
from codemods.registry.storage import Storage
from tests.command import codemod
from tests.soak import EXAMPLES

LAYER = "application/vnd.oci.image.layer.v1.tar"


@dataclass
class Store:
    """A storage directory under construction; `needs` is what each digest refers to."""

    directory: Path
    needs: dict[str, list[str]] = field(default_factory=dict)

    @property
    def root(self) -> Path:
        """Where the registry's files begin."""
        return self.directory / "docker/registry/v2"

    def data(self, digest: str) -> Path:
        """Where content lies."""
        encoded = digest.partition(":")[2]
        return self.root / "blobs/sha256" / encoded[:2] / encoded / "data"

    def put(self, repository: str, place: str, data: bytes, media_type: str) -> dict[str, Any]:
        """Store content and link it in a repository; returns its descriptor."""
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        self.write(self.data(digest), data)
        self.link(f"{repository}/{place}/sha256/{digest[7:]}", digest)
        self.needs.setdefault(digest, [])
        return {"mediaType": media_type, "digest": digest, "size": len(data)}

    def manifest(self, repository: str, media_type: str, **parts: Any) -> dict[str, Any]:
        """Store a manifest."""
        data = json.dumps({"mediaType": media_type, **parts}).encode()
        entry = self.put(repository, "_manifests/revisions", data, media_type)
        listed = [*parts.get("manifests", []), *parts.get("layers", []), *filter(None, [parts.get("config")])]
        self.needs[entry["digest"]] = [one["digest"] for one in listed]
        return entry

    def link(self, path: str, digest: str) -> None:
        """Write a link in the repositories."""
        self.write(self.root / "repositories" / path / "link", digest.encode())

    def write(self, path: Path, data: bytes) -> None:
        """Write a file, with its directories."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def lost(self, digest: str, gone: set[str]) -> set[str]:
        """What is gone of all that a digest needs, by plain recursion."""
        if digest in gone:
            return {digest}
        return {found for needed in self.needs[digest] for found in self.lost(needed, gone)}


@settings(max_examples=max(20, EXAMPLES // 10), deadline=None)
@given(data=st.data())
def test_what_is_gone_is_found_with_its_tags(data: st.DataObject) -> None:
    """Images share layers, indexes share images and lie in indexes, tags share all of them; some files are gone."""
    with tempfile.TemporaryDirectory() as directory:
        store, tags = Store(Path(directory)), {}
        for repository in ("app", "team/app"):
            layers = [store.put(repository, "_layers", f"{number}".encode(), LAYER) for number in range(4)]
            some = st.lists(st.sampled_from(layers), max_size=3)
            made = [
                store.manifest(repository, OCI_MANIFEST, config=layers[0], layers=data.draw(some), number=number)
                for number in range(3)
            ]
            for number in range(data.draw(st.integers(0, 4))):
                below = data.draw(st.lists(st.sampled_from(made), max_size=3))
                made.append(store.manifest(repository, OCI_INDEX, manifests=below, number=number))
            for number, entry in enumerate(data.draw(st.lists(st.sampled_from(made), max_size=5))):
                tags[repository, f"t{number}"] = entry["digest"]
                store.link(f"{repository}/_manifests/tags/t{number}/current", entry["digest"])
        gone = set(data.draw(st.lists(st.sampled_from(sorted(store.needs)), max_size=3)))
        for digest in gone:
            store.data(digest).unlink()
        expected = {
            (repository, tag, digest) for (repository, tag), root in tags.items() for digest in store.lost(root, gone)
        }
        walk = Walk(Storage(store.directory), sample=100)
        damages = list(walk.damage())
    found = [
        (damage.repository, tag, next((d for d in gone if d in damage.reason), tags[damage.repository, tag]))
        for damage in damages
        for tag in damage.tags
    ]
    assert len(found) == len(set(found))
    assert set(found) == expected
    assert walk.counts.tags == len(tags)


def test_many_tags_are_named_in_short(tmp_path: Path) -> None:
    """One damage is one line, however many tags it takes along; on stderr nothing is said."""
    store = Store(tmp_path)
    layer = store.put("app", "_layers", b"layer", LAYER)
    image = store.manifest("app", OCI_MANIFEST, config=layer, layers=[layer])
    for number in range(9):
        store.link(f"app/_manifests/tags/t{number}/current", image["digest"])
    store.data(layer["digest"]).unlink()
    common = CommonOptions(tmp_path)
    results = list(check_integrity(open_session(common), Options(integrity=True, storage=str(tmp_path)), common))
    assert [(result.target, result.state) for result in results] == [
        ("app:t0", CheckState.FAIL),
        (str(tmp_path), CheckState.PASS),
    ]
    assert results[0].message == f"{layer['digest']}: the blob is gone; tags t1, t2, t3, t4, t5 and 3 more too"
    assert results[1].message == (
        "everything else is whole, of 1 repository, 9 tags, 1 manifest, 1 blob of 5 B; push the damaged again"
    )


def test_progress_is_told(tmp_path: Path) -> None:
    """It only grows, and ends with all done."""
    store = Store(tmp_path)
    for number in range(40):
        layer = store.put(f"app{number}", "_layers", b"layer", LAYER)
        image = store.manifest(f"app{number}", OCI_MANIFEST, config=layer, layers=[])
        store.link(f"app{number}/_manifests/tags/v1/current", image["digest"])
    told: list[tuple[int, int]] = []
    assert list(Walk(Storage(tmp_path), show=lambda done, total: told.append((done, total))).damage()) == []
    assert told == sorted(told)
    assert told[-1] == (120, 120), "tags, a manifest and a blob of each"


def test_the_command_reads_a_directory_without_a_registry(tmp_path: Path) -> None:
    """Its path is relative to -C; what is no storage is an error; options that need another are refused."""
    store = Store(tmp_path / "data")
    image = store.manifest("app", OCI_MANIFEST, config=store.put("app", "_layers", b"layer", LAYER), layers=[])
    store.link("app/_manifests/tags/v1/current", image["digest"])
    done = codemod(tmp_path, "verify", "--integrity", "--storage", "data")
    assert done.code == 0
    assert "whole: 1 repository, 1 tag, 1 manifest, 1 blob of 5 B" in done.out
    assert codemod(tmp_path, "verify", "--integrity", "--storage", ".").code == 3
    for wrong in (["--storage", "data"], ["--sample", "3"]):
        refused = codemod(tmp_path, "verify", *wrong)
        assert (refused.code, "goes with --integrity" in refused.err) == (2, True)
    assert codemod(tmp_path, "verify", "--integrity", "--sample", "-1").code == 2


@pytest.mark.parametrize("name", ["link", "data"])
def test_a_file_in_the_place_of_a_directory(tmp_path: Path, name: str) -> None:
    """A storage that is torn like this is told of, not stumbled over."""
    store = Store(tmp_path)
    layer = store.put("app", "_layers", b"layer", LAYER)
    image = store.manifest("app", OCI_MANIFEST, config=layer, layers=[])
    store.link("app/_manifests/tags/v1/current", image["digest"])
    path = store.data(layer["digest"]) if name == "data" else store.root / "repositories/app/_manifests/tags/v1/current"
    for file in [path] if path.is_file() else path.iterdir():
        file.unlink()
    if path.is_dir():
        path.rmdir()
    path.parent.joinpath(path.name).mkdir() if name == "data" else path.write_text("")
    try:
        [damage] = Walk(Storage(tmp_path)).damage()
    except CodemodError as error:
        pytest.fail(f"{error}")
    assert damage.tags == ("v1",)
