"""Images, indexes and build caches pushed to a registry, each digest known; and their places in its storage."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from codemods.registry.manifest import (
    CACHE_CONFIG,
    DOCKER_LIST,
    OCI_INDEX,
    OCI_MANIFEST,
    digest_of,
)
from codemods.registry.uploads import put_manifest, upload_blob

if TYPE_CHECKING:
    from pathlib import Path

    from codemods.registry.client import RegistryClient

CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
Entry = dict[str, Any]


class Contents:
    """Pushes to one repository of a registry."""

    def __init__(self, registry: RegistryClient, repository: str) -> None:
        self.registry = registry
        self.repository = repository

    def blob(self, data: bytes, media_type: str = LAYER) -> Entry:
        """Push a blob; returns its descriptor."""
        upload_blob(self.registry, self.repository, data)
        return {"mediaType": media_type, "digest": digest_of(data), "size": len(data)}

    def manifest(self, media_type: str, tag: str, **parts: Any) -> Entry:
        """Push a manifest under a tag, or without one; returns its descriptor."""
        data = json.dumps({"schemaVersion": 2, "mediaType": media_type, **parts}).encode()
        digest = digest_of(data)
        put_manifest(self.registry, self.repository, tag or digest, data, media_type)
        return {"mediaType": media_type, "digest": digest, "size": len(data)}

    def image(self, seed: str, tag: str = "", **config: Any) -> Entry:
        """Push an image of two layers, one of which all images have."""
        layers = [self.blob(b"the base of all images"), self.blob(f"layer {seed}".encode())]
        return self.manifest(OCI_MANIFEST, tag, config=self.config(seed, **config), layers=layers)

    def config(self, seed: str, **more: Any) -> Entry:
        """Push the configuration of an image."""
        return self.blob(json.dumps({"os": "linux", "architecture": seed, **more}).encode(), CONFIG)

    def index(self, seed: str, tag: str = "") -> Entry:
        """Push an index of two images."""
        return self.manifest(OCI_INDEX, tag, manifests=[self.image(f"{seed}-{one}") for one in ("amd64", "arm64")])

    def cache(self, form: str, tag: str, made: str = "0001-01-01T00:00:00Z") -> Entry:
        """Push a build cache in one of BuildKit's three forms: `image`, `index` or `list`."""
        layers = [self.blob(f"cached {number}".encode()) for number in range(3)]
        records = [{"digest": layer["digest"], "layers": [{"layer": 0, "createdAt": made}]} for layer in layers]
        content = {"layers": [{"blob": layer["digest"]} for layer in layers], "records": records}
        config = self.blob(json.dumps(content).encode(), CACHE_CONFIG)
        if form == "image":
            return self.manifest(OCI_MANIFEST, tag, config=config, layers=layers)
        return self.manifest(OCI_INDEX if form == "index" else DOCKER_LIST, tag, manifests=[*layers, config])


def data_of(storage: Path, entry: Entry) -> Path:
    """Where a registry's storage keeps the content that a descriptor names."""
    encoded = str(entry["digest"]).partition(":")[2]
    return storage / "docker/registry/v2/blobs/sha256" / encoded[:2] / encoded / "data"


def repository_of(storage: Path, repository: str) -> Path:
    """Where a registry's storage keeps a repository's links."""
    return storage / "docker/registry/v2/repositories" / repository
