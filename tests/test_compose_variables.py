"""Variables in a compose file: what a service is, is told by their defaults, and a trial takes the image that runs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from codemods.facts.compose import ComposeFacts, read_compose, with_defaults
from codemods.formats.yaml import parse
from codemods.rollout.definitions import Definitions
from codemods.rollout.plan import make_plan
from codemods.rollout.steps import Run
from codemods.rollout.validate import untried, validations
from tests.rollout_scenes import COMPOSE, DIRECTORY, container, machine, wish
from tests.test_stack import find

if TYPE_CHECKING:
    from pathlib import Path

    from codemods.rollout.plan import Plan, Wish
    from codemods.rollout.snapshot import Snapshot

VARIABLES = COMPOSE.replace("nginx:alpine", "${NGINX_IMAGE:-nginx:alpine}").replace("registry:2", "registry:${TAG-2}")


def facts(text: str) -> ComposeFacts:
    """What a compose file says."""
    return read_compose(parse(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nginx:${TAG:-alpine}", "nginx:alpine"),
        ("${A-x}/${B:-y}", "x/y"),
        ("${A:-${B:-nginx}}:1", "nginx:1"),
        ("${A:-}", ""),
        ("${A}", "${A}"),
        ("$A", "$A"),
        ("${A:?missing}", "${A:?missing}"),
        ("$${A:-x}", "$${A:-x}"),
    ],
)
def test_defaults(text: str, expected: str) -> None:
    """Only what compose itself would put in, when nothing sets the variable."""
    assert with_defaults(text) == expected


def test_services_are_recognised_by_the_defaults_of_their_images() -> None:
    """And the image stays as it is written."""
    found = facts(VARIABLES)
    assert found.nginx is not None
    assert (found.nginx.name, found.nginx.image) == ("nginx", "${NGINX_IMAGE:-nginx:alpine}")
    assert [service.name for service in found.registries] == ["registry-hub", "registry-private"]


@pytest.mark.parametrize(
    "port",
    [
        '"${PORT:-5000}:5000"',
        '"5000:${PORT-5000}/tcp"',
        '"${ADDRESS:-127.0.0.1}:${PORT:-5000}:5000"',
        '{published: "${PORT:-5000}", target: 5000}',
    ],
)
def test_a_port_is_read_as_its_default(port: str) -> None:
    """One without a default stays unknown."""
    text = "services:\n  web:\n    image: nginx\n    ports: [{}]\n"
    (found,) = facts(text.format(port)).services["web"].ports
    assert (found.published, found.target) == (5000, 5000)
    assert facts(text.format('"${PORT}:5000"')).services["web"].ports == ()


def test_a_stack_is_found_by_the_default_of_its_image(tmp_path: Path) -> None:
    """As one without variables is."""
    text = COMPOSE.replace("registry:2", "${REGISTRY_IMAGE:-registry:2}")
    assert find(tmp_path, {"stack/compose.yaml": text}).compose == "stack/compose.yaml"


def change(image: str | None) -> tuple[Run, Wish, Snapshot, Plan]:
    """A change of every configuration on a machine whose containers have this image."""
    wanted = wish({"nginx.conf": "events {} # new\n", "private.yml": "b: 2\n"}, compose=VARIABLES)
    before = machine(wish(compose=VARIABLES))
    names = ("nginx", "registry-hub", "registry-private") if image else ()
    before = replace(before, containers=tuple(container(name, image=image) for name in names))
    plan = make_plan(wanted, before, Definitions())
    return Run("r1", DIRECTORY), wanted, before, plan


def trials(image: str | None) -> dict[str, str]:
    """The trials that the change needs."""
    return dict(validations(*change(image)))


def test_a_service_with_a_variable_is_tried_with_the_image_that_runs() -> None:
    """Docker knows no variables."""
    found = trials("mirror:7")
    assert "mirror:7 nginx -t" in found["nginx -t"]
    assert "mirror:7 >/dev/null" in found["a trial of registry-private"]
    assert not any("${" + name in script for name in ("NGINX_IMAGE", "TAG") for script in found.values())


def test_a_service_whose_image_nobody_knows_is_not_tried() -> None:
    """It would fail for a wrong reason."""
    assert not {"nginx -t", "a trial of registry-private"} & trials(None).keys()
    assert [note.partition(" is not tried")[0] for note in untried(*change(None))] == ["registry-private", "nginx"]
    assert untried(*change("mirror:7")) == []
