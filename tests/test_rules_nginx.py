"""The rules on nginx beyond their cases: settings on all levels, one file alone, and the recipe beside them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codemods.caching.nginx_server import check as recipe
from codemods.engine.check import fix
from codemods.engine.context import Context
from codemods.engine.inspection import Located, inspect
from codemods.engine.judge import judge
from codemods.engine.model import Finding, Note, Rule
from codemods.facts.nginx import read_nginx
from codemods.facts.nginx_routes import MANIFESTS, UPLOADS, locations_for
from codemods.formats.nginx import parse
from codemods.repository import Document
from codemods.rules.nginx import (
    RULES,
    no_cache_on_push,
    no_manifest_cache,
    require_forwarded_proto,
    require_host_port,
    require_http11,
    require_read_timeout,
    require_unlimited_body,
)
from codemods.rules.nginx.require_read_timeout import seconds_of
from codemods.settings import RegistrySettings, Settings
from codemods.stack import Stack
from tests.nginx_texts import REGISTRIES, registry_texts
from tests.soak import EXAMPLES
from tests.test_nginx_server import migrated

CONFIG = "version: 0.1\nhttp: {addr: ':5000'}\n"
MIRROR = CONFIG + "proxy: {remoteurl: 'https://ghcr.io'}\n"
BAD = """\
http {
    server {
        listen 5050 ssl;
        proxy_request_buffering off;
        location /v2/ {
            proxy_pass http://registry-private:5000;
            proxy_set_header Host $host;
            proxy_cache registry;
            proxy_cache_valid 5m;
        }
    }
}
"""
FAULTS = {
    "nginx-require-host-port",
    "nginx-require-forwarded-proto",
    "nginx-no-cache-on-push",
    "nginx-require-unlimited-body",
    "nginx-require-http11",
    "nginx-require-read-timeout",
}


def context_of(text: str, profile: str = "verified", image: str = "nginx:1.27", **documents: str) -> Context:
    """A stack with its registries and this nginx configuration."""
    services = "".join(
        f"  registry-{name}:\n    image: registry:2\n    container_name: c-{name}\n"
        f"    volumes: ['./config-{name}.yml:/etc/docker/registry/config.yml']\n"
        for name in (*REGISTRIES, "private")
    )
    texts = {f"config-{name}.yml": MIRROR for name in REGISTRIES} | {"config-private.yml": CONFIG}
    texts["compose.yml"] = f"services:\n{services}  nginx:\n    image: {image}\n    network_mode: host\n"
    texts["compose.yml"] += "    volumes: ['./nginx.conf:/etc/nginx/nginx.conf']\n"
    texts |= {"nginx.conf": text} | documents
    read = {path: Document(path, content) for path, content in texts.items()}
    stack = Stack(compose="compose.yml", nginx="nginx.conf", configs=".")
    return Context(Settings(profile=profile), stack, lambda path: read.get(path) or Document(path, "", exists=False))


def alone(text: str, name: str = "private", **documents: str) -> Context:
    """What a hook sees: nginx's file, and no compose file."""
    read = {path: Document(path, content) for path, content in ({"web/nginx.conf": text} | documents).items()}
    return Context(
        Settings(registry=RegistrySettings(name=name)),
        Stack(nginx="web/nginx.conf"),
        lambda path: read.get(path) or Document(path, "", exists=False),
    )


def found(context: Context, *rules: Rule) -> list[Located]:
    """What rules find, all of the family unless others are named."""
    outcomes = list(inspect(rules or RULES, context, lambda done, total: None))
    assert all(isinstance(item.outcome, Finding) for item in outcomes), outcomes
    return outcomes


def names(context: Context, *rules: Rule) -> set[str]:
    """Ids of the rules that find something."""
    return {item.rule for item in found(context, *rules)}


def fixed(context: Context, *rules: Rule) -> str:
    """The text after all fixes; what is left has none."""
    result = fix(rules or RULES, context, None, lambda item: item.wants_edits)
    assert not any(item.located.wants_edits for item in result.left)
    return result.changes[0].new_text if result.changes else context.document("nginx.conf").text


