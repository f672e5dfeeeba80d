"""`codemod apply-caching`: flags, exit codes, and what happens to files that are not as they should be."""

from __future__ import annotations

import json
import os
import pty
import shlex
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from codemods.settings import SETTINGS_FILE
from tests.command import PROGRAM, ROOT, Run, changed, codemod, codemod_process, commit_all, example, git, write

if TYPE_CHECKING:
    from collections.abc import Iterator

STACK = "modules/docker-registry"
COMPOSE, NGINX, TERRAFORM = f"{STACK}/docker-compose.yml", f"{STACK}/nginx_registry.conf", "stacks/infra/main.tf"
CONFIG, CLEANUP = f"{STACK}/config-private.yml", f"{STACK}/cleanup-tags.sh"
COLLECTOR = f"{STACK}/collect-garbage.py"
CLI, F1 = ".woodpecker/build-cli.yml", ".woodpecker/f1-stream.yml"
WHOLE_STACK = {COMPOSE, NGINX, TERRAFORM, CONFIG, COLLECTOR, CLEANUP}
PIPELINES = {CLI, F1}
PIPELINE_RULE = "woodpecker-add-registry-cache"
SCHEMA = json.loads((ROOT / "docs" / "report.schema.json").read_text(encoding="utf-8"))


@pytest.fixture(autouse=True)
def _plain_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings of this machine, and an identity."""
    (tmp_path / "gitconfig").write_text("[user]\nname = T\nemail = t@example.org\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.delenv("SKIP", raising=False)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return example(tmp_path)


def apply(root: Path, *arguments: str) -> Run:
    run = codemod(root, "apply-caching", *arguments)
    assert "Traceback" not in run.err
    return run


def report(root: Path, *arguments: str) -> dict[str, Any]:
    """The JSON report of a run; it follows the schema, and says the exit code."""
    run = apply(root, "--format", "json", *arguments)
    found: dict[str, Any] = json.loads(run.out)
    jsonschema.validate(found, SCHEMA, cls=jsonschema.Draft202012Validator)
    assert found["exit_code"] == run.code
    assert run.err == ""
    return found


def said(found: dict[str, Any]) -> list[tuple[str, str]]:
    """Path and text of everything that was refused or could not be read."""
    refusals = [(entry["path"], f"{entry['reason']}; {entry['advice']}") for entry in found["refusals"]]
    return refusals + [(entry["path"], entry["message"]) for entry in found["findings"]]


def usage_error(root: Path, *arguments: str) -> str:
    """The one line that a run with exit 2 says; nothing was written."""
    run = apply(root, *arguments)
    assert (run.code, run.out) == (2, "")
    assert run.err.count("\n") == 1
    assert run.err.startswith("codemod: ")
    assert changed(root) == set()
    return run.err


# What it does


def test_writes_everything_once(root: Path) -> None:
    """The whole recipe is written, the result is on stdout and the talk on stderr; a second run finds nothing."""
    run = apply(root)
    assert run.code == 0
    assert changed(root) == WHOLE_STACK | PIPELINES
    assert all(path in run.out for path in changed(root))
    assert "What comes next" not in run.out
    assert run.err.rstrip().endswith("apply-caching (verified): 8 files changed")
    again = apply(root)
    assert (again.code, again.out) == (0, "")
    assert again.err.rstrip().endswith("nothing to do")


def test_diff_is_a_patch(root: Path) -> None:
    """`--diff` writes nothing, exits 1, and prints a patch that makes what the real run makes."""
    run = apply(root, "--diff")
    assert (run.code, changed(root)) == (1, set())
    subprocess.run(["git", "apply", "--index"], cwd=root, input=run.out.encode(), check=True)
    by_patch = git(root, "write-tree")
    git(root, "reset", "--quiet", "--hard")
    assert apply(root).code == 0
    git(root, "add", "--all")
    assert git(root, "write-tree") == by_patch
    clean = apply(root, "--diff", "--allow-dirty")
    assert (clean.code, clean.out) == (0, "")


@pytest.mark.parametrize(
    ("paths", "written"),
    [
        ([CLI], {CLI}),
        ([".woodpecker"], PIPELINES),
        (["stacks", CLI], {TERRAFORM, CLI}),
        (["./.woodpecker/../modules/"], {COMPOSE, NGINX, CONFIG, COLLECTOR, CLEANUP}),
        (["README.md"], set()),
        (["."], WHOLE_STACK | PIPELINES),
    ],
)
def test_paths_limit_what_is_written(root: Path, paths: list[str], written: set[str]) -> None:
    """Files and directories limit what is written; what is written is the same as in a whole run."""
    assert apply(root, *paths).code == 0
    assert changed(root) == written
    part = {path: (root / path).read_bytes() for path in written}
    git(root, "stash", "--include-untracked", "--quiet")
    apply(root)
    assert {path: (root / path).read_bytes() for path in written} == part


def test_paths_start_where_the_command_does(root: Path) -> None:
    """A path is relative to the current directory, or to that of -C, and may be absolute."""
    assert codemod(root / "stacks", "apply-caching", "infra/main.tf").code == 0
    assert codemod(root, "apply-caching", str(root / CLI)).code == 0
    assert changed(root) == {TERRAFORM, CLI}


def test_paths_do_not_limit_what_is_known(root: Path) -> None:
    """A pipeline that is out of scope still has its image's name, and a refused stack still holds back."""
    write(root, {".woodpecker/other.yml": (root / CLI).read_text().replace("viktorbarzin/infra", "other/infra")})
    commit_all(root)
    apply(root, CLI)
    assert "registry.viktorbarzin.lan:5050/viktorbarzin/infra" in (root / CLI).read_text()
    git(root, "checkout", "--quiet", ".")
    (root / NGINX).write_text("http {\n")
    found = report(root, "--allow-dirty", CLI)
    assert found["exit_code"] == 3
    assert [path for path, _ in said(found)] == [NGINX]
    assert any(note.startswith(f"held back: {CLI}; ") for note in found["notes"])


