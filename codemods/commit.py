"""`--commit`: the steps of a recipe as commits, without touching what else the user has staged.

Only the paths of a step get into its commit (`git commit --only`), and git's own hooks run as for any commit.
"""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from codemods.engine.report.escape import printable
from codemods.errors import CodemodError
from codemods.repository import GIT_LOCAL_VARIABLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from git import Repo

OUTPUT_LINES = 20
"""How much of a hook's output is kept: its end."""

_IN_PROGRESS = {
    "MERGE_HEAD": "merge",
    "rebase-merge": "rebase",
    "rebase-apply": "rebase",
    "CHERRY_PICK_HEAD": "cherry-pick",
    "REVERT_HEAD": "revert",
}


class CommitError(CodemodError):
    """A repository in which no commit can be made now."""


@dataclass(frozen=True, slots=True)
class CommitStep:
    """The files of one commit, by paths below the root; `trailer` is a line such as `Codemod: apply-caching RULE`."""

    message: str
    paths: tuple[str, ...]
    trailer: str = ""


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit that was made. `rewritten` are files that it holds otherwise than written, `extra` files that no step
    named, both by a hook; `left` are files that a hook changed without adding them."""

    id: str
    message: str
    paths: tuple[str, ...]
    rewritten: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RefusedCommit:
    """A commit that was not made: its changes are in the working tree, `rewritten` are files a hook changed there.

    `output` are the last lines of git and its hooks, control characters escaped.
    """

    message: str
    reason: str
    output: tuple[str, ...] = ()
    rewritten: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CommitResult:
    """The commits made, the one that was refused, and the messages of those that were not tried after it.

    `empty` are the messages of steps whose files a hook had already put into an earlier commit.
    """

    commits: tuple[Commit, ...]
    refused: RefusedCommit | None = None
    pending: tuple[str, ...] = ()
    empty: tuple[str, ...] = ()


def check_can_commit(root: Path) -> None:
    """Raise CommitError, one line, when commits are bound to fail; nothing has been written then."""
    with _open(root) as repo:
        directory = Path(repo.git_dir)
        for name, what in _IN_PROGRESS.items():
            if (directory / name).exists():
                raise CommitError(f"a {what} is in progress: finish it (or git {what} --abort), then commit")
        if (directory / "index.lock").exists():
            raise CommitError(f"the index is locked: wait for the other git command, or remove {directory}/index.lock")
        if repo.head.is_detached:
            raise CommitError("HEAD is detached, commits would belong to no branch: switch to a branch first")
        if not repo.head.is_valid():
            raise CommitError("the branch has no commit yet: make the first one, then run again")
        if repo.git.ls_files("--unmerged"):
            raise CommitError("there are unmerged files: resolve them (git status), then commit")
        for identity in ("GIT_AUTHOR_IDENT", "GIT_COMMITTER_IDENT"):
            if repo.git.var(identity, with_extended_output=True, with_exceptions=False)[0]:
                raise CommitError("git does not know who you are: set user.name and user.email (git config)")


def commit_changes(
    root: Path, steps: Sequence[CommitStep], skip_hooks: Sequence[str] = (), *, ends: bool = True
) -> CommitResult:
    """Make one commit per step, in order, and stop at the first that is refused.

    `skip_hooks` are pre-commit hook ids that only the last commit runs: before it the repository is half migrated.
    `ends` is whether that is the last one of all.
    Raises CommitError when git cannot be asked at all.
    """
    commits: list[Commit] = []
    empty: list[str] = []
    with _open(root) as repo:
        # Git takes and gives paths from the top of its working tree, which may lie above our root.
        below = root.resolve().relative_to(Path(repo.working_dir).resolve())
        steps = [replace(step, paths=tuple((below / path).as_posix() for path in step.paths)) for step in steps]
        written = _blobs(repo, {path for step in steps for path in step.paths})
        for number, step in enumerate(steps):
            if not (step.paths and _status(repo, step.paths)):
                empty.append(step.message)
                continue
            outcome = _commit(repo, step, written, () if ends and step is steps[-1] else skip_hooks)
            if isinstance(outcome, RefusedCommit):
                pending = tuple(later.message for later in steps[number + 1 :])
                return CommitResult(tuple(commits), outcome, pending, tuple(empty))
            commits.append(outcome)
    return CommitResult(tuple(commits), empty=tuple(empty))


def _commit(repo: Repo, step: CommitStep, written: dict[str, str], skip: Sequence[str]) -> Commit | RefusedCommit:
    staged = set(_names(repo.git.diff("--cached", "--name-only", "--no-renames", "-z")))
    new = _names(repo.git.ls_files("--others", "-z", "--", *_specs(step.paths)))
    ignored = _names(repo.git.ls_files("--others", "--ignored", "--exclude-standard", "-z", "--", *_specs(step.paths)))
    if ignored:
        return RefusedCommit(step.message, f"git ignores {', '.join(map(printable, ignored))} (.gitignore)")
    done = False
    try:
        status, output = _add_and_commit(repo, step, new, skip)
        done = status == 0
    finally:
        if new and not done:
            _unstage(repo, new)
    if done:
        return _made(repo, step, written, staged)
    changed = tuple(path for path, blob in _blobs(repo, step.paths).items() if blob != written.get(path))
    return RefusedCommit(step.message, _reason(repo, status, output), output, changed)


def _add_and_commit(
    repo: Repo, step: CommitStep, new: Sequence[str], skip: Sequence[str]
) -> tuple[int, tuple[str, ...]]:
    """Exit status and last lines of git."""
    options = {"with_extended_output": True, "with_exceptions": False}
    if new:
        # `commit --only` takes only files that git knows.
        status, out, err = repo.git.add("--intent-to-add", "--", *_specs(new), **options)
        if status:
            return status, _last_lines(out, err)
    message = f"{step.message}\n\n{step.trailer}\n" if step.trailer else step.message
    skipped = ",".join(filter(None, [os.environ.get("SKIP", ""), *skip]))
    # GitPython would give hooks another language than the user's.
    environment = {name: os.environ.get(name, "") for name in ("LC_ALL", "LANGUAGE")}
    if skipped:
        environment["SKIP"] = skipped
    status, out, err = repo.git.commit(
        "--only", "--cleanup=whitespace", f"--message={message}", "--", *_specs(step.paths), env=environment, **options
    )
    return status, _last_lines(out, err)


def _made(repo: Repo, step: CommitStep, written: dict[str, str], staged: set[str]) -> Commit:
    """What the commit really holds; the index is brought up to it where a hook added something."""
    commit = repo.head.commit
    raw = iter(_names(repo.git.diff_tree("-r", "--no-commit-id", "--no-renames", "--raw", "-z", "HEAD")))
    ours = set(step.paths)
    held = {path: status.split()[3] for status, path in zip(raw, raw, strict=True)}
    # With `--only`, hooks add to a temporary index: the real one still holds what was there before them.
    behind = set(_names(repo.git.diff("--cached", "--name-only", "--no-renames", "-z"))) & {*held, *ours} - staged
    if behind:
        _unstage(repo, sorted(behind))
    rewritten = [path for path, blob in held.items() if blob != written.get(path, blob)]
    return Commit(
        commit.hexsha,
        step.message,
        tuple(held),
        tuple(rewritten),
        tuple(path for path in held if path not in ours),
        tuple(_names(repo.git.diff("HEAD", "--name-only", "--no-renames", "-z", "--", *_specs(step.paths)))),
    )


def _reason(repo: Repo, status: int, output: Sequence[str]) -> str:
    if status == 1:
        return "a git hook refused it"
    signs = repo.git.config("--type=bool", "--default=false", "--get", "commit.gpgsign") == "true"
    if signs and re.search("gpg|sign", "\n".join(output), re.IGNORECASE):
        return "git could not sign it, and commit.gpgsign asks for a signature"
    return f"git could not make it (exit {status})"


def _unstage(repo: Repo, paths: Sequence[str]) -> None:
    repo.git.reset("--quiet", "--", *_specs(paths), with_exceptions=False)


def _blobs(repo: Repo, paths: Iterable[str]) -> dict[str, str]:
    """Blob ids that git would give to the files as they are in the working tree."""
    there = [path for path in sorted(paths) if (Path(repo.working_dir) / path).is_file()]
    return dict(zip(there, repo.git.hash_object("--", *there).split(), strict=True)) if there else {}


def _specs(paths: Iterable[str]) -> list[str]:
    return [f":(top,literal){path}" for path in paths]


def _status(repo: Repo, paths: Sequence[str]) -> str:
    return str(repo.git.status("--porcelain", "--untracked-files=all", "--ignored", "--", *_specs(paths)))


def _names(listed: str) -> list[str]:
    return [name for name in listed.split("\0") if name]


def _last_lines(*texts: str) -> tuple[str, ...]:
    lines = [printable(line.expandtabs())[:200] for text in texts for line in text.splitlines() if line.strip()]
    return tuple(lines[-OUTPUT_LINES:])


@contextmanager
def _open(root: Path) -> Iterator[Repo]:
    """The repository at `root`, whatever git hook may be running us. Raises CommitError for every failure of git."""
    outer = {name: os.environ.pop(name) for name in GIT_LOCAL_VARIABLES & os.environ.keys()}
    try:
        try:
            from git import GitCommandError, InvalidGitRepositoryError, Repo
        except ImportError as error:
            raise CommitError("--commit needs git, and there is none on PATH") from error
        try:
            with Repo(root, search_parent_directories=True) as repo:
                yield repo
        except InvalidGitRepositoryError as error:
            raise CommitError("--commit needs a git repository: run `git init`, or leave --commit out") from error
        except GitCommandError as error:
            last = _last_lines(error.stderr.partition("stderr: ")[2].strip("' \n")) or (f"exit {error.status}",)
            raise CommitError(f"{printable(' '.join(error.command[:2]))} failed: {last[-1]}") from error
    finally:
        os.environ.update(outer)
