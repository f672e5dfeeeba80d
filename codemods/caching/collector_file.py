"""Add the script that collects the private registry's garbage, and keeps it within its size.

Distribution's own collection either loses images (`-m`, on a running registry) or frees nothing of what was
overwritten (without `-m`), and nothing bounds the disk. The script stops the registry, takes out the manifests that no
tag leads to, lets the registry's collection free the rest, and starts the registry again, whatever happens. When the
registry is larger than `registry.storage`, tags go: the oldest build caches first.

A script of an earlier version is replaced. Without Terraform, which deploys it, nothing is added.

Not for: profile `as-written`, which collects as the plan does; a file of that name that is not ours, which is refused.

Evidence: facts 4, 11-16; the live tests in tests/live/test_collector.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files

from codemods.engine.context import Context
from codemods.engine.edits import Edit
from codemods.engine.model import Finding, Impact, Outcome, Refusal, Role, rule
from codemods.repository import Document
from codemods.stack import COLLECTOR

OURS = "# Written by `codemod apply-caching`"
"""The line by which a version of the script is known."""


@rule("registry-add-collector", Role.COLLECTOR, impact=Impact.NONE, since="0.1.0", task="4")
def check(context: Context, document: Document) -> Iterator[Outcome]:
    """Yield the file's creation, or its replacement by the present version."""
    if not context.settings.verified or context.compose is None:
        return
    text = collector_text()
    if not document.exists:
        message = f"nothing collects the garbage of {context.settings.registry.service} without losing images"
        yield Finding(0, 0, message, (Edit(0, 0, text),), ((),))
    elif OURS not in document.text:
        advice = f"move it, and give its crontab line and its deployment another name than {COLLECTOR}"
        yield Refusal(0, "a file of the collector's name exists with other content", advice)
    elif document.text.replace("\r\n", "\n") != text:
        edit = Edit(0, len(document.text), text)
        yield Finding(0, 0, "the garbage collector is not the one of this version; it is replaced", (edit,), ((),))


def collector_text() -> str:
    """The script."""
    return files(__package__).joinpath("collect_garbage.py").read_text(encoding="utf-8")
