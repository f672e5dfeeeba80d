"""The proof that pushes and pulls work: a small image under a tag of its own, read back, replaced, and removed.

It does what clients do, in their order, because each step is where another mistake shows: asks for the tag before
the push (a cache keeps that 404), uploads more than nginx takes by default, reads back, pushes again under the same
tag (a cache keeps the old digest), and reads without a login where one is needed (a cache gives away what it has).
Evidence: facts 17-19, 22.
"""

from __future__ import annotations

import io
import json
import secrets
import tarfile
from dataclasses import dataclass, field

from codemods.errors import CodemodError
from codemods.registry.answers import RegistryError
from codemods.registry.client import RegistryClient
from codemods.registry.manifest import OCI_MANIFEST, Descriptor, digest_of
from codemods.registry.uploads import (
    delete_manifest,
    put_manifest,
    require_large_uploads,
    upload_blob,
    upload_blob_in_chunks,
)

REPOSITORY = "codemod-verify"
LAYER_SIZE = 1_200_000
"""Bytes of the layer: above the 1 MiB that nginx takes where nobody says otherwise (facts 19)."""

_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar"
_CACHE = "a cache in front of the registry"
_ADVICE = "nginx must not cache /v2/"


class PushFailed(CodemodError):
    """The registry took a push, and what it gives back is something else."""


@dataclass
class Trial:
    """One trial over `registry`; `anonymous` reaches the same place without a login.

    The repository always has the same name, as a registry never forgets one; the tag is of this run alone.
    """

    registry: RegistryClient
    anonymous: RegistryClient
    tag: str = field(default_factory=lambda: f"run-{secrets.token_hex(8)}")
    pushed: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """What is pushed, as `repository:tag`."""
        return f"{REPOSITORY}:{self.tag}"

    def run(self) -> str:
        """Push, read back, replace and remove; returns what was done. Raises CodemodError with the reason."""
        try:
            self._push_and_read()
        except BaseException:
            self._clean_up()
            raise
        return self._remove()

    def _push_and_read(self) -> None:
        if self.registry.digest(REPOSITORY, self.tag) is not None:
            raise PushFailed(f"{self.name} is there before it is pushed")
        layer = _layer()
        self._push(layer, "first", in_chunks=True)
        self._read_back(f"the tag is not there after its push: {_CACHE} still answers from before it; {_ADVICE}")
        self._read_blob(layer)
        require_large_uploads(self.registry, REPOSITORY)
        self._push(layer, "second", in_chunks=False)
        self._read_back(f"the tag is not there after its second push; {_ADVICE}")
        if self.registry.credentials and _gives(self.anonymous, self.tag):
            raise PushFailed(f"the image is given without a login: {_CACHE} has it; {_ADVICE}")

    def _push(self, layer: bytes, comment: str, *, in_chunks: bool) -> None:
        upload = upload_blob_in_chunks if in_chunks else upload_blob
        config = _config(layer, comment)
        for data in (layer, config):
            upload(self.registry, REPOSITORY, data)
        manifest = _manifest(config, layer)
        put_manifest(self.registry, REPOSITORY, self.tag, manifest, OCI_MANIFEST)
        self.pushed.append(digest_of(manifest))

    def _read_back(self, when_missing: str) -> None:
        """Compare what the tag gives with what was pushed last, by HEAD and by GET."""
        *before, expected = self.pushed
        if self.registry.digest(REPOSITORY, self.tag) is None:
            raise PushFailed(when_missing)
        for found in (
            self.registry.digest(REPOSITORY, self.tag),
            self.registry.manifest(REPOSITORY, self.tag).digest,
        ):
            if found in before:
                raise PushFailed(f"the tag still gives what was pushed before: {_CACHE}; {_ADVICE}")
            if found != expected:
                raise PushFailed(f"pushed {expected}, and the tag gives {found}")

    def _read_blob(self, data: bytes) -> None:
        blob = Descriptor(digest_of(data), len(data), _LAYER)
        size = self.registry.blob_size(REPOSITORY, blob.digest)
        if size not in (None, blob.size):
            raise PushFailed(f"pushed a layer of {blob.size} bytes, and the registry has {size}")
        self.registry.read_blob(REPOSITORY, blob)

    def _remove(self) -> str:
        if not all(delete_manifest(self.registry, REPOSITORY, digest) for digest in self.pushed):
            return f"pushed, read back and replaced; deletion is off, so {self.name} stays there"
        if self.registry.digest(REPOSITORY, self.tag) is not None:
            raise PushFailed(f"{self.name} was deleted and is still given: {_CACHE}; {_ADVICE}")
        return "pushed, read back, replaced and removed"

    def _clean_up(self) -> None:
        """Remove what was pushed, as far as that still works: the error that led here is the one to show."""
        for digest in self.pushed:
            try:
                delete_manifest(self.registry, REPOSITORY, digest)
            except CodemodError:
                return


def _gives(anonymous: RegistryClient, tag: str) -> bool:
    try:
        return anonymous.digest(REPOSITORY, tag) is not None
    except RegistryError as error:
        if error.status in (401, 403):
            return False
        raise


def _layer() -> bytes:
    """An archive with one file that nobody has seen before."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        entry = tarfile.TarInfo("data")
        entry.size = LAYER_SIZE
        tar.addfile(entry, io.BytesIO(secrets.token_bytes(LAYER_SIZE)))
    return archive.getvalue()


def _config(layer: bytes, comment: str) -> bytes:
    history = [{"created_by": "codemod verify", "comment": comment}]
    rootfs = {"type": "layers", "diff_ids": [digest_of(layer)]}
    return json.dumps({"architecture": "amd64", "os": "linux", "rootfs": rootfs, "history": history}).encode()


def _manifest(config: bytes, layer: bytes) -> bytes:
    def descriptor(data: bytes, media_type: str) -> dict[str, object]:
        return {"mediaType": media_type, "digest": digest_of(data), "size": len(data)}

    layers = [descriptor(layer, _LAYER)]
    content = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": descriptor(config, _CONFIG), "layers": layers}
    return json.dumps(content).encode()
