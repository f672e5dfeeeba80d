"""A client of the Distribution HTTP API v2: catalogue, tags, manifests and blobs of one registry.

No page, upload or token is followed to another server with credentials, and nothing that a registry answers becomes
part of a URL before it has been checked. Source: facts 9, 15-19, 25.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from typing import TYPE_CHECKING, Any, Self

from codemods.errors import CodemodError
from codemods.http import RETRIES, Client
from codemods.registry.answers import RegistryError, address_of, reason_of
from codemods.registry.auth import Authorization
from codemods.registry.manifest import (
    LARGEST,
    MANIFEST_TYPES,
    Broken,
    Descriptor,
    Manifest,
    digest_of,
    is_digest,
    parse_manifest,
    verify_digest,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    import httpx

    from codemods.credentials import Credentials

VERSION_HEADER = "Docker-Distribution-Api-Version"
_ACCEPT = {"Accept": ", ".join(MANIFEST_TYPES)}
_NEXT = re.compile(r"<([^>]*)>\s*;\s*rel=\"?next\"?")
_REPOSITORY = re.compile(r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_BUSY = (429, 502, 503)
LONGEST_WAIT = 5.0
"""Seconds that a registry may ask us to wait before another try; when it asks for more there is none."""

# Of a 500 the registry itself is the author: it met something in its storage that it cannot read.
_BROKEN = (404, 500)
# A blob on a storage service: it is read there, without our login.
_ELSEWHERE = (302, 303, 307)


class RegistryClient:
    """One registry over `client`, which it closes; credentials are sent to it alone, once it asks for them.

    It may be used by several threads. Methods raise Unreachable and RegistryError; Broken where they say so.
    """

    def __init__(self, client: Client, credentials: Credentials | None = None) -> None:
        self.client = client
        self.credentials = credentials
        self.authorization = Authorization(client, credentials)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.client.close()

    @property
    def name(self) -> str:
        """The registry's origin."""
        return self.client.origin

    def send(
        self, method: str, path: str, *, scope: str = "", headers: dict[str, str] | None = None, **body: Any
    ) -> httpx.Response:
        """One request, with the login that the registry asks for, if there is one. Raises Unreachable."""
        fields = {"Accept-Encoding": "identity", **(headers or {})}
        given = self.authorization.headers(scope)
        answer = self._patiently(method, path, {**fields, **given}, body)
        challenge = answer.headers.get("WWW-Authenticate", "")
        if answer.status_code != 401 or not self.authorization.learn(challenge, scope, given):
            return answer
        return self._patiently(method, path, {**fields, **self.authorization.headers(scope)}, body)

    def _patiently(self, method: str, path: str, headers: dict[str, str], body: dict[str, Any]) -> httpx.Response:
        """Ask again for what can be asked twice, when the registry is busy or just starts."""
        answer = self.client.request(method, path, headers=headers, **body)
        for _ in range(RETRIES if method in ("GET", "HEAD") else 0):
            if answer.status_code not in _BUSY:
                break
            wanted = answer.headers.get("Retry-After", "")
            wait = float(wanted) if wanted.isdecimal() else 0.3
            if wait > LONGEST_WAIT:
                break
            time.sleep(wait)
            answer = self.client.request(method, path, headers=headers, **body)
        return answer

    def version(self) -> httpx.Response:
        """The answer to GET /v2/, with the login if there is one."""
        return self.send("GET", "/v2/")

    def repositories(self) -> Iterator[str]:
        """The names of all repositories that the registry lists, page by page."""
        # Without `n`: each registry has a largest number of its own (facts 9).
        for page in self._pages("/v2/_catalog", "registry:catalog:*"):
            yield from _names(page, "repositories", _REPOSITORY)

    def tags(self, repository: str) -> list[str]:
        """The tags of a repository; none when the registry does not know it."""
        found: list[str] = []
        for page in self._pages(_path(repository, "tags", "list"), _pull(repository)):
            found += _names(page, "tags", _TAG)
        return found

    def has_repository(self, repository: str) -> bool:
        """Whether the registry knows a repository."""
        answer = self.send("GET", _path(repository, "tags", "list"), scope=_pull(repository))
        if answer.status_code not in (200, 404):
            raise RegistryError(f"{self.name}/{repository}", answer)
        return answer.status_code == 200

    def _pages(self, path: str, scope: str) -> Iterator[dict[str, Any]]:
        seen = set()
        while path and path not in seen:
            seen.add(path)
            answer = self.send("GET", path, scope=scope)
            if answer.status_code == 404 and path.endswith("/tags/list"):
                return
            yield _document(f"{self.name}{path.partition('?')[0]}", answer)
            path = self._next(path, answer)

    def _next(self, path: str, answer: httpx.Response) -> str:
        """Path and query of the page that an answer names as the next one; empty when there is none."""
        link = _NEXT.search(answer.headers.get("Link", ""))
        if not link:
            return ""
        origin, following = address_of(self.name + path, link[1])
        if origin != self.name:
            raise CodemodError(f"{self.name}: its next page is at {origin or 'no address'}, which is not followed")
        return following

    def digest(self, repository: str, reference: str) -> str | None:
        """The digest that a tag stands for; None when there is no such tag."""
        answer = self.send("HEAD", _path(repository, "manifests", reference), scope=_pull(repository), headers=_ACCEPT)
        if answer.status_code == 404:
            return None
        if answer.status_code != 200:
            raise RegistryError(f"{self.name}/{repository}:{reference}", answer)
        found: str = answer.headers.get("Docker-Content-Digest", "")
        return found if is_digest(found) else self.manifest(repository, reference).digest

    def manifest(self, repository: str, reference: str) -> Manifest:
        """The manifest of a tag or a digest, its digest checked. Raises Broken when it is not there or not whole."""
        answer = self.send("GET", _path(repository, "manifests", reference), scope=_pull(repository), headers=_ACCEPT)
        if answer.status_code in _BROKEN:
            raise Broken(_not_there(answer, "the manifest"))
        if answer.status_code != 200:
            raise RegistryError(f"{self.name}/{repository}, manifest {reference}", answer)
        data = answer.content
        if len(data) > LARGEST:
            raise Broken(f"the manifest is larger than {LARGEST} bytes")
        digest = answer.headers.get("Docker-Content-Digest", "")
        digest = reference if is_digest(reference) else digest if is_digest(digest) else digest_of(data)
        verify_digest(data, digest)
        return parse_manifest(data, digest, answer.headers.get("Content-Type", ""))

    def blob_size(self, repository: str, digest: str) -> int | None:
        """The bytes that the registry says a blob has; None when it does not say. Raises Broken."""
        answer = self.send("HEAD", _path(repository, "blobs", digest), scope=_pull(repository))
        if answer.status_code in _BROKEN:
            raise Broken(_not_there(answer, "the blob"))
        if answer.status_code in _ELSEWHERE:
            return None
        if answer.status_code != 200:
            raise RegistryError(f"{self.name}/{repository}, blob {digest}", answer)
        length = answer.headers.get("Content-Length", "")
        return int(length) if length.isdecimal() else None

    def read_blob(self, repository: str, blob: Descriptor) -> None:
        """Read a blob to its end, a piece at a time. Raises Broken when it is not what its digest names."""
        self.blob_size(repository, blob.digest)  # with a login that is not too old
        path, scope = _path(repository, "blobs", blob.digest), _pull(repository)
        headers = {"Accept-Encoding": "identity", **self.authorization.headers(scope)}
        with self.client.stream("GET", path, headers=headers) as answer:
            if answer.status_code not in _ELSEWHERE:
                _read(answer, blob)
                return
            origin, there = address_of(self.name + path, answer.headers.get("Location", ""))
        if not origin:
            raise Broken("the blob cannot be read: it is said to lie elsewhere, at no address")
        with Client(origin) as storage, storage.stream("GET", there) as answer:
            _read(answer, blob)

    def blob(self, repository: str, blob: Descriptor) -> bytes:
        """A small blob. Raises Broken."""
        answer = self.send("GET", _path(repository, "blobs", blob.digest), scope=_pull(repository))
        if answer.status_code != 200:
            raise Broken(_not_there(answer, "the blob"))
        verify_digest(answer.content, blob.digest)
        return answer.content


