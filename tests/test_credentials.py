"""Credentials: bound to their origin, private, never over plain http unless allowed, never quoted."""

from __future__ import annotations

from pathlib import Path

import pytest

from codemods.credentials import Credentials, configuration_directory, find_credentials, origin_of
from codemods.errors import CodemodError, SettingsError

SERVER = "https://ci.home.lan"


@pytest.fixture(autouse=True)
def own_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the user has stays out of these tests."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


def store(text: str, mode: int = 0o600) -> Path:
    """Write the credentials file."""
    path = configuration_directory() / "credentials.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://ci.home.lan", "https://ci.home.lan/"),
        ("https://ci.home.lan:443/woodpecker", "HTTPS://CI.home.lan"),
        ("http://10.0.20.204:5380", "http://10.0.20.204:5380/api"),
        ("http://[fd00::1]:80", "http://[fd00::1]"),
        ("10.0.20.204:53", "10.0.20.204:53"),
    ],
)
def test_spellings_of_one_origin(one: str, other: str) -> None:
    """Path, letter case and the scheme's own port do not count."""
    assert origin_of(one) == origin_of(other)


@pytest.mark.parametrize(
    "other",
    ["http://ci.home.lan", "https://ci.home.lan:8443", "https://ci.home.lan.evil.example", "https://evil.example"],
)
def test_a_token_stays_with_its_origin(other: str) -> None:
    """A codemod.toml that was changed by a pull request gets no token for its server."""
    environment = {"CODEMOD_WOODPECKER_ORIGIN": SERVER, "CODEMOD_WOODPECKER_TOKEN": "t"}
    assert find_credentials("woodpecker", SERVER, environment) == Credentials(SERVER, token="t")
    assert find_credentials("woodpecker", other, environment) is None
    assert find_credentials("dns", SERVER, environment) is None


def test_a_token_without_an_origin_is_refused() -> None:
    """It could go anywhere."""
    with pytest.raises(SettingsError, match="CODEMOD_DNS_ORIGIN is not set"):
        find_credentials("dns", SERVER, {"CODEMOD_DNS_TOKEN": "planted"})


def test_plain_http_has_to_be_allowed() -> None:
    """For each token by itself."""
    environment = {"CODEMOD_DNS_ORIGIN": "http://10.0.20.204:5380", "CODEMOD_DNS_TOKEN": "planted"}
    with pytest.raises(CodemodError, match="would travel unencrypted") as caught:
        find_credentials("dns", "http://10.0.20.204:5380", environment)
    assert "planted" not in str(caught.value)
    found = find_credentials("dns", "http://10.0.20.204:5380", {**environment, "CODEMOD_DNS_ALLOW_HTTP": "1"})
    assert found is not None and found.token == "planted"


def test_the_file_has_several_of_a_kind() -> None:
    """The one with the origin counts; the environment's comes first."""
    store(f'[[dns]]\norigin = "{SERVER}"\ntoken = "a"\n\n[[dns]]\norigin = "https://other"\nusername = "u"\n')
    found = find_credentials("dns", "https://other/", {})
    assert found == Credentials("https://other", username="u")
    first = find_credentials("dns", SERVER, {"CODEMOD_DNS_ORIGIN": SERVER, "CODEMOD_DNS_TOKEN": "b"})
    assert first is not None and first.token == "b"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660])
def test_a_file_that_others_can_read_is_refused(mode: int) -> None:
    """The message says how to put it right, and nothing of its content."""
    path = store(f'[[dns]]\norigin = "{SERVER}"\ntoken = "planted"\n', mode)
    with pytest.raises(CodemodError) as caught:
        find_credentials("dns", SERVER, {})
    assert str(caught.value) == f"{path} holds secrets and others may read it: chmod 600 {path}"


@pytest.mark.parametrize(
    "text",
    [
        '[[dns]]\ntoken = "planted"\n',
        '[[dns]]\norigin = 5\ntoken = "planted"\n',
        '[[dns]]\norigin = "x"\npasword = "planted"\n',
        '[[dns]]\norigin = "x"\nallow_http = "planted"\n',
        '[[dns]]\norigin = "x\ntoken = "planted"\n',
        'dns = "planted"\n',
        'dns = ["planted"]\n',
    ],
)
def test_a_wrong_file_is_one_line_without_its_content(text: str) -> None:
    """A typing error must not put a secret on the terminal."""
    store(text)
    with pytest.raises(CodemodError) as caught:
        find_credentials("dns", SERVER, {})
    assert "planted" not in str(caught.value) and "\n" not in str(caught.value)


def test_secrets_are_not_in_the_representation() -> None:
    """Which is what a traceback shows."""
    assert "planted" not in repr(Credentials(SERVER, token="planted", password="planted", totp="planted"))


@pytest.mark.parametrize("values", [{"TOKEN": "a b"}, {"TOKEN": "a\nb"}, {"TOKEN": "ä"}, {"PASSWORD": "a\r\nb"}])
def test_what_no_header_can_carry_is_refused(values: dict[str, str]) -> None:
    """A library's error would quote it."""
    environment = {"CODEMOD_DNS_ORIGIN": SERVER, **{f"CODEMOD_DNS_{name}": value for name, value in values.items()}}
    with pytest.raises(SettingsError, match="cannot be used") as caught:
        find_credentials("dns", SERVER, environment)
    assert not any(value in str(caught.value) for value in values.values())
