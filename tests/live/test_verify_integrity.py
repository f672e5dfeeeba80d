"""`codemod verify --integrity` on real registries: every damage is found, and nothing else, over HTTP and offline."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from codemods.registry.manifest import OCI_INDEX
from codemods.registry.uploads import delete_manifest
from tests.live.artifacts import Layout
from tests.live.conftest import require
from tests.live.contents import Contents, Entry, data_of, repository_of
from tests.live.deployment import PROJECT
from tests.live.front import OpenRegistry, Verified, registry_config, repository, verify
from tests.live.lab import run

if TYPE_CHECKING:
    from pathlib import Path

    from codemods.registry.client import RegistryClient


pytestmark = pytest.mark.live

REMEMBERING = {"REGISTRY_STORAGE_CACHE_BLOBDESCRIPTOR": "inmemory"}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory for registries, on a machine that has them."""
    require("docker-registry")
    return tmp_path


def walked(place: Path, registry: OpenRegistry, *arguments: str) -> Verified:
    """What `verify --integrity` says of a running registry."""
    host, _, port = registry.address.rpartition(":")
    root = repository(place / "infra", int(port))
    return verify(root, "--integrity", "--set", f"registry.hostname={host}", *arguments)


def read(place: Path, registry: OpenRegistry, *arguments: str) -> Verified:
    """What it says of the same registry's storage."""
    return verify(place, "--integrity", "--storage", str(registry.storage), *arguments)


def found(done: Verified) -> dict[str, str]:
    """The damages of a run: what suffers, and why."""
    damages = [(target, message) for target, state, message in done.checks if state == "fail"]
    assert done.code == (1 if damages else 0), done.output
    assert len(dict(damages)) == len(damages)
    return dict(damages)


def fill(registry: RegistryClient) -> None:
    """What a registry of a working team holds: all of it is whole, and much of it no tag leads to."""
    app = Contents(registry, "app")
    app.image("old", "latest")
    app.image("new", "latest")
    app.image("new", "v2")
    app.index("multi", "multi")
    Contents(registry, "deep/er/app").index("deep", "v1")
    nested = Contents(registry, "nested")
    nested.manifest(OCI_INDEX, "v1", manifests=[nested.index("a"), nested.image("b")])
    for form in ("image", "index", "list"):
        Contents(registry, "caches").cache(form, form)
    deleted = Contents(registry, "deleted")
    delete_manifest(deleted.registry, "deleted", deleted.image("gone", "v1")["digest"])


def test_a_healthy_registry(place: Path) -> None:
    """Indexes in indexes, three forms of cache, replaced and deleted tags: nothing is damage, every part is counted."""
    with OpenRegistry(place / "registry", registry_config(place)) as registry:
        fill(registry.client)
        # Without a tag from the beginning: the registry lists the repository, and no tags.
        Contents(registry.client, "by-digest").image("untagged")
        online, offline = walked(place, registry, "--sample", "1000"), read(place, registry, "--sample", "1000")
    # In app, deep/er/app, nested and caches: 4 + 3 + 5 + 3 manifests, 7 + 5 + 7 + 4 blobs.
    expected = "whole: 6 repositories, 8 tags, 15 manifests, 23 blobs of"
    for done in (online, offline):
        assert (done.code, done.states) == (0, ["pass"]), done.output
        assert done.checks[0][2].startswith(expected), done.output
        assert done.checks[0][2].endswith("23 of them read")


def test_every_damage_is_found(place: Path) -> None:
    """One of each, among what is whole: a registry that is asked and its storage that is read tell the same."""
    with OpenRegistry(place / "registry", registry_config(place)) as registry:
        fill(registry.client)
        expected = damaged(registry)
        online, offline = found(walked(place, registry)), found(read(place, registry))
    assert online.keys() == expected.keys()
    assert offline.keys() == expected.keys()
    for target, (asked, stored) in expected.items():
        assert asked in online[target]
        assert stored in offline[target]


