"""The registry client against servers that answer wrongly, or with malice: where it goes, what it sends and says."""

from __future__ import annotations

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from codemods.errors import CodemodError
from codemods.http import Client, Unreachable
from codemods.registry.answers import RegistryError
from codemods.registry.manifest import LARGEST, OCI_MANIFEST, Broken, Descriptor, digest_of
from codemods.registry.uploads import LostAddress, upload_blob
from tests.registry_server import BASIC, PASSWORD, Answer, challenge, client, serving


def test_pages_are_followed() -> None:
    """Each page names the next, by a path or by a whole address."""

    def answer(method: str, path: str, login: str) -> Answer:
        pages = {"/v2/_catalog": ("a", "/v2/_catalog?last=a"), "/v2/_catalog?last=a": ("b", "")}
        name, following = pages[path]
        link = {"Link": f'<{following}>; rel="next"'} if following else {}
        return Answer(body=json.dumps({"repositories": [name]}).encode(), headers=link)

    with serving(answer) as [server], client(server) as registry:
        assert list(registry.repositories()) == ["a", "b"]


def test_pages_in_a_circle_end() -> None:
    """A registry that names a page again is not asked for ever."""
    link = {"Link": '</v2/_catalog?last=a>; rel="next"'}
    with serving(lambda *_: Answer(body=b'{"repositories": ["a"]}', headers=link)) as [server]:
        with client(server) as registry:
            assert list(registry.repositories()) == ["a", "a"]
        assert len(server.asked) == 2


@pytest.mark.parametrize("scheme", ["http:", ""])
def test_pages_of_another_server_are_refused(scheme: str) -> None:
    """Neither the next page nor an upload is looked for elsewhere, and the other server is never asked."""

    def answer(method: str, path: str, login: str) -> Answer:
        there = f"{scheme}//{thief.url.removeprefix('http://')}/v2/next"
        status = 202 if method == "POST" else 200
        return Answer(status, b'{"repositories": []}', {"Link": f'<{there}>; rel="next"', "Location": there})

    with serving(answer, lambda *_: Answer()) as [server, thief], client(server, PASSWORD) as registry:
        with pytest.raises(CodemodError, match="which is not followed"):
            list(registry.repositories())
        with pytest.raises(LostAddress, match=f"sent to {thief.url} in place of {server.url}"):
            upload_blob(registry, "app", b"x")
        assert thief.asked == []


@pytest.mark.parametrize("name", ["../../etc", "a b", "a?x=1", "a/../b", "A", "a\r\nX: y", "/a", "", 7, None])
def test_names_that_are_none_are_refused(name: object) -> None:
    """What a server lists becomes part of URLs: it must have the form of a name."""
    body = json.dumps({"repositories": [name]}).encode()
    with serving(lambda *_: Answer(body=body)) as [server], client(server) as registry:
        with pytest.raises(CodemodError, match="whose names no registry takes"):
            list(registry.repositories())
        assert len(server.asked) == 1


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b"[" * 100_000, b"\xff"])
def test_an_answer_that_is_no_document(body: bytes) -> None:
    """It is told in one line."""
    with serving(lambda *_: Answer(body=body)) as [server], client(server) as registry:
        with pytest.raises(CodemodError, match="the answer is no registry's"):
            list(registry.repositories())
        with pytest.raises(CodemodError, match="the answer is no registry's"):
            registry.tags("app")


def test_a_token_of_the_same_server_is_asked_for_with_the_login() -> None:
    """Some registries have their realm beside them, and give a token for private images to those who log in."""

    def registry(method: str, path: str, login: str) -> Answer:
        if path.startswith("/token"):
            return Answer(body=b'{"access_token": "t"}') if login == BASIC else Answer(403)
        return (
            Answer(body=b'{"tags": []}') if login == "Bearer t" else Answer(401, headers=challenge(f"{url[0]}/token"))
        )

    url: list[str] = []
    with serving(registry) as [server]:
        url.append(server.url)
        with client(server, PASSWORD) as ours:
            assert ours.tags("app") == []
        with client(server) as ours, pytest.raises(RegistryError, match=r"it asks for a login \(401\)"):
            ours.tags("app")


@pytest.mark.parametrize(
    "realm", ["", "file:///etc/passwd", "//", "ftp://127.0.0.1/x", "http://", "http://[", "http://127.0.0.2:1/"]
)
def test_a_realm_that_is_not_asked(realm: str) -> None:
    """No address, or another server without TLS: a registry cannot send us anywhere it likes."""
    with serving(lambda *_: Answer(401, headers=challenge(realm))) as [server], client(server) as registry:
        with pytest.raises(RegistryError, match="it asks for a login"):
            registry.tags("app")
        assert [path for _, path, _ in server.asked] == ["/v2/app/tags/list"]


def test_the_login_is_sent_when_it_is_asked_for() -> None:
    """Not before, and only once when it is refused; the error holds no part of it."""
    headers = {"WWW-Authenticate": 'Basic realm="registry"'}
    with serving(lambda *_: Answer(401, headers=headers)) as [server], client(server, PASSWORD) as registry:
        with pytest.raises(RegistryError, match=r"it asks for a login \(401\)") as error:
            registry.tags("app")
        assert [login for _, _, login in server.asked] == ["", BASIC]
    assert PASSWORD not in str(error.value)


def test_many_threads_meet_the_first_challenge_at_once() -> None:
    """None of them takes the login that another one has sent meanwhile for a refused one."""
    together = Barrier(8)

    def answer(method: str, path: str, login: str) -> Answer:
        if login == BASIC:
            return Answer(body=b'{"tags": ["v1"]}')
        together.wait(10)
        return Answer(401, headers={"WWW-Authenticate": 'Basic realm="registry"'})

    with serving(answer) as [server], client(server, PASSWORD) as registry, ThreadPoolExecutor(8) as pool:
        assert list(pool.map(registry.tags, ["app"] * 8)) == [["v1"]] * 8


