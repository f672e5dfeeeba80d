"""Settings: what is read, from where, and what is never let through."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codemods.errors import SettingsError
from codemods.settings import Settings, Value, changed_values, given_values, load_settings, render_settings, with_values
from codemods.settings_keys import KEYS
from tests.soak import EXAMPLES

if TYPE_CHECKING:
    from pathlib import Path

CONTRACT = """
version = 1
profile = "as-written"
exclude = ["vendor/**", "old"]
ignore  = ["compose-no-floating-registry-tag"]

[registry]
name      = "private"
hostname  = "registry.home.lan"
address   = "10.0.20.10"
port      = 5051
scheme    = "https"
auth      = "htpasswd"
username_secret = "registry_user"
password_secret = "registry-password"
certificate = "tls/registry.pem"
key       = "tls/registry.key"
ca        = "~/ca.pem"
storage   = "64GiB"
cache_tag = "cache"

[paths]
compose = "modules/docker-registry/docker-compose.yml"
nginx = "./modules//docker-registry/nginx_registry.conf"
terraform = "stacks/infra/main.tf"
provision_list = "module.docker-registry-template.provision_cmds"
configs = "modules/docker-registry/"
cleanup = "modules/docker-registry/cleanup tags é.sh"
pipelines = [".woodpecker/*.y*ml"]

[vm]
hosts = ["root@10.0.20.10", "ssh://admin@registry.home.lan:2222", "root@[fe80::1]:22"]
directory = "/opt/registry/"
sudo = true
known_hosts = "~/.config/codemod/known_hosts"
health_timeout = "2m"
keep_backups = 9

[dns]
provider = "technitium"
server   = "http://10.0.20.204:5380"
zone     = "home.lan"
ttl      = 60

[woodpecker]
server = "https://ci.home.lan/"
plugin_image = "registry.home.lan:5050/woodpeckerci/plugin-docker-buildx:5.2.2-insecure"
plugins_privileged = "woodpeckerci/plugin-docker-buildx:5.2.2-insecure,plugins/docker"

[commit]
prefix = ""
"""


def error_of(root: Path, *overrides: str) -> str:
    """The one line that loading ends with."""
    with pytest.raises(SettingsError) as caught:
        load_settings(root, overrides)
    message = str(caught.value)
    assert "\n" not in message
    assert message.isprintable()
    assert caught.value.exit_code == 2
    return message


def from_text(root: Path, text: str) -> Settings:
    """Settings of a repository whose codemod.toml has this text."""
    (root / "codemod.toml").write_text(text, encoding="utf-8", newline="")
    return load_settings(root, ())


def test_given_values_are_told_from_defaults(tmp_path: Path) -> None:
    """A key that is given counts as given, also with the default's value, in the file or on the command line."""
    (tmp_path / "codemod.toml").write_text("[dns]\nttl = 3600\n")
    assert given_values(tmp_path) == {"dns.ttl": 3600}
    assert given_values(tmp_path, ("registry.port=5050",)) == {"dns.ttl": 3600, "registry.port": 5050}


def test_defaults(tmp_path: Path) -> None:
    """A repository without settings has the default ones."""
    assert load_settings(tmp_path, ()) == Settings()


def test_every_key_of_the_contract(tmp_path: Path) -> None:
    """All keys of the contract are read; paths lose `./`, `//` and a slash at the end."""
    found = from_text(tmp_path, CONTRACT)
    assert changed_values(found).keys() >= KEYS.keys() - {
        "registry.name",
        "dns.provider",
    }
    assert found.registry.host == "registry.home.lan:5051"
    assert found.paths.nginx == "modules/docker-registry/nginx_registry.conf"
    assert found.paths.configs == "modules/docker-registry"
    assert found.vm.directory == "/opt/registry"
    assert found.vm.hosts[2] == "root@[fe80::1]:22"
    assert not found.verified


def test_every_field_has_a_check() -> None:
    """No setting exists without a character set, and no check without a setting."""
    assert changed_values(with_values(Settings(), dict.fromkeys(KEYS, "other"))).keys() == KEYS.keys()
    assert set(VALUES) == KEYS.keys() - {"profile", "vm.sudo", *SAME_AS}


@pytest.mark.parametrize("text", [CONTRACT, CONTRACT.replace("\n", "\r\n"), "\ufeff" + CONTRACT])
def test_line_ends_and_bom(tmp_path: Path, text: str) -> None:
    """CRLF and a BOM make no difference."""
    assert from_text(tmp_path, text) == from_text(tmp_path, CONTRACT)


