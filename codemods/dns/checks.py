"""What `verify --dns` asks: does the name lead to the registry, from here and from inside the cluster?"""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

from codemods.dns.model import ADDRESS_TYPES
from codemods.dns.resolve import lookup, protocol, shown
from codemods.engine.report.model import CheckResult, CheckState
from codemods.errors import CodemodError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from codemods.cli.options import CommonOptions
    from codemods.cli.session import Session
    from codemods.cli.verify import Options

TIMEOUT = 3.0
"""Seconds for one answer."""


def check_dns(session: Session, options: Options, common: CommonOptions) -> Iterator[CheckResult]:
    """The configured server answers for the registry's name with exactly its address; so does the cluster's, if asked.

    Raises SettingsError when settings are missing.
    """
    settings = session.settings
    settings.require("registry.hostname", "dns.server")
    name, address = settings.registry.hostname, session.address
    for tcp in (False, True):
        yield check_answer(name, address, settings.dns.server, tcp=tcp)
    if options.in_cluster:
        yield _check_in_cluster(name, address, options)


def check_answer(name: str, address: str, server: str, *, tcp: bool) -> CheckResult:
    """Ask one server one time."""
    record_type = ADDRESS_TYPES[ip_address(address).version]
    try:
        found = lookup(name, server, record_type, tcp=tcp, timeout=TIMEOUT)
    except CodemodError as error:
        return CheckResult("dns", f"{name} over {protocol(tcp)}", CheckState.ERROR, str(error))
    return _judged(f"{name} over {protocol(tcp)}", address, found, shown(server))


def _check_in_cluster(name: str, address: str, options: Options) -> CheckResult:
    from codemods.dns.cluster import ask_from_pod

    target = f"{name} from a pod"
    try:
        found = ask_from_pod(name, context=options.context, namespace=options.namespace)
    except CodemodError as error:
        return CheckResult("dns", target, CheckState.ERROR, str(error))
    version = ip_address(address).version
    return _judged(target, address, [one for one in found if ip_address(one).version == version], "the cluster's DNS")


def _judged(target: str, address: str, found: Sequence[str], server: str) -> CheckResult:
    if list(found) == [address]:
        return CheckResult("dns", target, CheckState.PASS, f"{server} answers {address}")
    answer = f"answers {', '.join(found)}" if found else "knows no address of this name"
    return CheckResult("dns", target, CheckState.FAIL, f"{server} {answer}; expected is {address} alone")
