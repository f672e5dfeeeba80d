"""A registry's storage directory, read as the registry reads it, without one. Standard library only (facts 16).

What a link does not lead to does not exist for the registry, even where the content still lies among the blobs.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from codemods.errors import CodemodError
from codemods.registry.manifest import (
    LARGEST,
    Broken,
    Descriptor,
    Manifest,
    is_digest,
    parse_manifest,
    verify_digest,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PIECE = 1024 * 1024
_LINK_SIZE = 200
_MANIFEST_LINKS = ("_manifests/revisions", "_layers")
"""Where a manifest may be linked: old registries put it among the layers, and it is still looked for there."""


class Storage:
    """The storage below `directory`, a registry's `rootdirectory`. Raises CodemodError when it is none.

    Methods raise Broken, and CodemodError for a file that may not be read.
    """

    def __init__(self, directory: Path) -> None:
        self.root = directory / "docker" / "registry" / "v2"
        self.name = str(directory)
        if not _is_directory(self.root / "repositories"):
            raise CodemodError(
                f"{directory}: there is no docker/registry/v2/repositories in it: give the rootdirectory of a registry "
                "that has taken a push"
            )

    def repositories(self) -> Iterator[str]:
        """All repositories, in their order."""
        return self._below(self.root / "repositories", "")

    def _below(self, directory: Path, prefix: str) -> Iterator[str]:
        for name in _listed(directory):
            if name.startswith("_") or not _is_directory(directory / name):
                continue
            if _is_directory(directory / name / "_manifests"):
                yield prefix + name
            yield from self._below(directory / name, f"{prefix}{name}/")

    def tags(self, repository: str) -> list[str]:
        """The tags of a repository, in their order."""
        return _listed(self.root / "repositories" / repository / "_manifests" / "tags")

    def manifest(self, repository: str, reference: str) -> Manifest:
        """A manifest by tag or digest, its digest checked."""
        digest = reference if is_digest(reference) else self._digest_of_tag(repository, reference)
        if not any(self._is_linked(repository, place, digest) for place in _MANIFEST_LINKS):
            raise Broken("the manifest is gone: the repository has no link to it")
        path = self._data(digest)
        if _size(path, "the manifest") > LARGEST:
            raise Broken(f"the manifest is larger than {LARGEST} bytes")
        data = _read(path, "the manifest")
        verify_digest(data, digest)
        return parse_manifest(data, digest)

    def _digest_of_tag(self, repository: str, tag: str) -> str:
        link = self.root / "repositories" / repository / "_manifests" / "tags" / tag / "current" / "link"
        digest = _read(link, "the tag's link", _LINK_SIZE).decode(errors="replace").strip()
        if not is_digest(digest):
            raise Broken("the tag's link holds no digest")
        return digest

    def blob_size(self, repository: str, digest: str) -> int:
        """The size of a blob in bytes."""
        if not self._is_linked(repository, "_layers", digest):
            raise Broken("the blob is gone: the repository has no link to it")
        return _size(self._data(digest), "the blob")

    def read_blob(self, repository: str, blob: Descriptor) -> None:
        """Read a whole blob and compare it with its digest."""
        algorithm, _, expected = blob.digest.partition(":")
        hashed = hashlib.new(algorithm)
        try:
            with self._data(blob.digest).open("rb") as file:
                while piece := file.read(_PIECE):
                    hashed.update(piece)
        except OSError as error:
            raise _failed(error, "the blob") from None
        if hashed.hexdigest() != expected:
            raise Broken("the blob's content does not match its digest")

    def _is_linked(self, repository: str, place: str, digest: str) -> bool:
        algorithm, _, encoded = digest.partition(":")
        link = self.root / "repositories" / repository / place / algorithm / encoded / "link"
        try:
            return _read(link, "the link", _LINK_SIZE).decode(errors="replace").strip() == digest
        except Broken:
            return False

    def _data(self, digest: str) -> Path:
        algorithm, _, encoded = digest.partition(":")
        return self.root / "blobs" / algorithm / encoded[:2] / encoded / "data"


def _is_directory(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError as error:
        raise CodemodError(f"{path}: {error.strerror}") from None


def _listed(directory: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in directory.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise CodemodError(f"{directory}: {error.strerror}") from None


def _size(path: Path, what: str) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise _failed(error, what) from None


def _read(path: Path, what: str, limit: int = LARGEST) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(limit)
    except OSError as error:
        raise _failed(error, what) from None


def _failed(error: OSError, what: str) -> CodemodError:
    if isinstance(error, FileNotFoundError | NotADirectoryError | IsADirectoryError):
        return Broken(f"{what} is gone")
    return CodemodError(f"{error.filename}: {error.strerror}")
