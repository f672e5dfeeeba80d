"""Masked secrets: what is taken out of a report, and what is no secret."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codemods.engine.report.diff import unified_diff
from codemods.engine.report.mask import mask_secrets
from tests.soak import EXAMPLES


@pytest.mark.parametrize(
    ("line", "masked"),
    [
        ("password: hunter2", "password: ***"),
        ("  password: 'it''s #1'  # old", "  password: '***'  # old"),
        ('- "token": "a\\"b"', '- "token": "***"'),
        ("DB_PASSWORD: a,b } c", "DB_PASSWORD: ***"),
        ("{username: me, password: hunter2, repo: x}", "{username: me, password: ***, repo: x}"),
        ("environment: {API_KEY: ${KEY}, SECRET: x}", "environment: {API_KEY: ${KEY}, SECRET: ***}"),
        ("  - DOCKER_PASSWORD=hunter2", "  - DOCKER_PASSWORD=***"),
        ('  - "PLUGIN_TOKEN=abc"', '  - "PLUGIN_TOKEN=***"'),
        ('db_password   = "hunter2" # x', 'db_password   = "***" # x'),
        ('password = coalesce(var.password, "hunter2")', 'password = coalesce(var.password, "***")'),
        ("password: &pw hunter2", "password: &pw ***"),
        ("password: pass.word(1)", "password: ***"),
        ("token: $2y$10$N9qo8uLOickgx2", "token: ***"),
        ("password: 123456\r", "password: ***\r"),
        ("- docker login --password hunter2 host", "- docker login --password *** host"),
        ("curl 'http://x/api?token=abc&zone=y'", "curl 'http://x/api?token=***&zone=y'"),
        ("url: https://me:hunter2@registry.lan/x", "url: https://me:***@registry.lan/x"),
        ('proxy_set_header Authorization "Basic bWU6eA==";', 'proxy_set_header Authorization "Basic ***";'),
        ('set { name = "auth.password", value = "x" }', 'set { name = "auth.password", value = "***" }'),
        (
            'key = "-----BEGIN RSA PRIVATE KEY-----\\nabc\\n-----END',
            'key = "-----BEGIN RSA PRIVATE KEY-----***-----END',
        ),
    ],
)
def test_secrets_are_masked(line: str, masked: str) -> None:
    """The value goes, what stands around it stays, and masking again changes nothing."""
    assert mask_secrets(line) == masked
    assert mask_secrets(masked) == masked


@pytest.mark.parametrize(
    "line",
    [
        "from_secret: dockerhub-pat",
        "password: {from_secret: dockerhub-pat}",
        "password:",
        "password: # see below",
        "  secrets: [docker_username, docker_password]",
        "password: ${password}",
        'password: "${DB_PASSWORD:-}"',
        "token: $TOKEN",
        "token: $$TOKEN",
        "token: {{ .Values.token }}",
        "token: ${{ secrets.TOKEN }}",
        "password: *password",
        "password = var.registry_password",
        'password = data.vault_kv_secret_v2.x.data["password"]',
        "password = random_password.registry.result",
        'password = ""',
        "password: <TECHNITIUM_TOKEN>",
        "automountServiceAccountToken: false",
        "password_file: /run/secrets/password",
        "secretName: tls",
        'variable "db_password" { type = string }',
        "proxy_pass http://private;",
        "bypass: 3",
        "tokens: 12",
        "if token == x:",
        "for name, secret => value",
        "docker login --password-stdin host",
        "image: registry.lan:5050/x@sha256:abc",
        "http://registry.lan:5050/v2/",
        "# the token of the password",
    ],
)
def test_references_and_lookalikes_are_shown(line: str) -> None:
    """Where a secret is kept is no secret."""
    assert mask_secrets(line) == line


@pytest.mark.parametrize(
    "part", ["-", "a-", "{{a}}", "$", "$a", "password", "://", "a.", "token: {", '"', "!a ", "name: "]
)
def test_no_line_takes_long(part: str) -> None:
    """Long lines of one pattern, as hostile as they come, are read once."""
    started = time.process_time()
    for times in (9_000 // len(part), 50_000):
        mask_secrets(f"token: {part * times}!")
        mask_secrets(f"{part * times} token=")
    assert time.process_time() - started < 2


def test_a_very_long_line_with_a_secret_is_masked_whole() -> None:
    """One without is shown."""
    assert mask_secrets("  a: 1, token: x" + " " * 10_000) == "  ***"
    assert mask_secrets("token: x\n" + "a" * 20_000) == "token: ***\n" + "a" * 20_000


def test_secrets_of_many_lines_are_masked() -> None:
    """Block scalars, heredocs, keys, and the value that belongs to a name."""
    text = (
        "a:\n  password: |\n    one\n\n      two\n  user: me\n"
        "secret = <<-EOF\n  three\n  EOF\nuser = 1\n"
        "x: -----BEGIN PRIVATE KEY-----\n  four\n  -----END PRIVATE KEY-----\n"
        "- name: DB_PASSWORD\r\n  value: five\r\n- name: USER\n  value: me\n"
    )
    assert mask_secrets(text) == (
        "a:\n  password: |\n    ***\n\n      ***\n  user: me\n"
        "secret = <<-EOF\n  ***\n  EOF\nuser = 1\n"
        "x: -----BEGIN PRIVATE KEY-----\n  ***\n  -----END PRIVATE KEY-----\n"
        "- name: DB_PASSWORD\r\n  value: ***\r\n- name: USER\n  value: me\n"
    )


@given(st.text(st.sampled_from("password: =\"'|{}<>$\n\r*#&-x(")))
@settings(max_examples=EXAMPLES, deadline=None)
def test_masking_keeps_the_lines(text: str) -> None:
    """Whatever the text, its lines stay in number and end, and masking again changes nothing."""
    masked = mask_secrets(text)
    assert [line.endswith("\r") for line in masked.split("\n")] == [line.endswith("\r") for line in text.split("\n")]
    assert mask_secrets(masked) == masked


def test_a_diff_shows_no_secret() -> None:
    """Neither in its context nor in its changed lines, also when the key of the secret lies outside the hunk."""
    block = "password: |\n" + "".join(f"  hunter{number}\n" for number in range(9))
    diff = unified_diff("f", f"{block}a: 1\ntoken: old1\n", f"{block}a: 2\ntoken: new1\n")
    assert diff.endswith(" ***\n   ***\n   ***\n-a: 1\n-token: ***\n+a: 2\n+token: ***\n")
