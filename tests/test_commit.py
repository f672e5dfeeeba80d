"""Commits: one per step, through real git and real hooks, and never more than the step's files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from codemods.commit import CommitError, CommitResult, CommitStep, check_can_commit, commit_changes

STEPS = (
    CommitStep("[ci skip] add config", ("new/config.yml",), "Codemod: apply-caching registry-add-private-config"),
    CommitStep("[ci skip] add service", ("compose.yml",), "Codemod: apply-caching compose-add-private-registry"),
    CommitStep("[ci skip] cache builds", ("a.yml", "dir with space/*.yml")),
)
OURS = ("caching-drift", "compose-lint")


@pytest.fixture(autouse=True)
def _plain_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings of this machine, and an identity."""
    (tmp_path / "gitconfig").write_text("[user]\nname = T\nemail = t@example.org\n[init]\ndefaultBranch = main\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("SKIP", "EMAIL", *(name for name in os.environ if name.startswith(("GIT_AUTHOR", "GIT_COMMITTER")))):
        monkeypatch.delenv(name, raising=False)


def git(root: Path, *arguments: str) -> str:
    """Output of git in a test repository."""
    done = subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True, text=True)
    return done.stdout


def hook(root: Path, name: str, script: str) -> None:
    """Install a shell script as a git hook."""
    path = root / ".git" / "hooks" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def change(root: Path) -> None:
    """What the recipe would have written: the files of STEPS."""
    (root / "new").mkdir()
    (root / "new/config.yml").write_text("version: 0.1\n")
    for path in ("compose.yml", "a.yml", "dir with space/*.yml"):
        (root / path).write_text("changed\n")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with changes for every step, and other changes of the user: staged, unstaged and untracked."""
    top = tmp_path / "repository"
    (top / "dir with space").mkdir(parents=True)
    git(top, "init")
    for path in ("compose.yml", "a.yml", "dir with space/*.yml", "dir with space/b.yml", "staged", "unstaged"):
        (top / path).write_text("first\n")
    git(top, "add", ".")
    git(top, "commit", "-m", "first")
    change(top)
    for path in ("staged", "unstaged", "untracked", "dir with space/b.yml"):
        (top / path).write_text("mine\n")
    git(top, "add", "staged")
    return top


MINE = {" M dir with space/b.yml", "M  staged", " M unstaged", "?? untracked"}


def status(root: Path) -> set[str]:
    """Lines of `git status`, without what git cannot say without quotes."""
    return {entry for entry in git(root, "status", "--porcelain", "-z", "-uall").split("\0") if entry}


def messages(root: Path) -> list[str]:
    """Subjects of all commits but the first one, oldest first."""
    return git(root, "log", "--format=%s", "--reverse").splitlines()[1:]


def files_of(root: Path, revision: str) -> list[str]:
    """Files that a commit changes."""
    return git(root, "diff-tree", "-r", "--no-commit-id", "--name-only", "-z", revision).split("\0")[:-1]


def commit(root: Path, steps: tuple[CommitStep, ...] = STEPS) -> CommitResult:
    """Check and commit, as the command does."""
    check_can_commit(root)
    return commit_changes(root, steps, OURS)


def refusal(root: Path) -> str:
    """The one line that says why no commit can be made; nothing is committed or lost."""
    before = git(root, "rev-parse", "--all"), status(root)
    with pytest.raises(CommitError) as caught:
        check_can_commit(root)
    assert (git(root, "rev-parse", "--all"), status(root)) == before
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 3
    return str(caught.value)


def test_one_commit_for_each_step(root: Path) -> None:
    """Each step is a commit with its message, trailer and files; the user's own changes stay as they were."""
    result = commit(root)
    assert result.refused is None
    assert (result.pending, result.empty) == ((), ())
    assert [made.message for made in result.commits] == messages(root) == [step.message for step in STEPS]
    for made, step in zip(result.commits, STEPS, strict=True):
        assert sorted(files_of(root, made.id)) == sorted(made.paths) == sorted(step.paths)
        assert (made.rewritten, made.extra, made.left) == ((), (), ())
    assert git(root, "log", "-1", "--format=%B", result.commits[0].id) == (
        "[ci skip] add config\n\nCodemod: apply-caching registry-add-private-config\n\n"
    )
    assert git(root, "log", "-1", "--format=%(trailers:key=Codemod,valueonly)", result.commits[1].id).strip() == (
        "apply-caching compose-add-private-registry"
    )
    assert status(root) == MINE
    assert git(root, "diff", "--cached", "--name-only") == "staged\n"


