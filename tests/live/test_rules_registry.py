"""What the rules say about a configuration is what the real registry does with it."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from codemods.rules.registry.keys import Key, keys_of
from tests.live.conftest import require
from tests.live.lab import LabError, Process, free_port, wait_until
from tests.registry_texts import findings

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.live

KEYS = keys_of((2,))
UNKNOWN, QUOTED, INCOMPLETE = (
    "registry-no-unknown-key",
    "registry-no-quoted-boolean",
    "registry-require-complete-section",
)
ANY_ADDRESS = "listening on [::]:"


class Server(Process):
    """A docker-registry with a configuration as it stands: nothing comes from the environment."""

    def __init__(self, text: str, directory: Path) -> None:
        directory.mkdir(exist_ok=True)
        config = directory / "config.yml"
        config.write_text(text)
        super().__init__(["docker-registry", "serve", str(config)], directory / "registry.log", self.listens)

    def listens(self) -> bool:
        """Whether it has said where it listens."""
        return "listening on" in self.text

    @property
    def text(self) -> str:
        """Its whole log."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def answer(self, method: str, path: str) -> int:
        """Status of a request, at the first address that it listens on."""
        return status(method, f"http://{self.address}{path}")

    @property
    def address(self) -> str:
        """The loopback address that it listens on."""
        found = re.search(r"msg=\"listening on (127\.0\.0\.1:\d+)", self.text)
        assert found, self.text
        return found[1]


