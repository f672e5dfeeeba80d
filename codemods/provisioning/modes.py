"""Permission bits and owners, as chmod and chown change them."""

from __future__ import annotations

import re

from codemods.formats.hcl import TEMPLATE

_UMASK = 0o022
_CLAUSE = re.compile(r"(?P<who>[ugoa]*)(?P<changes>(?:[+=-][rwx]*)+)")
_BITS = {"r": 0o444, "w": 0o222, "x": 0o111}
_WHO = {"u": 0o700, "g": 0o070, "o": 0o007, "a": 0o777}
_OWNER = re.compile(r"(?P<user>[\w-][\w.-]*)?(?::(?P<group>[\w-][\w.-]*))?")


def changed_mode(mode: int, change: str) -> int:
    """The mode after `chmod CHANGE`, as root with umask 022. Raises ValueError for what is not plain permissions."""
    if re.fullmatch(r"0?[0-7]{3}", change):
        return int(change, 8)
    for clause in change.split(","):
        match = _CLAUSE.fullmatch(clause)
        if not match:
            raise ValueError(f"the mode {_shown(change)!r}")
        for sign, letters in re.findall(r"([+=-])([rwx]*)", match["changes"]):
            mode = _applied(mode, match["who"], sign, letters)
    return mode


def _applied(mode: int, who: str, sign: str, letters: str) -> int:
    mask = 0
    for name in who or "a":
        mask |= _WHO[name]
    bits = 0
    for letter in letters:
        bits |= _BITS[letter]
    bits &= mask if who else mask & ~_UMASK
    if sign == "+":
        return mode | bits
    return mode & ~bits if sign == "-" else mode & ~mask | bits


def changed_owner(owner: str, change: str) -> str:
    """`user:group` after `chown CHANGE`. Raises ValueError for `user:`, whose group only the machine knows."""
    match = _OWNER.fullmatch(change)
    if not match or not change:
        raise ValueError(f"the owner {_shown(change)!r}")
    user, group = owner.split(":")
    names = (match["user"] or user, match["group"] or group)
    return ":".join("root" if name == "0" else name for name in names)


def _shown(change: str) -> str:
    return change.replace(TEMPLATE, "${…}")
