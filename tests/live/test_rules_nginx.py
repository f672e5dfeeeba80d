"""What the rules say of nginx, beside the real one: its syntax, its choice of locations, and what a fix changes."""

from __future__ import annotations

import http.client
import socket
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from codemods.facts.nginx import read_nginx
from codemods.facts.nginx_routes import location_for
from codemods.formats.nginx import parse
from codemods.rules.nginx import RULES
from tests.live.conftest import require
from tests.live.lab import Process, run
from tests.live.test_nginx_server import sandboxed

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.live

CASES = Path(__file__).parents[1] / "cases"
FIXED = sorted(path.parent for rule in RULES for path in (CASES / rule.id).glob("*/after"))
URIS = ("/v2/", "/v2/app/manifests/latest", "/v2/app/blobs/uploads/", "/v2/app/blobs/sha256:00")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A directory for nginx's files, on a machine that can run it apart."""
    require("nginx", "unshare", "mount", "openssl", root=True)
    return tmp_path


def nginx_test(directory: Path, text: str) -> str:
    """What `nginx -t` says about a case's text, where its names resolve and its certificate is there."""
    if "/etc/nginx/tls" in text:
        certificate = ["-keyout", str(directory / "key.pem"), "-out", str(directory / "crt.pem")]
        run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=registry.home.lan", *certificate]
        )
    file, main = directory / "registry.conf", directory / "nginx.conf"
    file.write_text(text.replace("/etc/nginx/tls", str(directory)), encoding="utf-8", newline="")
    main.write_text(f"events {{ }} http {{ include {file}; }}\n", encoding="utf-8")
    whole = any(directive.name == "http" for directive in parse(text).directives)
    command = sandboxed(directory, "nginx", "-t", "-c", str(file if whole else main))
    with (directory / "hosts").open("a", encoding="utf-8") as hosts:
        hosts.write("127.0.0.1 registry-hub images\n")
    return run(command, check=False).stderr


