"""A pipeline as plain data, with old syntax that still runs brought up to date, and the way back to its text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from codemods.formats.yaml import Mapping, Node, Scalar, Sequence, merged, resolve, walk

_MOST = 50_000
"""Values of one pipeline, aliases counted as often as they are used; larger ones are not looked at."""
_INTEGER = re.compile(r"[-+]?\d+")
_FLOAT = re.compile(r"[-+]?(?:\d+\.\d*|\.\d+)(?:[eE][-+]?\d+)?")
_WORDS = {"": None, "~": None, "null": None, "true": True, "false": False}

_SECTIONS = ("clone", "concurrency", "depends_on", "labels", "matrix", "runs_on", "services", "skip_clone", "steps",
             "variables", "when", "workspace")  # fmt: skip
_OLD_TOP = ("branches", "pipeline", "platform", "secrets", "version")
_OLD_STEP = ("auth_config", "cap_add", "cap_drop", "command", "cpu_quota", "cpu_shares", "cpuset", "devices",
             "extra_hosts", "group", "ipc", "isolation", "labels", "mem_limit", "memswap_limit", "network_mode",
             "networks", "ports", "restart", "runtime", "secrets", "shm_size", "sysctls", "tmpfs",
             "ulimits")  # fmt: skip
_OLD_WHEN = ("environment", "local", "matrix", "status")


def data_of(node: Node) -> Any:
    """The data as the server's YAML reader makes it; None for a file that expands to too much."""
    left = [_MOST]

    def read(node: Node) -> Any:
        left[0] -= 1
        node = resolve(node)
        if left[0] < 0:
            return None
        if isinstance(node, Mapping):
            data: dict[str, Any] = {}
            for pair, _ in merged(node):
                if pair.name is not None and pair.name not in data:
                    data[pair.name] = read(pair.value)
            return data
        if isinstance(node, Sequence):
            return [read(item) for item in node.items]
        return _scalar(node) if isinstance(node, Scalar) else None

    data = read(node)
    return data if left[0] >= 0 else None


def _scalar(node: Scalar) -> Any:
    text = node.value
    if node.style or node.tag:
        return text
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


def current_syntax(root: Mapping, data: dict[str, Any]) -> dict[str, Any]:
    """The same workflow without what only older servers had, without empty values and without holders of anchors."""
    holders = [pair.name for pair in root.pairs if any(node.anchor for node in walk(pair.value))]
    ignored = {*_OLD_TOP, *(name for name in holders if name not in _SECTIONS)}
    new = {name: value for name, value in _filled(data).items() if name not in ignored and not name.startswith("x-")}
    if "steps" not in new and "pipeline" in data:
        new["steps"] = _filled(data["pipeline"])
    for name in ("steps", "services"):
        if name in new:
            new[name] = _each(new[name], _step)
    if isinstance(new.get("clone"), dict):
        new["clone"] = {name: value for name, value in new["clone"].items() if name == "git"}
    if isinstance(new.get("runs_on"), str):
        new["runs_on"] = [new["runs_on"]]
    if "when" in new:
        new["when"] = _when(new["when"], _OLD_WHEN)
    return new


def _step(step: Any) -> Any:
    if not isinstance(step, dict):
        return step
    has_ports = "ports" in step and isinstance(step["ports"], list)
    old = [name for name in _OLD_STEP if not (name == "ports" and has_ports and "settings" not in step)]
    new = {name: value for name, value in step.items() if name not in old}
    if isinstance(new.get("environment"), list) or "settings" in new:
        new.pop("environment", None)
    if "when" in new:
        new["when"] = _when(new["when"], ("environment", "local"))
    return new


def _when(when: Any, old: Iterable[str]) -> Any:
    """Conditions without those that are gone; `event` could once be excluded."""
    if isinstance(when, list):
        return [_when(item, old) for item in when]
    if not isinstance(when, dict):
        return when
    new = {name: value for name, value in when.items() if name not in old}
    if isinstance(new.get("event"), dict):
        del new["event"]
    return new


def _each(section: Any, change: Callable[[Any], Any]) -> Any:
    if isinstance(section, dict):
        return {name: change(value) for name, value in section.items()}
    return [change(item) for item in section] if isinstance(section, list) else section


def _filled(data: Any) -> Any:
    """Data without the keys that have no value."""
    if isinstance(data, dict):
        return {name: _filled(value) for name, value in data.items() if value is not None}
    return [_filled(item) for item in data] if isinstance(data, list) else data


def place_of(root: Mapping, path: Iterable[str | int]) -> Node:
    """The key, or the item, at a path of the data; as near as it can be followed."""
    place: Node = root.pairs[0].key if root.pairs else root
    node: Node = root
    for step in path:
        if isinstance(node, Sequence) and isinstance(step, int) and step < len(node.items):
            place = node.items[step]
            node = resolve(place)
            place = node.pairs[0].key if isinstance(node, Mapping) and node.pairs else place
        elif isinstance(node, Mapping):
            pairs = {pair.name: pair for pair, _ in reversed(list(merged(node)))}
            pair = pairs.get(str(step)) or (pairs.get("pipeline") if step == "steps" else None)
            if pair is None:
                break
            place, node = pair.key, resolve(pair.value)
        else:
            break
    return place