def test_a_server_that_waits_for_the_body_would_take_it() -> None:
    """A word that it would not comes at once; silence is consent."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with Client(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout=0.2) as patient:
            assert patient.would_take("PUT", "/", 10**9, {}) == 100
        with pytest.raises(Unreachable), Client("http://127.0.0.1:1") as nobody:
            nobody.would_take("PUT", "/", 10**9, {})


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (400, b"<h1>The plain HTTP request was sent to HTTPS port</h1>", "it speaks TLS on this port"),
        (400, b'{"errors":[{"code":"NAME_INVALID","message":"invalid name"}]}', "NAME_INVALID, invalid name (400)"),
        (400, b'{"errors":[]}', "it answers 400"),
        (405, b"", "read-only"),
        (413, b"", "client_max_body_size 0"),
        (502, b"<html>", "cannot reach the registry behind it"),
        (504, b"", "proxy_read_timeout"),
        (307, b"", "sends us elsewhere (307)"),
    ],
)
def test_answers_in_words(status: int, body: bytes, reason: str) -> None:
    """Each status says what it means for a registry."""
    with serving(lambda *_: Answer(status, body)) as [server], client(server) as registry:
        with pytest.raises(RegistryError) as error:
            upload_blob(registry, "app", b"x")
        assert (error.value.status, reason in str(error.value)) == (status, True)
        assert "\n" not in str(error.value)


def test_manifests_are_not_believed() -> None:
    """The digest asked for counts, whatever the header says; a larger manifest than there can be is refused."""
    content = json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST}).encode()
    other, large = digest_of(b"other"), b" " * (LARGEST + 1)

    def answer(method: str, path: str, login: str) -> Answer:
        return Answer(body=large if path.endswith("large") else content, headers={"Docker-Content-Digest": other})

    with serving(answer) as [server], client(server) as registry:
        assert registry.manifest("app", digest_of(content)).size == len(content)
        for reference in (other, "v1"):
            with pytest.raises(Broken, match="does not match its digest"):
                registry.manifest("app", reference)
        with pytest.raises(Broken, match="is larger than"):
            registry.manifest("app", "large")


@pytest.mark.parametrize(
    ("sent", "promised", "reason"),
    [
        (b"content", 7, ""),
        (b"con", 3, "sends 3 of 7 bytes"),
        (b"", 7, "sends 0 of 7 bytes"),
        (b"contents", 8, "sends 8 of 7 bytes"),
        (b"CONTENT", 7, "does not match its digest"),
    ],
)
def test_blobs_are_read_to_their_ends(sent: bytes, promised: int, reason: str) -> None:
    """Less than was promised, more, nothing at all, or something else."""
    headers = {"Content-Length": str(promised), "Connection": "close"}
    blob = Descriptor(digest_of(b"content"), 7, "")
    with serving(lambda *_: Answer(body=sent, headers=headers)) as [server], client(server) as registry:
        if not reason:
            registry.read_blob("app", blob)
            return
        with pytest.raises(Broken, match=reason):
            registry.read_blob("app", blob)


def test_blobs_on_a_storage_service() -> None:
    """They are read where the registry says, without the login; a place that is none is told."""
    content = b"content"
    blob, headers = Descriptor(digest_of(content), 7, ""), {"WWW-Authenticate": 'Basic realm="registry"'}
    place: list[str] = []

    def registry(method: str, path: str, login: str) -> Answer:
        return Answer(307, headers={"Location": place[0]}) if login == BASIC else Answer(401, headers=headers)

    with serving(registry, lambda *_: Answer(body=content)) as [server, storage], client(server, PASSWORD) as ours:
        place.append(f"{storage.url}/bucket/blob?signature=x")
        assert ours.blob_size("app", blob.digest) is None
        ours.read_blob("app", blob)
        with pytest.raises(Broken, match="sends 7 of 8 bytes"):
            ours.read_blob("app", Descriptor(blob.digest, 8, ""))
        assert storage.asked == [("GET", "/bucket/blob?signature=x", "")] * 2
        for place[0] in ("ftp://127.0.0.1/x", "http://[", "http://127.0.0.1:99999/"):
            with pytest.raises(Broken, match="at no address"):
                ours.read_blob("app", blob)


def test_a_busy_registry_is_asked_again() -> None:
    """Too many requests, and a start that is not over, pass; a push is never made twice."""
    left = [2]

    def answer(method: str, path: str, login: str) -> Answer:
        left[0] -= 1
        return Answer(429, headers={"Retry-After": "0"}) if left[0] >= 0 else Answer(body=b'{"tags": ["v1"]}')

    with serving(answer) as [server], client(server) as registry:
        assert registry.tags("app") == ["v1"]
        left[0] = 1
        with pytest.raises(RegistryError, match="429"):
            upload_blob(registry, "app", b"x")
        assert len(server.asked) == 4


def test_a_lost_connection() -> None:
    """A GET is asked again, as servers close kept connections at any time; a POST is not, as it may have been done."""
    left = [2]

    def answer(method: str, path: str, login: str) -> Answer:
        left[0] -= 1
        return Answer(body=b'{"tags": ["v1"]}', drop=left[0] >= 0)

    with serving(answer) as [server], client(server) as registry:
        assert registry.tags("app") == ["v1"]
        left[0] = 1
        with pytest.raises(Unreachable, match=f"{server.url}: "):
            upload_blob(registry, "app", b"x")
        assert [method for method, _, _ in server.asked] == ["GET", "GET", "GET", "POST"]
