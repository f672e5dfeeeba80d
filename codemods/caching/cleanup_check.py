"""Check that the cleanup script walks every registry.

The plan relies on it: the script lists the directories below the data directory, so a new registry is cleaned without
a change. A script that names its registries, or leaves some out, would let the private registry grow for ever; it is
reported, and left to its owner.

Not for: shell scripts, which are not read.

Evidence: the plan's Task 10; facts 4 (nothing else bounds what the registry keeps).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from codemods.engine.model import Finding, Impact, Note, Outcome, Refusal, Role, rule
from codemods.errors import CannotEdit, ParseError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codemods.engine.context import Context
    from codemods.repository import Document

_SHELL = re.compile(r"#!.*?\b(?:ba|da|a|z|k)?sh\b")


def is_shell(text: str) -> bool:
    """Whether a script's first line names a shell."""
    return _SHELL.match(text) is not None


@rule("cleanup-require-all-registries", Role.CLEANUP, impact=Impact.NONE, since="0.1.0", task="10")
def check(context: Context, document: Document) -> Iterator[Outcome]:
    """Yield a finding when the script leaves our registry out, a refusal when that cannot be told."""
    if not document.exists:
        return
    name = context.settings.registry.name
    if is_shell(document.text):
        yield Note(f"{document.path} is a shell script and was not read: see that it cleans {name} too")
        return
    from codemods.facts.cleanup import read_cleanup
    from codemods.facts.cleanup_walk import Registries, find_walk

    roots, siblings = _data_directories(context, name)
    walk = find_walk(read_cleanup(document.python), Registries(roots, siblings, name))
    if walk is None:
        yield Refusal(
            0,
            "how the script finds the registries was not recognised",
            f"see that it walks {min(roots)}/{name} too, for example with: for registry in os.listdir(BASE)",
        )
    elif walk.leaves_out:
        message = f"the script {walk.leaves_out}: {name} would grow for ever; walk all directories, or add {name}"
        yield Finding(*document.python.span(walk.node), message)


def _data_directories(context: Context, name: str) -> tuple[frozenset[str], frozenset[str]]:
    """The directories that hold one directory per registry, and the names of the other registries."""
    try:
        registries = context.compose.registries if context.compose else ()
    except (ParseError, CannotEdit):  # the compose file's own report says so
        registries = ()
    places = {place.rpartition("/")[::2] for registry in registries if (place := registry.data_directory)}
    roots = {root for root, _ in places if root} | {f"{context.stack.directory}/data"}
    return frozenset(roots), frozenset(last for _, last in places) - {name}
