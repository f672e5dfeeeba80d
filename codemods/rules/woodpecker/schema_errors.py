"""What an error of JSON schema means to the writer of a pipeline; values are never repeated, they may be secrets."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from functools import partial
from typing import Any

_TYPES = {"array": "a list", "boolean": "true or false", "integer": "a number", "number": "a number",
          "object": "a mapping", "string": "text"}  # fmt: skip
_DECISIVE = ("commands", "entrypoint", "settings")
"""Keys that tell a step with commands from one with a plugin."""
Path = tuple[str | int, ...]


def explain(error: Any) -> Iterator[tuple[Path, str]]:
    """Paths of data and messages, in the form of alternatives that comes nearest to what is written."""
    for leaf in _leaves(error):
        path = tuple(leaf.absolute_path)
        match leaf.validator:
            case "additionalProperties":
                yield from (((*path, key), _unknown(leaf, key)) for key in _extra(leaf))
            case "required":
                missing = [key for key in leaf.validator_value if key not in leaf.instance]
                yield path, f"{' and '.join(missing)} is missing"
            case "enum":
                near = _nearest(str(leaf.instance), [str(value) for value in leaf.validator_value])
                yield path, f"it is none of {', '.join(map(str, leaf.validator_value))}{near}"
            case "type":
                wanted = leaf.validator_value if isinstance(leaf.validator_value, list) else [leaf.validator_value]
                yield (
                    path,
                    f"it must be {' or '.join(dict.fromkeys(_TYPES.get(str(name), str(name)) for name in wanted))}",
                )
            case "anyOf" | "oneOf":
                continue
            case _:
                yield path, f"{leaf.validator} is {leaf.validator_value}"


def _leaves(error: Any) -> list[Any]:
    """The errors behind an error; none when all there is are numbers where text is wanted."""
    if not error.context:
        return [] if _is_number_for_text(error) else [error]
    branches: dict[Any, list[Any]] = {}
    for inner in error.context:
        branches.setdefault(inner.schema_path[0], []).append(inner)
    found = [[leaf for inner in branch for leaf in _leaves(inner)] for branch in branches.values()]
    # A form of another type altogether is not the one that was meant, unless there is no other.
    meant = [leaves for leaves in found if not any(_is_other_type(leaf, error) for leaf in leaves)]
    return min(meant, key=_weight) if meant else min(found, key=_weight)


def _is_number_for_text(error: Any) -> bool:
    return bool(error.validator == "type" and "string" in error.validator_value) and isinstance(
        error.instance, int | float
    )


def _is_other_type(leaf: Any, error: Any) -> bool:
    return bool(leaf.validator == "type" and leaf.absolute_path == error.absolute_path)


def _weight(leaves: list[Any]) -> float:
    """How far a form is from what is written; a key with a near one in it was probably meant for it."""
    return sum(sum(map(partial(_key_weight, leaf), _extra(leaf))) or 1 for leaf in leaves)


def _key_weight(leaf: Any, key: str) -> float:
    if key in _DECISIVE:
        return 2
    return 0.5 if _nearest(key, list(leaf.schema.get("properties", {}))) else 1


def _extra(leaf: Any) -> list[str]:
    """The keys that an error is about; none for other errors."""
    if leaf.validator != "additionalProperties":
        return []
    return [key for key in leaf.instance if key not in leaf.schema.get("properties", {})]


def _unknown(leaf: Any, key: str) -> str:
    if key in _DECISIVE:
        return "a step has either settings or commands"
    return f"there is no such key{_nearest(key, list(leaf.schema.get('properties', {})))}"


def _nearest(word: str, known: list[str]) -> str:
    near = get_close_matches(word, known, 1, 0.6)
    return f"; the nearest is {near[0]}" if near else ""
