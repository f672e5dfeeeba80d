"""Whether a text that was taken back has lost what the recipe writes, and nothing else.

The engine proves that an edit changes the data which its rule declares. Here the edit comes from git, and a commit
may hold more than the recipe's work: a squash does. So every change of data must be at a place that the recipe's rule
for this kind of file writes, as the commits changed it, and every comment that goes must be about the registry.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from codemods.caching.cleanup_protect import LAST_PUSHED
from codemods.engine.difference import Data, Path, differences
from codemods.engine.model import Role
from codemods.engine.source import source_of
from codemods.engine.verify import reading
from codemods.errors import ParseError
from codemods.facts.pipelines import normal_key
from codemods.repository import Document

if TYPE_CHECKING:
    from codemods.engine.context import Context
    from codemods.settings import RegistrySettings

_STEP_KEYS = {"image", "repo", "logins", "cache_from", "cache_to", "buildkit_config"}
_WORKFLOW_KEYS = {"steps", "pipeline", "when", "clone", "services", "workspace", "matrix", "labels", "depends_on"}
_PLACE = re.compile(r"\d+|\+|-")


def written_paths(context: Context, role: Role, old: Document, new: Document) -> tuple[Path, ...] | None:
    """The data paths in which two documents differ; None when the recipe does not write one of them, or a comment."""
    try:
        changed = tuple(differences(_data(role, old), _data(role, new)))
    except ParseError:
        return None
    if not all(_may_write(context, role, path) for path in changed):
        return None
    return changed if role in (Role.CONFIG, Role.COLLECTOR) or _keeps_comments(context, role, old, new) else None


def shapes(changed: Iterable[Path]) -> set[Path]:
    """Data paths with positions in lists left out: others may have shifted them."""
    return {tuple("*" if _PLACE.fullmatch(name) else name for name in path) for path in changed}


def changed_shapes(role: Role, old: str | None, new: str | None) -> set[Path]:
    """Where two texts differ in their data; nowhere when one of them cannot be read. None is no file."""
    documents = [Document("", text or "", exists=text is not None) for text in (old, new)]
    try:
        return shapes(differences(*(_data(role, document) for document in documents)))
    except ParseError:
        return set()


def _data(role: Role, document: Document) -> Data:
    return reading(role, document) if document.exists else None


def _may_write(context: Context, role: Role, path: Path) -> bool:
    """Whether the recipe's rule for this kind of file changes this place; a file as a whole where it makes it."""
    return any(_writes_for(context, registry, role, path) for registry in context.settings.registries)


def _writes_for(context: Context, registry: RegistrySettings, role: Role, path: Path) -> bool:
    match role:
        case Role.COMPOSE:
            section, service, *rest = (*path, "", "")
            front = context.compose.nginx if context.compose else None
            is_front = front is not None and service == front.name and rest[0] in ("ports", "depends_on", "volumes")
            return section == "services" and (service == registry.service or is_front)
        case Role.NGINX:
            server = re.compile(rf"server \(.*\blisten (?:\S+:)?{registry.port}\b")
            return any(name == f"upstream {registry.name}" or server.match(name) for name in path)
        case Role.TERRAFORM:
            attribute = context.terraform.attribute if context.terraform else None
            in_list = attribute is not None and path[: len(attribute.path)] == attribute.path
            return in_list or path[:1] == (f"variable.{registry.users_variable}",)
        case Role.PIPELINE:
            # What steps share stands under a key of its own, `variables` or any other that is none of a workflow.
            return any(normal_key(name) in _STEP_KEYS for name in path) or _WORKFLOW_KEYS.isdisjoint(path[:1])
    return True


def _keeps_comments(context: Context, role: Role, old: Document, new: Document) -> bool:
    """Whether every comment that goes is about the registry, a ruler, or still there: the recipe copies some."""
    before, after = source_of(role, old), source_of(role, new)
    if before is None or after is None:
        return False
    left = Counter(comment.text for comment in after.comments)
    gone = Counter(comment.text for comment in before.comments) - left
    return all(text in left or text in LAST_PUSHED or is_about_us(context, text) for text in gone)


def is_about_us(context: Context, comment: str) -> bool:
    """Whether a comment names the registry, or says nothing."""
    text = comment.lower()
    own = [(registry.name, registry.hostname, str(registry.port)) for registry in context.settings.registries]
    names = {"registry garbage collector", *(name.lower() for names in own for name in names if name)}
    return not re.search(r"\w", text) or any(name in text for name in names)
