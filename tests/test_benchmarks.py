"""The benchmarks' harness: what counts as done, what it writes, and that its files are what it says they are."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.correct import exits, names, same_data, same_text
from benchmarks.generate import pipelines, write_pipelines
from benchmarks.measure import Run, Side, WrongOutput, in_turns, peak_memory, timed
from benchmarks.plot import plot
from benchmarks.results import as_json, as_markdown
from benchmarks.scenarios import Scenario
from tests.command import PROGRAM, ROOT, codemod


def sides(root: Path) -> list[Side]:
    """One that does its work slowly, and one that is quick."""
    slow = [sys.executable, "-c", "import time; time.sleep(0.2); print('a.yml')"]
    quick = [sys.executable, "-c", "print('a.yml')"]
    return [Side("codemod", slow, root, names(["a.yml"])), Side("ast-grep scan", quick, root, names(["a.yml"]))]


def test_pipelines_are_the_same_for_the_same_seed() -> None:
    """And others for another; each is of its own."""
    assert list(pipelines(30, 1)) == list(pipelines(30, 1)) != list(pipelines(30, 2))
    assert len({pipeline.after for pipeline in pipelines(30, 1)}) == 30


@pytest.mark.parametrize(("percent", "changed"), [(0, 0), (1, 1), (100, 20)])
def test_the_recipe_makes_of_the_pipelines_what_stands_beside_them(tmp_path: Path, percent: int, changed: int) -> None:
    """As many are to change as were asked for, and afterwards the check finds nothing."""
    found = write_pipelines(tmp_path, 20, percent)
    assert sum((tmp_path / one.path).read_text() != one.after for one in found) == changed
    done = codemod(tmp_path, "apply-caching")
    same_text(tmp_path, found)(Run(0, 0, done.code, ""))
    assert codemod(tmp_path, "check").code == 0


def test_wrong_work_does_not_count(tmp_path: Path) -> None:
    """An exit code, a file too many, a byte, a value: each is noticed."""
    found = write_pipelines(tmp_path, 2, 0)
    same_text(tmp_path, found)(Run(0, 0, 0, ""))
    same_data(tmp_path, found)(Run(0, 0, 0, ""))
    path = tmp_path / found[1].path
    path.write_text(path.read_text() + "# more\n")
    same_data(tmp_path, found)(Run(0, 0, 0, ""))
    with pytest.raises(WrongOutput, match="not as it must be"):
        same_text(tmp_path, found)(Run(0, 0, 0, ""))
    path.write_text(path.read_text().replace("mode=max", "mode=min"))
    with pytest.raises(WrongOutput, match="does not say what it must"):
        same_data(tmp_path, found)(Run(0, 0, 0, ""))
    with pytest.raises(WrongOutput, match="exit code 2"):
        exits(0, 1)(Run(0, 0, 2, "no"))
    with pytest.raises(WrongOutput, match="named 2 files instead of 1"):
        names(["a/b.yml"])(Run(0, 0, 0, "a/b.yml:1: no\n./c.tf: no /etc/d.yml"))


def test_sides_take_turns_and_the_impatient_sit_out(tmp_path: Path) -> None:
    """One that has used up its time runs no more; the others have all their rounds."""
    slow, quick = sides(tmp_path)
    in_turns([slow], 3, patience=0.2)
    in_turns([quick], 3, patience=600)
    assert (len(slow.runs), len(quick.runs)) == (1, 3)
    assert slow.fastest >= 0.2 and quick.cpu > 0


def test_memory_is_that_of_all_processes(tmp_path: Path) -> None:
    """A child's memory is its parent's, too."""
    program = "import time; held = bytearray(40 << 20); time.sleep(0.5)"
    inner = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {program!r}], check=True)"
    assert 40 < peak_memory([sys.executable, "-c", inner], tmp_path) < 120


def test_processes_of_children_are_timed(tmp_path: Path) -> None:
    """Exit code and output are the command's own."""
    run = timed([sys.executable, "-c", "print(1); exit(3)"], tmp_path)
    assert (run.code, run.output) == (3, "1\n") and run.cpu > 0


def test_results_hold_all_figures(tmp_path: Path) -> None:
    """A table with ratios and targets, JSON with each run, and a picture with a line for each side."""
    scenarios = []
    for files in (1_000, 10_000):
        scenario = Scenario("check-0", "check", files, sides(tmp_path))
        in_turns(scenario.sides, 1, patience=60)
        scenario.sides[0].memory = 300.0
        scenarios.append(scenario)
    table = as_markdown(scenarios, [], {"Python": "3"})
    assert "| check | 10,000 | peak memory | 300 MB |  | ≤ 250 MB | **missed** |" in table
    assert "| check | 10,000 | itself at 1,000 | 1." in table or "| check | 10,000 | itself at 1,000 | 0." in table
    figures = json.loads(as_json(scenarios, [], {}))["scenarios"]
    assert [len(side["seconds"]) for scenario in figures for side in scenario["sides"]] == [1, 1, 1, 1]
    assert plot(scenarios, ("check-0",)).count("<polyline") == 2


def put_program(path: Path, command: str) -> None:
    """A shell script that runs a command with the arguments that it is given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    path.chmod(0o755)


def test_a_quick_run_measures_and_writes_all_there_is(tmp_path: Path) -> None:
    """Tools that are not installed are named and left out; of the others each scenario has its figures."""
    put_program(tmp_path / "tools/ours/bin/codemod", shlex.join(PROGRAM))
    put_program(tmp_path / "tools/others/bin/python", sys.executable)
    put_program(tmp_path / "tools/others/bin/pip", f"{sys.executable} -m pip")
    options = ["--tools", str(tmp_path / "tools"), "--output", str(tmp_path / "out"), "--only", "apply-100"]
    command = [sys.executable, "-m", "benchmarks", "--quick", "--installed", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "benchmarks: ast-grep scan --update-all: " in done.stderr
    assert "codemod: " not in done.stderr and "ruamel.yaml script: " not in done.stderr, done.stderr
    results = json.loads((tmp_path / "out/results.json").read_text())
    assert [scenario["files"] for scenario in results["scenarios"]] == [1, 20]
    runs = [[len(side["seconds"]) for side in scenario["sides"]] for scenario in results["scenarios"]]
    assert runs == [[1, 0, 1], [1, 0, 1]]
    assert (tmp_path / "out/RESULTS.md").read_text() == done.stdout
    assert (tmp_path / "out/time.svg").read_text().count("<polyline") == 2