def test_pyproject(tmp_path: Path) -> None:
    """Settings may stand in pyproject.toml."""
    (tmp_path / "pyproject.toml").write_text("[tool.codemod]\nversion = 1\n[tool.codemod.registry]\nport = 5060\n")
    assert load_settings(tmp_path, ()).registry.port == 5060


@pytest.mark.parametrize("text", ["[tool.other]\nx = 1\n", "this is = = no toml", "[project]\nname = 'codemod-user'\n"])
def test_pyproject_of_others(tmp_path: Path, text: str) -> None:
    """A pyproject.toml without our table is not looked into, however broken."""
    (tmp_path / "pyproject.toml").write_text(text)
    assert load_settings(tmp_path, ()) == Settings()


def test_two_files(tmp_path: Path) -> None:
    """Settings in both files are an error that names both."""
    (tmp_path / "codemod.toml").write_text("version = 1\n")
    (tmp_path / "pyproject.toml").write_text("[tool.codemod]\nversion = 1\n")
    message = error_of(tmp_path)
    assert "codemod.toml" in message
    assert "pyproject.toml [tool.codemod]" in message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("version = 2", ["version is 2", "1 is allowed"]),
        ("version = true", ["version is True"]),
        ("version = '1'", ['version is "1"']),
        ("[registry]\nhostnme = 'a'", ["registry.hostnme", "nearest is registry.hostname"]),
        ("[registri]\nhostname = 'a'", ['"registri.hostname"', "nearest is registry.hostname"]),
        ("[comit]", ['"comit"', "nearest is commit"]),
        ("hostname = 'a'", ['"hostname"', "registry.hostname"]),
        ("verified = true", ['"verified"']),
        ("[profile]", ["profile is a table", "a text is expected"]),
        ("'registry.port' = 1", ["unknown key", "registry.port"]),
        ("[registry.name]\na = 1", ["registry.name is a table"]),
        ("registry = 5", ["registry is a table: set one of registry.name"]),
        ("[registry]\nport = '5050'", ['registry.port is "5050"', "a whole number is expected"]),
        ("[registry]\nport = true", ["registry.port is True", "a whole number"]),
        ("[registry]\nport = 5050.0", ["registry.port is 5050.0"]),
        ("[registry]\nport = 70000", ["registry.port is 70000", "from 1 to 65535"]),
        ("[registry]\nhostname = 1979-05-27", ["registry.hostname is 1979-05-27"]),
        ("[vm]\nsudo = 'yes'", ["vm.sudo", "true or false"]),
        ("[vm]\nhosts = 'root@a'", ["vm.hosts", "a list of texts"]),
        ("[vm]\nhosts = ['root@a', 5]", ["vm.hosts", "a list of texts"]),
        ("[vm]\nhosts = ['root@a', 'b c']", ['vm.hosts is "b c"', "USER@HOST"]),
        ("profile = 'fast'", ['profile is "fast"', "verified or as-written"]),
        ("x = ", ["codemod.toml: not valid TOML", "line 1"]),
        ("profile = 'verified'\nprofile = 'verified'", ["not valid TOML"]),
        ("x = " + "[" * 5000, ["nested too deeply"]),
        (".".join("a" * 5000) + " = 1", ["unknown key"]),
        ("[registry]\nname.a" + ".a" * 5000 + " = 1", ["registry.name is a table"]),
        ("x = " + "9" * 5000, ["not valid TOML"]),
        ("'\\u001b[31m' = 1", ["unknown key"]),
        ('"\\u001b[31m\\n" = 1', [r"\x1b[31m\n"]),
        ('[registry]\nhostname = "a\\nb"', [r'"a\nb"', "host name"]),
    ],
)
def test_wrong_files(tmp_path: Path, text: str, words: list[str]) -> None:
    """Each mistake is one line: the file, the key, what is wrong, what is allowed."""
    (tmp_path / "codemod.toml").write_text(text + "\n")
    message = error_of(tmp_path)
    assert message.startswith("codemod.toml: ")
    assert len(message) < 600
    for word in words:
        assert word in message


