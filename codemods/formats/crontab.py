"""One line of a crontab: its schedule and its command, with positions.

A line is five fields or a name like `@daily`, then the command. In the command `%` ends the command and begins its
input, unless it is written `\\%`. See crontab(5); lines of /etc/cron.d, which name a user, are not read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from codemods.engine.edits import Edit
from codemods.errors import CannotEdit, ParseError

_FIELD = r"[0-9A-Za-z*,/~-]+"
_LINE = re.compile(rf"[ \t]*(?P<schedule>@[a-z]+|{_FIELD}(?:[ \t]+{_FIELD}){{4}})[ \t]+(?P<command>[^\r\n]*\S)[ \t]*")
_MINUTE = re.compile(r"[0-9*]")


@dataclass(frozen=True, slots=True)
class CrontabLine:
    """A line as it stands; spans count characters of `text`."""

    text: str
    fields: tuple[tuple[int, int], ...]
    command_start: int
    command_end: int

    @property
    def schedule(self) -> str:
        """The five fields, or the name, as written."""
        return self.text[self.fields[0][0] : self.fields[-1][1]]

    @property
    def command(self) -> str:
        """Everything after the schedule, as written."""
        return self.text[self.command_start : self.command_end]

    @property
    def shell_command(self) -> str:
        """What the shell is given: up to the first bare `%`, with `\\%` as `%`."""
        bare = re.split(r"(?<!\\)%", self.command, maxsplit=1)[0]
        return bare.replace("\\%", "%")

    @property
    def minute(self) -> int | None:
        """The minute when it is one plain number."""
        return self._number(0)

    @property
    def hour(self) -> int | None:
        """The hour when it is one plain number."""
        return self._number(1)

    @property
    def every_hour(self) -> bool:
        """Whether the hour is `*`."""
        return len(self.fields) == 5 and self.text[slice(*self.fields[1])] == "*"

    def at(self, minute: int, hour: int | None) -> list[Edit]:
        """Edits of `text` to another minute and, unless None, another hour. Raises CannotEdit for `@daily` and such."""
        if len(self.fields) != 5:
            raise CannotEdit(f"{self.schedule} has no minute to choose", "write the schedule as five fields")
        times = [(self.fields[0], minute), (self.fields[1], hour)]
        return [
            Edit(start, end, str(number))
            for (start, end), number in times
            if number is not None and self.text[start:end] != str(number)
        ]

    def _number(self, index: int) -> int | None:
        text = self.text[slice(*self.fields[index])] if len(self.fields) == 5 else ""
        return int(text) if re.fullmatch(r"[0-9]{1,2}", text) else None


def parse(text: str) -> CrontabLine:
    """Read one line. Raises ParseError for comments, settings such as `MAILTO=…`, and what is no line at all."""
    match = _LINE.fullmatch(text)
    if not match or not (text[match.start("schedule")] == "@" or _MINUTE.match(text, match.start("schedule"))):
        raise ParseError("not a crontab line: five fields or @daily, then a command")
    start, end = match.span("schedule")
    fields = tuple(field.span() for field in re.compile(r"\S+").finditer(text, start, end))
    return CrontabLine(text, fields, *match.span("command"))
