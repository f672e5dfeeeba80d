"""Registries with random content in every shape that pipelines push, and what each of their tags needs."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import random
import shutil
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.live.artifacts import CONFIG, INDEX, LAYER, MANIFEST

if TYPE_CHECKING:
    from pathlib import Path

DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_IMAGE = "application/vnd.docker.distribution.manifest.v2+json"
CACHE_CONFIG = "application/vnd.buildkit.cacheconfig.v0"
ACCEPT = ", ".join((INDEX, MANIFEST, DOCKER_LIST, DOCKER_IMAGE))
CACHE_TAG = "buildcache"
Descriptor = dict[str, Any]


class Client:
    """One connection to a registry."""

    def __init__(self, address: str) -> None:
        self.connection = http.client.HTTPConnection(address, timeout=20)

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, bytes, str]:
        """Status, body and Location of an answer."""
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        self.connection.request(method, path, body, names)
        answer = self.connection.getresponse()
        return answer.status, answer.read(), answer.getheader("Location", "")

    def push_blob(self, repository: str, data: bytes) -> None:
        """Upload a blob in one piece."""
        status, _, location = self.ask("POST", f"/v2/{repository}/blobs/uploads/")
        assert status == 202, status
        place = location.partition("/v2/")[2]
        status, answer, _ = self.ask("PUT", f"/v2/{place}&digest={digest_of(data)}", data)
        assert status == 201, answer

    def push_manifest(self, repository: str, reference: str, data: bytes, media_type: str) -> None:
        """Put a manifest under a tag or its digest."""
        status, answer, _ = self.ask("PUT", f"/v2/{repository}/manifests/{reference}", data, Content_Type=media_type)
        assert status == 201, answer

    def read(self, repository: str, kind: str, reference: str) -> bytes | None:
        """A manifest or blob, its digest checked; None when it is not there or not whole."""
        try:
            status, data, _ = self.ask("GET", f"/v2/{repository}/{kind}/{reference}", Accept=ACCEPT)
        except http.client.IncompleteRead:
            self.connection.close()
            return None
        whole = status == 200 and (":" not in reference or digest_of(data) == reference)
        return data if whole else None


def digest_of(data: bytes) -> str:
    """The digest of bytes."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@dataclass
class Repository:
    """What was pushed to one repository. `lists` and `blobs` lead from a manifest to what it names, `about` to its
    subject; `tags` are the present ones, by digest, `pushed` their order."""

    name: str
    tags: dict[str, str] = field(default_factory=dict)
    pushed: dict[str, int] = field(default_factory=dict)
    lists: dict[str, set[str]] = field(default_factory=dict)
    blobs: dict[str, set[str]] = field(default_factory=dict)
    about: dict[str, str] = field(default_factory=dict)

    def needed(self, tags: list[str]) -> set[str]:
        """All digests that must be there for these tags: their manifests, what is about those, and all their blobs."""
        reach = {self.tags[tag] for tag in tags if not is_fallback(tag)}
        while True:
            more = {child for one in reach for child in self.lists[one]}
            more |= {one for one, subject in self.about.items() if subject in reach}
            more |= {digest for tag, digest in self.tags.items() if is_fallback(tag) and fallback_of(tag) in reach}
            if more <= reach:
                return reach.union(*(self.blobs[one] for one in reach))
            reach |= more


def is_fallback(tag: str) -> bool:
    """Whether a tag holds the list of what is about a manifest."""
    return tag.startswith("sha256-")


def fallback_of(tag: str) -> str:
    """The digest that such a tag is about."""
    return tag.replace("-", ":")


