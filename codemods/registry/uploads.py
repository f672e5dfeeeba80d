"""Pushes: blobs in the two ways in which clients upload them, manifests, and their removal.

The registry answers an upload's first request with the address for the next one, made from the Host that reaches it.
A proxy that passes on another Host breaks every push there (facts 17, 18): such an address is never followed, and
the error says what is wrong with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from uuid import uuid4

from codemods.errors import CodemodError
from codemods.registry.answers import RegistryError, address_of
from codemods.registry.manifest import digest_of
from codemods.registry.words import in_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from codemods.registry.client import RegistryClient

_PIECE = 64 * 1024
LARGE = 1024**3
"""Bytes of a layer that every registry for builds must take."""


class LostAddress(CodemodError):
    """An address for uploads that does not lead back to the registry's public one."""


def upload_blob(registry: RegistryClient, repository: str, data: bytes) -> None:
    """Push a blob as BuildKit does: its whole content with the last request. Raises CodemodError."""
    path = _finish(_begin(registry, repository), digest_of(data))
    answer = registry.send("PUT", path, scope=_push(repository), content=data)
    _expect(answer, 201, f"{registry.name}, upload of a blob of {len(data)} bytes")


def upload_blob_in_chunks(registry: RegistryClient, repository: str, data: bytes) -> None:
    """Push a blob as Docker and skopeo do: streamed, then confirmed. Raises CodemodError."""
    path = _begin(registry, repository)
    headers = {"Content-Type": "application/octet-stream"}
    answer = registry.send("PATCH", path, scope=_push(repository), headers=headers, content=_pieces(data))
    _expect(answer, 202, f"{registry.name}, upload of a blob of {len(data)} bytes")
    path = _finish(_location(registry, path, answer), digest_of(data))
    answer = registry.send("PUT", path, scope=_push(repository))
    _expect(answer, 201, f"{registry.name}, end of an upload")


def require_large_uploads(registry: RegistryClient, repository: str) -> None:
    """Ask with the head of an upload alone whether a large layer would be taken. Raises CodemodError."""
    # The upload was never begun: a proxy looks at the size first, and the registry keeps nothing of it.
    path = f"/v2/{repository}/blobs/uploads/{uuid4()}"
    headers = {"Content-Type": "application/octet-stream", **registry.authorization.headers(_push(repository))}
    if registry.client.would_take("PATCH", path, LARGE, headers) == 413:
        raise CodemodError(
            f"{registry.name}: small layers are taken, and one of {in_bytes(LARGE)} is not: "
            "set `client_max_body_size 0` in nginx (413)"
        )


def put_manifest(registry: RegistryClient, repository: str, tag: str, data: bytes, media_type: str) -> None:
    """Push a manifest under a tag. Raises CodemodError."""
    path, headers = f"/v2/{repository}/manifests/{tag}", {"Content-Type": media_type}
    answer = registry.send("PUT", path, scope=_push(repository), headers=headers, content=data)
    _expect(answer, 201, f"{registry.name}, push of a manifest")


def delete_manifest(registry: RegistryClient, repository: str, digest: str) -> bool:
    """Delete a manifest and the tags on it; False when the registry does not delete. Raises CodemodError."""
    answer = registry.send("DELETE", f"/v2/{repository}/manifests/{digest}", scope=f"repository:{repository}:delete")
    if answer.status_code == 405:
        return False
    _expect(answer, 202, f"{registry.name}, deletion of a manifest")
    return True


def _push(repository: str) -> str:
    return f"repository:{repository}:pull,push"


def _begin(registry: RegistryClient, repository: str) -> str:
    path = f"/v2/{repository}/blobs/uploads/"
    answer = registry.send("POST", path, scope=_push(repository))
    _expect(answer, 202, f"{registry.name}, begin of an upload")
    return _location(registry, path, answer)


def _pieces(data: bytes) -> Iterator[bytes]:
    return (data[start : start + _PIECE] for start in range(0, len(data), _PIECE))


def _finish(path: str, digest: str) -> str:
    return f"{path}{'&' if '?' in path else '?'}digest={digest}"


def _expect(answer: httpx.Response, status: int, what: str) -> None:
    if answer.status_code != status:
        raise RegistryError(what, answer)


def _location(registry: RegistryClient, path: str, answer: httpx.Response) -> str:
    address = answer.headers.get("Location", "")
    if not address:
        raise LostAddress(f"{registry.name} begins an upload and does not say where it goes on")
    origin, there = address_of(registry.name + path, address)
    if origin != registry.name:
        raise LostAddress(_what_is_lost(registry.name, origin or "no address"))
    return there


def _what_is_lost(ours: str, theirs: str) -> str:
    begin = f"uploads are sent to {theirs} in place of {ours}, so that no push works"
    here, there = urlsplit(ours), urlsplit(theirs)
    if here.hostname == there.hostname and here.scheme == there.scheme:
        return f"{begin}: the port is lost; nginx must pass `proxy_set_header Host $http_host`"
    if here.hostname == there.hostname:
        return f"{begin}: nginx must pass `proxy_set_header X-Forwarded-Proto $scheme`"
    return f"{begin}: nginx must pass `proxy_set_header Host $http_host`, or `http.host` of the registry is wrong"
