"""The private registry's nginx blocks as text, in the style of a sibling registry's."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from codemods.caching.production import certificate_target, key_target
from codemods.formats.nginx_edits import Gap, gap_above, one_line, style_of, styled

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from codemods.facts.nginx import Server, Upstream
    from codemods.formats.nginx import NginxFile
    from codemods.settings import RegistrySettings

HOST_VALUES = {"as-written": "$host", "verified": "$http_host"}
ANY_NAME = "_"
PROTO = "proxy_set_header X-Forwarded-Proto $scheme;"
REGISTRY_PORT = 5000
_SERVER = """\
server {{
    {listen}
    server_name {names};{tls}

    client_max_body_size 0;
    proxy_request_buffering off;
    proxy_buffering off;
    chunked_transfer_encoding on;

    location /v2/ {{
        proxy_pass http://{target};
        proxy_http_version 1.1;
        proxy_set_header Host {host};
        proxy_set_header Connection "";
        proxy_set_header X-Real-IP $remote_addr;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
{proto}{cache}
        proxy_read_timeout 900;
        proxy_send_timeout 900;
    }}

    location / {{
        return 200 'ok';
        add_header Content-Type text/plain;
    }}
}}"""
_BANNER = re.compile(r"(?P<head>#+[^\w(]*)(?P<text>.*?)(?P<tail>[-#=*~_─═\s]*)\Z")
_NO_BANNER = re.compile(r"#.*[;{}]\s*\Z|#\s*codemod:")


def upstream_lines(file: NginxFile, model: Upstream, names: Sequence[str], registry: RegistrySettings) -> list[str]:
    """The upstream, like the model's: its settings, one server, and its comment where that has one of `names`."""
    directive = model.directive
    lines = [f"upstream {registry.name} {{"]
    server = next(child for child in directive.all("server") if _host(child.args) in names)
    for child in directive.block or ():
        source = one_line(file, child)
        if child is server:
            lines.append("    " + source.replace(child.args[0], f"{registry.service}:{REGISTRY_PORT}", 1))
        elif source and child.name != "server":
            lines.append("    " + _renamed(source, names, registry))
    lines.append("}")
    gap = gap_above(file, directive)
    if "\n" not in file.text[directive.start : directive.end]:
        lines = [" ".join(line.strip() for line in lines)]
        gap = replace(gap, before=gap.before or 0)
    else:
        lines = styled(lines, style_of(file, directive))
    comment = [line for line in gap.comment if _mentions(line, names) and not _NO_BANNER.match(line)]
    return [*_above(gap, [_renamed(line, names, registry) for line in comment]), *lines]


def server_lines(
    file: NginxFile,
    model: Server,
    registry: RegistrySettings,
    *,
    profile: str,
    target: str,
    cache_off: bool,
    banner: bool,
) -> list[str]:
    """The plan's server in the model's layout and on its addresses; `banner`: under a comment like the model's."""
    text = _SERVER.format(
        listen="\n    ".join(_listens(model, registry)),
        names=server_names(registry),
        tls="".join(f"\n    {line}" for line in tls_lines(registry)) if registry.scheme == "https" else "",
        target=target,
        host=HOST_VALUES[profile],
        proto=f"        {PROTO}\n" if profile == "verified" else "",
        cache="\n        proxy_cache off;\n" if cache_off else "",
    )
    gap = gap_above(file, model.directive)
    comment = _banner(gap.comment, _ports(model), registry) if banner else []
    return [*_above(gap, comment), *styled(text.split("\n"), style_of(file, model.directive))]


def server_names(registry: RegistrySettings) -> str:
    """What the server is called: TLS clients ask for it by name."""
    return registry.hostname if registry.scheme == "https" else ANY_NAME


def tls_lines(registry: RegistrySettings) -> list[str]:
    """What a server needs besides `listen … ssl`."""
    return [
        f"ssl_certificate {certificate_target(registry)};",
        f"ssl_certificate_key {key_target(registry)};",
        "ssl_protocols TLSv1.2 TLSv1.3;",
    ]


def is_banner(gap: Gap, model: Server, names: Iterable[str], *, everywhere: bool) -> bool:
    """Whether the comment above a server is a banner: it names the server, or all siblings have one.

    Code that was put aside, and our own suppressions, are not.
    """
    if not gap.comment or any(map(_NO_BANNER.match, gap.comment)):
        return False
    return everywhere or _mentions(" ".join(gap.comment), [*names, *_ports(model)])


def _above(gap: Gap, comment: list[str]) -> list[str]:
    """Blank lines as above the model, around our comment; one where the first of a block does not tell."""
    before = 1 if gap.before is None else gap.before
    if comment:
        return [""] * before + comment + [""] * gap.after
    return [""] * (before and max(before, gap.after))


def _host(args: list[str]) -> str:
    return re.sub(r":\d+\Z", "", args[0]) if args else ""


def _mentions(text: str, names: Iterable[str]) -> bool:
    """Whether a text has one of these names, spaces and capitals aside: `Docker Hub` is `dockerhub`."""
    compact = re.sub(r"[\W_]", "", text).lower()
    return any(re.sub(r"[\W_]", "", name).lower() in compact for name in names)


def _renamed(text: str, names: Iterable[str], registry: RegistrySettings) -> str:
    """A text with the model's names replaced by ours, in the same capitals."""

    def ours(match: re.Match[str]) -> str:
        old, new = match[0], registry.service if match[0].lower().startswith("registry-") else registry.name
        return new.upper() if old.isupper() else new.capitalize() if old[0].isupper() else new

    longest_first = sorted(names, key=len, reverse=True)
    pattern = rf"(?<![A-Za-z0-9])(?:{'|'.join(map(re.escape, longest_first))})(?![A-Za-z0-9])"
    return re.sub(pattern, ours, text, flags=re.IGNORECASE)


def _ports(server: Server) -> list[str]:
    return [str(listen.ports.start) for listen in server.listens if listen.ports]


def _listens(model: Server, registry: RegistrySettings) -> list[str]:
    """Our port on the addresses that the model listens on."""
    lines, ssl = [], ["ssl"] if registry.scheme == "https" else []
    for listen in model.listens:
        if listen.ports:
            address = f"{listen.address}:" if listen.address else ""
            options = [option for option in listen.directive.args[1:] if option.startswith("ipv6only=")]
            lines.append(" ".join(["listen", f"{address}{registry.port}", *ssl, *options]) + ";")
    return list(dict.fromkeys(lines)) or [" ".join(["listen", str(registry.port), *ssl]) + ";"]


def _banner(comment: Iterable[str], ports: Iterable[str], registry: RegistrySettings) -> list[str]:
    """The comment with our title in place of its first words; rulers stay, further words go."""
    title = f"{registry.name.capitalize()} R/W Registry"
    lines, named = [], False
    for line in comment:
        match = _BANNER.match(line)
        if match is None or not match["text"]:
            lines.append(line)
        elif not named:
            lines.append(match["head"] + title + _where(match["text"], ports, registry) + match["tail"])
            named = True
    return lines


def _where(text: str, ports: Iterable[str], registry: RegistrySettings) -> str:
    """How a banner tells the port, with ours: ` (port 5050)`; empty when it does not."""
    for port in ports:
        if port in text:
            place = re.search(rf"[\W_]*(?:\b(?:on|port)\b\W*)*\b{port}[^\w\s]*\Z", text, re.IGNORECASE)
            return place[0].replace(port, str(registry.port)) if place else f" (port {registry.port})"
    return ""
