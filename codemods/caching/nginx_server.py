"""Add the private registry's upstream and server to nginx.

The upstream is written like the last registry's. The server goes behind the last one that passes requests on to a
registry, under a banner like its sibling's, on the same addresses and in the same layout. What it does is the plan's
text: no size limit, no buffering, and no cache, because a cached answer hides what was just pushed. Where a cache is
switched on for all servers, the new one switches it off. Where the last sibling passes straight to its registry,
without an upstream, so does the new server.

Profile `verified` sends `Host $http_host` and `X-Forwarded-Proto`: with `Host $host` the registry answers an upload
with a URL that has lost its port, and no push works.

With `registry.scheme = "https"` the server ends TLS: it has the registry's name, the certificate that compose mounts,
and TLS 1.2 and 1.3. A change of the setting brings a server that is there from one to the other.

Not for: a server that is there already on the registry's port; it is only brought to the profile and the scheme. One
with a certificate of its own keeps it.

Evidence: facts 17, 18, 19, 20, 21, 22.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from codemods.caching.nginx_blocks import HOST_VALUES, PROTO, REGISTRY_PORT, is_banner, server_lines, upstream_lines
from codemods.caching.nginx_scheme import refuse_other_scheme, scheme_edits, server_paths
from codemods.engine.model import Finding, Impact, Outcome, Refusal, Role, rule
from codemods.facts.nginx import Address, Location, NginxFacts, Server, Target, Upstream, read_nginx, setting
from codemods.formats.nginx import Directive, NginxFile, entry_name, parse
from codemods.formats.nginx_edits import gap_above, insert_directive, insert_lines, replace_word

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator

    from codemods.engine.context import Context
    from codemods.engine.difference import Path
    from codemods.engine.edits import Edit
    from codemods.facts.compose import Service
    from codemods.repository import Document
    from codemods.settings import RegistrySettings


@rule("nginx-add-private-server", Role.NGINX, impact=Impact.RELOAD, since="0.1.0", task="3")
def check(context: Context, document: Document) -> Iterator[Outcome]:
    """Yield the upstream and the server that are missing, or what an older server lacks."""
    if context.compose is None:
        return
    here, registry = Here.of(context, document.nginx), context.settings.registry
    if refusal := here.taken():
        yield refusal
    elif here.server:
        if any(map(here.lacks_upstream, here.server.targets)):
            yield here.add_upstream()
        yield from refuse_other_scheme(here.facts, here.server, registry)
        yield from here.bring_up_to_date(context.settings.profile)
    elif not here.siblings:
        yield here.no_model()
    else:
        if not here.upstream and not here.straight:
            yield here.add_upstream()
        yield here.add_server(context.settings.profile)


def _hosts(services: Iterable[Service]) -> dict[str, str]:
    return {host: service.short_name for service in services for host in (service.name, service.container)}


@dataclass
class Here:
    """What of the private registry is in the file, and its siblings; `hosts` leads to their short names.

    `around` has the hosts of all other registries: behind the last of those it goes.
    """

    file: NginxFile
    facts: NginxFacts
    registry: RegistrySettings
    hosts: dict[str, str]
    around: dict[str, str]

    @classmethod
    def of(cls, context: Context, file: NginxFile) -> Here:
        """What is in the file, by what compose says."""
        registry = context.settings.registry
        return cls(file, read_nginx(file), registry, _hosts(context.siblings), _hosts(context.neighbours))

    def __post_init__(self) -> None:
        http = [server for server in self.facts.servers if server.context == "http"]
        self.siblings = [server for server in http if self.sibling_target(server)]
        self.last = next((server for server in reversed(http) if _target(server, self.around)), None)
        self.upstream = next((upstream for upstream in self.facts.upstreams if self.is_private(upstream)), None)
        on_port = [server for server in http if server.listens_on(self.registry.port)]
        self.server = next((server for server in on_port if any(map(self.leads_here, server.targets))), None)

    @property
    def straight(self) -> bool:
        """Whether the last sibling passes to its registry without an upstream."""
        target = self.sibling_target(self.siblings[-1])
        return target is not None and target.upstream is None

    def sibling_target(self, server: Server) -> Target | None:
        """Where a server passes requests on to a sibling."""
        return _target(server, self.hosts)

    def is_private(self, upstream: Upstream) -> bool:
        """Whether an upstream, whatever its name, has the private registry as its only server."""
        own = Address(self.registry.service, REGISTRY_PORT)
        return upstream.addresses == (own,) and len(upstream.directive.all("server")) == 1

    def lacks_upstream(self, target: Target) -> bool:
        """Whether a target names our upstream while there is none."""
        return target.host == self.registry.name and target.upstream is None

    def leads_here(self, target: Target) -> bool:
        """Whether a target is the private registry."""
        if target.upstream:
            return self.is_private(target.upstream)
        return target.addresses == (Address(self.registry.service, REGISTRY_PORT),) or self.lacks_upstream(target)

    def taken(self) -> Refusal | None:
        """Whether the upstream's name or the port belongs to something else."""
        upstream, port = self.facts.upstream(self.registry.name), self.registry.port
        if upstream and not self.is_private(upstream):
            return Refusal(
                upstream.directive.start,
                f"the upstream {self.registry.name} exists with other servers: "
                + (", ".join(map(str, upstream.addresses)) or "none with a plain address"),
                "set registry.name in codemod.toml to another name, or rename this upstream",
            )
        server = next((server for server in self.facts.servers if server.listens_on(port)), None)
        if server and not self.server:
            leads = " and to ".join(map(str, server.targets))
            what = f"an {server.context} server that passes to {leads}" if leads else f"another {server.context} server"
            return Refusal(
                server.directive.start,
                f"port {port} is taken by {what}",
                "set registry.port in codemod.toml to a free port",
            )
        return None

    def no_model(self) -> Refusal:
        """Why there is nothing to put the server beside."""
        http, included = self.facts.http, ", ".join(self.facts.includes)
        reason = f"no server passes requests on to a registry ({', '.join(self.hosts) or 'compose has none'})"
        if http is None and not self.facts.servers:
            reason = "no http block, and no server outside of one"
        return Refusal(
            http.start if http else 0,
            reason,
            "set paths.nginx in codemod.toml to the file with the registries' servers"
            + (f"; this file includes {included}" if included else ""),
        )

    def add_upstream(self) -> Finding | Refusal:
        """The upstream, behind the last registry's."""
        models = [u for u in self.facts.upstreams if any(address.host in self.hosts for address in u.addresses)]
        name = self.registry.name
        if not models:
            return Refusal(0, f"no registry's upstream to take as a model for {name}", "add the upstream by hand")
        host = next(address.host for address in models[-1].addresses if address.host in self.hosts)
        names = (host, self.hosts[host], models[-1].name)
        lines = upstream_lines(self.file, models[-1], names, self.registry)
        last = [u for u in self.facts.upstreams if any(address.host in self.around for address in u.addresses)][-1]
        return self.insertion(last.directive, lines, f"no upstream {name}; it goes after {last.name}")

    def add_server(self, profile: str) -> Finding:
        """The server, behind the last sibling."""
        model = self.siblings[-1]
        cache = setting(self.file, model.directive.parent, "proxy_cache")
        straight = f"{self.registry.service}:{REGISTRY_PORT}" if self.straight else self.registry.name
        lines = server_lines(
            self.file,
            model,
            self.registry,
            profile=profile,
            target=self.upstream.name if self.upstream else straight,
            cache_off=cache is not None and cache.args != ["off"],
            banner=self.has_banner(model),
        )
        message = f"no server on port {self.registry.port} for the {self.registry.name} registry"
        return self.insertion((self.last or model).directive, lines, message)

    def bring_up_to_date(self, profile: str) -> Iterator[Outcome]:
        """What our server lacks of the profile and of the scheme; both in one finding, as the server's name changes."""
        assert self.server
        locations = [found for found in self.server.locations if found.target and self.leads_here(found.target)]
        outcomes = [
            outcome for found in locations for outcome in _bring_to_profile(profile, self.file, self.server, found)
        ]
        edits = scheme_edits(self.file, self.server, self.registry)
        if edits:
            findings = [outcome for outcome in outcomes if isinstance(outcome, Finding)]
            edits += [edit for finding in findings for edit in finding.edits]
            place, words = server_paths(self.file, self.server, edits), self.server.directive.words
            message = "; ".join([f"the server speaks no {self.registry.scheme}", *(one.message for one in findings)])
            yield Finding(words[0].start, words[-1].end, message, tuple(edits), place)
        yield from (outcome for outcome in outcomes if not (edits and isinstance(outcome, Finding)))

    def has_banner(self, model: Server) -> bool:
        """Whether the siblings stand under banners: all of them, or the last one under one that names it."""
        gaps = [gap_above(self.file, server.directive) for server in self.siblings]
        target = self.sibling_target(model)
        names = [self.hosts[a.host] for a in target.addresses if a.host in self.hosts] if target else []
        return is_banner(gaps[-1], model, names, everywhere=len(gaps) > 1 and all(gap.comment for gap in gaps))

    def insertion(self, model: Directive, lines: list[str], message: str) -> Finding:
        """The finding that puts lines with one directive behind the model."""
        name = entry_name(parse("\n".join(lines)).directives[0])
        edit = insert_lines(self.file, model, lines)
        return Finding(model.start, model.words[-1].end, message, (edit,), ((*self.file.path(model.parent), name),))


