"""What commands cost, in counts that no busy machine changes: imports, parses, processes, reads.

A count that has to rise is raised here, where a reviewer sees it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from ast import literal_eval
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.generate import SETTINGS, Pipeline, commit, pipelines
from tests.test_imports import ROOT, imported

COUNT = 4
PROGRAM = """
import sys
from collections import Counter

counts = Counter()
CALLS = {
    "codemods/formats/yaml_lines.py": {"read_lines": "lines"},
    "codemods/formats/yaml.py": {"parse_events": "events"},
    "codemods/facts/pipelines.py": {"_builds": "builds"},
    "codemods/repository.py": {"read_bytes": "reads", "git": "git"},
    "codemods/formats/hcl.py": {"parse": "hcl"},
}

def watch(frame, event, argument):
    if event != "call":
        return
    code = frame.f_code
    for path, names in CALLS.items():
        if code.co_name in names and code.co_filename.endswith(path):
            counts[names[code.co_name]] += 1

def audit(event, arguments):
    if event == "subprocess.Popen":
        counts["processes"] += 1

sys.addaudithook(audit)
sys.setprofile(watch)
try:
    PROGRAM
except SystemExit:
    pass
finally:
    sys.setprofile(None)
    print("COUNTS", dict(counts))
"""
COMMAND = "from codemods.cli.main import main; main()"
HOOK = "from hooks.woodpecker_pipelines import main; sys.exit(main())"


def counts(program: str, *arguments: str, cwd: Path) -> Counter[str]:
    """How often the program did what, as a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.replace("PROGRAM", program), *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "COUNTS" in done.stdout, done.stderr
    return Counter(literal_eval(done.stdout.rpartition("COUNTS ")[2]))


@pytest.fixture
def found(tmp_path: Path, request: pytest.FixtureRequest) -> list[Pipeline]:
    """Pipelines in a repository, as they are after the recipe, or with the parameter `before`."""
    made = list(pipelines(COUNT, 5))
    for pipeline in made:
        path = tmp_path / pipeline.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(getattr(pipeline, getattr(request, "param", "after")))
    (tmp_path / "codemod.toml").write_text(SETTINGS)
    commit(tmp_path)
    return made


def test_a_check_reads_and_parses_each_pipeline_once(tmp_path: Path, found: list[Pipeline]) -> None:
    """Fifteen rules look at it: it is read and parsed once, by lines, and git is asked twice for all of them."""
    cost = counts(COMMAND, "check", cwd=tmp_path)
    assert (cost["lines"], cost["events"], cost["builds"]) == (COUNT, 0, COUNT)
    assert cost["reads"] == COUNT + 1  # and the settings
    assert cost["processes"] == cost["git"] == 2
    assert cost["hcl"] == 0


@pytest.mark.parametrize("found", ["before"], indirect=True)
def test_the_recipe_parses_each_text_once(tmp_path: Path, found: list[Pipeline]) -> None:
    """The old text by lines, the new one by the library as its proof, and neither again for the second pass."""
    cost = counts(COMMAND, "apply-caching", cwd=tmp_path)
    assert [(tmp_path / pipeline.path).read_text() == pipeline.after for pipeline in found] == [True] * COUNT
    assert (cost["lines"], cost["events"], cost["builds"]) == (COUNT, COUNT, 2 * COUNT)
    assert cost["processes"] == cost["git"] <= 4


def test_a_hook_parses_its_file_once_and_starts_nothing(tmp_path: Path, found: list[Pipeline]) -> None:
    """No process, not even git."""
    cost = counts(HOOK, found[0].path, cwd=tmp_path)
    assert (cost["lines"], cost["events"], cost["builds"], cost["processes"], cost["git"]) == (1, 0, 1, 0, 0)


def test_a_file_without_images_is_not_parsed(tmp_path: Path, found: list[Pipeline]) -> None:
    """A look at its text is enough."""
    path = tmp_path / found[0].path
    path.write_text("steps:\n  - name: a\n    image: alpine\n    commands: [date]\n")
    cost = counts(HOOK, found[0].path, cwd=tmp_path)
    assert cost["reads"] == 1 and cost["lines"] + cost["events"] == 0


@pytest.mark.parametrize(("hook", "most"), [("woodpecker_pipelines", 120), ("terraform_provisioning", 60)])
def test_a_hook_imports_little(tmp_path: Path, found: list[Pipeline], hook: str, most: int) -> None:
    """Neither a library for its format nor what costs as much as one; modules of all kinds are counted."""
    path = found[0].path
    if hook == "terraform_provisioning":
        path = "main.tf"
        (tmp_path / path).write_text('resource "a" "b" {\n}\n')
    whole = imported(f"from hooks.{hook} import main; main()", path, cwd=tmp_path, whole=True)
    assert not {"ruamel", "hcl2", "lark", "click", "dataclasses", "inspect", "json", "subprocess"} & whole
    bare: set[str] = imported("pass", cwd=tmp_path, whole=True)
    assert len(whole - bare) <= most


def test_counting_notices_what_it_counts(tmp_path: Path, found: list[Pipeline]) -> None:
    """A text that is not plain is parsed by the library, or the zeros above would mean nothing."""
    path = tmp_path / found[0].path
    path.write_text(path.read_text().replace("steps:", "steps: &all", 1))
    cost = counts(HOOK, found[0].path, cwd=tmp_path)
    assert cost["events"] == 1
