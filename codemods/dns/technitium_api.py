"""The HTTP API of a Technitium DNS server: its token, its login, and its errors, each as one line.

Everything is sent as a POST form, so that no secret is part of a URL and ends in an access log. Handled errors come
with status 200 and say in `status` what is wrong. Source: APIDOCS.md of TechnitiumSoftware/DnsServer, v15.2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from codemods.engine.report.mask import MASK
from codemods.errors import CodemodError
from codemods.http import Client

if TYPE_CHECKING:
    from httpx import Response

    from codemods.credentials import Credentials

NO_TOKEN = "Parameter 'token' missing."
"""What a server answers, besides `invalid-token`, that knows tokens only as form fields."""

# What to do about an error, found by a part of its message.
_ADVICE = {
    "No such zone": "create the zone on the server, or set dns.zone to the one that it has",
    "Access was denied": "give the user or token the right to modify this zone",
    "record already exists": "look at it there: it may be a disabled one, or one that somebody else just added",
    "Invalid username or password": "the server blocks this network after 5 such attempts",
    "Max limit of": "wait until the block ends, or use a token",
    "TOTP": "give the current code in CODEMOD_DNS_TOTP, or use a token",
}


class ApiError(CodemodError):
    """An error that the server answered with; `said` is its own message."""

    def __init__(self, message: str, said: str = "") -> None:
        super().__init__(message)
        self.said = said


class CodeRequired(ApiError):
    """A login that needs a one-time code."""


class InvalidToken(ApiError):
    """A token that the server does not know, or no longer."""


class Api:
    """A session with one server, with a token or, until `close`, with a login. Raises CodemodError."""

    def __init__(self, url: str, credentials: Credentials) -> None:
        self._secrets = [secret for secret in (credentials.token, credentials.password, credentials.totp) if secret]
        self._token = credentials.token
        self._in_form = False
        # An HTTP library's complaint about a header would quote it.
        if not self._token.isascii() or not self._token.isprintable() or " " in self._token:
            raise CodemodError(
                f"the token for {credentials.origin} holds a blank, a line end, or the like: no token does"
            )
        self._client = Client(url)
        self._logged_in = False
        try:
            if not self._token:
                self._login(credentials)
        except BaseException:
            self._client.close()
            raise

    def close(self) -> None:
        """Log out, if there was a login. Raises CodemodError when the server does not take it."""
        try:
            if self._logged_in:
                self.call("user/logout", "logging out")
        finally:
            self._client.close()

    def call(self, path: str, doing: str, **fields: str) -> dict[str, Any]:
        """The `response` of one call. `doing` says in an error what it was for, as in `reading x.home.lan`.

        Servers before v15 do not look at the Authorization header: they get the token as a form field.
        """
        if not self._in_form:
            try:
                return self._called(path, doing, fields, {"Authorization": f"Bearer {self._token}"})
            except ApiError as error:
                if not isinstance(error, InvalidToken) and error.said != NO_TOKEN:
                    raise
        answer = self._called(path, doing, {**fields, "token": self._token}, {})
        self._in_form = True
        return answer

    def _login(self, credentials: Credentials) -> None:
        if not (credentials.username and credentials.password):
            raise CodemodError(
                f"the dns credentials for {self._client.origin} are not complete: "
                "they need a token, or a username and a password"
            )
        fields = {"user": credentials.username, "pass": credentials.password, "totp": credentials.totp}
        answer = self._post("user/login", "logging in", {name: text for name, text in fields.items() if text}, {})
        token = answer.get("token")
        if not isinstance(token, str) or not token:
            raise self._no_api("user/login", "it gives no token")
        self._secrets.append(token)
        self._token, self._logged_in = token, True

    def _called(self, path: str, doing: str, fields: dict[str, str], headers: dict[str, str]) -> dict[str, Any]:
        answer = self._post(path, doing, fields, headers).get("response", {})
        if not isinstance(answer, dict):
            raise self._no_api(path, "its response is no object")
        return answer

    def _post(self, path: str, doing: str, fields: dict[str, str], headers: dict[str, str]) -> dict[str, Any]:
        answer = self._client.request("POST", f"/api/{path}", data=fields, headers=headers)
        if answer.status_code != 200:
            where = f" to {answer.headers['Location']}" if answer.is_redirect and "Location" in answer.headers else ""
            raise self._no_api(path, f"it answers {answer.status_code}{where}")
        data = self._data(path, answer)
        if data["status"] != "ok":
            raise self._error(doing, data)
        return data

    def _data(self, path: str, answer: Response) -> dict[str, Any]:
        try:
            data = answer.json()
        except (ValueError, RecursionError):  # text that is no JSON, no UTF-8, or nested without end
            kind = answer.headers.get("Content-Type", "").partition(";")[0] or "something"
            raise self._no_api(path, f"it answers with {kind} that is no JSON") from None
        if not isinstance(data, dict) or not isinstance(data.get("status"), str):
            raise self._no_api(path, "its answer has no status")
        return data

    def _error(self, doing: str, data: dict[str, Any]) -> ApiError:
        said = str(data.get("errorMessage") or data["status"])
        inner = data.get("innerErrorMessage")
        told = " ".join(f"{said.rstrip('.')}{f' ({inner})' if inner else ''}".split())
        message = f"{self._client.origin}: {doing}: {told}"
        if data["status"] == "invalid-token":
            return InvalidToken(self._masked(f"{message}: give a token that this server made"), said)
        if data["status"] == "2fa-required":
            return CodeRequired(self._masked(f"{message}: {_ADVICE['TOTP']}"), said)
        advice = next((advice for part, advice in _ADVICE.items() if part in said), "")
        return ApiError(self._masked(f"{message}{f': {advice}' if advice else ''}"), said)

    def _no_api(self, path: str, why: str) -> CodemodError:
        return CodemodError(
            self._masked(f"{self._client.url}/api/{path} is not Technitium's API: {why}: is dns.server right?")
        )

    def _masked(self, message: str) -> str:
        """A server, or a proxy before it, may repeat what it got."""
        for secret in self._secrets:
            message = message.replace(secret, MASK)
        return message
