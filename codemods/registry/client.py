"""A client of the Distribution HTTP API v2: catalogue, tags, manifests and blobs of one registry.

No page, upload or token is followed to another server with credentials, and nothing that a registry answers becomes
part of a URL before it has been checked. Source: facts 9, 15-19, 25.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urljoin, urlsplit

from codemods.credentials import origin_of
from codemods.errors import CodemodError
from codemods.registry.answers import RegistryError, reason_of
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
    from codemods.http import Client

VERSION_HEADER = "Docker-Distribution-Api-Version"
_ACCEPT = {"Accept": ", ".join(MANIFEST_TYPES)}
_NEXT = re.compile(r"<([^>]*)>\s*;\s*rel=\"?next\"?")
_REPOSITORY = re.compile(r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
# Of a 500 the registry itself is the author: it met something in its storage that it cannot read.
_BROKEN = (404, 500)


class RegistryClient:
    """One registry over `client`, which it closes; credentials are sent to it alone, once it asks for them.

    It may be used by several threads. Methods raise Unreachable and RegistryError; Broken where they say so.
    """

    def __init__(self, client: Client, credentials: Credentials | None = None) -> None:
        self.client = client
        self.credentials = credentials
        self._authorization = Authorization(client, credentials)

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
        given = self._authorization.headers(scope)
        answer = self.client.request(method, path, headers={**fields, **given}, **body)
        if answer.status_code != 401 or not self._authorization.learn(
            answer.headers.get("WWW-Authenticate", ""), scope
        ):
            return answer
        return self.client.request(method, path, headers={**fields, **self._authorization.headers(scope)}, **body)

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
        for page in self._pages(f"/v2/{repository}/tags/list", _pull(repository)):
            found += _names(page, "tags", _TAG)
        return found

    def _pages(self, path: str, scope: str) -> Iterator[dict[str, Any]]:
        seen = set()
        while path and path not in seen:
            seen.add(path)
            answer = self.send("GET", path, scope=scope)
            if answer.status_code == 404 and path.endswith("/tags/list"):
                return
            yield _document(f"{self.name}{path.partition('?')[0]}", answer)
            link = _NEXT.search(answer.headers.get("Link", ""))
            path = self.local_path(path, link[1]) if link else ""

    def local_path(self, path: str, address: str) -> str:
        """Path and query of an address that an answer at `path` gives. Raises CodemodError for another server."""
        url = urlsplit(urljoin(self.name + path, address))
        if origin_of(url.geturl()) != self.name:
            raise CodemodError(f"{self.name}: it sends us to {origin_of(url.geturl())}, which is not followed")
        return f"{url.path}?{url.query}" if url.query else url.path

    def digest(self, repository: str, reference: str) -> str | None:
        """The digest that a tag stands for; None when there is no such tag."""
        answer = self.send("HEAD", f"/v2/{repository}/manifests/{reference}", scope=_pull(repository), headers=_ACCEPT)
        if answer.status_code == 404:
            return None
        if answer.status_code != 200:
            raise RegistryError(f"{self.name}/{repository}:{reference}", answer)
        found: str = answer.headers.get("Docker-Content-Digest", "")
        return found if is_digest(found) else self.manifest(repository, reference).digest

    def manifest(self, repository: str, reference: str) -> Manifest:
        """The manifest of a tag or a digest, its digest checked. Raises Broken when it is not there or not whole."""
        answer = self.send("GET", f"/v2/{repository}/manifests/{reference}", scope=_pull(repository), headers=_ACCEPT)
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
        answer = self.send("HEAD", f"/v2/{repository}/blobs/{digest}", scope=_pull(repository))
        if answer.status_code in _BROKEN:
            raise Broken(_not_there(answer, "the blob"))
        if answer.status_code in (302, 303, 307):
            return None  # it lies on a storage service, to which no login of ours may go
        if answer.status_code != 200:
            raise RegistryError(f"{self.name}/{repository}, blob {digest}", answer)
        length = answer.headers.get("Content-Length", "")
        return int(length) if length.isdecimal() else None

    def read_blob(self, repository: str, blob: Descriptor) -> None:
        """Read a blob to its end, a piece at a time. Raises Broken when it is not what its digest names."""
        import httpx

        hashed, size = hashlib.new(blob.digest.partition(":")[0]), 0
        path, scope = f"/v2/{repository}/blobs/{blob.digest}", _pull(repository)
        headers = {"Accept-Encoding": "identity", **self._authorization.headers(scope)}
        with self.client.stream("GET", path, headers=headers) as answer:
            if answer.status_code != 200:
                answer.read()
                raise Broken(_not_there(answer, "the blob"))
            try:
                for piece in answer.iter_bytes():
                    hashed.update(piece)
                    size += len(piece)
            except httpx.RemoteProtocolError:
                pass  # it promised more than it sent
        if size != blob.size:
            raise Broken(f"the registry says that it has the blob, and sends {size} of {blob.size} bytes")
        if hashed.hexdigest() != blob.digest.partition(":")[2]:
            raise Broken("the blob's content does not match its digest")

    def blob(self, repository: str, blob: Descriptor) -> bytes:
        """A small blob. Raises Broken."""
        answer = self.send("GET", f"/v2/{repository}/blobs/{blob.digest}", scope=_pull(repository))
        if answer.status_code != 200:
            raise Broken(_not_there(answer, "the blob"))
        verify_digest(answer.content, blob.digest)
        return answer.content


def _pull(repository: str) -> str:
    return f"repository:{repository}:pull"


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
