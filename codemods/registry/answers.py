"""What an answer that is no success means for a registry, in words and with what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from codemods.credentials import origin_of
from codemods.errors import CodemodError

if TYPE_CHECKING:
    import httpx


class RegistryError(CodemodError):
    """An answer that is not the one hoped for; `status` is its HTTP status, `reason` what it means."""

    def __init__(self, what: str, answer: httpx.Response) -> None:
        self.status = answer.status_code
        self.reason = reason_of(answer)
        super().__init__(f"{what}: {self.reason}")


_REASONS = {
    401: "it asks for a login",
    403: "the login is not allowed to do this",
    405: "it does not take this: it is read-only, or a mirror that pulls through",
    413: "nginx takes no body of this size: set `client_max_body_size 0`",
    429: "too many requests, try later",
    502: "the proxy in front answers and cannot reach the registry behind it",
    503: "the registry says that it is not healthy, or the proxy that there is none",
    504: "the registry takes longer than the proxy in front waits: raise `proxy_read_timeout`",
}


def reason_of(answer: httpx.Response) -> str:
    """One line: what the status means where that is known, else what the server says itself."""
    status, text = answer.status_code, answer.text[:2000]
    if status == 400 and ("sent to HTTPS port" in text or "to an HTTPS server" in text):
        return "it speaks TLS on this port and was asked over plain http"
    if 300 <= status < 400:
        return f"it sends us elsewhere ({status}), which is not followed"
    said = _REASONS.get(status) or _first_error(answer)
    return f"{said} ({status})" if said else f"it answers {status}"


def address_of(base: str, address: str) -> tuple[str, str]:
    """Origin, and path with query, of an address that a server gives in an answer to `base`; empty for none."""
    try:
        parts = urlsplit(urljoin(base, address))
        origin = origin_of(parts.geturl())
    except ValueError:
        return "", ""
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return "", ""
    return origin, f"{parts.path}?{parts.query}" if parts.query else parts.path


def _first_error(answer: httpx.Response) -> str:
    """Code and message of a registry's error document; empty when it is none."""
    try:
        error = answer.json()["errors"][0]
        return f"{error['code']}, {error['message']}"[:200]
    except (ValueError, LookupError, TypeError):
        return ""
