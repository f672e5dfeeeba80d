"""Logins and tokens: from the environment or from a file that only its owner can read, each bound to one origin.

`codemod.toml` names servers and can be changed by a pull request. A token is therefore never sent to the server that
the settings name, but to the origin that it was given for; when the two differ there is no token.

    CODEMOD_DNS_ORIGIN=http://10.0.20.204:5380 CODEMOD_DNS_TOKEN=… codemod sync-dns

or, in `credentials.toml` in the user's configuration directory (`~/.config/codemod`, mode 0600):

    [[dns]]
    origin = "http://10.0.20.204:5380"
    token = "…"
    allow_http = true        # this token may travel unencrypted
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from codemods.errors import CodemodError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

FILE = "credentials.toml"
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Credentials:
    """What opens one server; empty where not given. `token` or `username` and `password`; `totp` is a one-time code.

    For DNS updates `username` is the name of the TSIG key, `password` its secret, and `algorithm` is its algorithm.
    """

    origin: str
    token: str = field(default="", repr=False)
    username: str = ""
    password: str = field(default="", repr=False)
    totp: str = field(default="", repr=False)
    algorithm: str = ""
    allow_http: bool = False


def configuration_directory() -> Path:
    """Where this tool keeps what belongs to its user."""
    base = os.environ.get("XDG_CONFIG_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".config") / "codemod"


def find_credentials(kind: str, url: str, environment: Mapping[str, str] = os.environ) -> Credentials | None:
    """The credentials of a kind (`dns`, `woodpecker`, `registry`, `hub`) for the server at `url`; None without any.

    Raises CodemodError for a file that others can read or that is no TOML, and for credentials that would travel
    over plain http without `allow_http`.
    """
    wanted = origin_of(url)
    for found in (*_from_environment(kind, environment), *_from_file(kind)):
        if origin_of(found.origin) == wanted:
            _check_printable(kind, found)
            if wanted.startswith("http://") and not found.allow_http:
                raise CodemodError(
                    f"the {kind} credentials for {wanted} would travel unencrypted: use https, or allow it with "
                    f"CODEMOD_{kind.upper()}_ALLOW_HTTP=1 or allow_http = true in {FILE}"
                )
            return found
    return None


def _check_printable(kind: str, found: Credentials) -> None:
    """What a header cannot carry would be quoted in a library's error, secret and all."""
    if found.token and not re.fullmatch(r"[!-~]+", found.token):
        wrong = "the token has a space, a line end or a letter that no token has"
    elif not all(value.isprintable() for value in (found.username, found.password, found.totp)):
        wrong = "user name or password hold a line end or the like"
    else:
        return
    raise SettingsError(f"the {kind} credentials for {found.origin} cannot be used: {wrong}")


def origin_of(url: str) -> str:
    """Scheme, host and port of a URL, with the port of the scheme left out; an address without scheme as it is."""
    parts = urlsplit(url)
    if not parts.hostname or parts.scheme not in _PORTS:
        return url.rstrip("/").lower()
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    port = "" if parts.port in (None, _PORTS[parts.scheme]) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"


def read_private_file(path: Path) -> str:
    """The text of a file with secrets. Raises CodemodError when it cannot be read, or others can read it too."""
    try:
        with path.open(encoding="utf-8") as file:
            mode = os.fstat(file.fileno()).st_mode
            if stat.S_IMODE(mode) & 0o077:
                raise CodemodError(f"{path} holds secrets and others may read it: chmod 600 {path}")
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8"
        raise CodemodError(f"{path} cannot be read: {reason}") from None


def _from_environment(kind: str, environment: Mapping[str, str]) -> list[Credentials]:
    prefix = f"CODEMOD_{kind.upper()}_"
    values: dict[str, Any] = {
        name: environment[prefix + name.upper()] for name in _NAMES if environment.get(prefix + name.upper())
    }
    if not values:
        return []
    if not values.get("origin"):
        raise SettingsError(f"{prefix}ORIGIN is not set: name the server that the {kind} credentials are for")
    values["allow_http"] = values.get("allow_http", "") in ("1", "true", "yes")
    return [Credentials(**values)]


def _from_file(kind: str) -> list[Credentials]:
    from tomllib import TOMLDecodeError, loads

    path = configuration_directory() / FILE
    if not path.exists():
        return []
    try:
        entries = loads(read_private_file(path)).get(kind, [])
    except TOMLDecodeError:
        # Its message may quote the line.
        raise CodemodError(f"{path} is not valid TOML: see the top of codemods/credentials.py for its form") from None
    found = []
    for entry in entries if isinstance(entries, list) else [entries]:
        wrong = sorted(set(entry) - set(_NAMES)) if isinstance(entry, dict) else ["?"]
        if wrong or not isinstance(entry.get("origin"), str) or not all(map(_fits, entry.items())):
            raise CodemodError(f"{path}: [[{kind}]] takes {', '.join(_NAMES)}: texts, and allow_http true or false")
        found.append(Credentials(**entry))
    return found


def _fits(item: tuple[str, Any]) -> bool:
    name, value = item
    return isinstance(value, bool if name == "allow_http" else str)


_NAMES = tuple(one.name for one in fields(Credentials))
