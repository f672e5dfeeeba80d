"""Whether a tag is there, asked without credentials: Docker Hub by its own API, others by the Distribution API."""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote, urlsplit

from codemods.credentials import origin_of
from codemods.errors import CodemodError
from codemods.http import Client

if TYPE_CHECKING:
    import httpx

HUB = "https://hub.docker.com"
MANIFESTS = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
_PARAMETER = re.compile(r'(\w+)="([^"]*)"')


class Answer(Enum):
    """What a registry says of a tag. Without a login none tells a private repository from one that does not exist."""

    PRESENT = "present"
    NO_TAG = "no such tag"
    NO_REPOSITORY = "no such repository"
    HIDDEN = "private, or no such repository"


class PublicRegistry(Protocol):
    """A registry that can be asked for tags; `find` raises CodemodError for all that is no answer."""

    def find(self, repository: str, tag: str) -> Answer: ...

    def close(self) -> None: ...


class DockerHub:
    """Docker Hub's API, https://docs.docker.com/reference/api/hub/latest/."""

    def __init__(self, url: str = HUB) -> None:
        self._client = Client(url)
        self._known: dict[str, bool] = {}

    def find(self, repository: str, tag: str) -> Answer:
        path = f"/v2/repositories/{quote(repository)}"
        answer = self._get(f"{path}/tags/{quote(tag)}")
        if answer.status_code == 200:
            return Answer.PRESENT
        if answer.status_code == 404 and repository not in self._known:
            self._known[repository] = self._get(path).status_code == 200
        return Answer.NO_TAG if self._known.get(repository) else Answer.HIDDEN

    def _get(self, path: str) -> httpx.Response:
        answer = self._client.request("GET", path)
        # The path of a repository has a slash at its end, that of a tag has none.
        target = answer.headers.get("Location", "")
        if answer.is_redirect and target.split("?")[0] in (f"{path}/", f"{self._client.url}{path}/"):
            answer = self._client.request("GET", f"{path}/")
        return _checked(answer, self._client.origin, (200, 401, 403, 404))

    def close(self) -> None:
        self._client.close()


class Distribution:
    """A registry with the Distribution API at `url`; where it asks for a token, an anonymous one is fetched."""

    def __init__(self, url: str) -> None:
        self._client = Client(url)
        self._tokens: dict[str, str] = {}

    def find(self, repository: str, tag: str) -> Answer:
        manifest = f"manifests/{quote(tag)}"
        answer = self._get(repository, manifest)
        if answer.status_code == 401:  # there is no token yet, or it is too old
            token = self._anonymous_token(answer.headers.get("WWW-Authenticate", ""))
            if token:
                self._tokens[repository] = token
                answer = self._get(repository, manifest)
        match answer.status_code:
            case 200:
                return Answer.PRESENT
            case 404:
                listed = self._get(repository, "tags/list").status_code
                return Answer.NO_REPOSITORY if listed == 404 else Answer.NO_TAG
        return Answer.HIDDEN

    def _get(self, repository: str, path: str) -> httpx.Response:
        headers = {"Accept": MANIFESTS} if path.startswith("manifests/") else {}
        if repository in self._tokens:
            headers["Authorization"] = f"Bearer {self._tokens[repository]}"
        answer = self._client.request("GET", f"/v2/{quote(repository)}/{path}", headers=headers)
        return _checked(answer, self._client.origin, (200, 401, 403, 404))

    def _anonymous_token(self, challenge: str) -> str:
        """The token that a challenge asks for; empty when it asks for a login, or gives none without one."""
        values = dict(_PARAMETER.findall(challenge)) if challenge.lower().startswith("bearer ") else {}
        try:
            realm = urlsplit(values.get("realm", ""))
            origin = origin_of(realm.geturl())
        except ValueError:
            return ""
        # Who asks over https is sent nowhere without it.
        if realm.scheme != "https" and origin != self._client.origin:
            return ""
        wanted = {key: values[key] for key in ("service", "scope") if key in values}
        with Client(origin) as client:
            answer = client.request("GET", realm.path or "/", params=wanted)
        return _token(_checked(answer, origin, (200, 400, 401, 403, 404)))

    def close(self) -> None:
        self._client.close()


def _token(answer: httpx.Response) -> str:
    try:
        found = answer.json()
        token = str(found.get("token") or found.get("access_token") or "")
    except (ValueError, AttributeError):
        return ""
    return token if re.fullmatch(r"[!-~]+", token) else ""


def _checked(answer: httpx.Response, origin: str, expected: tuple[int, ...]) -> httpx.Response:
    if answer.status_code == 429:
        seconds = answer.headers.get("Retry-After", "")
        when = f"in {seconds} s" if seconds.isdigit() else "later"
        raise CodemodError(f"{origin} takes no more requests now: try again {when}")
    if answer.status_code not in expected:
        raise CodemodError(f"{origin}: HTTP {answer.status_code}")
    return answer
