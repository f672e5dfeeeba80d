"""What each setting may hold: values are checked here before they enter YAML, nginx, HCL or a crontab line."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from codemods.errors import SettingsError

if TYPE_CHECKING:
    from codemods.settings import Value

Parse = Callable[[Any], Any]


class Key(NamedTuple):
    """One setting: `parse` takes a value of the right type (one item, for a list) and returns it, or raises
    ValueError; `allowed` says in words what it takes, `about` what the setting is for."""

    parse: Parse
    allowed: str
    about: str


# A regular expression of its own for every value: a denied character that nobody thought of gets nowhere.
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST = r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)"
_PORT = r"(?::(?P<port>[0-9]{1,5}))?"
_USER = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}"
_SEGMENT = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
_IMAGE = (
    r"(?:(?=[^/]*[.:]|localhost/)[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*(?::[0-9]{1,5})?/)?"
    rf"{_SEGMENT}(?:/{_SEGMENT})*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}})?(?:@sha256:[0-9a-f]{{64}})?"
)
_PATH_DENIED = frozenset("\"'`\\;:$%{}|&<>#!*?[]")
_GLOB_DENIED = _PATH_DENIED - frozenset("!*?[]")


def _matching(pattern: str) -> Parse:
    # Compiled when it is needed: most settings are never given.
    def parse(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError
        return value

    return parse


def _one_of(*words: str) -> Parse:
    return _matching("|".join(map(re.escape, words)))


def _between(low: int, high: int) -> Parse:
    def parse(value: int) -> int:
        if not low <= value <= high:
            raise ValueError
        return value

    return parse


def _either(value: bool) -> bool:
    return value


def _hostname(value: str) -> str:
    labels = value.split(".")
    if len(value) > 253 or not all(re.fullmatch(_LABEL, label) for label in labels):
        raise ValueError
    # Digits and dots alone would be taken for an address wherever the name is used.
    return _address(value) if labels[-1].isdigit() else value


def _address(value: str) -> str:
    from ipaddress import ip_address

    # A scope (`fe80::1%eth0`) may hold any character.
    if "%" in value:
        raise ValueError
    return str(ip_address(value))


def _with_host(pattern: str) -> Parse:
    """A pattern around `_HOST` and `_PORT`, whose host and port are checked by themselves."""

    def parse(value: str) -> str:
        match = re.fullmatch(pattern, value)
        if not match:
            raise ValueError
        host = match["host"]
        _address(host[1:-1]) if host.startswith("[") else _hostname(host)
        _between(1, 65535)(int(match["port"] or 22))
        return value

    return parse


def _image_list(value: str) -> str:
    for image in value.split(","):
        _image(image.strip(" "))
    return value


def _relative(denied: frozenset[str]) -> Parse:
    def parse(value: str) -> str:
        path = posixpath.normpath(value)
        if not value.isprintable() or denied & set(value) or value != value.strip(" ") or path.startswith(("/", "-")):
            raise ValueError
        if ".." in value.split("/"):
            raise ValueError
        return path

    return parse


def _directory(value: str) -> str:
    path = posixpath.normpath(value)
    if not re.fullmatch(r"/[A-Za-z0-9_.+/-]+", value) or ".." in value.split("/") or path.strip("/") == "":
        raise ValueError
    return f"/{path.lstrip('/')}"


def _printable(value: str) -> str:
    if not value.isprintable() or len(value) > 60:
        raise ValueError
    return value


_image = _matching(_IMAGE)
_path = _relative(_PATH_DENIED)
_glob = _relative(_GLOB_DENIED)
_url = _with_host(rf"https?://{_HOST}{_PORT}(?:/[A-Za-z0-9_.~/-]*)?")
_plain_path = _matching(r"(?!(?:.*/)?\.\.(?:/|\Z))[A-Za-z0-9_.][A-Za-z0-9_.+-]*(?:/[A-Za-z0-9_.+-]+)*")
_file = _matching(r"(?:~/|/)?[A-Za-z0-9_.+-]+(?:/[A-Za-z0-9_.+-]+)*")

_A_PLAIN_PATH = "a path inside the repository, without `..`, of letters, digits and . _ + - /"
_A_PATH = "a path inside the repository, without `..`, quotes, wildcards and control characters"
_A_GLOB = "a glob inside the repository, without `..`, quotes and control characters"
_A_FILE = "a path of letters, digits and . _ + - /"
_A_SECRET = "the name of a secret: letters, digits and . _ -"

_secret = _matching(r"[A-Za-z_][A-Za-z0-9_.-]{0,127}")

KEYS: dict[str, Key] = {
    "profile": Key(_one_of("verified", "as-written"), "verified or as-written", "verified, or as-written: the plan"),
    "exclude": Key(_glob, _A_GLOB, "files that are never looked at"),
    "ignore": Key(_matching(r"[a-z0-9]+(?:-[a-z0-9]+)*"), "a rule id", "rules that are never run"),
    "registry.name": Key(
        _matching(r"[a-z0-9](?:[a-z0-9-]{0,52}[a-z0-9])?"),
        "lower-case letters, digits and inner hyphens, at most 54",
        "service registry-NAME, upstream NAME, data/NAME, config-NAME.yml",
    ),
    "registry.hostname": Key(_hostname, "a host name (RFC 1123)", "host name that pipelines push to"),
    "registry.address": Key(_address, "an IP address", "address that the host name points to"),
    "registry.port": Key(_between(1, 65535), "a port from 1 to 65535", "port on the host, served by nginx"),
    "registry.scheme": Key(_one_of("http", "https"), "http or https", "how pipelines reach the registry"),
    "registry.auth": Key(_one_of("none", "htpasswd"), "none or htpasswd", "who may push and pull"),
    "registry.username_secret": Key(_secret, _A_SECRET, "CI secret with the user name, for htpasswd"),
    "registry.password_secret": Key(_secret, _A_SECRET, "CI secret with the password, for htpasswd"),
    "registry.certificate": Key(_plain_path, _A_PLAIN_PATH, "certificate file with its chain, for https"),
    "registry.key": Key(_plain_path, _A_PLAIN_PATH, "file with the certificate's key, for https"),
    "registry.ca": Key(_file, _A_FILE, "certificate file of the authority, for https"),
    "registry.storage": Key(_matching(r"[1-9][0-9]{0,5}(?:[MGT]i?B)"), "a size such as 100GiB", "room for its images"),
    "registry.cache_tag": Key(
        _matching(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"),
        "an image tag: letters, digits and _ . -, at most 128",
        "tag that holds the build cache",
    ),
    "paths.compose": Key(_path, _A_PATH, "compose file of the registries"),
    "paths.nginx": Key(_path, _A_PATH, "nginx configuration before the registries"),
    "paths.terraform": Key(_path, _A_PATH, "Terraform file that provisions the VM"),
    "paths.provision_list": Key(
        _matching(r"[A-Za-z_][A-Za-z0-9_-]*(?:\.[A-Za-z_][A-Za-z0-9_-]*)*"),
        "a dotted name such as module.NAME.provision_cmds",
        "Terraform list of the commands that cloud-init runs",
    ),
    "paths.configs": Key(_path, _A_PATH, "directory of the registries' configurations"),
    "paths.cleanup": Key(_path, _A_PATH, "script that removes old tags"),
    "paths.pipelines": Key(_glob, _A_GLOB, "the pipelines"),
    "vm.hosts": Key(
        _with_host(rf"(?:ssh://(?:{_USER}@)?|{_USER}@){_HOST}{_PORT}"),
        "USER@HOST, USER@HOST:PORT or ssh://…",
        "the machines that serve the registries",
    ),
    "vm.directory": Key(_directory, "an absolute path of letters, digits and . _ + - /", "where they keep their files"),
    "vm.sudo": Key(_either, "true or false", "whether commands there need sudo"),
    "vm.known_hosts": Key(_file, _A_FILE, "file with the pinned host keys"),
    "vm.health_timeout": Key(_matching(r"[1-9][0-9]{0,5}[smh]"), "a duration such as 120s or 2m", "patience with them"),
    "vm.keep_backups": Key(_between(1, 1000), "a number from 1 to 1000", "roll-outs that can be taken back"),
    "dns.provider": Key(_one_of("technitium", "rfc2136"), "technitium or rfc2136", "how the DNS server is changed"),
    "dns.server": Key(
        _with_host(rf"(?:https?://)?{_HOST}{_PORT}(?:/[A-Za-z0-9_.~/-]*)?"),
        "http://HOST:PORT, or HOST:PORT for rfc2136, without user and password",
        "DNS server that answers for the host name",
    ),
    "dns.zone": Key(_hostname, "a domain name", "zone of the host name"),
    "dns.ttl": Key(_between(1, 2**31 - 1), "seconds from 1 to 2147483647", "life of the DNS record in caches"),
    "woodpecker.server": Key(_url, "http(s)://HOST[:PORT][/PATH] without user and password", "address of Woodpecker"),
    "woodpecker.plugin_image": Key(_image, "an image reference", "build plugin that can reach an http registry"),
    "woodpecker.plugins_privileged": Key(
        _image_list, "image references with commas between", "the server's WOODPECKER_PLUGINS_PRIVILEGED"
    ),
    "commit.prefix": Key(
        _printable, "at most 60 characters, no control characters and line ends", "put before every commit message"
    ),
}

_TYPES = {str: "a text", int: "a whole number", bool: "true or false", tuple: "a list of texts"}


def check_value(source: str, key: str, value: Any, defaults: Mapping[str, Value]) -> Value:
    """The value of a dotted key, when it has the type of the key's default and the characters allowed.

    A list stands for a tuple. Raises SettingsError, which begins with `source`.
    """
    if key not in KEYS:
        raise SettingsError(f"{source}: {_unknown(key, defaults)}")
    known, default = KEYS[key], defaults[key]
    if value == "" and default == "":
        return ""
    is_list = isinstance(default, tuple)
    items = value if is_list and isinstance(value, list) else [value]
    right = isinstance(value, list) if is_list else type(value) is type(default)
    if not right or (is_list and not all(isinstance(item, str) for item in items)):
        wanted = f"{_TYPES[type(default)]} is expected ({known.allowed})"
        raise SettingsError(f"{source}: {key} is {_without_password(key, value)}: {wanted}")
    result = []
    for item in items:
        try:
            result.append(known.parse(item))
        except ValueError:
            raise SettingsError(f"{source}: {key} is {_without_password(key, item)}: {known.allowed}") from None
    return tuple(result) if is_list else result[0]


def check_override(override: str, defaults: Mapping[str, Value]) -> tuple[str, Value]:
    """Key and value of a `--set KEY=VALUE`.

    The value is TOML when that has the key's type, else the text itself, which for a list is split at its commas.
    """
    from tomllib import loads

    key, equals, text = (part.strip() for part in override.partition("="))
    if not equals:
        raise SettingsError(f"--set {shown(override)}: KEY=VALUE is expected")
    default = defaults.get(key)
    value: Any = None
    try:
        table = loads(f"value = {text}")
        value = table["value"] if len(table) == 1 else None
    except (ValueError, RecursionError):
        pass
    if isinstance(default, tuple) and not isinstance(value, list):
        value = [item.strip() for item in text.split(",") if item.strip()]
    elif not isinstance(default, tuple) and type(value) is not type(default):
        value = text
    return key, check_value("--set", key, value, defaults)


def shown(value: Any) -> str:
    """A value as part of a one-line error: short, control characters escaped."""
    from codemods.engine.report.escape import printable

    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "a table"
    text = str(value)
    text = text if len(text) <= 80 else f"{text[:80]}…"
    return f'"{printable(text)}"' if isinstance(value, str) else printable(text)


def _without_password(key: str, value: Any) -> str:
    """Someone may have written a password where a secret's name, a URL or a login belongs."""
    return "no such name" if key.endswith("_secret") else re.sub(r":[^@]*@", ":…@", shown(value))


def _unknown(key: str, defaults: Mapping[str, Value]) -> str:
    from difflib import get_close_matches

    tables = list(dict.fromkeys(known.partition(".")[0] for known in defaults if "." in known))
    if key in tables:
        names = ", ".join(known for known in defaults if known.startswith(f"{key}."))
        return f"{key} is a table: set one of {names}"
    nearest = get_close_matches(key, [*defaults, *tables], 1, 0)[0]
    return f"unknown key {shown(key)}: the nearest is {nearest}"
