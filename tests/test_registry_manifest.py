"""What manifests refer to, in all their forms; and those that are none."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codemods.registry.manifest import (
    CACHE_CONFIG,
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    Broken,
    Manifest,
    digest_of,
    parse_manifest,
    verify_digest,
)
from tests.soak import EXAMPLES

LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
FOREIGN = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"


def entry(name: str, media_type: str = LAYER, size: object = 5, **more: object) -> dict[str, object]:
    """A descriptor whose digest is that of a name."""
    return {"mediaType": media_type, "digest": digest_of(name.encode()), "size": size, **more}


def parsed(**content: Any) -> Manifest:
    """A manifest with this content."""
    return parse_manifest(json.dumps(content).encode(), digest_of(b"manifest"))


def names(manifest: Manifest) -> tuple[set[str], set[str]]:
    """The digests of children and blobs."""
    return {child.digest for child in manifest.children}, {blob.digest for blob in manifest.blobs}


def test_an_image_needs_its_configuration_and_layers() -> None:
    """A layer that lies elsewhere is not looked for here."""
    layers = [entry("one"), entry("two"), entry("windows", FOREIGN, urls=["https://example.org"])]
    manifest = parsed(mediaType=DOCKER_MANIFEST, config=entry("config"), layers=layers)
    assert names(manifest) == (set(), {digest_of(name) for name in (b"one", b"two", b"config")})
    assert not manifest.is_cache


def test_an_index_needs_manifests() -> None:
    """Of every kind, and of none that is named."""
    kinds = (OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST, "")
    manifest = parsed(mediaType=OCI_INDEX, manifests=[entry(kind, kind) for kind in kinds])
    assert names(manifest) == ({digest_of(kind.encode()) for kind in kinds}, set())


@pytest.mark.parametrize("media_type", [OCI_INDEX, DOCKER_LIST])
def test_a_cache_in_an_index_needs_blobs(media_type: str) -> None:
    """What an index lists by the type of a layer is a layer."""
    manifest = parsed(mediaType=media_type, manifests=[entry("one"), entry("config", CACHE_CONFIG)])
    assert names(manifest) == (set(), {digest_of(b"one"), digest_of(b"config")})
    assert manifest.is_cache
    assert manifest.media_type == media_type


def test_a_cache_in_a_manifest() -> None:
    """It is told by its configuration."""
    assert parsed(mediaType=OCI_MANIFEST, config=entry("config", CACHE_CONFIG), layers=[entry("one")]).is_cache


def test_other_manifests_need_nothing_that_we_know() -> None:
    """Schema 1 and artifact manifests are left alone."""
    assert names(parsed(schemaVersion=1, fsLayers=[{"blobSum": digest_of(b"x")}])) == (set(), set())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b'"x"',
        b"{",
        b"[" * 100_000,
        b"\xff",
        b'{"manifests": {}}',
        b'{"manifests": [{"digest": "sha256:00", "size": 1}]}',
        json.dumps({"manifests": [entry("x", OCI_MANIFEST, size=-1)]}).encode(),
        json.dumps({"manifests": [entry("x", OCI_MANIFEST, size=True)]}).encode(),
        json.dumps({"config": {"digest": "sha256:../../../etc/passwd", "size": 1}}).encode(),
        json.dumps({"config": entry("x"), "layers": "none"}).encode(),
    ],
)
def test_what_is_no_manifest_is_broken(content: bytes) -> None:
    """One line says what is wrong with it."""
    with pytest.raises(Broken) as error:
        parse_manifest(content, digest_of(content))
    assert str(error.value).startswith("the manifest ")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from([entry("x"), entry("y", OCI_INDEX)]),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.sampled_from(["manifests", "layers", "config", "mediaType", "digest", "size"]), inner)
    ),
)


@settings(max_examples=EXAMPLES, deadline=None)
@given(content=JSON)
def test_any_json_is_a_manifest_or_broken(content: object) -> None:
    """And every digest of a manifest may become part of a path."""
    data = json.dumps(content).encode()
    try:
        manifest = parse_manifest(data, digest_of(data))
    except Broken:
        return
    for needed in (*manifest.children, *manifest.blobs):
        assert needed.digest in (digest_of(b"x"), digest_of(b"y"))


def test_digests() -> None:
    """sha512 counts, too; one changed byte is noticed."""
    verify_digest(b"x", digest_of(b"x"))
    verify_digest(
        b"",
        "sha512:cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"
        "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e",
    )
    with pytest.raises(Broken, match="does not match"):
        verify_digest(b"y", digest_of(b"x"))
