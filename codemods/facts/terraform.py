"""What the Terraform file says: what cloud-init puts on the VM, the VM's address and disk, the comment about ports.

Only elements of the provision list are read, as text: `file("…")` is not opened, variables are not resolved.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass

from codemods.errors import ParseError
from codemods.formats.comments import Comment
from codemods.formats.crontab import CrontabLine
from codemods.formats.crontab import parse as parse_crontab
from codemods.formats.hcl import TEMPLATE, Attribute, Block, Call, HclFile, Heredoc, List, String, Value, walk
from codemods.formats.quoting import Quoted
from codemods.formats.shell import Command, Word, read_commands

_HERE = re.compile(r"\$\{path\.(?:root|module|cwd)\}/")
_PORT = re.compile(r"(?:#+|//)\s*[-*]?\s*(?P<port>\d{2,5})\s*(?:->|→|=>|:|=|-)\s*(?P<rest>\S.*)")
_OF_THE_STACK = re.compile(r"registry|nginx", re.IGNORECASE)
_ADDRESS = re.compile(r"\bip=(\d{1,3}(?:\.\d{1,3}){3})\b")

LIST_FUNCTIONS = ("concat", "compact", "flatten", "tolist")
"""Terraform's functions that give the elements of the lists they are given."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """One file that an element writes to the VM: `echo … | base64 -d > destination`.

    `kind` is file, templatefile, heredoc or other. `source` is the path as written between the quotes of its call,
    or the expression of a heredoc or other; `suffix` is what follows, such as `&& chmod +x …`.
    Spans are source offsets.
    """

    index: int
    kind: str
    source: str
    source_span: tuple[int, int]
    destination: str
    destination_span: tuple[int, int]
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class Directory:
    """A directory that `mkdir -p` makes; `start`-`end` is its word, quotes included."""

    index: int
    path: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class CronJob:
    """A crontab line that an element installs; `quoted` leads from its characters to the source.

    `alone` when the element installs no other line; `appended` when it adds lines to those that `user` has (empty:
    root) and does nothing else.
    """

    index: int
    line: CrontabLine
    quoted: Quoted
    alone: bool
    appended: bool = False
    user: str = ""

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Source offsets of characters `start`-`end` of the line."""
        return self.quoted.places[start], self.quoted.places[end]


@dataclass(frozen=True, slots=True)
class PortComment:
    """One line of the comment about ports: `# 5040 -> nginx -> registry-kyverno (reg.kyverno.io proxy)`."""

    port: int
    rest: str
    comment: Comment


@dataclass(frozen=True)
class TerraformFacts:
    """What was found; `attribute` is the provision list, None when there is no list of that name."""

    attribute: Attribute | None = None
    deployments: tuple[Deployment, ...] = ()
    directories: tuple[Directory, ...] = ()
    cron_jobs: tuple[CronJob, ...] = ()
    address: str = ""
    disk_size: str = ""
    disk_span: tuple[int, int] = (0, 0)
    ports: tuple[PortComment, ...] = ()

    @property
    def elements(self) -> List | None:
        """The provision list's value."""
        return self.attribute.value if self.attribute and isinstance(self.attribute.value, List) else None


def read_terraform(file: HclFile, provision_list: str) -> TerraformFacts:
    """Read the facts of a file; `provision_list` is a dotted name."""
    attribute = file.attribute(provision_list)
    if attribute and not isinstance(attribute.value, List):
        attribute = None
    elements = attribute.value.children if attribute else ()
    ports = _port_comments(file)
    address, disk = _vm(file, attribute, ports)
    return TerraformFacts(
        attribute,
        tuple(found for i, element in enumerate(elements) for found in read_deployments(file, i, element)),
        tuple(found for i, element in enumerate(elements) for found in _directories(file, i, element)),
        tuple(found for i, element in enumerate(elements) for found in _cron_jobs(file, i, element)),
        address,
        file.text[disk.start : disk.end].strip('"') if disk else "",
        (disk.start, disk.end) if disk else (0, 0),
        ports,
    )


