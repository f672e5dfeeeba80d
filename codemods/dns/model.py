"""DNS records, what is to be done to them, and what a provider must be able to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from codemods.errors import CodemodError

if TYPE_CHECKING:
    from collections.abc import Sequence

ADDRESS_TYPES = {4: "A", 6: "AAAA"}
"""The record type for addresses of an IP version."""


class Record(NamedTuple):
    """One DNS record. `value` is an address, or for a CNAME the name it leads to; `ttl` is in seconds.

    A disabled one is kept by the server and not served. `comments` are the server's, for people.
    """

    name: str
    type: str
    value: str
    ttl: int
    disabled: bool = False
    comments: str = ""


class Wanted(NamedTuple):
    """The only record that a name is to have of its type; `ttl_given` when its TTL must be this one, too."""

    name: str
    type: str
    value: str
    ttl: int
    ttl_given: bool = False


class Change(NamedTuple):
    """One step: `before` is None for a record that is added, `after` for one that is removed."""

    before: Record | None
    after: Record | None

    @property
    def subject(self) -> Record:
        """The record that tells name and type."""
        record = self.before or self.after
        assert record is not None
        return record


class Moved(CodemodError):
    """Records that are no longer as they were read."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the records of {name} have changed meanwhile: run sync-dns again")


class Provider(Protocol):
    """A DNS server whose records can be changed. Its methods raise CodemodError, one line."""

    def records(self, name: str, record_type: str) -> list[Record]:
        """The records of this name: those of the type, disabled ones too, and a CNAME; others may be among them."""

    def change(self, seen: Sequence[Record], changes: Sequence[Change]) -> None:
        """Make the changes, which were derived from `seen`. Raises Moved when the records are no longer these."""

    def close(self) -> None:
        """End the session with the server."""