def test_only_and_skip(root: Path) -> None:
    """`--only` writes what one rule changes, `--skip` everything else."""
    assert apply(root, "--only", "nginx-add-private-server").code == 0
    assert changed(root) == {NGINX}
    git(root, "checkout", "--quiet", ".")
    assert apply(root, "--skip", "nginx-add-private-server", "--skip", PIPELINE_RULE).code == 0
    assert changed(root) == WHOLE_STACK - {NGINX}


def test_only_pipelines_do_not_wait_for_the_stack(root: Path) -> None:
    """`--only` the pipelines writes them although the stack is refused."""
    (root / COMPOSE).write_text((root / COMPOSE).read_text() + "  x: [\n")
    commit_all(root)
    assert apply(root).code == 3
    assert changed(root) == set()
    assert apply(root, "--only", PIPELINE_RULE).code == 0
    assert changed(root) == PIPELINES


def test_ignored_rules(root: Path) -> None:
    """The setting `ignore` leaves rules out like --skip."""
    assert apply(root, "--set", f"ignore={PIPELINE_RULE}").code == 0
    assert changed(root) == WHOLE_STACK


def test_profiles(root: Path) -> None:
    """--profile wins over the settings; going back from verified to as-written is refused."""
    assert report(root, "--profile", "as-written", "--diff")["profile"] == "as-written"
    assert apply(root, "--set", "profile=as-written", "--profile", "verified").code == 0
    assert "5.2.2-insecure" in (root / CLI).read_text()
    commit_all(root)
    run = apply(root, "--profile", "as-written")
    assert (run.code, changed(root)) == (3, set())


def test_who_keeps_the_cap(root: Path) -> None:
    """The collector does; where no Terraform deploys it, it is not added, and the report says that nobody does."""
    assert not [note for note in report(root, "--diff")["notes"] if "cap" in note]
    git(root, "rm", "-r", "--quiet", "stacks/infra")
    git(root, "commit", "--quiet", "-m", "other provisioning")
    found = report(root, "--diff")
    assert [note for note in found["notes"] if note.startswith("no cap yet: nothing keeps the registry within 100GiB")]
    assert COLLECTOR not in {change["path"] for change in found["changes"]}


