"""The private registry's files in the provision list: its configuration, its users, its certificate and the key.

Each is written like the element that deploys the compose file. Certificate and key are files of the repository, which
may be locked by git-crypt; the users are a sensitive variable, as a hashed password is a secret, too. What only root
may read gets mode 0600.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from codemods.caching.production import brings_certificate, brings_users
from codemods.caching.terraform_deployment import (
    destination_like,
    is_config,
    is_deployed,
    is_file,
    is_source,
    new_element,
    simple_model,
    source_like,
)
from codemods.caching.terraform_site import Site
from codemods.engine.edits import Edit
from codemods.engine.model import Finding, Note, Outcome
from codemods.errors import CannotEdit, ParseError
from codemods.facts.terraform import Deployment
from codemods.formats.hcl import Block, Call, walk
from codemods.formats.hcl_edits import NewElement, copied, insert_block, insert_elements, remove_block, remove_element

_OTHER_NAME = "set registry.name in codemod.toml to another name, or take this element out"


class File(NamedTuple):
    """A file on the machine: from `path` in the repository; from the users' variable when that is None."""

    destination: str
    path: str | None
    about: str
    is_wanted: bool = True
    is_secret: bool = True


def provide_files(site: Site) -> Iterator[Outcome]:
    """Yield the elements that are missing, in one place, those with another source, and those that must go."""
    config, files = _configuration(site), list(_production(site))
    if config.path:
        is_deployed(site, config.path, config.destination, _OTHER_NAME)
    yield from _bring(site, [config, *files])
    for path in (file.path for file in files if file.is_wanted):
        if path and not _exists(site, path):
            yield Note(f"there is no {path} yet, and it is deployed from there: put it there before the roll-out")


def last_file(site: Site) -> int:
    """The last element that writes one of these files, or a sibling's configuration; else the compose file's."""
    ours = [found.index for file in (_configuration(site), *_production(site)) if (found := _find(site, file))]
    return max((*ours, *_configs(site)))


def every_file(site: Site) -> list[File]:
    """The files that the recipe deploys under any settings."""
    return [_configuration(site), _users(site), *_certificate(site)]


def _configuration(site: Site) -> File:
    if site.context.stack.configs is None:
        raise CannotEdit("the directory of the registry configurations is not known", "set paths.configs")
    return File(
        site.destination,
        posixpath.normpath(f"{site.context.stack.configs}/{site.registry.config_name}"),
        f"{site.registry.name} R/W registry config (no proxy = accepts pushes)",
        is_secret=False,
    )


def _exists(site: Site, path: str) -> bool:
    try:
        return site.context.document(path).exists
    except (ParseError, CannotEdit):
        # Locked by git-crypt, it is no text.
        return True


def _bring(site: Site, files: Iterable[File]) -> Iterator[Finding]:
    """Files that are missing go behind the one before them that is there."""
    missing: list[File] = []
    after: int | None = None
    for file in files:
        present = _find(site, file)
        if present and not file.is_wanted:
            yield _removal(site, present, file)
        elif present:
            yield from _insertion(site, missing, after)
            yield from _other_source(site, present, file)
            missing, after = [], present.index
        elif file.is_wanted:
            missing.append(file)
    yield from _insertion(site, missing, after)


def _production(site: Site) -> Iterator[File]:
    """The files of https and logins, in the order of the list."""
    yield _users(site)
    if site.registry.scheme == "http" or brings_certificate(site.context):
        yield from _certificate(site)


def _users(site: Site) -> File:
    path = f"{posixpath.dirname(site.destination)}/{site.registry.users_name}"
    return File(path, None, f"the users of the {site.registry.name} registry", brings_users(site.context))


def _certificate(site: Site) -> Iterator[File]:
    registry, directory = site.registry, posixpath.dirname(site.destination)
    wanted, about = registry.scheme == "https", f"the {registry.name} registry's certificate"
    yield File(f"{directory}/{registry.certificate_name}", registry.certificate, about, wanted, is_secret=False)
    yield File(f"{directory}/{registry.key_name}", registry.key, "the certificate's key", wanted)


def _find(site: Site, file: File) -> Deployment | None:
    """The element that writes a file."""
    return next((one for one in site.facts.deployments if is_file(one.destination, file.destination)), None)


