"""The words of the engine: rule, finding, refusal, note, impact, severity."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from enum import Enum, IntEnum
from typing import TYPE_CHECKING, NamedTuple

from codemods.engine.edits import Edit

if TYPE_CHECKING:
    from codemods.engine.context import Context
    from codemods.repository import Document


SUPPRESSION_MARKER = "codemod: ignore["
"""How every comment that suppresses findings begins, after its sign."""


class Severity(Enum):
    """`error` fails a check; warnings alone do not, unless `--strict`."""

    ERROR = "error"
    WARNING = "warning"


class Suppressed(Enum):
    """What keeps a finding from failing the check."""

    COMMENT = "comment"
    BASELINE = "baseline"


class Impact(IntEnum):
    """What a change does to a running installation, mildest first."""

    NONE = 0
    RELOAD = 1
    RESTART = 2
    RECREATE = 3
    REPLACE = 4
    PIPELINE = 5

    def __str__(self) -> str:
        return self.name.lower()


class Role(Enum):
    """What a file is to the stack; `SUPPRESSION` is any file with a comment that suppresses findings."""

    COMPOSE = "compose"
    NGINX = "nginx"
    TERRAFORM = "terraform"
    CONFIG = "config"
    CLEANUP = "cleanup"
    COLLECTOR = "collector"
    PIPELINE = "pipeline"
    REGISTRY = "registry"
    SUPPRESSION = "any"


class Related(NamedTuple):
    """Another place that a finding is about; offsets count characters of that file's text."""

    path: str
    start: int
    message: str


class Finding(NamedTuple):
    """What is wrong at `start`-`end` of the document, and the edits to its text that put it right.

    `writes` are the data paths that the edits change (see `codemods.engine.difference`); a prefix covers
    everything below it. Empty for edits that only touch comments. `block` is where the thing begins that the
    finding is in (a pipeline's step): a suppression there counts, too.
    """

    start: int
    end: int
    message: str
    edits: tuple[Edit, ...] = ()
    writes: tuple[tuple[str, ...], ...] = ()
    related: tuple[Related, ...] = ()
    impact: Impact | None = None
    block: int | None = None


class Refusal(NamedTuple):
    """A place that must change but will not be touched, and what the user can do about it; `block` as in Finding.

    Nothing of its group is written, unless it is `partial`: then the rest can be changed without it.
    """

    start: int
    reason: str
    advice: str
    block: int | None = None
    partial: bool = False


class Note(NamedTuple):
    """Something the user should know about the document; nothing is to be done."""

    message: str


Outcome = Finding | Refusal | Note
Check = Callable[["Context", "Document"], Iterable[Outcome]]


class Rule(NamedTuple):
    """A check of every document of one role. Its module's docstring is its documentation.

    `cross` rules need more files than their document; they run in `check` and in the hook `caching-drift`.
    """

    id: str
    role: Role
    check: Check
    severity: Severity
    impact: Impact
    since: str
    task: str = ""
    cross: bool = False

    @property
    def page(self) -> str:
        """The rule's documentation: its module's docstring."""
        from inspect import cleandoc

        return cleandoc(sys.modules[self.check.__module__].__doc__ or "")

    @property
    def title(self) -> str:
        """The first line of its page."""
        return self.page.partition("\n")[0]

    def __call__(self, context: Context, document: Document) -> Iterable[Outcome]:
        return self.check(context, document)


def rule(
    id: str,
    role: Role,
    *,
    severity: Severity = Severity.ERROR,
    impact: Impact,
    since: str,
    task: str = "",
    cross: bool = False,
) -> Callable[[Check], Rule]:
    """Turn a function of context and document into a rule."""

    def decorate(check: Check) -> Rule:
        return Rule(id, role, check, severity, impact, since, task, cross)

    return decorate