def test_what_comes_next(root: Path) -> None:
    """Commit, machine, name, push, proof: in the order in which nothing breaks; what there is not, is left out."""
    steps = report(root, "--diff")["next_steps"]
    machine, name = (
        "`codemod sync-vm` brings root@10.0.20.10 up to date: cloud-init runs on a first boot only",
        "`codemod sync-dns` makes registry.viktorbarzin.lan an A record to 10.0.20.10",
    )
    push = "only now push: a pipeline cannot build before its registry answers"
    proof = "`codemod verify`, after the second build: it asks the registry, the name and the build cache"
    assert [step for step in steps if "PRIVILEGED" not in step] == [
        "run this again without --diff, look at `git diff`, and commit",
        machine,
        name,
        push,
        proof,
    ]
    assert machine not in report(root, "--diff", ".woodpecker")["next_steps"]
    committed = report(root, "--commit")["next_steps"]
    assert committed[0] == machine
    assert push.replace("push", "push, and start a pipeline by hand") in committed
    assert report(root)["next_steps"] == []


def test_options_after_the_command(root: Path) -> None:
    """--set, -q and -v may stand before or after the command's name."""
    for arguments in (
        ["--set", "registry.port=5055", "apply-caching"],
        ["apply-caching", "--set", "registry.port=5055"],
    ):
        run = codemod(root, *arguments, "--diff", NGINX)
        assert "listen 5055;" in run.out
    assert "rules: nginx-add-private-server" in apply(root, "-v", NGINX).out


def test_quiet(root: Path) -> None:
    """-q leaves what must be known: nothing when all is well, refusals when not."""
    assert apply(root, "-q") == Run(0, "", "")
    (root / F1).write_text("steps: [plugin-docker-buildx\n")
    run = apply(root, "-q")
    assert (run.code, run.err) == (3, "")
    assert run.out.startswith(f"{F1}:")


def test_json_and_markdown(root: Path) -> None:
    """Machines get one document on stdout and nothing else."""
    found = report(root, "--diff")
    assert (found["command"], found["exit_code"], found["pending"]) == ("apply-caching", 1, True)
    assert {change["path"] for change in found["changes"]} == WHOLE_STACK | PIPELINES
    assert all(change["diff"].startswith(f"diff --git a/{change['path']} ") for change in found["changes"])
    markdown = apply(root, "--diff", "--format", "markdown")
    assert markdown.out.startswith("### apply-caching (verified): 8 files would change\n")
    assert markdown.err == ""
    report(root)
    assert report(root)["changes"] == []


def test_json_is_utf8_everywhere(root: Path) -> None:
    """The encoding of the terminal does not change what machines read, and breaks no text."""
    (root / F1).write_text("steps: [plugin-docker-buildx\n")
    for format_ in ("json", "markdown", "text"):
        done = subprocess.run(
            [*PROGRAM, "apply-caching", "--diff", "--format", format_],
            cwd=root,
            capture_output=True,
            env={**os.environ, "PYTHONIOENCODING": "ascii"},
            check=False,
        )
        assert done.returncode == 3, done.stderr
        assert done.stdout.decode("utf-8" if format_ != "text" else "ascii")


