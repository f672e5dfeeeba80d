"""Records changed by dynamic updates (RFC 2136) that a TSIG key signs (RFC 8945).

All changes are one message, and its prerequisites are the records that they were derived from: the server makes all of
them or, when the records are no longer these, none.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from typing import TYPE_CHECKING

from codemods.dns.model import Change, Moved, Record
from codemods.dns.resolve import endpoint, reason, shown
from codemods.errors import CodemodError
from codemods.extras import require_extra

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dns.message import Message, QueryMessage
    from dns.name import Name
    from dns.rcode import Rcode
    from dns.rrset import RRset
    from dns.tsig import Key
    from dns.update import UpdateMessage

    from codemods.credentials import Credentials

TIMEOUT = 10.0
"""Seconds for one answer."""

ALGORITHMS = ("hmac-sha256", "hmac-sha512", "hmac-sha384", "hmac-sha224", "hmac-sha1")

_MOVED = ("NXRRSET", "NXDOMAIN", "YXRRSET", "YXDOMAIN")
"""Answers to prerequisites that do not hold."""

_RCODES = {
    "NOTAUTH": "the server is not authoritative for the zone, or does not take the key: check dns.zone and dns.server",
    "REFUSED": "the server does not let this key do that: check its allow-update, update-policy and allow-query",
    "NOTZONE": "the name does not lie in the zone: check dns.zone",
    "NOTIMP": "the server takes no updates",
    "SERVFAIL": "the server could not do it: its log says why",
}
_UNSIGNED = "the answer is not signed by this key: is dns.server right?"
# By the names of dnspython's classes, which are imported where they are used.
_SIGNATURES = {
    "PeerBadKey": "BADKEY: the server has no key of this name and algorithm",
    "PeerBadSignature": "BADSIG: the key of this name has another secret on the server",
    "PeerBadTime": "BADTIME: the clocks of this machine and the server differ too much",
    "BadSignature": _UNSIGNED,
    "BadKey": _UNSIGNED,
    "UnknownTSIGKey": _UNSIGNED,
    "FormError": _UNSIGNED,
    "BadTime": "BADTIME: the clocks of this machine and the server differ too much",
}


class Rfc2136:
    """A Provider; without `zone` the closest one above the name is asked for. All questions are signed, too."""

    def __init__(self, server: str, credentials: Credentials, zone: str = "") -> None:
        require_extra("net", "dns.message", "dns.query", "dns.tsig", "dns.update")
        self._server = server
        self._key = _key(credentials)
        self._zone = zone

    def records(self, name: str, record_type: str) -> list[Record]:
        """The records of this type, or the CNAME; those that a wildcard only pretends are left out."""
        self._zone = self._zone or self._zone_of(name)
        rrsets = [
            rrset
            for rrset in self._question(name, record_type).answer
            if rrset.name == _absolute(name) and rrset.rdtype.name in (record_type, "CNAME")
        ]
        return [
            Record(name, rrset.rdtype.name, value.to_text().rstrip("."), rrset.ttl)
            for rrset in rrsets
            if self._stands_there(rrset)
            for value in rrset
        ]

    def change(self, seen: Sequence[Record], changes: Sequence[Change]) -> None:
        """One message, done as a whole or not at all."""
        subject = changes[0].subject
        update = self._update(self._zone)
        _expect(update, subject, seen)
        for change in changes:
            if change.before:
                update.delete(_absolute(subject.name), subject.type, change.before.value)
            if change.after:
                update.add(_absolute(subject.name), change.after.ttl, subject.type, change.after.value)
        rcode = self._exchange(update).rcode()
        if rcode.name in _MOVED:
            raise Moved(subject.name)
        self._require_success(rcode, f"updating {subject.name} in the zone {self._zone}")

    def close(self) -> None:
        """There is no session."""

    def _stands_there(self, rrset: RRset) -> bool:
        """Whether the name itself has these records, and not a wildcard: an update of prerequisites alone tells."""
        update = self._update(self._zone)
        update.present(rrset.name, *rrset)
        rcode = self._exchange(update).rcode()
        if rcode.name in _MOVED:
            return False
        self._require_success(rcode, f"reading {_text(rrset.name)} in the zone {self._zone}")
        return True

    def _zone_of(self, name: str) -> str:
        parent = name
        while parent:
            # For a name outside its zones a server may say anything.
            answer = self._exchange(self._query(parent, "SOA"))
            if any(rrset.name == _absolute(parent) and rrset.rdtype.name == "SOA" for rrset in answer.answer):
                return parent
            parent = parent.partition(".")[2]
        raise CodemodError(f"{shown(self._server)}: the server has no zone for {name}: set dns.zone, or dns.server")

    def _question(self, name: str, record_type: str) -> Message:
        import dns.flags

        answer = self._exchange(self._query(name, record_type))
        if answer.rcode().name != "NXDOMAIN":
            self._require_success(answer.rcode(), f"reading {name}")
        if not answer.flags & dns.flags.AA:
            raise CodemodError(
                f"{shown(self._server)}: reading {name}: the server is not authoritative for it: check dns.server"
            )
        return answer

    def _query(self, name: str, record_type: str) -> QueryMessage:
        import dns.message

        query = dns.message.make_query(_absolute(name), record_type, flags=0)
        query.use_tsig(self._key)
        return query

    def _update(self, zone: str) -> UpdateMessage:
        from dns.update import UpdateMessage

        return UpdateMessage(_absolute(zone), keyring=self._key)

    def _exchange(self, message: Message) -> Message:
        """The server's answer, over TCP: an update is sent once."""
        import dns.exception
        import dns.query

        where = shown(self._server)
        try:
            address, port = endpoint(self._server)
            answer = dns.query.tcp(message, address, TIMEOUT, port)
        except dns.exception.Timeout:
            raise CodemodError(f"{where}: no answer over TCP in {TIMEOUT:g} s: is a DNS server there?") from None
        except (OSError, EOFError, dns.exception.DNSException) as error:
            raise CodemodError(f"{where}: {self._why(error)}") from None
        # dnspython 2.6 takes an answer without a signature.
        if answer.rcode().name in ("NOERROR", "NXDOMAIN") and not answer.had_tsig:
            raise CodemodError(f"{where}: key {_text(self._key.name)}: {_UNSIGNED}")
        return answer

    def _why(self, error: Exception) -> str:
        if signature := _SIGNATURES.get(type(error).__name__):
            return f"key {_text(self._key.name)}: {signature}"
        return "the connection was closed without an answer" if isinstance(error, EOFError) else reason(error)

    def _require_success(self, rcode: Rcode, doing: str) -> None:
        if rcode.name != "NOERROR":
            advice = _RCODES.get(rcode.name, "the server says no more")
            raise CodemodError(f"{shown(self._server)}: {doing}: {rcode.name}: {advice}")


