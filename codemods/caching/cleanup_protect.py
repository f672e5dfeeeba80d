"""Keep the cache tag, and age tags by their last push.

A push of a tag that is there already replaces the file `current/link` below the tag's directory and leaves the
directory's own time alone. A script that ages tags by their directories therefore takes the tags that every build
pushes again, the cache tag and `latest`, for the oldest, and removes exactly those. Profile `verified` lets it read
the time of `current/link`, and leaves the cache tag, and cache tags of single platforms (`buildcache-amd64`), alone.

Not for: profile `as-written` (the plan leaves the script as it is); scripts that do both in their own way; shell
scripts, and Python whose ages or removals are not recognised without doubt, which are refused by name.

Evidence: the live test tests/live/test_cleanup.py with docker-registry 2.8.2; facts 13, 16.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from codemods.caching.cleanup_check import is_shell
from codemods.engine.edits import Edit
from codemods.engine.model import Finding, Impact, Outcome, Refusal, Role, rule
from codemods.errors import CannotEdit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codemods.engine.context import Context
    from codemods.engine.difference import Path
    from codemods.facts.cleanup import CleanupFacts
    from codemods.repository import Document

Found = TypeVar("Found")
LAST_PUSHED = '''\
def {name}(tag_dir):
    """When the tag was last pushed; a push of the same tag leaves the time of its directory alone."""
    try:
        return os.path.getmtime(os.path.join(tag_dir, "current", "link"))
    except OSError:  # no link yet: the first push is under way
        return os.path.getmtime(tag_dir)
'''
IS_CACHE_TAG = '''\
def {name}(tag):
    """Whether the tag, given by name or directory, is build cache, which is never removed."""
    tag = os.path.basename(os.path.normpath(tag))
    return tag == "{cache_tag}" or tag.startswith("{cache_tag}-")
'''


@dataclass(frozen=True)
class _Part:
    """One half of the finding: an edit, the function that it needs, and what is wrong without them."""

    edit: Edit
    writes: tuple[Path, ...]
    function: str
    message: str
    place: tuple[int, int]


_LATER = "; or --skip cleanup-protect-cache-tag, and see to it later"


@rule("cleanup-protect-cache-tag", Role.CLEANUP, impact=Impact.NONE, since="0.1.0", task="10")
def check(context: Context, document: Document) -> Iterator[Outcome]:
    """Yield one finding with the edits that the script lacks."""
    if not context.settings.verified or not document.exists:
        return
    cache_tag = context.settings.registry.cache_tag
    if is_shell(document.text):
        advice = f"let it age a tag by its current/link, and never remove {cache_tag} and {cache_tag}-*{_LATER}"
        yield Refusal(0, "the cleanup script is a shell script; only Python is edited", advice)
        return
    from codemods.facts.cleanup import read_cleanup

    facts = read_cleanup(document.python)
    aged, kept = bool(facts.link_ages) and not facts.tag_ages, facts.names(cache_tag)
    try:
        if not (aged and kept):
            yield _finding(facts, cache_tag, aged, kept)
    except CannotEdit as error:
        yield Refusal(error.offset, error.reason, _by_hand(cache_tag))


def _by_hand(cache_tag: str) -> str:
    return (
        'by hand: take os.path.getmtime(os.path.join(tag_dir, "current", "link")) as the age of a tag, and before it '
        f'is removed: if tag == "{cache_tag}" or tag.startswith("{cache_tag}-"): continue{_LATER}'
    )


def _finding(facts: CleanupFacts, cache_tag: str, aged: bool, kept: bool) -> Finding:
    """The edits for what is missing. Raises CannotEdit."""
    parts = [] if aged else [_age(facts)]
    parts += [] if kept else [_guard(facts, cache_tag)]
    edits = [part.edit for part in parts] + [facts.file.insert_functions([part.function for part in parts])]
    writes = [path for part in parts for path in part.writes]
    if missing := facts.file.insert_import("os"):
        edits.append(missing)
        writes.append(("import os",))
    message = "; ".join(part.message for part in parts)
    return Finding(*parts[0].place, message, tuple(edits), tuple(writes))


def _age(facts: CleanupFacts) -> _Part:
    """`os.path.getmtime(path)` becomes `last_pushed(path)`, and so do the other forms."""
    file, age = facts.file, _only(facts.tag_ages, "read the age of a tag's directory")
    name, place = file.free_name("last_pushed"), file.span(age.node)
    if age.getmtime is not None:
        edit = Edit(*file.span(age.getmtime), name)
    else:
        edit = Edit(*place, f"{name}({file.source(age.path)})")
    message = "tags are aged by their directories, whose time a new push does not touch"
    return _Part(edit, (file.path_at(place[0]), (f"def {name}",)), LAST_PUSHED.format(name=name), message, place)


def _guard(facts: CleanupFacts, cache_tag: str) -> _Part:
    """The loop that removes tags continues with the next one at a cache tag."""
    file, removal = facts.file, _only(facts.removals, "remove a tag's directory")
    name, place = file.free_name("is_cache_tag"), file.span(removal.call)
    edit, path = file.insert_first(facts.decision(removal), f"if {name}({file.source(removal.tag)}):\n    continue\n")
    function = IS_CACHE_TAG.format(name=name, cache_tag=cache_tag)
    message = f"nothing keeps the tag {cache_tag} from being removed"
    return _Part(edit, (path, (f"def {name}",)), function, message, place)


def _only(found: list[Found], does: str) -> Found:
    if len(found) != 1:
        raise CannotEdit(f"{len(found) or 'no'} places were found that {does}, not one", "")
    return found[0]
