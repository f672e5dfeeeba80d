"""`codemod init`: what it finds, what it asks for, and that its result works."""

from __future__ import annotations

import os
import pty
import select
import subprocess
from typing import TYPE_CHECKING

import pytest

from codemods.settings import SETTINGS_FILE, load_settings
from tests.command import PROGRAM, Run, codemod, commit_all, example, git, write

if TYPE_CHECKING:
    from pathlib import Path

HOSTNAME = ("--set", "registry.hostname=registry.home.lan")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The example without its settings."""
    root = example(tmp_path)
    (root / SETTINGS_FILE).unlink()
    commit_all(root)
    return root


CONTROL = ("\x03", "\x04")


def at_a_terminal(root: Path, typed: str, *arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout, and what the terminal shows when each of these lines answers one question."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        ["setsid", "--ctty", "--wait", *PROGRAM, "init", *arguments],
        cwd=root,
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        try:
            # What is typed ahead may be thrown away when a question is asked.
            shown = b""
            for line in typed.splitlines(keepends=True):
                shown += _until_asked(ours)
                os.write(ours, line.encode())
                # A signal between Python's look for signals and its read is seen at the next one: people press twice.
                while line in CONTROL and process.poll() is None:
                    if not select.select([ours], [], [], 2)[0]:
                        os.write(ours, line.encode())
                    elif part := _read(ours):
                        shown += part
            while part := _read(ours):
                shown += part
            assert process.stdout
            out = process.stdout.read().decode()
        finally:
            process.kill()
            os.close(ours)
    return process.returncode, out, shown.decode().replace("\r\n", "\n")


def _until_asked(terminal: int) -> bytes:
    """What is shown up to the next question; the echo of the last answer comes first."""
    shown = b""
    while not shown.endswith((b": ", b"? ")):
        part = _read(terminal)
        assert part, f"no question after {shown!r}"
        shown += part
    return shown


def _read(terminal: int) -> bytes:
    """What is shown next; nothing when the other end is closed. Fails after a minute of silence."""
    assert select.select([terminal], [], [], 60)[0], "nothing happens at the terminal"
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""


def test_yes(root: Path) -> None:
    """With --yes and the one value that cannot be found, the file is written; what was found is shown."""
    run = codemod(root, "init", "--yes", *HOSTNAME)
    assert run.code == 0
    text = (root / SETTINGS_FILE).read_text()
    assert run.out == text
    settings = load_settings(root)
    assert settings.registry.hostname == "registry.home.lan"
    assert settings.registry.address == "10.0.20.10"
    for found in (
        "compose       modules/docker-registry/docker-compose.yml\n",
        "nginx         modules/docker-registry/nginx_registry.conf\n",
        "terraform     stacks/infra/main.tf (module.docker-registry-template.provision_cmds)\n",
        "cleanup       modules/docker-registry/cleanup-tags.sh\n",
        "pipelines     4 files\n",
        "privileged    woodpeckerci/plugin-docker-buildx,plugins/docker (stacks/woodpecker/values.yaml:",
        "wrote codemod.toml; next: codemod apply-caching --diff\n",
    ):
        assert found in run.err


def test_the_result_works(root: Path) -> None:
    """apply-caching takes the settings that init wrote."""
    assert codemod(root, *HOSTNAME, "init", "--yes").code == 0
    commit_all(root)
    run = codemod(root, "apply-caching")
    assert run.code == 0
    assert "registry.home.lan:5050/infra" in (root / ".woodpecker/build-cli.yml").read_text()


def test_overrides_are_written(root: Path) -> None:
    """Whatever --set says is in the file, the rest is left to its default."""
    options = ("--set", "registry.port=5055", "--set", "vm.hosts=root@a,root@b", "--set", "profile=as-written")
    assert codemod(root, "init", "--yes", *HOSTNAME, *options).code == 0
    text = (root / SETTINGS_FILE).read_text()
    assert "port = 5055\n" in text
    assert 'hosts = ["root@a", "root@b"]\n' in text
    assert 'profile = "as-written"\n' in text
    assert "storage" not in text


def test_yes_without_the_hostname(root: Path) -> None:
    """What has no default must be given: exit 2, one line, nothing written."""
    run = codemod(root, "-q", "init", "--yes")
    assert run == Run(2, "", "codemod: registry.hostname has no default: pass --set registry.hostname=…\n")
    assert not (root / SETTINGS_FILE).exists()


def test_wrong_value(root: Path) -> None:
    """A value that is not allowed is exit 2, and nothing is written."""
    run = codemod(root, "init", "--yes", "--set", "registry.hostname=a b")
    assert (run.code, run.out, run.err.count("\n")) == (2, "", 1)
    assert not (root / SETTINGS_FILE).exists()


def test_no_terminal(root: Path) -> None:
    """Without a terminal and --yes the plan is shown, exit 1, and nothing is written."""
    run = codemod(root, "init", *HOSTNAME)
    assert run.code == 1
    assert 'hostname = "registry.home.lan"\n' in run.out
    assert run.err.endswith("nothing was written: there is no terminal to ask at; pass --yes and --set KEY=VALUE\n")
    assert git(root, "status", "--porcelain") == ""


@pytest.mark.parametrize(
    ("name", "text", "where"),
    [
        (SETTINGS_FILE, "", "edit codemod.toml,"),
        ("pyproject.toml", "[tool.codemod]\nprofile = 'verified'\n", "edit [tool.codemod] in pyproject.toml,"),
    ],
)
def test_settings_that_exist(root: Path, name: str, text: str, where: str) -> None:
    """Settings are never overwritten: exit 2, and it says where they are."""
    (root / name).write_text(text)
    run = codemod(root, "init", "--yes", *HOSTNAME)
    assert (run.code, run.out, run.err.count("\n")) == (2, "", 1)
    assert where in run.err
    assert (root / name).read_text() == text


def test_a_repository_with_nothing(tmp_path: Path) -> None:
    """An empty directory gets settings too, and is told what was not found."""
    run = codemod(tmp_path, "init", "--yes", *HOSTNAME)
    assert run.code == 0
    assert "compose       —\n" in run.err
    assert "note: no compose file that runs a registry" in run.err
    assert "address" not in run.out


def test_ambiguity(root: Path) -> None:
    """Two compose files: exit 2 with both, and the option that decides; with it the choice is written."""
    compose = (root / "modules/docker-registry/docker-compose.yml").read_text()
    write(root, {"old/docker-compose.yml": compose})
    run = codemod(root, "init", "--yes", *HOSTNAME)
    assert (run.code, run.err.count("\n")) == (2, 1)
    assert "modules/docker-registry/docker-compose.yml, old/docker-compose.yml; set it in" in run.err
    chosen = ("--set", "paths.compose=modules/docker-registry/docker-compose.yml")
    assert codemod(root, "init", "--yes", *HOSTNAME, *chosen).code == 0
    assert 'compose = "modules/docker-registry/docker-compose.yml"\n' in (root / SETTINGS_FILE).read_text()


def test_prompts(root: Path) -> None:
    """At a terminal it asks until the answer is allowed, takes empty answers, and asks before it writes."""
    code, out, shown = at_a_terminal(root, "\nno good\nregistry.home.lan\nnobody\n\n\ny\n")
    assert code == 0
    assert "  it has no default\n" in shown
    assert "registry.hostname is " in shown
    assert "vm.hosts is " in shown
    assert "[root@10.0.20.10]" in shown
    settings = load_settings(root)
    assert settings.registry.hostname == "registry.home.lan"
    assert settings.vm.hosts == ("root@10.0.20.10",)
    assert settings.dns.server == ""
    assert out == (root / SETTINGS_FILE).read_text()


def test_answering_no(root: Path) -> None:
    """The answer "no" is exit 1 and nothing written."""
    code, _, shown = at_a_terminal(root, "registry.home.lan\n\n\nn\n")
    assert code == 1
    assert shown.endswith("nothing was written\n")
    assert not (root / SETTINGS_FILE).exists()


@pytest.mark.parametrize("key", CONTROL)
def test_leaving_a_prompt(root: Path, key: str) -> None:
    """Ctrl-C and Ctrl-D at a prompt are exit 130 and nothing written."""
    code, out, shown = at_a_terminal(root, key)
    assert (code, out) == (130, "")
    assert "Traceback" not in shown
    assert not (root / SETTINGS_FILE).exists()


def test_values_that_are_known_are_not_asked_for(root: Path) -> None:
    """What --set says or the repository shows needs no question."""
    options = (*HOSTNAME, "--set", "vm.hosts=root@a", "--set", "dns.server=http://10.0.0.1:5380")
    code, _, shown = at_a_terminal(root, "\n", *options)
    assert code == 0
    assert "Host name" not in shown
    assert "Write this to codemod.toml? [Y/n]" in shown


def test_files_with_odd_names_are_shown_harmlessly(tmp_path: Path) -> None:
    """A control character in a name is spelled out."""
    name = "x\x1b[31m/docker-compose.yml"
    write(tmp_path, {name: "services:\n  r:\n    image: registry:2\n"})
    run = codemod(tmp_path, "init", *HOSTNAME)
    assert "\x1b" not in run.err
    assert "x\\x1b[31m/docker-compose.yml" in run.err