def test_deleted_file(root: Path) -> None:
    """A step may take a file away."""
    (root / "a.yml").unlink()
    result = commit(root)
    assert result.refused is None
    assert "a.yml" in result.commits[2].paths
    assert not git(root, "ls-files", "a.yml")


def test_no_steps(root: Path) -> None:
    """Without steps, or with one that has no files, nothing happens."""
    assert commit(root, ()) == CommitResult(())
    assert commit(root, (CommitStep("nothing", ()),)) == CommitResult((), empty=("nothing",))
    assert messages(root) == []


def test_step_without_changes(root: Path) -> None:
    """A step whose files are as committed makes no commit and is named."""
    git(root, "checkout", "compose.yml")
    result = commit(root)
    assert result.empty == (STEPS[1].message,)
    assert messages(root) == [STEPS[0].message, STEPS[2].message]


def test_message_is_kept_as_it_is(root: Path) -> None:
    """Lines that look like comments or options reach the commit, whatever commit.cleanup says."""
    git(root, "config", "commit.cleanup", "strip")
    step = CommitStep("-m # ünï\n\n# not a comment", ("a.yml",), "Codemod: x")
    assert commit(root, (step,)).refused is None
    assert git(root, "log", "-1", "--format=%B") == "-m # ünï\n\n# not a comment\n\nCodemod: x\n\n"


