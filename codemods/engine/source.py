"""A document as its format reads it, for what needs no knowledge of that format: its comments, and names of places."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from codemods.engine.model import Role
from codemods.errors import CannotEdit, ParseError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from codemods.engine.difference import Path
    from codemods.formats.comments import Comment
    from codemods.repository import Document


class Source(Protocol):
    """What every format's file has."""

    @property
    def comments(self) -> Sequence[Comment]:
        """Its comments, in the order of the text."""

    def names_at(self, offset: int) -> Path:
        """The names of the things around an offset, outermost first; no number that other lines could shift."""


def source_of(role: Role, document: Document) -> Source | None:
    """The document read as its role says; None when it cannot be."""
    try:
        match role:
            case Role.NGINX:
                return document.nginx
            case Role.TERRAFORM:
                return document.hcl
            case Role.CLEANUP | Role.COLLECTOR:
                return document.python
            case _:
                return document.yaml
    except (ParseError, CannotEdit):
        return None
