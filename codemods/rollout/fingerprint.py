"""What a machine looked like when a plan was made, so that a plan is never carried out on another state.

Values are keyed digests: a plan file must not tell a secret's hash to those who can read it.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING

from codemods.credentials import configuration_directory
from codemods.errors import CodemodError

if TYPE_CHECKING:
    from codemods.rollout.plan import Wish
    from codemods.rollout.snapshot import Snapshot

_KEY_FILE = "plan.key"


def fingerprint(wish: Wish, snapshot: Snapshot) -> dict[str, str]:
    """A digest for everything of the machine that the plan depends on, by its name."""
    parts: dict[str, object] = {}
    for path in wish.question.files:
        live = snapshot.file(path)
        parts[path] = (live.kind, live.mode, live.owner, live.digest)
    for user, text in snapshot.crontabs.items():
        parts[f"crontab of {user}"] = text
    for one in snapshot.containers:
        if one.directory == wish.manifest.directory or one.name in wish.composition.containers:
            parts[f"container {one.name}"] = (one.id, one.running, one.config_hash)
    for (service, target), inode in snapshot.mounted.items():
        parts[f"mount {target} of {service}"] = inode
    parts["last roll-out"] = (snapshot.state or {}).get("run")
    parts["interrupted roll-out"] = (snapshot.interrupted or {}).get("run")
    key = local_key()
    return {name: keyed(key, repr(value)) for name, value in parts.items()}


def differences(expected: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    """The names of what moved."""
    return sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))


def summary(fingerprints: Mapping[str, Mapping[str, str]]) -> str:
    """One digest over the fingerprints of several machines."""
    return hashlib.sha256(
        repr(sorted((host, sorted(one.items())) for host, one in fingerprints.items())).encode()
    ).hexdigest()


def keyed(key: bytes, text: str) -> str:
    """A digest that only those who have the key can compare with another."""
    return hmac.new(key, text.encode(errors="surrogateescape"), hashlib.sha256).hexdigest()[:32]


def local_key() -> bytes:
    """This user's key, made when it is first needed. Raises CodemodError."""
    path = configuration_directory() / _KEY_FILE
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            new = path.with_name(f"{_KEY_FILE}.{os.getpid()}")
            new.touch(mode=0o600)
            new.write_bytes(secrets.token_bytes(32))
            # Whoever comes first has made the key; all others use it.
            with contextlib.suppress(FileExistsError):
                os.link(new, path)
            new.unlink()
        return path.read_bytes()
    except OSError as error:
        raise CodemodError(f"{path}: {error.strerror}: the key for plans cannot be kept there") from None
