"""The diff of one file, in the form that git writes and `git apply` reads."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from codemods.engine.report.mask import mask_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CONTEXT = 3
# Above this product of line counts, a region without a unique line is shown as replaced: difflib would take minutes.
COMPARABLE = 250_000
MAX_DEPTH = 1_000


def unified_diff(path: str, old: str, new: str, old_exists: bool = True, new_exists: bool = True) -> str:
    """The diff from `old` to `new`, both as they stand in the file (BOM, line ends); empty when they are the same.

    `path` is relative to the repository. Values that look like secrets are masked, so a diff that shows one cannot
    be applied; every other diff can, byte for byte.
    """
    if old == new and old_exists == new_exists:
        return ""
    header = f"diff --git {_quoted('a/' + path)} {_quoted('b/' + path)}\n"
    if old_exists != new_exists:
        header += "new file mode 100644\n" if new_exists else "deleted file mode 100644\n"
    if old == new:
        return header
    header += f"--- {_header_name('a/' + path) if old_exists else '/dev/null'}\n"
    header += f"+++ {_header_name('b/' + path) if new_exists else '/dev/null'}\n"
    old_lines, new_lines = split_lines(old), split_lines(new)
    spans = changed_lines(old_lines, new_lines)
    shown_old, shown_new = split_lines(mask_secrets(old)), split_lines(mask_secrets(new))
    return header + "".join(_hunk(group, shown_old, shown_new) for group in _groups(spans))


class Span(NamedTuple):
    """Old lines that new lines take the place of; both ranges exclude their end."""

    old_start: int
    old_end: int
    new_start: int
    new_end: int


def changed_lines(old: Sequence[str], new: Sequence[str]) -> list[Span]:
    """Where two texts differ, each place as a reader would name it."""
    return list(_settled(list(_spans(old, new)), old, new))


def split_lines(text: str) -> list[str]:
    """Split after every `\\n`, the only line end that git knows."""
    *whole, rest = text.split("\n")
    lines = [line + "\n" for line in whole]
    return [*lines, rest] if rest else lines


def _spans(old: Sequence[str], new: Sequence[str]) -> Iterator[Span]:
    """Where the texts differ: between lines that occur once in both, difflib looks at what is left."""
    region = _trimmed(old, new, Span(0, len(old), 0, len(new)))
    old_start, new_start = region.old_start, region.new_start
    for old_end, new_end in [*_anchors(old, new, region), (region.old_end, region.new_end)]:
        gap = _trimmed(old, new, Span(old_start, old_end, new_start, new_end))
        yield from _compare(old, new, gap)
        old_start, new_start = old_end + 1, new_end + 1


def _trimmed(old: Sequence[str], new: Sequence[str], span: Span) -> Span:
    old_start, old_end, new_start, new_end = span
    while old_start < old_end and new_start < new_end and old[old_start] == new[new_start]:
        old_start, new_start = old_start + 1, new_start + 1
    while old_start < old_end and new_start < new_end and old[old_end - 1] == new[new_end - 1]:
        old_end, new_end = old_end - 1, new_end - 1
    return Span(old_start, old_end, new_start, new_end)


def _anchors(old: Sequence[str], new: Sequence[str], region: Span) -> list[tuple[int, int]]:
    """Lines that occur once in either region, as many as both have in the same order."""
    old_lines, new_lines = old[region.old_start : region.old_end], new[region.new_start : region.new_end]
    old_counts, new_counts = Counter(old_lines), Counter(new_lines)
    new_places = {line: index for index, line in enumerate(new_lines, region.new_start)}
    pairs = [
        (index, new_places[line])
        for index, line in enumerate(old_lines, region.old_start)
        if old_counts[line] == 1 == new_counts[line]
    ]
    return _longest_rise(pairs)


def _longest_rise(pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The longest run of pairs (sorted by their first number) whose second numbers rise too."""
    # For every length: the smallest last number a run of it can have, and the pair that gives it.
    ends: list[int] = []
    last_pairs: list[int] = []
    before: list[int | None] = []
    for index, (_, number) in enumerate(pairs):
        length = bisect_left(ends, number)
        before.append(last_pairs[length - 1] if length else None)
        if length == len(ends):
            ends.append(number)
            last_pairs.append(index)
        else:
            ends[length], last_pairs[length] = number, index
    run = []
    last = last_pairs[-1] if last_pairs else None
    while last is not None:
        run.append(pairs[last])
        last = before[last]
    return run[::-1]


