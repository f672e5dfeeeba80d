"""The `codemod` command. Each subcommand's module is imported when it is called, so that help is instant."""

from __future__ import annotations

import atexit
import gc
import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from codemods import __version__
from codemods.cli.options import CommonOptions
from codemods.errors import CodemodError

_COMMANDS = {
    "init": ("codemods.cli.init", "Write codemod.toml: what was found in the repository, and what it asked for."),
    "apply-caching": ("codemods.cli.apply_caching", "Give the repository its private registry and its layer caching."),
    "remove-caching": ("codemods.cli.remove_caching", "Take out again what apply-caching added."),
    "check": ("codemods.cli.check", "Check the repository for drift and known mistakes."),
    "sync-vm": ("codemods.cli.sync_vm", "Roll the stack out to the live machines, or back."),
    "vm": ("codemods.cli.vm", "Pin host keys, lock and unlock machines, list roll-outs."),
    "sync-dns": ("codemods.cli.sync_dns", "Give the registry's host name its address on the DNS server."),
    "verify": ("codemods.cli.verify", "Prove from outside that registry, name, images and cache work."),
    "rules": ("codemods.cli.explain", "List all rules."),
    "explain": ("codemods.cli.explain", "Explain a rule, or say what the tool sees in a file."),
}


def common_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Let a command take `--set`, `-q` and `-v` after its name, too."""

    def add_overrides(ctx: click.Context, _: click.Parameter, value: tuple[str, ...]) -> None:
        ctx.obj = replace(ctx.obj, overrides=(*ctx.obj.overrides, *value))

    def set_verbosity(ctx: click.Context, _: click.Parameter, value: int | None) -> None:
        ctx.obj = ctx.obj if value is None else replace(ctx.obj, verbosity=value)

    hidden: dict[str, Any] = {"expose_value": False, "hidden": True}
    for option in (
        click.option("--set", multiple=True, callback=add_overrides, **hidden),
        click.option("-q", "quiet", flag_value=-1, type=int, callback=set_verbosity, **hidden),
        click.option("-v", "verbose", flag_value=1, type=int, callback=set_verbosity, **hidden),
    ):
        command = option(command)
    return command


class _LazyGroup(click.Group):
    """Knows names and help of all commands without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        command = getattr(import_module(_COMMANDS[name][0]), name.replace("-", "_"))
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "-C",
    "directory",
    type=click.Path(path_type=Path),
    default=".",
    help="Work as if started in DIR: paths are relative to it.",
    metavar="DIR",
)
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a setting of codemod.toml.")
@click.option("-q", "quiet", is_flag=True, help="Print the result only.")
@click.option("-v", "verbose", is_flag=True, help="Print more: rules of each change, files left alone.")
@click.version_option(__version__, prog_name="codemod")
@click.pass_context
def cli(ctx: click.Context, directory: Path, overrides: tuple[str, ...], quiet: bool, verbose: bool) -> None:
    """A private registry for CI: the repository changed, checked, rolled out and proven, and nothing else touched.

    \b
    Exit codes: 0 done or clean, 1 changes pending or errors found, 2 usage or settings,
    3 something was refused, or could not be read or reached, 4 a roll-out was rolled back,
    5 a rollback failed, 130 interrupted.
    """
    ctx.obj = CommonOptions(directory, overrides, int(verbose) - int(quiet))


def main() -> None:
    """Run the command line; expected errors are one line and their exit code."""
    # Nearly all that is made is kept to the end of the process, where none of it matters: seldom look for garbage.
    gc.set_threshold(100_000, 50, 100)
    atexit.register(gc.freeze)
    if sys.stdout is None:  # closed by the shell, as in `>&-`
        sys.stdout = io.TextIOWrapper(io.BytesIO())
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    code = 0
    with reader_may_leave():
        code = _run()
    sys.exit(code)


def _run() -> int:
    try:
        code = cli.main(standalone_mode=False) or 0
        sys.stdout.flush()
    except (click.exceptions.Abort, KeyboardInterrupt):
        click.echo("codemod: interrupted; every file is as it was, or changed as a whole", err=True)
        return 130
    except click.ClickException as error:
        error.show()
        return 2
    except CodemodError as error:
        from codemods.engine.report.escape import printable_lines

        click.echo(f"codemod: {printable_lines(str(error))}", err=True)
        return error.exit_code
    except BrokenPipeError:
        raise
    except SystemExit:  # how click ends when nobody reads our output any more
        return 0
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        click.echo(f"codemod: {where}{error.strerror}", err=True)
        _discard_output()
        return 3
    assert isinstance(code, int)
    return code


@contextmanager
def reader_may_leave() -> Iterator[None]:
    """Let `| head` end the output early: what was done is done, and its exit code stays."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        _discard_output()


def _discard_output() -> None:
    """Send what is still to be printed nowhere; the interpreter would complain about it when it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(nowhere, stream.fileno())
