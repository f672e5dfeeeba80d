"""Names asked of one DNS server, whatever this machine's own resolver says."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from codemods.errors import CodemodError
from codemods.extras import require_extra

if TYPE_CHECKING:
    from dns.message import Message

PORT = 53


def resolve(name: str, server: str, *, tcp: bool = False, timeout: float = 5) -> list[str]:
    """The IPv4 addresses that `server` gives for `name`; none when it knows of none.

    `server` is HOST, HOST:PORT, or a URL of which only the host counts. Raises CodemodError, one line, when it gives
    no answer, or answers with an error.
    """
    require_extra("net", "dns.query")
    from dns.exception import DNSException
    from dns.rcode import NOERROR, NXDOMAIN, to_text
    from dns.rdatatype import A

    address, port = dns_server(server)
    where = f"DNS server {address}" + (f" port {port}" if port != PORT else "")
    try:
        answer = _ask(name, address, port, tcp, timeout)
    except (DNSException, OSError) as error:
        raise CodemodError(f"{where}: no answer for {name}: {str(error) or type(error).__name__}") from None
    if answer.rcode() not in (NOERROR, NXDOMAIN):
        raise CodemodError(f"{where}: it answers {to_text(answer.rcode())} for {name}")
    # The answer section also holds the aliases that lead to the addresses.
    return [item.to_text() for rrset in answer.answer if rrset.rdtype == A for item in rrset]


def dns_server(server: str) -> tuple[str, int]:
    """Address and port of a DNS server, its name resolved by this machine. Raises CodemodError."""
    import socket

    is_url = "://" in server
    try:
        parts = urlsplit(server if is_url else f"//{server}")
        port = PORT if is_url else parts.port or PORT
        found = socket.getaddrinfo(parts.hostname or "", port, type=socket.SOCK_DGRAM)
    except (OSError, ValueError):
        raise CodemodError(f"DNS server {server}: this machine does not know its address") from None
    return str(found[0][4][0]), port


def _ask(name: str, address: str, port: int, tcp: bool, timeout: float) -> Message:
    from dns.exception import Timeout
    from dns.message import make_query
    from dns.query import tcp as over_tcp
    from dns.query import udp_with_fallback

    query = make_query(name, "A")
    if tcp:
        return over_tcp(query, address, timeout, port)
    try:
        return udp_with_fallback(query, address, timeout / 2, port)[0]
    except Timeout:  # one packet may get lost
        return udp_with_fallback(query, address, timeout / 2, port)[0]
