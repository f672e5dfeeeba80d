"""The comment about ports says what nginx does.

The block of comment lines at the VM (`# 5040 -> nginx -> registry-kyverno`) is where people look up which port is
which. A line for a port that is gone, a registry that is missing, or one that has moved, sends them to the wrong place,
and the next port is chosen by it.

The fix adds the line in the style of its neighbour, takes it out, or writes the registry that is there.

Not for: files without such a block; lines about ports that no nginx is said to serve; the private registry's own line,
which `terraform-provision-private-registry` adds.
"""

from __future__ import annotations

from collections.abc import Iterator

from codemods.caching.collection import mentions, rename_spans
from codemods.engine.context import Context
from codemods.engine.edits import Edit
from codemods.engine.model import Finding, Impact, Related, Role, Severity, rule
from codemods.errors import CannotEdit
from codemods.facts.compose import ComposeFacts, Service
from codemods.facts.nginx import NginxFacts
from codemods.facts.terraform import PortComment
from codemods.formats.hcl import HclFile
from codemods.formats.hcl_edits import insert_comment
from codemods.repository import Document

_LOCAL = ("127.", "[::1]", "localhost")


@rule(
    "terraform-require-port-comment",
    Role.TERRAFORM,
    severity=Severity.WARNING,
    impact=Impact.NONE,
    since="0.1.0",
    cross=True,
)
def check(context: Context, document: Document) -> Iterator[Finding]:
    """Yield a finding for each line that is missing, stale, or about another registry."""
    facts, compose, nginx = context.terraform, context.compose, context.nginx
    if facts is None or compose is None or nginx is None or not facts.ports or not nginx.servers:
        return
    served = _served(compose, nginx)
    ours = {registry.port for registry in context.settings.registries}
    for line in facts.ports:
        if line.port not in ours and "nginx" in line.rest:
            yield from _line(context, document.hcl, line, compose, nginx, served)
    known = {line.port for line in facts.ports}
    for port, (service, offset) in sorted(served.items()):
        if port not in ours and port not in known:
            yield _missing(context, document.hcl, port, service, offset)


def _served(compose: ComposeFacts, nginx: NginxFacts) -> dict[int, tuple[Service, int]]:
    """The registry behind each port of the VM, and where nginx listens for it."""
    found: dict[int, tuple[Service, int]] = {}
    host = compose.nginx is None or compose.nginx.value("network_mode") is not None
    published = compose.nginx.ports if compose.nginx else ()
    for server in nginx.servers:
        hosts = {address.host for target in server.targets for address in target.addresses}
        service = next((one for one in compose.registries if hosts & {one.name, one.container, *one.names}), None)
        for listen in server.listens if service else ():
            for port in listen.ports if not listen.address.startswith(_LOCAL) else ():
                for outside in [port] if host else [one.published for one in published if one.target == port]:
                    assert service
                    found.setdefault(outside, (service, listen.directive.start))
    return found


def _line(
    context: Context,
    file: HclFile,
    line: PortComment,
    compose: ComposeFacts,
    nginx: NginxFacts,
    served: dict[int, tuple[Service, int]],
) -> Iterator[Finding]:
    """What is wrong with a line that speaks of nginx."""
    start, end = line.comment.start, line.comment.end
    if line.port not in served:
        listening = any(server.listens_on(line.port) for server in nginx.servers)
        published = any(port.published == line.port for service in compose.services.values() for port in service.ports)
        if not (listening or published or _is_open(nginx)) and context.stack.nginx:
            message = f"the comment about ports has {line.port}, on which nginx does not listen; take the line out"
            related = (Related(context.stack.nginx, 0, "the servers are here"),)
            yield Finding(start, end, message, _without(file, line), related=related)
        return
    service, offset = served[line.port]
    named = [one for one in compose.registries if mentions(line.rest, one.container) or mentions(line.rest, one.name)]
    if named and service not in named:
        message = f"the comment about ports says that {line.port} leads to {named[0].name}; it leads to {service.name}"
        text = _text(context, line, line.port, service, compose)
        edits = (Edit(start, end, text),) if text else ()
        yield Finding(start, end, message, edits, related=_listens(context, offset, service))


def _missing(context: Context, file: HclFile, port: int, service: Service, offset: int) -> Finding:
    assert context.terraform and context.compose
    lines = context.terraform.ports
    smaller = [line for line in lines if line.port < port]
    neighbour = max(smaller, key=lambda line: line.port) if smaller else lines[0]
    through = [line for line in lines if "nginx" in line.rest] or list(lines)
    model = max((line for line in through if line.port < port), key=lambda line: line.port, default=through[0])
    text = _text(context, model, port, service, context.compose)
    edits: tuple[Edit, ...] = ()
    if text:
        try:
            edits = (insert_comment(file, neighbour.comment, text, before=not smaller),)
        except CannotEdit:
            edits = ()
    message = f"the comment about ports does not know port {port}, on which nginx serves {service.name}; add a line"
    comment = neighbour.comment
    return Finding(comment.start, comment.end, message, edits, related=_listens(context, offset, service))


def _text(context: Context, model: PortComment, port: int, service: Service, compose: ComposeFacts) -> str:
    """A line for a port, written like another one; empty when that one names no registry."""
    text = model.comment.text.replace(str(model.port), str(port), 1)
    names = [
        (old, new)
        for one in compose.registries
        for old, new in ((one.container, service.container), (one.name, service.name))
    ]
    spans = rename_spans(text, names)
    if not spans:
        return ""
    start, end, new = spans[0]
    registry = next((one for one in context.registries if one.service == service), None)
    remote = registry.text("proxy", "remoteurl").partition("://")[2].strip("/") if registry else ""
    about = f" ({remote} proxy)" if text[end:].rstrip().endswith("proxy)") and remote and "$" not in remote else ""
    return text[:start] + new + about


def _without(file: HclFile, line: PortComment) -> tuple[Edit, ...]:
    """The comment taken out with its line."""
    start = file.line_start(line.comment.start)
    end = file.text.find("\n", line.comment.end) + 1
    return (Edit(start, end, ""),) if end and file.indentation(line.comment.start) is not None else ()


def _listens(context: Context, offset: int, service: Service) -> tuple[Related, ...]:
    path = context.stack.nginx
    return (Related(path, offset, f"nginx serves {service.name} here"),) if path else ()


def _is_open(nginx: NginxFacts) -> bool:
    """Whether there may be servers that are not in this file, or ports that are not written out."""
    included = [path for path in nginx.includes if not path.endswith(("mime.types", "params"))]
    unknown = [listen for server in nginx.servers for listen in server.listens if "$" in listen.address]
    return bool(included or unknown)
