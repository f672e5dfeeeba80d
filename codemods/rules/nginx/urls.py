"""What a registry makes the URLs of uploads from: the headers that nginx passes on, unless it is told otherwise."""

from __future__ import annotations

import posixpath

from codemods.engine.context import Context
from codemods.engine.edits import Edit
from codemods.errors import CannotEdit, ParseError
from codemods.facts.compose import Service
from codemods.facts.registries import Registry
from codemods.formats.nginx_edits import one_line
from codemods.formats.yaml import Mapping, Sequence, text_of
from codemods.rules.nginx.places import Fix, Place

_OFF = ("", "false", "no", "off")
_VARIABLES = ("REGISTRY_HTTP_HOST", "REGISTRY_HTTP_RELATIVEURLS")


def follows_headers(context: Context, place: Place) -> bool:
    """Whether the registry's URLs come from the headers, as far as its configuration can be seen."""
    found = [registry for name in place.services if (registry := _registry(context, place.path, name))]
    return bool(found) and not any(map(_has_own_urls, found)) and not _rewrites(place)


def _registry(context: Context, path: str, service: str) -> Registry | None:
    """A registry; where only nginx's file is seen, the one whose configuration lies beside it."""
    if context.compose is not None:
        return next((registry for registry in context.registries if registry.service.name == service), None)
    name = next(registry.config_name for registry in context.settings.registries if registry.service == service)
    beside = posixpath.join(posixpath.dirname(path), name)
    try:
        document = context.document(beside)
        known = document.exists and document.yaml.root is not None
    except (ParseError, CannotEdit):
        return None
    return Registry(Service(service, "", service), beside, document) if known else None


def _has_own_urls(registry: Registry) -> bool:
    """Whether its URLs are relative, or begin with a host of its own."""
    relative = registry.text("http", "relativeurls").lower()
    environment = registry.service.value("environment")
    if isinstance(environment, Mapping):
        names = [pair.name or "" for pair in environment.pairs]
    else:
        items = environment.items if isinstance(environment, Sequence) else ()
        names = [(text_of(item) or "").partition("=")[0] for item in items]
    return bool(registry.text("http", "host")) or relative not in _OFF or any(v in names for v in _VARIABLES)


def _rewrites(place: Place) -> bool:
    """Whether nginx is told how to repair the URLs in answers."""
    return place.value("proxy_redirect", "default") not in ("default", "off")


def header_fix(place: Place, name: str, value: str) -> Fix:
    """Pass a header on with this value.

    A location with headers of its own inherits none, so those of a level outside the server come along with it.
    """
    file, source = place.file, f"proxy_set_header {name} {value};"
    nearest, old = place.location.setting("proxy_set_header"), place.location.headers.get(name.lower())
    if nearest is None:
        return place.insert(place.anchor, source)
    level = [sibling for sibling in file.siblings(nearest) if sibling.name == nearest.name]
    if place.holds(nearest):
        return place.replace(old, 2, value) if old else place.insert(level[-1], source)
    lines = [source if directive is old else one_line(file, directive) for directive in level]
    lines += [] if old else [source]
    fixes = [place.insert(place.anchor, line) for line in lines]
    # One edit over what stands before it, so that no other rule adds these lines in the same pass.
    start, end = place.anchor.start, fixes[0][0][0].start
    new = file.text[start:end] + "".join(edits[0].new for edits, _ in fixes)
    return (Edit(start, end, new),), tuple(path for _, paths in fixes for path in paths)
