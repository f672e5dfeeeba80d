"""http, https, https with logins, and back: each applied, rolled out on a VM with `sync-vm`, verified from outside."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.command import codemod, commit_all, write
from tests.live.artifacts import Layout
from tests.live.cloud_init import replace, vm_repository
from tests.live.conftest import require
from tests.live.front import HOSTNAME, NEEDS, Verified, certificates, name_server, verify
from tests.live.lab import run
from tests.live.network import Door
from tests.live.site import NGINX, Site, wanted_files
from tests.live.vm import PRIVATE, STACK

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.live.controller import Controller
    from tests.live.vm import Vm

pytestmark = pytest.mark.live

REGISTRY = f"{HOSTNAME}:{PRIVATE}"
PASSWORD = "pushes-4d81e"
SETTINGS = """version = 1

[registry]
hostname = "registry.home.lan"
address = "127.0.0.1"
username_secret = "registry-user"
password_secret = "registry-password"
certificate = "tls/server.pem"
key = "tls/server.key"
ca = "tls/ca.pem"
"""
TRUST = "/root/trust"
LOGIN = "/root/login.json"
HEALTHY = ("registry-private", "registry-nginx", "registry-dockerhub", "registry-ghcr")


class Stage:
    """A VM that serves one repository's stack, and the user who changes its settings."""

    def __init__(self, vm: Vm, controller: Controller, parent: Path, name_server: str) -> None:
        self.vm = vm
        self.place = parent
        self.name_server = name_server
        self.tree = vm_repository(parent, migrated=False, small=True)
        certificates(self.tree / "tls")
        self.set("http", "none")
        vm.provision(self.tree)
        self.site = Site(vm, controller, self.tree)
        self.users = run(["htpasswd", "-nbB", "-C", "4", "ci", PASSWORD]).stdout
        hosts = f"127.0.0.1 localhost {HOSTNAME}\n"
        vm.write("/etc/hosts", hosts)
        (parent / "hosts").write_text(hosts)
        vm.shell(f"mkdir {TRUST}")
        vm.write(f"{TRUST}/ca.crt", (self.tree / "tls/ca.pem").read_text())
        self.layout = Layout(parent / "layout")
        self.told = ""

    def set(self, scheme: str, auth: str) -> None:
        """Change the settings, apply them, and commit."""
        write(self.tree, {"codemod.toml": f'{SETTINGS}scheme = "{scheme}"\nauth = "{auth}"\n'})
        done = codemod(self.tree, "apply-caching", "--allow-dirty")
        assert done.code == 0, done.out + done.err
        commit_all(self.tree)

    def roll_out(self) -> list[str]:
        """Bring the VM there with `sync-vm`; a second run has nothing to do. Returns the actions."""
        value = {"TF_VAR_registry_private_htpasswd": self.users}
        done = self.site.apply(**value)
        assert (done.code, done.states) == (0, ["changed"]), done.told
        again = self.site.plan(**value)
        assert (again.code, again.states) == (0, ["clean"]), again.told
        self.told += done.told + again.told
        assert self.vm.dockerd
        assert [self.vm.dockerd.state(name) for name in HEALTHY] == ["healthy"] * len(HEALTHY)
        return done.actions

    def push(self, tag: str, *options: str) -> subprocess.CompletedProcess[str]:
        """Push an image by name, from the VM."""
        source = self.layout.tag(self.layout.image(tag), tag)
        command = ["skopeo", "--insecure-policy", "copy", *options, source, f"docker://{REGISTRY}/app:{tag}"]
        return self.vm.run(*command, check=False)

    def pull(self, tag: str, *options: str) -> subprocess.CompletedProcess[str]:
        """Read an image back; skopeo checks every digest."""
        command = ["skopeo", "--insecure-policy", "copy", *options, f"docker://{REGISTRY}/app:{tag}"]
        return self.vm.run(*command, f"dir:/root/pulled-{tag}", check=False)

    def verify(self, scheme: str, *, login: bool = False) -> Verified:
        """`codemod verify --registry` from this host, which reaches the VM's port through a door of its own."""
        assert self.vm.pid
        with Door(self.vm.pid, PRIVATE) as door:
            origin = f"{scheme}://{HOSTNAME}:{door.port}"
            given = {"ORIGIN": origin, "USERNAME": "ci", "PASSWORD": PASSWORD} if login else {}
            resolving = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"']
            return verify(
                self.tree,
                *("--registry", "--set", f"dns.server={self.name_server}", "--set", f"registry.port={door.port}"),
                env={f"CODEMOD_REGISTRY_{name}": value for name, value in given.items()},
                prefix=[*resolving, str(self.place / "hosts")],
            )


