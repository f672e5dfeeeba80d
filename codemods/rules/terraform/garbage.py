"""What the crontab lines of the provision list do to collect garbage: from which registry, how, with which flags."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from codemods.caching.collection import collected_by_script, is_live, read_collector, stopped_command
from codemods.engine.context import Context
from codemods.engine.edits import Edit
from codemods.errors import CannotEdit
from codemods.facts.compose import Service, is_registry_image
from codemods.facts.docker_calls import DockerCall, calls, read_call, read_flat
from codemods.facts.terraform import CronJob, TerraformFacts
from codemods.formats.hcl import HclFile
from codemods.formats.shell import Command, Word

MARKER = "garbage-collect"
_DATA = "/var/lib/registry"
_PROGRAM = re.compile(r"(?:[\w./-]*/)?registry")
_TRUE = ("", "1", "t", "T", "true", "TRUE", "True")
_ABORTS = ("exit", "return")


@dataclass(frozen=True)
class Collection:
    """One run of `garbage-collect` in a crontab line; `commands[at]` is the call of docker that it is.

    `container` is the one it runs in, or whose volumes it has (a service's name when `composed`), empty when the line
    does not tell; `data` the host's directory that it works on, where that is what the line tells.
    """

    job: CronJob
    commands: list[Command]
    at: int
    call: DockerCall
    container: str = ""
    data: str = ""
    image: str = ""

    @property
    def in_running(self) -> bool:
        """Whether it runs inside the running container."""
        return self.call.verb == "exec"

    @cached_property
    def arguments(self) -> list[Word]:
        """The words behind `garbage-collect`."""
        words = self.call.command.words
        return words[next(i for i, word in enumerate(words) if word.text == MARKER) + 1 :]

    @property
    def config(self) -> str:
        """The configuration it is given."""
        return next((word.text for word in self.arguments if not word.text.startswith("-")), "")

    @property
    def major(self) -> int | None:
        """Major version of the image that it runs; None when it runs in the registry's own, or no tag tells."""
        tag = self.image.partition("@")[0].rpartition("/")[2].partition(":")[2]
        match = re.match(r"v?(\d+)(?![\w])", tag)
        return int(match[1]) if match else None

    @property
    def is_dry(self) -> bool:
        """Whether it removes nothing."""
        return any(_sets(word.text, "d", "--dry-run") for word in self.arguments)

    @property
    def untagging(self) -> list[Word]:
        """The flags that make it remove untagged manifests."""
        return [word for word in self.arguments if _sets(word.text, "m", "--delete-untagged")]


@dataclass(frozen=True)
class ScriptRun:
    """A crontab line that runs the recipe's collector, for a container with its data in a directory of the host."""

    job: CronJob
    container: str
    data: str


def read_script_runs(facts: TerraformFacts) -> list[ScriptRun]:
    """All crontab lines that run the collector."""
    commands = [(job, job.line.command) for job in facts.cron_jobs]
    found = [(job, command, read_collector(command)) for job, command in commands]
    return [
        ScriptRun(job, collected_by_script(command), options.get("--data", ""))
        for job, command, options in found
        if options is not None
    ]


def read_collections(facts: TerraformFacts) -> list[Collection]:
    """All runs of `garbage-collect` by docker, podman or docker compose in the crontab lines."""
    return [found for job in facts.cron_jobs if MARKER in job.line.command for found in _collections(job)]


def commands_of(job: CronJob) -> list[Command]:
    """The simple commands of a crontab line, those inside `sh -c '…'` too."""
    line = job.line
    bare = re.search(r"(?<!\\)%", line.text[line.command_start : line.command_end])
    end = line.command_start + bare.start() if bare else line.command_end
    return read_flat(job.quoted[line.command_start : end])


def service_of(context: Context, found: Collection | ScriptRun) -> Service | None:
    """The registry of the compose file whose garbage is collected."""
    for service in context.compose.registries if context.compose else ():
        if is_named(service, found.container) or (found.data and found.data == service.data_directory):
            return service
    return None


def is_named(service: Service, container: str) -> bool:
    """Whether that is a service, its container, or the name that compose makes up for its container."""
    if container in (service.name, service.container):
        return True
    return re.search(rf"[-_]{re.escape(service.name)}[-_]\d+\Z", container) is not None


def names_of(context: Context, found: Collection) -> list[str]:
    """What the collected container may be called in commands."""
    service = service_of(context, found)
    return [name for name in (found.container, *((service.name, service.container) if service else ())) if name]


def is_ours(context: Context, found: Collection | ScriptRun) -> bool:
    """Whether it is a registry that the recipe is about."""
    service = service_of(context, found)
    return not context.settings.services.isdisjoint((found.container, service.name if service else ""))


def starts_after_failure(found: Collection, names: Sequence[str]) -> bool:
    """Whether the line starts the container again although the collection has failed."""
    passed = skipped = in_group = False
    for command in found.commands[found.at + 1 :]:
        words = [word.text for word in command.words]
        if in_group:
            in_group = words[:1] != ["}"]
            continue
        if command.after != "|":
            skipped = passed if command.after == "||" else command.after == "&&" and not passed
        if skipped or command.after == "|":
            # What is piped to runs beside the rest, and comes to nothing but the status of the whole.
            passed = passed if skipped else True
            in_group = words[:1] == ["{"]
            continue
        if command.arguments[:1] and command.arguments[0] in _ABORTS:
            return False
        call = read_call(command)
        if call and call.starts(names):
            return True
        passed = passed or words != ["}"]
    return any(command.arguments[:1] == ["trap"] for command in found.commands)


def stopped_edits(context: Context, file: HclFile, found: Collection) -> list[Edit]:
    """The line's command in its stopped form, the same for every rule. Raises CannotEdit."""
    service = service_of(context, found)
    if context.compose is None or service is None:
        raise CannotEdit("the registry's image is not known", "write the line by hand", found.job.quoted.places[0])
    line, nginx = found.job.line, context.compose.nginx
    start, end = found.job.span(line.command_start, line.command_end)
    if not _does_nothing_else(found, service, nginx) or file.text[start:end] != line.command:
        raise CannotEdit("the line does more than collect", "write the line by hand", start)
    config = service.config_target or found.config
    reloaded = nginx.container if nginx else ""
    return [Edit(start, end, stopped_command(line.command, service.container, service.image, config, reloaded))]


def untagging_edits(file: HclFile, found: Collection) -> list[Edit]:
    """The flags taken out, the rest of the line as it is."""
    edits = []
    for word in found.untagging:
        short = not word.text.startswith("--") and "=" not in word.text
        left = word.text.replace("m", "") if short else ""
        if left.strip("-"):
            edits.append(Edit(word.start, word.end, left))
        else:
            before = file.text[: word.start]
            edits.append(Edit(len(before.rstrip(" ")), word.end, ""))
    return edits


def _collections(job: CronJob) -> Iterator[Collection]:
    commands = commands_of(job)
    for at, command in enumerate(commands):
        texts = [word.text for word in command.words]
        call = read_call(command)
        if call is None or MARKER not in texts:
            continue
        before = texts[: texts.index(MARKER)]
        is_program = _PROGRAM.fullmatch(before[-1]) is not None
        if (call.verb == "exec" and is_program) or (call.verb == "run" and call.composed):
            name = call.operands[0] if call.operands and call.operands[0].plain else None
            yield Collection(job, commands, at, call, name.text if name else "")
        elif call.verb == "run":
            sources = call.option("--volumes-from")
            data = [value.split(":")[0] for value in call.option("-v", "--volume") if value.split(":")[1:2] == [_DATA]]
            image = before[-2] if is_program and is_registry_image(before[-2]) else before[-1]
            container = sources[0].split(":")[0] if sources else ""
            yield Collection(job, commands, at, call, container, data[0] if data else "", image)


def _sets(option: str, letter: str, name: str) -> bool:
    """Whether an option switches on a flag."""
    given, _, value = option.partition("=")
    is_short = re.fullmatch(r"-[a-z]+", given) is not None and letter in given
    return (is_short or given == name) and value in _TRUE


def _does_nothing_else(found: Collection, service: Service, nginx: Service | None) -> bool:
    """Whether the line does nothing but collect, and perhaps stop and start this container and reload nginx."""
    if is_live(found.job.line.command, service.container):
        return True
    commands = [command for command in found.commands if [word.text for word in command.words] != ["}"]]
    known = list(calls(commands))
    written = [command for command in found.commands[:-1] if command.redirections]
    if len(known) != len(commands) or written or not all(word.plain for one in commands for word in one.words):
        return False
    reload = [nginx.container, "nginx", "-s", "reload"] if nginx else []
    for call in known:
        operands = [word.text for word in call.operands]
        if call.command is found.call.command:
            is_known = sorted(call.options) == [("--rm", ""), ("--volumes-from", service.container)]
        elif call.verb == "exec":
            is_known = operands == reload and not call.options
        else:
            is_known = call.verb in ("stop", "start", "restart") and operands == [service.container]
        if not is_known or call.composed:
            return False
    return True