def _expect(update: UpdateMessage, subject: Record, seen: Sequence[Record]) -> None:
    """Prerequisites: the name has exactly these records of the subject's type."""
    name = _absolute(subject.name)
    values = [record.value for record in seen if record.type == subject.type]
    if values:
        update.present(name, subject.type, *values)
    else:
        update.absent(name, subject.type)


def _absolute(name: str) -> Name:
    from dns.name import from_text

    return from_text(name)


def _text(name: Name) -> str:
    return name.to_text(omit_final_dot=True)


def _key(credentials: Credentials) -> Key:
    import dns.exception
    import dns.tsig

    if not (credentials.username and credentials.password):
        raise CodemodError(
            f"the dns credentials for {credentials.origin} are not complete: an update needs a username, "
            "which is the name of the TSIG key, and a password, which is its secret"
        )
    algorithm = credentials.algorithm.lower() or ALGORITHMS[0]
    if algorithm not in ALGORITHMS:
        raise CodemodError(f"the dns credentials name the algorithm {algorithm}: {', '.join(ALGORITHMS)} are known")
    try:
        return dns.tsig.Key(credentials.username, b64decode(credentials.password, validate=True), algorithm)
    except (binascii.Error, dns.exception.DNSException, ValueError):
        raise CodemodError(
            f"the TSIG key in the dns credentials for {credentials.origin} is not one: "
            "a domain name, and a secret in base64"
        ) from None
