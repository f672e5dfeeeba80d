"""Uploads that nginx is not to buffer are passed on with HTTP/1.1.

`proxy_request_buffering off` passes a request on while it comes in. Docker and its kin upload in chunks, without
telling the size before; HTTP/1.0 has no chunks, so a server that proxies with it collects the whole layer first, on its
disk, whatever that line says. Before 1.29.7 nginx proxies with HTTP/1.0 unless told `proxy_http_version 1.1`.

Not for: nginx images whose tag names 1.29.7 or later, unless 1.0 is asked for.

Evidence: fact 20.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from codemods.engine.context import Context
from codemods.engine.model import Finding, Impact, Role, Severity, rule
from codemods.formats.nginx import Directive
from codemods.repository import Document
from codemods.rules.nginx.places import Place, once, places

_BUFFERING, _VERSION = "proxy_request_buffering", "proxy_http_version"
_SINCE = (1, 29, 7)
_TAG = re.compile(r":(\d+)\.(\d+)(?:\.(\d+))?(?![\d.])[^/]*\Z")


@rule("nginx-require-http11", Role.NGINX, severity=Severity.WARNING, impact=Impact.RELOAD, since="0.1.0")
def check(context: Context, document: Document) -> Iterator[Finding]:
    """Yield a finding for each request buffering that is off in vain."""
    default = _default_version(context)
    return once(_judge(place, default) for place in places(context))


def _judge(place: Place, default: str) -> Finding | None:
    buffering, version = place.location.setting(_BUFFERING), place.location.setting(_VERSION)
    if buffering is None or place.value(_BUFFERING, "on") != "off" or place.value(_VERSION, default) != "1.0":
        return None
    message = f"{_BUFFERING} off does nothing for uploads in chunks over HTTP/1.0; write {_VERSION} 1.1"
    if version is None or _is_around(version, buffering):
        return place.finding(message, buffering, place.insert(buffering, f"{_VERSION} 1.1;"))
    return place.finding(message, version, place.replace(version, 1, "1.1"))


def _is_around(outer: Directive, inner: Directive) -> bool:
    """Whether a directive stands in a block around the other's."""
    block = inner.parent
    while block is not None and outer.parent is not block:
        block = block.parent
    return outer.parent is not inner.parent and outer.parent is block


def _default_version(context: Context) -> str:
    """What nginx proxies with by itself, by the tag of its image; a hook that does not see the tag takes it for new."""
    if context.compose is None:
        return "1.1"
    front = context.compose.nginx
    match = _TAG.search(front.image.partition("@")[0]) if front else None
    # A tag that floats may be an old image that was pulled long ago.
    release = (int(match[1]), int(match[2]), int(match[3] or 0)) if match else (0, 0, 0)
    return "1.1" if release >= _SINCE else "1.0"
