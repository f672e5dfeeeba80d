#!/usr/bin/env python3
"""Collect a registry's garbage without losing an image, and keep the registry within a size.

The registry is stopped. What no kept tag leads to, such as the former manifests of overwritten tags, is taken out of
its repositories. Then the registry's own `garbage-collect`, without `-m`, deletes the layers that nobody needs, and the
registry is started again, whatever happened; also when this program is killed.

With --max-size the oldest build caches go first, then the oldest tags that nothing protects, until the rest fits.
A repository in which something is missing or damaged is named and left alone.

exit codes:
  0  done
  1  docker or garbage-collect failed; nothing that is needed was deleted
  2  wrong arguments
  3  a repository is damaged and was left alone; the others were collected
  4  what must be kept is larger than --max-size
  5  the registry does not come up
  6  another run, or a roll-out, is under way
"""

# Written by `codemod apply-caching`, which replaces it by newer versions. Python 3.8, standard library only.

from __future__ import annotations

import argparse
import fcntl
import fnmatch
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FAILED, DAMAGED, TOO_LARGE, DOWN, LOCKED = 1, 3, 4, 5, 6
FALLBACK_TAG = re.compile(r"sha256-[0-9a-f]{64}")
DIGEST = re.compile(r"[a-z0-9]+:[0-9a-f]{32,}")


class Failed(Exception):
    """One line for the log, and the exit code."""

    def __init__(self, message: str, code: int = FAILED) -> None:
        super().__init__(message)
        self.code = code


class Damaged(Exception):
    """A repository in which something is missing or not what its digest says."""


class Manifest(NamedTuple):
    """What a manifest names, by digest: other manifests (or, in a build cache, layers), blobs, and what it is about."""

    children: list[str]
    blobs: list[str]
    subject: str


class Tag(NamedTuple):
    """A tag; `pushed` is the time of its last push."""

    repository: Repository
    name: str
    digest: str
    pushed: float


class Storage:
    """A registry's directory: blobs, and repositories that link to them."""

    def __init__(self, data: Path) -> None:
        self.root = data / "docker/registry/v2"
        self.sizes: dict[str, int] = {}

    def blob(self, digest: str) -> Path:
        """Where a blob's bytes lie."""
        algorithm, _, value = digest.partition(":")
        return self.root / "blobs" / algorithm / value[:2] / value / "data"

    def size(self, digest: str) -> int:
        """Bytes of a blob. Raises Damaged when it is not there."""
        if digest not in self.sizes:
            try:
                self.sizes[digest] = self.blob(digest).stat().st_size
            except OSError:
                raise Damaged(f"{digest} is not there") from None
        return self.sizes[digest]

    def has(self, digest: str) -> bool:
        """Whether a blob is there."""
        return self.blob(digest).exists()

    def total(self) -> int:
        """Bytes of all blobs on the disk."""
        return sum(path.stat().st_size for path in self.root.glob("blobs/*/*/*/data"))

    def manifest(self, digest: str) -> Manifest:
        """Read a manifest. Raises Damaged."""
        try:
            data = self.blob(digest).read_bytes()
            if hashlib.new(digest.partition(":")[0], data).hexdigest() != digest.partition(":")[2]:
                raise Damaged(f"the manifest {digest} has other content than its digest says")
            return parse_manifest(json.loads(data.decode()))
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise Damaged(f"the manifest {digest} cannot be read: {error}") from None

    def repositories(self) -> Iterator[Repository]:
        """All repositories, nested ones too."""
        top = self.root / "repositories"
        for directory, names, _ in os.walk(top):
            names.sort()
            if "_manifests" in names:
                place = Path(directory)
                yield Repository(self, place.relative_to(top).as_posix(), place / "_manifests")
            names[:] = [name for name in names if not name.startswith("_")]


def parse_manifest(content: dict[str, Any]) -> Manifest:
    """Images and indexes of OCI and Docker, and images of the old schema 1. Raises like a wrong type does."""
    stored = [one for one in content.get("layers") or [] if not is_elsewhere(one)]
    stored += [content["config"]] if content.get("config") else []
    blobs = [one["digest"] for one in stored] + [one["blobSum"] for one in content.get("fsLayers") or []]
    children = [one["digest"] for one in content.get("manifests") or []]
    subject = [content["subject"]["digest"]] if content.get("subject") else []
    for digest in (*children, *blobs, *subject):
        if not DIGEST.fullmatch(digest):
            raise ValueError(f"{digest!r} is no digest")
    return Manifest(children, blobs, "".join(subject))


