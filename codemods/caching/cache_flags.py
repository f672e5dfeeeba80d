"""Whether a cache setting reaches buildx as it was meant, by the table of versions and what buildx does with arguments.

Evidence: facts 29, 32-34.
"""

from __future__ import annotations

from codemods.caching.plugin import PORTABLE_SINCE, VERSIONS, Form, Plugin, buildx_arguments


def problem_of(plugin: Plugin, key: str, value: object) -> str:
    """What is wrong with a cache setting, as the end of a sentence that begins with the plugin; empty when nothing is.

    Of an unknown version only what goes wrong on all that can be used is wrong.
    """
    if plugin.row is not None:
        return _on_version(plugin, key, value)
    if plugin.version is not None:
        return ""
    rows = [row for row in VERSIONS if row.since >= PORTABLE_SINCE]
    problems = [_on_version(plugin._replace(version=row.since), key, value) for row in rows]
    return problems[-1] if all(problems) else ""


def _on_version(plugin: Plugin, key: str, value: object) -> str:
    row = plugin.row
    if row is not None and getattr(row, key) is Form.ABSENT:
        return f"has no setting {key}"
    arguments = buildx_arguments(plugin, {key: value})
    option = "--cache-to" if key == "cache_to" else "--cache-from"
    values = [value for name, value in zip(arguments, arguments[1:], strict=False) if name == option]
    reason = _rejected(values) or ("of several targets only the last is written" if _are_many(key, values) else "")
    if not reason:
        return ""
    return f"turns {key} into `{' '.join(f'{option} {value}' for value in values)}`: {reason}"


def _rejected(values: list[str]) -> str:
    """Why buildx does not take these arguments for what they were meant to be."""
    names = {value: [part.partition("=")[0].strip() for part in value.split(",") if "=" in part] for value in values}
    for value, named in names.items():
        if "\\" in value:
            return "the backslash stays in the argument"
        if named and "type" not in named:
            return f"`{value}` has no type, and the build fails"
        if len(named) not in (0, value.count(",") + 1):
            return "a bare reference and attributes do not mix, and the build fails"
        if named.count("type") > 1:
            return "of several long forms only the last counts"
    lonely = [value for value, named in names.items() if "type=registry" in value and "ref" not in named]
    return f"`{lonely[0]}` has no ref" if lonely else ""


def _are_many(key: str, values: list[str]) -> bool:
    bare = [part for value in values if "=" not in value for part in value.split(",")]
    return key == "cache_to" and len(bare) + sum("=" in value for value in values) > 1
