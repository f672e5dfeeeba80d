"""Whether a tag is there, asked without credentials: Docker Hub by its own API, others by the Distribution API."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote

from codemods.errors import CodemodError
from codemods.http import Client
from codemods.registry.answers import RegistryError
from codemods.registry.client import RegistryClient

if TYPE_CHECKING:
    import httpx

HUB = "https://hub.docker.com"


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
        self._registry = RegistryClient(Client(url))

    def find(self, repository: str, tag: str) -> Answer:
        try:
            if self._registry.digest(repository, tag) is not None:
                return Answer.PRESENT
            return Answer.NO_TAG if self._registry.has_repository(repository) else Answer.NO_REPOSITORY
        except RegistryError as error:
            if error.status in (401, 403):
                return Answer.HIDDEN
            raise

    def close(self) -> None:
        self._registry.client.close()


def _checked(answer: httpx.Response, origin: str, expected: tuple[int, ...]) -> httpx.Response:
    if answer.status_code == 429:
        seconds = answer.headers.get("Retry-After", "")
        when = f"in {seconds} s" if seconds.isdigit() else "later"
        raise CodemodError(f"{origin} takes no more requests now: try again {when}")
    if answer.status_code not in expected:
        raise CodemodError(f"{origin}: HTTP {answer.status_code}")
    return answer
