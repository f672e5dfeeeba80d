"""The walk through a registry: tags, manifests, what an index lists, configurations and layers. Standard library only.

It asks each source the same questions, a registry over HTTP or a storage directory, and reports what is named and not
there, or not whole, with the tags that suffer. What no tag leads to is no damage. Evidence: facts 11-16, 25.
"""

from __future__ import annotations

import random
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Protocol, TypeVar

from codemods.registry.manifest import Broken, Descriptor, Manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future

WORKERS = 8
BATCH = 32
"""Repositories that are walked together: many small ones keep all workers busy, and memory stays bounded."""

AHEAD = 4 * WORKERS

Item = TypeVar("Item")
Found = TypeVar("Found")


class Source(Protocol):
    """Where a registry's content is read; `Broken` is raised for what is not there or not whole."""

    def repositories(self) -> Iterator[str]:
        """All repositories."""

    def tags(self, repository: str) -> list[str]:
        """The tags of one."""

    def manifest(self, repository: str, reference: str) -> Manifest:
        """A manifest by tag or digest."""

    def blob_size(self, repository: str, digest: str) -> int | None:
        """The size of a blob in bytes, where it is known."""

    def read_blob(self, repository: str, blob: Descriptor) -> None:
        """Read a whole blob and compare it with its digest."""


@dataclass(frozen=True, slots=True)
class Damage:
    """Something that tags of a repository need and do not get."""

    repository: str
    tags: tuple[str, ...]
    reason: str


@dataclass
class Counts:
    """What a walk has seen; `size` is in bytes, each blob counted once in each repository."""

    repositories: int = 0
    tags: int = 0
    manifests: int = 0
    blobs: int = 0
    size: int = 0
    read: int = 0


@dataclass
class _Repository:
    """The part of one repository that tags lead to. `needed_by` leads from a digest to the tags and manifests above."""

    name: str
    tags: dict[str, str] = field(default_factory=dict)
    manifests: set[str] = field(default_factory=set)
    blobs: dict[str, Descriptor] = field(default_factory=dict)
    needed_by: dict[str, set[str]] = field(default_factory=dict)

    def add(self, manifest: Manifest) -> list[str]:
        """Take in a manifest; returns the digests of its children that are new."""
        self.manifests.add(manifest.digest)
        for blob in manifest.blobs:
            self.blobs.setdefault(blob.digest, blob)
        new = [child.digest for child in manifest.children if child.digest not in self.needed_by]
        for needed in (*manifest.children, *manifest.blobs):
            self.needed_by.setdefault(needed.digest, set()).add(manifest.digest)
        return [digest for digest in dict.fromkeys(new) if digest not in self.manifests]

    def tags_of(self, digest: str) -> tuple[str, ...]:
        """All tags that need what a digest names."""
        above, waiting = {digest}, [digest]
        while waiting:
            for parent in self.needed_by.get(waiting.pop(), ()):
                if parent not in above:
                    above.add(parent)
                    waiting.append(parent)
        return tuple(tag for tag, root in self.tags.items() if root in above)