def find_provision_lists(file: HclFile) -> list[tuple[str, tuple[Deployment, ...]]]:
    """Dotted name and deployments of every list that deploys files, also of one that concat() and its kin make."""
    found = []
    for attribute in file.attributes:
        elements = enumerate(_listed(attribute.value))
        deployments = tuple(item for i, element in elements for item in read_deployments(file, i, element))
        if deployments:
            found.append((attribute.dotted, deployments))
    return found


def _listed(value: Value) -> Iterator[Value]:
    """The elements of a list, also of one inside a list or a call that makes one list of several."""
    if isinstance(value, List) or (isinstance(value, Call) and value.name in LIST_FUNCTIONS):
        for child in value.children:
            is_list = isinstance(child, List) or (isinstance(child, Call) and child.name in LIST_FUNCTIONS)
            yield from _listed(child) if is_list else (child,)


def resolve_source(terraform_path: str, as_written: str) -> str | None:
    """The repository path of a source as it is written in the file at `terraform_path`.

    `${path.root}`, `${path.module}` and plain relative paths all start at the file's directory. None for absolute
    paths, other variables, and paths that leave the repository.
    """
    path, _ = _HERE.subn("", as_written, count=1)
    if path.startswith("/") or "${" in path or "%{" in path:
        return None
    resolved = posixpath.normpath(posixpath.join(posixpath.dirname(terraform_path), path))
    return None if resolved.startswith("..") or not path else resolved


def read_deployments(file: HclFile, index: int, element: Value) -> list[Deployment]:
    """The files that one element writes; the nth decoded stream is paired with the nth base64encode."""
    sources = list(_sources(element))
    targets = list(_targets(file, element)) if sources else []
    if len(sources) != len(targets):
        return []
    return [
        Deployment(
            index,
            kind,
            file.text[start:end],
            (start, end),
            word.text if TEMPLATE not in word.text else file.text[word.value.places[0] : word.value.places[-1]],
            (word.value.places[0], word.value.places[-1]),
            suffix,
        )
        for (kind, start, end), (word, suffix) in zip(sources, targets, strict=True)
    ]


def _sources(element: Value) -> Iterator[tuple[str, int, int]]:
    """Kind and span of what each base64encode is given."""
    for call in walk(element):
        if not isinstance(call, Call) or call.name not in ("base64encode", "filebase64") or not call.children:
            continue
        value: Value = call if call.name == "filebase64" else call.children[0]
        match value:
            case Call(name="file" | "templatefile" | "filebase64" as name, children=(String() as path, *_)):
                yield "templatefile" if name == "templatefile" else "file", path.start + 1, path.end - 1
            case Heredoc():
                yield "heredoc", value.start, value.end
            case _:
                yield "other", value.start, value.end


def _targets(file: HclFile, element: Value) -> Iterator[tuple[Word, str]]:
    """Destination of each `base64 -d`, and what follows it."""
    source = _command_line(file, element)
    decoding = False
    for command in read_element(file, element):
        if command.after != "|":
            decoding = False
        name, *options = command.arguments or [""]
        if name == "base64" and {"-d", "-D", "-di", "--decode"}.intersection(options):
            decoding = True
        word = None
        if decoding and name == "base64":
            word = next((target for sign, target in command.redirections if sign in (">", ">|")), None)
        elif decoding and name == "tee" and len(options) == 1:
            word = command.words[-1]
        if word and source:
            decoding = False
            yield word, source.text[source.places.index(word.end) :].strip()


def _directories(file: HclFile, index: int, element: Value) -> Iterator[Directory]:
    for command in read_element(file, element):
        name, *arguments = command.arguments or [""]
        if name == "mkdir" and any(re.fullmatch(r"-[a-zA-Z]*p[a-zA-Z]*|--parents", option) for option in arguments):
            for word in command.words[-len(arguments) :]:
                if word.plain and word.text.startswith("/"):
                    yield Directory(index, word.text.rstrip("/") or "/", word.start, word.end)


