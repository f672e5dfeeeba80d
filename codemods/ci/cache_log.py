"""What BuildKit's log says of a build: the caches it imported, the steps it took from them, the cache it wrote.

Reads `--progress=plain`, which is what a build prints in CI (facts 27, 28). Every line belongs to a vertex, `#N`; what
a program in the build prints has a time after that, `#N 0.512 …`, and cannot be taken for anything else. Several builds
may follow one another in one log, each counting from #1 again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_])")
# A time, `[12:01:07]`, `build-image |` or `level=info`, as runners and log collectors put them before a line.
_PREFIX = r"(?:\d[\d:.,TZ+-]*+\s++|\[[^\]\s]*+\]\s*+|[\w./-]++\s?+[|:]\s++|\w++=\S++\s++)*+"
_LINE = re.compile(rf"\s*+{_PREFIX}#(?P<vertex>\d{{1,6}}) (?P<rest>.*)")
_OUTPUT = re.compile(r"\d+\.\d*(?:e\+\d+)?(?: |\Z)")
_STEP = re.compile(r"\[(?:[^\]]* )?\d+/\d+\] (?P<instruction>\w+)")
_IMPORT = re.compile(r"importing cache manifest from (?P<reference>\S+)")
_EXPORT = re.compile(r"exporting cache(?: to [\w-]+)?")
# The lines that begin a vertex, as far as they matter here; `[internal]` is in every build.
_NAME = re.compile(rf"{_STEP.pattern}.*|{_IMPORT.pattern}|{_EXPORT.pattern}|\[internal\] .*")
_DONE = re.compile(r"DONE(?: (?P<seconds>\d+(?:\.\d+)?)s)?")


class Outcome(Enum):
    """How something ended; `unfinished` when the log ends before it."""

    DONE = "done"
    FAILED = "failed"
    UNFINISHED = "unfinished"


class Transfer(NamedTuple):
    """A cache that was read or written. `reason` is BuildKit's own, where it failed."""

    reference: str
    outcome: Outcome
    reason: str = ""


class BuildLog(NamedTuple):
    """All builds of one log together.

    `steps` counts the instructions but `FROM`, which no cache can save; `seconds` is the time that those took which
    were not `cached`. An exported cache has no reference: BuildKit's log names its kind only.
    """

    imports: tuple[Transfer, ...]
    exports: tuple[Transfer, ...]
    steps: int
    cached: int
    seconds: float


@dataclass
class _Vertex:
    name: str
    outcome: Outcome = Outcome.UNFINISHED
    reason: str = ""
    seconds: float = 0.0
    has_hit: bool = False
    is_fetched: bool = False
    has_output: bool = False

    @property
    def is_cached(self) -> bool:
        """A cached step whose layer a later one needs is fetched, and may have no line that says CACHED."""
        return self.has_hit or (self.is_fetched and not self.has_output)


@dataclass
class _Builds:
    """Vertices of the build that is being read, by number, and those of all builds."""

    current: dict[int, _Vertex] = field(default_factory=dict)
    all: list[_Vertex] = field(default_factory=list)

    def name(self, number: int, name: str) -> None:
        """Take note of a vertex's first line, which BuildKit repeats when it comes back to the vertex."""
        known = self.current.get(number)
        is_again = number == 1 and known is not None and known.outcome is not Outcome.UNFINISHED
        if known is not None and known.name == name and not is_again:
            return
        if known is not None:  # the next build has begun
            self.current = {}
        self.current[number] = _Vertex(name)
        self.all.append(self.current[number])


def read_build(lines: Iterable[str]) -> BuildLog | None:
    """Read a log line by line; None when nothing was built in it. Colours, `\\r` and prefixes do not matter."""
    builds = _Builds()
    for number, rest in _vertex_lines(lines):
        if name := _NAME.match(rest):
            builds.name(number, name[0])
        elif number in builds.current:
            _tell(builds.current[number], rest)
    return _summary(builds.all) if builds.all else None


def _vertex_lines(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    for text in lines:
        if "#" not in text:
            continue
        # `\r` goes back to the beginning of the line: what follows is another one.
        for part in text.split("\r"):
            match = _LINE.match(_ANSI.sub("", part))
            if match:
                yield int(match["vertex"]), match["rest"].strip()


def _tell(vertex: _Vertex, rest: str) -> None:
    """Take note of what a later line says of a vertex."""
    if _OUTPUT.match(rest):
        vertex.has_output = True
    elif done := _DONE.fullmatch(rest):
        vertex.outcome = Outcome.DONE
        vertex.seconds += float(done["seconds"] or 0)
    elif rest == "CACHED":
        vertex.outcome, vertex.has_hit = Outcome.DONE, True
    elif rest.startswith("extracting sha256:"):
        vertex.is_fetched = True
    elif rest.startswith(("ERROR", "CANCELED")):
        vertex.outcome = Outcome.FAILED
        vertex.reason = rest.removeprefix("ERROR").lstrip(": ")


def _summary(vertices: list[_Vertex]) -> BuildLog:
    steps = [vertex for vertex in vertices if (step := _STEP.match(vertex.name)) and step["instruction"] != "FROM"]
    return BuildLog(
        imports=_transfers(vertices, _IMPORT),
        exports=_transfers(vertices, _EXPORT),
        steps=len(steps),
        cached=sum(step.is_cached for step in steps),
        seconds=sum(step.seconds for step in steps if not step.is_cached),
    )


def _transfers(vertices: list[_Vertex], pattern: re.Pattern[str]) -> tuple[Transfer, ...]:
    found = []
    for vertex in vertices:
        if match := pattern.match(vertex.name):
            found.append(Transfer(match.groupdict().get("reference") or "", vertex.outcome, vertex.reason))
    return tuple(found)
