"""What commits with a certain trailer did to the files: their texts before and after.

Commits are known by a line of their message (`Codemod: apply-caching RULE`), so a rebase, a cherry-pick and a squash
that keeps the messages are no hindrance. What a shallow clone has cut off is not known, and that is known.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from codemods.errors import CodemodError
from codemods.repository import Document, decode, git

_LOG = (
    *("-c", "log.showSignature=false", "log", "--topo-order", "--no-merges", "--relative"),
    *("--raw", "-z", "--no-abbrev", "--no-renames", "--extended-regexp", "--format=tformat:%x01%H %P"),
)
_LINE_END = re.compile(r"\r?\n")
_FILES = ("100644", "100755")


class Version(NamedTuple):
    """One commit's change of one file; `before` is None for a file that the commit made."""

    commit: str
    before: str | None
    after: str


@dataclass(frozen=True)
class History:
    """The changes of each file, newest first, by its path of today; `is_cut` when older commits are out of reach."""

    versions: Mapping[str, tuple[Version, ...]] = field(default_factory=dict)
    is_cut: bool = False

    def of(self, document: Document) -> tuple[Version, ...]:
        """The changes of one file, with the line ends that it has today: git may convert them."""
        return tuple(
            Version(commit, before and _ending_like(document.text, before), _ending_like(document.text, after))
            for commit, before, after in self.versions.get(document.path, ())
        )


def _ending_like(text: str, other: str) -> str:
    """The other text with this one's line ends, where each has one kind only."""
    ours, theirs = ({match[0] for match in _LINE_END.finditer(found)} for found in (text, other))
    return other.replace(theirs.pop(), ours.pop()) if len(ours) == len(theirs) == 1 else other


class _Touched(NamedTuple):
    """A file in a commit, by the path that it had then; blob ids, `before` empty for a file that was made."""

    commit: str
    path: str
    before: str
    after: str


def read_history(root: Path, trailer: str) -> History:
    """The commits reachable from HEAD with a line `trailer NAME` in their message; none where git knows nothing.

    Paths are relative to `root`, which may lie below the top of git's working tree.
    """
    try:
        touched = list(_touched(git(root, *_LOG, f"--grep=^{trailer} [a-z0-9-]+$", "HEAD")))
        is_cut = git(root, "rev-parse", "--is-shallow-repository").strip() == b"true"
        moved = _moves(root, touched)
        texts = _texts(root, touched)
    except (CodemodError, FileNotFoundError):  # no git, no repository, no commit
        return History()
    found: dict[str, list[Version]] = {}
    unknown = set()
    for one in touched:
        path = moved.get((one.commit, one.path), one.path)
        before, after = texts.get(one.before), texts.get(one.after)
        if after is None or (one.before and before is None):
            unknown.add(path)
        else:
            found.setdefault(path, []).append(Version(one.commit, before, after))
    return History({path: tuple(versions) for path, versions in found.items() if path not in unknown}, is_cut)


def _touched(log: bytes) -> Iterator[_Touched]:
    """Files made or changed, newest commit first; a commit without a parent is where the history was cut off."""
    for record in os.fsdecode(log).split("\x01")[1:]:
        head, *entries = record.split("\0")
        commit, *parents = head.split()
        for meta, path in zip(entries[::2], entries[1::2], strict=False):
            _, mode, before, after, status = meta.strip().removeprefix(":").split()
            if parents and mode in _FILES and status in ("A", "M") and "\n" not in path:
                yield _Touched(commit, path, before if status == "M" else "", after)


def _moves(root: Path, touched: Iterable[_Touched]) -> dict[tuple[str, str], str]:
    """Today's paths of files that had another name when a commit touched them."""
    moved: dict[tuple[str, str], str] = {}
    gone = dict.fromkeys(one.commit for one in touched if not os.path.lexists(root / one.path))
    for commit in gone:
        options = ("--raw", "-z", "--no-abbrev", "--find-renames", "--diff-filter=R", "--relative")
        parts = os.fsdecode(git(root, "diff", *options, commit, "--")).split("\0")
        moved.update({(commit, old): new for old, new in zip(parts[1::3], parts[2::3], strict=False)})
    return moved


def _texts(root: Path, touched: Iterable[_Touched]) -> dict[str, str]:
    """The text of every blob that can be had, as git stores it; none of those that a filter such as git-crypt wrote."""
    wanted = dict.fromkeys(blob for one in touched for blob in (one.before, one.after) if blob)
    answers = git(root, "cat-file", "--batch", given="".join(f"{blob}\n" for blob in wanted).encode())
    return dict(_blobs(answers))


def _blobs(answers: bytes) -> Iterator[tuple[str, str]]:
    position = 0
    while position < len(answers):
        end = answers.index(b"\n", position)
        blob, *rest = answers[position:end].decode().split(" ")
        position = end + 1
        if rest[:1] != ["blob"]:  # missing: a partial clone
            continue
        size = int(rest[1])
        content = answers[position : position + size]
        position += size + 1
        try:
            yield blob, decode(content)[0]
        except CodemodError:
            continue