def _compare(old: Sequence[str], new: Sequence[str], gap: Span) -> Iterator[Span]:
    old_size, new_size = gap.old_end - gap.old_start, gap.new_end - gap.new_start
    if not old_size or not new_size or old_size * new_size > COMPARABLE:
        if old_size or new_size:
            yield gap
        return
    from difflib import SequenceMatcher

    old_lines, new_lines = old[gap.old_start : gap.old_end], new[gap.new_start : gap.new_end]
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, old_lines, new_lines, autojunk=False).get_opcodes():
        if tag != "equal":
            yield Span(gap.old_start + i1, gap.old_start + i2, gap.new_start + j1, gap.new_start + j2)


def _settled(spans: Sequence[Span], old: Sequence[str], new: Sequence[str]) -> Iterator[Span]:
    """Move what was only added or only removed to where a reader sees it begin.

    A block that ends like the text before it, or begins like the text after it, has several places that mean the
    same: the least indented one is taken, and the lowest of these.
    """
    floor = 0
    for index, span in enumerate(spans):
        ceiling = spans[index + 1].old_start - 1 if index + 1 < len(spans) else len(old)
        if span.old_start == span.old_end:
            shift = _best_shift(new, span.new_start, span.new_end, floor - span.old_start, ceiling - span.old_end)
        elif span.new_start == span.new_end:
            shift = _best_shift(old, span.old_start, span.old_end, floor - span.old_start, ceiling - span.old_end)
        else:
            shift = 0
        yield Span(*(place + shift for place in span))
        floor = span.old_end + shift + 1


def _best_shift(lines: Sequence[str], start: int, end: int, lowest: int, highest: int) -> int:
    """By how many lines to move the block, at least `lowest` (negative: up) and at most `highest`."""
    shift = 0
    while shift < highest and lines[start + shift] == lines[end + shift]:
        shift += 1
    best, best_depth = shift, _depth(lines, start + shift, end + shift)
    while shift > lowest and lines[start + shift - 1] == lines[end + shift - 1]:
        shift -= 1
        depth = _depth(lines, start + shift, end + shift)
        if depth < best_depth:
            best, best_depth = shift, depth
    return best


def _depth(lines: Sequence[str], start: int, end: int) -> int:
    """Indentation of the line that a block begins with; one that only closes brackets begins nothing."""
    first = next((lines[index] for index in range(start, end) if lines[index].strip()), "}")
    return MAX_DEPTH if first.lstrip()[0] in "}])" else len(first) - len(first.lstrip())


def _groups(spans: Sequence[Span]) -> Iterator[list[Span]]:
    """Spans whose context would touch share a hunk."""
    group = [spans[0]]
    for span in spans[1:]:
        if span.old_start - group[-1].old_end > 2 * CONTEXT:
            yield group
            group = []
        group.append(span)
    yield group


def _hunk(group: Sequence[Span], old: Sequence[str], new: Sequence[str]) -> str:
    before = min(CONTEXT, group[0].old_start)
    after = min(CONTEXT, len(old) - group[-1].old_end)
    old_start, old_end = group[0].old_start - before, group[-1].old_end + after
    new_start, new_end = group[0].new_start - before, group[-1].new_end + after
    lines = []
    position = old_start
    for span in group:
        lines += [" " + line for line in old[position : span.old_start]]
        lines += ["-" + line for line in old[span.old_start : span.old_end]]
        lines += ["+" + line for line in new[span.new_start : span.new_end]]
        position = span.old_end
    lines += [" " + line for line in old[position:old_end]]
    body = "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)
    return f"@@ -{_range(old_start, old_end)} +{_range(new_start, new_end)} @@\n{body}"


def _range(start: int, end: int) -> str:
    """An empty range is named by the line before it, a range of one line needs no length."""
    if end - start == 1:
        return str(end)
    return f"{start + 1 if end > start else start},{end - start}"


def _header_name(name: str) -> str:
    quoted = _quoted(name)
    # A name with a space ends with a tab, or readers would take its rest for a time stamp.
    return quoted + "\t" if quoted == name and " " in name else quoted


def _quoted(name: str) -> str:
    escaped = "".join(_ESCAPES.get(character, character) for character in name)
    return name if escaped == name else f'"{escaped}"'


_ESCAPES = {chr(code): f"\\{code:03o}" for code in (*range(32), 127)}
_ESCAPES |= {'"': '\\"', "\\": "\\\\", "\a": "\\a", "\b": "\\b", "\t": "\\t", "\n": "\\n"}
_ESCAPES |= {"\v": "\\v", "\f": "\\f", "\r": "\\r"}