@pytest.mark.parametrize("case", FIXED, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_nginx_accepts_what_the_fixes_write(directory: Path, case: Path) -> None:
    """Before and after; a case is one that nginx takes, wrong as it may be."""
    for side in ("before", "after"):
        said = nginx_test(directory, (case / side / "nginx.conf").read_bytes().decode())
        assert "test is successful" in said, said
        assert "[warn]" not in said, said


@contextmanager
def serving(directory: Path, block: str, place: Path) -> Iterator[None]:
    """nginx with these servers in its http block, until they listen at `place`."""
    file = directory / "serving.conf"
    head = f"daemon off; user root; pid {directory}/pid; error_log stderr; events {{ }}"
    file.write_text(f"{head} http {{ access_log off; {block} }}\n", encoding="utf-8")
    with Process(sandboxed(directory, "nginx", "-e", "stderr", "-c", str(file)), directory / "log", place.exists):
        yield


def ask(place: Path, path: str, body: bytes | None = None) -> tuple[int, str]:
    """Status and body of an answer over a unix socket; with a body it is sent in chunks."""
    with closing(http.client.HTTPConnection("registry.home.lan:5050", timeout=10)) as connection:
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(10)
        connection.sock.connect(str(place))
        headers = {"Host": "registry.home.lan:5050", "Connection": "close"}
        chunks = iter([body]) if body else None
        connection.request("PUT" if body else "GET", path, body=chunks, headers=headers, encode_chunked=bool(body))
        response = connection.getresponse()
        return response.status, response.read().decode()


@pytest.mark.parametrize(
    "locations",
    [
        "location / { A } location /v2/ { B } location =/v2/ { C }",
        "location ~ manifests { A } location /v2/ { B } location ~ blobs { C }",
        "location ~ manifests { A } location ^~ /v2/ { B }",
        "location ~* MANIFESTS { A } location ~ /v2/ { B } location ~ manifests { C }",
        "location ~ MANIFESTS { A } location ~ uploads/$ { B } location /v2/ { C }",
        "location /v2/ { location ~ manifests { A } B } location ~ blobs|manifests { C }",
        "location /v2/ { location /v2/app/ { A } B } location ~ uploads { C }",
        "location ^~ /v2/ { location /v2/app/ { A } B } location ~ uploads { C }",
        "location ~ ^/v2/ { location ~ blobs { A } B } location ~ uploads { C }",
        "location /v2/app/ { A } location /v2/ { B } location ~^/v2/.*uploads { C }",
        "location ~ ^/v2/(?<image>.+)/manifests/(?<tag>\\w+)$ { A } location / { B }",
        "location /v2/app { A }",
    ],
)
def test_we_choose_the_location_that_nginx_chooses(directory: Path, locations: str) -> None:
    """Each location answers with its letter; a request that none serves is not found."""
    for letter in "ABC":
        locations = locations.replace(f" {letter} ", f" return 200 {letter}; ")
    place = directory / "front"
    with serving(directory, f"server {{ listen unix:{place}; {locations} }}", place):
        answers = [ask(place, uri)[1] for uri in URIS]
    (server,) = read_nginx(parse(f"server {{ {locations} }}")).servers
    chosen = [location_for(server, uri) for uri in URIS]
    ours = [directive.args[1] if one and (directive := one.directive.get("return")) else "none" for one in chosen]
    assert [answer if answer in "ABC" else "none" for answer in answers] == ours


Answers = dict[str, list[tuple[int, str]]]


@pytest.fixture
def answers(directory: Path, request: pytest.FixtureRequest) -> Answers:
    """What a registry's client hears before and after the fix of a case: two GETs and an upload of 2 MB."""
    case, found = request.param, {}
    (directory / "cache").mkdir()
    for side in ("before", "after"):
        text = (CASES / case / side / "nginx.conf").read_text(encoding="utf-8")
        (block,) = [directive for directive in parse(text).directives if directive.name == "http"]
        front, back = directory / f"{side}-front", directory / f"{side}-back"
        body = (
            text[slice(*block.body)]
            .replace("registry-private:5000", f"unix:{back}")
            .replace("listen 5050;", f"listen unix:{front};")
            .replace("/var/cache/nginx/registry", f"{directory}/cache/{side}")
        )
        answer = '"$request_id $server_protocol $http_host"'
        registry = f"server {{ listen unix:{back}; client_max_body_size 0; location / {{ return 200 {answer}; }} }}"
        with serving(directory, registry + body, front):
            gets = [ask(front, "/v2/app/manifests/latest") for _ in range(2)]
            found[side] = [*gets, ask(front, "/v2/app/blobs/uploads/1", b"x" * 2_000_000)]
    return found


@pytest.mark.parametrize("answers", ["nginx-require-host-port/example"], indirect=True)
def test_the_registry_hears_the_port(answers: Answers) -> None:
    """It is lost before the fix, and there after it."""
    assert answers["before"][0][1].endswith(" registry.home.lan")
    assert answers["after"][0][1].endswith(" registry.home.lan:5050")


@pytest.mark.parametrize("answers", ["nginx-no-cache-on-push/example"], indirect=True)
def test_every_answer_is_the_registrys(answers: Answers) -> None:
    """The second answer repeats the first before the fix, and is new after it."""
    assert answers["before"][0] == answers["before"][1]
    assert answers["after"][0] != answers["after"][1]


@pytest.mark.parametrize("answers", ["nginx-require-unlimited-body/not-set"], indirect=True)
def test_a_large_layer_passes(answers: Answers) -> None:
    """It is refused before the fix."""
    assert [answers[side][2][0] for side in ("before", "after")] == [413, 200]


@pytest.mark.parametrize("answers", ["nginx-require-http11/example"], indirect=True)
def test_the_registry_is_spoken_to_in_http11(answers: Answers) -> None:
    """Chunks need it; before the fix it is HTTP/1.0."""
    assert [answers[side][0][1].split()[1] for side in ("before", "after")] == ["HTTP/1.0", "HTTP/1.1"]
