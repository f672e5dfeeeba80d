"""Manifests as registries keep them: what each refers to, by its shape. Standard library only.

An index lists manifests; BuildKit's cache in its index form lists layers there instead, and so does its docker form
(facts 25). What a descriptor names is therefore told by its media type.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any

from codemods.errors import CodemodError

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
MANIFEST_TYPES = (OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST)
CACHE_CONFIG = "application/vnd.buildkit.cacheconfig.v0"
LARGEST = 4 * 1024 * 1024
"""Bytes of a manifest; registries take no larger one."""

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
_ELSEWHERE = re.compile(r"foreign|nondistributable")


class Broken(CodemodError):
    """Something of a registry that is named and not there, or there and not whole."""


@dataclass(frozen=True, slots=True)
class Descriptor:
    """What a manifest says of something it refers to; `size` in bytes."""

    digest: str
    size: int
    media_type: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """One manifest: `children` are manifests of its repository, `blobs` configurations and layers.

    `config` is the blob that describes it: an image's configuration, a cache's records. A manifest of a shape that is
    not known has neither children nor blobs.
    """

    digest: str
    size: int
    media_type: str
    children: tuple[Descriptor, ...] = ()
    blobs: tuple[Descriptor, ...] = ()
    config: Descriptor | None = None

    @property
    def is_cache(self) -> bool:
        """Whether it is a build cache in one of its three forms."""
        return self.config is not None and self.config.media_type == CACHE_CONFIG


def digest_of(data: bytes) -> str:
    """The sha256 digest of bytes."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def is_digest(text: str) -> bool:
    """Whether a text is a digest, in the exact form in which it may become part of a URL or a path."""
    return _DIGEST.fullmatch(text) is not None


def verify_digest(data: bytes, digest: str) -> None:
    """Raise Broken when `data` is not what `digest` names."""
    if hashlib.new(digest.partition(":")[0], data).hexdigest() != digest.partition(":")[2]:
        raise Broken(f"the content does not match its digest ({len(data)} bytes)")


def parse_manifest(data: bytes, digest: str, content_type: str = "") -> Manifest:
    """Read a manifest. Raises Broken for what no registry should have taken."""
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        raise Broken("the manifest is no JSON") from None
    if not isinstance(content, dict):
        raise Broken("the manifest is no JSON object")
    listed = _descriptors(content, "manifests")
    children = tuple(found for found in listed if found.media_type in ("", *MANIFEST_TYPES))
    config = _descriptor(content["config"]) if isinstance(content.get("config"), dict) else None
    blobs = [found for found in listed if found not in children]
    # Schema 1, and the artifact manifest that OCI gave up, are told by what they do not have.
    layers = [config, *_descriptors(content, "layers")] if config else []
    config = config or next((found for found in blobs if found.media_type == CACHE_CONFIG), None)
    return Manifest(
        digest,
        len(data),
        _text(content.get("mediaType")) or content_type or (OCI_INDEX if "manifests" in content else OCI_MANIFEST),
        children,
        tuple(found for found in (*blobs, *layers) if not _ELSEWHERE.search(found.media_type)),
        config,
    )


def _descriptors(content: dict[str, Any], key: str) -> list[Descriptor]:
    listed = content.get(key)
    if listed is None:  # Go writes an empty list so
        return []
    if not isinstance(listed, list):
        raise Broken(f"the manifest has {key} that are no list")
    return [_descriptor(item) for item in listed]


def _descriptor(item: object) -> Descriptor:
    entry = item if isinstance(item, dict) else {}
    digest, size = _text(entry.get("digest")), entry.get("size")
    if not is_digest(digest) or type(size) is not int or size < 0:
        raise Broken("the manifest has a reference without a digest or a size")
    return Descriptor(digest, size, _text(entry.get("mediaType")))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