def test_all_faults_at_once_are_fixed_in_one_run() -> None:
    """Seven rules on one location do not hinder each other, and the second run is silent."""
    assert names(context_of(BAD)) == FAULTS
    text = fixed(context_of(BAD))
    assert found(context_of(text)) == []
    for line in (
        "proxy_set_header Host $http_host;",
        "proxy_set_header X-Forwarded-Proto $scheme;",
        "proxy_cache off;",
        "client_max_body_size 0;",
        "proxy_http_version 1.1;",
        "proxy_read_timeout 900;",
    ):
        assert text.count(line) == 1


def test_headers_from_around_come_along_once() -> None:
    """Two rules want a header in a location that inherits all of its headers from outside of the server."""
    text = BAD.replace("            proxy_set_header Host $host;\n", "").replace(
        "http {\n", 'http {\n    proxy_set_header Host $host;\n    proxy_set_header Connection "";\n'
    )
    new = fixed(context_of(text))
    assert found(context_of(new)) == []
    server = read_nginx(parse(new)).servers[0]
    headers = server.locations[0].directive.all("proxy_set_header")
    assert [header.args for header in headers] == [
        ["Host", "$http_host"],
        ["Connection", ""],
        ["X-Forwarded-Proto", "$scheme"],
    ]
    assert new.startswith('http {\n    proxy_set_header Host $host;\n    proxy_set_header Connection "";\n')


# --- Settings on every level, beside a reading of our own ---

LEVELS = ("http", "server", "location")
SETTINGS: dict[Any, tuple[str, tuple[str, ...], Any]] = {
    require_unlimited_body: ("client_max_body_size", ("0", "1g", "0k"), lambda v: v not in ("0", "0k")),
    require_read_timeout: ("proxy_read_timeout", ("30", "15m", "1h", "299s"), lambda v: v in ("30", "299s", None)),
    no_cache_on_push: ("proxy_cache", ("off", "registry"), lambda v: v == "registry"),
}
HOSTS = ("$host", "$http_host", "$server_name")


@st.composite
def layered(draw: st.DrawFn) -> tuple[dict[Any, dict[str, str]], dict[str, dict[str, str]], str]:
    """Settings and headers at random levels around two registries' locations, and the text that says so."""
    drawn: dict[Any, dict[str, str]] = {}
    lines: dict[str, list[str]] = {level: [] for level in LEVELS}
    for module, (name, values, _) in SETTINGS.items():
        drawn[module] = draw(st.dictionaries(st.sampled_from(LEVELS), st.sampled_from(values), max_size=2))
        for level, value in drawn[module].items():
            lines[level].append(f"{name} {value};")
    fields = st.fixed_dictionaries({}, optional={"Host": st.sampled_from(HOSTS), "X-Real-IP": st.just("$remote_addr")})
    headers = {level: draw(fields) for level in LEVELS}
    for level, some in headers.items():
        lines[level] += [f"proxy_set_header {name} {value};" for name, value in some.items()]
    shuffled = {level: draw(st.permutations(lines[level])) for level in LEVELS}
    unit, end = draw(st.sampled_from(["  ", "\t"])), draw(st.sampled_from(["\n", "\r\n"]))
    compact = draw(st.booleans())
    location = ["proxy_pass http://registry-private:5000;", *shuffled["location"]]
    block = [f"location /v2/ {{ {' '.join(location)} }}"]
    if not compact:
        block = ["location /v2/ {", *(unit + line for line in draw(st.permutations(location))), "}"]
    shared = ["location /v2/ghcr/ { proxy_pass http://registry-ghcr:5000; }"] if draw(st.booleans()) else []
    server = ["server {", *(unit + line for line in ["listen 5050;", *shuffled["server"], *shared, *block]), "}"]
    text = ["http {", *(unit + line for line in [*shuffled["http"], *server]), "}"]
    return drawn, headers, end.join(text) + draw(st.sampled_from(["", end]))


