"""`codemod vm`: host keys, locks and past runs of a machine."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import click

from codemods.cli.main import common_options
from codemods.cli.options import CommonOptions
from codemods.cli.session import Session, open_session
from codemods.engine.report.escape import printable
from codemods.errors import CodemodError, SettingsError

if TYPE_CHECKING:
    from codemods.rollout.ssh import SshTransport


@click.group("vm")
def vm() -> None:
    """Trust a machine, lock and unlock it, list what was rolled out to it."""


@vm.command("pin-host")
@click.argument("host")
@click.option("--fingerprint", metavar="SHA256:…", help="The expected fingerprint; scripts must give it.")
@common_options
@click.pass_obj
def pin_host(common: CommonOptions, host: str, fingerprint: str | None) -> int:
    """Store the host key of HOST, after showing its fingerprint. Compare it with what the machine itself says:

    \b
    ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub
    """
    from codemods.rollout.host_keys import fingerprint_of, pin, read_host_key
    from codemods.rollout.inventory import known_hosts_file
    from codemods.rollout.ssh import patch

    patch()
    path = known_hosts_file(_sessions_of(open_session(common), host)[0].settings.vm)
    name, key = read_host_key(host, path)
    found = fingerprint_of(key)
    click.echo(f"{printable(name)} has the {key.get_name()} key {found}")
    if fingerprint is None:
        if not sys.stdin.isatty():
            raise SettingsError("there is no terminal to ask at: pass --fingerprint with what the machine itself says")
        if not click.confirm("Is that its key?", default=False, err=True):
            click.echo("nothing was stored", err=True)
            return 1
    elif fingerprint != found:
        raise CodemodError(f"{name} has another key than {printable(fingerprint)}: nothing was stored")
    pin(path, name, key)
    click.echo(f"stored in {path}", err=True)
    return 0


@vm.command("lock")
@click.argument("host")
@common_options
@click.pass_obj
def lock_host(common: CommonOptions, host: str) -> int:
    """Keep everybody from rolling out to HOST, until it is unlocked."""
    from codemods.rollout import lock

    directories, transport = _connect(common, host)
    for directory in directories:
        lock.acquire(transport, directory, lock.Owner("by-hand", by_hand=True))
    transport.close()
    click.echo(f"{printable(host)} is locked until: codemod vm unlock {printable(host)}")
    return 0


@vm.command("unlock")
@click.argument("host")
@common_options
@click.pass_obj
def unlock_host(common: CommonOptions, host: str) -> int:
    """Take away the lock of HOST, whoever holds it."""
    from codemods.rollout import lock

    directories, transport = _connect(common, host)
    found = [held for directory in directories if (held := lock.remove(transport, directory)) is not None]
    transport.close()
    for held in found:
        click.echo(f"unlocked; it was {printable(lock.describe(held))}")
    if not found:
        click.echo(f"{printable(host)} was not locked")
    return 0


@vm.command("runs")
@click.argument("host")
@common_options
@click.pass_obj
def list_runs(common: CommonOptions, host: str) -> int:
    """List the last roll-outs to HOST, the newest first: those that can be taken back, and who holds the lock."""
    directories, transport = _connect(common, host)
    for directory in directories:
        if len(directories) > 1:
            click.echo(printable(f"{directory}:"))
        _list_runs(transport, directory)
    transport.close()
    return 0


def _list_runs(transport: SshTransport, directory: str) -> None:
    from codemods.rollout import lock
    from codemods.rollout.runs import current, read_log, read_runs

    runs, log = {run.id: run for run in read_runs(transport, directory)}, read_log(transport, directory)
    held = current(transport, directory)
    for entry in log:
        run = runs.get(str(entry.get("run")))
        back = "can be taken back" if run and run.can_be_undone else ""
        commit = str(entry.get("commit", ""))[:12]
        columns = f"{entry.get('run')}  {entry.get('result'):<19}  {entry.get('who')}  {commit}  {back}"
        click.echo(printable(columns.rstrip()))
        if entry.get("reason"):
            click.echo(printable(f"    {entry['reason']}"))
    if not log:
        click.echo("no roll-out yet")
    if held is not None:
        click.echo(printable(lock.describe(held)))


def _sessions_of(session: Session, host: str) -> list[Session]:
    """Of several registries those that a machine serves; all for one that no settings name."""
    return [one for one in session.each() if host in one.settings.vm.hosts] or list(session.each())


def _connect(common: CommonOptions, host: str) -> tuple[list[str], SshTransport]:
    """The directories of the stacks on a machine, and a connection to it."""
    from codemods.rollout.inventory import known_hosts_file, load_hosts, sudo_password
    from codemods.rollout.ssh import SshTransport, connect_options, patch

    patch()
    sessions = _sessions_of(open_session(common), host)
    settings = sessions[0].settings.vm
    directories = list(dict.fromkeys(map(_directory, sessions)))
    shared: dict[str, Any] = connect_options(known_hosts_file(settings))
    (found,) = load_hosts(settings, [host], None, shared)
    transport = SshTransport(found, sudo=settings.sudo, password=sudo_password(host, os.environ))
    transport.connect()
    return directories, transport


def _directory(session: Session) -> str:
    """Where `sync-vm` finds the stack, without the values that its files need."""
    from codemods.provisioning.variables import Values
    from codemods.rollout.manifest import read_manifest

    values = Values.from_options((), None, os.environ)
    return read_manifest(session.context, session.repository, values).directory
