"""Batches, hosts, plan files, what health means, and what a wrong command line is told."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from codemods.errors import CodemodError, SettingsError
from codemods.rollout.definitions import Definitions
from codemods.rollout.fingerprint import differences, fingerprint
from codemods.rollout.fleet import batches, check_sizes
from codemods.rollout.health import Answer, Target, judge
from codemods.rollout.inventory import host_data, host_names
from codemods.rollout.look import Observation
from codemods.rollout.observe import parse
from codemods.rollout.plan import Wish, make_plan
from codemods.rollout.planfile import read_plan, what_moved, write_plan
from codemods.rollout.snapshot import Snapshot
from codemods.settings import VmSettings
from tests.command import codemod_process, example
from tests.rollout_scenes import DIRECTORY, machine, managed, wish, written

REGISTRY = Target(5050, ("10.0.20.10", "registry.home.lan"), registry="registry-private", pushes=True)
WELL = Answer(200, "registry/2.0", catalogue=frozenset({"a", "b"}))


@pytest.fixture(autouse=True)
def own_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys and host keys of these tests stay among themselves."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.mark.parametrize(
    ("sizes", "total", "expected"),
    [
        ("1,100%", 5, [1, 4]),
        ("1,5,25%", 20, [1, 5, 5, 5, 4]),
        ("2", 5, [2, 2, 1]),
        ("50%", 1, [1]),
        ("100%", 3, [3]),
        ("9", 3, [3]),
        ("1%", 3, [1, 1, 1]),
        ("1, 2", 0, []),
    ],
)
def test_batches_cover_all_machines_once(sizes: str, total: int, expected: list[int]) -> None:
    """The last size repeats; a percentage is at least one machine."""
    found = list(batches(sizes, range(total)))
    assert [len(batch) for batch in found] == expected
    assert [item for batch in found for item in batch] == list(range(total))


@pytest.mark.parametrize("sizes", ["", "0", "-1", "1,", "200%", "0%", "a", "1.5", "1;2"])
def test_other_sizes_are_refused(sizes: str) -> None:
    """Before any machine is reached."""
    with pytest.raises(SettingsError, match="numbers and percentages"):
        check_sizes(sizes)


def test_hosts_are_read_as_ssh_reads_them() -> None:
    """What is not given is left to ssh_config."""
    assert host_data("root@10.0.20.10") == {"ssh_hostname": "10.0.20.10", "ssh_user": "root"}
    assert host_data("ssh://alias") == {"ssh_hostname": "alias"}
    assert host_data("me@[fd00::1]:2222") == {"ssh_hostname": "fd00::1", "ssh_user": "me", "ssh_port": 2222}
    for wrong in ("-oProxyCommand=x", "a@b@c", "host:port", "", "user@"):
        with pytest.raises(SettingsError):
            host_data(wrong)


def test_chosen_hosts_win_over_the_settings() -> None:
    """Each is named once; none at all is an error that says what to do."""
    settings = VmSettings(hosts=("root@a", "root@b"))
    assert host_names(settings, ["root@c", "root@c"]) == ["root@c"]
    assert host_names(settings, []) == ["root@a", "root@b"]
    with pytest.raises(SettingsError, match="--host"):
        host_names(VmSettings(), [])


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        (WELL, WELL, ""),
        (None, WELL, ""),
        (WELL, Answer(401, "registry/2.0"), ""),
        (WELL, Answer(200, "registry/2.0", catalogue=frozenset({"a", "b", "c"})), ""),
        (WELL, Answer(error="refused"), "refused"),
        (WELL, Answer(502), "status 502"),
        (None, Answer(200, ""), "status 200 and API version none"),
        (WELL, Answer(200, "registry/2.0", catalogue=frozenset({"a", "c"})), "1 repositories of before are gone, b"),
    ],
)
def test_a_registry_is_well_when_it_answers_and_has_lost_nothing(
    before: Answer | None, after: Answer, problem: str
) -> None:
    """401 is an answer; a catalogue that cannot be seen is not compared."""
    found, warning = judge(REGISTRY, before, after)
    assert (problem in found) if problem else (found, warning) == ("", "")
    assert warning == ""


def test_a_mirror_that_lost_repositories_is_a_warning() -> None:
    """It fetches them again."""
    after = Answer(200, "registry/2.0", catalogue=frozenset())
    found, warning = judge(replace(REGISTRY, pushes=False), WELL, after)
    assert found == "" and "2 repositories of before are gone" in warning


def test_another_port_has_to_answer_as_before() -> None:
    """A new one only has to answer."""
    page = Target(8080, ("10.0.20.10",))
    assert judge(page, Answer(200), Answer(200)) == ("", "")
    assert judge(page, Answer(200), Answer(404))[0] == "port 8080: status 404, it was 200 before"
    assert judge(page, None, Answer(404)) == ("", "")
    assert judge(page, None, Answer(error="reset"))[0] == "port 8080: reset"


def observation(wanted: Wish, snapshot: Snapshot) -> Observation:
    """What a look at a machine gives."""
    plan = make_plan(wanted, snapshot, Definitions())
    return Observation(snapshot, Definitions(), plan, fingerprint(wanted, snapshot))


def test_a_fingerprint_names_what_moved() -> None:
    """Files, crontabs and containers by their names; what a plan does not depend on does not count."""
    before = machine(wish())
    nginx = written("other\n", managed("nginx.conf", ""))
    after = replace(
        before,
        files={**before.files, f"{DIRECTORY}/nginx.conf": nginx},
        crontabs={"root": "# other\n"},
        containers=(replace(before.containers[0], id="new"), *before.containers[1:]),
        free=(1, 1),
    )
    first, second = fingerprint(wish(), before), fingerprint(wish(), after)
    assert differences(first, second) == ["/opt/registry/nginx.conf", "container registry-nginx", "crontab of root"]
    assert differences(first, fingerprint(wish(), replace(before, free=(7, 7)))) == []


def test_a_plan_file_is_for_one_state_of_one_repository(tmp_path: Path) -> None:
    """It is refused, with what moved, when the machine or the repository is another one."""
    wanted = wish({"nginx.conf": "new\n"})
    old = machine(wanted, files={f"{DIRECTORY}/nginx.conf": written("old\n", managed("nginx.conf", ""))})
    path = tmp_path / "plan.json"
    write_plan(path, wanted, "abc", {"root@vm": observation(wanted, old)})
    plan = read_plan(path)
    assert what_moved(plan, wanted, "root@vm", observation(wanted, old)) == []
    assert what_moved(plan, wanted, "root@other", observation(wanted, old)) == ["the plan does not know this machine"]
    moved = replace(old, crontabs={"root": ""})
    assert "crontab of root" in what_moved(plan, wanted, "root@vm", observation(wanted, moved))
    other = wish({"nginx.conf": "newer\n"})
    assert what_moved(plan, other, "root@vm", observation(other, old)) == ["the repository's /opt/registry/nginx.conf"]
    pruning = replace(wanted, prune=True)
    assert what_moved(plan, pruning, "root@vm", observation(pruning, old)) == ["the repository's --prune"]


def test_a_plan_file_tells_nothing_about_contents(tmp_path: Path) -> None:
    """Neither contents nor a hash that could be compared with a guess; only its owner reads it."""
    file = managed("auth.yml", "key: planted-secret\n", secrets=("planted-secret",))
    wanted = wish(extra=(file,))
    path = tmp_path / "plan.json"
    write_plan(path, wanted, "", {"root@vm": observation(wanted, machine(wanted))})
    text = path.read_text()
    assert "planted-secret" not in text
    assert machine(wanted).file(file.path).digest not in text
    assert path.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "config/codemod/plan.key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"version": 2, "hosts": {}}', '{"version": 1, "hosts": []}', "\0"])
def test_another_file_is_no_plan(tmp_path: Path, text: str) -> None:
    """One line says how to make one."""
    (tmp_path / "plan").write_text(text)
    with pytest.raises(CodemodError, match="is no plan of this version"):
        read_plan(tmp_path / "plan")


def test_an_answer_of_another_form_is_an_error() -> None:
    """A login script that prints, or another shell, is not taken for a state."""
    from codemods.rollout.snapshot import Question

    for answer in (
        "file 0 file x root:root 1 2 3 d\nend",
        "content 0 !!\nend",
        "container {}\nend",
        "file 9 absent\nend",
    ):
        with pytest.raises(CodemodError, match="cannot be read"):
            parse(Question("/", {"/a": ""}), answer)
    assert parse(Question("/", {"/a": ""}), "Welcome to vm!\nfile 0 absent\nend").file("/a").kind == "absent"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--plan", "--apply", "x"), "--plan and --apply exclude each other"),
        (("--verify-only", "--rollback"), "--verify-only and --rollback exclude each other"),
        (("--out", "x"), "--out goes with --plan"),
        (("--batch", "none"), "--batch none"),
        (("--host", "a@b@c"), "[USER@]HOST[:PORT] is expected"),
        (("--var", "dockerhub_password=x"), "marks it sensitive"),
        (("--var", "nonsense=x"), "there is no Terraform variable nonsense"),
        (("--inventory", "missing.py"), "there is no such file"),
    ],
)
def test_a_wrong_command_line_is_one_line(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    """Exit 2, before any machine is reached."""
    root = example(tmp_path)

    found = codemod_process(root, "sync-vm", *arguments)
    assert found.code == 2, found
    assert words in found.err and found.err.count("\n") == 1, found.err


def test_an_apply_of_no_plan_reaches_no_machine(tmp_path: Path) -> None:
    """The file is read first."""
    root = example(tmp_path)
    (tmp_path / "plan").write_text("{}")
    found = codemod_process(root, "sync-vm", "--apply", str(tmp_path / "plan"))
    assert found.code == 3 and "is no plan" in found.err


def test_a_repository_without_a_stack_has_nothing_to_roll_out(tmp_path: Path) -> None:
    """It is told which setting is missing."""
    found = codemod_process(tmp_path, "sync-vm", "--plan")
    assert found.code == 3 and "paths.compose" in found.err


def test_a_machine_that_does_not_answer_is_unreachable(tmp_path: Path) -> None:
    """Exit 3, and the report says so."""
    from tests.live.lab import free_port

    root = example(tmp_path)
    found = codemod_process(root, "sync-vm", "--plan", "--host", f"root@127.0.0.1:{free_port()}", "--format", "json")
    assert found.code == 3
    [host] = json.loads(found.out)["hosts"]
    assert host["state"] == "unreachable" and "could not connect" in host["reason"]
