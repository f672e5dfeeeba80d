"""Calls of docker in shell commands: what is done to which container."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from codemods.errors import ParseError
from codemods.formats.quoting import Quoted
from codemods.formats.shell import Command, Word, read_commands

_PROGRAMS = ("docker", "podman", "nerdctl")
_SHELLS = ("sh", "bash", "dash", "ash")
_SAYING = ("echo", "printf", "logger", "grep")
_VERBS = ("exec", "run", "start", "stop", "restart", "kill", "rm", "up", "down", "pause", "unpause", "create")
_STOPS = ("stop", "kill", "rm", "down", "pause")
_STARTS = ("start", "restart", "up", "unpause")
_WITHOUT_VALUE = frozenset((
    *("--rm", "--interactive", "--tty", "--detach", "--privileged", "--init", "--read-only", "--publish-all"),
    *("--quiet", "--no-deps", "--no-TTY", "--force", "--volumes", "--stop", "--build", "--no-recreate"),
    "--force-recreate",
))  # fmt: skip
_FLAGS = frozenset("itdTPqfs")
_VALUED = {"stop": frozenset("ts"), "restart": frozenset("ts"), "kill": frozenset("s")}
"""Flags that take a value with some verbs: a time, a signal."""
_DEPTH = 5


@dataclass(frozen=True)
class DockerCall:
    """`docker VERB options operands`; `options` are (name, value) pairs, the value empty where there is none.

    `composed` when it goes through docker compose, which names services instead of containers. `systemctl stop x` is
    a call without operands: it may be about any container.
    """

    command: Command
    verb: str
    operands: tuple[Word, ...] = ()
    options: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    composed: bool = False

    def stops(self, names: Sequence[str]) -> bool:
        """Whether it may stop the container of these names."""
        return self.verb in _STOPS and self._is_about(names)

    def starts(self, names: Sequence[str]) -> bool:
        """Whether it may start the container of these names."""
        return self.verb in _STARTS and self._is_about(names)

    def option(self, *names: str) -> list[str]:
        """The values of an option."""
        return [value for name, value in self.options if name in names]

    def _is_about(self, names: Sequence[str]) -> bool:
        texts = [word.text for word in self.operands if word.plain]
        return len(texts) < len(self.operands) or not texts or any(name in texts for name in names)


def read_flat(source: Quoted, depth: int = 0) -> list[Command]:
    """The simple commands of a command line; those inside `sh -c '…'` stand for it, with what stands before `sh`."""
    try:
        commands = read_commands(source)
    except ParseError:
        return []
    found: list[Command] = []
    for command in commands:
        shell = _shell(command.words)
        nested = read_flat(command.words[shell + 2].value, depth + 1) if shell >= 0 and depth < _DEPTH else []
        for number, one in enumerate(nested):
            found.append(Command(one.after if number else command.after, command.words[:shell] + one.words))
            found[-1].redirections = one.redirections + command.redirections
        if not nested:
            found.append(command)
    return found


def read_call(command: Command) -> DockerCall | None:
    """The call that a simple command is, whatever runs it (`sudo`, `flock`, `timeout`)."""
    texts = [word.text for word in command.words]
    names = [posixpath.basename(text) for text in texts]
    if command.arguments[:1] and command.arguments[0] in _SAYING:
        return None
    for i, name in enumerate(names):
        if name == "systemctl":
            verb = next((text for text in texts[i + 1 :] if text in ("stop", "start", "restart")), "")
            return DockerCall(command, verb) if verb else None
        if name in _PROGRAMS or name.removesuffix("-compose") in _PROGRAMS:
            words = command.words[i + 1 :]
            verb_at = next((n for n, word in enumerate(words) if word.text in _VERBS), None)
            if verb_at is None:
                return None
            composed = name.endswith("-compose") or any(word.text == "compose" for word in words[:verb_at])
            options, operands = _split(words[verb_at].text, words[verb_at + 1 :])
            return DockerCall(command, words[verb_at].text, tuple(operands), tuple(options), composed)
    return None


def _shell(words: Sequence[Word]) -> int:
    """Where `sh -c script` begins; -1 when it does not."""
    for i, word in enumerate(words[:-2]):
        options = words[i + 1].text
        if posixpath.basename(word.text) in _SHELLS and options.startswith("-") and options.endswith("c"):
            return i
    return -1


def _split(verb: str, words: Sequence[Word]) -> tuple[list[tuple[str, str]], list[Word]]:
    """Options up to the first operand, and the operands."""
    options: list[tuple[str, str]] = []
    flags = _FLAGS - _VALUED.get(verb, frozenset())
    rest = iter(enumerate(words))
    for i, word in rest:
        if not word.text.startswith("-"):
            return options, list(words[i:])
        name, equals, value = word.text.partition("=")
        is_flag = name in _WITHOUT_VALUE or (not name.startswith("--") and set(name[1:]) <= flags)
        if not equals and not is_flag:
            value = next((follower.text for _, follower in rest), "")
        options.append((name, value))
    return options, []


def calls(commands: Sequence[Command]) -> Iterator[DockerCall]:
    """The calls among commands."""
    for command in commands:
        if call := read_call(command):
            yield call
