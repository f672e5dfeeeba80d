"""Bring the private registry's nginx server from http to https and back: `listen`, its name, and its TLS lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from codemods.caching.nginx_blocks import ANY_NAME, server_names, tls_lines
from codemods.caching.production import certificate_target, certificates, has_other_certificate
from codemods.engine.edits import Edit, apply_edits
from codemods.engine.model import Outcome, Refusal
from codemods.facts.nginx import NginxFacts, Server
from codemods.formats.nginx import Directive, NginxFile, parse, walk
from codemods.formats.nginx_edits import insert_directive, remove_directive, replace_word

if TYPE_CHECKING:
    from codemods.engine.difference import Path
    from codemods.settings import RegistrySettings


def scheme_edits(file: NginxFile, server: Server, registry: RegistrySettings) -> list[Edit]:
    """The edits that make a server speak the settings' scheme; none where it does, or has a certificate of its own."""
    if registry.scheme == "https":
        return list(_to_https(file, server, registry))
    return list(_to_http(file, server, registry))


def refuse_other_scheme(facts: NginxFacts, server: Server, registry: RegistrySettings) -> Iterator[Outcome]:
    """A server over TLS that was set up by hand cannot be left when the settings say http."""
    if registry.scheme == "http" and has_other_certificate(facts, registry):
        yield Refusal(
            server.directive.start,
            f"the server on port {registry.port} has a certificate of its own ({certificates(server)[0]})",
            'set registry.scheme = "https" in codemod.toml',
        )


def server_paths(file: NginxFile, server: Server, edits: Sequence[Edit]) -> tuple[Path, ...]:
    """The data paths of a server before and after edits: it is called by what it listens to."""
    place = list(walk(file.directives)).index(server.directive)
    new = parse(apply_edits(file.text, edits))
    return file.path(server.directive), new.path(list(walk(new.directives))[place])


def _to_https(file: NginxFile, server: Server, registry: RegistrySettings) -> Iterator[Edit]:
    present = certificates(server)
    if present and present != [certificate_target(registry)]:
        return
    for listen in _listens(server, registry):
        if "ssl" not in listen.args:
            yield Edit(listen.words[1].end, listen.words[1].end, " ssl")
    name = server.directive.get("server_name")
    if name and name.args == [ANY_NAME]:
        yield replace_word(name.words[1], server_names(registry))
    if not present:
        above = name or _listens(server, registry)[-1]
        yield from (insert_directive(file, above, line) for line in tls_lines(registry))


def _to_http(file: NginxFile, server: Server, registry: RegistrySettings) -> Iterator[Edit]:
    if certificates(server) != [certificate_target(registry)]:
        return
    for listen in _listens(server, registry):
        for before, word in zip(listen.words, listen.words[1:], strict=False):
            if word.value == "ssl":
                yield Edit(before.end, word.end, "")
    name = server.directive.get("server_name")
    if name and name.args == [registry.hostname]:
        yield replace_word(name.words[1], ANY_NAME)
    names = {line.partition(" ")[0] for line in tls_lines(registry)}
    yield from (remove_directive(file, line) for line in server.directive.block or () if line.name in names)


def _listens(server: Server, registry: RegistrySettings) -> list[Directive]:
    return [listen.directive for listen in server.listens if registry.port in listen.ports]
