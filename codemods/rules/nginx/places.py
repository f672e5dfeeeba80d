"""Locations in front of registries, the settings that count there, and how to change them."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from codemods.engine.context import Context
from codemods.engine.difference import Path
from codemods.engine.edits import Edit
from codemods.engine.model import Finding, Related
from codemods.facts.nginx import Location, NginxFacts, Server, Target
from codemods.facts.nginx_routes import locations_for
from codemods.formats.nginx import Directive, NginxFile, entry_name, parse
from codemods.formats.nginx_edits import insert_directive, replace_word

Fix = tuple[tuple[Edit, ...], tuple[Path, ...]]
"""Edits, and the data paths that they write."""

_STOCK_IMAGES = ("nginx", "library/nginx", "docker.io/nginx", "docker.io/library/nginx")
_STOCK_FILES = ("mime.types", "fastcgi_params", "scgi_params", "uwsgi_params")


@dataclass(frozen=True)
class Place:
    """A location that passes requests on; `services` are the registries of the compose file that they go to.

    `whole`: what the file does not show is as nginx's own image has it.
    """

    path: str
    facts: NginxFacts
    server: Server
    location: Location
    services: tuple[str, ...]
    others: tuple[Location, ...]
    whole: bool

    @property
    def file(self) -> NginxFile:
        return self.location.file

    @property
    def service(self) -> str:
        """The registry's name for messages."""
        return self.services[0]

    def value(self, name: str, default: str) -> str | None:
        """The value that counts here; None where a variable or another file may decide."""
        found = self.location.setting(name)
        value = found.args[0] if found and found.args else default
        return None if self.hides(found) or "$" in value else value

    @cached_property
    def headers(self) -> dict[str, Directive] | None:
        """The headers that are passed on, by name in small letters; None where another file may set others."""
        nearest = self.location.setting("proxy_set_header")
        if self.hides(nearest) or (nearest and self._includes(self.file.siblings(nearest))):
            return None
        return self.location.headers

    def hides(self, found: Directive | None) -> bool:
        """Whether another file may set what counts here: one included nearer than `found`, or the file around."""
        block: Directive | None = self.location.directive
        while block is not None and (found is None or block is not found.parent):
            if self._includes(block.block or []):
                return True
            block = block.parent
        if found is not None or self.facts.http is not None:
            return False
        return not self.whole or self._includes(self.file.directives)

    def _includes(self, level: Iterable[Directive]) -> bool:
        """Whether a block takes settings from a file that is not nginx's own."""
        included = [arg for directive in level if directive.name == "include" for arg in directive.args]
        return any(not (posixpath.basename(a) in _STOCK_FILES or (self.whole and "*" in a)) for a in included)

    def finding(self, message: str, about: Directive | None, fix: Fix = ((), ())) -> Finding:
        """A finding at the directive that it is about, or at the location where that stands around the server."""
        head, edits, writes = self.location.directive, *fix
        if about and self.holds(about):
            block = head.start if head.start < about.start < head.end else None
            return Finding(about.start, about.end, message, edits, writes, block=block)
        related = (Related(self.path, about.start, "set here for all servers"),) if about else ()
        return Finding(head.start, head.words[-1].end, message, edits, writes, related)

    def holds(self, directive: Directive) -> bool:
        """Whether a directive stands in this place's server."""
        block = directive.parent
        while block is not None and block is not self.server.directive:
            block = block.parent
        return block is not None

    def write(self, name: str, value: str) -> Fix:
        """Set a value for this location: where it is set now, unless that counts elsewhere, too."""
        found = self.location.setting(name)
        if found and self.holds(found) and not any(other.setting(name) is found for other in self.others):
            return self.replace(found, 1, value)
        return self.insert(self.anchor, f"{name} {value};")

    @property
    def anchor(self) -> Directive:
        """The directive behind which new ones go: proxy_pass, or the last where that stands in an `if`."""
        block = self.location.directive
        return block.get("proxy_pass") or (block.block or [])[-1]

    def replace(self, directive: Directive, number: int, value: str) -> Fix:
        """Write another value in place of a word."""
        word, file = directive.words[number], self.file
        source = f"{file.text[directive.start : word.start]}{value}{file.text[word.end : directive.end]}"
        return (replace_word(word, value),), (file.path(directive), self.path_of(source, directive.parent))

    def insert(self, after: Directive, source: str) -> Fix:
        """A new directive behind another."""
        return (insert_directive(self.file, after, source),), (self.path_of(source, after.parent),)

    def path_of(self, source: str, parent: Directive | None) -> Path:
        """The data path of a directive that is not there yet."""
        name = entry_name(parse(source).directives[0])
        level = self.file.directives if parent is None else parent.block or []
        number = 1 + sum(entry_name(sibling) == name for sibling in level)
        return (*self.file.path(parent), name if number == 1 else f"{name}#{number}")


def places(context: Context) -> Iterator[Place]:
    """Every location of an http server that passes requests on."""
    if context.nginx is None:
        return
    whole = _is_whole(context)
    for server in context.nginx.servers:
        if server.context != "http":
            continue
        passing = [(location, _services(context, location.target)) for location in server.locations if location.target]
        for location, services in passing:
            others = tuple(other for other, its in passing if its != services)
            yield Place(context.stack.nginx or "", context.nginx, server, location, services, others, whole)


def registry_places(context: Context, requests: Sequence[str], *, pushes: bool = True) -> Iterator[Place]:
    """The places that serve these requests to a registry that takes pushes, or to one that does not."""
    for place in places(context):
        wanted = place.services and pushes == any(map(context.takes_pushes, place.services))
        if wanted and place.location in locations_for(place.server, requests):
            yield place


def once(findings: Iterable[Finding | None]) -> Iterator[Finding]:
    """The findings, one for each place of the text: several locations may inherit from it."""
    seen: dict[int, Finding] = {}
    for finding in findings:
        if finding and seen.setdefault(finding.start, finding) is finding:
            yield finding


def _services(context: Context, target: Target) -> tuple[str, ...]:
    """Registries behind a target; where only this file is seen, those that the settings name."""
    hosts = [address.host for address in target.addresses]
    if context.compose is None:
        return tuple(
            registry.service for registry in context.settings.registries if registry.service in (target.host, *hosts)
        )
    registries = context.compose.registries
    return tuple(s.name for s in registries if {s.name, s.container, *s.names} & set(hosts))


def _is_whole(context: Context) -> bool:
    """Whether the container has nginx's own image and no other file of ours below /etc/nginx."""
    front = context.compose.nginx if context.compose else None
    if front is None or front.image.partition("@")[0].partition(":")[0] not in _STOCK_IMAGES:
        return False
    return sum(mount.target.startswith("/etc/nginx") for mount in front.mounts) == 1
