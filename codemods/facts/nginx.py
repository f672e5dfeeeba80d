"""What the nginx configuration says: upstreams, servers, what their locations pass on, and with which settings."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from codemods.formats.nginx import Directive, NginxFile, walk

if TYPE_CHECKING:
    from collections.abc import Iterator

_PORTS = re.compile(r"(?:(?P<address>\[[^]]*\]|[^:\[\]]+):)?(?P<first>\d{1,5})(?:-(?P<last>\d{1,5}))?\Z")
_PASS = re.compile(
    r"(?:(?P<scheme>https?)://)?(?P<host>\[[^]]*\]|[^/:]+)(?::(?P<port>\d{1,5}))?(?P<path>/.*)?\Z", re.DOTALL
)
_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)\})")
_MODIFIERS = ("=", "~*", "~", "^~")
# Variables may name each other, also in circles: enough for what people write.
_ROUNDS = 5
_LONG = 1000


@dataclass(frozen=True)
class Address:
    """A server that requests go to; the port is 80 or 443 where none is written."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Upstream:
    """A named group of servers; `addresses` leaves out unix sockets and what holds variables."""

    name: str
    addresses: tuple[Address, ...]
    directive: Directive


@dataclass(frozen=True)
class Listen:
    """One `listen`: its address as written (empty for all) and its ports; a unix socket has none."""

    address: str
    ports: range
    ssl: bool
    directive: Directive


@dataclass(frozen=True)
class Target:
    """Where `proxy_pass` leads, variables put in; `upstream` is the group that `host` names, if one does."""

    scheme: str
    host: str
    port: int
    path: str
    upstream: Upstream | None

    @property
    def addresses(self) -> tuple[Address, ...]:
        """The servers behind it."""
        return self.upstream.addresses if self.upstream else (Address(self.host, self.port),)

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}" + ("" if self.upstream else f":{self.port}")


@dataclass(frozen=True)
class Location:
    """One `location`; `modifier` is "", "=", "~", "~*" or "^~". `target` is None where nothing is passed on."""

    modifier: str
    pattern: str
    directive: Directive
    target: Target | None
    file: NginxFile

    def setting(self, name: str) -> Directive | None:
        """The directive that counts here."""
        return setting(self.file, self.directive, name)

    @cached_property
    def headers(self) -> dict[str, Directive]:
        """Request headers sent on, by their name in small letters: those of the innermost level that sets any."""
        nearest = self.setting("proxy_set_header")
        level = self.file.siblings(nearest) if nearest else []
        headers = [directive for directive in level if directive.name == "proxy_set_header"]
        return {directive.args[0].lower(): directive for directive in headers if len(directive.args) == 2}


@dataclass(frozen=True)
class Server:
    """One `server`; `context` is http, stream or mail. Locations inside locations come after the outer one."""

    context: str
    listens: tuple[Listen, ...]
    names: tuple[str, ...]
    locations: tuple[Location, ...]
    directive: Directive

    def listens_on(self, port: int) -> bool:
        """Whether one of its ports is `port`."""
        return any(port in listen.ports for listen in self.listens)

    @property
    def targets(self) -> tuple[Target, ...]:
        """Where its locations lead, in order."""
        return tuple(location.target for location in self.locations if location.target)


@dataclass(frozen=True)
class NginxFacts:
    """`http` is the block that holds the servers, None in a file that is itself included in one (conf.d)."""

    http: Directive | None
    upstreams: tuple[Upstream, ...]
    servers: tuple[Server, ...]
    includes: tuple[str, ...]

    def upstream(self, name: str) -> Upstream | None:
        """The upstream of that name."""
        return next((upstream for upstream in self.upstreams if upstream.name == name), None)


