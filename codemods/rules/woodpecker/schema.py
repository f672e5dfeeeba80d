"""Write pipelines as Woodpecker's own JSON schema has them.

The server ignores what it does not know: a step with a misspelt key runs without it, and an event that does not exist
never comes. The schema finds these. It is the one that check-jsonschema ships; without that package the rule says so
once and looks at nothing (`pip install 'infra-codemods[schema]'`).

Old syntax that still runs is known and silent: `pipeline:` for `steps:`, `branches:`, `platform:`, `secrets:` and
`group:` on a step, an environment as a list or beside settings, `event: exclude:`, a single `runs_on`. So are numbers
where the schema wants text, empty values, and top-level keys that only hold anchors.

Not for: hooks, as it needs another package and more time than all other rules together.

Evidence: the schema of Woodpecker's own linter; of real pipelines one in five breaks it, most by old syntax.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from codemods.engine.context import Context
from codemods.engine.model import Finding, Impact, Note, Role, Severity, rule
from codemods.facts.pipelines import start_of_step, steps_of
from codemods.formats.yaml import Mapping
from codemods.repository import Document

_MISSING = "no pipeline was compared with Woodpecker's schema: pip install 'infra-codemods[schema]' for that"


@rule("woodpecker-schema", Role.PIPELINE, severity=Severity.WARNING, impact=Impact.PIPELINE, since="0.1.0")
def check(context: Context, document: Document) -> Iterator[Finding | Note]:
    """Yield a finding for each place that breaks the schema."""
    validator = _validator()
    if validator is None:
        if document.path == context.stack.pipelines[0]:
            yield Note(_MISSING)
        return
    from codemods.rules.woodpecker.schema_data import current_syntax, data_of

    for root in document.yaml.documents:
        data = data_of(root) if isinstance(root, Mapping) else None
        if isinstance(root, Mapping) and isinstance(data, dict):
            yield from dict.fromkeys(_findings(validator, root, current_syntax(root, data)))


def _findings(validator: Any, root: Mapping, data: dict[str, Any]) -> Iterator[Finding]:
    from codemods.rules.woodpecker.schema_data import place_of
    from codemods.rules.woodpecker.schema_errors import explain

    for error in validator.iter_errors(data):
        for path, message in explain(error):
            node = place_of(root, path)
            steps = (item for _, item in steps_of(root) if item.start <= node.start < item.end)
            block = next((start_of_step(root, item) for item in steps), None)
            where = ".".join(map(str, path)) or "the workflow"
            yield Finding(node.start, node.end, f"{where} breaks Woodpecker's schema: {message}", block=block)


@cache
def _validator() -> Any:
    """A validator of the schema; None where the package that holds it is not installed."""
    from importlib import import_module
    from importlib.util import find_spec
    from json import loads
    from pathlib import Path

    # Importing the package would import its whole command line.
    found = find_spec("check_jsonschema")
    for directory in (found.submodule_search_locations or ()) if found else ():
        path = Path(directory, "builtin_schemas", "vendor", "woodpecker-ci.json")
        if path.is_file():
            return import_module("jsonschema").Draft7Validator(loads(path.read_text(encoding="utf-8")))
    return None