def _insertion(site: Site, files: Sequence[File], after: int | None) -> Iterator[Finding]:
    """The elements for files, if any, behind element `after`, else behind the registries' configurations."""
    if not files:
        return
    model = simple_model(site)
    after = max(_configs(site)) if after is None else after
    elements = [_element(site, _source(site, model, file), after, file) for file in files]
    edits = insert_elements(site.file, site.elements, after, elements)
    names = ", ".join(posixpath.basename(file.destination) for file in files)
    what = f"{names} {'is' if len(files) == 1 else 'are'} not written to {posixpath.dirname(site.destination)}"
    finding = site.finding(after, what, edits, "+")
    is_declared = all(file.path is not None for file in files) or declaration(site)
    yield finding if is_declared else _with_variable(site, finding, _declare(site))


def is_as_declared(site: Site, block: Block) -> bool:
    """Whether the declaration of the users' variable is as the recipe writes it, and one element at most uses it."""
    text, lines = site.file.text, declaration_lines(site)
    is_shared = text.count(f"var.{site.registry.users_variable}") > 1
    return not is_shared and text[block.start : block.end].replace("\r\n", "\n") == "\n".join(lines)


def _removal(site: Site, present: Deployment, file: File) -> Finding:
    """The element taken out again, and with the users their variable when it is as it was written."""
    comment = _element(site, "", present.index, file).comment
    edits = [remove_element(site.file, site.elements, present.index, comment=comment)]
    finding = site.finding(present.index, f"{present.destination} is not needed any more", edits, "-")
    block = declaration(site)
    if file.path is not None or block is None or not is_as_declared(site, block):
        return finding
    return _with_variable(site, finding, remove_block(site.file, block))


def _other_source(site: Site, present: Deployment, file: File) -> Iterator[Finding]:
    """The same file, from where the settings say now."""
    if present.kind != "file" or not file.path or is_source(site, present, file.path):
        return
    edits = [Edit(*present.source_span, source_like(site, present, file.path))]
    yield site.finding(present.index, f"{present.destination} is not {file.path}", edits, str(present.index))


def _with_variable(site: Site, finding: Finding, edit: Edit) -> Finding:
    writes = (*finding.writes, (f"variable.{site.registry.users_variable}",))
    return finding._replace(edits=(*finding.edits, edit), writes=writes)


def declaration(site: Site) -> Block | None:
    """The block that declares the users' variable."""
    return next(
        (block for block in site.file.blocks if block.path == (f"variable.{site.registry.users_variable}",)), None
    )


def declaration_lines(site: Site) -> list[str]:
    return [f'variable "{site.registry.users_variable}" {{', "  type      = string", "  sensitive = true", "}"]


def _declare(site: Site) -> Edit:
    """The users' variable, behind the last one, else at the end of the file; blank lines as between the others."""
    variables = [block for block in site.file.blocks if len(block.path) == 1 and block.path[0].startswith("variable.")]
    last = max(variables or site.file.blocks, key=lambda block: block.end, default=None)
    if last is None:
        raise CannotEdit(
            "the file has no block to put a variable behind", f"declare {site.registry.users_variable} by hand"
        )
    above = [block.end for block in variables if block.end < last.start]
    gap = not above or site.file.text.count("\n", max(above), last.start) > 1
    return insert_block(site.file, last, declaration_lines(site), gap=gap)


def _configs(site: Site) -> list[int]:
    """The elements that write the siblings' configurations, else the one to write ours like."""
    return [one.index for one in site.facts.deployments if is_config(site, one)] or [simple_model(site).index]


def _element(site: Site, source: str, after: int, file: File) -> NewElement:
    """With a comment like those above the siblings' configurations."""
    return new_element(site, source, after, f"Write {file.about}", _configs(site))


def _source(site: Site, model: Deployment, file: File) -> str:
    """The model's element with our source and our destination, each with its own way to write the directory."""
    destination = destination_like(model, file.destination)
    if file.is_secret:
        if site.file.text[model.destination_span[1]] != '"':
            raise CannotEdit(
                "the destination that would be the model has quotes of its own",
                f"deploy {file.destination} with mode 0600 by hand",
                model.destination_span[0],
            )
        destination = f"{destination} && chmod 600 {destination}"
    edits = [_given(site, model, file), Edit(*model.destination_span, destination)]
    return copied(site.file, site.element(model.index), edits)


def _given(site: Site, model: Deployment, file: File) -> Edit:
    """What the model encodes, replaced by our file or by the users' variable."""
    if file.path is not None:
        return Edit(*model.source_span, source_like(site, model, file.path))
    call = next(
        call
        for call in walk(site.element(model.index))
        if isinstance(call, Call) and call.children and call.children[0].start + 1 == model.source_span[0]
    )
    value = f"var.{site.registry.users_variable}"
    return Edit(call.start, call.end, f"base64encode({value})" if call.name == "filebase64" else value)
