"""Let the cleanup script age and remove tags as it did before.

The functions that the recipe adds go, with the guard that keeps the cache tag; where they read the age of a tag, the
time of its directory is read again. A function that somebody has changed, or uses elsewhere, stays and is named.

Without history the reading becomes `os.path.getmtime(…)`, which says the same as the other forms.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from codemods.caching.cleanup_check import is_shell
from codemods.caching.cleanup_protect import IS_CACHE_TAG, LAST_PUSHED
from codemods.engine.edits import Edit, apply_edits
from codemods.engine.model import Finding, Impact, Outcome, Refusal, Role, rule
from codemods.formats.lines import begin_above, cut_lines

if TYPE_CHECKING:
    import libcst as cst

    from codemods.engine.context import Context
    from codemods.engine.difference import Path
    from codemods.formats.python import PythonFile
    from codemods.repository import Document

_OURS = re.compile(r"(?:last_pushed|is_cache_tag)(?:_\d+)?")
_IMPORT = re.compile(r"^import os\r?\n", re.MULTILINE)


@rule("cleanup-protect-cache-tag", Role.CLEANUP, impact=Impact.NONE, since="0.1.0", task="10")
def check(context: Context, document: Document) -> Iterator[Outcome]:
    """Yield one finding that takes the functions and their uses out."""
    if not document.exists or is_shell(document.text) or not _OURS.search(document.text):
        return
    import libcst as cst

    file, cache_tag = document.python, context.settings.registry.cache_tag
    edits: list[Edit] = []
    writes: list[Path] = []
    names: list[str] = []
    for function in file.find(cst.FunctionDef):
        name, (start, end) = function.name.value, file.span(function)
        if not _OURS.fullmatch(name):
            continue
        uses = _uses(file, name, cache_tag) if _is_as_written(file.source(function), name, cache_tag) else None
        if uses is None:
            reason = f"the function {name} is not as the recipe writes it, or is used for something else"
            yield Refusal(start, reason, "take it out by hand, when nothing needs it", partial=True)
            continue
        edits += [cut_lines(file.text, begin_above(file.text, start, lambda line: False), end - 1)]
        edits += [edit for edit, _ in uses]
        writes += [(f"def {name}",), *(path for _, path in uses)]
        names.append(name)
    if edits:
        edits += _import(file, edits, writes)
        yield Finding(0, 0, f"without {' and '.join(names)}", tuple(edits), tuple(dict.fromkeys(writes)))


def _is_as_written(source: str, name: str, cache_tag: str) -> bool:
    template = LAST_PUSHED if name.startswith("last_pushed") else IS_CACHE_TAG
    wanted = ast.parse(template.format(name=name, cache_tag=cache_tag)).body[0]
    return ast.dump(ast.parse(source).body[0]) == ast.dump(wanted)


def _uses(file: PythonFile, name: str, cache_tag: str) -> list[tuple[Edit, Path]] | None:
    """The edit and the data path of each use of a function; None when one is not the recipe's."""
    import libcst as cst

    found = []
    for node in file.find(cst.Name):
        parent = next(file.parents(node))
        if node.value != name or isinstance(parent, cst.FunctionDef):
            continue
        start, end = file.span(node)
        if name.startswith("last_pushed"):
            found.append((Edit(start, end, "os.path.getmtime"), file.path_at(start)))
        elif guard := _guard(file, parent):
            found.append((cut_lines(file.text, *guard), file.path_at(guard[0])))
        else:
            return None
    return found


def _guard(file: PythonFile, call: cst.CSTNode) -> tuple[int, int] | None:
    """First and last character of `if is_cache_tag(…): continue` around the call, when that is all of it."""
    import libcst as cst

    around = next(file.parents(call))
    if not (isinstance(around, cst.If) and around.test is call and around.orelse is None):
        return None
    start, end = file.span(around)
    return (start, end - 1) if file.path_at(start)[-1].startswith("continue if") else None


def _import(file: PythonFile, edits: list[Edit], writes: list[Path]) -> list[Edit]:
    """`import os`, when nothing needs it any more."""
    match = _IMPORT.search(file.text)
    if match is None or len(re.findall(r"\bos\b", apply_edits(file.text, edits))) > 1:
        return []
    writes.append(("import os",))
    return [Edit(match.start(), match.end(), "")]
