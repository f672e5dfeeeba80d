"""The cleanup script walks every registry, or it is said that it does not."""

from __future__ import annotations

import pytest

from codemods.caching.cleanup_check import check
from codemods.engine.context import Context
from codemods.engine.model import Finding, Note, Outcome, Refusal
from codemods.repository import Document
from codemods.settings import RegistrySettings, Settings
from codemods.stack import Stack
from tests.cleanup_texts import SHAPES

SERVICE = "  registry-{0}:\n    image: registry:2\n    volumes: [/srv/reg/data/{0}:/var/lib/registry]\n"
COMPOSE = "services:\n" + "".join(SERVICE.format(name) for name in ("dockerhub", "ghcr", "quay"))
HEAD = "import glob\nimport os\nimport shutil\nimport sys\nfrom pathlib import Path\n\n"
WORK = """
    for root, names, _ in os.walk(os.path.join(BASE, name, "docker/registry/v2/repositories")):
        for tag in names:
            shutil.rmtree(os.path.join(root, tag))
"""


def outcomes(text: str, compose: str | None = COMPOSE, name: str = "private") -> list[Outcome]:
    """What the rule says of a script beside registries that keep their data under /srv/reg/data."""
    documents = {"cleanup.sh": Document("cleanup.sh", text), "compose.yml": Document("compose.yml", compose or "")}
    stack = Stack(cleanup="cleanup.sh", compose=compose and "compose.yml", directory="/srv/reg")
    context = Context(Settings(registry=RegistrySettings(name=name)), stack, documents.__getitem__)
    return list(check(context, documents["cleanup.sh"]))


def walking(loop: str) -> str:
    """A script with a loop over registries and the usual work in it."""
    return f'{HEAD}BASE = "/srv/reg/data"\n{loop}{WORK}'


@pytest.mark.parametrize("shape", sorted(SHAPES))
def test_every_shape_walks_all_registries(shape: str) -> None:
    """None of the usual scripts leaves a registry out."""
    text = SHAPES[shape].replace("/opt/registry/data", "/srv/reg/data")
    assert outcomes(text) == []
    assert outcomes(text, compose=None) == []


def skipping(condition: str) -> str:
    """A loop over all directories that skips some."""
    return f"for name in os.listdir(BASE):\n    if {condition}:\n        continue"


NAMES = 'NAMES = ["ghcr", "quay"]\n'
INSIDE = (
    "for name in os.listdir(BASE):\n    if name in NAMES:\n        for x in name:\n            pass\nfor name in []:"
)

WALKS = {
    "listdir": "for name in os.listdir(BASE):",
    "slash at the end": 'for name in sorted(os.listdir("/srv/reg/data/"), reverse=True):',
    "argument": "BASE = sys.argv[1]\nfor name in os.listdir(BASE):",
    "environment": 'BASE = os.environ.get("REGISTRY_DATA", "/srv/reg/data")\nfor name in os.listdir(BASE):',
    "beside the script": 'BASE = Path(__file__).parent / "data"\nfor name in BASE.iterdir():',
    "variable": "found = sorted(os.listdir(BASE))\nfor name in found:",
    "directories only": 'for name in [n for n in os.listdir(BASE) if not n.startswith(".")]:',
    "scandir": "for name in (e.name for e in os.scandir(BASE) if e.is_dir()):",
    "glob": 'for name in glob.glob(BASE + "/*"):',
    "deep glob": 'for name in glob.glob("/srv/reg/data/*/docker/registry/v2/repositories"):',
    "path glob": 'BASE = Path("/srv/reg/data")\nfor name in BASE.glob("*/docker"):',
    "walk": 'for name, _, _ in os.walk("/srv/reg/data"):',
    "skips another": f'SKIP = {{"dockerhub"}}\n{skipping("name in SKIP")}',
    "skips others": 'for name in [n for n in os.listdir(BASE) if n not in ("ghcr", "quay")]:',
    "not a directory": skipping("not os.path.isdir(os.path.join(BASE, name))"),
    "lets ours in": skipping('name not in ["private", "ghcr"]'),
    "ours and a condition": skipping('name == "private" and BASE == "x"'),
    "talks about ours": skipping('name == "private"').replace("continue", 'print("now the private one")'),
    "two ways": NAMES + INSIDE.replace("for name in []", "    else:\n        os.listdir(name)\nfor name in []"),
    "names all": 'for name in ["dockerhub", "ghcr", "quay", "private"]:',
    "names paths": 'for name in ["/srv/reg/data/ghcr", "/srv/reg/data/private"]:',
    "prints names": 'for known in ("ghcr", "quay"):\n    print(known)\nfor name in os.listdir(BASE):',
}