def damaged(registry: OpenRegistry) -> dict[str, tuple[str, str]]:
    """Damage a registry in every way; returns what suffers, and what the two walks say of it."""
    storage, expected = registry.storage, {}

    def contents(name: str) -> Contents:
        return Contents(registry.client, name)

    def tag_of(name: str) -> Path:
        return repository_of(storage, name) / "_manifests/tags/v1/current/link"

    contents("tag-empty").image("tag-empty", "v1")
    tag_of("tag-empty").write_text("")
    expected["tag-empty:v1"] = ("the manifest cannot be read", "the tag's link holds no digest")
    contents("tag-nowhere").image("tag-nowhere", "v1")
    tag_of("tag-nowhere").write_text(f"sha256:{'0' * 64}")
    expected["tag-nowhere:v1"] = ("the manifest is gone (404)", "no link to it")
    contents("tag-unlinked").image("tag-unlinked", "v1")
    tag_of("tag-unlinked").unlink()
    expected["tag-unlinked:v1"] = ("the manifest is gone (404)", "the tag's link is gone")

    revision = contents("revision").image("revision", "v1")
    encoded = revision["digest"].partition(":")[2]
    (repository_of(storage, "revision") / "_manifests/revisions/sha256" / encoded / "link").unlink()
    expected["revision:v1"] = ("the manifest is gone (404)", "no link to it")
    data_of(storage, contents("manifest").image("manifest", "v1")).unlink()
    expected["manifest:v1"] = ("the manifest is gone (404)", "the manifest is gone")
    cut(data_of(storage, contents("cut").image("cut", "v1")))
    expected["cut:v1"] = ("the manifest cannot be read", "does not match its digest")

    index = contents("child").index("child", "v1")
    contents("child").manifest(OCI_INDEX, "v2", manifests=[index])
    data_of(storage, contents("child").image("child-amd64")).unlink()
    expected["child:v1"] = ("the manifest is gone (404); tag v2 too", "the manifest is gone; tag v2 too")

    damage_blobs(registry, expected)
    return expected


def damage_blobs(registry: OpenRegistry, expected: dict[str, tuple[str, str]]) -> None:
    """The ways in which a layer, a configuration or a part of a cache can be lost."""
    for number, form in enumerate(("image", "index", "list")):
        cache = Contents(registry.client, f"cache-{form}")
        cache.cache(form, "buildcache")
        layer = cache.blob(f"cached {number}".encode())
        repository_link(registry, cache, layer).unlink()
        expected[f"cache-{form}:buildcache"] = (f"{layer['digest']}: the blob is gone (404)", "no link to it")
    for name in ("lost-layer", "lost-config"):
        contents = Contents(registry.client, name)
        contents.image(name, "v1")
        lost = contents.blob(f"layer {name}".encode()) if name == "lost-layer" else contents.config(name)
        data_of(registry.storage, lost).unlink()
        expected[f"{name}:v1"] = (f"{lost['digest']}: the blob is gone (404)", "the blob is gone")
    for name, size in (("short", 8), ("zero", 0)):
        contents = Contents(registry.client, name)
        contents.image(name, "v1")
        path = data_of(registry.storage, contents.blob(f"layer {name}".encode()))
        path.write_bytes(path.read_bytes()[:size])
        expected[f"{name}:v1"] = (f"the blob has {size} of {len('layer ' + name)} bytes",) * 2


def repository_link(registry: OpenRegistry, contents: Contents, entry: Entry) -> Path:
    """The link by which a repository has a blob."""
    encoded = str(entry["digest"]).partition(":")[2]
    return repository_of(registry.storage, contents.repository) / "_layers/sha256" / encoded / "link"


def cut(path: Path) -> None:
    """Lose the end of a file, as a full disk does."""
    path.write_bytes(path.read_bytes()[:-10])


def test_changed_content_is_found_by_reading(place: Path) -> None:
    """A blob of the right size and the wrong content: only a sample that is read shows it."""
    with OpenRegistry(place / "registry", registry_config(place)) as registry:
        contents = Contents(registry.client, "app")
        contents.image("flipped", "v1")
        path = data_of(registry.storage, contents.blob(b"layer flipped"))
        path.write_bytes(b"layer flopped")
        for run_it in (walked, read):
            assert found(run_it(place, registry)) == {}
            damage = found(run_it(place, registry, "--sample", "3"))
            assert "the blob's content does not match its digest" in damage["app:v1"]