def status(method: str, url: str) -> int:
    """Status of a request."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def outcome(text: str, directory: Path) -> tuple[bool, str]:
    """Whether a registry starts with a configuration, and its log."""
    server = Server(text, directory)
    try:
        with server:
            pass
    except LabError:
        return False, server.text
    return True, server.text


def configuration(directory: Path, path: str = "", value: Any = None) -> dict[str, Any]:
    """A configuration that is right, with a value at a dotted path; `key[]` is a list of one entry."""
    data: dict[str, Any] = {
        "version": "0.1",
        "storage": {"filesystem": {"rootdirectory": str(directory / "storage")}, "delete": {"enabled": True}},
        "http": {"addr": "127.0.0.1:0", "secret": "none"},
    }
    *above, last = path.split(".")
    node = data
    for name in above:
        node = node.setdefault(name[:-2], [{}])[0] if name.endswith("[]") else node.setdefault(name, {})
    if last:
        node[last] = value
    return data


PURGING, READONLY = "storage.maintenance.uploadpurging", "storage.maintenance.readonly"
WRONG = [
    # path, value, rule that fires, words of its message, words of the log where it does not start
    ("maxsize", "1", UNKNOWN, "does nothing", None),
    ("http.maxsize", "1", UNKNOWN, "does nothing", None),
    ("storage.filesystem.maxsize", "10GB", UNKNOWN, "does nothing", None),
    ("storage.maintenance.maxsize", {"x": 1}, UNKNOWN, "does nothing", None),
    ("proxy.ttl", "24h", UNKNOWN, "only Distribution 3", None),
    ("storage.readonly", {"enabled": True}, UNKNOWN, "stops", "must provide exactly one storage type"),
    ("storage.tag", {"concurrencylimit": 5}, UNKNOWN, "stops", "must provide exactly one storage type"),
    ("storage.maxsize", "1", UNKNOWN, "stops", "unmarshal"),
    ("auth.htpaswd", {"realm": "r", "path": "/x"}, UNKNOWN, "stops", "no access controller registered"),
    ("http.relativeurls", "yes", QUOTED, "stops", "cannot unmarshal !!str `yes` into bool"),
    ("storage.delete.enabled", "true", QUOTED, "deletes stay off", None),
    ("storage.redirect.disable", "true", QUOTED, "stops", "invalid type for redirect config"),
    (f"{READONLY}.enabled", "true", QUOTED, "stops", "must have a boolean value"),
    (READONLY, True, INCOMPLETE, "stops", "must contain additional keys"),
    (READONLY, None, INCOMPLETE, "stops", "must contain additional keys"),
    (PURGING, True, INCOMPLETE, "stops", "must contain additional keys"),
    (PURGING, {"enabled": True}, INCOMPLETE, "stops", "age missing"),
    (PURGING, {"age": "1h", "dryrun": False}, INCOMPLETE, "no interval", "interval missing"),
    (PURGING, {"age": "1h", "interval": "1h"}, INCOMPLETE, "no dryrun", "dryrun missing"),
    (PURGING, {"age": None, "interval": "1h", "dryrun": False}, INCOMPLETE, "no age", "age is not a string"),
    (PURGING, {"enabled": "false", "age": "1h", "interval": "1h", "dryrun": False}, QUOTED, "purged", None),
    (PURGING, {"age": "1h", "interval": "1h", "dryrun": "false"}, QUOTED, "stops", "cannot parse dryrun"),
    ("storage.redirect", {}, INCOMPLETE, "no disable", "invalid type for redirect config"),
    ("auth", "htpasswd", INCOMPLETE, "no realm and no path", "must be set for htpasswd"),
    ("auth.htpasswd", {"path": "/x"}, INCOMPLETE, "no realm", "must be set for htpasswd"),
    ("auth.htpasswd", {"realm": "r", "path": None}, INCOMPLETE, "no path", "must be set for htpasswd"),
    ("auth.token", {"realm": "r", "service": "s", "issuer": "i"}, INCOMPLETE, "no rootcertbundle", "rootcertbundle"),
    ("auth.silly", {"realm": "r"}, INCOMPLETE, "no service", "must be set for silly"),
]  # fmt: skip


@pytest.mark.parametrize("row", WRONG, ids=lambda row: f"{row[0]}={row[1]}")
def test_what_is_found_is_what_happens(row: tuple[str, Any, str, str, str | None], tmp_path: Path) -> None:
    """What is said to stop the registry stops it; what is said to do nothing does not, and the log is silent, too."""
    require("docker-registry")
    path, value, rule, words, log = row
    text = json.dumps(configuration(tmp_path, path, value))
    assert [(found, words in message) for found, message in findings(text)] == [(rule, True)]
    starts, said = outcome(text, tmp_path)
    assert starts is (log is None), said
    if log:
        assert log in said
    else:
        assert not re.search(r"level=(warning|error|fatal)", said)


RIGHT = [
    (PURGING, {"enabled": False}),
    (PURGING, {"enabled": False, "dryrun": "true"}),
    (PURGING, {"age": "1h", "interval": "1h", "dryrun": False}),
    (PURGING, {"enabled": "true", "age": "1h", "interval": "1h", "dryrun": False}),
    (READONLY, {}),
    ("storage", "inmemory"),
    ("auth", "none"),
    ("auth.silly", {"realm": "r", "service": "s"}),
    ("http.headers", {"maxsize": ["1"]}),
    ("log.fields", {"maxsize": {"rootDirectory": "1"}}),
]


@pytest.mark.parametrize("row", RIGHT, ids=lambda row: f"{row[0]}={row[1]}")
def test_what_is_not_found_starts(row: tuple[str, Any], tmp_path: Path) -> None:
    """Configurations that look like mistakes and are none start."""
    require("docker-registry")
    text = json.dumps(configuration(tmp_path, *row))
    assert findings(text) == []
    starts, said = outcome(text, tmp_path)
    assert starts, said


def test_camel_case_is_ignored(tmp_path: Path) -> None:
    """`Addr` is no address: the registry starts and listens on any port, which is found as a key and as an address."""
    require("docker-registry")
    data = configuration(tmp_path)
    data["http"] = {"Addr": "127.0.0.1:0"}
    text = json.dumps(data)
    assert [rule for rule, _ in findings(text)] == [UNKNOWN, INCOMPLETE]
    starts, said = outcome(text, tmp_path)
    assert starts
    assert ANY_ADDRESS in said


@pytest.mark.parametrize("addition", [{}, {"http": {}}, {"http": {"addr": None}}, {"http": {"addr": ""}}], ids=str)
def test_a_missing_address_is_any(addition: dict[str, Any], tmp_path: Path) -> None:
    """Without `http.addr` the registry listens on any port."""
    require("docker-registry")
    data = configuration(tmp_path)
    del data["http"]
    text = json.dumps(data | addition)
    assert [rule for rule, _ in findings(text)] == [INCOMPLETE]
    starts, said = outcome(text, tmp_path)
    assert starts
    assert ANY_ADDRESS in said


def sections(key: Key, path: str = "") -> Iterator[tuple[str, Key]]:
    """Every section of the table that has keys of its own, by its path."""
    if key.keys:
        yield path, key
    for name, below in key.keys.items():
        yield from sections(below, f"{path}.{name}".lstrip("."))
        if below.items:
            yield from sections(below.items, f"{path}.{name}[]".lstrip("."))


NEEDED = {
    # What a section must have besides, to start at all.
    "auth.htpasswd": {"realm": "r", "path": "htpasswd"},
    "auth.silly": {"realm": "r", "service": "s"},
    PURGING: {"enabled": False},
    "storage.redirect": {"disable": False},
    "middleware.storage[]": {"name": "redirect", "options": {"baseurl": "http://127.0.0.1:9/"}},
    "notifications.endpoints[]": {"disabled": True},
    "notifications.endpoints[].ignore": {},
    "health.http[]": {"uri": "http://127.0.0.1:9/", "interval": "1h"},
    "health.tcp[]": {"addr": "127.0.0.1:9", "interval": "1h"},
    "health.file[]": {"file": "/nowhere", "interval": "1h"},
    "health.storagedriver": {"enabled": True, "interval": "1h"},
}
ELSEWHERE = ("storage.s3", "storage.azure", "storage.gcs", "storage.oss", "auth.token", "middleware.registry[]")
"""Sections that need something to start that this machine does not have."""
SECTIONS = [path for path, _ in sections(KEYS) if path not in ELSEWHERE]


@pytest.mark.parametrize("section", SECTIONS)
def test_an_unknown_key_of_every_section(section: str, tmp_path: Path) -> None:
    """What the rule says of an unknown key in a section is what the registry makes of it."""
    require("docker-registry")
    value: Any = [] if section == "middleware" else {"x": 1}
    data = configuration(tmp_path, f"{section}.bogus".lstrip("."), value)
    node: Any = data
    for name in section.split(".") if section else ():
        node = node[name[:-2]][0] if name.endswith("[]") else node[name]
    node |= NEEDED.get(section, {})
    text = json.dumps(data)
    ((rule, message),) = findings(text)
    assert rule == UNKNOWN
    starts, said = outcome(text, tmp_path)
    assert starts is ("does nothing" in message), said
    assert starts is not ("stops the registry" in message), said


LEAF = "#here"


def filled(key: Key, path: str = "") -> Any:
    """A section with a value of a wrong type under each of its keys, and `bogus` beside them."""
    if key.items:
        return [filled(key.items)]
    if key.keys:
        # Middleware is by kind, and any kind must be a list.
        bogus = {} if path == "middleware" else {"bogus": {LEAF: 1}}
        return {name: filled(below, name) for name, below in key.keys.items()} | bogus
    return [1] if key.is_free else "true" if key.is_boolean else {LEAF: 1}


def test_the_table_is_the_real_one(tmp_path: Path) -> None:
    """Of values of a wrong type under every key, the registry refuses those of the table, and of no other key.

    Storage and logins are read as free-form sections and not looked at here.
    """
    require("docker-registry")
    data = {name: value for name, value in filled(KEYS).items() if name not in ("version", "storage", "auth")}
    text = json.dumps({"version": "0.1", "storage": "inmemory"} | data, indent=1)
    starts, said = outcome(text, tmp_path)
    assert not starts
    refused = {int(number) for number in re.findall(r"line (\d+): cannot unmarshal", said)}
    lines = text.splitlines()
    leaves = {
        number
        for number, (line, following) in enumerate(pairwise([*lines, ""]), 1)
        if "bogus" not in line and (LEAF in following or following.strip() == "1" or line.strip(",").endswith('"true"'))
    }
    assert [lines[number - 1] for number in sorted(refused)] == [lines[number - 1] for number in sorted(leaves)]
    assert len(leaves) > 90


def test_quoted_delete_is_off(tmp_path: Path) -> None:
    """`enabled: "true"` leaves deletes off, `true` has them on."""
    require("docker-registry")
    path = f"/v2/app/manifests/sha256:{'0' * 64}"
    for value, answer in (("true", 405), (True, 404)):
        text = json.dumps(configuration(tmp_path, "storage.delete.enabled", value))
        with Server(text, tmp_path / str(answer)) as server:
            assert server.answer("DELETE", path) == answer


def test_quoted_purging_is_on(tmp_path: Path) -> None:
    """`enabled: "false"` purges, `false` does not."""
    require("docker-registry")
    rest = {"age": "1h", "interval": "1h", "dryrun": False}
    for value, purges in (("false", True), (False, False)):
        text = json.dumps(configuration(tmp_path, PURGING, {"enabled": value} | rest))
        with Server(text, tmp_path / str(purges)) as server:
            assert server.answer("GET", "/v2/") == 200
            if purges:
                wait_until(lambda: "Starting upload purge" in server.text, "the purge", log=server.tail)
            assert ("Starting upload purge" in server.text) is purges


def test_a_mirror_answers_pushes_with_405(tmp_path: Path) -> None:
    """With a proxy section no upload begins; without one it does, also for people without a login."""
    require("docker-registry")
    with Server(json.dumps(configuration(tmp_path)), tmp_path / "upstream") as upstream:
        assert upstream.answer("POST", "/v2/app/blobs/uploads/") == 202
        remote = {"remoteurl": f"http://{upstream.address}"}
        text = json.dumps(configuration(tmp_path, "proxy", remote))
        with Server(text, tmp_path / "mirror") as mirror:
            assert mirror.answer("POST", "/v2/app/blobs/uploads/") == 405
    starts, _ = outcome(json.dumps(configuration(tmp_path, "proxy", remote)), tmp_path / "orphan")
    assert not starts, "without its upstream it does not start"


def test_the_debug_server_asks_for_no_login(tmp_path: Path) -> None:
    """Metrics and the profiler of a registry with logins are open to all."""
    require("docker-registry")
    data = configuration(tmp_path, "auth.htpasswd", {"realm": "r", "path": str(tmp_path / "htpasswd")})
    debug = f"127.0.0.1:{free_port()}"
    data["http"]["debug"] = {"addr": debug, "prometheus": {"enabled": True}}
    with Server(json.dumps(data), tmp_path / "registry") as server:
        assert server.answer("GET", "/v2/") == 401
        wait_until(lambda: "debug server listening" in server.text, "the debug server", log=server.tail)
        for path in ("/debug/health", "/metrics", "/debug/pprof/heap"):
            assert status("GET", f"http://{debug}{path}") == 200