def is_elsewhere(layer: dict[str, Any]) -> bool:
    """Whether a layer is fetched from other servers, and may never have been pushed."""
    return bool(layer.get("urls")) or re.search("foreign|nondistributable", layer.get("mediaType", "")) is not None


class Repository:
    """The manifests and tags of one repository, what leads from one to the other, and what is damaged, if anything."""

    def __init__(self, storage: Storage, name: str, directory: Path) -> None:
        self.storage, self.name, self.directory = storage, name, directory
        self.manifests: dict[str, Manifest] = {}
        self.tags: list[Tag] = []
        self.leads_to: dict[str, set[str]] = {}
        self.damage = ""
        for digest in self.revisions():
            with self.noting_damage():
                self.manifests[digest] = self.storage.manifest(digest)
        if not self.damage:
            with self.noting_damage():
                self.tags = list(self.read_tags())
                self.link()
                self.check()

    @contextmanager
    def noting_damage(self) -> Iterator[None]:
        """Go on after damage, and keep the first."""
        try:
            yield
        except Damaged as error:
            self.damage = self.damage or f"{self.name}: {error}"

    def link(self) -> None:
        """Fill `leads_to`: from a manifest to what it lists, and to what is about it."""
        for digest, manifest in self.manifests.items():
            self.leads_to.setdefault(digest, set()).update(c for c in manifest.children if c in self.manifests)
            # A signature is needed as long as what it is about.
            self.leads_to.setdefault(manifest.subject, set()).add(digest)
        for tag in self.tags:
            if FALLBACK_TAG.fullmatch(tag.name):
                self.leads_to.setdefault(tag.name.replace("-", ":"), set()).add(tag.digest)

    def check(self) -> None:
        """Raises Damaged when something is missing that a tag needs."""
        for tag in self.roots():
            for digest in self.content(self.reach([tag])):
                self.storage.size(digest)

    def revisions(self) -> Iterator[str]:
        """The digests of the manifests that are linked here; a deleted one keeps its directory."""
        for digest, directory in digests_in(self.directory / "revisions"):
            link = directory / "link"
            if link.exists():
                with self.noting_damage():
                    if read_link(link) != digest:
                        raise Damaged(f"{link} leads elsewhere")
                yield digest

    def read_tags(self) -> Iterator[Tag]:
        """The tags with a manifest; one without is a first push that broke off."""
        for directory in listed(self.directory / "tags"):
            name, link = directory.name, directory / "current/link"
            if link.exists():
                digest = read_link(link)
                if digest not in self.manifests:
                    raise Damaged(f"the tag {name} leads to {digest}, which is not there")
                yield Tag(self, name, digest, link.stat().st_mtime)

    def roots(self) -> list[Tag]:
        """The tags that are kept for their own sake: not those that only name what is about another manifest."""
        return [tag for tag in self.tags if not FALLBACK_TAG.fullmatch(tag.name)]

    def reach(self, tags: list[Tag]) -> set[str]:
        """The manifests that tags lead to."""
        found = {tag.digest for tag in tags}
        waiting = list(found)
        while waiting:
            new = self.leads_to.get(waiting.pop(), set()) - found
            found |= new
            waiting += new
        return found

    def content(self, manifests: set[str]) -> set[str]:
        """All blobs of manifests, they themselves among them."""
        named = [self.manifests[digest] for digest in manifests]
        return manifests.union(*(one.blobs for one in named), *(one.children for one in named))


def listed(directory: Path) -> list[Path]:
    """What is in a directory; nothing when there is no such directory."""
    return sorted(directory.iterdir()) if directory.is_dir() else []


def digests_in(directory: Path) -> list[tuple[str, Path]]:
    """The digests that have a directory there, `sha256/HEX`."""
    return [(f"{kind.name}:{value.name}", value) for kind in listed(directory) for value in listed(kind)]


def read_link(path: Path) -> str:
    """The digest in a link file. Raises Damaged."""
    digest = path.read_text(errors="replace").strip()
    if not DIGEST.fullmatch(digest):
        raise Damaged(f"{path} holds no digest")
    return digest


