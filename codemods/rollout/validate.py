"""Trying the new files on the machine before anything of the running stack is touched.

nginx is tested in a container of its own without network. There no upstream would resolve, and the configuration of
the very migration this is for would fail; so every service of the new compose file gets a name there.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import TYPE_CHECKING

from codemods.errors import ParseError
from codemods.formats.yaml import parse
from codemods.rollout.definitions import compose_files
from codemods.rollout.shell import quote
from codemods.rollout.steps import file_key

if TYPE_CHECKING:
    from codemods.facts.compose import Service
    from codemods.rollout.plan import Plan, Wish
    from codemods.rollout.snapshot import Snapshot
    from codemods.rollout.steps import Run

PULL_TIMEOUT = 600
TEST_TIMEOUT = 60
TRIAL_TENTHS = 20
"""Tenths of a second that a registry has to stay up with its new configuration; a bad one ends it at once."""

_LAST_WORDS = "^(panic|configuration error): |level=fatal"
"""Where a registry says why it ends; a stack trace, or its usage, follows."""


def validations(run: Run, wish: Wish, snapshot: Snapshot, plan: Plan) -> Iterator[tuple[str, str]]:
    """Name and script of every trial that these changes need, in order."""
    found = _Validation(run, wish, snapshot, plan)
    compose = wish.manifest.compose
    if compose.path in found.changed:
        staged = f'"$(staged {file_key(compose.path)})"'
        options = quote(*compose_files(wish.manifest, snapshot, "STAGED")).replace("STAGED", staged)
        yield f"docker compose config of {compose.source}", run.step("compose", f"compose {options} config -q")
    images = [image for image in wish.question.images if image not in snapshot.images and "$" not in image]
    if images and plan.runs_up:
        pulls = [f"timeout {PULL_TIMEOUT} docker pull {quote(image)}" for image in images]
        yield f"pulling {', '.join(images)}", run.step("pull", *pulls)
    for service in wish.composition.services:
        image = found.image(service)
        if not image:
            continue
        if service is wish.composition.facts.nginx:
            if found.concerns(service) or compose.path in found.changed:
                yield "nginx -t", run.step("nginx", *found.nginx_test(service, image))
        elif service in wish.composition.facts.registries and found.can_be_tried(service):
            yield f"a trial of {service.name}", run.step("trial", *found.trial(service, image))


def untried(run: Run, wish: Wish, snapshot: Snapshot, plan: Plan) -> list[str]:
    """The services whose new files no trial sees, as nobody but compose knows their image."""
    found = _Validation(run, wish, snapshot, plan)
    return [
        f"{service.name} is not tried beforehand: its image is {service.image}, and it has no container yet"
        for service in wish.composition.services
        if found.concerns(service) and not found.image(service)
    ]


class _Validation:
    def __init__(self, run: Run, wish: Wish, snapshot: Snapshot, plan: Plan) -> None:
        self.run = run
        self.wish = wish
        self.snapshot = snapshot
        self.changed = {change.file.path: change.file for change in plan.contents}

    def image(self, service: Service) -> str:
        """The image to try a service with: of one with variables that of its container. Empty without: only compose
        knows it then, and the service is not tried."""
        if "$" not in service.image:
            return service.image
        found = self.snapshot.container(service.name, self.wish.composition.directory)
        return found.image if found else ""

    def concerns(self, service: Service) -> bool:
        """Whether one of the files that a service mounts changes."""
        return any(source in self.changed for source, _ in self.wish.composition.binds(service))

    def can_be_tried(self, service: Service) -> bool:
        """Whether a registry can start alone: a mirror would look for its upstream, and end without."""
        config = next((source for source, target in self.wish.composition.binds(service)
                       if target == service.config_target), "")  # fmt: skip
        if config not in self.changed or {"command", "entrypoint"} & service.pairs.keys():
            return False
        try:
            root = parse(self.changed[config].content.decode()).root
        except (ParseError, ValueError):
            return True
        return root is None or root.get("proxy") is None

    def nginx_test(self, service: Service, image: str) -> Iterator[str]:
        """Shell lines that run `nginx -t` on the new configuration."""
        names = [
            name
            for one in self.wish.composition.facts.services.values()
            for name in dict.fromkeys((one.name, one.container, *one.names))
        ]
        yield f"set -- --rm --network none {quote(*(f'--add-host={name}:127.0.0.1' for name in names))}"
        yield from self.mounts(service)
        yield f'timeout {TEST_TIMEOUT} docker run "$@" {quote(image)} nginx -t'

    def trial(self, service: Service, image: str) -> Iterator[str]:
        """Shell lines that start a registry with its new configuration, and an empty storage, for a moment."""
        name = quote(f"sync-vm-{self.run.id}-{service.name}")
        data = service.data_directory
        yield f"set -- -d --network none --name {name}"
        yield from self.mounts(service, leave_out=data or "")
        if data:
            yield 'set -- "$@" --tmpfs /var/lib/registry'
        yield f"trap 'docker rm -f {name} >/dev/null 2>&1' EXIT"
        yield f'timeout {TEST_TIMEOUT} docker run "$@" {quote(image)} >/dev/null'
        yield f"left={TRIAL_TENTHS}"
        yield 'while [ "$left" -gt 0 ]; do'
        yield f"    if [ \"$(docker inspect -f '{{{{.State.Running}}}}' {name})\" = false ]; then"
        yield f"        docker logs {name} 2>&1 | grep -E -m 1 {quote(_LAST_WORDS)} || docker logs --tail 5 {name}"
        yield "        exit 1"
        yield "    fi"
        yield "    left=$((left - 1)); sleep 0.1"
        yield "done"

    def mounts(self, service: Service, leave_out: str = "") -> Iterator[str]:
        """Shell lines that add the service's mounts, all read-only, with new files in place of the former."""
        for source, target in self.wish.composition.binds(service):
            if source == leave_out:
                continue
            if source in self.changed:
                yield f'set -- "$@" -v "$(staged {file_key(source)}):"{quote(target)}:ro'
            elif self.snapshot.file(source).kind in ("file", "directory"):
                yield f'set -- "$@" -v {quote(f"{source}:{target}:ro")}'
        for mount in service.mounts:
            if mount.source and not mount.source.startswith(("/", ".", "~", "$")):
                yield f'set -- "$@" --tmpfs {quote(posixpath.normpath(mount.target))}'
