"""How the provision list adds lines to crontabs: `( crontab -l; echo 'LINE' ) | crontab -`, and its relatives."""

from __future__ import annotations

import re
from dataclasses import dataclass

from codemods.formats.shell import Word
from codemods.formats.shell_lists import Group, Pipeline, Simple

NOWHERE = ("/dev/null", "/dev/stdout", "/dev/stderr")

# Only texts that mean themselves as a regular expression.
_PATTERN = re.compile(r"[\w/@ -]+")


@dataclass(frozen=True, slots=True)
class InstallCrontab:
    """The lines that `user` has then: those from before if `keeps`, without those that hold one of `dropped`."""

    user: str
    lines: tuple[Word, ...]
    keeps: bool
    dropped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Something that matters and cannot be read: why."""

    reason: str


def outputs_of(command: Simple | Group) -> list[tuple[str, Word]]:
    """The redirections that write to a file."""
    return [
        (sign, word)
        for sign, word in command.redirections
        if ">" in sign and not sign.endswith(">&") and word.text not in NOWHERE
    ]


def read_crontab_step(pipeline: Pipeline) -> InstallCrontab | Unreadable | None:
    """What a pipeline does to a crontab; None when it has nothing to do with one."""
    names = [command.arguments[:1] for command in pipeline.simple_commands]
    if ["crontab"] not in names:
        return None
    last = pipeline.commands[-1]
    user = _crontab_user(last, "-") if isinstance(last, Simple) else None
    if user is None:
        only_lists = all(
            _crontab_user(command, "-l") is not None
            for command in pipeline.simple_commands
            if command.arguments[:1] == ["crontab"]
        )
        return None if only_lists else Unreadable("crontab in a form that is not read")
    return _installed(user, pipeline.commands[:-1]) or Unreadable("a crontab that is put together in another way")


def _crontab_user(command: Simple, option: str) -> str | None:
    """The user whose crontab is listed (`-l`) or installed (`-`); None when the command does something else."""
    match command.arguments:
        case ["crontab", last] if last == option:
            return "root"
        case ["crontab", "-u", user, last] | ["crontab", last, "-u", user] if last == option:
            return user if all(word.plain for word in command.words) else None
    return None


def _installed(user: str, before: tuple[Simple | Group, ...]) -> InstallCrontab | None:
    """What is piped into `crontab -`."""
    match before:
        case (Simple() as command,):
            lines = _lines(command)
            return InstallCrontab(user, lines, keeps=False) if lines else None
        case (Group(steps=steps, redirections=()),):
            return _added(user, steps)
        case (Simple() as listing, Group(steps=(first, *steps), redirections=())):
            reads = _crontab_user(listing, "-l") == user and not outputs_of(listing)
            is_cat = [command.arguments for command in first.simple_commands] == [["cat"]]
            return _added(user, tuple(steps), keeps=True) if reads and is_cat else None
    return None


def _added(user: str, steps: tuple[Pipeline, ...], keeps: bool = False) -> InstallCrontab | None:
    """A group that lists the crontab first, perhaps filtered, and then prints lines."""
    dropped: tuple[str, ...] = ()
    lines: list[Word] = []
    for index, step in enumerate(steps):
        match step.commands:
            case (Simple() as listing, *filters) if index == 0 and _crontab_user(listing, "-l") == user:
                patterns = [_filtered(command) for command in filters]
                if outputs_of(listing) or None in patterns:
                    return None
                keeps, dropped = True, tuple(pattern for pattern in patterns if pattern)
            case (Simple() as command,) if step.after == "||" and command.arguments in (["true"], [":"]):
                continue
            case (Simple() as command,) if step.after != "||" and (printed := _lines(command)):
                lines += printed
            case _:
                return None
    return InstallCrontab(user, tuple(lines), keeps, dropped) if lines else None


def _filtered(command: Simple | Group) -> str | None:
    """The text whose lines `grep -v` leaves out."""
    if isinstance(command, Group) or outputs_of(command):
        return None
    match command.arguments:
        case ["grep", "-v" | "-vF" | "-Fv", pattern] | ["grep", "-F", "-v", pattern]:
            has_meaning = "F" not in "".join(command.arguments[1:-1]) and not _PATTERN.fullmatch(pattern)
            return None if has_meaning or not command.words[-1].plain else pattern
    return None


def _lines(command: Simple) -> tuple[Word, ...]:
    """The words that a command prints one a line."""
    if command.redirections:
        return ()
    match command.arguments:
        case ["echo", _]:
            return command.words[1:]
        case ["printf", "%s\\n", _, *_]:
            return command.words[2:]
    return ()
