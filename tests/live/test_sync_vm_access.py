"""`codemod sync-vm` and who may: host keys, sudo, locks, secrets, hostile values."""

from __future__ import annotations

import json
import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.command import commit_all
from tests.live.cloud_init import PASSWORD, SOURCE, replace
from tests.live.cloud_init import STACK as TERRAFORM
from tests.live.controller import sync_arguments
from tests.live.site import COMPOSE, HOME_PAGE, NGINX, SCRIPT, Site, strangers, wanted_files
from tests.live.vm import STACK

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.live.controller import Controller
    from tests.live.vm import Vm

pytestmark = pytest.mark.live


def sessions(vm: Vm) -> int:
    """How many commands sshd has started so far."""
    return (vm.directory / "sshd.log").read_text().count("Starting session: command")


@pytest.fixture
def pins(controller: Controller) -> Iterator[Path]:
    """The file with the pinned host keys, which is put back afterwards."""
    former = controller.known_hosts.read_text()
    yield controller.known_hosts
    controller.known_hosts.write_text(former)


def test_unknown_and_changed_host_keys_are_refused(site: Site, pins: Path) -> None:
    """Without a pinned key, and with another one, no command is run; the message says what to do."""
    vm, key = site.vm, pins.read_text()
    # The key of somebody else: the last characters of an ed25519 key say which it is.
    changed = key.rstrip()[:-6] + ("AAAAAA" if not key.rstrip().endswith("AAAAAA") else "BBBBBB") + "\n"
    before = sessions(vm)
    for known, word in (("", "pin-host"), (changed, "key")):
        pins.write_text(known)
        refused = site.apply()
        assert (refused.code, refused.states) == (3, ["unreachable"]), refused.told
        assert word in refused.reason
        assert "\n" not in refused.reason
    assert sessions(vm) == before


def test_pinning_a_host_key(site: Site, pins: Path) -> None:
    """`vm pin-host` shows the fingerprint; a script must give it, and a wrong one stores nothing."""
    vm, controller = site.vm, site.controller
    pins.unlink()
    for options, code in (((), 2), (("--fingerprint", f"SHA256:{'A' * 43}"), 3)):
        refused = controller.run(site.tree, "vm", "pin-host", vm.host, *options)
        assert refused.code == code, refused
        assert not pins.exists() or not pins.read_text()
    assert vm.host_key_fingerprint in refused.out
    pinned = controller.run(site.tree, "vm", "pin-host", vm.host, "--fingerprint", vm.host_key_fingerprint)
    assert pinned.code == 0, pinned
    assert pins.read_text().split() == vm.host_key.split()
    assert site.plan().code == 0


def test_sudo(site: Site) -> None:
    """An account that is not root needs sudo; a wrong password is one clear line, and appears nowhere."""
    vm, controller = site.vm, site.controller
    user = vm.add_account("deploy", "s3cret pa$$word")
    site.change(SCRIPT, '"""Keep only', '"""Keep just')

    def sync(*options: str, **variables: str) -> tuple[int, str]:
        run = controller.run(site.tree, *options, "sync-vm", "--host", user, "--yes", **variables)
        return run.code, run.out + run.err

    code, told = sync()
    assert code == 3, told
    assert "vm.sudo" in told
    before = vm.snapshot()
    for password in ("wrong pa$$word", ""):
        code, told = sync("--set", "vm.sudo=true", CODEMOD_VM_SUDO_PASSWORD=password)
        assert code == 3, told
        assert "password" in told
        assert "wrong pa" not in told
    assert vm.snapshot() == before
    watch = ProcessLists(vm)
    with watch:
        code, told = sync("--set", "vm.sudo=true", CODEMOD_VM_SUDO_PASSWORD="s3cret pa$$word")
    assert code == 0, told
    assert watch.lists > 5
    assert "s3cret" not in told + watch.seen
    assert site.deployed() == wanted_files(site.tree)
    assert vm.path(f"{STACK}/cleanup-tags.sh").stat().st_uid == 0


def test_two_controllers(site: Site) -> None:
    """While one rolls out, another is told who does; afterwards it finds nothing to do."""
    site.change(NGINX, HOME_PAGE, "return 200 'one of two';")
    first = site.start()
    assert first.wait_for(": staging")
    second = site.apply()
    assert second.code == 3, second.told
    assert "locked by " in second.reason
    done = first.result()
    assert done.code == 0, done
    assert site.apply().states == ["clean"]


def test_a_lock_by_hand(site: Site) -> None:
    """`vm lock` keeps everybody out until `vm unlock`, and says so."""
    vm, run, tree = site.vm, site.controller.run, site.tree
    site.change(NGINX, HOME_PAGE, "return 200 'locked';")
    assert run(tree, "vm", "lock", vm.host).code == 0
    refused = site.apply()
    assert refused.code == 3, refused.told
    assert "locked by " in refused.reason
    assert "vm unlock" in refused.reason
    assert site.home_page() == "ok"
    assert run(tree, "vm", "unlock", vm.host).code == 0
    done = site.apply()
    assert done.code == 0, done.told


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("step", ["validating", "health"])
def test_an_interrupted_run_puts_everything_back(site: Site, number: signal.Signals, step: str) -> None:
    """SIGINT and SIGTERM leave the old state and no lock, whether something was swapped or not."""
    vm = site.vm
    site.change(NGINX, HOME_PAGE, "return 200 'interrupted';")
    files = site.deployed()
    command = site.start()
    assert command.wait_for(f": {step}")
    command.child.send_signal(number)
    ended = command.result()
    assert ended.code == 130, ended
    assert site.deployed() == files
    assert site.home_page() == "ok"
    assert not vm.path(f"{STACK}/.sync-vm/lock").exists()
    assert strangers(vm, site.tree) == set()