class RandomRegistry:
    """Pushes to a real registry, and remembers. The same seed makes the same content."""

    def __init__(self, seed: int, address: str, storage: Path) -> None:
        self.random = random.Random(seed)
        self.client = Client(address)
        self.storage = storage / "docker/registry/v2"
        self.repositories = [Repository(name) for name in ("app", "team/web", "team/tools/cli")]
        self.layers: list[bytes] = []
        self.sizes: dict[str, int] = {}
        self.clock = 0

    def fill(self, pushes: int) -> None:
        """Push that many images, caches and artifacts, overwriting tags as pipelines do."""
        with closing(self.client.connection):  # it opens again when it is needed
            for _ in range(pushes):
                self.push()

    def push(self) -> None:
        """Push something to some repository, and perhaps something about it; perhaps remove a tag."""
        repository = self.random.choice(self.repositories)
        shape = self.random.choice((self.image, self.index, self.nested, self.docker_list))
        tag = self.random.choice(("latest", "v1", "v2", f"build-{self.clock}"))
        if self.random.random() < 0.35:
            shape = self.random.choice((self.cache_image, self.cache_index, self.cache_list))
            tag = self.random.choice((CACHE_TAG, f"{CACHE_TAG}-arm64"))
        self.tag(repository, tag, shape(repository))
        if self.random.random() < 0.4:
            self.refer(repository)
        if self.random.random() < 0.1:
            self.drop(repository)

    def tag(self, repository: Repository, tag: str, descriptor: Descriptor) -> None:
        """Put a pushed manifest under a tag; the tag's age is a minute for each push after it."""
        data = self.manifest_bytes(descriptor["digest"])
        self.client.push_manifest(repository.name, tag, data, descriptor["mediaType"])
        self.clock += 1
        repository.tags[tag], repository.pushed[tag] = descriptor["digest"], self.clock
        link = self.storage / "repositories" / repository.name / "_manifests/tags" / tag / "current/link"
        os.utime(link, (1_700_000_000 + 60 * self.clock,) * 2)

    def drop(self, repository: Repository) -> None:
        """Remove a tag as the cleanup script does."""
        names = [tag for tag in repository.tags if not is_fallback(tag)]
        if len(names) > 1:
            tag = self.random.choice(names)
            shutil.rmtree(self.storage / "repositories" / repository.name / "_manifests/tags" / tag)
            del repository.tags[tag], repository.pushed[tag]

    def refer(self, repository: Repository) -> None:
        """Push something about a manifest, or about what is about one; with a fallback tag, or without."""
        subject = self.random.choice(sorted(repository.lists))
        about = {"mediaType": MANIFEST, "digest": subject, "size": self.sizes[subject]}
        artifact = self.image(repository, subject=about)
        if self.random.random() < 0.5:
            self.tag(repository, subject.replace(":", "-"), self.manifest(repository, INDEX, manifests=[artifact]))

    def image(self, repository: Repository, **more: Any) -> Descriptor:
        """An image of one to three layers, some of them shared with others."""
        config = self.blob(repository, CONFIG, self.random.randbytes(200))
        return self.manifest(repository, MANIFEST, config=config, layers=self.some_layers(repository), **more)

    def index(self, repository: Repository) -> Descriptor:
        """Two platforms, each with an attestation."""
        platforms = [self.image(repository) for _ in ("amd64", "arm64")]
        proofs = [{**self.image(repository), "platform": {"os": "unknown", "architecture": "unknown"}}]
        return self.manifest(repository, INDEX, manifests=platforms + proofs)

    def nested(self, repository: Repository) -> Descriptor:
        """An index of an index and an image."""
        return self.manifest(repository, INDEX, manifests=[self.index(repository), self.image(repository)])

    def docker_list(self, repository: Repository) -> Descriptor:
        """A manifest list of Docker's own images."""
        config = self.blob(repository, "application/vnd.docker.container.image.v1+json", self.random.randbytes(200))
        layers = self.some_layers(repository)
        image = self.manifest(repository, DOCKER_IMAGE, config=config, layers=layers)
        return self.manifest(repository, DOCKER_LIST, manifests=[image])

    def cache_image(self, repository: Repository) -> Descriptor:
        """BuildKit's cache with image-manifest=true."""
        config = self.blob(repository, CACHE_CONFIG, self.random.randbytes(300))
        return self.manifest(repository, MANIFEST, config=config, layers=self.some_layers(repository))

    def cache_index(self, repository: Repository, media_type: str = INDEX) -> Descriptor:
        """BuildKit's cache with image-manifest=false: an index that lists layers."""
        config = self.blob(repository, CACHE_CONFIG, self.random.randbytes(300))
        return self.manifest(repository, media_type, manifests=[*self.some_layers(repository), config])

    def cache_list(self, repository: Repository) -> Descriptor:
        """BuildKit's cache with image-manifest=false,oci-mediatypes=false."""
        return self.cache_index(repository, DOCKER_LIST)

    def some_layers(self, repository: Repository) -> list[Descriptor]:
        found = []
        for _ in range(self.random.randint(1, 3)):
            if not self.layers or self.random.random() < 0.5:
                self.layers.append(self.random.randbytes(self.random.randrange(500, 5000)))
            found.append(self.blob(repository, LAYER, self.random.choice(self.layers)))
        return list({one["digest"]: one for one in found}.values())

    def blob(self, repository: Repository, media_type: str, data: bytes) -> Descriptor:
        """Push a blob."""
        self.client.push_blob(repository.name, data)
        self.sizes[digest_of(data)] = len(data)
        return {"mediaType": media_type, "digest": digest_of(data), "size": len(data)}

    def manifest(self, repository: Repository, media_type: str, **content: Any) -> Descriptor:
        """Push a manifest by its digest."""
        data = json.dumps({"schemaVersion": 2, "mediaType": media_type, **content}).encode()
        digest = digest_of(data)
        self.client.push_manifest(repository.name, digest, data, media_type)
        self.sizes[digest] = len(data)
        named = [one["digest"] for key in ("manifests", "layers") for one in content.get(key, [])]
        named += [content["config"]["digest"]] if "config" in content else []
        repository.lists[digest] = {one for one in named if one in repository.lists}
        repository.blobs[digest] = set(named)
        if "subject" in content:
            repository.about[digest] = content["subject"]["digest"]
        return {"mediaType": media_type, "digest": digest, "size": len(data)}

    def manifest_bytes(self, digest: str) -> bytes:
        value = digest.partition(":")[2]
        return (self.storage / "blobs/sha256" / value[:2] / value / "data").read_bytes()

    def on_disk(self) -> set[str]:
        """The digests of all blobs in the storage."""
        return {f"sha256:{path.parent.name}" for path in self.storage.glob("blobs/sha256/*/*/data")}

    def take_note(self) -> list[tuple[Repository, str]]:
        """Forget the tags that the storage no longer has; returns them."""
        gone = [(one, tag) for one in self.repositories for tag in sorted(set(one.tags) - self.present(one))]
        for repository, tag in gone:
            del repository.tags[tag]
        return gone

    def present(self, repository: Repository) -> set[str]:
        """The tags that the storage has."""
        links = self.storage.glob(f"repositories/{repository.name}/_manifests/tags/*/current/link")
        return {link.parent.parent.name for link in links}

    def needed(self) -> set[str]:
        """What all tags need."""
        return set().union(*(one.needed([tag for of, tag in self.tags() if of is one]) for one in self.repositories))

    def size(self, digests: set[str]) -> int:
        """Bytes of blobs together."""
        return sum(self.sizes[digest] for digest in digests)

    def layers_of(self, repository: Repository) -> list[str]:
        """The blobs that are no manifests, needed by the repository's tags and by no other repository."""
        others = set().union(*(set().union(*one.blobs.values()) for one in self.repositories if one is not repository))
        own = repository.needed(list(repository.tags)) - set(repository.lists)
        return sorted(own - others)

    def tags(self) -> list[tuple[Repository, str]]:
        """The tags that were pushed last and not removed since, but for the fallback tags."""
        return [(one, tag) for one in self.repositories for tag in sorted(one.tags) if not is_fallback(tag)]

    def lost(self, address: str) -> list[str]:
        """The tags of which the registry at an address does not give everything, every digest checked."""
        client = Client(address)
        with closing(client.connection):
            return [f"{one.name}:{tag}" for one, tag in self.tags() if not is_whole(client, one, tag)]


def is_whole(client: Client, repository: Repository, tag: str) -> bool:
    """Whether a tag gives its manifest, and whatever that needs can be read."""
    data = client.read(repository.name, "manifests", tag)
    if data is None or digest_of(data) != repository.tags[tag]:
        return False
    for one in repository.needed([tag]):
        kind = "manifests" if one in repository.lists else "blobs"
        if client.read(repository.name, kind, one) is None:
            return False
    return True
