"""A VM as people have one: reached over ssh only, with cron, an own /etc and /home, and a small disk for the stack.

It is a machine of `machine.py`; what would need systemd or the internet is a stand-in in its /usr/local/sbin.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import socket
import stat
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tests.live import images
from tests.live.cloud_init import commands
from tests.live.lab import Process, run, wait_until
from tests.live.machine import PLACES, Dockerd, Machine
from tests.live.network import Answer, Door, get, in_network

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

STACK = "/opt/registry"
PRIVATE = 5050
"""The port of the registry that takes pushes."""
UNIT = "/etc/systemd/system/docker-registry.service"

SSHD_CONFIG = """\
Port 22
ListenAddress 127.0.0.1
HostKey /etc/ssh/ssh_host_ed25519_key
PidFile /run/sshd.pid
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
MaxStartups 200
LogLevel VERBOSE
Subsystem sftp internal-sftp
"""

RECORDER = """#!/bin/sh
# Writes down the call, and starts or stops what a unit of type oneshot starts: there is no systemd and no internet.
echo "${0##*/} $*" >>/var/log/calls.log
[ "${0##*/}" = systemctl ] || exit 0
what=$1
shift
[ "$1" = --now ] && { what=now-$what; shift; }
unit=/etc/systemd/system/${1%.service}.service
[ -f "$unit" ] || exit 0
case $what in
start | restart | now-enable) command=ExecStart ;;
stop | now-disable) command=ExecStop ;;
*) exit 0 ;;
esac
cd "$(sed -n 's/^WorkingDirectory=//p' "$unit")" && exec $(sed -n "s/^$command=//p" "$unit")
"""


class Vm(Machine):
    """A machine with sshd, reached at a loopback port of this host; `key` is the public key that lets root in."""

    needs = (*Machine.needs, "sshd", "ssh-keygen", "cron", "crontab", "sudo", "useradd", "skopeo")

    def __init__(self, directory: Path, key: str) -> None:
        super().__init__(directory, (*PLACES, "etc", "home", "usr/local"))
        self.key = key
        self.door: Door | None = None
        self.dockerd: Dockerd | None = None
        self.daemons: list[Process] = []

    def __enter__(self) -> Self:
        (self.directory / "etc").mkdir(parents=True)
        run(["cp", "-a", "/etc/.", str(self.directory / "etc")])
        super().__enter__()
        try:
            self.furnish()
            self.door = Door(self.pid, 22)
            self.door.open()
            self.start_sshd()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End everything in it."""
        if self.door:
            self.door.shut()
        if self.dockerd:
            self.dockerd.stop()
        super().stop()  # every process inside ends with it, so that those who wait for one end by themselves
        for daemon in self.daemons:
            daemon.stop()

    def furnish(self) -> None:
        """Give it a disk for the stack, a host key, a cron without jobs, and the stand-ins."""
        self.shell(
            f"mkdir -p {STACK} /run/sshd /usr/local/sbin /root/.ssh"
            f" && mount -t tmpfs -o size=64m,mode=755 registry {STACK}"
            f" && rm -f /etc/ssh/ssh_host_* /etc/cron.*/* /etc/crontab {UNIT}"
            " && ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key"
        )
        self.write("/etc/ssh/sshd_config", SSHD_CONFIG)
        self.write("/root/.ssh/authorized_keys", self.key, 0o600)
        for program in ("systemctl", "apt-get"):
            self.write(f"/usr/local/sbin/{program}", RECORDER, 0o755)

    @property
    def root(self) -> Path:
        """Its root directory, as it sees it."""
        return Path(f"/proc/{self.pid}/root")

    def path(self, inside: str) -> Path:
        """Where a file of the VM is found from outside."""
        return self.root / inside.lstrip("/")

    def write(self, inside: str, text: str, mode: int = 0o644) -> None:
        """Write a file in place."""
        self.path(inside).write_text(text)
        self.path(inside).chmod(mode)

    @property
    def port(self) -> int:
        """The loopback port of this host at which its sshd answers."""
        assert self.door
        return self.door.port

    @property
    def host(self) -> str:
        """What the user calls it on the command line."""
        return f"root@127.0.0.1:{self.port}"

    @property
    def host_key(self) -> str:
        """Its line for a known_hosts file."""
        kind, key, *_ = self.path("/etc/ssh/ssh_host_ed25519_key.pub").read_text().split()
        return f"[127.0.0.1]:{self.port} {kind} {key}\n"

    @property
    def host_key_fingerprint(self) -> str:
        """Its host key as `ssh-keygen -l` shows it: `SHA256:…`."""
        return self.run("ssh-keygen", "-lf", "/etc/ssh/ssh_host_ed25519_key.pub").stdout.split()[1]

    def start(self, name: str, *command: str, ready: Callable[[], object]) -> Process:
        """Start a daemon, which logs to `NAME.log`; it ends with the VM, or by its id."""
        daemon = Process(self.inside(*command), self.directory / f"{name}.log", ready)
        self.daemons.append(daemon.__enter__())
        return daemon

    def start_sshd(self) -> None:
        """Start the ssh daemon, also after it was killed."""
        self.start("sshd", "/usr/sbin/sshd", "-D", "-e", ready=lambda: self.listens(22))

    def kill_sshd(self) -> None:
        """Kill the ssh daemon and, with it, every session."""
        # Only this VM's processes are seen inside.
        self.shell("kill -9 $(busybox pidof sshd)")
        wait_until(lambda: not self.listens(22), "the end of sshd")

    def start_cron(self) -> None:
        """Start the cron daemon; it runs `@reboot` lines at once."""
        self.start("cron", "cron", "-f", ready=self.path("/run/crond.pid").exists)

    def start_docker(self) -> Dockerd:
        """Start its docker, with the images of the stack."""
        self.dockerd = Dockerd(self).__enter__()
        for image in (images.REGISTRY, images.NGINX):
            self.dockerd.load(image)
        return self.dockerd

    def add_account(self, name: str, password: str) -> str:
        """Make an account that may use sudo with its password; returns what the user calls it on the command line."""
        self.shell(
            f"useradd --create-home --shell /bin/sh {name} && echo '{name}:{password}' | chpasswd"
            f" && echo '{name} ALL=(ALL) ALL' >/etc/sudoers.d/{name} && chmod 440 /etc/sudoers.d/{name}"
            f" && cp -r /root/.ssh /home/{name} && chown -R {name} /home/{name}/.ssh"
        )
        return f"{name}@127.0.0.1:{self.port}"

    def provision(self, tree: Path) -> None:
        """Do what cloud-init does on the first boot, and wait until the stack serves."""
        for command in commands(tree):
            self.shell(command)
        self.wait_until_serving()

    def ports(self) -> list[int]:
        """Ports at which the deployed nginx answers."""
        return sorted(map(int, re.findall(r"^ +listen (\d+);", self.path(f"{STACK}/nginx.conf").read_text(), re.M)))

    def get(self, port: int, path: str) -> Answer:
        """What a client on the VM is answered. Raises OSError or HTTPException."""
        return in_network(self.pid, lambda: get(port, path))

    def serves(self, port: int) -> bool:
        """Whether a registry answers at a port."""
        with contextlib.suppress(OSError, HTTPException):
            return self.get(port, "/v2/").is_registry
        return False

    def wait_until_serving(self) -> None:
        """Return when every port of nginx leads to a registry."""
        assert self.dockerd
        log = lambda: self.dockerd.logs("registry-nginx") if self.dockerd else ""  # noqa: E731
        wait_until(lambda: all(map(self.serves, self.ports())), "an answer at every port", 30, log)

    def push(self, source: str, name: str, port: int = PRIVATE) -> None:
        """Push what skopeo finds at `source` to the private registry at a port."""
        options = ["--insecure-policy", "copy", "--dest-tls-verify=false"]
        self.run("skopeo", *options, source, f"docker://127.0.0.1:{port}/{name}")

    def listens(self, port: int) -> bool:
        """Whether something takes connections at a port."""
        try:
            in_network(self.pid, lambda: socket.create_connection(("127.0.0.1", port), 5).close())
        except OSError:
            return False
        return True

    def crontab(self) -> str:
        """Root's crontab; empty without one."""
        return self.run("crontab", "-l", check=False).stdout

    def set_crontab(self, text: str) -> None:
        """Replace root's crontab."""
        self.write("/root/crontab", text)
        self.run("crontab", "/root/crontab")

    def containers(self) -> dict[str, str]:
        """Id and start of every container by its name, running or not."""
        template = "{{.Name}} {{.Id}} {{.State.StartedAt}} {{.State.Running}}"
        listed = self.shell(f"docker ps -aq | xargs -r docker inspect -f '{template}'").stdout
        return {name.lstrip("/"): rest for name, _, rest in (line.partition(" ") for line in listed.splitlines())}

    def snapshot(self) -> dict[str, str]:
        """Everything that a plan must leave alone: files with inode, time, mode, owner and content; containers."""
        roots = [self.path(STACK), self.path("/var/spool/cron"), self.path(UNIT)]
        files = {str(path.relative_to(self.root)): describe(path) for root in roots for path in below(root)}
        return {**files, **self.containers()}

    @contextlib.contextmanager
    def full_disk(self, left: int) -> Iterator[None]:
        """Leave `left` bytes free on the stack's disk; its data fill the rest."""
        ballast = self.path(f"{STACK}/data/ballast")
        space = os.statvfs(ballast.parent)
        with ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, space.f_bavail * space.f_bsize - left)
        yield
        ballast.unlink()

    @contextlib.contextmanager
    def taken_port(self, port: int) -> Iterator[None]:
        """Let another program listen on a port of all addresses."""
        # The web server ends when its shell's input does.
        line = f"busybox httpd -f -p {port} -h /run & cat >/dev/null; kill $!"
        with Process(self.inside("sh", "-c", line), self.directory / "httpd.log", lambda: self.listens(port)):
            yield
        wait_until(lambda: not self.listens(port), f"the end of what listens on {port}")


def below(root: Path) -> Iterator[Path]:
    """A file, or a directory and all that is in it; nothing when it is not there."""
    if root.exists():
        yield root
        yield from root.rglob("*")


def describe(path: Path) -> str:
    """Inode, times of change, mode, owner and content of a file."""
    found = path.lstat()
    content = hashlib.sha256(path.read_bytes()).hexdigest() if stat.S_ISREG(found.st_mode) else ""
    # An inode is soon used again; the time of its own change tells.
    times = f"{found.st_mtime_ns} {found.st_ctime_ns}"
    return f"{found.st_ino} {times} {found.st_mode:o} {found.st_uid}:{found.st_gid} {content}"


@contextlib.contextmanager
def started_vms(parent: Path, key: str, number: int) -> Iterator[list[Vm]]:
    """That many VMs with docker, started and ended side by side."""
    vms = [Vm(parent / f"vm{index}", key) for index in range(number)]
    with ThreadPoolExecutor(number) as pool:
        try:
            list(pool.map(Vm.__enter__, vms))
            list(pool.map(Vm.start_docker, vms))
            yield vms
        finally:
            list(pool.map(Vm.stop, [vm for vm in vms if vm.child]))