@pytest.mark.parametrize("no_color", [False, True])
def test_colour(root: Path, no_color: bool) -> None:
    """A terminal gets colours, unless NO_COLOR is set; then not one escape sequence for a colour."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color"} | ({"NO_COLOR": "1"} if no_color else {})
    if not no_color:
        environment.pop("NO_COLOR", None)
    with subprocess.Popen(
        [*PROGRAM, "apply-caching", "--diff", NGINX], cwd=root, stdout=theirs, stderr=theirs, env=environment
    ) as process:
        os.close(theirs)
        output = b"".join(iter(lambda: _read(ours), b""))
    os.close(ours)
    assert process.returncode == 1
    assert b"+        listen 5050;" in output
    assert any(b"\x1b[%d" % colour in output for colour in range(31, 37)) is not no_color


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # the other end is closed
        return b""


# Usage and settings


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--only", "nginx-add-privat-server"],
            "--only: there is no rule nginx-add-privat-server: did you mean nginx-add-",
        ),
        (["--skip", "x" * 30], "--skip: there is no rule xxx"),
        (
            ["--set", "ignore=compose-add-private-registri"],
            "ignore: there is no rule compose-add-private-registri: did",
        ),
        (["--only", PIPELINE_RULE, "--skip", PIPELINE_RULE], "leave no rule to run"),
        (["none.yml"], "none.yml: no such file or directory"),
        (["/etc/hostname"], "/etc/hostname lies outside the repository"),
        (["../x"], "../x lies outside the repository"),
        (["--commit", "--allow-dirty"], "--commit and --allow-dirty exclude each other"),
        (["--commit", "--diff"], "--commit and --diff exclude each other"),
        (["--set", "registry.prot=5"], "unknown key "),
        (["--set", "registry.port=no"], "registry.port is "),
        (["--set", "registry.hostname="], "registry.hostname is not set: run `codemod init`, or pass --set"),
        (["--set", "paths.nginx=none.conf"], "paths.nginx is none.conf: there is nothing of that name"),
        (["--set", "nonsense"], "KEY=VALUE is expected"),
    ],
)
def test_wrong_usage(root: Path, arguments: list[str], message: str) -> None:
    """What cannot be meant is exit 2 with one line, and nothing is written."""
    assert message in usage_error(root, *arguments)


@pytest.mark.parametrize("arguments", [["--format", "xml"], ["--profile", "fast"], ["--nonsense"], ["--only"]])
def test_wrong_options(root: Path, arguments: list[str]) -> None:
    """Click's own errors are exit 2, too."""
    run = apply(root, *arguments)
    assert (run.code, run.out, changed(root)) == (2, "", set())
    assert "Error: " in run.err


def test_wrong_command(tmp_path: Path) -> None:
    """An unknown command, no command and no such directory are exit 2."""
    assert codemod(tmp_path, "apply-cashing").code == 2
    assert codemod(tmp_path).code == 2
    run = codemod(tmp_path / "none", "apply-caching")
    assert (run.code, run.err) == (
        2,
        f"codemod: {tmp_path / 'none'} is not a directory: give the repository with -C DIR\n",
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("version = 1\n[registry]\nhostnam = 'x'\n", "codemod.toml: unknown key "),
        ("[registry\n", "codemod.toml: not valid TOML: "),
        ("version = 2\n", "codemod.toml: version is 2"),
        ("", "registry.hostname is not set"),
    ],
)
def test_wrong_settings(root: Path, content: str, message: str) -> None:
    """Settings that are wrong are exit 2 and one line with the nearest known key."""
    (root / SETTINGS_FILE).write_text(content)
    commit_all(root)
    assert message in usage_error(root)


# Files that are not as they should be

BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("path", "content", "message"),
    [
        (COMPOSE, b"services:\n  registry-x:\n    image: registry:2\n    x: [\n", "invalid YAML"),
        (COMPOSE, b"services: {r: {image: registry:2}} # \xff\n", "not UTF-8 (byte 0xff at offset 37)"),
        (COMPOSE, b"services: {r: {image: registry:2}}\n\0", "a binary file"),
        (COMPOSE, b"", "it has no mapping `services`"),
        (COMPOSE, b"#" * (50 * 2**20), "larger than 5 MB"),
        (COMPOSE, b"services: {r: {image: registry:2, x: " + b"[" * 100_000, "invalid YAML"),
        (NGINX, b"events {}\nhttp {\n", ""),
        (NGINX, b"http { # \xe9\n}\n", "not UTF-8"),
        (NGINX, b"\0", "a binary file"),
        (NGINX, b"", ""),
        (NGINX, b"#" * (50 * 2**20), "larger than 5 MB"),
        (TERRAFORM, b'# docker-compose.yml\nx = base64encode("y"\n', "not valid HCL"),
        (TERRAFORM, b'# docker-compose.yml\nx = base64encode("\xff")\n', "not UTF-8"),
        (TERRAFORM, b'# docker-compose.yml\nx = base64encode("\0")\n', "a binary file"),
        (TERRAFORM, b"#" * (50 * 2**20), "larger than 5 MB"),
        (CLEANUP, b"#!/usr/bin/env python3\nimport shutil # repositories tags rmtree\nif x\n", ""),
        (CONFIG, b"", "exists, but is no registry configuration"),
        (CONFIG, b"version: [\n", "invalid YAML"),
        (CONFIG, b"version: 0.1\nproxy: {remoteurl: https://x}\n", "exists with other content"),
    ],
)
def test_broken_stack(root: Path, path: str, content: bytes, message: str) -> None:
    """A file of the stack that cannot be read is exit 3 and one entry; the stack and its pipelines stay as they are."""
    (root / path).write_bytes(content)
    commit_all(root)
    started = time.monotonic()
    found = report(root)
    assert time.monotonic() - started < 10
    ((named, text),) = said(found)
    assert (named, found["exit_code"]) == (path, 3)
    assert message in text
    assert "\n" not in text
    assert changed(root) == set()
    (note,) = (note for note in found["notes"] if note.startswith("held back: "))
    assert all(pipeline in note for pipeline in PIPELINES)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"steps:\n  - image: woodpeckerci/plugin-docker-buildx\n    settings: {repo: [\n", "invalid YAML"),
        (b"steps:\n  - image: woodpeckerci/plugin-docker-buildx # \xff\n", "not UTF-8"),
        (b"\0plugin-docker-buildx", "a binary file"),
        (b"# plugin-docker-buildx" * 2_500_000, "larger than 5 MB"),
        (b"x: woodpeckerci/plugin-docker-buildx\ny: " + b"{a: " * 50_000, "nested more than 100 deep"),
    ],
)
def test_broken_pipeline(root: Path, content: bytes, message: str) -> None:
    """A pipeline that cannot be read is exit 3 and one entry; everything else is done."""
    (root / F1).write_bytes(content)
    commit_all(root)
    found = report(root)
    ((named, text),) = said(found)
    assert (named, found["exit_code"]) == (F1, 3)
    assert message in text
    assert changed(root) == WHOLE_STACK | {CLI}


def test_harmless_pipelines(root: Path) -> None:
    """An empty pipeline, and one that never names the plugin, are fine whatever they hold."""
    write(root, {".woodpecker/empty.yml": "", ".woodpecker/other.yml": "steps: [\n"})
    commit_all(root)
    assert report(root)["exit_code"] == 0


@pytest.mark.parametrize("path", [COMPOSE, F1])
def test_yaml_bomb(root: Path, path: str) -> None:
    """Aliases that multiply take no time and no memory; the rest of the file is handled as always."""
    (root / path).write_text(BOMB + (root / path).read_text())
    commit_all(root)
    started = time.monotonic()
    found = report(root)
    assert time.monotonic() - started < 10
    assert found["exit_code"] in (0, 3)
    assert path in changed(root) or [named for named, _ in said(found)] == [path]


def test_a_file_that_is_gone(root: Path) -> None:
    """A file that Terraform deploys and that is not there is refused by name, and its stack with it."""
    git(root, "rm", "--quiet", NGINX)
    commit_all(root)
    found = report(root)
    ((path, text),) = said(found)
    assert (path, found["exit_code"], changed(root)) == (NGINX, 3, set())
    assert text.startswith("there is no such file; restore it")


def test_read_only_file(root: Path) -> None:
    """A file without write permission refuses its group; the other groups are done."""
    (root / F1).chmod(0o444)
    found = report(root)
    assert said(found) == [(F1, f"read-only; make it writable: chmod u+w {F1}")]
    assert (found["exit_code"], changed(root)) == (3, WHOLE_STACK | {CLI})
    git(root, "stash", "--quiet", "--include-untracked")
    (root / F1).chmod(0o644)
    (root / TERRAFORM).chmod(0o444)
    assert [path for path, _ in said(report(root))] == [TERRAFORM]
    assert changed(root) - {F1} == set()


