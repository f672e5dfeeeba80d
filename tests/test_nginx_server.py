"""The private registry's upstream and server in configurations of every style."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from codemods.caching.nginx_server import check
from codemods.engine.context import Context
from codemods.engine.edits import apply_edits
from codemods.engine.model import Finding
from codemods.engine.run import ChangeSet, Selection, plan_changes
from codemods.facts.nginx import read_nginx
from codemods.formats.nginx import parse
from codemods.repository import Document
from codemods.settings import RegistrySettings, Settings
from codemods.stack import Stack
from tests.nginx_texts import REGISTRIES, registry_texts
from tests.plan import snippets
from tests.soak import EXAMPLES

SHAPE = """\
http {
    upstream ghcr {
        server registry-ghcr:5000;
        keepalive 32;
    }

    upstream kyverno {
        server registry-kyverno:5000;
        keepalive 32;
    }

    # --- GHCR (port 5010) ---

    server {
        listen 5010;
        location /v2/ {
            proxy_pass http://ghcr;
        }
    }

    # --- Kyverno (port 5040) ---

    server {
        listen 5040;
        location /v2/ {
            proxy_pass http://kyverno;
        }
    }
}
"""


def plan(text: str, profile: str, *, registries: tuple[str, ...] = REGISTRIES, **registry: Any) -> ChangeSet:
    """A run of the rule alone; the engine proves its edits and runs it again on its result."""
    services = "".join(f"  registry-{name}: {{image: 'registry:2', container_name: c-{name}}}\n" for name in registries)
    documents = {
        "compose": Document("compose", f"services:\n  ui: {{image: ui}}\n{services}"),
        "nginx": Document("nginx", text),
    }
    context = Context(
        Settings(profile=profile, registry=RegistrySettings(**registry)),
        Stack(compose="compose", nginx="nginx"),
        documents.__getitem__,
    )
    return plan_changes([check], context, Selection())


def migrated(text: str, profile: str, **options: Any) -> str:
    """The new text of a run that changes something and refuses nothing."""
    result = plan(text, profile, **options)
    assert [item.outcome for item in result.refusals] == []
    (change,) = result.changes
    return change.new_text


def added(text: str, profile: str = "as-written", **options: Any) -> str:
    """What a run inserts and replaces nothing for: the upstream if there is one, then the server."""
    result = plan(text, profile, **options)
    assert result.refusals == []
    findings = [item.outcome for item in result.findings]
    edits = [edit for finding in findings if isinstance(finding, Finding) for edit in finding.edits]
    assert all(edit.start == edit.end for edit in edits)
    assert apply_edits(text, edits) == migrated(text, profile, **options)
    return "".join(edit.new for edit in edits)


def refusal(text: str, profile: str = "verified", **options: Any) -> tuple[str, str, str]:
    """Text at the place, reason and advice of a run's one refusal; it changes nothing."""
    result = plan(text, profile, **options)
    assert result.changes == []
    (item,) = result.refusals
    return text[item.outcome.start :], item.outcome.reason, item.outcome.advice  # type: ignore[union-attr]


def silent(text: str, profile: str, **options: Any) -> bool:
    """Whether a run finds nothing at all."""
    result = plan(text, profile, **options)
    return not (result.changes or result.findings or result.refusals or result.notes)


def proven(text: str, **options: Any) -> str:
    """The verified text, after the promises that hold for every style."""
    as_written, verified = migrated(text, "as-written", **options), migrated(text, "verified", **options)
    assert migrated(as_written, "verified", **options) == verified
    assert silent(as_written, "as-written", **options)
    assert silent(verified, "verified", **options)
    assert "already migrated with profile verified" in refusal(verified, "as-written", **options)[1]
    return verified


def test_as_written_is_the_plan() -> None:
    """Upstream and server of Task 3, to the byte, each behind the last of its kind."""
    upstream, server = snippets(3, "nginx")
    before, between = SHAPE.split("\n    # --- GHCR", 1)
    expected = f"{before}\n{upstream}\n    # --- GHCR{between}".removesuffix("}\n") + f"\n{server}}}\n"
    assert migrated(SHAPE, "as-written") == expected
    proven(SHAPE)


def test_verified_differs_in_two_lines() -> None:
    """Host with its port, and the protocol."""
    as_written, verified = migrated(SHAPE, "as-written"), migrated(SHAPE, "verified")
    line = "            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n"
    proto = "            proxy_set_header X-Forwarded-Proto $scheme;\n"
    assert verified == as_written.replace("Host $host;", "Host $http_host;").replace(line, line + proto)


