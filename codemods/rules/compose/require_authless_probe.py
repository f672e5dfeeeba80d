"""The health check of a registry with logins asks for something that needs none.

With htpasswd `GET /v2/` answers 401, on which wget and `curl -f` fail: the container is unhealthy for ever, and nginx,
which waits for it, never starts. `GET /` answers 200 without credentials, and 503 when the registry's own checks fail.

Not for: probes that send credentials, and probes that are content with any HTTP answer.

Evidence: fact 39.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from codemods.engine.context import Context
from codemods.engine.edits import Edit
from codemods.engine.model import Finding, Impact, Outcome, Related, Role, rule
from codemods.formats.yaml import Node, Scalar, Sequence, resolve
from codemods.repository import Document

_URL = re.compile(r"https?://[^\s/\"']+(?P<path>/v2/?)(?=[\s\"']|$)")
_CREDENTIALS = re.compile(r"Authorization|--user\b|\s-u\s|://[^\s/@]+@|--http-user")
_FAILS_ON_401 = re.compile(r"\bwget\b|\bcurl\b.*?\s(?:-\w*f\w*|--fail\S*)(?=\s|$)", re.DOTALL)
_CONTENT_WITH_ANY = re.compile(r"\|\|\s*(?:true|:|exit 0)|\|\s*grep|%\{http_code\}")


@rule("compose-require-authless-probe", Role.COMPOSE, impact=Impact.RECREATE, since="0.1.0", cross=True)
def check(context: Context, document: Document) -> Iterator[Outcome]:
    """Yield a finding for each registry with logins whose health check fails on 401."""
    file = document.yaml
    for registry in context.registries:
        if not registry.has_auth or registry.document is None:
            continue
        test = registry.service.value("healthcheck", "test")
        nodes = test.items if isinstance(test, Sequence) else [test] if test else []
        items = [resolve(item) for item in nodes]
        words = [item.value for item in items if isinstance(item, Scalar)]
        command = " ".join(words)
        if _CREDENTIALS.search(command) or _CONTENT_WITH_ANY.search(command) or not _FAILS_ON_401.search(command):
            continue
        yield from (
            Finding(
                start,
                end,
                f"the health check of {registry.service.name} asks {path}, which answers 401 without a login: ask /",
                (Edit(start, end, "/"),),
                (file.path_of(node),),
                (_auth(registry.document, registry.value("auth")),),
            )
            for node, start, end, path in _probes(file.text, items)
        )


def _probes(text: str, items: list[Node]) -> Iterator[tuple[Node, int, int, str]]:
    for node in items:
        if isinstance(node, Scalar):
            for match in _URL.finditer(text, node.start, node.end):
                yield node, *match.span("path"), match["path"]


def _auth(document: Document, node: Node | None) -> Related:
    return Related(document.path, node.start if node else 0, "the registry asks for a login here")