def test_symlinks(root: Path, tmp_path: Path) -> None:
    """A pipeline that is a symlink is refused, out of the repository or inside; what it leads to is left alone."""
    outside = tmp_path / "outside.yml"
    outside.write_bytes((root / F1).read_bytes())
    (root / F1).unlink()
    (root / F1).symlink_to(outside)
    (root / CLI).rename(root / "real.yml")
    (root / CLI).symlink_to("../real.yml")
    commit_all(root)
    before = outside.read_bytes(), (root / "real.yml").read_bytes()
    found = report(root)
    assert found["exit_code"] == 3
    assert {path: text.partition(";")[0] for path, text in said(found)} == {
        F1: "a symlink that leaves the repository",
        CLI: "a symlink",
    }
    assert changed(root) == WHOLE_STACK
    assert (outside.read_bytes(), (root / "real.yml").read_bytes()) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small file system")
def test_full_disk(tmp_path: Path) -> None:
    """On a full disk the stack is as it was, nothing is left behind, and the report says why."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], check=False, stderr=-1)
    if mounted.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        root = disk / "infra"
        subprocess.run(["cp", "-r", str(ROOT / "examples" / "infra"), str(root)], check=True)
        before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
        filler = os.open(disk / "filler", os.O_WRONLY | os.O_CREAT)
        with suppress(OSError):
            while os.write(filler, bytes(4096)):
                pass
        os.close(filler)
        found = report(root)
        assert found["exit_code"] == 3
        assert [text.partition(";")[0] for _, text in said(found)] == ["cannot be written: No space left on device"]
        assert any(note.startswith("held back: ") for note in found["notes"])
        assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before
    finally:
        subprocess.run(["umount", str(disk)], check=True)


TAKEN = '  other:\n    image: other\n    ports:\n      - "5050:80"\n\n  nginx:\n'
SAME_NAME = "  registry-private:\n    image: example.org/other\n\n  nginx:\n"


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        (COMPOSE, "  nginx:\n", TAKEN),
        (COMPOSE, "  nginx:\n", SAME_NAME),
        (NGINX, "listen 5040;", "listen 5040; listen 5050;"),
    ],
)
def test_conflicts(root: Path, path: str, old: str, new: str) -> None:
    """A port that is taken, or a service of that name with other content, is a refusal; nothing is written."""
    text = (root / path).read_text()
    (root / path).write_text(text.replace(old, new, 1))
    commit_all(root)
    found = report(root)
    assert found["exit_code"] == 3
    assert path in {named for named, _ in said(found)}
    assert changed(root) == set()


def test_uncommitted_changes(root: Path) -> None:
    """A target file with changes of the user is refused with its group, unless --allow-dirty; others do not matter."""
    (root / F1).write_text((root / F1).read_text() + "# mine\n")
    (root / "README.md").write_text("mine\n")
    found = report(root)
    assert said(found) == [(F1, "it has uncommitted changes; commit or stash them, or pass --allow-dirty")]
    assert found["exit_code"] == 3
    assert changed(root) == WHOLE_STACK | {CLI, F1, "README.md"}
    assert "registry.viktorbarzin" not in (root / F1).read_text()
    assert report(root, "--allow-dirty")["exit_code"] == 0
    assert (root / F1).read_text().endswith("# mine\n")


def test_uncommitted_changes_in_the_stack(root: Path) -> None:
    """One dirty file of the stack holds everything back; --diff says the same."""
    git(root, "rm", "--quiet", "--cached", NGINX)
    for arguments in ([], ["--diff"]):
        found = report(root, *arguments)
        assert [path for path, _ in said(found)] == [NGINX]
        assert (found["exit_code"], found["changes"]) == (3, [])
    assert changed(root) == {NGINX}


# git


def test_without_git(tmp_path: Path) -> None:
    """A plain directory is a repository, too; only --commit needs git."""
    root = tmp_path / "plain"
    subprocess.run(["cp", "-r", str(ROOT / "examples" / "infra"), str(root)], check=True)
    run = apply(root, "--commit")
    assert (run.code, run.err) == (
        3,
        "codemod: --commit needs a git repository: run `git init`, or leave --commit out\n",
    )
    assert not (root / CONFIG).exists()
    assert apply(root).code == 0
    assert (root / CONFIG).exists()


def test_detached_head(root: Path) -> None:
    """Nobody loses a commit: --commit is refused before anything is written; without it the head does not matter."""
    git(root, "checkout", "--quiet", "--detach")
    run = apply(root, "--commit")
    assert (run.code, changed(root)) == (3, set())
    assert run.err.startswith("codemod: HEAD is detached")
    assert apply(root).code == 0


def hook(root: Path, script: str) -> None:
    path = root / ".git" / "hooks" / "pre-commit"
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def log(root: Path) -> list[str]:
    return git(root, "log", "--format=%s", "--reverse").splitlines()[1:]


def test_commit(root: Path) -> None:
    """One commit for each task with the plan's messages, each with its own files, and a note about [ci skip]."""
    hook(root, 'echo "$SKIP" >> ../hooks')
    found = report(root, "--commit")
    assert found["exit_code"] == 0
    assert log(root) == [
        "[ci skip] add private R/W registry config for CI build caching",
        "[ci skip] add registry-private service to Docker Compose stack",
        "[ci skip] add nginx upstream and server block for private registry on port 5050",
        "[ci skip] add a garbage collector for the private registry",
        "[ci skip] add private registry to Terraform cloud-init provisioning",
        "[ci skip] add BuildKit layer caching and dual-push to build-cli pipeline",
        "[ci skip] add BuildKit layer caching and dual-push to f1-stream pipeline",
        "[ci skip] keep the newest pushes and buildcache in the tag cleanup",
    ]
    assert changed(root) == set()
    assert "the messages say [ci skip]: pushing these commits starts no pipeline" in found["notes"]
    assert sum(note.startswith("committed ") for note in found["notes"]) == 8
    *first, last = (root.parent / "hooks").read_text().splitlines()
    assert set(first) == {"caching-drift,caching-fix"}
    assert last == ""
    assert report(root, "--commit")["changes"] == []