class ProcessLists:
    """Everything that the process lists of a VM and of this host show while a block runs."""

    def __init__(self, vm: Vm) -> None:
        self.roots = [vm.root / "proc", Path("/proc")]
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.watch)
        self.seen = ""
        self.lists = 0

    def __enter__(self) -> None:
        self.thread.start()

    def __exit__(self, *_: object) -> None:
        self.done.set()
        self.thread.join()

    def watch(self) -> None:
        """Read all command lines again and again."""
        lines: set[bytes] = set()
        while not self.done.is_set():
            for root in self.roots:
                for process in root.glob("[0-9]*/cmdline"):
                    try:
                        lines.add(process.read_bytes())
                    except OSError:  # it has ended
                        continue
            self.lists += 1
            time.sleep(0.01)
        self.seen = b"\n".join(lines).decode(errors="replace")


def test_secrets_stay_secret(site: Site, tmp_path: Path) -> None:
    """A changed secret reaches its file, and no diff, plan file, log, record or process list shows it, old or new."""
    vm, plan, new = site.vm, tmp_path / "plan", "n3w-Hub-Secret"
    shown = site.plan("--out", str(plan), TF_VAR_dockerhub_password=new)
    assert shown.code == 1, shown.told
    watch = ProcessLists(vm)
    with watch:
        done = site.apply(TF_VAR_dockerhub_password=new)
    assert done.code == 0, done.told
    config = vm.path(f"{STACK}/config-dockerhub.yml")
    assert f"  secret: {new}\n" in config.read_text()
    own = vm.path(f"{STACK}/.sync-vm")
    logs = "".join(path.read_text() for path in own.rglob("*") if path.is_file() and "old" not in path.parts)
    for secret in (PASSWORD, new):
        assert secret not in shown.told + done.told + plan.read_text() + watch.seen + logs
    # The backups keep the modes that they will be put back with; nobody but root gets to them.
    for path in (own, *(path for path in own.rglob("*") if path.is_dir())):
        assert path.stat().st_mode & 0o777 == 0o700, path
    on_the_command_line = site.controller.run(
        site.tree, *sync_arguments(vm, options=("--plan", "--var", f"dockerhub_password={new}"))
    )
    assert on_the_command_line.code == 2, on_the_command_line
    assert new not in on_the_command_line.out + on_the_command_line.err


def test_a_missing_value_leaves_its_file_alone(site: Site) -> None:
    """Without the secret its file is reported, and everything else is rolled out."""
    config = site.vm.path(f"{STACK}/config-dockerhub.yml")
    former = config.read_text(), config.stat().st_mtime_ns
    site.change(SCRIPT, '"""Keep only', '"""Keep just')
    variables, site.controller.variables = site.controller.variables, {}
    try:
        done = site.apply()
    finally:
        site.controller.variables = variables
    assert done.code == 0, done.told
    assert "config-dockerhub.yml is not managed: needs" in done.notes
    assert "dockerhub_password" in done.notes
    assert done.actions == [f"copy {STACK}/cleanup-tags.sh"]
    assert (config.read_text(), config.stat().st_mtime_ns) == former


HOSTILE = """x'$(touch /root/pwned)`touch /root/pwned`;touch /root/pwned;"|&>\\ *"""


def test_hostile_values_are_only_text(site: Site) -> None:
    """Quotes, blanks, `$()`, back-quotes and `;` in values reach no shell; paths with them are not managed."""
    vm, tree = site.vm, site.tree
    odd = "it is; $(touch pwned) & odd.txt"
    (tree / SOURCE / odd).write_text("odd\n")
    replace(
        tree / TERRAFORM,
        "    # Write nginx.conf\n",
        f"""    format("echo %s | base64 -d > '{STACK}/{odd}'", base64encode(file("../../{SOURCE}/{odd}"))),
    "mkdir -p '{STACK}/data/a b;$(touch pwned)'",
    # Write nginx.conf
""",
    )
    replace(tree / COMPOSE, "REGISTRY_TITLE=Docker Hub mirror", "REGISTRY_TITLE=$$(touch /root/pwned);'`touch x`")
    replace(tree / SOURCE / "config.yaml", "secret: ${password}", "secret: >-\n    ${password}")
    commit_all(tree)
    done = site.apply(TF_VAR_dockerhub_password=HOSTILE)
    assert done.code == 0, done.told
    assert done.notes.count("has characters that a shell would read") == 2, done.told
    assert strangers(vm, tree) == set()
    assert f"    {HOSTILE}\n" in vm.path(f"{STACK}/config-dockerhub.yml").read_text()
    environment = json.loads(vm.shell("docker inspect -f '{{json .Config.Env}}' registry-ui").stdout)
    assert "REGISTRY_TITLE=$(touch /root/pwned);'`touch x`" in environment
    assert not [place for place in (STACK, "/root", "/") if vm.path(f"{place}/pwned").exists()]
    assert "pwned" not in {path.name for path in tree.rglob("*")}
    again = site.apply(TF_VAR_dockerhub_password=HOSTILE)
    assert (again.code, again.actions) == (0, []), again.told
