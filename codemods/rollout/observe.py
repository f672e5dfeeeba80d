"""How a machine stands: one script asks everything that a plan needs to know, in one round trip, and changes nothing.

Each line of the answer begins with a word that says what it is; texts are base64, so no content can look like a line.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from codemods.errors import CodemodError
from codemods.rollout.shell import OWN_DIRECTORY, quote, whole
from codemods.rollout.snapshot import Container, LiveFile, Question, Snapshot

if TYPE_CHECKING:
    from codemods.rollout.transport import Transport

TIMEOUT = 60
LARGEST = 1024 * 1024
"""Bytes; the content of a larger file is not read, only its digest."""

_FUNCTIONS = """
say() { printf '%s\\n' "$*"; }
text() { printf '%s ' "$1"; base64 | tr -d '\\n'; echo; }
look() {
    if [ -L "$2" ]; then say "file $1 symlink"
    elif [ -f "$2" ]; then
        digest=$(sha256sum <"$2")
        digest=${digest%% *}
        say "file $1 file $(stat -c '%a %U:%G %Y %i %s' "$2") $digest"
        if [ "$digest" != "$3" ] && [ -n "$3" ] && [ "$(stat -c %s "$2")" -le LARGEST ]; then
            text "content $1" <"$2"
        fi
    elif [ -d "$2" ]; then say "file $1 directory $(stat -c '%a %U:%G %Y %i %s' "$2")"
    elif [ -e "$2" ]; then say "file $1 other"
    else say "file $1 absent"
    fi
}
table() {
    number=$1
    user=$2
    if [ "$user" = "$(id -un)" ]; then set --; else set -- -u "$user"; fi
    if found=$(crontab "$@" -l 2>&1 && echo .); then text "crontab $number" <<_END_
$found
_END_
    else
        case $found in
        "no crontab for"*) say "crontab $number" ;;
        *) printf '%s' "$found" | text "crontab-error $number" ;;
        esac
    fi
}
""".replace("LARGEST", str(LARGEST))

_INSPECT = (
    '{"id":{{json .Id}},"name":{{json .Name}},"image":{{json .Config.Image}},"state":{{json .State}},'
    '"restarts":{{json .RestartCount}},"policy":{{json .HostConfig.RestartPolicy.Name}},'
    '"labels":{{json .Config.Labels}}}'
)
_WHERE = (
    '{{.State.Pid}} {{index .Config.Labels "com.docker.compose.service"}}'
    '|{{index .Config.Labels "com.docker.compose.project.working_dir"}}'
)


def observe(transport: Transport, question: Question) -> Snapshot:
    """Ask a machine. Raises Disconnected, or CodemodError when the account there may not look."""
    done = transport.run(script(question), TIMEOUT)
    if "\nend" not in done.output:
        from codemods.engine.report.escape import printable

        said = printable(done.output.strip()[-200:]) or "nothing"
        raise CodemodError(f"{transport.name}: the machine could not be looked at, it said: {said}")
    return parse(question, done.output)


def script(question: Question) -> str:
    """The script that asks."""
    own = f"{question.directory}/{OWN_DIRECTORY}"
    return whole(
        _FUNCTIONS,
        'say "root $([ "$(id -u)" = 0 ] && echo yes)"',
        *(f"look {i} {quote(path, digest)}" for i, (path, digest) in enumerate(question.files.items())),
        *(f"table {i} {quote(user)}" for i, user in enumerate(question.users)),
        f"own={quote(own)}",
        'if [ -f "$own/state.json" ]; then text state <"$own/state.json"; fi',
        'if [ -d "$own/lock" ]; then cat "$own/lock/owner.json" 2>/dev/null | text lock; fi',
        'for run in "$own"/runs/*/; do',
        '    case $(cat "$run/status" 2>/dev/null) in',
        '    swapping | rollback-failed) text interrupted <"$run/record.json" ;;',
        "    esac",
        "done",
        *_disk(question.directory),
        "for table in /proc/net/tcp /proc/net/tcp6; do",
        "    while read -r _ local _ status _; do",
        '        if [ "$status" = 0A ]; then say "port ${local##*:}"; fi',
        '    done <"$table"',
        "done 2>/dev/null",
        *_docker(question),
        "say end",
    )


def _disk(directory: str) -> Iterator[str]:
    yield f"place={quote(directory)}"
    yield 'while [ ! -d "$place" ]; do place=$(dirname "$place"); done'
    yield "for unit in k i; do"
    yield '    df -P$unit "$place" | tail -n 1 | { read -r _ _ _ free _; say "free $unit $free"; }'
    yield "done"


def _docker(question: Question) -> Iterator[str]:
    yield "if ids=$(docker ps -aq --no-trunc 2>/dev/null); then"
    yield "say docker"
    yield 'if [ -n "$ids" ]; then'
    yield f"docker inspect --type container --format {quote('container ' + _INSPECT)} $ids 2>/dev/null"
    if question.mounts:
        yield 'seen() { say "mounted $1 $(stat -L -c %i "/proc/$2/root$3" 2>/dev/null)"; }'
        yield f"docker inspect --type container --format {quote(_WHERE)} $ids 2>/dev/null | while read -r pid where; do"
        yield f'[ "${{where#*|}}" = {quote(question.directory)} ] || continue'
        yield 'case "${where%%|*}" in'
        for service in dict.fromkeys(service for service, _, _ in question.mounts):
            asked = [(i, target) for i, (owner, target, _) in enumerate(question.mounts) if owner == service]
            calls = "; ".join(f'seen {i} "$pid" {quote(target)}' for i, target in asked)
            yield f"{quote(service)}) {calls} ;;"
        yield "esac"
        yield "done"
    yield "fi"
    for i, image in enumerate(question.images):
        yield f'if docker image inspect {quote(image)} >/dev/null 2>&1; then say "image {i}"; fi'
    yield "fi"


def parse(question: Question, output: str) -> Snapshot:
    """The snapshot that an answer describes. Raises CodemodError for an answer of another form."""
    lines = [line.split(" ", 1) for line in output.splitlines()]
    found: dict[str, list[str]] = {}
    for word, *rest in lines:
        found.setdefault(word, []).append(rest[0] if rest else "")
    try:
        return _snapshot(question, found)
    except (ValueError, KeyError, IndexError, binascii.Error) as error:
        raise CodemodError(f"the machine's answer cannot be read ({type(error).__name__}: {error})") from error


def _snapshot(question: Question, found: Mapping[str, list[str]]) -> Snapshot:
    paths, users = list(question.files), list(question.users)
    free = dict(line.split()[:2] for line in found.get("free", []))
    files = {paths[int(line.split()[0])]: _file(line.split()[1:]) for line in found.get("file", [])}
    for line in found.get("content", []):
        number, _, content = line.partition(" ")
        path = paths[int(number)]
        files[path] = replace(files[path], content=_bytes(content))
    crontabs: dict[str, str | None] = {}
    for line in found.get("crontab", []):
        number, _, content = line.partition(" ")
        # A dot and a line end stand behind the text, to keep its own line end.
        crontabs[users[int(number)]] = _bytes(content).decode(errors="surrogateescape")[:-2] if content else None
    return Snapshot(
        files=files,
        crontabs=crontabs,
        crontab_errors={
            users[int(line.split()[0])]: _bytes(line.partition(" ")[2]).decode(errors="replace").strip()
            for line in found.get("crontab-error", [])
        },
        containers=tuple(_container(json.loads(line)) for line in found.get("container", [])),
        mounted={
            question.mounts[int(number)][:2]: int(inode or 0)
            for number, _, inode in (line.partition(" ") for line in found.get("mounted", []))
        },
        ports=frozenset(int(line, 16) for line in found.get("port", [])),
        images=frozenset(question.images[int(line)] for line in found.get("image", [])),
        state=_record(found.get("state", [])),
        interrupted=_record(found.get("interrupted", [])),
        lock=_record(found["lock"]) or {} if "lock" in found else None,
        has_docker="docker" in found,
        is_root=found.get("root") == ["yes"],
        free=(_number(free.get("k", "")), _number(free.get("i", ""))),
    )


def _file(words: Sequence[str]) -> LiveFile:
    if len(words) < 6:
        return LiveFile(words[0])
    kind, mode, owner, modified, inode, size, *digest = words
    return LiveFile(kind, int(mode, 8), owner, int(modified), int(inode), int(size), digest[0] if digest else "")


def _container(data: Mapping[str, Any]) -> Container:
    labels, state = data["labels"] or {}, data["state"]
    prefix = "com.docker.compose."
    return Container(
        id=data["id"],
        name=data["name"].removeprefix("/"),
        image=data["image"],
        status=state["Status"],
        started=_moment(state["StartedAt"]),
        service=labels.get(f"{prefix}service", ""),
        directory=labels.get(f"{prefix}project.working_dir", ""),
        config_hash=labels.get(f"{prefix}config-hash", ""),
        compose_version=labels.get(f"{prefix}version", ""),
        health=(state.get("Health") or {}).get("Status", ""),
        exit_code=state["ExitCode"],
        restarts=data["restarts"],
        policy=data["policy"],
    )


def _moment(text: str) -> float:
    """Seconds since 1970 of docker's times, which have nanoseconds."""
    match = re.match(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,6})?", text)
    if not match or text.startswith("0001"):
        return 0.0
    return datetime.fromisoformat(match[1]).replace(tzinfo=UTC).timestamp() + float(match[2] or 0)


def _record(lines: Sequence[str]) -> Mapping[str, Any] | None:
    """The last JSON object of these; one that is torn or empty is none."""
    for line in reversed(lines):
        try:
            data = json.loads(_bytes(line))
        except ValueError:
            continue
        if isinstance(data, dict):
            return data
    return None


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _number(text: str) -> int:
    """`df` writes `-` where a file system does not count."""
    return int(text) if text.isdigit() else 1 << 62
