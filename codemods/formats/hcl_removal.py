"""Taking elements out of HCL lists: the way back from what `hcl_edits` inserts."""

from __future__ import annotations

from collections.abc import Collection

from codemods.engine.edits import Edit
from codemods.formats.hcl import HclFile, List
from codemods.formats.hcl_edits import remove_element


def remove_elements(file: HclFile, values: List, indexes: Collection[int], comments: Collection[str]) -> list[Edit]:
    """Take elements out, each with the line above it when that is one of the comments `comments`, sign aside.

    A last element that had no comma behind it leaves none. Raises CannotEdit as `remove_element` does.
    """
    edits = [remove_element(file, values, index, comment=_comment(file, values, index, comments)) for index in indexes]
    left = [index for index in range(len(values.children)) if index not in indexes]
    comma = values.commas[left[-1]] if left else None
    is_last = bool(left) and left[-1] < len(values.children) - 1 and values.commas[-1] is None
    if comma is not None and is_last and not any(edit.start <= comma < edit.end for edit in edits):
        edits.append(Edit(comma, comma + 1, ""))
    return edits


def _comment(file: HclFile, values: List, index: int, comments: Collection[str]) -> str:
    above = file.comments_above(values.children[index].start)
    text = above[-1].text if above else ""
    return text if text.lstrip("#/ ") in comments else ""