def test_unreadable_files(tmp_path: Path) -> None:
    """A settings file that is no text, too large, a directory or a symlink out of the repository is an error."""
    root = tmp_path / "repository"
    root.mkdir()
    settings_file = root / "codemod.toml"
    settings_file.write_bytes(b"profile = '\xff'")
    assert "not UTF-8" in error_of(root)
    settings_file.write_bytes(b"#" * (6 * 2**20))
    assert "larger than 5 MB" in error_of(root)
    settings_file.unlink()
    settings_file.mkdir()
    assert "Is a directory" in error_of(root)
    settings_file.rmdir()
    (tmp_path / "outside.toml").write_text("version = 1\n")
    settings_file.symlink_to("../outside.toml")
    assert "leaves the repository" in error_of(root)


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("registry.hostname=registry.home.lan", "registry.hostname", "registry.home.lan"),
        ('registry.hostname="registry.home.lan"', "registry.hostname", "registry.home.lan"),
        ("registry.name=5", "registry.name", "5"),
        ("registry.port=5060", "registry.port", 5060),
        ("vm.sudo=true", "vm.sudo", True),
        ("vm.hosts=root@a, root@b:22", "vm.hosts", ("root@a", "root@b:22")),
        ('vm.hosts=["root@a", "root@b"]', "vm.hosts", ("root@a", "root@b")),
        ("vm.hosts=", "vm.hosts", ()),
        ("exclude=vendor/**", "exclude", ("vendor/**",)),
        ("dns.zone=", "dns.zone", ""),
        ("commit.prefix=a = b ", "commit.prefix", "a = b"),
        ("commit.prefix='[ci skip] '", "commit.prefix", "[ci skip] "),
        ("commit.prefix=true", "commit.prefix", "true"),
    ],
)
def test_overrides(tmp_path: Path, override: str, key: str, value: object) -> None:
    """`--set` takes TOML of the key's type, else the text as it is; a list may be written with commas."""
    table, _, name = key.rpartition(".")
    found = load_settings(tmp_path, (override,))
    assert getattr(getattr(found, table) if table else found, name) == value


def test_overrides_win(tmp_path: Path) -> None:
    """`--set` wins over the file, and the last `--set` over those before it."""
    (tmp_path / "codemod.toml").write_text("[registry]\nport = 1\nname = 'kept'\n")
    found = load_settings(tmp_path, ("registry.port=2", "registry.port=3"))
    assert (found.registry.port, found.registry.name) == (3, "kept")


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("registry.port", ["KEY=VALUE is expected"]),
        ("registry=5", ["--set: registry is a table"]),
        ("registry.prt=5", ["--set", "nearest is registry.port"]),
        ("version=1", ["unknown key"]),
        ("registry.port=abc", ['--set: registry.port is "abc"', "a whole number"]),
        ("registry.hostname=a;b", ["--set: registry.hostname", "RFC 1123"]),
        ('registry.hostname="a"\nport = 5', ["registry.hostname", r"\n"]),
        ("vm.hosts=root@a,-oProxyCommand=x", ["vm.hosts"]),
    ],
)
def test_wrong_overrides(tmp_path: Path, override: str, words: list[str]) -> None:
    """A wrong `--set` is one line that names the option and the key."""
    message = error_of(tmp_path, override)
    for word in words:
        assert word in message