class Plan:
    """Which tags go: those beyond the newest --keep of a repository, and what does not fit into --max-size."""

    def __init__(self, storage: Storage, options: argparse.Namespace) -> None:
        self.storage, self.options = storage, options
        found = list(storage.repositories())
        self.damaged = [one for one in found if one.damage]
        self.repositories = [one for one in found if not one.damage]
        self.removed = {tag for one in self.repositories for tag in self.beyond_keep(one)}
        # How many kept tags need a blob; a damaged repository needs all that it still knows.
        self.needed: Counter[str] = Counter()
        for repository in self.damaged:
            self.needed.update(filter(storage.has, repository.content(set(repository.manifests))))
        for tag in self.kept():
            self.needed.update(content(tag))
        self.size = sum(map(storage.size, self.needed))
        if options.max_size:
            self.fit(options.max_size)

    def kept(self) -> list[Tag]:
        """The tags that stay."""
        return [tag for repository in self.repositories for tag in self.kept_in(repository)]

    def kept_in(self, repository: Repository) -> list[Tag]:
        """Those of one repository."""
        return [tag for tag in repository.roots() if tag not in self.removed]

    def is_cache(self, tag: Tag) -> bool:
        """Whether a tag is build cache, of one platform perhaps."""
        return tag.name == self.options.cache_tag or tag.name.startswith(f"{self.options.cache_tag}-")

    def is_protected(self, tag: Tag) -> bool:
        """Whether a tag is never removed."""
        return any(fnmatch.fnmatchcase(tag.name, pattern) for pattern in self.options.protect)

    def beyond_keep(self, repository: Repository) -> list[Tag]:
        """The tags of a repository beyond its newest."""
        counted = [tag for tag in repository.roots() if not self.is_protected(tag) and not self.is_cache(tag)]
        return oldest_first(counted)[: -self.options.keep] if self.options.keep else []

    def fit(self, limit: int) -> None:
        """Remove the oldest tags until the rest fits, and only those that free something."""
        loose = [tag for tag in self.kept() if not self.is_protected(tag)]
        order = oldest_first(list(filter(self.is_cache, loose)))
        order += oldest_first([tag for tag in loose if not self.is_cache(tag)])
        going = []
        while self.size > limit and order:
            going.append(order.pop(0))
            self.count(going[-1], -1)
        for tag in reversed(going):
            if all(self.needed[digest] for digest in content(tag)):
                self.count(tag, 1)
            else:
                self.removed.add(tag)

    def count(self, tag: Tag, change: int) -> None:
        """Count the blobs of a tag in, or out."""
        for digest in content(tag):
            before = self.needed[digest] > 0
            self.needed[digest] += change
            self.size += self.storage.size(digest) * ((self.needed[digest] > 0) - before)

    def describe(self) -> Iterator[str]:
        """What is done, line by line."""
        for tag in sorted(self.removed, key=lambda tag: (tag.repository.name, tag.name)):
            yield f"remove the tag {tag.repository.name}:{tag.name}"
        for repository in self.repositories:
            dead = len(self.dead(repository))
            if dead:
                yield f"remove {dead} of {len(repository.manifests)} manifests of {repository.name}"
        for repository in self.damaged:
            yield f"leave a damaged repository alone: {repository.damage}"
        yield f"keep {len(self.kept())} tags; they need {mebibytes(self.size)}"
        if self.is_too_large():
            yield "that is more than --max-size, and all of it is protected, or damaged"

    def dead(self, repository: Repository) -> set[str]:
        """The manifests that no kept tag leads to."""
        return set(repository.manifests) - repository.reach(self.kept_in(repository))

    def paths(self) -> Iterator[Path]:
        """The directories to remove: tags before manifests, so that at no moment a tag leads to nothing."""
        for repository in self.repositories:
            dead = self.dead(repository)
            gone = {tag.name for tag in repository.tags if tag in self.removed or tag.digest in dead}
            for directory in listed(repository.directory / "tags"):
                former = [] if directory.name in gone else digests_in(directory / "index")
                yield from [directory] if directory.name in gone else []
                yield from (path for digest, path in former if digest in dead)
            yield from (path for digest, path in digests_in(repository.directory / "revisions") if digest in dead)

    def is_too_large(self) -> bool:
        """Whether what is kept does not fit."""
        return bool(self.options.max_size) and self.size > self.options.max_size

    def exit_code(self) -> int:
        """What of it does not go as wanted."""
        return TOO_LARGE if self.is_too_large() else DAMAGED if self.damaged else 0


def content(tag: Tag) -> set[str]:
    """All blobs that a tag needs."""
    return tag.repository.content(tag.repository.reach([tag]))


def oldest_first(tags: list[Tag]) -> list[Tag]:
    """Tags by their last push."""
    return sorted(tags, key=lambda tag: (tag.pushed, tag.repository.name, tag.name))


