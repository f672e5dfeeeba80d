"""A DNS server for tests: it answers over UDP and TCP with the records that a function gives it."""

from __future__ import annotations

import socketserver
from threading import Thread
from typing import TYPE_CHECKING, Self

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

    Lookup = Callable[[str, str], Iterable[tuple[str, int, str]] | None]


class Responder:
    """Serves within its `with` block.

    `lookup(name, type)` gives type, TTL and value of each record that the answer holds, or None for a name that there
    is not. `rcode` is answered instead when set, `questions` are those that came.
    """

    def __init__(self, lookup: Lookup, host: str = "127.0.0.1", port: int = 0, *, udp: bool = True, tcp: bool = True):
        self.lookup = lookup
        self.rcode = dns.rcode.NOERROR
        self.questions: list[tuple[str, str]] = []
        self._servers: list[socketserver.BaseServer] = []
        tcp_server = socketserver.ThreadingTCPServer((host, port), _tcp_handler(self), bind_and_activate=False)
        tcp_server.allow_reuse_address = True
        tcp_server.daemon_threads = True
        tcp_server.server_bind()
        self.port: int = tcp_server.server_address[1]
        if tcp:
            tcp_server.server_activate()
            self._servers.append(tcp_server)
        else:
            tcp_server.server_close()
        if udp:
            self._servers.append(socketserver.UDPServer((host, self.port), _udp_handler(self)))
        self.address = f"{host}:{self.port}"

    def __enter__(self) -> Self:
        self._threads = [Thread(target=one.serve_forever, kwargs={"poll_interval": 0.05}) for one in self._servers]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()
        for thread in self._threads:
            thread.join()

    def answer(self, wire: bytes, protocol: str) -> bytes:
        """The answer to one message."""
        # It has no keys: signed questions get answers that are not signed.
        query = dns.message.from_wire(wire, question_only=True)
        question = query.question[0]
        name, record_type = question.name.to_text(omit_final_dot=True), question.rdtype.name
        self.questions.append((protocol, f"{name} {record_type}"))
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.AA
        answer.set_rcode(self.rcode)
        found = self.lookup(name, record_type)
        if found is None:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        elif self.rcode == dns.rcode.NOERROR:
            for kind, ttl, value in found:
                answer.answer.append(dns.rrset.from_text(question.name, ttl, "IN", kind, value))
        return answer.to_wire()


def _udp_handler(responder: Responder) -> type[socketserver.BaseRequestHandler]:
    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            wire, socket = self.request
            socket.sendto(responder.answer(wire, "UDP"), self.client_address)

    return Handler


def _tcp_handler(responder: Responder) -> type[socketserver.BaseRequestHandler]:
    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            length = int.from_bytes(self.rfile.read(2), "big")
            answer = responder.answer(self.rfile.read(length), "TCP")
            self.wfile.write(len(answer).to_bytes(2, "big") + answer)

    return Handler
