"""A registry behind nginx, a name server that knows it, and a repository whose settings name both; on loopback."""

from __future__ import annotations

import json
import os
import socket
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from codemods.http import Client
from codemods.registry.client import RegistryClient
from tests.command import PROGRAM, write
from tests.live.bind import Bind
from tests.live.lab import Process, Registry, free_port, run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

HOSTNAME = "registry.home.lan"
NEEDS = ("docker-registry", "nginx", "named", "openssl")

CONFIG = """version: 0.1
log: {{level: warn}}
storage:
  filesystem: {{}}
  delete: {{enabled: {delete}}}
http: {{}}
{more}
"""

# What the verified profile writes, without its comments.
LOCATION = (
    "proxy_pass http://{upstream}; proxy_set_header Host $http_host; proxy_set_header X-Forwarded-Proto $scheme; "
    "proxy_http_version 1.1; proxy_request_buffering off;"
)
SERVER = """daemon off; user root; pid {directory}/nginx.pid; error_log stderr;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi; uwsgi_temp_path {directory}/uwsgi; scgi_temp_path {directory}/scgi;
    proxy_cache_path {directory}/cache keys_zone=cache:1m;
    server {{
        listen 127.0.0.1:{port}{tls};
        {body}
        location / {{ {location} }}
    }}
}}
"""


def registry_config(directory: Path, *, delete: bool = True, more: str = "") -> Path:
    """A configuration of a registry; `more` are further sections."""
    file = directory / "registry.yml"
    file.write_text(CONFIG.format(delete=str(delete).lower(), more=more))
    return file


@dataclass
class Nginx:
    """How nginx stands before a registry; what differs from the verified stack is given."""

    location: str = LOCATION
    body: str = "client_max_body_size 0;"
    tls: Path | None = None
    port: int = field(default_factory=free_port)

    def process(self, directory: Path, upstream: str) -> Process:
        """nginx before `upstream`, when it listens."""
        directory.mkdir()
        tls = f" ssl; ssl_certificate {self.tls}/server.pem; ssl_certificate_key {self.tls}/server.key"
        text = SERVER.format(
            directory=directory,
            port=self.port,
            tls=tls if self.tls else "",
            body=self.body,
            location=self.location.format(upstream=upstream),
        )
        (directory / "nginx.conf").write_text(text)
        command = ["nginx", "-e", "stderr", "-c", str(directory / "nginx.conf")]
        return Process(command, directory / "log", lambda: listens(self.port))


def listens(port: int) -> bool:
    """Whether something takes connections on a loopback port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def certificates(directory: Path, name: str = f"DNS:{HOSTNAME}") -> Path:
    """An authority (ca.pem) and what it gives a name (server.pem, server.key)."""
    directory.mkdir()
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    root = ["-keyout", f"{directory}/ca.key", "-out", f"{directory}/ca.pem", "-subj", "/CN=Test CA"]
    constraints = ["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign"]
    run(["openssl", "req", "-x509", *key, *root, *constraints, "-days", "2"])
    server = ["-keyout", f"{directory}/server.key", "-out", f"{directory}/server.pem", "-subj", f"/CN={HOSTNAME}"]
    authority = ["-CA", f"{directory}/ca.pem", "-CAkey", f"{directory}/ca.key", "-days", "2"]
    names = ["-addext", f"subjectAltName={name}", "-addext", "basicConstraints=CA:FALSE"]
    run(["openssl", "req", "-x509", *key, *server, *authority, *names])
    return directory


@contextmanager
def name_server(directory: Path, address: str = "127.0.0.1") -> Iterator[str]:
    """A BIND that says that the registry's name has this address, through an alias; yields HOST:PORT."""
    directory.mkdir()
    with Bind(directory) as bind:
        bind.give("vm.home.lan", "A", address)
        bind.give(HOSTNAME, "CNAME", "vm.home.lan.")
        yield bind.address


def repository(root: Path, port: int, *settings: str, **files: str) -> Path:
    """A repository whose settings name the registry at 127.0.0.1:`port`."""
    registry = [f'hostname = "{HOSTNAME}"', 'address = "127.0.0.1"', f"port = {port}", *settings]
    write(root, {"codemod.toml": "\n".join(["version = 1", "[registry]", *registry, ""]), **files})
    return root


@dataclass(frozen=True)
class Verified:
    """What `codemod verify` said: its exit code, and (target, state, message) of each check."""

    code: int
    checks: list[tuple[str, str, str]]
    output: str

    def one(self, target: str) -> tuple[str, str]:
        """State and message of the one check whose target begins so."""
        [found] = [(state, message) for name, state, message in self.checks if name.startswith(target)]
        return found

    @property
    def states(self) -> list[str]:
        """The states of all checks, in their order."""
        return [state for _, state, _ in self.checks]


def verify(root: Path, *arguments: str, env: Mapping[str, str] | None = None, prefix: Sequence[str] = ()) -> Verified:
    """Run `codemod verify` in a process of its own, in JSON."""
    home = {"PATH": os.environ["PATH"], "HOME": str(root), **(env or {})}
    done = run([*prefix, *PROGRAM, "-C", str(root), "verify", *arguments, "--format", "json"], env=home, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    report: dict[str, Any] = json.loads(done.stdout) if done.stdout else {"checks": []}
    checks = [(check["target"], check["state"], check["message"]) for check in report["checks"]]
    return Verified(done.returncode, checks, done.stdout + done.stderr)


class OpenRegistry(Registry):
    """A registry in a directory of its own, which may ask for a login, and a client of it without one."""

    def __init__(self, directory: Path, config: Path) -> None:
        directory.mkdir()
        super().__init__(config, directory)
        self.ready = lambda: listens(int(self.address.rpartition(":")[2]))
        self.client = RegistryClient(Client(f"http://{self.address}"))

    def stop(self) -> None:
        """End it, and the client's connections."""
        self.client.client.close()
        super().stop()


@contextmanager
def served(
    place: Path, nginx: Nginx, config: Path | None = None, env: dict[str, str] | None = None, address: str = "127.0.0.1"
) -> Iterator[tuple[OpenRegistry, str]]:
    """A registry behind nginx, and a name server: the registry, and the setting that names the server."""
    registry = OpenRegistry(place / "registry", config or registry_config(place))
    registry.env.update(env or {})
    with registry, nginx.process(place / "nginx", registry.address), name_server(place / "dns", address) as server:
        yield registry, f"dns.server={server}"