def read_nginx(file: NginxFile) -> NginxFacts:
    """Read the facts; a file without servers has none."""
    http = next((directive for directive in file.directives if directive.name == "http"), None)
    level = (http.block or []) if http else file.directives
    named = [directive for directive in level if directive.name == "upstream" and directive.block is not None]
    upstreams = tuple(Upstream(" ".join(d.args), tuple(_addresses(d)), d) for d in named)
    by_name = {upstream.name: upstream for upstream in upstreams}
    servers = [_server(file, "http", d, by_name) for d in level if d.name == "server" and d.block is not None]
    for outer in file.directives:
        if outer.name in ("stream", "mail"):
            servers += [_server(file, outer.name, d, {}) for d in outer.all("server") if d.block is not None]
    includes = tuple(d.args[0] for d in walk(file.directives) if d.name == "include" and d.args)
    return NginxFacts(http, upstreams, tuple(servers), includes)


def setting(file: NginxFile, block: Directive | None, name: str) -> Directive | None:
    """The directive that counts in a block (None: the file): its own, or that of the nearest block around it.

    A conf.d file does not show what the http block around it sets.
    """
    while block is not None:
        if found := block.get(name):
            return found
        block = block.parent
    return next((directive for directive in file.directives if directive.name == name), None)


def _addresses(upstream: Directive) -> Iterator[Address]:
    for server in upstream.all("server"):
        match = _PASS.match(server.args[0]) if server.args else None
        if match and not match["scheme"] and "$" not in server.args[0] and match["host"] != "unix":
            yield Address(match["host"], int(match["port"] or 80))


def _server(file: NginxFile, context: str, directive: Directive, upstreams: dict[str, Upstream]) -> Server:
    names = tuple(name for names in directive.all("server_name") for name in names.args)
    return Server(
        context,
        tuple(_listen(listen) for listen in directive.all("listen") if listen.args),
        names,
        tuple(_locations(file, directive, upstreams)),
        directive,
    )


def _listen(directive: Directive) -> Listen:
    where, *options = directive.args
    match = _PORTS.match(where)
    ssl = "ssl" in options
    if match is None:
        # An address alone means port 80; a socket, a variable or a template has no port that we could know.
        known = not where.startswith("unix:") and "$" not in where
        return Listen(where, range(80, 81) if known else range(0), ssl, directive)
    first = int(match["first"])
    return Listen(match["address"] or "", range(first, int(match["last"] or first) + 1), ssl, directive)


def _locations(file: NginxFile, block: Directive, upstreams: dict[str, Upstream]) -> Iterator[Location]:
    for directive in block.all("location"):
        if directive.block is None or not directive.args:
            continue
        modifier, pattern = _modifier(directive.args)
        yield Location(modifier, pattern, directive, _target(directive, upstreams), file)
        yield from _locations(file, directive, upstreams)


def _modifier(args: list[str]) -> tuple[str, str]:
    """Modifier and pattern of a location; nginx takes them as one word, too: `=/v2/`."""
    if len(args) > 1 and args[0] in _MODIFIERS:
        return args[0], " ".join(args[1:])
    pattern = " ".join(args)
    modifier = next((one for one in _MODIFIERS if pattern.startswith(one)), "")
    return modifier, pattern.removeprefix(modifier)


def _target(location: Directive, upstreams: dict[str, Upstream]) -> Target | None:
    """Where the location's own proxy_pass leads, or the first one in an `if` inside it."""
    blocks = [location, *location.all("if"), *location.all("limit_except")]
    found = next((d for block in blocks for d in block.all("proxy_pass") if d.args), None)
    match = _PASS.match(_put_in(found.args[0], found)) if found else None
    if match is None or "$" in match["host"]:
        return None
    scheme = match["scheme"] or "http"
    port = int(match["port"] or {"http": 80, "https": 443}[scheme])
    upstream = None if match["port"] else upstreams.get(match["host"])
    return Target(scheme, match["host"], port, match["path"] or "", upstream)


def _put_in(value: str, directive: Directive) -> str:
    """A value with variables replaced by what `set` gives them in a block around the directive."""

    def known(match: re.Match[str]) -> str:
        name = f"${match[1] or match[2]}"
        block = directive.parent
        while block is not None:
            for assignment in reversed(block.all("set")):
                if len(assignment.args) == 2 and assignment.args[0] == name and len(assignment.args[1]) < _LONG:
                    return assignment.args[1]
            block = block.parent
        return match[0]

    for _ in range(_ROUNDS):
        if len(value) < _LONG:
            value = _VARIABLE.sub(known, value)
    return value