class Walk:
    """One walk over `source`; `counts` grow with it. `sample` blobs, chosen by chance, are read whole at the end.

    `show` is told how many things have been looked at, and of how many known so far.
    """

    def __init__(
        self, source: Source, *, sample: int = 0, show: Callable[[int, int], object] = lambda done, total: None
    ) -> None:
        self.source = source
        self.sample = sample
        self.show = show
        self.counts = Counts()
        self._done = self._known = 0
        self._chosen: list[tuple[str, Descriptor, tuple[str, ...]]] = []

    def damage(self) -> Iterator[Damage]:
        """Walk, and yield each damage when its batch of repositories is done."""
        with ThreadPoolExecutor(WORKERS) as pool:
            self._pool = pool
            names = self.source.repositories()
            while batch := list(islice(names, BATCH)):
                repositories = [_Repository(name) for name in batch]
                yield from self._manifests(repositories)
                yield from self._blobs(repositories)
            yield from self._read_sample()

    def _manifests(self, repositories: list[_Repository]) -> Iterator[Damage]:
        """Read all manifests that tags lead to, level by level."""
        level = []
        for repository, tags in self._ask(repositories, lambda it: self.source.tags(it.name)):
            if isinstance(tags, Broken):
                yield Damage(repository.name, (), f"its tags cannot be listed: {tags}")
                continue
            self.counts.repositories += 1
            self.counts.tags += len(tags)
            level += [(repository, tag) for tag in tags]
        found = self._ask(level, lambda it: self.source.manifest(it[0].name, it[1]))
        below: list[tuple[_Repository, str]] = []
        for (repository, tag), manifest in found:
            if isinstance(manifest, Broken):
                yield Damage(repository.name, (tag,), str(manifest))
                continue
            repository.tags[tag] = manifest.digest
            if manifest.digest not in repository.manifests:
                below += [(repository, digest) for digest in repository.add(manifest)]
        yield from self._children(below)
        self.counts.manifests += sum(len(repository.manifests) for repository in repositories)

    def _children(self, level: list[tuple[_Repository, str]]) -> Iterator[Damage]:
        lost = []
        while level:
            # A child may have turned up as a tag's own manifest meanwhile.
            level = [(repository, digest) for repository, digest in level if digest not in repository.manifests]
            below: list[tuple[_Repository, str]] = []
            for (repository, digest), manifest in self._ask(level, lambda it: self.source.manifest(it[0].name, it[1])):
                if isinstance(manifest, Broken):
                    lost.append((repository, digest, f"{digest}, which an index lists: {manifest}"))
                else:
                    below += [(repository, child) for child in repository.add(manifest)]
            level = below
        # Only now is it known who needs what.
        for repository, digest, reason in lost:
            yield Damage(repository.name, repository.tags_of(digest), reason)

    def _blobs(self, repositories: list[_Repository]) -> Iterator[Damage]:
        """Ask for every blob once in each repository."""
        blobs = [(repository, blob) for repository in repositories for blob in repository.blobs.values()]
        for (repository, blob), size in self._ask(blobs, lambda it: self.source.blob_size(it[0].name, it[1].digest)):
            self.counts.blobs += 1
            self.counts.size += blob.size
            if isinstance(size, Broken) or size not in (None, blob.size):
                reason = size if isinstance(size, Broken) else f"the blob has {size} of {blob.size} bytes"
                yield Damage(repository.name, repository.tags_of(blob.digest), f"{blob.digest}: {reason}")
            elif self.sample:
                self._choose(repository, blob)

    def _choose(self, repository: _Repository, blob: Descriptor) -> None:
        """Keep each blob of a sequence of unknown length with the same chance (reservoir sampling)."""
        place = len(self._chosen)
        if place == self.sample:
            place = random.randrange(self.counts.blobs)
            if place >= self.sample:
                return
        self._chosen[place : place + 1] = [(repository.name, blob, repository.tags_of(blob.digest))]

    def _read_sample(self) -> Iterator[Damage]:
        for (repository, blob, tags), broken in self._ask(self._chosen, lambda it: self.source.read_blob(it[0], it[1])):
            self.counts.read += 1
            if isinstance(broken, Broken):
                yield Damage(repository, tags, f"{blob.digest}: {broken}")

    def _ask(self, items: Iterable[Item], question: Callable[[Item], Found]) -> Iterator[tuple[Item, Found | Broken]]:
        """Ask about all items, several at a time, a few ahead of who takes the answers; in the items' order."""
        items = list(items)
        self._known += len(items)
        pending: deque[tuple[Item, Future[Found | Broken]]] = deque()
        for item in items:
            pending.append((item, self._pool.submit(_answer, question, item)))
            if len(pending) > AHEAD:
                yield self._first(pending)
        while pending:
            yield self._first(pending)

    def _first(self, pending: deque[tuple[Item, Future[Found | Broken]]]) -> tuple[Item, Found | Broken]:
        item, future = pending.popleft()
        answer = future.result()
        self._done += 1
        self.show(self._done, self._known)
        return item, answer


def _answer(question: Callable[[Item], Found], item: Item) -> Found | Broken:
    try:
        return question(item)
    except Broken as broken:
        return broken
