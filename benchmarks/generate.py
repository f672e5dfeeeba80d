"""Repositories to measure on, the same for the same seed: pipelines before and after the recipe, and a Terraform tree.

What a pipeline must look like afterwards is written here by hand, so that the tools are held to it and not to each
other.
"""

from __future__ import annotations

import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

HOST = "registry.example.lan:5050"
PINNED = "woodpeckerci/plugin-docker-buildx:5.2.2-insecure"
SETTINGS = f'version = 1\n[registry]\nhostname = "{HOST.partition(":")[0]}"\naddress = "192.0.2.10"\n'
EXAMPLE = Path(__file__).parents[1] / "examples/infra"
TEAM_SIZE = 50

_HEADS = (
    "when:\n  event: push\n  branch: main\n",
    "# Built on every push.\nwhen:\n  - event: push\n    path: 'services/{name}/**'\n",
    "when:\n  event: [push, tag]\n\n"
    "clone:\n  git:\n    image: woodpeckerci/plugin-git\n    settings:\n      depth: 1\n",
)
_TESTS = (
    "  - name: test\n    image: golang:1.24\n    commands:\n      - go vet ./...\n      - go test -race ./...\n",
    "  - name: test\n    image: python:3.13-slim\n    commands:\n      - pip install -r requirements.txt\n"
    "      - pytest -q  # all of them\n",
    "  - name: lint\n    image: node:22\n    environment:\n      CI: 'true'\n    commands: [npm ci, npm run lint]\n",
)
_DEPLOYS = (
    "\n  - name: deploy\n    image: bitnami/kubectl\n    commands:\n"
    "      - kubectl -n {team} rollout restart deployment {name}\n",
    "\n  - name: notify\n    image: alpine/curl\n    environment:\n      TOKEN:\n        from_secret: chat-token\n"
    '    commands:\n      - |\n        curl --fail --header "Authorization: Bearer $TOKEN" \\\n'
    "          --data 'built {name}' https://chat.example.net/hook\n",
    "",
)
_EXTRAS = (
    "      platforms: linux/amd64\n",
    "      tags: [latest, '${{CI_COMMIT_SHA:0:8}}']\n",
    "      auto_tag: true\n",
)


class Pipeline(NamedTuple):
    """One file, as it is before the recipe and must be after it."""

    path: str
    before: str
    after: str


def pipelines(count: int, seed: int) -> Iterator[Pipeline]:
    """Pipelines of which each builds an image of its own, by teams of TEAM_SIZE to a directory."""
    choose = random.Random(seed)
    for number in range(count):
        yield _pipeline(number, choose)


def _pipeline(number: int, choose: random.Random) -> Pipeline:
    team, name = f"team-{number // TEAM_SIZE:03}", f"service-{number:05}"
    quote = choose.choice(("", '"', "'"))
    values = {"team": team, "name": name, "user": f"{quote}{team}-bot{quote}"}
    head, tests, deploy, extra = (choose.choice(parts) for parts in (_HEADS, _TESTS, _DEPLOYS, _EXTRAS))
    start = f"{head}\nsteps:\n{tests}\n".format(**values)
    end = f"{extra}{{cache}}{deploy}"
    before = f"{start}{_step(values, 'woodpeckerci/plugin-docker-buildx', '', '')}{end.format(**values, cache='')}"
    more = _step(values, PINNED, *_added(values))
    after = f"{start}{more}{end.format(**values, cache=_cache(name))}"
    return Pipeline(f".woodpecker/{team}/{name}.yml", before, after)


def _step(values: dict[str, str], image: str, second: str, logins: str) -> str:
    repo = f"{values['team']}/{values['name']}"
    repos = f"repo:\n        - {repo}\n        - {second}\n" if second else f"repo: {repo}\n"
    return (
        f"  - name: image\n    image: {image}\n    settings:\n      username: {values['user']}\n"
        f"      password:\n        from_secret: hub-password\n      {repos}{logins}"
        f"      dockerfile: services/{values['name']}/Dockerfile\n"
    )


def _added(values: dict[str, str]) -> tuple[str, str]:
    """The second repository, and the lines of the step's own login."""
    logins = (
        "      logins:\n        - registry: https://index.docker.io/v1/\n"
        f"          username: {values['team']}-bot\n          password:\n            from_secret: hub-password\n"
    )
    return f"{HOST}/{values['name']}", logins


def _cache(name: str) -> str:
    reference = f"{HOST}/{name}:buildcache"
    return (
        f"      cache_from: {reference}\n      cache_to: type=registry,ref={reference},mode=max\n"
        f'      buildkit_config: |\n        [registry."{HOST}"]\n          http = true\n          insecure = true\n'
    )


def write_pipelines(root: Path, count: int, percent: int, seed: int = 7) -> list[Pipeline]:
    """Commit `count` pipelines of which `percent` of a hundred are still to change; returns all of them."""
    found = list(pipelines(count, seed))
    for number, pipeline in enumerate(found):
        _write(root / pipeline.path, pipeline.before if number % 100 < percent else pipeline.after)
    _write(root / "codemod.toml", SETTINGS)
    commit(root)
    return found


def write_terraform(root: Path, count: int, seed: int = 7) -> None:
    """Commit the example's stack with `count` Terraform files around it."""
    choose = random.Random(seed)
    shutil.copytree(EXAMPLE, root, dirs_exist_ok=True)
    for number in range(count):
        resources = "\n".join(_resource(f"host_{number}_{part}", choose) for part in range(6))
        _write(root / f"stacks/site-{number:03}/main.tf", f"# Site {number}.\n{resources}")
    commit(root)


def _resource(name: str, choose: random.Random) -> str:
    size = choose.choice((2048, 4096, 8192))
    return (
        f'resource "proxmox_vm_qemu" "{name}" {{\n  name   = "{name.replace("_", "-")}"\n  memory = {size}\n'
        f'  tags   = ["{choose.choice("abc")}", local.site]\n\n  disk {{\n    size    = "{size // 100}G"\n'
        f'    storage = var.storage["{choose.choice("xyz")}"]\n  }}\n\n'
        "  lifecycle {\n    ignore_changes = [disk]\n  }\n}\n"
    )


def commit(root: Path) -> None:
    """Make the directory a git repository with everything committed."""
    identity = ("-c", "user.name=bench", "-c", "user.email=bench@example.net")
    for arguments in (("init", "--quiet"), ("add", "--all"), (*identity, "commit", "--quiet", "--message=state")):
        subprocess.run(["git", *arguments], cwd=root, check=True)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
