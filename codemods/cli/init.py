"""`codemod init`: write codemod.toml from what the repository shows and what the user says."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from codemods.cli.main import common_options
from codemods.cli.options import CommonOptions
from codemods.cli.session import Session, open_with
from codemods.engine.report.escape import printable
from codemods.engine.report.model import count
from codemods.errors import SettingsError
from codemods.repository import find_root
from codemods.settings import SETTINGS_FILE, Settings, changed_values, has_settings, load_settings, render_settings

# What no repository can tell, with the question that asks for it.
_QUESTIONS = {
    "registry.hostname": "Host name of the private registry (what pipelines will push to)",
    "registry.address": "Address of the machine that runs it",
    "vm.hosts": "How to reach that machine with ssh (user@host; several with commas)",
    "dns.server": "DNS server that answers for the name (http://host:5380; empty when it is not Technitium)",
}
_REQUIRED = "registry.hostname"


@click.command("init")
@click.option("--yes", is_flag=True, help="Ask nothing: take what was found and what --set says.")
@common_options
@click.pass_obj
def init(common: CommonOptions, yes: bool) -> int:
    """Write codemod.toml: what was found in the repository, and the values it asked for."""
    root = find_root(common.directory)
    if has_settings(root):
        where = SETTINGS_FILE if (root / SETTINGS_FILE).exists() else "[tool.codemod] in pyproject.toml"
        raise SettingsError(f"{root} has settings already: edit {where}, or remove it and run init again")
    settings = load_settings(root, common.overrides)
    session = open_with(root, settings)
    if common.verbosity >= 0:
        _show(session)
    overrides = list(common.overrides)
    if not settings.registry.address and (address := session.found_address()):
        overrides.append(f"registry.address={address}")
    ask = not yes and sys.stdin.isatty()
    for key, question in _QUESTIONS.items():
        if ask and not _value(load_settings(root, overrides), key):
            overrides += _answer(root, overrides, key, question)
    settings = load_settings(root, overrides)
    if (ask or yes) and not _value(settings, _REQUIRED):
        raise SettingsError(f"{_REQUIRED} has no default: pass --set {_REQUIRED}=…")
    text = render_settings(changed_values(settings))
    click.echo(text, nl=False)
    if not (ask or yes):
        click.echo("nothing was written: there is no terminal to ask at; pass --yes and --set KEY=VALUE", err=True)
        return 1
    if ask and not click.confirm(f"Write this to {SETTINGS_FILE}?", default=True, err=True):
        click.echo("nothing was written", err=True)
        return 1
    from codemods.replace import FileChange

    session.repository.write([FileChange(SETTINGS_FILE, None, text.encode())])
    click.echo(f"wrote {SETTINGS_FILE}; next: codemod apply-caching --diff", err=True)
    return 0


def _show(session: Session) -> None:
    """What was found, one line for each role, on stderr: stdout is the file."""
    stack = session.context.stack
    rows = {
        "compose": stack.compose,
        "nginx": stack.nginx,
        "terraform": f"{stack.terraform} ({stack.provision_list})" if stack.terraform else None,
        "configs": (stack.configs or ".") if stack.compose else None,
        "cleanup": stack.cleanup,
        "pipelines": count(len(stack.pipelines), "file") if stack.pipelines else None,
        "vm directory": stack.directory if stack.compose else None,
        "privileged": f"{stack.plugins_privileged} ({stack.plugins_privileged_at})"
        if stack.plugins_privileged
        else None,
    }
    click.echo("Found in the repository:", err=True)
    for role, what in rows.items():
        click.echo(f"  {role:<13} {printable(what or '—')}", err=True)
    for note in stack.notes:
        click.echo(f"  note: {printable(note)}", err=True)


def _value(settings: Settings, key: str) -> object:
    table, _, name = key.partition(".")
    return getattr(getattr(settings, table), name)


def _answer(root: Path, overrides: list[str], key: str, question: str) -> list[str]:
    """The override that the user's answer makes; none for an empty answer to an optional question."""
    while True:
        default = _suggestion(load_settings(root, overrides), key)
        answer = click.prompt(question, default=default, show_default=bool(default), err=True).strip()
        if not answer and key != _REQUIRED:
            return []
        if not answer:
            click.echo("  it has no default", err=True)
            continue
        try:
            _value(load_settings(root, [*overrides, f"{key}={answer}"]), key)
        except SettingsError as error:
            click.echo(f"  {str(error).removeprefix('--set: ')}", err=True)
        else:
            return [f"{key}={answer}"]


def _suggestion(settings: Settings, key: str) -> str:
    if key == "vm.hosts" and settings.registry.address:
        return f"root@{settings.registry.address}"
    return ""
