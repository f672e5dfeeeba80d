"""Names as one DNS server answers for them, over UDP or TCP."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from codemods.errors import CodemodError
from codemods.extras import require_extra

if TYPE_CHECKING:
    from dns.message import Message

PORT = 53
TRIES = 2
"""Questions over UDP, one of which may get lost."""


def resolve(name: str, server: str, *, tcp: bool = False, timeout: float = 5) -> list[str]:
    """The IPv4 addresses of a name, as `server` answers; empty when it has none.

    `server` is HOST, HOST:PORT, or a URL of which only the host counts, with port 53. `timeout` is in seconds, for
    each try. Raises CodemodError when the server cannot be asked, or answers with an error.
    """
    return lookup(name, server, "A", tcp=tcp, timeout=timeout)


def lookup(name: str, server: str, record_type: str, *, tcp: bool = False, timeout: float = 5) -> list[str]:
    """The same for the values of another type, as in `AAAA`."""
    require_extra("net", "dns.message", "dns.query")
    import dns.exception
    import dns.message
    import dns.rcode
    import dns.rdatatype

    try:
        query = dns.message.make_query(name, record_type)
        answer = _ask(query, server, tcp, timeout)
    except dns.exception.Timeout:
        raise CodemodError(
            f"{shown(server)}: no answer over {protocol(tcp)} in {timeout:g} s: is a DNS server there?"
        ) from None
    except (OSError, dns.exception.DNSException) as error:
        raise CodemodError(f"{shown(server)}: no answer over {protocol(tcp)}: {reason(error)}") from None
    if answer.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        raise CodemodError(f"{shown(server)}: the DNS server answers {dns.rcode.to_text(answer.rcode())} for {name}")
    wanted = dns.rdatatype.from_text(record_type)
    # A CNAME comes with the records that it leads to.
    return [str(value) for rrset in answer.answer if rrset.rdtype == wanted for value in rrset]


def protocol(tcp: bool) -> str:
    """How it is asked, for people."""
    return "TCP" if tcp else "UDP"


def reason(error: Exception) -> str:
    """Why something failed, never empty."""
    return (error.strerror if isinstance(error, OSError) else str(error)) or type(error).__name__


def host_and_port(server: str) -> tuple[str, int]:
    """Where a DNS server, given as for `resolve`, takes questions."""
    is_url = "://" in server
    parts = urlsplit(server if is_url else f"//{server}")
    return parts.hostname or "", PORT if is_url else parts.port or PORT


def shown(server: str) -> str:
    """The same for people: HOST:PORT."""
    host, port = host_and_port(server)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def endpoint(server: str) -> tuple[str, int]:
    """The same with the host's address. Raises CodemodError for a host that this machine does not know."""
    host, port = host_and_port(server)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError):
        raise CodemodError(f"{host}: this machine does not know the DNS server's name: use its address") from None
    return str(found[0][4][0]), port


def _ask(query: Message, server: str, tcp: bool, timeout: float) -> Message:
    import dns.exception
    import dns.query

    address, port = endpoint(server)
    if tcp:
        return dns.query.tcp(query, address, timeout, port)
    for _ in range(TRIES - 1):
        try:
            return dns.query.udp(query, address, timeout, port, ignore_unexpected=True)
        except dns.exception.Timeout:
            continue
    return dns.query.udp(query, address, timeout, port, ignore_unexpected=True)