@pytest.fixture(scope="module")
def stage(
    start_vms: Callable[[int], list[Vm]], controller: Controller, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    """The migrated stack over http, as cloud-init has made it."""
    require(*NEEDS, "htpasswd", "skopeo", root=True)
    [vm] = start_vms(1)
    place = tmp_path_factory.mktemp("stage")
    with name_server(place / "dns") as server:
        yield Stage(vm, controller, place, server)


def test_no_way_to_https(stage: Stage) -> None:
    """A key of another certificate is caught before the swap; what fails behind TLS is rolled back to http."""
    vm, tree = stage.vm, stage.tree
    files, containers = stage.site.deployed(), vm.containers()
    certificates(tree / "other")
    shutil.copy(tree / "other/server.key", tree / "tls/server.key")
    stage.set("https", "none")
    caught = stage.site.apply()
    assert (caught.code, caught.states) == (3, ["refused"]), caught.told
    assert "nginx -t" in caught.reason
    assert vm.containers() == containers

    stage.site.rewind()
    stage.set("https", "none")
    replace(tree / NGINX, "proxy_pass http://private;", "proxy_pass http://private/none/;")
    commit_all(tree)
    done = stage.site.apply()
    assert (done.code, done.states) == (4, ["rolled-back"]), done.told
    assert "port 5050 (registry-private): status 404" in done.reason
    stage.site.rewind()
    assert stage.site.deployed() == files
    assert vm.serves(PRIVATE)


def test_to_https_to_logins_and_back(stage: Stage) -> None:
    """Every step is applied, rolled out and healthy; it takes pushes as it should, and no others."""
    vm = stage.vm
    assert stage.push("plain", "--dest-tls-verify=false").returncode == 0

    stage.set("https", "none")
    actions = stage.roll_out()
    assert f"copy {STACK}/private.key" in [action.partition(" (")[0].partition(":")[0] for action in actions], actions
    assert vm.path(f"{STACK}/private.key").stat().st_mode & 0o777 == 0o600
    trusting = f"--dest-cert-dir={TRUST}"
    assert stage.push("secure", trusting).returncode == 0
    assert "certificate" in stage.push("untrusted").stderr
    for tag in ("plain", "secure"):
        assert stage.pull(tag, f"--src-cert-dir={TRUST}").returncode == 0
    for version, accepted in (("-tls1_1", False), ("-tls1_2", True), ("-tls1_3", True)):
        client = ["openssl", "s_client", "-connect", REGISTRY, "-CAfile", f"{TRUST}/ca.crt", "-verify_return_error"]
        weak = ["-cipher", "DEFAULT@SECLEVEL=0"] if version == "-tls1_1" else []
        done = vm.shell(f"{' '.join([*client, version, *weak])} </dev/null", check=False)
        assert (done.returncode == 0) is accepted, (version, done.stderr)
    verified = stage.verify("https")
    assert (verified.code, verified.states) == (0, ["pass"] * 3), verified.output

    stage.set("https", "htpasswd")
    actions = stage.roll_out()
    assert vm.path(f"{STACK}/private.htpasswd").stat().st_mode & 0o777 == 0o600
    assert vm.path(f"{STACK}/private.htpasswd").read_text() == stage.users
    for refused in (stage.push("anonymous", trusting), stage.pull("plain", f"--src-cert-dir={TRUST}")):
        assert refused.returncode
        assert "unauthorized" in refused.stderr.lower() + refused.stdout.lower(), refused.stderr
    login = ["skopeo", "login", "--authfile", LOGIN, "--cert-dir", TRUST, "--username", "ci", "--password-stdin"]
    vm.shell(f"echo {PASSWORD} | {' '.join(login)} {REGISTRY}")
    assert stage.push("known", trusting, "--authfile", LOGIN).returncode == 0
    assert stage.pull("plain", f"--src-cert-dir={TRUST}", "--authfile", LOGIN).returncode == 0
    verified = stage.verify("https", login=True)
    assert (verified.code, verified.states) == (0, ["pass"] * 3), verified.output
    assert "it asks for a login" in verified.checks[0][2]

    stage.set("http", "none")
    stage.roll_out()
    assert stage.push("open", "--dest-tls-verify=false").returncode == 0
    assert stage.pull("known", "--src-tls-verify=false").returncode == 0
    assert stage.verify("http").states == ["pass"] * 3
    assert set(wanted_files(stage.tree)) & {f"{STACK}/private.key", f"{STACK}/private.htpasswd"} == set()
    hashed = stage.users.strip().partition(":")[2]
    assert hashed not in stage.told
    assert PASSWORD not in stage.told
    secret = [line for line in (stage.tree / "tls/server.key").read_text().splitlines() if "PRIVATE KEY" not in line]
    assert not any(line in stage.told for line in secret)
