"""What a check remembers: the same answer as without, and none once anything could have changed it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.generate import pipelines, write_pipelines
from codemods.cli.check import run_check
from codemods.cli.check_memory import RACY, CheckMemory
from codemods.cli.check_run import CheckRun
from codemods.cli.options import CheckOptions, CommonOptions
from codemods.cli.session import open_session
from codemods.engine.report.as_json import as_json
from codemods.engine.report.model import Report
from codemods.repository import Repository
from codemods.settings import load_settings
from tests.soak import EXAMPLES
from tests.test_imports import imported

ONE, TWO = pipelines(2, 3)
SECRET = "hunter2-and-more"
WITH_SECRET = f"steps:\n  - name: a\n    image: alpine\n    settings:\n      password: {SECRET}\n"
TEXTS = (ONE.before, ONE.after, TWO.after, WITH_SECRET, "steps: [\n", f"# codemod: ignore[x] why\n{ONE.before}")
NAMES = (ONE.path, TWO.path, "codemod.toml", ".gitignore", "docker-compose.yml", "x/.woodpecker.yml")
OTHERS = (*TEXTS, "", "version = 1\n", 'version = 1\nexclude = ["**/service-00000.yml"]\n', "*.yml\n")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository of two pipelines, one of them to change."""
    write_pipelines(tmp_path, 2, 1)
    return tmp_path


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock of the memory is ahead: no file is too young."""
    now = time.time_ns
    monkeypatch.setattr("codemods.cli.check_memory.time.time_ns", lambda: now() + 2 * RACY)


def memory_of(root: Path, options: CheckOptions) -> CheckMemory:
    repository = Repository(root, load_settings(root).exclude)
    return CheckMemory(repository, CommonOptions(root), options)


def look(root: Path, options: CheckOptions = CheckOptions()) -> tuple[Report, bool]:  # noqa: B008
    """What the command finds, and whether it was remembered."""
    remembered = memory_of(root, options).recall() is not None
    return run_check(CommonOptions(root), options), remembered


def cold(root: Path, options: CheckOptions = CheckOptions()) -> Report:  # noqa: B008
    common = CommonOptions(root)
    return CheckRun(open_session(common), common, options).run()


def put(path: Path, text: str) -> None:
    """Replace a file as editors do."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.new")
    new.write_text(text)
    new.replace(path)


@pytest.mark.usefixtures("later")
def test_the_second_check_says_the_same_as_the_first(root: Path) -> None:
    """Findings come with their lines, which are read again."""
    first, second = look(root), look(root)
    assert [first[1], second[1]] == [False, True]
    assert first[0] == second[0] and first[0].findings and first[0].findings[0].excerpt


@pytest.mark.usefixtures("later")
@settings(
    max_examples=max(EXAMPLES // 4, 5), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from((*OTHERS, None)), st.booleans()), min_size=1, max_size=4)
)
def test_whatever_changes_the_check_says_what_a_cold_one_says(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[str, str | None, bool]]
) -> None:
    """Files are written, removed, ignored and staged in any order; after each the two agree, and so does a third."""
    root = tmp_path_factory.mktemp("infra")
    write_pipelines(root, 2, 1)
    look(root)
    for name, text, stage in changes:
        if text is None:
            (root / name).unlink(missing_ok=True)
        elif name != "codemod.toml" or text.startswith("version"):
            put(root / name, text)
        if stage:
            subprocess.run(["git", "add", "--all"], cwd=root, check=True)
        assert as_json(look(root)[0]) == as_json(cold(root)) == as_json(look(root)[0])
    shutil.rmtree(root)


def test_a_young_file_is_not_trusted(root: Path) -> None:
    """A file that was written a moment ago may be written again within the same tick of its clock."""
    assert [look(root)[1], look(root)[1]] == [False, False]


@pytest.mark.usefixtures("later")
@pytest.mark.parametrize("broken", [b"", b"{}", b"[1]", b"\xff", b'{"state": 1}'])
def test_a_broken_memory_is_none(root: Path, broken: bytes) -> None:
    """Whatever stands there, the check is made."""
    first, _ = look(root)
    path = memory_of(root, CheckOptions()).path
    path.write_bytes(broken)
    assert look(root) == (first, False)
    state = json.loads(path.read_text())["state"]
    path.write_text(json.dumps({"state": state, "asked": {}, "report": {"findings": [{}]}}))
    assert look(root) == (first, False)


@pytest.mark.usefixtures("later")
def test_options_and_versions_have_memories_of_their_own(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another selection, or another version of the tool, is never answered with this one's findings."""
    assert not look(root)[1]
    only = CheckOptions(select=("woodpecker-schema",))
    assert not look(root, only)[1] and look(root, only) == (cold(root, only), True)
    monkeypatch.setattr("codemods.cli.check_memory.__version__", "99")
    assert not look(root)[1]


@pytest.mark.usefixtures("later")
def test_no_line_of_a_file_is_kept(root: Path) -> None:
    """A secret that a finding is about is in the pipeline alone, and only the user can read what is kept."""
    put(root / ONE.path, WITH_SECRET)
    report, _ = look(root)
    assert any(SECRET in finding.excerpt for finding in report.findings)
    path = memory_of(root, CheckOptions()).path
    assert SECRET not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.usefixtures("later")
def test_fixes_and_revisions_are_never_answered_from_memory(root: Path) -> None:
    """What writes, or looks at git's history, is done each time."""
    for options in (CheckOptions(fix=True), CheckOptions(since="HEAD"), CheckOptions(write_baseline=True)):
        assert not look(root, options)[1] and not look(root, options)[1]


def test_a_remembered_check_imports_no_rule(root: Path) -> None:
    """The command itself uses it: nothing is parsed, and nothing that could be is imported."""
    old = time.time() - 60
    for path in root.rglob("*"):
        os.utime(path, (old, old), follow_symlinks=False)
    time.sleep(2.1)  # the time of the last change to a file's own entry cannot be set back
    run = "from codemods.cli.main import main; main()"
    assert "codemods.stack" in imported(run, "check", cwd=root, whole=True)
    assert not {"codemods.stack", "codemods.catalogue"} & imported(run, "check", cwd=root, whole=True)
