"""A stand-in for a Technitium DNS server: its HTTP API with zones, records, users, tokens and sessions.

It answers as 15.2 does, or with `version=14` as the servers did that know a token only as a form field. Errors come
with status 200, `status` and `errorMessage`; every answer names the server. Follows APIDOCS.md of the server.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qsl, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable
    from ssl import SSLContext
    from types import TracebackType

SERVER = "ns1.home.lan"
ATTEMPTS = 5
CODE = "271828"
"""The one-time code of a user who needs one."""

NAME, ADDRESS = "registry.home.lan", "10.0.20.10"
TOKEN, PASSWORD = "planted-token-6f1c", "planted-password-93ab"


class Fault(Exception):
    """An error that the API handles."""

    def __init__(self, message: str, status: str = "error", inner: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.inner = inner


def record(name: str, record_type: str, value: str, ttl: int = 3600, **more: Any) -> dict[str, Any]:
    """A record as the API shows it."""
    data = {"A": "ipAddress", "AAAA": "ipAddress", "CNAME": "cname", "TXT": "text"}[record_type]
    return {"disabled": False, "name": name, "type": record_type, "ttl": ttl, "rData": {data: value}, **more}


@dataclass
class Zone:
    """One zone; `rights` are those of everyone who has a token."""

    name: str
    records: list[dict[str, Any]] = field(default_factory=list)
    disabled: bool = False
    rights: tuple[str, ...] = ("view", "modify")

    def named(self, name: str) -> list[dict[str, Any]]:
        """Records of an owner name."""
        return [one for one in self.records if one["name"] == name.lower()]


class Technitium:
    """The server.

    `users` have a password, and need CODE when it is True; `issued` are all tokens that a login gave; `before` a call
    something may happen, once; `fault` is what every call ends with; when it `repeats`, an error shows what came;
    `accesses` are the lines of its access log.
    """

    def __init__(
        self, *zones: Zone, host: str = "127.0.0.1", port: int = 0, version: int = 15, tls: SSLContext | None = None
    ) -> None:
        self.zones = {zone.name: zone for zone in zones}
        self.version = version
        self.users: dict[str, tuple[str, bool]] = {}
        self.tokens: set[str] = set()
        self.sessions: set[str] = set()
        self.issued: set[str] = set()
        self.failures = 0
        self.repeats = False
        self.fault: tuple[str, str] | None = None
        self.missing_token_is_invalid = False
        self.accesses: list[str] = []
        self.calls: list[str] = []
        self.before: dict[str, Callable[[], None]] = {}
        self.lock = Lock()
        self._server = ThreadingHTTPServer((host, port), _handler(self))
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.url = f"{'https' if tls else 'http'}://{host}:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def seen(self, name: str) -> list[tuple[str, str, int, bool]]:
        """Type, value, TTL and whether it is disabled of each record of a name."""
        return [
            (one["type"], next(iter(one["rData"].values())), one["ttl"], one["disabled"])
            for zone in self.zones.values()
            for one in zone.named(name)
        ]

    def served(self, name: str, record_type: str) -> list[tuple[str, int, str]] | None:
        """What its DNS side answers: type, TTL and value of each record; None for a name that there is not."""
        zone = next((zone for zone in self.zones.values() if f".{name}".endswith(f".{zone.name}")), None)
        if zone is None or zone.disabled or not zone.named(name):
            return None
        kinds = (record_type, "CNAME")
        return [(kind, ttl, value) for kind, value, ttl, disabled in self.seen(name) if not disabled and kind in kinds]

    def answer(self, path: str, fields: dict[str, str], bearer: str) -> dict[str, Any] | None:
        """The answer to one call; None for a path that there is not."""
        call = _CALLS.get(path)
        if call is None:
            return None
        self.calls.append(path)
        self.before.pop(path, lambda: None)()
        try:
            with self.lock:
                if path != "user/login":
                    self._authenticate(bearer, fields)
                if self.fault:
                    raise Fault(self.fault[0], inner=self.fault[1])
                found = call(self, fields)
        except Fault as fault:
            said = f"{fault} {fields} {bearer}" if self.repeats else str(fault)
            inner = {"innerErrorMessage": fault.inner} if fault.inner else {}
            return {"server": SERVER, "status": fault.status, "errorMessage": said, **inner}
        shape = found if path.startswith("user/") else {"response": found}
        return {**shape, "server": SERVER, "status": "ok"}

    def _authenticate(self, bearer: str, fields: dict[str, str]) -> None:
        if self.version < 15:
            token = fields.get("token", "") if self.missing_token_is_invalid else _required(fields, "token")
        else:
            token = bearer or fields.get("token", "")
        if token not in self.tokens | self.sessions:
            raise Fault("Invalid token or session expired.", "invalid-token")

    def _login(self, fields: dict[str, str]) -> dict[str, Any]:
        user, password = _required(fields, "user"), _required(fields, "pass")
        if self.failures >= ATTEMPTS:
            raise Fault(f"Max limit of {ATTEMPTS} attempts exceeded. Access blocked for 300 seconds.")
        known, needs_code = self.users.get(user, ("", False))
        if not known or password != known:
            self.failures += 1
            raise Fault(f"Invalid username or password for user: {user}")
        if needs_code and "totp" not in fields:
            raise Fault(f"A time-based one-time password (TOTP) is required for user: {user}", "2fa-required")
        if needs_code and fields["totp"] != CODE:
            self.failures += 1
            raise Fault(f"Invalid time-based one-time password (TOTP) was attempted for user: {user}")
        self.failures = 0
        token = secrets.token_hex(32)
        self.sessions.add(token)
        self.issued.add(token)
        return {"displayName": user, "username": user, "isSsoUser": False, "totpEnabled": needs_code, "token": token}

    def _logout(self, fields: dict[str, str]) -> dict[str, Any]:
        self.sessions.clear()
        return {}

    def _get(self, fields: dict[str, str]) -> dict[str, Any]:
        zone = self._zone(fields, "view")
        found = zone.records if fields.get("listZone") == "true" else zone.named(fields["domain"])
        return {"zone": _shown(zone), "records": found}

    def _add(self, fields: dict[str, str]) -> dict[str, Any]:
        zone, new = self._zone(fields, "modify"), self._new(fields)
        same = zone.named(new["name"])
        if any(one["type"] == "CNAME" for one in same):
            raise Fault("Cannot add record: a CNAME record exists for the same name.")
        equal = [one for one in same if (one["type"], one["rData"]) == (new["type"], new["rData"])]
        if fields.get("overwrite") == "true":
            zone.records = [one for one in zone.records if one not in same or one["type"] != new["type"]]
        elif equal and equal[0]["ttl"] == new["ttl"]:
            raise Fault("Cannot add record: record already exists.")
        elif equal:
            zone.records.remove(equal[0])
        zone.records.append(new)
        return {"zone": _shown(zone), "addedRecord": new}

    def _update(self, fields: dict[str, str]) -> dict[str, Any]:
        zone = self._zone(fields, "modify")
        old = self._existing(zone, fields, "update")
        new = self._new({**fields, "ipAddress": _required(fields, "newIpAddress")})
        if any(one is not old and one["rData"] == new["rData"] for one in zone.named(new["name"])):
            raise Fault("Cannot update record: record already exists.")
        zone.records[zone.records.index(old)] = new
        return {"zone": _shown(zone), "updatedRecord": new}

    def _delete(self, fields: dict[str, str]) -> dict[str, Any]:
        zone = self._zone(fields, "modify")
        zone.records.remove(self._existing(zone, fields, "delete"))
        return {}

    def _zone(self, fields: dict[str, str], right: str) -> Zone:
        """The zone named, else the closest one."""
        name = fields.get("zone") or _required(fields, "domain")
        wanted = name
        while wanted not in self.zones:
            wanted = wanted.partition(".")[2]
            if fields.get("zone") or not wanted:
                raise Fault(f"No such zone was found: {name}")
        if right not in self.zones[wanted].rights:
            raise Fault("Access was denied.")
        return self.zones[wanted]

    def _new(self, fields: dict[str, str]) -> dict[str, Any]:
        comments = {"comments": fields["comments"]} if fields.get("comments") else {}
        name, record_type = _required(fields, "domain").lower(), _required(fields, "type")
        ttl = int(fields.get("ttl", 3600))
        return record(name, record_type, _required(fields, "ipAddress"), ttl, **comments)

    def _existing(self, zone: Zone, fields: dict[str, str], action: str) -> dict[str, Any]:
        wanted = _required(fields, "type"), {"ipAddress": _required(fields, "ipAddress")}
        for one in zone.named(fields["domain"]):
            if (one["type"], one["rData"]) == wanted:
                return one
        raise Fault(f"Cannot {action} record: no such record exists.")


def home(**options: Any) -> Technitium:
    """A server with the zone home.lan, a token, and two users, of whom `careful` needs a code."""
    server = Technitium(Zone("home.lan"), **options)
    server.tokens.add(TOKEN)
    server.users |= {"admin": (PASSWORD, False), "careful": (PASSWORD, True)}
    return server


_CALLS: dict[str, Callable[[Technitium, dict[str, str]], dict[str, Any]]] = {
    "user/login": Technitium._login,
    "user/logout": Technitium._logout,
    "zones/records/get": Technitium._get,
    "zones/records/add": Technitium._add,
    "zones/records/update": Technitium._update,
    "zones/records/delete": Technitium._delete,
}


def _shown(zone: Zone) -> dict[str, Any]:
    return {"name": zone.name, "type": "Primary", "dnssecStatus": "Unsigned", "disabled": zone.disabled}


def _required(fields: dict[str, str], name: str) -> str:
    if not fields.get(name):
        raise Fault(f"Parameter '{name}' missing.")
    return fields[name]


def _handler(server: Technitium) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            form = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            url = urlsplit(self.path)
            fields = dict(parse_qsl(url.query) + parse_qsl(form))
            bearer = self.headers.get("Authorization", "").removeprefix("Bearer ")
            self.reply(server.answer(url.path.removeprefix("/api/"), fields, bearer))

        def reply(self, answer: dict[str, Any] | None) -> None:
            body = b"" if answer is None else json.dumps(answer).encode()
            self.send_response(404 if answer is None else 200)
            self.send_header("Content-Type", "application/json; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, form: str, *values: object) -> None:
            server.accesses.append(form % values)

    return Handler