def test_children_that_a_collection_deleted(place: Path) -> None:
    """`garbage-collect -m` of the real registry takes the images away from every index, and leaves caches whole."""
    require("skopeo")
    config = registry_config(place)
    with OpenRegistry(place / "registry", config) as registry:
        layout = Layout(place / "layout")
        source = layout.tag(layout.index("collected"), "v1")
        options = ["--insecure-policy", "copy", "--all", "--preserve-digests", "--dest-tls-verify=false"]
        run(["skopeo", *options, source, f"docker://{registry.address}/multi:v1"])
        fill(registry.client)
    run(["docker-registry", "garbage-collect", "-m", str(config)], env=registry.env)
    with registry:
        online, offline = walked(place, registry), read(place, registry)
    lost = {"multi:v1": 2, "app:multi": 2, "deep/er/app:v1": 2, "nested:v1": 2}
    for done in (online, offline):
        targets = [target for target, state, _ in done.checks if state == "fail"]
        assert {target: targets.count(target) for target in targets} == lost, done.output
        assert all(
            "which an index lists: the manifest is gone" in message for _, s, message in done.checks if s == "fail"
        )


def test_blobs_that_a_registry_only_remembers(place: Path) -> None:
    """Collected behind a running registry's back, a layer is still there for it, with its size, and without a byte."""
    config = registry_config(place)
    registry = OpenRegistry(place / "registry", config)
    registry.env.update(REMEMBERING)
    with registry:
        contents = Contents(registry.client, "app")
        first = contents.image("phantom", "v1")
        layer = contents.blob(b"layer phantom")
        assert contents.registry.blob_size("app", layer["digest"]) == layer["size"]
        delete_manifest(contents.registry, "app", first["digest"])
        env = {name: value for name, value in registry.env.items() if name not in REMEMBERING}
        run(["docker-registry", "garbage-collect", str(config)], env=env)
        # The next build: the layer is there, says the registry, so only the configuration is pushed.
        contents.manifest(first["mediaType"], "v2", config=contents.config("next"), layers=[layer])
        assert found(walked(place, registry)) == {}
        damage = found(walked(place, registry, "--sample", "100"))
        stored = found(read(place, registry))
    assert damage.keys() == stored.keys() == {"app:v2"}
    assert f"{layer['digest']}: the registry says that it has the blob, and sends 0 of 13 bytes" in damage["app:v2"]
    assert f"{layer['digest']}: the blob is gone" in stored["app:v2"]


def test_more_repositories_than_a_page(place: Path) -> None:
    """All pages of the catalogue are read, and a damage on the last one is found."""
    with OpenRegistry(place / "registry", registry_config(place)) as registry:
        Contents(registry.client, "first").image("paged", "v1")
        for number in range(109):
            shutil.copytree(repository_of(registry.storage, "first"), repository_of(registry.storage, f"n{number:03}"))
        whole = walked(place, registry)
        (repository_of(registry.storage, "n108") / "_manifests/tags/v1/current/link").unlink()
        damage = found(walked(place, registry))
    assert "whole: 110 repositories, 110 tags, 110 manifests, 330 blobs" in whole.checks[0][2]
    assert damage.keys() == {"n108:v1"}


def test_a_directory_that_is_no_storage(place: Path) -> None:
    """It is told what is looked for; nothing has been checked then."""
    done = verify(place, "--integrity", "--storage", ".")
    assert (done.code, done.states) == (3, ["error"])
    assert "give the rootdirectory of a registry" in done.output


def test_reading_storage_needs_the_standard_library_only(place: Path) -> None:
    """On the VM itself there may be nothing else: no library is imported for it, and the same damage is found."""
    with OpenRegistry(place / "registry", registry_config(place)) as registry:
        data_of(registry.storage, Contents(registry.client, "app").image("lost", "v1")).unlink()
    program = f"""
import json, sys
from pathlib import Path
sys.path.insert(0, {str(PROJECT)!r})
from codemods.registry.integrity import Walk
from codemods.registry.storage import Storage
print(json.dumps([damage.reason for damage in Walk(Storage(Path(sys.argv[1]))).damage()]))
foreign = {{name.partition(".")[0] for name in sys.modules}} - sys.stdlib_module_names - {{"codemods", "__main__"}}
print(json.dumps(sorted(foreign)))
"""
    # -I -S: without the packages that are installed.
    command = [sys.executable, "-I", "-S", "-c", program, str(registry.storage)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    reasons, foreign = map(json.loads, done.stdout.splitlines())
    assert reasons == ["the manifest is gone"]
    assert foreign == []
