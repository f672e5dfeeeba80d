"""Which location nginx chooses for a registry's requests."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from codemods.facts.nginx import Location, Server
    from codemods.formats.nginx import Directive

UPLOADS = ("blobs/uploads/", "blobs/uploads/1f0c7ad2-63d1-4a51-9a5e-8d2f64b1c0de")
"""Requests that carry layers, below `/v2/NAME/`."""
MANIFESTS = ("manifests/latest",)
"""Requests for what a tag names."""
BLOBS = ("blobs/sha256:" + "0a" * 32,)
"""Requests for what a digest names."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._/-]*")
_REQUEST = re.compile(r"/?(?:blobs|manifests|tags)(?:/|\Z)")
_NAMED_GROUP = re.compile(r"\(\?<(?=[A-Za-z_])")


class UnknownPattern(Exception):
    """A pattern in a dialect that is not Python's."""


def locations_for(server: Server, requests: Sequence[str]) -> list[Location]:
    """The locations that serve these requests, each once; none where a location's pattern cannot be read."""
    uris = [f"/v2/{name}/{request}" for name in _names(server) for request in requests]
    try:
        found = [location_for(server, uri) for uri in uris]
    except UnknownPattern:
        return []
    return list(dict.fromkeys(location for location in found if location))


def location_for(server: Server, uri: str) -> Location | None:
    """The location that serves a URI. Raises UnknownPattern."""
    return _choose(server, server.directive, uri)[0]


def _names(server: Server) -> Iterator[str]:
    """Image names that tell the server's locations apart."""
    yield from ("app", "library/app")
    for location in server.locations:
        if location.modifier in ("", "^~") and location.pattern.startswith("/v2/"):
            name = _REQUEST.split(location.pattern.removeprefix("/v2/"))[0].strip("/")
            if _NAME.fullmatch(name):
                yield from (name, f"{name}/app")


def _choose(server: Server, block: Directive, uri: str) -> tuple[Location | None, bool]:
    """The location in a block that serves a URI, and whether no pattern of a block around it could take it away."""
    level = [location for location in server.locations if location.directive.parent is block]
    if exact := next((one for one in level if one.modifier == "=" and one.pattern == uri), None):
        return exact, True
    prefixes = [one for one in level if one.modifier in ("", "^~") and uri.startswith(one.pattern)]
    longest = max(prefixes, key=lambda one: len(one.pattern), default=None)
    found = longest
    if longest:
        inner, final = _choose(server, longest.directive, uri)
        if final:
            return inner, True
        found = inner or longest
    if longest is None or longest.modifier != "^~":
        for one in level:
            if one.modifier in ("~", "~*") and _matches(one, uri):
                return _choose(server, one.directive, uri)[0] or one, True
    return found, False


def _matches(location: Location, uri: str) -> bool:
    # Python has no POSIX classes, and would read them as something else.
    if "[[:" in location.pattern:
        raise UnknownPattern
    try:
        flags = re.IGNORECASE if location.modifier == "~*" else 0
        return re.search(_NAMED_GROUP.sub("(?P<", location.pattern), uri, flags) is not None
    except (re.error, OverflowError, RecursionError):
        raise UnknownPattern from None
