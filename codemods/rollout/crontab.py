"""A user's crontab, brought to what the repository says: our lines in their places, every other byte as it was.

Ours is a line that equals one of the present or of the last manifest, wherever it stands: a machine fresh from
cloud-init has our lines unmarked. The same command may stand there twice with two schedules, so a command alone does
not identify a line.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from codemods.caching.collection import collected_by_script, mentions
from codemods.errors import ParseError
from codemods.facts.docker_calls import calls, read_flat
from codemods.formats.crontab import parse
from codemods.formats.quoting import unquoted

_COLLECTS = "garbage-collect"
_DELETES_UNTAGGED = re.compile(r"-[a-z]*m[a-z]*|--delete-untagged(?:=.*)?")


@dataclass(frozen=True)
class Merge:
    """The new text. `strays` are foreign lines about our containers that stay; `destructive` those of them that
    collect a registry's garbage in a way that loses images; `dropped` foreign lines that were taken out."""

    text: str
    strays: tuple[str, ...] = ()
    destructive: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()


def merge(
    text: str, present: Sequence[str], last: Collection[str], containers: Collection[str], *, prune: bool = False
) -> Merge:
    """The crontab `text` with the lines `present`, each once; `last` are those of the last roll-out.

    A superseded line (ours no longer, or a foreign collection of a registry that we collect ourselves) is replaced in
    its place. `prune` takes out what is foreign and names one of the `containers`.
    """
    table = _Table(text, present, last, containers, prune)
    return table.merged()


class _Table:
    def __init__(
        self, text: str, present: Sequence[str], last: Collection[str], containers: Collection[str], prune: bool
    ) -> None:
        # cron knows no line end but this one.
        self.lines = re.findall(r"[^\n]*\n|[^\n]+", text)
        self.present = present
        self.last = last
        self.containers = containers
        self.prune = prune
        self.missing = [line for line in present if line not in {_bare(line) for line in self.lines}]
        self.collected = {name for line in present for name in self.collections(line)}

    def merged(self) -> Merge:
        seen: set[str] = set()
        kept: list[str] = []
        strays: list[str] = []
        dropped: list[str] = []
        for line in self.lines:
            bare = _bare(line)
            if bare in self.present:
                kept += [line] if bare not in seen else []
                seen.add(bare)
            elif bare in self.last or self.is_superseded(bare):
                dropped += [] if bare in self.last else [bare]
                successor = self.successor(bare)
                kept += [successor + _end(line)] if successor else []
            elif not self.is_about_us(bare):
                kept.append(line)
            elif self.prune:
                dropped.append(bare)
            else:
                kept.append(line)
                strays.append(bare)
        if (self.missing or kept != self.lines) and kept and not kept[-1].endswith("\n"):
            # cron refuses a table that ends without one.
            kept[-1] += "\n"
        kept += [f"{line}\n" for line in self.missing]
        destructive = tuple(line for line in strays if self.loses_images(line))
        return Merge("".join(kept), tuple(strays), destructive, tuple(dropped))

    def successor(self, line: str) -> str | None:
        """The missing line that takes the place of an old one: the same registry's collection, or the same command."""
        wanted = self.collections(line)
        alike = [one for one in self.missing if wanted and self.collections(one) == wanted]
        alike += [one for one in self.missing if _command(one) == _command(line)]
        if alike:
            self.missing.remove(alike[0])
        return alike[0] if alike else None

    def is_superseded(self, line: str) -> bool:
        """Whether a foreign line collects registries that our own lines collect."""
        found = self.collections(line)
        return bool(found) and found <= self.collected

    def is_about_us(self, line: str) -> bool:
        command = _command(line)
        return bool(command) and any(mentions(command, name) for name in self.containers)

    def collections(self, line: str) -> frozenset[str]:
        """The containers whose garbage a line collects."""
        command = _command(line)
        if script := collected_by_script(command):
            return frozenset({script}.intersection(self.containers))
        if _COLLECTS not in command:
            return frozenset()
        return frozenset(name for name in self.containers if mentions(command, name) and not _is_front(name, command))

    def loses_images(self, line: str) -> bool:
        """Whether a line collects the garbage of a running registry, or with `-m` (facts 11, 14, 15)."""
        command = _command(line)
        if _COLLECTS not in command:
            return False
        commands = read_flat(unquoted(command))
        arguments = [word.text for one in commands for word in one.words]
        live = any(
            call.verb == "exec" and any(word.text == _COLLECTS for word in call.operands) for call in calls(commands)
        )
        return live or not commands or any(map(_DELETES_UNTAGGED.fullmatch, arguments))


def _is_front(name: str, command: str) -> bool:
    """Whether a container only reloads its configuration after the collection."""
    return f"{name} nginx" in command


def _command(line: str) -> str:
    """What the shell is given; empty for comments, settings and what is no line."""
    try:
        return parse(line).shell_command
    except ParseError:
        return ""


def _bare(line: str) -> str:
    return line.removesuffix("\n")


def _end(line: str) -> str:
    return "\n" if line.endswith("\n") else ""
