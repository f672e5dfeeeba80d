"""Does the stack serve? Asked before a change, so that "rolled back" means something, and after it.

Every registry behind nginx has to answer `GET /v2/` by address and by name, and must not have lost repositories: an
nginx with a stale upstream answers 200 with the catalogue of another registry. Other ports have to answer as before.
Requests go through the machine's own sshd, so what is between us and its ports does not count.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import ssl
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from codemods.rollout.observe import observe
from codemods.rollout.snapshot import Container, Question
from codemods.rollout.transport import Disconnected, Unreachable

if TYPE_CHECKING:
    from codemods.rollout.services import Composition
    from codemods.rollout.transport import Transport

TIMEOUT = 5
PAUSE = 1.0
_PAGE = 1000
_PAGES = 1000
_API = "registry/2.0"


@dataclass(frozen=True)
class Target:
    """A published port. `names` are what clients call the machine; `registry` is the service behind it, empty for
    ports that serve something else; `pushes` whether losing one of its repositories would lose data."""

    port: int
    names: tuple[str, ...]
    address: str = "127.0.0.1"
    scheme: str = "http"
    registry: str = ""
    pushes: bool = False


@dataclass(frozen=True)
class Answer:
    """What a port said: the status (0 for no answer), the API version, the repositories (None: not to be seen)."""

    status: int = 0
    version: str = ""
    error: str = ""
    catalogue: frozenset[str] | None = None

    def is_registry(self) -> bool:
        """Whether a registry answers as it should."""
        return self.status in (200, 401) and self.version == _API


Answers = Mapping[int, Answer]


def ask_former(transport: Transport, target: Target) -> Answer:
    """The answer of one port in a state that the repository no longer describes: also over the other scheme."""
    found = ask(transport, target)
    if not target.registry or found.is_registry():
        return found
    other = ask(transport, replace(target, scheme="http" if target.scheme == "https" else "https"))
    return other if other.is_registry() else found


def ask(transport: Transport, target: Target) -> Answer:
    """The answer of one port; by all names, the worst counts."""
    path = "/v2/" if target.registry else "/"
    answers = [_try(transport, target, name, path) for name in target.names]
    if not target.registry:
        return next((answer for answer in answers if not answer.status), answers[0])
    # nginx may have kept an answer to GET, and goes on to give it when the registry is gone; this it never keeps.
    behind = _try(transport, target, target.names[0], path, "OPTIONS")
    if not behind.status or behind.status >= 500:
        answers.append(behind)
    found = next((answer for answer in answers if not answer.is_registry()), answers[0])
    if found.status == 200:
        return Answer(found.status, found.version, found.error, _catalogue(transport, target))
    return found


def judge(target: Target, before: Answer | None, after: Answer) -> tuple[str, str]:
    """What is wrong with an answer, and what is worth a warning; both may be empty.

    `before` is None for a port that is new, or that was bad before.
    """
    where = f"port {target.port}"
    if not after.status:
        return f"{where}: {after.error}", ""
    if not target.registry:
        if before is not None and after.status != before.status:
            return f"{where}: status {after.status}, it was {before.status} before", ""
        return "", ""
    if not after.is_registry():
        version = f" and API version {after.version or 'none'}" if after.status in (200, 401) else ""
        return f"{where} ({target.registry}): status {after.status}{version}", ""
    lost = (before.catalogue or frozenset()) - after.catalogue if before and after.catalogue is not None else ()
    if not lost:
        return "", ""
    text = f"{where} ({target.registry}): {len(lost)} repositories of before are gone, {min(lost)} among them"
    return (text, "") if target.pushes else ("", text)


def wait(
    transport: Transport,
    composition: Composition,
    targets: Sequence[Target],
    before: Answers,
    deadline: float,
    say: Callable[[str], None],
    ill: Collection[str] = (),
    asked: Callable[[Transport, Target], Answer] = ask,
) -> tuple[list[str], list[str]]:
    """Ask until everything is well twice in a row, or `deadline` (of time.monotonic) has passed.

    `ill` are containers that were not well before; of them nothing is asked. `asked` asks a port: `ask_former` on the
    way back. Returns what is wrong and what is worth a warning.
    """
    calm: Any = None
    said = ""
    while True:
        warnings: list[str] = []
        try:
            containers = _containers(transport, composition)
            containers = {name: one for name, one in containers.items() if name not in ill}
            problems = [*_container_problems(containers)]
            found = [] if problems else [judge(one, before.get(one.port), asked(transport, one)) for one in targets]
        except Disconnected as error:
            # That is the connection's health, not the stack's.
            containers, problems, found = {}, [str(error)], []
            with contextlib.suppress(Unreachable):
                transport.reconnect()
        problems += [problem for problem, _ in found if problem]
        warnings += [warning for _, warning in found if warning]
        now = {name: (one.id, one.started) if one else None for name, one in containers.items()}
        if not problems and calm == now:
            return [], warnings
        calm = None if problems else now
        if time.monotonic() > deadline:
            return problems or ["containers are restarted again and again"], warnings
        if problems and problems[0] != said:
            said = problems[0]
            say(f"{said} ({max(0, deadline - time.monotonic()):.0f} s left)")
        time.sleep(PAUSE)


def _containers(transport: Transport, composition: Composition) -> dict[str, Container | None]:
    snapshot = observe(transport, Question(composition.directory, {}))
    found = {one.name: snapshot.container(one.name, composition.directory) for one in composition.services}
    return {
        container.name if (container := found[service.name]) else service.container: container
        for service in composition.services
    }


def find_ill(containers: Sequence[Container], directory: str) -> dict[str, str]:
    """The containers of the stack in a directory that run and are not well, each with its state."""
    found = {one.name: one for one in containers if one.directory == directory and one.service}
    problems = {name: [*_container_problems({name: one})] for name, one in found.items()}
    return {
        name: said[0].removeprefix(f"{name}: ")
        for name, said in problems.items()
        if said and found[name].status in ("running", "restarting") and found[name].health != "starting"
    }


def _container_problems(containers: Mapping[str, Container | None]) -> Iterator[str]:
    for name, found in containers.items():
        if found is None:
            yield f"{name}: there is no such container"
        elif found.status == "exited" and found.exit_code == 0 and found.policy in ("", "no"):
            continue
        elif not found.running:
            yield f"{name}: {found.status}"
        elif found.health not in ("", "healthy"):
            yield f"{name}: {found.health}"


def _try(transport: Transport, target: Target, name: str, path: str, method: str = "GET") -> Answer:
    try:
        status, headers, _ = _request(transport, target, name, path, method)
    except (OSError, http.client.HTTPException) as error:
        return Answer(error=str(error) or type(error).__name__)
    return Answer(status, headers.get("Docker-Distribution-Api-Version", ""))


def _catalogue(transport: Transport, target: Target) -> frozenset[str] | None:
    """All repositories, page by page; None when they are not shown."""
    found: set[str] = set()
    path = f"/v2/_catalog?n={_PAGE}"
    for _ in range(_PAGES):
        try:
            status, headers, body = _request(transport, target, target.names[0], path)
            if status != 200:
                return None
            found.update(map(str, json.loads(body)["repositories"] or ()))
        except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
            return None
        link = headers.get("Link", "")
        if 'rel="next"' not in link:
            break
        following = urlsplit(link.partition("<")[2].partition(">")[0])
        path = f"{following.path}?{following.query}"
    return frozenset(found)


def _request(
    transport: Transport, target: Target, name: str, path: str, method: str = "GET"
) -> tuple[int, http.client.HTTPMessage, bytes]:
    connection = http.client.HTTPConnection(name, target.port, timeout=TIMEOUT)
    connection.sock = transport.dial(target.address, target.port, TIMEOUT)
    if target.scheme == "https":
        # Whether clients will trust the certificate is for `verify` to say.
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        connection.sock = context.wrap_socket(connection.sock, server_hostname=name)
    try:
        connection.request(method, path, headers={"Host": f"{name}:{target.port}"})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read(16 * 1024 * 1024)
    finally:
        connection.close()
