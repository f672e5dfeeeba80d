"""What the rule writes, in front of the real nginx, and our reading of words beside nginx's own."""

from __future__ import annotations

import http.client
import socket
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings

from codemods.errors import ParseError
from codemods.formats.nginx import parse
from tests.live.conftest import require
from tests.live.lab import Process, run
from tests.nginx_texts import REGISTRIES, registry_texts
from tests.test_nginx_server import SHAPE, migrated

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.live

NAMES = [f"{prefix}{name}" for name in (*REGISTRIES, "private") for prefix in ("registry-", "c-")] + ["ui"]

# Own hosts, because nginx resolves its upstreams when it reads them; own ports, because it binds them; own directories.
SANDBOX = """
set -e
mount --bind "$1" /etc/hosts
for directory in /run /var/cache /var/log /var/lib; do mount -t tmpfs none "$directory"; done
mkdir /var/cache/nginx /var/log/nginx /var/lib/nginx
shift
exec "$@"
"""


def sandboxed(directory: Path, *command: str) -> list[str]:
    """The command in namespaces of its own."""
    hosts = directory / "hosts"
    hosts.write_text(f"127.0.0.1 localhost {' '.join(NAMES)}\n", encoding="utf-8")
    return ["unshare", "--mount", "--net", "sh", "-c", SANDBOX, "sandbox", str(hosts), *command]


def nginx_test(directory: Path, text: str) -> str:
    """What `nginx -t` says about a text, which a main file includes when it has no http block itself."""
    file, main = directory / "registry.conf", directory / "nginx.conf"
    file.write_text(text, encoding="utf-8", newline="")
    main.write_text(f"events {{ }} http {{ include {file}; }}\n", encoding="utf-8")
    whole = any(directive.name == "http" for directive in parse(text).directives)
    return run(sandboxed(directory, "nginx", "-t", "-c", str(file if whole else main)), check=False).stderr


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A directory for nginx's files, on a machine that can run it apart."""
    require("nginx", "unshare", "mount", root=True)
    return tmp_path


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=registry_texts())
def test_nginx_accepts_every_style(directory: Path, drawn: dict[str, Any]) -> None:
    """Before and after, in both profiles, without a warning that was not there before."""
    before = nginx_test(directory, drawn["text"])
    assert "test is successful" in before, before
    for profile in ("as-written", "verified"):
        said = nginx_test(directory, migrated(drawn["text"], profile))
        assert "test is successful" in said, said
        assert said.count("[warn]") == before.count("[warn]"), said


def test_a_wrong_name_fails(directory: Path) -> None:
    """nginx refuses an upstream that does not resolve: the test above can fail."""
    said = nginx_test(directory, "events { }\n" + migrated(SHAPE, "verified", name="other"))
    assert 'host not found in upstream "registry-other:5000"' in said


WORDS = (
    "plain",
    "a'b\"c",
    "a#b",
    "a}b",
    r"a\ b\;\{",
    r"\"\'\\\t.\n.\q",
    "'a;{}#\"'",
    "\"a 'b'\"",
    r'"say \"hi\"\\ \q \x"',
    r"'it\'s \"'",
    '"tab\there \\t"',
    "'two\nlines'",
    "'cr\r\nlf'",
    "'é🔑'",
    "a\u00a0b",
    "''",
)


def test_words_are_read_as_nginx_reads_them(directory: Path) -> None:
    """Each word, returned by nginx as a body, is the value that our reader gives it."""
    locations = [f"location = /{number} {{ return 200 {word}; }}" for number, word in enumerate(WORDS)]
    place = directory / "socket"
    text = f"""events {{ }}
daemon off; pid {directory}/pid; error_log stderr;
http {{ access_log off; server {{ listen unix:{place};\n{chr(10).join(locations)}\n}} }}
"""
    file = directory / "nginx.conf"
    file.write_text(text, encoding="utf-8", newline="")
    command = sandboxed(directory, "nginx", "-e", "stderr", "-c", str(file))
    directory.chmod(0o755)
    with Process(command, directory / "log", place.exists):
        bodies = [get(place, f"/{number}") for number in range(len(WORDS))]
    server = next(iter(parse(text).directives[-1].all("server")))
    assert bodies == [location.get("return").args[1] for location in server.all("location")]  # type: ignore[union-attr]


def get(place: Path, path: str) -> str:
    """The body at a path, over a unix socket."""
    with closing(http.client.HTTPConnection("localhost", timeout=10)) as connection:
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(10)
        connection.sock.connect(str(place))
        connection.request("GET", path, headers={"Connection": "close"})
        with connection.getresponse() as response:
            return response.read().decode()


@pytest.mark.parametrize(
    "text",
    [
        "pid /x",
        "events { ",
        "events { } }",
        "events { };",
        "{ }",
        "events { worker_connections 9 }",
        "pid 'x;",
        "pid 'x'y;",
        "pid x\\",
        "http { server { location ~ ^/a{1} { } } } events { }",
    ],
)
def test_what_we_cannot_read_nginx_cannot_either(directory: Path, text: str) -> None:
    """Its complaint is about the text, not about what the directives mean."""
    with pytest.raises(ParseError):
        parse(text)
    file = directory / "nginx.conf"
    file.write_text(text, encoding="utf-8", newline="")
    said = run(sandboxed(directory, "nginx", "-t", "-c", str(file)), check=False).stderr
    assert "test failed" in said
    assert "unexpected" in said or "is not terminated" in said or "directive" in said, said