def _path(repository: str, part: str, reference: str) -> str:
    """The path of a part of a repository. Raises CodemodError for names, from pipelines, that are none."""
    if not _REPOSITORY.fullmatch(repository):
        raise CodemodError(f"{repository} is no name of a repository")
    if not _TAG.fullmatch(reference) and not is_digest(reference):
        raise CodemodError(f"{reference} is no tag")
    return f"/v2/{repository}/{part}/{reference}"


def _pull(repository: str) -> str:
    return f"repository:{repository}:pull"


def _read(answer: httpx.Response, blob: Descriptor) -> None:
    """Read an answer to its end and compare it with what a blob should be. Raises Broken."""
    import httpx

    if answer.status_code != 200:
        answer.read()
        raise Broken(_not_there(answer, "the blob"))
    hashed, size = hashlib.new(blob.digest.partition(":")[0]), 0
    try:
        for piece in answer.iter_bytes():
            hashed.update(piece)
            size += len(piece)
    except httpx.RemoteProtocolError:
        pass  # it promised more than it sent
    if size != blob.size:
        advice = "" if size else "; restart it after every collection, and push again"
        raise Broken(f"the registry says that it has the blob, and sends {size} of {blob.size} bytes{advice}")
    if hashed.hexdigest() != blob.digest.partition(":")[2]:
        raise Broken("the blob's content does not match its digest")


def _not_there(answer: httpx.Response, what: str) -> str:
    if answer.status_code == 404:
        return f"{what} is gone (404)"
    return f"{what} cannot be read: {reason_of(answer)}"


def _document(what: str, answer: httpx.Response) -> dict[str, Any]:
    if answer.status_code != 200:
        raise RegistryError(what, answer)
    try:
        content = json.loads(answer.content)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise CodemodError(f"{what}: the answer is no registry's")
    return content


def _names(page: dict[str, Any], key: str, pattern: re.Pattern[str]) -> list[str]:
    names = page.get(key) or []
    if not isinstance(names, list) or not all(isinstance(name, str) and pattern.fullmatch(name) for name in names):
        raise CodemodError(f"a registry lists {key} whose names no registry takes")
    return names