class Docker:
    """The registry's container, and the one that collects."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.program, self.container, self.nginx = options.docker, options.container, options.nginx
        self.wait = options.wait
        self.collector = f"{self.container}-collect-garbage"
        self.found = self.inspect()
        command = self.found["Config"]["Cmd"] or []
        self.config = options.config or next((one for one in command if one.endswith((".yml", ".yaml"))), "")
        if not self.config:
            raise Failed(f"the command of {self.container} names no configuration; give --config")
        mounts = [Path(mount["Source"]).resolve() for mount in self.found["Mounts"]]
        if options.data.resolve() not in mounts:
            raise Failed(f"{self.container} does not keep its data in {options.data}; give --container and --data")

    def refuse_in_roll_out(self) -> None:
        """A roll-out of the stack would start the registry again. Raises Failed."""
        directory = (self.found["Config"].get("Labels") or {}).get("com.docker.compose.project.working_dir")
        lock = Path(directory or "/nowhere") / ".sync-vm/lock"
        if lock.is_dir():
            raise Failed(f"a roll-out is under way, it holds {lock}", LOCKED)

    def call(self, *arguments: str, env: dict[str, str] | None = None) -> str:
        """Run docker; returns its output. Raises Failed with what it said."""
        command = [self.program, *arguments]
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=env, timeout=600
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Failed(f"{' '.join(command[:2])}: {error}") from None
        if done.returncode:
            raise Failed(f"{' '.join(command)}: {done.stderr.strip() or f'exit {done.returncode}'}")
        return done.stdout

    def inspect(self) -> dict[str, Any]:
        """What docker knows of the registry's container."""
        (found,) = json.loads(self.call("container", "inspect", self.container))
        return dict(found)

    def collect(self) -> None:
        """Run the registry's own collection, of the same image with the same settings. Raises Failed."""
        # By name only: a value can be a password, and an argument can be read by everybody.
        given = dict(one.split("=", 1) for one in self.found["Config"]["Env"] or [] if one.startswith("REGISTRY_"))
        names = [argument for name in given for argument in ("--env", name)]
        create = ["create", "--name", self.collector, "--network", "none", *names, "--volumes-from", self.container]
        # Not `run`: when this program is killed, a client that is left over must not be able to start a collection.
        self.remove_collector()
        self.call(*create, self.found["Image"], "garbage-collect", self.config, env=dict(os.environ, **given))
        done = subprocess.run([self.program, "start", "--attach", self.collector], stdin=subprocess.DEVNULL)
        self.remove_collector()
        if done.returncode:
            raise Failed(f"garbage-collect ended with {done.returncode}; nothing was deleted after its last line above")

    def remove_collector(self) -> None:
        """End a collection, also one that a killed run has left over."""
        with suppress(Failed):
            self.call("rm", "--force", self.collector)

    def stop(self) -> None:
        """Stop the registry. Raises Failed."""
        self.call("stop", self.container)

    def bring_up(self) -> None:
        """End a collection that is left over, start the registry, and return when it is healthy. Raises Failed."""
        self.remove_collector()
        # When this program was killed while it stopped the registry, docker is still at it: a start would be lost.
        self.stop()
        self.call("start", self.container)
        if self.nginx:
            self.reload_nginx()
        for _ in range(self.wait):
            state = self.inspect()["State"]
            if state["Running"] and (state.get("Health") or {}).get("Status", "healthy") == "healthy":
                return
            time.sleep(1)
        raise Failed(f"{self.container} is not healthy {self.wait} s after its start; see: docker logs", DOWN)

    def reload_nginx(self) -> None:
        """The registry's address may be another now, and nginx asks for it only when it is told to."""
        try:
            self.call("exec", self.nginx, "nginx", "-s", "reload")
        except Failed as error:
            say(f"nginx was not reloaded, and may ask at the registry's old address: {error}")


def guarded(docker: Docker, work: Callable[[], None]) -> None:
    """Do the work with the registry stopped. It comes up again also when this process is killed: a second one waits."""
    reading, writing = os.pipe()
    guard = os.fork()
    if guard == 0:
        os.close(writing)
        os.setsid()
        on_signals(signal.SIG_IGN)
        if not os.read(reading, 1):
            say("this run ended before the registry was up: it is started again")
            attempt(docker.bring_up)
        os._exit(0)
    os.close(reading)
    on_signals(end)
    try:
        docker.stop()
        work()
    finally:
        on_signals(signal.SIG_IGN)  # the registry comes up first
        docker.bring_up()
        os.write(writing, b".")
        os.waitpid(guard, 0)


