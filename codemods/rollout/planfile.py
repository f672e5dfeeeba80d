"""A plan in a file: what would be done, and to which state of the machines, to be carried out later or not at all.

The file is never executed. `--apply` makes the plan anew from the repository and the machines, and goes on when that
is the same plan. It holds no content of any file, and no digest that others could compare with a guess.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codemods.errors import CodemodError
from codemods.rollout.fingerprint import differences, keyed, local_key

if TYPE_CHECKING:
    from codemods.rollout.look import Observation
    from codemods.rollout.plan import Wish

VERSION = 1


def write_plan(path: Path, wish: Wish, commit: str, observations: Mapping[str, Observation]) -> None:
    """Write the plan for these machines. Raises CodemodError."""
    hosts = {name: _host(found) for name, found in observations.items()}
    data = {"version": VERSION, "commit": commit, "wanted": _wanted(wish), "hosts": hosts}
    try:
        new = path.with_name(f"{path.name}.new")
        new.unlink(missing_ok=True)
        new.touch(mode=0o600)
        new.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
        new.replace(path)
    except OSError as error:
        raise CodemodError(f"{path}: {error.strerror}: the plan cannot be written there") from None


def read_plan(path: Path) -> Mapping[str, Any]:
    """The plan in a file. Raises CodemodError."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CodemodError(f"{path}: {error.strerror}") from None
    except ValueError:
        data = None
    if not isinstance(data, dict) or data.get("version") != VERSION or not isinstance(data.get("hosts"), dict):
        raise CodemodError(f"{path} is no plan of this version: make one with `codemod sync-vm --plan --out {path}`")
    return data


def what_moved(plan: Mapping[str, Any], wish: Wish, name: str, found: Observation) -> list[str]:
    """Why a plan may not be carried out on a machine: what is not as it was; nothing when all is."""
    planned = plan["hosts"].get(name)
    if not isinstance(planned, dict):
        return ["the plan does not know this machine"]
    wanted, now = plan.get("wanted", {}), _wanted(wish)
    moved = [f"the repository's {path}" for path in differences(wanted, now)]
    moved += differences(planned.get("fingerprint", {}), found.fingerprint)
    if not moved and planned.get("actions") != _actions(found):
        moved.append("the actions that follow from it")
    return moved


def _host(found: Observation) -> dict[str, Any]:
    return {"fingerprint": dict(found.fingerprint), "actions": _actions(found)}


def _actions(found: Observation) -> Sequence[Sequence[str]]:
    return [[action.kind, action.target] for action in found.plan.actions]


def _wanted(wish: Wish) -> dict[str, str]:
    """A keyed digest for everything that the repository wants, by its name."""
    key, manifest = local_key(), wish.manifest
    parts: dict[str, object] = {file.path: (file.mode, file.owner, file.content.hex()) for file in manifest.files}
    parts |= {f"crontab of {user}": lines for user, lines in manifest.crontab.items()}
    parts |= {"directories": manifest.directories, "--prune": wish.prune, "--overwrite": wish.overwrite}
    return {name: keyed(key, repr(value)) for name, value in parts.items()}
