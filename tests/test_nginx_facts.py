"""What the rules may know of an nginx configuration."""

from __future__ import annotations

import pytest

from codemods.facts.nginx import Address, Location, NginxFacts, read_nginx, setting
from codemods.formats.nginx import parse


def facts(text: str) -> NginxFacts:
    return read_nginx(parse(text))


def location(text: str) -> Location:
    """The last location of the last server."""
    return facts(text).servers[-1].locations[-1]


def test_upstreams_and_servers_of_the_http_block() -> None:
    """In order, with the servers behind them."""
    found = facts("""
        events {}
        http {
            upstream a { server x:5000 max_fails=3; server [::1]:81 backup; server y; keepalive 2; }
            upstream b { server unix:/run/b.sock; server $name:1; }
            server { listen 5000; server_name _ mirror; location /v2/ { proxy_pass http://a; } }
            server { listen 5010; }
        }""")
    assert found.http is not None
    assert [(u.name, u.addresses) for u in found.upstreams] == [
        ("a", (Address("x", 5000), Address("[::1]", 81), Address("y", 80))),
        ("b", ()),
    ]
    assert [(s.context, s.names, list(map(str, s.targets))) for s in found.servers] == [
        ("http", ("_", "mirror"), ["http://a"]),
        ("http", (), []),
    ]
    assert found.servers[0].targets[0].addresses == found.upstreams[0].addresses
    assert found.servers[0].targets[0].upstream is found.upstream("a")


def test_a_file_without_http_block_is_read_as_part_of_one() -> None:
    """Upstreams and servers on the outermost level, and what the file includes."""
    found = facts("upstream a { server x:1; }\nserver { listen 1; include snippets/*.conf; }\ninclude more.conf;")
    assert found.http is None
    assert [upstream.name for upstream in found.upstreams] == ["a"]
    assert len(found.servers) == 1
    assert found.includes == ("snippets/*.conf", "more.conf")


def test_servers_of_other_protocols_are_told_apart() -> None:
    """`stream` and `mail` listen on ports too, but have upstreams of their own."""
    found = facts("http { upstream a { server x:1; } } stream { server { listen 5050; proxy_pass a; } }")
    assert [(server.context, server.listens_on(5050), server.targets) for server in found.servers] == [
        ("stream", True, ())
    ]


@pytest.mark.parametrize(
    ("listen", "address", "ports", "ssl"),
    [
        ("5000", "", [5000], False),
        ("127.0.0.1:5000 ssl", "127.0.0.1", [5000], True),
        ("[::]:5000 ipv6only=on", "[::]", [5000], False),
        ("*:5000 default_server", "*", [5000], False),
        ("localhost:5000", "localhost", [5000], False),
        ("5000-5002", "", [5000, 5001, 5002], False),
        ("127.0.0.1", "127.0.0.1", [80], False),
        ("[::1]", "[::1]", [80], False),
        ("unix:/run/n.sock", "unix:/run/n.sock", [], False),
        ("${PORT} ssl", "${PORT}", [], True),
    ],
)
def test_listen(listen: str, address: str, ports: list[int], ssl: bool) -> None:
    """Address, ports and TLS, as nginx reads them."""
    (found,) = facts(f"server {{ listen {listen}; }}").servers[0].listens
    assert (found.address, list(found.ports), found.ssl) == (address, ports, ssl)


@pytest.mark.parametrize(
    ("block", "target", "path"),
    [
        ("proxy_pass http://a;", "http://a", ""),
        ("proxy_pass https://a/x/;", "https://a", "/x/"),
        ("proxy_pass http://a:81;", "http://a:81", ""),
        ("proxy_pass http://other;", "http://other:80", ""),
        ("proxy_pass https://other/$1;", "https://other:443", "/$1"),
        ("proxy_pass http://[::1]:5000/;", "http://[::1]:5000", "/"),
        ("set $t http://x:5000; proxy_pass $t;", "http://x:5000", ""),
        ("set $n a; set $t http://$n; proxy_pass ${t}/y;", "http://a", "/y"),
        ("set $t one; set $t a; proxy_pass http://$t;", "http://a", ""),
        ("proxy_pass http://$outer:5000;", "http://above:5000", ""),
        ("if ($x) { proxy_pass http://a; }", "http://a", ""),
        ("proxy_pass http://$unknown;", None, None),
        ("set $c $c$c; proxy_pass http://$c;", None, None),
        ("proxy_pass http://unix:/run/x.sock:/;", None, None),
        ("return 200;", None, None),
        ("# proxy_pass http://a;", None, None),
    ],
)
def test_where_a_location_leads(block: str, target: str | None, path: str | None) -> None:
    """Through upstreams and variables; what is not known is not guessed."""
    found = location(f"upstream a {{ server x:1; }} server {{ set $outer above; location / {{ {block}\n }} }}").target
    assert (str(found) if found else None, found.path if found else None) == (target, path)


def test_variables_that_grow_end() -> None:
    """A text that expands without end is not expanded."""
    long = " ".join(f"set $v{number} {f'$v{number + 1}' * 300};" for number in range(20))
    assert location(f"server {{ {long} location / {{ proxy_pass http://$v0; }} }}").target is None


def test_locations_have_modifier_pattern_and_inner_locations() -> None:
    """Inner locations come after the outer one."""
    found = facts("server { location ~* \\.x$ { location = /a { } } location /b { } location @c { } }").servers[0]
    assert [(inner.modifier, inner.pattern) for inner in found.locations] == [
        ("~*", "\\.x$"),
        ("=", "/a"),
        ("", "/b"),
        ("", "@c"),
    ]


def test_settings_come_from_the_nearest_level() -> None:
    """Own, then server, then http."""
    found = location("""http {
        proxy_cache all; client_max_body_size 1m; proxy_read_timeout 5;
        server { client_max_body_size 0; location / { proxy_cache off; } } }""")
    assert [
        counts.args[0] if (counts := found.setting(name)) else None
        for name in ("proxy_cache", "client_max_body_size", "proxy_read_timeout", "proxy_buffering")
    ] == ["off", "0", "5", None]


def test_settings_beside_the_servers_of_a_snippet_count() -> None:
    """In a file without http block they stand on the outermost level."""
    file = parse("proxy_cache all;\nserver { location / { } }")
    found = setting(file, read_nginx(file).servers[0].directive, "proxy_cache")
    assert found is not None
    assert found.args == ["all"]


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ("", {"host": "$host", "x-a": "1"}),
        ("proxy_set_header HOST $http_host; proxy_set_header Connection '';", {"host": "$http_host", "connection": ""}),
    ],
)
def test_headers_of_a_level_replace_all_of_the_outer_one(own: str, expected: dict[str, str]) -> None:
    """As nginx inherits them: all or nothing."""
    text = f"http {{ proxy_set_header Host $host; proxy_set_header X-A 1; server {{ location / {{ {own} }} }} }}"
    assert {name: header.args[1] for name, header in location(text).headers.items()} == expected


def test_headers_of_a_snippet() -> None:
    """Also where the outermost level sets them."""
    assert list(location("proxy_set_header Host $host; server { location / { } }").headers) == ["host"]


@pytest.mark.parametrize(
    "text", ["", "server;", "http;", "server { listen; location; server_name; }", "upstream { server; }"]
)
def test_what_makes_no_sense_is_no_fact(text: str) -> None:
    """Directives without their arguments or blocks are passed over."""
    assert not any(server.targets or server.listens for server in facts(text).servers)