def test_commit_that_a_hook_refuses(root: Path) -> None:
    """A refused commit leaves its changes and the later ones in the working tree, and says so."""
    hook(root, "git diff --cached --name-only | grep -q nginx && { echo no nginx today; exit 1; }; exit 0")
    found = report(root, "--commit")
    assert found["exit_code"] == 3
    assert len(log(root)) == 2
    assert changed(root) == {NGINX, COLLECTOR, TERRAFORM, CLEANUP, *PIPELINES}
    (refusal,) = found["refusals"]
    assert refusal["rule"] == "commit"
    assert "a git hook refused it\nno nginx today" in refusal["reason"]
    assert "5 commits after it not tried" in refusal["advice"]
    assert found["next_steps"][0] == "look at `git diff`, then commit"


def test_commit_that_a_hook_rewrites(root: Path) -> None:
    """What a hook makes of a file is committed, and said."""
    hook(root, f"echo '# end' >> {NGINX} && git add {NGINX}")
    found = report(root, "--commit", NGINX)
    assert found["exit_code"] == 0
    assert git(root, "show", f"HEAD:{NGINX}").endswith("# end\n")
    assert f"a hook rewrote {NGINX}" in found["notes"]
    assert changed(root) == set()


def test_many_pipelines_share_a_commit(root: Path) -> None:
    """More than ten pipelines are one commit."""
    text = (root / CLI).read_text()
    write(root, {f".woodpecker/p{number}.yml": text.replace("/infra", f"/p{number}") for number in range(9)})
    commit_all(root)
    assert report(root, "--commit", ".woodpecker")["exit_code"] == 0
    assert log(root)[-1] == "[ci skip] add BuildKit layer caching and dual-push to 11 pipelines"