LABEL = "a" * 63
VALUES: dict[str, tuple[list[Any], list[Any]]] = {
    "registry.hostname": (
        ["registry.home.lan", "r", "Registry.Home", "1a.lan", "10.0.20.10", f"{LABEL}.lan", "xn--bcher-kva.lan"],
        [
            "-a.lan",
            "a-.lan",
            "a..lan",
            ".lan",
            "a.lan.",
            "a_b",
            f"{LABEL}a",
            "bücher.lan",
            "10.0.20.300",
            "a b",
            "a/b",
            ".".join([LABEL] * 4),
            "a:5050",
            "http://a",
            "1.2.3",
            "a;b",
            "${a}",
            "a%",
            "a'",
            'a"',
            "a\n",
            "٣.lan",
        ],
    ),
    "registry.address": (
        ["10.0.20.10", "fe80::1", "::1"],
        ["10.0.20", "10.0.20.10/24", "10.0.20.010", "fe80::1%eth0;reload", "a", " 10.0.0.1", "10.0.0.1\n"],
    ),
    "registry.port": ([1, 5050, 65535], [0, -1, 65536]),
    "registry.scheme": (["http", "https"], ["ftp", "HTTP", "", "http\n"]),
    "registry.auth": (["none", "htpasswd"], ["token", ""]),
    "registry.name": (
        ["private", "a", "p-1", "a" * 54],
        ["", "Private", "-a", "a-", "a_b", "a.b", "a" * 55, "a\n", "é"],
    ),
    "registry.storage": (["100GiB", "1TiB", "500MB", "64GB"], ["100", "0GiB", "-1GiB", "1.5GiB", "100 GiB", "GiB", ""]),
    "registry.cache_tag": (["buildcache", "_a", "A.b-c", "a" * 128], ["", ".a", "-a", "a:b", "a" * 129, "a,mode=min"]),
    "registry.username_secret": (["user", "REGISTRY_USER"], ["a b", "$USER", "a:b"]),
    "registry.certificate": (
        ["certs/a.pem", ".tls/a+b_c-d..pem"],
        ["/etc/ssl/a.pem", "~/a", "../a", "a/..", "a b", "a;b", "-a"],
    ),
    "registry.ca": (["/etc/ssl/a.pem", "certs/a.pem", "~/a.pem"], ["a b.pem", "a;b", "$HOME/a.pem", "/"]),
    "paths.compose": (
        ["docker-compose.yml", "a/b/c.yml", "with space/é.yml", ".a/b"],
        [
            "/etc/passwd",
            "../a",
            "a/../../b",
            "a/..",
            'a"b',
            "a'b",
            "a\\b",
            "a\nb",
            "a;b",
            "${a}",
            "a%b",
            "-a",
            " a",
            "a ",
            "a*b",
            "a\x1bb",
            "a\u202eb",
            "a`b",
            "a|b",
        ],
    ),
    "paths.provision_list": (
        ["locals.cmds", "module.a-b.provision_cmds", "a"],
        ["a.", ".a", "a b", "a[0]", "1a", "a..b"],
    ),
    "vm.directory": (
        ["/opt/registry", "/srv/a-b_c.d+e"],
        ["/", "//", "/.", "opt", "/a/../b", "/a b", "/a;b", "/a'", "/é", "~/a"],
    ),
    "vm.known_hosts": (["~/.ssh/known_hosts", "known_hosts"], ["a b", "$HOME/a"]),
    "vm.health_timeout": (["120s", "2m", "1h"], ["120", "0s", "2 m", "-1s", "2d", ""]),
    "vm.keep_backups": ([1, 5], [0, -1, 1001]),
    "dns.provider": (["technitium", "rfc2136"], ["bind"]),
    "dns.server": (
        ["http://10.0.20.204:5380", "https://dns.lan", "http://[::1]:5380/api", "ns.lan:53", "10.0.0.53"],
        [
            "ftp://a",
            "http://user:secret@a",
            "http://a:99999",
            "http://a:0",
            "http://a b",
            "http://a?x=1",
            "http://a'",
            "http://",
        ],
    ),
    "dns.zone": (["home.lan", "lan"], ["home.lan.", "a b", "-a"]),
    "dns.ttl": ([1, 3600, 2**31 - 1], [0, -1, 2**31]),
    "woodpecker.server": (
        ["https://ci.lan", "http://ci.lan:8000/woodpecker"],
        ["ci.lan", "https://a:b@ci.lan", "javascript:x"],
    ),
    "woodpecker.plugin_image": (
        [
            "woodpeckerci/plugin-docker-buildx:5.2.2-insecure",
            "docker.io/a/b",
            "localhost/a",
            "reg.lan:5000/a/b:1",
            "a",
            "a/b@sha256:" + "0" * 64,
            "a/b:1@sha256:" + "0" * 64,
            "a__b/c--d",
            "localhost:5000/a",
        ],
        ["A/b", "a//b", "a:", "a b", "a:1 ", "a@sha256:00", "a;b", "a:${TAG}", "/a", "a/", "a:b:c", "a\n", ""],
    ),
    "woodpecker.plugins_privileged": (["a/b,c/d:1", "a/b, c/d"], ["a/b,", "a/b;c", "A/b"]),
    "commit.prefix": (["", "[ci skip] ", "ci: ", "⚙ "], ["a\nb", "a\x1b", "a\u2028b", "a" * 61]),
    "ignore": (["compose-no-duplicate-port"], ["Compose", "a b", "", "-a"]),
    "exclude": (["vendor/**", "**/*.gen.yml", "[!a]b"], ["/vendor", "../x", "a\nb", 'a"b', "a;b"]),
    "paths.pipelines": ([".woodpecker.y*ml"], ["/a", "../a"]),
    "vm.hosts": (
        ["root@10.0.20.10", "root@registry.home.lan:2222", "ssh://registry.home.lan", "ssh://root@[fe80::1]:22"],
        [
            "registry",
            "-oProxyCommand=x@a",
            "root@",
            "root@a:0",
            "root@a b",
            "root@-a",
            "ro ot@a",
            "root:pw@a",
            "root@a;b",
            "root@a:99999",
            "ssh://",
            "root@[::g]",
            "root@a\n",
        ],
    ),
}
SAME_AS = {
    "registry.password_secret": "registry.username_secret",
    "registry.key": "registry.certificate",
    "paths.nginx": "paths.compose",
    "paths.terraform": "paths.compose",
    "paths.configs": "paths.compose",
    "paths.cleanup": "paths.compose",
}
LISTS = {"ignore", "exclude", "paths.pipelines", "vm.hosts"}


