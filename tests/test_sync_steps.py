"""The scripts that change a machine, run for real on a directory: hostile names, torn scripts, the way back."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codemods.errors import CodemodError
from codemods.rollout import lock
from codemods.rollout.collection import refuse_while_collecting
from codemods.rollout.manifest import ManagedFile
from codemods.rollout.observe import observe
from codemods.rollout.plan import FileChange, Plan
from codemods.rollout.shell import quote, whole
from codemods.rollout.snapshot import LiveFile, Question
from codemods.rollout.steps import DONE, ROLLED_BACK, STOPPED, Run, file_key
from tests.rollout_scenes import COMPOSE, LocalMachine, wish

MACHINE = LocalMachine()
OWNER = ":".join(str(number) for number in (os.getuid(), os.getgid()))
HOSTILE = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=20).filter(
    lambda name: name not in (".", "..") and len(name.encode()) < 100
)
NASTY = [
    "a b",
    "'",
    '"',
    "$(touch canary)",
    "`touch canary`",
    ";touch canary",
    "a\nb",
    "-rf",
    "*",
    "\\",
    "~",
    "&",
    "|",
    "é",
]


def ok(script: str) -> str:
    """Run a step that succeeds."""
    done = MACHINE.run(script, 30)
    assert done.code == 0, done.output
    return done.output


def begun(directory: Path, plan: Plan, name: str = "1") -> Run:
    """A run that holds the lock, and has begun."""
    run = Run(name, str(directory))
    lock.acquire(MACHINE, str(directory), lock.Owner(name))
    files = {change.file.path: {"key": file_key(change.file.path), "digest": ""} for change in plan.files}
    ok(run.begin({"run": name, "files": files, "users": [], "directories": list(plan.directories), "services": []}))
    return run


def change(path: Path, content: bytes, mode: int = 0o640) -> FileChange:
    """A file that is to be put in place."""
    former = observe(MACHINE, Question("/", {str(path): "read"})).file(str(path))
    return FileChange(ManagedFile(str(path), content, mode, OWNER, "source"), former)


def entry(run: Run, status: str) -> str:
    """The end of a run."""
    return run.finish(status, {"run": run.id, "result": status}, 5)


def roll(run: Run, plan: Plan) -> None:
    """Stage, back up and swap."""
    ok(run.stage(plan.files, plan.tables))
    ok(run.back_up(plan))
    ok(run.swap(plan))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=8, deadline=None)
@given(names=st.lists(st.one_of(HOSTILE, st.sampled_from(NASTY)), min_size=1, max_size=3, unique=True))
def test_no_name_is_taken_for_shell(tmp_path: Path, names: list[str]) -> None:
    """Whatever characters paths hold: the files arrive as they are, nothing else appears, and all of it goes back."""
    shutil.rmtree(tmp_path)
    root = tmp_path / names[0] / "stack"
    root.mkdir(parents=True)
    old = {name: os.urandom(20) for name in names[1:]}
    for name, content in old.items():
        (root / name).write_bytes(content)
    changes = tuple(change(root / name, f"new {name}".encode(errors="replace")) for name in names)
    plan = Plan(directories=(str(root / "data" / names[0]),), files=changes)
    run = begun(root, plan)
    roll(run, plan)
    for name in names:
        assert (root / name).read_bytes() == f"new {name}".encode(errors="replace")
        assert (root / name).stat().st_mode & 0o7777 == 0o640
    assert {path.name for path in root.iterdir()} == {*names, "data", ".sync-vm"}
    record = json.loads((root / ".sync-vm/runs/1/record.json").read_text())
    ok(run.restore([record]))
    ok(entry(run, ROLLED_BACK))
    assert {name: (root / name).read_bytes() for name in old} == old
    left = {path.name for path in root.iterdir()}
    assert left - {"data"} == {*old, ".sync-vm"}
    assert not (tmp_path / "canary").exists() and not Path("canary").exists()


def test_a_script_that_arrives_torn_does_nothing(tmp_path: Path) -> None:
    """Cut anywhere before its end, nothing of it has run."""
    script = whole(f"touch {quote(tmp_path / 'begun')}", "sleep 0", f"touch {quote(tmp_path / 'ended')}")
    for end in range(0, len(script) - 2, 7):
        MACHINE.run(script[:end], 30)
        assert list(tmp_path.iterdir()) == []
    MACHINE.run(script, 30)
    assert len(list(tmp_path.iterdir())) == 2


def test_a_large_file_arrives(tmp_path: Path) -> None:
    """Contents travel in here-documents, not on a command line."""
    content = os.urandom(3_000_000)
    plan = Plan(files=(change(tmp_path / "big", content),))
    roll(begun(tmp_path, plan), plan)
    assert (tmp_path / "big").read_bytes() == content


def test_a_staged_file_is_never_readable_by_others(tmp_path: Path) -> None:
    """It lies in a directory that only root enters, also while it is written."""
    plan = Plan(files=(change(tmp_path / "secret", b"x"),))
    ok(begun(tmp_path, plan).stage(plan.files, ()))
    own = tmp_path / ".sync-vm"
    assert own.stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o777 == 0o700 for path in own.rglob("*") if path.is_dir())
    assert not (tmp_path / "secret").exists()


def test_a_step_without_the_lock_does_nothing(tmp_path: Path) -> None:
    """Somebody has unlocked and locked anew: two runs must not meet."""
    plan = Plan(files=(change(tmp_path / "file", b"new"),))
    run = begun(tmp_path, plan)
    ok(run.stage(plan.files, ()))
    assert lock.remove(MACHINE, str(tmp_path))
    lock.acquire(MACHINE, str(tmp_path), lock.Owner("2"))
    assert MACHINE.run(run.swap(plan), 30).code == lock.LOST
    assert not (tmp_path / "file").exists()
    assert MACHINE.run(entry(run, STOPPED), 30).code == lock.LOST
    assert (tmp_path / ".sync-vm/lock/run").read_text() == "2"


def test_a_run_after_an_interrupted_one_goes_back_to_before_both(tmp_path: Path) -> None:
    """Half of a new state is nothing to go back to."""
    (tmp_path / "a").write_text("old a")
    (tmp_path / "b").write_text("old b")
    first = Plan(files=(change(tmp_path / "a", b"first"),))
    run = begun(tmp_path, first)
    roll(run, first)
    lock.remove(MACHINE, str(tmp_path))
    found = observe(MACHINE, Question(str(tmp_path), {}))
    assert found.interrupted and found.interrupted["run"] == "1"
    plan = Plan(files=(change(tmp_path / "a", b"second"), change(tmp_path / "b", b"second")))
    second = Run("2", str(tmp_path))
    lock.acquire(MACHINE, str(tmp_path), lock.Owner("2"))
    files = {one.file.path: {"key": file_key(one.file.path), "digest": ""} for one in plan.files}
    record = {"run": "2", "files": files, "users": [], "directories": [], "services": []}
    ok(second.begin(record, "1"))
    roll(second, plan)
    ok(second.restore([record]))
    assert ((tmp_path / "a").read_text(), (tmp_path / "b").read_text()) == ("old a", "old b")
    ok(entry(second, ROLLED_BACK))
    assert observe(MACHINE, Question(str(tmp_path), {})).interrupted is None


def test_only_so_many_backups_are_kept(tmp_path: Path) -> None:
    """The oldest go; runs that changed nothing take no place."""
    for number in range(8):
        plan = Plan(files=(change(tmp_path / "a", str(number).encode()),))
        run = begun(tmp_path, plan, f"run-{number}")
        roll(run, plan)
        ok(run.finish(DONE if number % 2 else STOPPED, {}, 3))
    assert sorted(path.name for path in (tmp_path / ".sync-vm/runs").iterdir()) == ["run-3", "run-5", "run-7"]
    assert len((tmp_path / ".sync-vm/log.jsonl").read_text().splitlines()) == 8


def test_the_lock_is_one_runs_only(tmp_path: Path) -> None:
    """The second is told who holds it; a lock whose process is gone is taken over."""
    directory = str(tmp_path)
    lock.acquire(MACHINE, directory, lock.Owner("1", "abc"))
    with pytest.raises(lock.Locked, match=r"locked by .* \(run 1, commit abc\)"):
        lock.acquire(MACHINE, directory, lock.Owner("2"))
    owner = tmp_path / ".sync-vm/lock/owner.json"
    record = json.loads(owner.read_text())
    owner.write_text(json.dumps({**record, "pid_started": "0"}))
    assert lock.acquire(MACHINE, directory, lock.Owner("2")) == "took over the lock of run 1, whose process is gone"
    lock.release(MACHINE, directory, "1")
    assert lock.read_owner(owner.read_text())["run"] == "2"
    lock.release(MACHINE, directory, "2")
    assert not owner.exists()


def test_a_lock_from_another_computer_is_left_alone(tmp_path: Path) -> None:
    """Whether its process is gone nobody here can tell; neither of one taken by hand."""
    directory = str(tmp_path)
    lock.acquire(MACHINE, directory, lock.Owner("1"))
    owner = tmp_path / ".sync-vm/lock/owner.json"
    owner.write_text(json.dumps({**json.loads(owner.read_text()), "computer": "another", "pid_started": "0"}))
    with pytest.raises(lock.Locked):
        lock.acquire(MACHINE, directory, lock.Owner("2"))
    assert lock.remove(MACHINE, directory) is not None
    lock.acquire(MACHINE, directory, lock.Owner("by-hand", by_hand=True))
    with pytest.raises(lock.Locked):
        lock.acquire(MACHINE, directory, lock.Owner("2"))


def test_a_file_on_another_file_system_is_staged_there(tmp_path: Path) -> None:
    """Or the swap would be a copy, which can be torn."""
    other = Path("/dev/shm") / f"sync-vm-{os.getpid()}"
    if not other.parent.is_dir() or other.parent.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system")
    other.mkdir()
    try:
        plan = Plan(files=(change(other / "unit", b"new"),))
        run = begun(tmp_path, plan)
        ok(run.stage(plan.files, ()))
        [staged] = other.iterdir()
        assert staged.name.startswith(".sync-vm-") and staged.read_bytes() == b"new"
        ok(run.back_up(plan))
        ok(run.swap(plan))
        assert [path.name for path in other.iterdir()] == ["unit"]
        again = Plan(files=(change(other / "unit", b"newer"),))
        ok(run.stage(again.files, ()))
        ok(entry(run, STOPPED))
        assert [path.name for path in other.iterdir()] == ["unit"]
    finally:
        shutil.rmtree(other)


def test_live_files_are_read_as_they_are(tmp_path: Path) -> None:
    """Kind, mode, owner, digest, and the content where it differs."""
    (tmp_path / "file").write_bytes(b"\xff\0\n\n")
    (tmp_path / "link").symlink_to("file")
    os.mkfifo(tmp_path / "pipe")
    names = ("file", "link", "pipe", "none", "")
    found = observe(MACHINE, Question("/", {str(tmp_path / name): "x" if name == "file" else "" for name in names}))
    kinds = [found.file(str(tmp_path / name)).kind for name in names]
    assert kinds == ["file", "symlink", "other", "absent", "directory"]
    assert found.file(str(tmp_path / "file")).content == b"\xff\0\n\n"
    assert isinstance(found.file(str(tmp_path / "file")), LiveFile)


@pytest.mark.parametrize("has_flock", [True, False], ids=["flock", "without-flock"])
def test_a_collection_is_seen_by_its_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_flock: bool) -> None:
    """Whether or not the machine has flock(1); a lock that nobody holds, or that is not there, keeps nobody."""
    compose = COMPOSE.replace("/opt/registry/data/private", str(tmp_path))
    composition = wish(compose=compose).composition
    assert str(tmp_path) in [one.data_directory for one in composition.facts.registries]
    if not has_flock:
        programs = tmp_path / "programs"
        programs.mkdir()
        for name in ("sh", "stat"):
            (programs / name).symlink_to(str(shutil.which(name)))
        monkeypatch.setattr("codemods.rollout.shell._PRELUDE", f"PATH={quote(str(programs))}")
    refuse_while_collecting(MACHINE, composition)
    lock_file = tmp_path / ".collect-garbage/lock"
    lock_file.parent.mkdir()
    with lock_file.open("w") as held:
        refuse_while_collecting(MACHINE, composition)
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(CodemodError, match=f"the garbage collector is at work in {tmp_path}: run again"):
            refuse_while_collecting(MACHINE, composition)
    refuse_while_collecting(MACHINE, composition)
