"""`verify --registry`: the private registry answers by address and by name, takes a push, and gives it back."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

from codemods.dns.model import ADDRESS_TYPES
from codemods.dns.resolve import lookup
from codemods.engine.report.model import CheckResult, CheckState
from codemods.errors import CodemodError
from codemods.registry.answers import reason_of
from codemods.registry.client import VERSION_HEADER
from codemods.registry.places import by_address, by_name, login_advice
from codemods.registry.push import REPOSITORY, Trial

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codemods.cli.session import Session
    from codemods.registry.places import Place

CHECK = "registry"


def reach_registry(session: Session) -> Iterator[CheckResult]:
    """One result for each way to the registry, and one for the push over the best of them."""
    session.settings.require("registry.hostname")
    reached: Place | None = None
    if session.settings.registry.address:
        place = by_address(session)
        result = _answers(session, place, f"by address, {session.settings.registry.address}")
        reached = place if result.state is CheckState.PASS else None
        yield result
    else:
        option = session.settings.option("registry.address")
        yield CheckResult(CHECK, "by address", CheckState.SKIPPED, f"{option} is not set")
    named, result = _by_name(session)
    yield result
    if result.state is CheckState.PASS:
        reached = named
    yield _push(session, reached)


def _by_name(session: Session) -> tuple[Place, CheckResult]:
    """The registry under its name, at the address that the DNS server gives; without a server as this machine does."""
    server, hostname = session.settings.dns.server, session.settings.registry.hostname
    place = by_name(session)
    if not server:
        return place, _answers(session, place, "by name")
    try:
        addresses = lookup(hostname, server, ADDRESS_TYPES[_version(session.settings.registry.address)])
    except CodemodError as error:
        return place, CheckResult(CHECK, place.url, CheckState.ERROR, f"by name: {error}")
    if not addresses:
        message = f"by name: {server} knows no address of {hostname}; run codemod sync-dns"
        return place, CheckResult(CHECK, place.url, CheckState.FAIL, message)
    place = by_name(session, addresses[0])
    return place, _answers(session, place, f"by name, {addresses[0]} says {server}")


def _version(address: str) -> int:
    """The version of IP of an address; 4 without one."""
    return ip_address(address).version if address else 4


def _answers(session: Session, place: Place, way: str) -> CheckResult:
    """Whether a registry answers there, and asks for a login when it should."""
    try:
        with place.open() as anonymous:
            answer = anonymous.version()
    except CodemodError as error:
        return CheckResult(CHECK, place.url, CheckState.FAIL, f"{way}: {error}")
    wrong, right = "", "it takes everyone"
    if answer.status_code not in (200, 401):
        wrong = reason_of(answer)
    elif not answer.headers.get(VERSION_HEADER, "").startswith("registry/2"):
        wrong = f"something answers {answer.status_code} there that is no registry: {VERSION_HEADER} is missing"
    elif session.settings.registry.auth == "none" and answer.status_code == 401:
        wrong = 'it asks for a login, and registry.auth is "none": set it to "htpasswd", or take auth out of its config'
    elif session.settings.registry.auth != "none" and answer.status_code == 200:
        wrong = "it answers without a login, and registry.auth says that it asks for one"
    elif answer.status_code == 401:
        right = "it asks for a login"
    if wrong:
        return CheckResult(CHECK, place.url, CheckState.FAIL, f"{way}: {wrong}")
    return CheckResult(CHECK, place.url, CheckState.PASS, f"{way}: {answer.headers[VERSION_HEADER]}, {right}")


def _push(session: Session, place: Place | None) -> CheckResult:
    target = f"push of {REPOSITORY}"
    if place is None:
        return CheckResult(CHECK, target, CheckState.SKIPPED, "nothing to push to was reached")
    try:
        credentials = place.login()
    except CodemodError as error:
        return CheckResult(CHECK, target, CheckState.ERROR, str(error))
    if session.settings.registry.auth != "none" and credentials is None:
        advice = login_advice(place.origin, session.settings.registry)
        return CheckResult(CHECK, target, CheckState.ERROR, f"there is no login for {place.origin}: {advice}")
    if session.settings.registry.auth == "none" and credentials is not None:
        advice = 'turn auth on in its config and set registry.auth to "htpasswd", or remove the login'
        message = f"the registry asks for no login, although one is given for {credentials.origin}: {advice}"
        return CheckResult(CHECK, target, CheckState.FAIL, message)
    try:
        with place.open(credentials) as registry, place.open() as anonymous:
            return CheckResult(CHECK, target, CheckState.PASS, Trial(registry, anonymous).run())
    except CodemodError as error:
        return CheckResult(CHECK, target, CheckState.FAIL, str(error))
