"""Records on a Technitium DNS server, changed one by one.

Source: APIDOCS.md of TechnitiumSoftware/DnsServer: zones/records/get, add, update and delete.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from codemods.dns.model import Change, Moved, Record
from codemods.dns.technitium_api import Api
from codemods.errors import CodemodError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from codemods.credentials import Credentials

_VALUES = {"A": "ipAddress", "AAAA": "ipAddress", "CNAME": "cname"}


class Technitium:
    """A Provider; without `zone` the server takes the closest one that it has."""

    def __init__(self, url: str, credentials: Credentials, zone: str = "") -> None:
        self._url = url
        self._zone = zone
        self._api = Api(url, credentials)

    def records(self, name: str, record_type: str) -> list[Record]:
        """All records of the name whose type we know."""
        answer = self._api.call("zones/records/get", f"reading {name}", **self._place(name))
        try:
            zone, found = answer["zone"], [_record(data) for data in answer["records"] if data["type"] in _VALUES]
            self._zone = zone["name"]
            disabled = zone.get("disabled", False)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise CodemodError(f"{self._url}: reading {name}: the answer is not as documented") from None
        if disabled:
            raise CodemodError(f"{self._url}: the zone {self._zone} is disabled: enable it on the server")
        return found

    def change(self, seen: Sequence[Record], changes: Sequence[Change]) -> None:
        """One call for each change; one that fails says how many were made before."""
        subject = changes[0].subject
        if sorted(self.records(subject.name, subject.type)) != sorted(seen):
            raise Moved(subject.name)
        for made, change in enumerate(changes):
            try:
                self._make(change)
            except CodemodError as error:
                done = f" ({made} of {len(changes)} changes made)" if made else ""
                raise CodemodError(f"{error}{done}") from None

    def close(self) -> None:
        """Log out."""
        self._api.close()

    def _make(self, change: Change) -> None:
        match change:
            case Change(None, Record() as new):
                fields = {"ttl": str(new.ttl), "overwrite": "false"}
                self._write("add", f"adding {_named(new)}", new, fields)
            case Change(Record() as old, None):
                self._write("delete", f"removing {_named(old)}", old, {})
            case Change(Record() as old, Record() as new):
                # What is not given is reset: the TTL to 3600, the comments to none.
                fields = {"newIpAddress": new.value, "ttl": str(new.ttl), "comments": new.comments}
                self._write("update", f"changing {_named(old)} to {new.value}", old, fields)

    def _write(self, action: str, doing: str, record: Record, fields: dict[str, str]) -> None:
        place = {**self._place(record.name), "type": record.type, "ipAddress": record.value}
        self._api.call(f"zones/records/{action}", doing, **place, **fields)

    def _place(self, name: str) -> dict[str, str]:
        return {"domain": name, "zone": self._zone} if self._zone else {"domain": name}


def _record(data: dict[str, Any]) -> Record:
    value = data["rData"][_VALUES[data["type"]]]
    if data["type"] != "CNAME":
        value = str(ip_address(value))
    comments = data.get("comments") or ""
    return Record(data["name"].lower(), data["type"], value, int(data["ttl"]), bool(data["disabled"]), comments)


def _named(record: Record) -> str:
    return f"the {record.type} record {record.value} of {record.name}"
