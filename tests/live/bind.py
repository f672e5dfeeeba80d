"""A real BIND on a free loopback port: zones that take updates signed by a key, and one that takes none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dns.exception
import dns.message
import dns.query
import dns.tsig
import dns.update

from tests.live.lab import Process, free_port

if TYPE_CHECKING:
    from pathlib import Path

KEY = "codemod-key"
SECRET = "cGxhbnRlZC10c2lnLXNlY3JldC0wMTIzNDU2Nzg5YWI="
OTHER_SECRET = "b3RoZXItcGxhbnRlZC10c2lnLXNlY3JldC05ODc2NTQ="
ALGORITHM = "hmac-sha256"
TTL = 300
"""What records have that were not given another."""

_OPTIONS = """
options {
    directory "%(directory)s";
    listen-on port %(port)d { 127.0.0.1; };
    listen-on-v6 { none; };
    query-source address 127.0.0.1;
    recursion no;
    notify no;
    empty-zones-enable no;
    dnssec-validation no;
    session-keyfile none;
    pid-file none;
};
controls { };
key "%(key)s" { algorithm %(algorithm)s; secret "%(secret)s"; };
"""

_ZONES = {
    "home.lan": f'allow-update {{ key "{KEY}"; }};',
    "fixed.lan": "allow-update { none; };",
    "policy.lan": f'update-policy {{ grant "{KEY}" name registry.policy.lan. A; }};',
}

_ZONE = """$TTL 300
@ IN SOA ns.%(zone)s. admin.%(zone)s. 1 3600 600 86400 60
@ IN NS ns.%(zone)s.
ns IN A 127.0.0.1
*.wild IN A 10.0.0.77
alias IN CNAME ns.%(zone)s.
"""


class Bind(Process):
    """The server; `address` is HOST:PORT."""

    needs = ("named",)

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.key = dns.tsig.Key(KEY, SECRET, ALGORITHM)
        values = {"directory": directory, "port": self.port, "key": KEY, "algorithm": ALGORITHM, "secret": SECRET}
        text = _OPTIONS % values
        for zone, policy in _ZONES.items():
            (directory / f"{zone}.zone").write_text(_ZONE % {"zone": zone})
            text += f'zone "{zone}" {{ type primary; file "{zone}.zone"; {policy} }};\n'
        config = directory / "named.conf"
        config.write_text(text)
        super().__init__(["named", "-g", "-n", "1", "-c", str(config)], directory / "named.log", self.answers)

    def answers(self) -> bool:
        """Whether it serves its zones."""
        try:
            return bool(self.ask("home.lan", "SOA"))
        except (OSError, dns.exception.DNSException):
            return False

    def ask(self, name: str, record_type: str = "A") -> list[tuple[str, int, str]]:
        """Type, TTL and value of the records that it answers with."""
        query = dns.message.make_query(name, record_type)
        answer = dns.query.udp(query, "127.0.0.1", 2, self.port)
        return sorted((rrset.rdtype.name, rrset.ttl, str(value)) for rrset in answer.answer for value in rrset)

    def give(self, name: str, record_type: str, *values: str, ttl: int = TTL) -> None:
        """Let a name of home.lan have these records of a type, and no other ones of it."""
        update = dns.update.UpdateMessage("home.lan", keyring=self.key)
        update.delete(f"{name}.", record_type)
        for value in values:
            update.add(f"{name}.", ttl, record_type, value)
        assert dns.query.tcp(update, "127.0.0.1", 5, self.port).rcode() == 0
