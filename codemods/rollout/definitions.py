"""Which services' definitions differ from those that their containers were made from.

docker-compose 1.29 labels a container with the hash that `config --hash` prints. Compose v2 prints another one for
services with `depends_on` or `env_file` (docker/compose#10907, #14001), so there the hash is compared with that of the
last roll-out, or of the file that is on the machine now. The question takes compose half a second; it is not asked
when the last roll-out left exactly these files and these containers.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from codemods.formats.yaml import Mapping as YamlMapping
from codemods.formats.yaml import Node, resolve, text_of
from codemods.formats.yaml import Sequence as YamlSequence
from codemods.rollout.masking import masked
from codemods.rollout.shell import decoded, function, quote, whole

if TYPE_CHECKING:
    from codemods.rollout.manifest import Manifest
    from codemods.rollout.services import Composition
    from codemods.rollout.snapshot import Snapshot
    from codemods.rollout.transport import Transport

TIMEOUT = 120
_HASH = re.compile(r"(?P<service>[\w.-]+) (?P<hash>[0-9a-f]{64})")


@dataclass(frozen=True)
class Definitions:
    """`changed` are services whose containers were made from another definition; `error` is what compose says of a
    file that it refuses; `hashes` are those of the new file, as far as compose was asked."""

    changed: frozenset[str] = frozenset()
    hashes: Mapping[str, str] = field(default_factory=dict)
    error: str = ""


def override_path(compose: str) -> str:
    """The file that compose reads besides the one of this path, when it is there."""
    stem, suffix = posixpath.splitext(compose)
    return f"{stem}.override{suffix}"


def inputs(manifest: Manifest, composition: Composition) -> list[str]:
    """Files on the machine that definitions depend on besides the compose file: they are not ours to change."""
    found = [override_path(manifest.compose.path), posixpath.join(manifest.directory, ".env")]
    for service in composition.services:
        names = _env_files(service.value("env_file"))
        found += [posixpath.join(manifest.directory, name) for name in names if name and "$" not in name]
    return list(dict.fromkeys(found))


def _env_files(node: Node | None) -> Iterator[str | None]:
    """The names in `env_file`: a text, or a list of texts and of mappings with `path`."""
    for item in node.items if isinstance(node, YamlSequence) else [node]:
        one = resolve(item) if item else None
        yield text_of(one.value("path") if isinstance(one, YamlMapping) else one)


def input_digest(manifest: Manifest, composition: Composition, snapshot: Snapshot) -> str:
    """One digest of everything that definitions are made from."""
    managed = {file.path: hashlib.sha256(file.content).hexdigest() for file in manifest.files}
    live = {path: snapshot.file(path).digest for path in inputs(manifest, composition)}
    parts = {**live, **{path: managed[path] for path in (manifest.compose.path, *live) if path in managed}}
    return hashlib.sha256(repr(sorted(parts.items())).encode()).hexdigest()


def compose_files(manifest: Manifest, snapshot: Snapshot, first: str = "") -> list[str]:
    """The `-f` options for compose; `first` stands for the compose file."""
    override = override_path(manifest.compose.path)
    more = ["-f", override] if snapshot.file(override).kind == "file" else []
    return ["-f", first or manifest.compose.path, *more, "--project-directory", manifest.directory]


def read_definitions(
    transport: Transport, manifest: Manifest, composition: Composition, snapshot: Snapshot
) -> Definitions:
    """Compare; asks the machine's compose when that cannot be told from the last roll-out. Raises Disconnected."""
    state = snapshot.state or {}
    if _as_left(state, manifest, composition, snapshot):
        return Definitions(hashes=state.get("hashes", {}))
    done = transport.run(_script(manifest, snapshot), TIMEOUT)
    if done.code:
        # It may quote the file, and with it what a template has put into it.
        secrets = [secret for file in manifest.files for secret in file.secrets]
        return Definitions(error=masked(_reason(done.output), secrets))
    new, _, old = done.output.partition("--live--\n")
    hashes, live = _hashes(new), _hashes(old)
    former = state.get("hashes") or live
    changed = set()
    for service in composition.services:
        found = snapshot.container(service.name, composition.directory)
        if found and found.compose_version.startswith("1."):
            changed |= {service.name} if found.config_hash != hashes.get(service.name) else set()
        elif found:
            changed |= {service.name} if former.get(service.name) != hashes.get(service.name) else set()
    return Definitions(frozenset(changed), hashes)


def _as_left(state: Mapping[str, Any], manifest: Manifest, composition: Composition, snapshot: Snapshot) -> bool:
    """Whether the last roll-out was of the same files, and left the containers that are there now."""
    labels = state.get("labels", {})
    return (
        bool(labels)
        and state.get("inputs") == input_digest(manifest, composition, snapshot)
        and all(
            found is not None and labels.get(service.name) == found.config_hash
            for service in composition.services
            for found in [snapshot.container(service.name, composition.directory)]
        )
    )


def _script(manifest: Manifest, snapshot: Snapshot) -> str:
    new = quote(*compose_files(manifest, snapshot, "NEW"), "config", "--hash", "*").replace("NEW", '"$new"', 1)
    live = quote(*compose_files(manifest, snapshot), "config", "--hash", "*")
    return whole(
        # compose 1.29 reads the file twice, so a pipe will not do; it lies in memory, for a moment.
        "umask 077; new=$(mktemp -p /run) || exit; trap 'rm -f \"$new\"' EXIT HUP TERM",
        function("content", decoded(manifest.compose.content)),
        'content >"$new"',
        f"cd {quote(manifest.directory)} 2>/dev/null || cd /",
        f"compose {new} 2>&1 || exit",
        "echo --live--",
        f"compose {live} 2>/dev/null",
        "exit 0",
    )


def _hashes(text: str) -> dict[str, str]:
    return {match["service"]: match["hash"] for match in map(_HASH.fullmatch, text.splitlines()) if match}


def _reason(output: str) -> str:
    """The last line of what compose says, which is the one that tells."""
    said: Iterator[str] = (line.strip() for line in reversed(output.splitlines()) if line.strip())
    return next(said, "it does not say why")
