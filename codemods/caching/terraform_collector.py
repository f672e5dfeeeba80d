"""The garbage collector in the provision list: the script that its crontab line runs.

It is written like the cleanup script and behind it, else behind the registries' files.
"""

from __future__ import annotations

from collections.abc import Iterator

from codemods.caching.collection import rename_spans
from codemods.caching.terraform_deployment import (
    destination_like,
    is_alone,
    is_deployed,
    new_element,
    simple_model,
    source_like,
)
from codemods.caching.terraform_files import last_file, provide_files
from codemods.caching.terraform_site import Site
from codemods.engine.edits import Edit
from codemods.engine.model import Finding, Outcome
from codemods.errors import CannotEdit
from codemods.facts.terraform import Deployment
from codemods.formats.hcl_edits import copied, insert_elements
from codemods.stack import COLLECTOR


def provide_collector(site: Site) -> Iterator[Outcome]:
    """Yield the element when it is missing; the settings of https and logins have no part in it."""
    source = site.context.stack.collector
    if not site.context.settings.verified or source is None:
        return
    if is_deployed(site, source, site.collector, "take this element out, or move what it writes"):
        return
    cleanup = site.cleanup
    model = cleanup if cleanup and cleanup.kind == "file" and is_alone(site, cleanup) else simple_model(site)
    after = cleanup.index if cleanup else _behind_files(site, model)
    element = copied(site.file, site.element(model.index), _retargeted(site, model, source))
    new = new_element(site, element, after, "Write the registry garbage collector", [model.index])
    edits = insert_elements(site.file, site.elements, after, [new])
    yield site.finding(after, f"{COLLECTOR} is not written to {site.collector}", edits, "+")


def _behind_files(site: Site, model: Deployment) -> int:
    """The last of the registries' files, behind which some may just have been inserted."""
    last = last_file(site)
    findings = [one for one in provide_files(site) if isinstance(one, Finding)]
    if any(path[-1] == "-" for one in findings for path in one.writes):
        # Beside elements that go, a new one would read as one of them with other content.
        return model.index
    if findings and site.elements.commas[last] is None:
        start = site.element(last).start
        raise CannotEdit("two elements belong behind the last one, which has no comma", "put a comma behind it", start)
    return last


def _retargeted(site: Site, model: Deployment, source: str) -> list[Edit]:
    """The model's paths replaced by ours."""
    element = site.element(model.index)
    # A `chmod` behind it names the place once more.
    names = [(model.destination, destination_like(model, site.collector))]
    places = rename_spans(site.file.text[element.start : element.end], names)
    targets = [Edit(element.start + start, element.start + end, new) for start, end, new in places]
    return [Edit(*model.source_span, source_like(site, model, source)), *targets]