def test_our_hooks_are_skipped_on_all_but_the_last(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SKIP holds our hook ids, after the user's own, and only the user's for the last commit."""
    hook(root, "pre-commit", 'echo "${SKIP-unset}" >> .git/skips')
    commit(root)
    assert (root / ".git/skips").read_text().splitlines() == ["caching-drift,compose-lint"] * 2 + ["unset"]
    monkeypatch.setenv("SKIP", "theirs")
    (root / ".git/skips").unlink()
    for path in ("compose.yml", "a.yml"):
        (root / path).write_text("again\n")
    commit(root, STEPS[1:])
    assert (root / ".git/skips").read_text().splitlines() == ["theirs,caching-drift,compose-lint", "theirs"]


def test_environment_of_hooks(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hooks see the user's language and no pathspec magic of ours."""
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    hook(root, "pre-commit", 'echo "$LC_ALL ${GIT_LITERAL_PATHSPECS-unset}" >> .git/seen; test ! -t 0')
    assert commit(root, STEPS[1:2]).refused is None
    assert (root / ".git/seen").read_text() == "C.UTF-8 unset\n"


def test_hook_that_refuses(root: Path) -> None:
    """The commit that a hook refuses is the last one tried; all its changes stay in the working tree."""
    hook(
        root,
        "pre-commit",
        "if git diff --cached --name-only | grep -q compose; then printf 'no \\033[31mway\\n'; exit 3; fi",
    )
    result = commit(root)
    assert messages(root) == [STEPS[0].message]
    assert result.refused is not None
    assert result.refused.message == STEPS[1].message
    assert result.refused.reason == "a git hook refused it"
    assert result.refused.output == (r"no \x1b[31mway",)
    assert result.refused.rewritten == ()
    assert result.pending == (STEPS[2].message,)
    assert status(root) == MINE | {" M compose.yml", " M a.yml", " M dir with space/*.yml"}


def test_refused_new_file_is_untracked_again(root: Path) -> None:
    """A new file whose commit is refused is left as git found it."""
    hook(root, "commit-msg", "echo bad message; exit 1")
    result = commit(root)
    assert result.commits == ()
    assert result.refused is not None
    assert result.refused.output == ("bad message",)
    assert result.pending == (STEPS[1].message, STEPS[2].message)
    assert {"?? new/config.yml", *MINE} < status(root)
    assert git(root, "diff", "--cached", "--name-only") == "staged\n"


def test_long_output_is_cut(root: Path) -> None:
    """Of a talkative hook the last lines are kept."""
    hook(root, "pre-commit", "seq 1 500; exit 1")
    refused = commit(root).refused
    assert refused is not None
    assert refused.output == tuple(map(str, range(481, 501)))


def test_hook_that_rewrites_and_passes(root: Path) -> None:
    """When a hook rewrites and adds files, the commit holds the hook's version, and the result says which."""
    hook(
        root, "pre-commit", "for f in $(git diff --cached --name-only '*m*.yml'); do echo more >> $f; git add $f; done"
    )
    result = commit(root)
    assert result.refused is None
    assert [made.rewritten for made in result.commits] == [(), ("compose.yml",), ()]
    assert [made.extra for made in result.commits] == [(), (), ()]
    assert git(root, "show", "HEAD~1:compose.yml") == "changed\nmore\n"
    assert status(root) == MINE


def test_hook_that_rewrites_a_later_step(root: Path) -> None:
    """A hook that adds files of another step takes them into this commit, and the result says so."""
    hook(root, "pre-commit", "if [ ! -e .git/ran ]; then echo more >> a.yml; git add a.yml; touch .git/ran; fi")
    result = commit(root)
    assert result.refused is None
    config, _, builds = result.commits
    assert (config.rewritten, config.extra) == (("a.yml",), ("a.yml",))
    assert builds.paths == ("dir with space/*.yml",)
    assert status(root) == MINE


def test_hook_that_rewrites_without_adding(root: Path) -> None:
    """When a hook changes a file and does not add it, the commit holds ours and the change is reported as left."""
    hook(root, "pre-commit", "echo formatted >> compose.yml")
    result = commit(root, STEPS[1:2])
    assert result.refused is None
    assert result.commits[0].rewritten == ()
    assert result.commits[0].left == ("compose.yml",)
    assert git(root, "show", "HEAD:compose.yml") == "changed\n"
    assert " M compose.yml" in status(root)


def test_hook_that_rewrites_and_fails(root: Path) -> None:
    """When a hook changes files and refuses, the result names the files it changed."""
    hook(root, "pre-commit", "echo formatted >> compose.yml; git add compose.yml; exit 1")
    result = commit(root, STEPS[1:2])
    assert result.refused is not None
    assert result.refused.rewritten == ("compose.yml",)
    assert (root / "compose.yml").read_text() == "changed\nformatted\n"
    assert messages(root) == []


def test_hook_that_adds_what_the_user_had_staged(root: Path) -> None:
    """Another file that a hook adds is reported; what the user had staged is not lost."""
    hook(root, "pre-commit", "git add staged untracked")
    result = commit(root, STEPS[1:2])
    assert result.commits[0].extra == ("staged", "untracked")
    assert (root / "staged").read_text() == "mine\n"
    assert status(root) == {" M dir with space/b.yml", " M unstaged", " M a.yml", " M dir with space/*.yml"} | {
        "?? new/config.yml"
    }


def test_everything_taken_by_a_hook(root: Path) -> None:
    """When a hook puts everything into the first commit, the other steps are empty, not refused."""
    hook(root, "pre-commit", "git add -A")
    result = commit(root)
    assert result.refused is None
    assert result.empty == (STEPS[1].message, STEPS[2].message)
    assert status(root) == set()


def test_carriage_returns(root: Path) -> None:
    """Line ends that git converts are not taken for a hook's work."""
    git(root, "config", "core.autocrlf", "true")
    (root / "a.yml").write_bytes(b"changed\r\n")
    result = commit(root)
    assert result.refused is None
    assert [made.rewritten for made in result.commits] == [(), (), ()]


def test_ignored_file(root: Path) -> None:
    """A new file that .gitignore covers is a refusal that says so; steps before it are done."""
    (root / ".git/info/exclude").write_text("config.yml\n")
    result = commit(root, STEPS[1:2] + STEPS[:1] + STEPS[2:])
    assert messages(root) == [STEPS[1].message]
    assert result.refused is not None
    assert result.refused.reason == "git ignores new/config.yml (.gitignore)"
    assert (root / "new/config.yml").exists()


def test_signing_that_fails(root: Path) -> None:
    """A signature that cannot be made is named as the reason."""
    git(root, "config", "commit.gpgsign", "true")
    git(root, "config", "gpg.program", "false")
    result = commit(root)
    assert result.refused is not None
    assert result.refused.reason == "git could not sign it, and commit.gpgsign asks for a signature"
    assert result.refused.output
    assert {"?? new/config.yml", *MINE} < status(root)
    assert messages(root) == []


def test_worktree(root: Path, tmp_path: Path) -> None:
    """Commits work in a worktree, too, and touch only its branch."""
    tree = tmp_path / "tree"
    git(root, "worktree", "add", "-b", "other", str(tree))
    change(tree)
    result = commit(tree)
    assert result.refused is None
    assert len(messages(tree)) == 3
    assert messages(root) == []
    assert status(tree) == set()


def test_started_by_a_hook_of_another_repository(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """GIT_DIR and GIT_INDEX_FILE of another repository lead nowhere, and are there again afterwards."""
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git/index"))
    assert len(commit(root).commits) == 3
    assert os.environ["GIT_DIR"] == str(other / ".git")


def test_detached_head(root: Path) -> None:
    """Without a branch no commit is made."""
    git(root, "checkout", "--detach")
    assert refusal(root) == "HEAD is detached, commits would belong to no branch: switch to a branch first"


def test_unborn_branch(tmp_path: Path) -> None:
    """A repository without a commit is told to make one."""
    git(tmp_path, "init")
    with pytest.raises(CommitError, match="no commit yet"):
        check_can_commit(tmp_path)


def test_no_repository(tmp_path: Path) -> None:
    """Without a repository `--commit` cannot work, and says so."""
    with pytest.raises(CommitError, match="needs a git repository"):
        check_can_commit(tmp_path)


def test_no_git(root: Path) -> None:
    """On a machine without git the error names it."""
    code = "import sys; from pathlib import Path; from codemods.commit import *; check_can_commit(Path(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", code, str(root)],
        cwd=Path(__file__).parent.parent,
        env={"PATH": "/nonexistent"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr.splitlines()[-1].endswith("CommitError: --commit needs git, and there is none on PATH")


@pytest.mark.parametrize("command", ["merge", "rebase", "cherry-pick", "revert"])
def test_something_in_progress(root: Path, command: str) -> None:
    """In the middle of a merge, rebase, cherry-pick or revert no commit is made, and the user is told how to end it."""
    git(root, "stash", "-u")
    git(root, "checkout", "-b", "other")
    (root / "a.yml").write_text("theirs\n")
    git(root, "commit", "-am", "theirs")
    git(root, "checkout", "main")
    (root / "a.yml").write_text("ours\n")
    git(root, "commit", "-am", "ours")
    arguments = ["other"] if command != "revert" else ["other", "--no-edit"]
    with pytest.raises(subprocess.CalledProcessError):
        git(root, command, *arguments)
    assert refusal(root).startswith(f"a {command} is in progress: finish it (or git {command} --abort)")


def test_unmerged_files(root: Path) -> None:
    """Conflicts of `git stash pop` are refused, though no merge is in progress."""
    git(root, "stash", "-u")
    (root / "a.yml").write_text("ours\n")
    git(root, "commit", "-am", "ours")
    with pytest.raises(subprocess.CalledProcessError):
        git(root, "stash", "pop")
    assert refusal(root) == "there are unmerged files: resolve them (git status), then commit"


def test_locked_index(root: Path) -> None:
    """A locked index is noticed before anything is written; one that appears later is a refused commit."""
    lock = root / ".git/index.lock"
    lock.touch()
    assert refusal(root).startswith("the index is locked: ")
    lock.unlink()
    hook(root, "post-commit", "touch .git/index.lock")
    result = commit_changes(root, STEPS, OURS)
    assert len(result.commits) == 1
    assert result.refused is not None
    assert "index.lock" in "\n".join(result.refused.output)
    lock.unlink()
    assert status(root) > MINE


def test_no_identity(root: Path) -> None:
    """Without a name and an address of the user, the error says what to set."""
    git(root, "config", "user.useConfigOnly", "true")
    git(root, "config", "--global", "--unset", "user.email")
    assert refusal(root) == "git does not know who you are: set user.name and user.email (git config)"


PRE_COMMIT = """
repos:
- repo: local
  hooks:
  - {id: caching-drift, name: drift, language: system, entry: sh -c "exit 1", always_run: true, pass_filenames: false}
  - {id: newline, name: newline, language: system, entry: sh -c 'grep -q end "$0" || echo end >> "$0"'}
"""


def test_real_pre_commit(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the real pre-commit, skipped hooks do not run, and one that rewrites files stops the commit."""
    monkeypatch.setenv("PRE_COMMIT_HOME", str(tmp_path / "pre-commit"))
    (root / ".pre-commit-config.yaml").write_text(PRE_COMMIT)
    git(root, "add", ".pre-commit-config.yaml")
    git(root, "commit", "--only", "-m", "hooks", ".pre-commit-config.yaml")
    subprocess.run([sys.executable, "-m", "pre_commit", "install"], cwd=root, check=True, capture_output=True)
    (root / "new/config.yml").write_text("version: 0.1\nend\n")
    (root / "a.yml").write_text("end\n")
    result = commit(root, (STEPS[0], STEPS[1], STEPS[2]))
    assert [made.message for made in result.commits] == [STEPS[0].message]
    refused: Any = result.refused
    assert refused.message == STEPS[1].message
    assert refused.rewritten == ("compose.yml",)
    assert any("files were modified by this hook" in line for line in refused.output)
    assert any("Skipped" in line for line in refused.output)
    again = commit(root, STEPS[1:2])
    assert again.refused is not None
    assert any("drift" in line and "Failed" in line for line in again.refused.output)
    assert status(root) > MINE
