"""What a pipeline of the provision list does to files, directories and crontabs.

Recognised is what the lists are made of: `echo … | base64 -d > FILE`, `mkdir -p`, `chmod`, `chown`, and a crontab that
is read, added to and installed. A command that writes or alters a file in another way is told apart from one that only
runs, so that nothing that is on the VM is taken for something else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from codemods.formats.shell import Word
from codemods.formats.shell_lists import Group, Pipeline, Simple
from codemods.provisioning.crontab_steps import NOWHERE, InstallCrontab, Unreadable, outputs_of, read_crontab_step

_DECODING = ("-d", "--decode", "-di", "-id")
_PRINTF = ("%s", "%s\\n")
_ALTERING = ("rm", "mv", "truncate", "patch", "shred", "unlink")
_TESTS = ("test", "[", "[[", "grep", "command", "which", "false", "cmp", "diff")
_NOTHING = ([["true"]], [[":"]])
_COPYING = ("cp", "ln", "install", "mv")


@dataclass(frozen=True, slots=True)
class WriteFile:
    """`content`, a word in base64, is decoded into the file `target`."""

    target: Word
    content: Word


@dataclass(frozen=True, slots=True)
class MakeDirectories:
    """`mkdir -p`, for each of the words."""

    targets: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class ChangeAccess:
    """`chmod` or `chown`, with its mode or owner."""

    program: str
    change: str
    targets: tuple[Word, ...]
    recursive: bool


@dataclass(frozen=True, slots=True)
class AlterFiles:
    """Files are written, or only altered, in a way that is not read: `how`. `sources` are copied into the target."""

    how: str
    targets: tuple[Word, ...]
    sources: tuple[Word, ...] = ()
    creates: bool = True


@dataclass(frozen=True, slots=True)
class Run:
    """A command that only runs."""


Step = WriteFile | MakeDirectories | ChangeAccess | InstallCrontab | AlterFiles | Unreadable | Run


def recognise(pipeline: Pipeline) -> list[Step]:
    """What a pipeline does, in order: `Run` when it only runs, nothing for `true`."""
    if [command.arguments for command in pipeline.simple_commands] in _NOTHING:
        return []
    found = _write(pipeline) or read_crontab_step(pipeline) or _directories(pipeline) or _access(pipeline)
    return [found] if found else list(_alterations(pipeline)) or [Run()]


def is_test(pipeline: Pipeline) -> bool:
    """Whether a pipeline only decides about what follows `&&`."""
    *_, last = pipeline.simple_commands
    return bool(last.words) and last.arguments[0] in _TESTS


def _write(pipeline: Pipeline) -> Step | None:
    match pipeline.commands:
        case (Simple() as first, Simple() as decode) if _decodes(decode):
            outputs = outputs_of(decode)
        case (Simple() as first, Simple() as decode, Simple(words=(_, target)) as tee) if (
            _decodes(decode) and not outputs_of(decode) and tee.arguments[0] == "tee"
        ):
            outputs = [(">", target), *outputs_of(tee)]
        case _:
            return None
    content = _printed(first)
    if content is None or len(outputs) != 1 or outputs[0][0] not in (">", ">|"):
        return None
    return WriteFile(outputs[0][1], content)


def _decodes(command: Simple) -> bool:
    name, *options = command.arguments or [""]
    return name == "base64" and len(options) == 1 and options[0] in _DECODING


def _printed(command: Simple) -> Word | None:
    """The one word that echo or printf prints."""
    match command.arguments:
        case ["echo", _] | ["echo", "-n", _]:
            return None if command.redirections else command.words[-1]
        case ["printf", form, _] if form in _PRINTF:
            return None if command.redirections else command.words[-1]
    return None


def _directories(pipeline: Pipeline) -> Step | None:
    match pipeline.commands:
        case (Simple(words=(_, *words)) as command,):
            pass
        case _:
            return None
    options = [word.text for word in words if word.text.startswith("-")]
    targets = tuple(word for word in words if not word.text.startswith("-"))
    makes = command.arguments[0] == "mkdir" or (command.arguments[0] == "install" and "-d" in options)
    if not makes or not targets or outputs_of(command):
        return None
    if not set(options) <= {"-p", "--parents", "-v", "-pv", "-d"}:
        return Unreadable(f"{command.arguments[0]} {' '.join(options)}")
    return MakeDirectories(targets)


def _access(pipeline: Pipeline) -> Step | None:
    if len(pipeline.commands) != 1 or not isinstance(command := pipeline.commands[0], Simple):
        return None
    if command.arguments[:1] not in (["chmod"], ["chown"]) or outputs_of(command):
        return None
    program, *words = command.words
    options = [word.text for word in words if re.fullmatch(r"-R|-v|-f|-h|--recursive|--", word.text)]
    rest = [word for word in words if word.text not in options]
    if len(rest) < 2:
        return Unreadable(f"{program.text} in a form that is not read")
    return ChangeAccess(program.text, rest[0].text, tuple(rest[1:]), not {"-R", "--recursive"}.isdisjoint(options))


def _alterations(pipeline: Pipeline) -> Iterator[Step]:
    """Files that the commands of a pipeline write or alter; what a script does stays unseen."""
    for group in (command for command in pipeline.commands if isinstance(command, Group)):
        yield from _redirected("a group of commands", group)
    for command in pipeline.simple_commands:
        program, *arguments = command.arguments or [""]
        paths = tuple(word for word in command.words[1:] if not word.text.startswith("-"))
        yield from _redirected(f"`{program}`", command)
        if program == "tee":
            yield AlterFiles(f"`{program}` writes it", tuple(word for word in paths if word.text not in NOWHERE))
        elif program in _COPYING and paths:
            yield AlterFiles(f"`{program}` writes it", paths[-1:], sources=paths[:-1])
        if program in _ALTERING or (program == "sed" and _edits_in_place(command)):
            yield AlterFiles(f"`{program}` alters it", paths, creates=False)
        if program == "umask" and arguments not in ([], ["022"], ["0022"], ["22"]):
            yield Unreadable(f"umask {' '.join(arguments)}: modes are read for a umask of 022")
        if program in ("mkdir", "chmod", "chown", "crontab") and pipeline.commands != (command,):
            yield Unreadable(f"{program} in a place that is not read")


def _redirected(what: str, command: Simple | Group) -> Iterator[Step]:
    for sign, word in outputs_of(command):
        yield AlterFiles(f"{what} {'appends to it' if '>>' in sign else 'writes it'}", (word,))


def _edits_in_place(command: Simple) -> bool:
    return any(re.match(r"-[a-zA-Z]*i|--in-place", argument) for argument in command.arguments[1:])