@settings(max_examples=EXAMPLES // 2, deadline=None)
@given(layered())
def test_the_value_that_counts_decides(case: tuple[dict[Any, dict[str, str]], dict[str, dict[str, str]], str]) -> None:
    """The innermost value is judged; headers are taken from the innermost level that has any."""
    drawn, headers, text = case
    for module, (_, _, is_bad) in SETTINGS.items():
        values = [drawn[module][level] for level in LEVELS if level in drawn[module]]
        assert bool(found(context_of(text), module.check)) == is_bad(values[-1] if values else None), text
    nearest = next((headers[level] for level in reversed(LEVELS) if headers[level]), {})
    assert bool(found(context_of(text), require_host_port.check)) == (nearest.get("Host") != "$http_host"), text


@settings(max_examples=EXAMPLES // 4, deadline=None)
@given(layered())
def test_fixes_rest_and_leave_the_others(
    case: tuple[dict[Any, dict[str, str]], dict[str, dict[str, str]], str],
) -> None:
    """All is fixed in one run; the pull-through location beside keeps its limit, its time and its cache."""
    text = case[2]
    new = fixed(context_of(text))
    assert names(context_of(new)) <= {"nginx-no-manifest-cache"}
    assert new.count("\r\n") in (0, new.count("\n"))
    before, after = (read_nginx(parse(one)).servers[0].locations for one in (text, new))
    for name in ("client_max_body_size", "proxy_read_timeout", "proxy_cache"):
        settings_of = [[one.setting(name) for one in some if "ghcr" in one.pattern] for some in (before, after)]
        old, kept = ([directive and directive.args for directive in some] for some in settings_of)
        assert old == kept


# --- Beside the recipe ---


@settings(max_examples=EXAMPLES // 8, deadline=None)
@given(drawn=registry_texts())
def test_what_the_recipe_writes_is_right(drawn: dict[str, Any]) -> None:
    """The verified server is silent in every style; of the as-written one only the Host is wrong."""
    own = tuple(rule for rule in RULES if rule is not no_manifest_cache.check)
    verified, as_written = (migrated(drawn["text"], profile) for profile in ("verified", "as-written"))
    assert found(context_of(verified), *own) == []
    assert names(context_of(as_written), *own) == {"nginx-require-host-port"}
    text = fixed(context_of(as_written), *own)
    for profile in ("verified", "as-written"):
        outcomes = list(inspect((recipe,), context_of(text, profile), lambda done, total: None))
        assert all(isinstance(item.outcome, Note) for item in outcomes), outcomes
    assert fixed(context_of(as_written), recipe, *own) == verified


# --- One file alone ---


def test_one_file_is_enough_for_the_registry_of_the_settings() -> None:
    """A hook sees no compose file; the rules that need one are not run by it, and the others know one name."""
    rules = [rule for rule in RULES if not rule.cross]
    expected = {rule.id for rule in rules} & FAULTS - {"nginx-require-http11"}
    beside = {"web/config-private.yml": CONFIG}
    assert names(alone(BAD, **beside), *rules) == expected
    named = BAD.replace("http {\n", "http {\n    upstream u { server registry-private:5000; }\n")
    assert names(alone(named.replace("//registry-private:5000", "//u"), **beside), *rules) == expected
    group = BAD.replace("http {\n", "http {\n    upstream registry-private { server 10.0.0.5:5000; }\n")
    assert names(alone(group.replace("private:5000;\n", "private;\n", 1), **beside), *rules) == expected


def test_one_file_says_nothing_of_other_registries() -> None:
    """Which of them accept pushes stands elsewhere, and so does the version of nginx."""
    assert names(alone(BAD, name="images")) == set()


def test_a_registry_whose_configuration_is_not_seen_may_have_its_own_urls() -> None:
    """Beside the file it is seen; without it, or with relative URLs, nothing is said of the scheme."""
    rule = require_forwarded_proto.check
    assert names(alone(BAD), rule) == set()
    assert names(alone(BAD, **{"web/config-private.yml": "http: ["}), rule) == set()
    relative = "version: 0.1\nhttp: {addr: ':5000', relativeurls: true}\n"
    assert names(alone(BAD, **{"web/config-private.yml": relative}), rule) == set()
    assert names(alone(BAD, **{"web/config-private.yml": CONFIG}), rule) == {rule.id}


def test_a_file_that_is_included_may_inherit_anything() -> None:
    """Without a view of the http block around it, what is not set in a conf.d file is not known."""
    server = "server {\n    listen 5050;\n    location / { proxy_pass http://registry-private:5000; }\n}\n"
    assert names(alone(server)) == set()
    assert names(alone(f"http {{\n{server}}}\n")) == {"nginx-require-unlimited-body", "nginx-require-read-timeout"}


# --- Parts ---


@pytest.mark.parametrize(
    ("time", "seconds"),
    [
        ("900", 900),
        ("900s", 900),
        ("15m", 900),
        ("1h", 3600),
        ("1h 30m", 5400),
        ("1h30m", 5400),
        ("1500ms", 1.5),
        ("1d", 86400),
        ("1M", 2592000),
        ("1y", 31536000),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("9 00 x", None),
    ],
)
def test_times(time: str, seconds: float | None) -> None:
    """Times are read as nginx reads them."""
    assert seconds_of(time) == seconds


@pytest.mark.parametrize(
    ("image", "fires"),
    [
        ("nginx", True),
        ("nginx:alpine", True),
        ("nginx:1.27.5-alpine", True),
        ("nginx:1.29", True),
        ("nginx:1.29.6", True),
        ("nginx:1.29.7", False),
        ("nginx:1.30", False),
        ("reg.lan:5000/nginx:1.31.2-bookworm@sha256:" + "0" * 64, False),
        ("reg.lan:5.30/nginx", True),
        ("nginx:2", True),
    ],
)
def test_newer_nginx_proxies_with_http11(image: str, fires: bool) -> None:
    """Only a tag that names the release is believed."""
    assert bool(found(context_of(BAD, image=image), require_http11.check)) == fires


def test_a_comment_above_the_location_suppresses() -> None:
    """So does one above the line; the same comment elsewhere does not."""
    rule = require_host_port.check
    comment = f"# codemod: ignore[{rule.id}] clients come through port 80\n"
    for place, suppressed in (("location", True), ("proxy_set_header", True), ("listen", False)):
        (item,) = judge((rule,), context_of(BAD.replace(place, comment + place, 1)))
        assert bool(item.suppressed) is suppressed


@pytest.mark.parametrize(
    ("locations", "uploads", "manifests"),
    [
        ("location / { A } location /v2/ { B }", "B", "B"),
        ("location ~ manifests { A } location /v2/ { B }", "B", "A"),
        ("location ~ manifests { A } location ^~ /v2/ { B }", "B", "B"),
        ("location ~* MANIFESTS { A } location ~ /v2/ { B } location ~ manifests { C }", "B", "A"),
        ("location /v2/ { B location ~ manifests { A } } location ~ blobs|manifests { C }", "C", "A"),
        ("location /v2/ { B location /v2/app/ { A } }", "AB", "AB"),
        ("location =/v2/ { A } location ~^/v2/.*uploads { B }", "B", ""),
        ("location /v2/team/ { A } location /v2/ { B }", "AB", "AB"),
        ("location /v2/_catalog { A } location /v2/ { B }", "B", "B"),
        ("location ~ ^/v2/(?<image>.+)/manifests/(?<tag>\\w+)$ { A } location / { B }", "B", "A"),
        ("location ~ [[:alpha:]] { A } location / { B }", "", ""),
        ("location ~ (?R) { A } location / { B }", "", ""),
        ("location @named { A }", "", ""),
    ],
)
def test_routes(locations: str, uploads: str, manifests: str) -> None:
    """The location that serves a request, as nginx chooses it; none where a pattern is not known."""
    for letter in "ABC":
        locations = locations.replace(f"{{ {letter} ", f"{{ return 200 {letter}; ")
    (server,) = read_nginx(parse(f"server {{ {locations} }}")).servers
    for requests, expected in ((UPLOADS, uploads), (MANIFESTS, manifests)):
        returns = [location.directive.get("return") for location in locations_for(server, requests)]
        assert sorted(directive.args[1] for directive in returns if directive) == sorted(expected)
