"""Take the private registry's upstream and server out of nginx.

They go with their banners when they are the recipe's: the upstream has the registry as its only server, the server on
the registry's port passes to nothing else and has no directives but those that the recipe writes. With others it is
refused by name. An upstream or a port that somebody else uses is left alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from codemods.caching.nginx_server import Here
from codemods.caching.removal.proof import is_about_us
from codemods.engine.edits import Edit
from codemods.engine.model import Finding, Impact, Note, Outcome, Refusal, Role, rule
from codemods.facts.nginx import Server
from codemods.formats.lines import begin_above, cut_lines
from codemods.formats.nginx import Directive, NginxFile, walk
from codemods.formats.nginx_edits import has_lines_for_itself, remove_directive

if TYPE_CHECKING:
    from codemods.engine.context import Context
    from codemods.repository import Document

_WRITTEN = {
    "listen", "server_name", "ssl_certificate", "ssl_certificate_key", "ssl_protocols", "client_max_body_size",
    "proxy_request_buffering", "proxy_buffering", "chunked_transfer_encoding", "location", "proxy_pass",
    "proxy_http_version", "proxy_set_header", "proxy_cache", "proxy_read_timeout", "proxy_send_timeout", "return",
    "add_header",
}  # fmt: skip
"""The directives in the recipe's server."""


@rule("nginx-add-private-server", Role.NGINX, impact=Impact.RELOAD, since="0.1.0", task="3")
def check(context: Context, document: Document) -> Iterator[Outcome]:
    """Yield the server and the upstream, each as one finding."""
    if context.compose is None:
        return
    file, registry = document.nginx, context.settings.registry
    here = Here.of(context, file)
    if taken := here.taken():
        yield Note(f"{taken.reason}: left as it is")
        return
    if foreign := _foreign(here):
        yield Refusal(foreign[0].start, foreign[1], "take it out of there, or the server by hand")
        return
    if here.server:
        yield _removal(context, file, here.server.directive, f"without the server on port {registry.port}")
    if here.upstream:
        what = f"without the upstream {here.upstream.name}"
        yield _removal(context, file, here.upstream.directive, what)


def _foreign(here: Here) -> tuple[Directive, str] | None:
    """What of somebody else's would be lost with the server, or would miss the upstream."""
    for server in here.facts.servers:
        leads_here = [location for location in server.locations if location.target and here.leads_here(location.target)]
        if server is not here.server and leads_here:
            return leads_here[0].directive, f"another server passes to {here.registry.service}"
    return _in_server(here, here.server) if here.server else None


def _in_server(here: Here, server: Server) -> tuple[Directive, str] | None:
    for directive in walk(server.directive.block or ()):
        if directive.name not in _WRITTEN:
            return directive, f"the server on port {here.registry.port} has a directive of its own: {directive.name}"
    if any(len(listen.ports) != 1 or here.registry.port not in listen.ports for listen in server.listens):
        return server.directive, f"the server listens on more than port {here.registry.port}"
    for location in server.locations:
        if location.pattern not in ("/", "/v2/"):
            return location.directive, f"the server on port {here.registry.port} has a location {location.pattern}, too"
        if location.target and not here.leads_here(location.target):
            return location.directive, f"the server on port {here.registry.port} passes to {location.target}, too"
    return None


def _removal(context: Context, file: NginxFile, directive: Directive, message: str) -> Finding:
    """The finding that cuts a block out, with its banner and the gap above."""
    path = file.path(directive)
    return Finding(directive.start, directive.words[-1].end, message, (_cut(context, file, directive),), (path,))


def _cut(context: Context, file: NginxFile, directive: Directive) -> Edit:
    if not has_lines_for_itself(file, directive):
        return remove_directive(file, directive)
    first = begin_above(file.text, directive.start, lambda line: is_about_us(context, line))
    return cut_lines(file.text, first, directive.end)