def _target(server: Server, hosts: Container[str]) -> Target | None:
    """Where a server passes requests on to one of some hosts."""
    return next((t for t in server.targets if any(address.host in hosts for address in t.addresses)), None)


def _bring_to_profile(profile: str, file: NginxFile, server: Server, location: Location) -> Iterator[Outcome]:
    """What a location of the private registry's own server needs."""
    cache = location.setting("proxy_cache")
    host, proto = location.headers.get("host"), location.headers.get("x-forwarded-proto")
    if cache and cache.args != ["off"]:
        yield Refusal(
            location.directive.start,
            "the private registry's server caches what it passes on: what was just pushed would stay hidden",
            "write proxy_cache off; in this location",
        )
    elif profile == "verified":
        if host and host.args[1] == HOST_VALUES["as-written"]:
            yield _verify(file, server, location, host)
    elif host and proto and host.args[1] == HOST_VALUES["verified"]:
        yield Refusal(
            host.start,
            "already migrated with profile verified; as-written would bring back Host $host, with which no push works",
            'keep profile = "verified"',
        )


def _verify(file: NginxFile, server: Server, location: Location, host: Directive) -> Outcome:
    """The headers of profile `verified` in place of as-written ones."""
    if host.parent not in (server.directive, location.directive):
        return Refusal(
            location.directive.start,
            "Host $host, with which no push works, is set outside of the private registry's server",
            "write the five proxy_set_header lines of the verified profile in this location",
        )
    edits: list[Edit] = [replace_word(host.words[2], HOST_VALUES["verified"])]
    paths: list[Path] = [file.path(host), (*file.path(host.parent), f"proxy_set_header Host {HOST_VALUES['verified']}")]
    if "x-forwarded-proto" not in location.headers:
        last = location.headers.get("x-forwarded-for") or list(location.headers.values())[-1]
        edits.append(insert_directive(file, last, PROTO))
        paths.append((*file.path(host.parent), PROTO.rstrip(";")))
    message = "Host $host loses the port of upload URLs: no push works"
    return Finding(host.start, host.end, message, tuple(edits), tuple(paths))