@pytest.mark.parametrize("key", [*VALUES, *SAME_AS])
def test_values(tmp_path: Path, key: str) -> None:
    """Every value of the right characters is taken, every other refused with the key's name."""
    good, bad = VALUES[SAME_AS.get(key, key)]
    for value in good:
        wanted = (value,) if key in LISTS else value
        (tmp_path / "codemod.toml").write_text(render_settings({key: wanted}), encoding="utf-8")
        assert changed_values(load_settings(tmp_path, ())).get(key, value) == wanted
    for value in bad:
        with pytest.raises(SettingsError, match=key):
            render_settings({key: (value,) if key in LISTS else value})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("registry.password_secret", "correct horse"),
        ("dns.server", "http://admin:horse@a.lan"),
        ("vm.hosts", "root:horse@a.lan"),
        ("woodpecker.server", "https://x:horse@ci.lan"),
    ],
)
def test_passwords_are_not_repeated(tmp_path: Path, key: str, value: str) -> None:
    """A password that someone wrote into the settings does not come out in the error."""
    message = error_of(tmp_path, f"{key}={value}")
    assert key in message
    assert "horse" not in message


def test_require() -> None:
    """A missing value is named together with the ways to give it."""
    found = with_values(Settings(), {"registry.hostname": "registry.home.lan"})
    found.require("registry.hostname", "registry.port")
    with pytest.raises(SettingsError) as caught:
        found.require("registry.hostname", "vm.hosts")
    assert str(caught.value) == "vm.hosts is not set: run `codemod init`, or pass --set vm.hosts=…"


def test_render() -> None:
    """A rendered file holds what was asked for, in the order of the contract, each key with its comment."""
    values: dict[str, Value] = {
        "registry.hostname": "registry.home.lan",
        "profile": "verified",
        "vm.hosts": ("root@10.0.20.10",),
    }
    assert render_settings(values) == (
        "# A key that is not here has its default, or is found in the repository.\n"
        "version = 1\n"
        "# verified, or as-written: the plan\n"
        'profile = "verified"\n'
        "\n"
        "[registry]\n"
        "# host name that pipelines push to\n"
        'hostname = "registry.home.lan"\n'
        "\n"
        "[vm]\n"
        "# the machines that serve the registries\n"
        'hosts = ["root@10.0.20.10"]\n'
    )


GOOD = [(key, value) for key, (good, _) in VALUES.items() for value in good]


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.lists(st.sampled_from(GOOD)))
def test_render_loads_back(tmp_path_factory: pytest.TempPathFactory, chosen: list[tuple[str, Any]]) -> None:
    """Whatever is rendered loads back as the same settings."""
    root = tmp_path_factory.getbasetemp()
    values: dict[str, Any] = {key: (value,) if key in LISTS else value for key, value in chosen}
    assert from_text(root, render_settings(values)) == with_values(Settings(), values)


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.sampled_from(sorted(KEYS)), st.text())
def test_nothing_dangerous_gets_through(tmp_path_factory: pytest.TempPathFactory, key: str, text: str) -> None:
    """No `--set` value with a quote, `;`, `${`, `%` or a control character is taken by any key of the stack."""
    root = tmp_path_factory.mktemp("empty")
    for dangerous in (
        text,
        f"{text};",
        f"a'{text}",
        f'{text}"',
        f"${{{text}}}",
        f"{text}%",
        f"a\n{text}",
        f"a\0{text}",
    ):
        try:
            found = changed_values(load_settings(root, (f"{key}={dangerous}",)))
        except SettingsError:
            continue
        for value in found.values():
            for item in value if isinstance(value, tuple) else (str(value),):
                assert item.isprintable()
                assert key == "commit.prefix" or not set("'\";$%`\\") & set(item)


def test_import_is_light() -> None:
    """Importing the settings loads none of what only some runs need."""
    code = (
        "import sys, codemods.settings; print(*({'tomllib', 'difflib', 'json', 'ipaddress', 'git'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