def _cron_jobs(file: HclFile, index: int, element: Value) -> list[CronJob]:
    commands = read_element(file, element)
    install = next((command for command in commands if command.after == "|" and _installs_crontab(command)), None)
    if install is None:
        return []
    named = install.arguments[1:-1]
    found = []
    for command in commands:
        if len(command.arguments) != 2 or command.arguments[0] != "echo" or not command.words[-1].plain:
            continue
        quoted = command.words[-1].value
        try:
            found.append((parse_crontab(quoted.text), quoted))
        except ParseError:
            continue
    others = [one.arguments for one in commands if one.arguments[:1] != ["echo"] and one is not install]
    kept = [arguments for arguments in others if arguments not in (["}"], ["true"], [":"])]
    appended = kept in ([["crontab", "-l"]], [["crontab", *named, "-l"]]) and others[0] == kept[0]
    appended = appended and len(commands) == len(found) + len(others) + 1
    user = " ".join(named).removeprefix("-u ")
    user = "" if user == "root" else user
    return [CronJob(index, line, quoted, len(found) == 1, appended, user) for line, quoted in found]


def _installs_crontab(command: Command) -> bool:
    return command.arguments[:1] == ["crontab"] and command.arguments[-1] == "-"


def read_element(file: HclFile, element: Value) -> list[Command]:
    """The shell commands of an element; none where it is no string, or cannot be read."""
    source = _command_line(file, element)
    try:
        return read_commands(source) if source else []
    except ParseError:
        return []


def _command_line(file: HclFile, element: Value) -> Quoted | None:
    """The shell text of an element: a string, or the format of a call of format()."""
    match element:
        case String():
            return file.decode(element)
        case Call(name="format", children=(String() as first, *_)):
            return file.decode(first)
    return None


def _port_comments(file: HclFile) -> tuple[PortComment, ...]:
    """The lines about ports of the comment block that has the most about this stack, two at least."""
    blocks: list[list[PortComment]] = [[]]
    previous: Comment | None = None
    for comment in (found for found in file.comments if found.own_line):
        if previous and file.text[previous.end : file.line_start(comment.start)].strip(" \t\r") != "\n":
            blocks.append([])
        previous = comment
        if match := _PORT.fullmatch(comment.text):
            blocks[-1].append(PortComment(int(match["port"]), match["rest"], comment))
    counts = [sum(1 for line in block if _OF_THE_STACK.search(line.rest)) for block in blocks]
    return tuple(blocks[counts.index(max(counts))]) if max(counts) > 1 else ()


def _vm(file: HclFile, provision: Attribute | None, ports: tuple[PortComment, ...]) -> tuple[str, Value | None]:
    """Address and disk size of the VM: the block with an ipconfig0 for which most speaks."""
    values = {attribute.path: file.text[attribute.value.start : attribute.value.end] for attribute in file.attributes}
    template = provision.path[:-1] if provision else ()
    scores = {
        block: _kinship(block, values, template, ports) for block in file.blocks if (*block.path, "ipconfig0") in values
    }
    best = [block.path for block, score in scores.items() if score == max(scores.values())]
    if len(best) != 1:
        return "", None
    match = _ADDRESS.search(values[(*best[0], "ipconfig0")])
    disk = next((found.value for found in file.attributes if found.path == (*best[0], "vm_disk_size")), None)
    return match[1] if match else "", disk


def _kinship(
    block: Block, values: dict[tuple[str, ...], str], template: tuple[str, ...], ports: tuple[PortComment, ...]
) -> int:
    """How much speaks for a block being the VM made from the template block."""
    if block.path == template:
        return 4
    own = [value for path, value in values.items() if path[:-1] == block.path]
    shared = values.get((*block.path, "template_name")) == values.get((*template, "template_name"), "")
    named = bool(template) and any(template[-1] in value for value in own)
    return 2 * (shared or named) + any(block.start < line.comment.start < block.end for line in ports)