@pytest.mark.parametrize("loop", WALKS.values(), ids=WALKS)
def test_walks(loop: str) -> None:
    """A script that walks the directory of registries, or names ours, is right."""
    assert outcomes(walking(loop)) == []


MISSES = {
    "names": ('for name in ["dockerhub", "ghcr", "quay"]:', "one by one (dockerhub, ghcr, quay)"),
    "constant": (f"{NAMES}for name in NAMES:", "one by one (ghcr, quay)"),
    "one string": ('for name in "dockerhub ghcr".split():', "one by one (dockerhub, ghcr)"),
    "paths": ('for name in ["/srv/reg/data/ghcr", "/srv/reg/data/quay"]:', "one by one (ghcr, quay)"),
    "mapping": ('for name in {"ghcr": "/srv/reg/data/ghcr"}.values():', "one by one (ghcr)"),
    "only one": ('for name, _, _ in os.walk("/srv/reg/data/dockerhub"):', "one by one (dockerhub)"),
    "skips ours": (skipping('name == "private"'), "skips private"),
    "skips some": (f'SKIP = {{"quay", "private"}}\n{skipping("name in SKIP")}', "skips private"),
    "lets some in": (f"{NAMES}{skipping('name not in NAMES')}", "skips private"),
    "lets some in, inside": (f"{NAMES}{INSIDE}", "skips private"),
    "not": (skipping('not name in ("ghcr", "quay")'), "skips private"),
    "or": (skipping('name.startswith("p") or os.path.isfile(name)'), "skips private"),
    "comprehension": ('for name in [n for n in os.listdir(BASE) if n in ("ghcr", "quay")]:', "skips private"),
    "scandir": (skipping('name.name != "ghcr"').replace("listdir", "scandir"), "skips private"),
    "basename": (skipping('os.path.basename(name) == "private"'), "skips private"),
}


@pytest.mark.parametrize(("loop", "reason"), MISSES.values(), ids=MISSES)
def test_misses(loop: str, reason: str) -> None:
    """A script that names its registries without ours, or leaves ours out, is an error with a way out."""
    [finding] = outcomes(walking(loop))
    assert isinstance(finding, Finding)
    assert reason in finding.message
    assert finding.message.endswith("private would grow for ever; walk all directories, or add private")
    assert finding.edits == ()
    assert walking(loop)[finding.start : finding.end].strip().startswith("for ")


UNKNOWN = {
    "another directory": 'for name in os.listdir("/var/lib/registries"):',
    "a file of names": 'for name in open("/etc/registries"):',
    "subtracted": 'for name in set(os.listdir(BASE)) - {"private"}:',
    "no loop": 'name = ""\nif True:',
}


@pytest.mark.parametrize("loop", UNKNOWN.values(), ids=UNKNOWN)
def test_unknown(loop: str) -> None:
    """What cannot be told is refused, with what to see to."""
    [refusal] = outcomes(walking(loop))
    assert isinstance(refusal, Refusal)
    assert refusal.reason == "how the script finds the registries was not recognised"
    assert "/srv/reg/data/private" in refusal.advice


def test_other_name() -> None:
    """Ours is the registry of the settings."""
    assert outcomes(walking(skipping('name == "private"')), name="cache") == []


def test_broken_compose_file_is_reported_elsewhere() -> None:
    """Without the compose file the stack's directory is enough."""
    assert outcomes(walking(WALKS["listdir"]), compose="services: [\n") == []


def test_shell_script() -> None:
    """A shell script is not read, and that is said."""
    [note] = outcomes("#!/bin/bash\nfor d in /srv/reg/data/*; do :; done\n")
    assert isinstance(note, Note)
    assert "shell script" in note.message


def test_no_script() -> None:
    """A script that is not there has nothing to say."""
    document = Document("cleanup.sh", "", exists=False)
    context = Context(Settings(), Stack(), lambda path: document)
    assert list(check(context, document)) == []
