"""Small images in the OCI layout that skopeo reads, written by hand so that every digest is known."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import random
import tarfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


@dataclass
class Layout:
    """An OCI image layout in `directory`, which need not exist yet."""

    directory: Path
    tags: list[dict[str, Any]] = field(default_factory=list)

    def blob(self, data: bytes, media_type: str) -> dict[str, Any]:
        """Store bytes and return their descriptor."""
        digest = hashlib.sha256(data).hexdigest()
        blobs = self.directory / "blobs" / "sha256"
        blobs.mkdir(parents=True, exist_ok=True)
        (blobs / digest).write_bytes(data)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}

    def document(self, content: dict[str, Any], media_type: str) -> dict[str, Any]:
        """Store a JSON document and return its descriptor."""
        return self.blob(json.dumps(content).encode(), media_type)

    def image(self, seed: str, architecture: str = "amd64", size: int = 1024) -> dict[str, Any]:
        """Store an image with one layer of `size` bytes that do not compress, and return its manifest's descriptor."""
        content = random.Random(seed).randbytes(size)
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            entry = tarfile.TarInfo("data")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
        diff = f"sha256:{hashlib.sha256(archive.getvalue()).hexdigest()}"
        rootfs = {"type": "layers", "diff_ids": [diff]}
        config = self.document({"architecture": architecture, "os": "linux", "rootfs": rootfs}, CONFIG)
        layer = self.blob(gzip.compress(archive.getvalue(), mtime=0), LAYER)
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]}
        return self.document(manifest, MANIFEST)

    def index(self, seed: str, architectures: tuple[str, ...] = ("amd64", "arm64")) -> dict[str, Any]:
        """Store an index of one image for each architecture, and return its descriptor."""
        children = [
            {**self.image(f"{seed}-{name}", name), "platform": {"architecture": name, "os": "linux"}}
            for name in architectures
        ]
        return self.document({"schemaVersion": 2, "mediaType": INDEX, "manifests": children}, INDEX)

    def tag(self, descriptor: dict[str, Any], name: str) -> str:
        """Name what a descriptor describes; returns skopeo's reference to it."""
        self.tags.append({**descriptor, "annotations": {"org.opencontainers.image.ref.name": name}})
        (self.directory / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        (self.directory / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": self.tags}))
        return f"oci:{self.directory}:{name}"
