"""Taking one change back out of a text that has been changed by others since."""

from __future__ import annotations

from codemods.engine.edits import Edit
from codemods.engine.report.diff import Span, changed_lines, split_lines


def take_back(text: str, before: str, after: str) -> str | None:
    """`text` without the change from `before` to `after`; None where others have changed the same lines.

    A three-way merge: `after` is the ancestor of both `text` and `before`. What `text` has taken back already stays so.
    """
    if text == after:
        return before
    now, then, base = split_lines(text), split_lines(before), split_lines(after)
    theirs = changed_lines(base, now)
    result: list[str] = []
    position = 0
    for ours in changed_lines(base, then):
        meeting = [span for span in theirs if _meet(span, ours)]
        if meeting:
            if meeting == [Span(*ours[:2], *meeting[0][2:])] and _new(meeting[0], now) == _new(ours, then):
                continue
            return None
        start, end = _moved(theirs, ours.old_start, behind=True), _moved(theirs, ours.old_end, behind=False)
        result += now[position:start] + _new(ours, then)
        position = max(start, end)
    return "".join(result + now[position:])


def line_edits(old: str, new: str) -> tuple[Edit, ...]:
    """The edits, whole lines each, that make `new` of `old`."""
    old_lines, new_lines = split_lines(old), split_lines(new)
    starts = [0]
    for line in old_lines:
        starts.append(starts[-1] + len(line))
    return tuple(
        Edit(starts[span.old_start], starts[span.old_end], "".join(_new(span, new_lines)))
        for span in changed_lines(old_lines, new_lines)
    )


def _new(span: Span, lines: list[str]) -> list[str]:
    return lines[span.new_start : span.new_end]


def _meet(one: Span, other: Span) -> bool:
    """Whether two changes of one text share a line, or insert at the same place."""
    if one.old_start == one.old_end and other.old_start == other.old_end:
        return one.old_start == other.old_start
    return one.old_start < other.old_end and other.old_start < one.old_end


def _moved(theirs: list[Span], line: int, *, behind: bool) -> int:
    """Where a line of the ancestor stands now: behind what was inserted there, or before it."""
    shift = 0
    for span in theirs:
        if span.old_end < line or (span.old_end == line and (behind or span.old_start < line)):
            shift += (span.new_end - span.new_start) - (span.old_end - span.old_start)
    return line + shift


def same_line(old: str, new: str, offset: int) -> int:
    """Where the line of an offset of `old` begins in `new`."""
    old_lines, new_lines = split_lines(old), split_lines(new)
    line = _moved(changed_lines(old_lines, new_lines), old.count("\n", 0, offset), behind=True)
    return sum(map(len, new_lines[:line]))
