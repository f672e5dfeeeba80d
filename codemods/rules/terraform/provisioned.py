"""What a provision list may put on the VM, however it is written: rules must not miss what they cannot read."""

from __future__ import annotations

import posixpath
import re

from codemods.caching.collection import mentions
from codemods.engine.context import Context
from codemods.engine.model import Related
from codemods.errors import CannotEdit, ParseError
from codemods.facts.compose import Service
from codemods.facts.terraform import TerraformFacts, read_element
from codemods.formats.hcl import TEMPLATE, Call, HclFile, Heredoc, String, Value, walk

_UNKNOWN = re.compile(rf"{TEMPLATE}|\$\{{[^}}]*\}}|\$\([^)]*\)?|\$\w+|`[^`]*`|\{{[^}}]*\}}|\[[^]]*\]|[*?~]")
_READ = ("format", "join", "trimspace", "chomp", "replace")


def service_place(context: Context, service: Service) -> tuple[Related, ...]:
    """Where a service stands in the compose file."""
    pair = next(iter(service.pairs.values()), None)
    if pair is None or context.stack.compose is None:
        return ()
    return (Related(context.stack.compose, pair.key.start, f"{service.name} is here"),)


def deployed_texts(context: Context) -> dict[str, str]:
    """The texts of the repository's files that the list deploys, by their destination; not the recipe's collector."""
    texts = {}
    for destination, path in context.deployed.items():
        if path == context.stack.collector:
            continue  # the names in it are only its defaults
        try:
            texts[destination] = context.document(path).text
        except (ParseError, CannotEdit):
            continue
    return texts


def may_provide(context: Context, file: HclFile, facts: TerraformFacts, path: str) -> bool:
    """Whether some element may make or write `path`: it names it, or leaves open what it names."""
    assert facts.elements
    jobs = {job.index for job in facts.cron_jobs}
    elements = [element for index, element in enumerate(facts.elements.children) if index not in jobs]
    parent = posixpath.dirname(path)
    if any(_is_opaque(file, element) or _may_name(file, element, path) for element in elements):
        return True
    heredocs = [
        file.text[one.start : one.end] for element in elements for one in walk(element) if isinstance(one, Heredoc)
    ]
    scripts = [text for to, text in deployed_texts(context).items() if context.deployed[to] != context.stack.compose]
    return any("mkdir" in text and mentions(text, parent) for text in (*heredocs, *scripts))


def _is_opaque(file: HclFile, element: Value) -> bool:
    """Whether an element is a command that nobody can read here: `var.command`, `file("setup.sh")`."""
    match element:
        case String():
            return file.decode(element).text.strip() == TEMPLATE
        case Heredoc():
            return False
        case Call():
            return element.name not in _READ
    return True


def _may_name(file: HclFile, element: Value, path: str) -> bool:
    if mentions(file.text[element.start : element.end], path):
        return True
    for command in read_element(file, element):
        words = [word.text for word in command.words]
        makes = "mkdir" in words or "install" in words
        targets = [word for _, word in command.redirections]
        for word in (*command.words, *targets) if makes else targets:
            if not word.plain and _may_be(word.text, path):
                return True
    return False


def _may_be(written: str, path: str) -> bool:
    """Whether what the shell or Terraform puts in may make a word the path."""
    pattern, position = "", 0
    for match in _UNKNOWN.finditer(written):
        pattern += re.escape(written[position : match.start()]) + ".*"
        position = match.end()
    pattern += re.escape(written[position:].rstrip("/"))
    return re.fullmatch(pattern, path) is not None
