"""The login that a registry asks for in a 401: Basic, or a token from the realm that it names.

A realm on another server than the registry's is asked without credentials, and over https only: the public registries
give everyone a token for what is public.
"""

from __future__ import annotations

import re
from base64 import b64encode
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from codemods.http import Client
from codemods.registry.answers import address_of

if TYPE_CHECKING:
    import httpx

    from codemods.credentials import Credentials

_PARAMETER = re.compile(r'(\w+)="([^"]*)"')


class Authorization:
    """The answers to one registry's challenges: Basic for everything, or a token for each scope."""

    def __init__(self, client: Client, credentials: Credentials | None = None) -> None:
        self.client = client
        self.credentials = credentials
        self._basic = ""
        self._tokens: dict[str, str] = {}

    def headers(self, scope: str) -> dict[str, str]:
        """The header to send, as far as the registry has asked for one."""
        value = self._basic or self._tokens.get(scope, "")
        return {"Authorization": value} if value else {}

    def learn(self, challenge: str, scope: str, refused: dict[str, str]) -> bool:
        """Whether another try is worth it after a 401 with this WWW-Authenticate. Raises Unreachable."""
        if self.headers(scope) != refused:  # another thread has learned it meanwhile
            return True
        kind = challenge.partition(" ")[0].lower()
        if kind == "basic" and self.credentials:
            self._basic = _basic(self.credentials)
            return self.headers(scope) != refused
        token = self._token(dict(_PARAMETER.findall(challenge)), scope) if kind == "bearer" else ""
        if token:
            self._tokens[scope] = f"Bearer {token}"
        return bool(token)

    def _token(self, challenge: dict[str, str], scope: str) -> str:
        """The token that a challenge asks for; empty when none is given for our login, or without one."""
        origin, path = address_of("", challenge.get("realm", ""))
        if origin != self.client.origin and not origin.startswith("https:"):
            return ""
        query = {name: value for name, value in {"service": challenge.get("service"), "scope": scope}.items() if value}
        answer = self._ask(origin, path, query)
        try:
            content = answer.json() if answer.status_code == 200 else {}
        except ValueError:
            return ""
        token = content.get("token") or content.get("access_token") if isinstance(content, dict) else None
        return token if isinstance(token, str) and re.fullmatch(r"[!-~]+", token) else ""

    def _ask(self, origin: str, path: str, query: dict[str, str]) -> httpx.Response:
        path, _, given = path.partition("?")
        params = [*parse_qsl(given), *query.items()]
        if origin == self.client.origin:
            headers = {"Authorization": _basic(self.credentials)} if self.credentials else {}
            return self.client.request("GET", path, headers=headers, params=params)
        with Client(origin) as other:
            return other.request("GET", path, params=params)


def _basic(credentials: Credentials) -> str:
    return f"Basic {b64encode(f'{credentials.username}:{credentials.password}'.encode()).decode()}"
