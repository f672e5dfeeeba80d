"""The logins of a step without those that the recipe wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codemods.caching.step_logins import DOCKER_HUB, host_of, is_our_form
from codemods.errors import CannotEdit
from codemods.formats.yaml import Mapping, Node, Pair, Sequence, YamlFile, resolve, text_of
from codemods.formats.yaml_removal import remove_items

if TYPE_CHECKING:
    from codemods.caching.step_edits import StepEdits
    from codemods.engine.context import Context
    from codemods.facts.pipelines import Build


def logins_gone(context: Context, file: YamlFile, step: StepEdits, *, changes: bool) -> tuple[Pair, Mapping] | None:
    """`logins` with the mapping that holds it, when all of it goes: only the step's own credentials would be left.

    Otherwise our entry goes at once. `changes`: whether anything else of ours is in the step.

    These stand at the step itself, too; the recipe repeats them, as `logins` alone would not name them. Raises
    CannotEdit for an entry of ours in another form.
    """
    build, host = step.build, context.settings.registry.host.lower()
    found = build.setting("logins")
    value = resolve(found[0].value) if found else None
    if found is None or not isinstance(value, Sequence):
        return None
    ours = [item for item in value.items if host_of(item) == host]
    if foreign := next((item for item in ours if not is_our_form(item)), None):
        raise CannotEdit(f"its login to {host} is not the recipe's", "take it out by hand", foreign.start)
    left = [item for item in value.items if item not in ours]
    if all(_is_own(build, item) for item in left) and len(left) < 2 and (ours or changes):
        return found
    if ours:
        step.change(value, remove_items(file, value, ours), (*file.path_of(value), "-"), f"the login to {host}")
    return None


def _is_own(build: Build, item: Node) -> bool:
    """Whether an entry repeats the step's own credentials, as the recipe does."""
    entry = resolve(item)
    own = {name: build.value(name) for name in ("registry", "username", "password")}
    if not isinstance(entry, Mapping) or own["username"] is None or own["password"] is None:
        return False
    wanted = {"registry": DOCKER_HUB} | {name: _value(node) for name, node in own.items() if node}
    return {pair.name: _value(pair.value) for pair in entry.pairs} == wanted


def _value(node: Node) -> object:
    """A value without its style: a text, or the secret that it comes from."""
    node = resolve(node)
    if isinstance(node, Mapping):
        return [(pair.name, text_of(pair.value)) for pair in node.pairs]
    return text_of(node)
