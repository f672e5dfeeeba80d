"""The crontab command that collects a registry's garbage: its three forms, and telling them apart.

The plan's form runs `garbage-collect -m` in the live registry. The stopped form takes the registry down for it, runs
it without `-m`, and starts the registry again also when the run failed (facts 11, 14, 15). The collector, a script
beside the cleanup script, does that too, frees what was overwritten, and keeps the registry within its size.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from codemods.errors import CannotEdit

_DOCKER = re.compile(r"(?:^|\s)((?:/[\w./-]+/)?docker)\s")
_LOG = re.compile(r"\s(>>?\s*[\w./-]+(?:\s+2>&1)?)\s*$")
_SCRIPT = re.compile(
    r"(?:\S*/)?python3 (?:\S*/)?collect-garbage\.py(?P<options>(?: [^\s;&|<>(){}$`]+)*)(?P<log>\s*>.*)?"
)
_PLAIN = re.compile(r"[\w./][\w./:@+-]*", re.ASCII)


def plain(value: str) -> str:
    """The value, when HCL, the shell and cron all take it as it stands; else raises CannotEdit."""
    if not _PLAIN.fullmatch(value):
        raise CannotEdit(f"the value {value!r} cannot stand in a command", "write it out, in plain characters")
    return value


def live_command(container: str, config: str) -> str:
    """The plan's form."""
    return f"/usr/bin/docker exec {container} registry garbage-collect -m {config} >> /var/log/registry-gc.log 2>&1"


def stopped_command(like: str, container: str, image: str, config: str, nginx: str) -> str:
    """The stopped form, with the docker binary and the log file of the command `like`.

    Without `nginx` nothing is reloaded. Raises CannotEdit for values that a crontab line cannot take.
    """
    container, image, config = plain(container), plain(image), plain(config)
    docker, log = _docker(like), _log(like)
    reload = f" {docker} exec {plain(nginx)} nginx -s reload;" if nginx else ""
    collect = f"{docker} run --rm --volumes-from {container} {image} garbage-collect {config};"
    return f"{docker} stop {container} && {{ {collect} {docker} start {container};{reload} }} {log}"


def collector_command(like: str, script: str, wanted: Mapping[str, str]) -> str:
    """The collector with the options `wanted`, and with the docker binary, the log file and the own options of `like`.

    Raises CannotEdit for values that a crontab line cannot take.
    """
    own = read_collector(like)
    if own is None:
        docker = _docker(like)
        own = {} if docker in ("docker", "/usr/bin/docker") else {"--docker": docker}
    options = {**wanted, **{name: value for name, value in own.items() if name not in wanted}}
    words = [word for name, value in options.items() for word in (name, plain(value) if value else "") if word]
    return " ".join(("/usr/bin/python3", plain(script), *words, _log(like)))


def read_collector(command: str) -> dict[str, str] | None:
    """The options of a collector's command, a flag's value empty; None for other commands.

    An option that stands there several times has its values joined by blanks, which no command takes as they are.
    """
    match = _SCRIPT.fullmatch(command)
    if match is None:
        return None
    options: dict[str, str] = {}
    name = ""
    for word in match["options"].replace("=", " ").split():
        if word.startswith("--"):
            name = word
            options.setdefault(name, "")
        else:
            options[name] = f"{options.get(name, '')} {word}".strip()
    return options


def collected_by_script(command: str) -> str:
    """The container whose garbage the collector is told to collect; empty for other commands."""
    options = read_collector(command)
    return "" if options is None else options.get("--container", "registry-private")


def is_stopped(command: str, container: str) -> bool:
    """Whether a command is the stopped form for this container, whatever its image, log or nginx."""
    name, docker = re.escape(container), r"[\w./-]*docker"
    form = (
        rf"{docker} stop {name} && \{{ {docker} run --rm --volumes-from {name} \S+ garbage-collect \S+;"
        rf" {docker} start {name};(?: {docker} exec \S+ nginx -s reload;)? \}}(?:\s+>.*)?"
    )
    return re.fullmatch(form, command) is not None


def is_live(command: str, container: str) -> bool:
    """Whether a command does nothing but collect in the running container."""
    form = rf"(?:\S*/)?docker exec(?: -\S+)* {re.escape(container)} registry garbage-collect[^;&|{{}}>]*(?:>.*)?"
    return re.fullmatch(form, command) is not None and ";" not in command


def mentions(text: str, name: str) -> bool:
    """Whether a container's name or a path stands in the text as a whole."""
    return bool(name) and re.search(_whole(name), text) is not None


def rename_spans(text: str, names: Iterable[tuple[str, str]]) -> list[tuple[int, int, str]]:
    """Start, end and new text of every old name in the text; the longest name wins."""
    new = {old: name for old, name in names if old}
    pattern = "|".join(_whole(old) for old in sorted(new, key=len, reverse=True))
    return [(*match.span(), new[match[0]]) for match in re.finditer(pattern, text)] if new else []


def _docker(like: str) -> str:
    return match[1] if (match := _DOCKER.search(like)) else "/usr/bin/docker"


def _log(like: str) -> str:
    return match[1] if (match := _LOG.search(like)) else ">> /var/log/registry-gc.log 2>&1"


def _whole(name: str) -> str:
    """A pattern for a path with what lies below it, or for a name that is no part of a path or of another name."""
    if name.startswith("/"):
        return rf"(?<![\w./-]){re.escape(name)}(?![\w-])"
    # A container may be called `registry`; so are the image and the program in it.
    other = r"(?!:\w| garbage-collect)" if name == "registry" else ""
    return rf"(?<![\w./-]){re.escape(name)}(?![\w/-])(?!\.\w){other}"