def attempt(step: Callable[[], None]) -> None:
    """Do it, and say what failed."""
    try:
        step()
    except Failed as error:
        say(str(error))


def on_signals(action: Any) -> None:
    """Set what the signals do that end a program in order."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, action)


def end(number: int, frame: object) -> None:
    """A signal ends the work, not what must follow it."""
    raise Failed(f"ended by signal {number}")


class Place:
    """A directory beside the registry's own, on the same file system: for the lock, and for what is removed."""

    def __init__(self, data: Path) -> None:
        self.trash = data / ".collect-garbage/trash"
        self.trash.mkdir(parents=True, exist_ok=True)
        self.held = (data / ".collect-garbage/lock").open("w")

    def lock(self) -> None:
        """Hold the lock until this process and the one that guards it have ended. Raises Failed."""
        try:
            fcntl.flock(self.held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Failed("another run is under way", LOCKED) from None

    def remove(self, paths: Iterator[Path]) -> None:
        """Take directories out, each at one stroke."""
        for number, path in enumerate(paths):
            path.rename(self.trash / str(number))

    def empty(self) -> None:
        """Delete what was taken out, also by a run that was killed."""
        for path in listed(self.trash):
            shutil.rmtree(path)


def collect(storage: Storage, options: argparse.Namespace) -> int:
    """One whole run; returns the exit code. Raises Failed."""
    docker, place = Docker(options), Place(options.data)
    place.lock()
    docker.refuse_in_roll_out()
    place.empty()
    codes = []

    def work() -> None:
        plan, before = Plan(storage, options), storage.total()
        for line in plan.describe():
            say(line)
        place.remove(plan.paths())
        codes.append(plan.exit_code())
        docker.collect()
        say(f"freed {mebibytes(before - storage.total())}; {mebibytes(storage.total())} are left")

    guarded(docker, work)
    place.empty()
    return codes[0]


def mebibytes(size: int) -> str:
    """Bytes for people."""
    return f"{size / 2**20:.1f} MiB"


def say(text: str) -> None:
    """Write a line to the log; a log that cannot be written must not keep the registry down."""
    with suppress(OSError):
        print(time.strftime("%Y-%m-%d %H:%M:%S"), text, flush=True)


def parse_size(text: str) -> int:
    """Bytes of `100GiB`, `100GB`, `100G` (binary) or a plain number."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(iB|B)?", text)
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is no size such as 100GiB")
    power = "KMGT".index(match[2]) + 1 if match[2] else 0
    return int(float(match[1]) * (1000 if match[3] == "B" else 1024) ** power)


def parse_count(text: str) -> int:
    """A number of things; a negative one would turn the choice around."""
    if not re.fullmatch("[0-9]{1,9}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of tags")
    return int(text)


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """The options; argparse ends the program with 2 when they are wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--container", default="registry-private", help="the registry's container (%(default)s)")
    add("--data", type=Path, default="/opt/registry/data/private", help="its data on this machine (%(default)s)")
    add("--nginx", default="", help="container of the nginx before it, to be reloaded after the start")
    add("--config", default="", help="its configuration, in the container (what its command names)")
    add("--docker", default="docker", help="the docker program (%(default)s)")
    add("--max-size", type=parse_size, default=0, help="what all images and caches may need together, such as 100GiB")
    add("--keep", type=parse_count, default=0, help="keep the newest tags of each repository only (0: all)")
    add("--cache-tag", default="buildcache", help="TAG and TAG-* are build caches, which --keep leaves (%(default)s)")
    add("--protect", action="append", default=[], metavar="GLOB", help="tags that are never removed")
    add("--wait", type=int, default=120, help="seconds for the registry to become healthy (%(default)s)")
    add("--dry-run", action="store_true", help="only say what would be done; the registry goes on")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Run the program; returns the exit code."""
    options = parse_arguments(arguments)
    if not options.data.is_dir():
        sys.stderr.write(f"there is no directory {options.data}: give --data\n")
        return 2
    storage = Storage(options.data)
    try:
        if not options.dry_run:
            return collect(storage, options)
        plan = Plan(storage, options)
        for line in plan.describe():
            say(line)
        return plan.exit_code()
    except (Failed, OSError) as error:
        say(f"failed: {error}")
        return error.code if isinstance(error, Failed) else FAILED


if __name__ == "__main__":
    sys.exit(main())
