"""Which data paths differ between two readings of a document: the measure of what an edit means.

Every format reads a text into plain data:

* `dict`: a mapping, its path element is the key;
* `list`: a sequence, its path element is the index in the old sequence, `+` for an added item, `-` for a removed one;
* `list` of `Entry`: named things in order (nginx directives), the path element is the name,
  `name#2` for the second of that name;
* anything else: a leaf, compared with `==`.

A path is a tuple of strings: `("services", "nginx", "ports", "+")`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

Data = Any
Path = tuple[str, ...]


class Entry(NamedTuple):
    """A named element of an ordered list; `value` is its data, None for a plain directive."""

    name: str
    value: Data


def differences(old: Data, new: Data, path: Path = ()) -> Iterator[Path]:
    """Yield the deepest paths at which `new` is not `old`."""
    if old == new:
        return
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *(key for key in new if key not in old)]:
            if key in old and key in new:
                yield from differences(old[key], new[key], (*path, str(key)))
            else:
                yield (*path, str(key))
    elif isinstance(old, list) and isinstance(new, list):
        yield from _list_differences(old, new, path)
    else:
        yield path


def _list_differences(old: list[Data], new: list[Data], path: Path) -> Iterator[Path]:
    if old + new and all(isinstance(item, Entry) for item in old + new):
        yield from _entry_differences(old, new, path)
        return
    for tag, i1, i2, j1, j2 in _opcodes([repr(item) for item in old], [repr(item) for item in new]):
        paired = min(i2 - i1, j2 - j1) if tag == "replace" else 0
        for offset in range(paired):
            yield from differences(old[i1 + offset], new[j1 + offset], (*path, str(i1 + offset)))
        yield from ((*path, "-") for _ in range(i1 + paired, i2) if tag != "equal")
        yield from ((*path, "+") for _ in range(j1 + paired, j2) if tag != "equal")


def _entry_differences(old: list[Entry], new: list[Entry], path: Path) -> Iterator[Path]:
    names_old, names_new = _numbered(old), _numbered(new)
    for tag, i1, i2, j1, j2 in _opcodes([entry.name for entry in old], [entry.name for entry in new]):
        if tag == "equal":
            for offset in range(i2 - i1):
                before, after = old[i1 + offset], new[j1 + offset]
                yield from differences(before.value, after.value, (*path, names_old[i1 + offset]))
        else:
            yield from ((*path, name) for name in names_old[i1:i2])
            yield from ((*path, name) for name in names_new[j1:j2])


def _opcodes(old: list[str], new: list[str]) -> list[tuple[str, int, int, int, int]]:
    """Opcodes that keep what both ends share: among equal items SequenceMatcher alone may match the wrong ones."""
    from difflib import SequenceMatcher

    shorter = min(len(old), len(new))
    head = next((i for i in range(shorter) if old[i] != new[i]), shorter)
    tail = next((i for i in range(shorter - head) if old[-1 - i] != new[-1 - i]), shorter - head)
    end_old, end_new = len(old) - tail, len(new) - tail
    middle = SequenceMatcher(None, old[head:end_old], new[head:end_new], autojunk=False).get_opcodes()
    return [
        ("equal", 0, head, 0, head),
        *((tag, i1 + head, i2 + head, j1 + head, j2 + head) for tag, i1, i2, j1, j2 in middle),
        ("equal", end_old, len(old), end_new, len(new)),
    ]


def _numbered(entries: list[Entry]) -> list[str]:
    seen: Counter[str] = Counter()
    names = []
    for entry in entries:
        seen[entry.name] += 1
        names.append(entry.name if seen[entry.name] == 1 else f"{entry.name}#{seen[entry.name]}")
    return names