def test_odd_names(root: Path) -> None:
    """Spaces, quotes, line ends, control characters, leading dashes, git's own syntax and broken UTF-8 in names."""
    names = [
        'a b "c".yml',
        "new\nline.yml",
        "\x1b[31m.yml",
        "-n.yml",
        ":(top)x.yml",
        "é.yaml",
        os.fsdecode(b"bad\xff.yml"),
    ]
    for name in names:
        (root / ".woodpecker" / name).write_bytes((root / CLI).read_bytes())
    commit_all(root)
    assert len(report(root, "--diff")["changes"]) == 8 + len(names)
    assert "\x1b" not in apply(root, "--diff").out
    assert report(root, "--commit")["exit_code"] == 0
    assert changed(root) == set()
    assert "\x1b" not in git(root, "log", "--format=%B")
    assert report(root)["changes"] == []


def test_root_below_the_top_of_the_working_tree(tmp_path: Path) -> None:
    """A directory with a codemod.toml is a repository of its own: files, dirtiness and commits stay inside it."""
    root = example(tmp_path / "mono")
    top = tmp_path / "mono"
    subprocess.run(["rm", "-rf", str(root / ".git")], check=True)
    write(
        top, {"other/docker-compose.yml": (root / COMPOSE).read_text(), ".woodpecker/x.yml": (root / CLI).read_text()}
    )
    commit_all(top)
    (root / F1).write_text((root / F1).read_text() + "# mine\n")
    write(top, {"modules/x": "untracked, and not below our root"})
    found = report(root / "stacks", "--commit")
    assert [path for path, _ in said(found)] == [F1]
    assert changed(top) == {f"infra/{F1}", "modules/x"}
    assert git(top, "show", "--name-only", "--format=", "HEAD").splitlines() == [f"infra/{CLEANUP}"]
    assert len(log(top)) == 7


# Interruptions


def test_interrupt(root: Path, tmp_path: Path) -> None:
    """Ctrl-C ends the run with 130, one line, and no file changed."""
    slow = tmp_path / "bin" / "git"
    slow.parent.mkdir()
    slow.write_text(
        f'#!/bin/sh\ncase $* in *status*) touch {tmp_path}/asked; sleep 20;; *) exec {_which("git")} "$@";; esac\n'
    )
    slow.chmod(0o755)
    environment = {**os.environ, "PATH": f"{slow.parent}:{os.environ['PATH']}"}
    with subprocess.Popen(
        [*PROGRAM, "apply-caching"],
        cwd=root,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        while not (tmp_path / "asked").exists():
            assert process.poll() is None
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=15)
    assert process.returncode == 130
    assert out == b""
    assert err.strip() == b"codemod: interrupted; every file is as it was, or changed as a whole"
    assert changed(root) == set()


def _which(program: str) -> str:
    from shutil import which

    return which(program) or program


@pytest.fixture
def broken_pipe() -> Iterator[int]:
    """A pipe that nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["apply-caching", "--diff"], 1),
        (["apply-caching", "--diff", "--format", "json"], 1),
        (["rules"], 0),
        (["-h"], 0),
    ],
)
def test_reader_that_leaves(root: Path, broken_pipe: int, arguments: list[str], code: int) -> None:
    """`| head` is no error: no traceback, and the exit code that the run has anyway."""
    done = subprocess.run([*PROGRAM, *arguments], cwd=root, stdout=broken_pipe, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (code, b"")


@pytest.mark.parametrize("arguments", [["apply-caching", "--diff"], ["rules"]])
def test_output_that_cannot_be_written(root: Path, arguments: list[str]) -> None:
    """A full disk behind stdout is one line and exit 3."""
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([*PROGRAM, *arguments], cwd=root, stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 3
    assert done.stderr.splitlines()[-1] == b"codemod: No space left on device"
    assert b"Traceback" not in done.stderr


def test_closed_output(root: Path) -> None:
    """Without stdout the work is done all the same."""
    command = shlex.join(PROGRAM)
    done = subprocess.run(f"{command} apply-caching >&-", shell=True, cwd=root, check=False, stderr=subprocess.PIPE)  # noqa: S602
    assert done.returncode == 0, done.stderr
    assert changed(root) == WHOLE_STACK | PIPELINES


def test_process(root: Path) -> None:
    """The command as a process of its own does what it does in ours."""
    run = codemod_process(root, "apply-caching", "--diff")
    assert run == apply(root, "--diff")
    assert sys.executable in PROGRAM