def test_one_finding_for_each_part_with_its_path() -> None:
    """Upstream and server name what they write, and nothing more."""
    findings = [item.outcome for item in plan(SHAPE, "verified").findings]
    assert [finding.writes for finding in findings if isinstance(finding, Finding)] == [
        (("http", "upstream private"),),
        (("http", "server (listen 5050, server_name _)"),),
    ]
    assert all(edit.start == edit.end for f in findings if isinstance(f, Finding) for edit in f.edits)


@settings(max_examples=max(EXAMPLES // 4, 25), deadline=None)
@given(registry_texts())
def test_every_style(drawn: dict[str, Any]) -> None:
    """Whatever the siblings look like: only added text, one server, one upstream where they have one, at rest."""
    text = drawn["text"]
    verified = proven(text)
    assert added(text).count("listen 5050") == 1
    facts = read_nginx(parse(verified))
    (server,) = [server for server in facts.servers if server.listens_on(5050)]
    assert [str(target) for target in server.targets] == [
        "http://registry-private:5000" if drawn["straight"] else "http://private"
    ]
    assert (facts.upstream("private") is None) == drawn["straight"]
    cache = server.locations[0].setting("proxy_cache")
    assert (cache.args if cache else None) == (["off"] if drawn["shared"] else None)
    assert verified.endswith("\n") == text.endswith("\n")
    assert ("\r\n" in text) == ("\r\n" in verified)
    assert verified.count("\n") == verified.count("\r\n") or "\r" not in verified
    assert ("R/W" in verified) == (drawn["banner"] is not None)


@pytest.mark.parametrize(
    ("banner", "expected"),
    [
        ("# --- Kyverno (port 5040) ---", "# --- Private R/W Registry (port 5050) ---"),
        ("# Kyverno", "# Private R/W Registry"),
        ("## kyverno on port 5040", "## Private R/W Registry on port 5050"),
        ("#5040: kyverno#", "#Private R/W Registry (port 5050)#"),
        ("# ===|# KYVERNO :5040|# (slow)|# ===", "# ===|# Private R/W Registry :5050|# ==="),
        ("# reg 5040 =====", "# Private R/W Registry 5050 ====="),
    ],
)
def test_banner_in_the_style_of_the_sibling(banner: str, expected: str) -> None:
    """Rulers and the way to tell the port stay, the words are ours."""
    text = SHAPE.replace("# --- Kyverno (port 5040) ---", banner.replace("|", "\n    "))
    banner_lines = expected.replace("|", "\n    ")
    assert f"    }}\n\n    {banner_lines}\n\n    server {{\n        listen 5050;" in added(text)


@pytest.mark.parametrize(
    "comment",
    [
        "",
        "# --- All servers ---",
        "# upstream kyverno { server x; }",
        "# codemod: ignore[x] kyverno is odd",
        "# other\n\n",
    ],
)
def test_no_banner_where_the_comment_is_none(comment: str) -> None:
    """Headings of a whole section, code that was put aside, and suppressions are not copied."""
    text = SHAPE.replace("# --- Kyverno (port 5040) ---", comment).replace("# --- GHCR (port 5010) ---", "")
    assert "#" not in added(text)


def test_upstream_is_like_its_sibling() -> None:
    """Its settings and server options, our one server and names, its comment where that names it."""
    text = SHAPE.replace("    upstream kyverno {\n", "    # Kyverno mirror\n    upstream kyverno { # slow\n").replace(
        "        server registry-kyverno:5000;\n        keepalive 32;\n",
        "        zone kyverno_zone 64k;\n        server spare:5000 backup;\n        # the mirror\n"
        "        server  registry-kyverno:5000 max_fails=3; # one\n        server unix:/x;\n        keepalive\n 8;\n",
    )
    assert added(text).startswith(
        "\n\n    # Private mirror\n    upstream private {\n        zone private_zone 64k;\n"
        "        server  registry-private:5000 max_fails=3;\n        keepalive 8;\n    }\n"
    )
    proven(text)


def test_upstream_on_one_line() -> None:
    """As the siblings are."""
    text = SHAPE.replace(
        "    upstream kyverno {\n        server registry-kyverno:5000;\n        keepalive 32;\n    }\n",
        "    upstream kyverno { server registry-kyverno:5000; keepalive 32; }\n",
    )
    assert added(text).startswith("\n\n    upstream private { server registry-private:5000; keepalive 32; }\n\n")


@pytest.mark.parametrize(
    ("listens", "expected"),
    [
        ("listen 5040;", ["listen 5050;"]),
        (
            "listen 5040 default_server; listen [::]:5040 ipv6only=off;",
            ["listen 5050;", "listen [::]:5050 ipv6only=off;"],
        ),
        ("listen 10.0.0.1:5040 ssl;", ["listen 10.0.0.1:5050;"]),
        ("listen 80; listen 443 ssl;", ["listen 5050;"]),
        ("listen unix:/run/x.sock;", ["listen 5050;"]),
    ],
)
def test_addresses_are_the_siblings(listens: str, expected: list[str]) -> None:
    """A registry that takes pushes is not opened to more networks than its siblings are."""
    text = SHAPE.replace("listen 5040;", listens)
    lines = [line.strip() for line in added(text).splitlines()]
    assert [line for line in lines if line.startswith("listen ")] == expected


@pytest.mark.parametrize(
    "passed",
    [
        "proxy_pass http://registry-kyverno:5000;",
        "proxy_pass http://c-kyverno:5000/;",
        "set $b http://registry-kyverno:5000; proxy_pass $b;",
    ],
)
def test_straight_to_the_service(passed: str) -> None:
    """Siblings without upstreams get one that has none, also where a variable or the container is named."""
    start, end = SHAPE.index("    upstream ghcr"), SHAPE.index("    # --- GHCR")
    text = (SHAPE[:start] + SHAPE[end:]).replace("proxy_pass http://kyverno;", passed)
    verified = proven(text)
    assert "upstream private" not in verified
    assert "proxy_pass http://registry-private:5000;" in verified


def test_an_upstream_that_is_there_is_used() -> None:
    """Whatever its name, when the private registry is its only server."""
    text = SHAPE.replace(
        "    upstream kyverno", "    upstream rw { server registry-private:5000; }\n    upstream kyverno"
    )
    assert "upstream" not in added(text)
    assert "proxy_pass http://rw;" in added(text)


def test_a_cache_for_all_servers_is_switched_off() -> None:
    """An inherited proxy_cache would hide what was just pushed; `off` needs nothing."""
    assert "\n            proxy_cache off;\n" in added(SHAPE.replace("http {", "http {\n    proxy_cache all;"))
    assert "proxy_cache" not in added(SHAPE.replace("http {", "http {\n    proxy_cache off;"))
    proven("proxy_cache all;\nserver { listen 1; location / { proxy_pass http://registry-ghcr:5000; } }")


def test_settings_name_everything() -> None:
    """Another name and port, and no other registry is taken for it."""
    new = added(SHAPE, name="cache", port=6000)
    assert "upstream cache {\n        server registry-cache:5000;" in new
    assert "# --- Cache R/W Registry (port 6000) ---" in new
    assert "listen 6000;" in new
    assert "private" not in new.lower()


def test_after_compose_has_the_service() -> None:
    """The private registry itself is no sibling of its server."""
    assert added(SHAPE, registries=(*REGISTRIES, "private")) == added(SHAPE)


def test_the_server_goes_behind_the_last_registry() -> None:
    """Not behind servers of other things, whose banner stays theirs."""
    other = (
        "\n    # UI\n    server {\n        listen 8080;\n        location / { proxy_pass http://ui:80; }\n    }\n}\n"
    )
    verified = proven(SHAPE.removesuffix("}\n") + other)
    assert verified.index("listen 5050") < verified.index("# UI")
    assert verified.endswith(other)


OWN = "    server {{ listen 5050; location / {{ proxy_pass http://registry-private:5000; {} }} }}\n}}\n"


def own(headers: str) -> str:
    """The shape with a server for the private registry that somebody wrote."""
    return SHAPE.removesuffix("}\n") + OWN.format(headers)


@pytest.mark.parametrize("profile", ["as-written", "verified"])
@pytest.mark.parametrize(
    "headers",
    [
        "",
        "proxy_set_header Host $http_host;",
        "proxy_set_header Host $host:5050;",
        "proxy_set_header X-Forwarded-Proto https;",
        "proxy_cache off;",
    ],
)
def test_a_server_that_somebody_wrote_is_left_alone(headers: str, profile: str) -> None:
    """When it leads to the private registry and does not lose the port."""
    assert silent(own(headers), profile)


def test_a_server_that_somebody_wrote_is_corrected_in_its_own_style() -> None:
    """The two headers, on the one line where they stand."""
    text = own("proxy_set_header Host $host; # as always\n proxy_set_header X-Forwarded-Proto https;")
    assert migrated(text, "verified") == text.replace("$host;", "$http_host;")
    text = own("proxy_set_header 'Host' \"$host\"; proxy_read_timeout 9;")
    assert migrated(text, "verified") == text.replace(
        '"$host";', "$http_host; proxy_set_header X-Forwarded-Proto $scheme;"
    )
    assert silent(text, "as-written")


def test_headers_of_two_locations_are_corrected_once() -> None:
    """Also when both inherit them from their server."""
    location = "location {} {{ proxy_pass http://registry-private:5000; }}"
    server = f"server {{ listen 5050; proxy_set_header Host $host; {location.format('/a')} {location.format('/b')} }}"
    new = migrated(server, "verified")
    assert new == server.replace("$host;", "$http_host; proxy_set_header X-Forwarded-Proto $scheme;")


def test_a_lost_upstream_comes_back() -> None:
    """The server names it and there is none."""
    whole = migrated(SHAPE, "verified")
    start = whole.index("    upstream private")
    without = whole[:start] + whole[whole.index("    # --- GHCR") :]
    assert migrated(without, "verified") == whole
    bare = "server { listen 5050; location / { proxy_pass http://private; } }"
    assert refusal(bare)[1] == "no registry's upstream to take as a model for private"


@pytest.mark.parametrize(
    ("text", "place", "reason", "advice"),
    [
        ("", "", "no http block, and no server outside of one", "paths.nginx"),
        ("events { }\n", "events", "no http block", "paths.nginx"),
        (
            "events { }\nhttp { include conf.d/*.conf; }",
            "http",
            "no server passes requests on to a registry (registry-",
            "conf.d/*.conf",
        ),
        ("server { listen 80; location / { proxy_pass http://ui; } }", "server", "no server passes", "paths.nginx"),
        (
            SHAPE.replace("5010", "5050"),
            "server {\n        listen 5050",
            "port 5050 is taken by an http server that passes to http://ghcr",
            "registry.port",
        ),
        (SHAPE.replace("5010", "127.0.0.1:5050"), "server", "port 5050 is taken", "registry.port"),
        (SHAPE.replace("5010", "5049-5051"), "server", "port 5050 is taken", "registry.port"),
        (
            SHAPE + "stream { server { listen 5050; proxy_pass x:1; } }",
            "server { listen 5050",
            "port 5050 is taken",
            "registry.port",
        ),
        (
            own("").replace("registry-private:5000", "registry-private:5001"),
            "server",
            "passes to http://registry-private:5001",
            "registry.port",
        ),
        (
            SHAPE.replace("5010", "5050").replace("proxy_pass http://ghcr;", "return 200;"),
            "server",
            "is taken by another http server",
            "registry.port",
        ),
        (
            SHAPE.replace("upstream ghcr", "upstream private"),
            "upstream private",
            "the upstream private exists with other servers: registry-ghcr:5000",
            "registry.name",
        ),
        (
            SHAPE.replace("http {", "http { upstream private { server registry-private:5000; server b:1; }"),
            "upstream",
            "exists with other",
            "registry.name",
        ),
        (
            "upstream private { server unix:/x; }\nserver { location / { proxy_pass http://registry-ghcr:5000; } }",
            "upstream",
            "none with a plain address",
            "registry.name",
        ),
        (
            own("proxy_cache x;"),
            "location / { proxy_pass http://registry-private",
            "caches what it passes on",
            "proxy_cache off;",
        ),
        (
            own("").replace("http {", "http { proxy_cache x;"),
            "location / { proxy_pass http://registry-private",
            "caches what it passes on",
            "proxy_cache off;",
        ),
        (
            own("").replace("http {", "http { proxy_set_header Host $host;"),
            "location / { proxy_pass http://registry-private",
            "outside of the private registry's server",
            "proxy_set_header",
        ),
    ],
)
def test_refusals(text: str, place: str, reason: str, advice: str) -> None:
    """By name, at their place, with what to do."""
    found = refusal(text)
    assert found[0].startswith(place)
    assert reason in found[1]
    assert advice in found[2]


def test_without_compose_there_is_nothing_to_say() -> None:
    """A stack without a compose file has no registries."""
    context = Context(Settings(), Stack(nginx="nginx"), lambda path: Document(path, SHAPE))
    assert list(check(context, Document("nginx", SHAPE))) == []
