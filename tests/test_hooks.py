"""The pre-commit hooks: which files they see, what they find, and how little they load."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
from ruamel.yaml import YAML

from codemods.catalogue import LINT
from codemods.engine.baseline import BASELINE_FILE
from codemods.engine.model import Role, Rule
from codemods.rules.woodpecker import CHECK_ONLY
from tests.command import EXAMPLE, ROOT, codemod, commit_all, git, write
from tests.test_imports import imported
from tests.test_rule_cases import CASES, read_case

MANIFEST = YAML(typ="safe").load(ROOT / ".pre-commit-hooks.yaml")
MODULES = sorted(path.stem for path in (ROOT / "hooks").glob("*.py") if path.stem != "__init__")
FAMILIES = {
    Role.REGISTRY: "registry_config",
    Role.COMPOSE: "compose_stack",
    Role.NGINX: "nginx_conf",
    Role.TERRAFORM: "terraform_provisioning",
    Role.PIPELINE: "woodpecker_pipelines",
}
RULES = {rule.id: rule for rule in LINT if rule.role in FAMILIES and not rule.cross and rule not in CHECK_ONLY}
NEED_OTHER_FILES = {"compose-no-localhost-healthcheck", "nginx-no-manifest-cache", "nginx-require-http11"}
"""Rules that look at one file, and are silent as long as they do not know what stands in another one."""
SEES_NO_COMPOSE = {("terraform-no-live-gc", "look-alike-other-programs")}
"""A container that compose does not have may be a registry all the same."""
FOUND = re.compile(r"^(\S+):(\d+):\d+  (?:error|warning)  (\S+)$", re.MULTILINE)
BROKEN_PIPELINE = """\
steps:
  - name: build
    image: woodpeckerci/plugin-docker-buildx:5.2.2
    settings:
      repo: me/app
      cache_from: type=registry,ref=registry.home.lan:5050/app:buildcache
      cache_to: type=registry,ref=registry.home.lan:5050/app:buildcache
      password: hunter2hunter2
"""
SETTINGS = '[registry]\nhostname = "registry.home.lan"\n'


def hook(name: str) -> ModuleType:
    return import_module(f"hooks.{name}")


def run(root: Path, name: str, *paths: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A hook as a process of its own, as pre-commit runs it."""
    program = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from hooks.{name} import main; sys.exit(main())"
    return subprocess.run(
        [sys.executable, "-c", program, *paths],
        cwd=root,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def found(output: str) -> set[tuple[str, int, str]]:
    """Path, line and rule of the findings in a report."""
    return {(path, int(line), rule) for path, line, rule in FOUND.findall(output)}


# The manifest


def test_the_manifest_is_current() -> None:
    """What `make docs` would write is what stands there."""
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec and spec.loader
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    assert (ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8") == generate.hooks_file()


def test_pre_commit_takes_the_manifest() -> None:
    """Its own validation has nothing to say."""
    command = [sys.executable, "-m", "pre_commit", "validate-manifest", str(ROOT / ".pre-commit-hooks.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_hook_is_a_console_script_of_its_module() -> None:
    """Never `python -m hooks…`, which would run the repository's own `hooks/`; no module is forgotten."""
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
    for entry in MANIFEST:
        module, _, function = scripts[entry["entry"]].partition(":")
        assert module == f"hooks.{entry['id'].replace('-', '_')}"
        assert callable(getattr(import_module(module), function))
    assert sorted(entry["id"].replace("-", "_") for entry in MANIFEST) == MODULES
    assert {script for script in scripts if script.startswith("codemod-")} == {entry["entry"] for entry in MANIFEST}


def test_hooks_over_everything_run_on_commits_that_only_delete() -> None:
    """pre-commit skips a hook that filters files on those, and runs these alone, without file names."""
    entries = {entry["id"]: entry for entry in MANIFEST}
    for name in ("caching-drift", "caching-fix"):
        assert entries[name]["always_run"] and entries[name]["require_serial"]
        assert entries[name]["pass_filenames"] is False and "files" not in entries[name]
    assert all(entry["files"] for name, entry in entries.items() if not name.startswith("caching-"))


# File names

NAMES = {
    "registry_config": (
        ["config.yml", "a/config.yaml", "m/config-private.yml", "config-proxy.yaml.tpl", "c/config.yml.tftpl",
         "registry-config.yml", "registry/registry.yaml", "distribution.yml"],
        ["config.json", "config.yml.bak", "values.yaml", "config/app.yml", "config.toml", "docs/config.md"],
    ),
    "compose_stack": (
        ["docker-compose.yml", "compose.yaml", "a/b/docker-compose.yml", "docker-compose.override.yml",
         "compose.prod.yaml", "registry.compose.yml", "docker-compose2.yml", "podman-compose.yml"],
        ["docker-compose.md", "compose.json", "composer.yml", "decompose.yml", "compose/app.yml", "compose.yml.j2"],
    ),
    "nginx_conf": (
        ["nginx.conf", "a/nginx_registry.conf", "nginx/registry.conf", "nginx/conf/sites/a.conf",
         "conf.d/registry.conf", "etc/nginx/conf.d/default.conf", "registry.conf", "nginx.conf.tpl"],
        ["nginx.md", "nginx/README", "app.conf", "redis/redis.conf", "nginx.yaml", "conf.d/x.ini", "haproxy.conf.d"],
    ),
    "terraform_provisioning": (
        ["main.tf", "stacks/infra/main.tf", "modules/a.b.tf"],
        ["main.tf.json", "terraform.tfvars", "main.tf.bak", "tf", "x.tftest.hcl", "a.tf/readme.md"],
    ),
    "woodpecker_pipelines": (
        [".woodpecker.yml", ".woodpecker.yaml", ".woodpecker/build.yml", ".woodpecker/a/b.yaml"],
        ["woodpecker.yml", "a/.woodpecker.yml", "a/.woodpecker/b.yml", ".woodpecker/run.sh", ".woodpecker-old.yml",
         ".woodpeckerx/a.yml", ".drone.yml", ".github/workflows/a.yml"],
    ),
    "cleanup_script": (
        ["cleanup-tags.sh", "cleanup-tags.py", "a/clean.py", "bin/prune-registry", "tags-cleanup", "purge.sh"],
        ["cleanup.md", "clean.yml", "cleanup.sh.tpl", "cleanup/readme.txt", "register.py"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_file_names(name: str) -> None:
    """A family hook is given its files and no others; pre-commit searches the expression in the path."""
    expression = re.compile(hook(name).HOOK.files)
    matching, others = NAMES[name]
    assert [path for path in matching if not expression.search(path)] == []
    assert [path for path in others if expression.search(path)] == []


def test_each_file_of_the_example_has_its_hook() -> None:
    """And only that one looks at it."""
    paths = (path.relative_to(EXAMPLE).as_posix() for path in EXAMPLE.rglob("*") if path.is_file())
    files = sorted(path for path in paths if ".terraform" not in path)
    seen = {name: [path for path in files if re.search(hook(name).HOOK.files, path)] for name in NAMES}
    stack = "modules/docker-registry"
    assert seen["registry_config"] == [f"{stack}/config-proxy.yaml.tpl", f"{stack}/config.yaml"]
    assert seen["compose_stack"] == [f"{stack}/docker-compose.yml"]
    assert seen["nginx_conf"] == [f"{stack}/nginx_registry.conf"]
    assert seen["cleanup_script"] == [f"{stack}/cleanup-tags.sh"]
    assert set(seen["woodpecker_pipelines"]) == {path for path in files if path.startswith(".woodpecker/")}
    assert set(seen["terraform_provisioning"]) == {path for path in files if path.endswith(".tf")}


# Findings


def hook_findings(root: Path, rule: Rule, capsys: pytest.CaptureFixture[str]) -> set[tuple[str, int]]:
    """Where the hook of a rule's family finds it, given every file that its filter takes."""
    module = hook(FAMILIES[rule.role])
    paths = sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
    module.main([path for path in paths if re.search(module.HOOK.files, path)])
    return {(path, line) for path, line, name in found(capsys.readouterr().out) if name == rule.id}


@pytest.mark.parametrize("name", RULES)
def test_a_hook_and_the_check_agree(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A rule that needs one file finds nothing in its hook that it does not find in a check, and finds its example."""
    for directory in sorted(path.parent for path in (CASES / name).glob("*/case.toml")):
        case = read_case(directory)
        if case.get("set"):
            continue
        root = tmp_path / directory.name
        shutil.copytree(directory / "before", root)
        monkeypatch.chdir(root)
        expected = {(item["path"], item["line"]) for item in case["findings"]}
        reported = hook_findings(root, RULES[name], capsys)
        assert reported <= expected or (name, directory.name) in SEES_NO_COMPOSE, directory.name
        if directory.name == "example" and name not in NEED_OTHER_FILES:
            assert reported, "the hook is blind to the example"


def test_a_hook_fails_for_errors_and_names_them(tmp_path: Path) -> None:
    """Exit code 1, the source line with a mark under it, and no secret."""
    write(tmp_path, {".woodpecker/build.yml": BROKEN_PIPELINE, "codemod.toml": SETTINGS})
    done = run(tmp_path, "woodpecker_pipelines", ".woodpecker/build.yml")
    assert done.returncode == 1
    assert (".woodpecker/build.yml", 8, "woodpecker-no-plaintext-secret") in found(done.stdout)
    assert "^^^^^^^^" in done.stdout
    assert "hunter2" not in done.stdout + done.stderr
    assert done.stderr.startswith("\nwoodpecker-pipelines: ")


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"codemod.toml": SETTINGS + "[paths]\n", "pyproject.toml": ""}, ""),
        ({"codemod.toml": 'exclude = [".woodpecker/**"]\n' + SETTINGS}, "excluded"),
        ({"codemod.toml": 'ignore = ["woodpecker-no-plaintext-secret"]\n' + SETTINGS}, "ignored"),
    ],
)
def test_settings_count_in_hooks(files: dict[str, str], reason: str, tmp_path: Path) -> None:
    """Excluded files and ignored rules are left out, as in a check."""
    write(tmp_path, {".woodpecker/build.yml": BROKEN_PIPELINE, **files})
    done = run(tmp_path, "woodpecker_pipelines", ".woodpecker/build.yml")
    assert ("woodpecker-no-plaintext-secret" in done.stdout) == (reason == "")


def test_a_suppressed_finding_passes(tmp_path: Path) -> None:
    """A comment counts in a hook, and one for a rule of another hook is not called unused."""
    line = "      password: hunter2hunter2"
    comment = "      # codemod: ignore[woodpecker-no-plaintext-secret, woodpecker-require-login] a test account\n"
    write(tmp_path, {".woodpecker.yml": BROKEN_PIPELINE.replace(line, comment + line), "codemod.toml": SETTINGS})
    done = run(tmp_path, "woodpecker_pipelines", ".woodpecker.yml")
    assert "plaintext" not in done.stdout and "unused" not in done.stdout


def test_a_misspelt_suppression_is_found(tmp_path: Path) -> None:
    """The rules about such comments run where there is one, though the file holds nothing else to look at."""
    write(tmp_path, {".woodpecker.yml": "steps: []  # codemod: ignore[no-such-rule] why\n"})
    assert "suppression-no-unknown" in run(tmp_path, "woodpecker_pipelines", ".woodpecker.yml").stdout


def test_known_findings_pass(tmp_path: Path) -> None:
    """The baseline counts in a hook."""
    write(tmp_path, {".woodpecker.yml": BROKEN_PIPELINE, "codemod.toml": SETTINGS})
    commit_all(tmp_path)
    assert run(tmp_path, "woodpecker_pipelines", ".woodpecker.yml").returncode == 1
    assert codemod(tmp_path, "check", "--write-baseline").code == 0
    assert (tmp_path / BASELINE_FILE).exists()
    done = run(tmp_path, "woodpecker_pipelines", ".woodpecker.yml")
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("content", [b"docker: [", b"docker: \xff\xfe", b"docker\0"])
def test_what_cannot_be_read_is_an_error(content: bytes, tmp_path: Path) -> None:
    """Exit code 3, and the file is named."""
    (tmp_path / ".woodpecker.yml").write_bytes(content)
    done = run(tmp_path, "woodpecker_pipelines", ".woodpecker.yml")
    assert done.returncode == 3
    assert "parse-error" in done.stdout and ".woodpecker.yml" in done.stdout
    assert "Traceback" not in done.stderr


def test_wrong_settings_are_one_line(tmp_path: Path) -> None:
    """Exit code 2, as from the command."""
    write(tmp_path, {".woodpecker.yml": BROKEN_PIPELINE, "codemod.toml": "[registry]\nhostnam = 1\n"})
    done = run(tmp_path, "woodpecker_pipelines", ".woodpecker.yml")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "registry.hostname" in done.stderr


@pytest.mark.parametrize(
    ("name", "path", "text"),
    [
        ("registry_config", "config.yml", "version: 2\nstorage: {disk: big}\nserver: {maxsize: 1}\n"),
        ("registry_config", "config.yml", "storage:\n  driver: s3\n"),
        ("nginx_conf", "nginx.conf", "http { server { listen 80; location / { proxy_pass http://app:3000; } } }\n"),
        ("compose_stack", "compose.yml", "services:\n  app:\n    image: nginx:1.27\n    ports: ['80:80']\n"),
        ("terraform_provisioning", "main.tf", 'resource "a" "b" {\n  command = "crontab -l"\n}\n'),
        (
            "woodpecker_pipelines",
            ".woodpecker.yml",
            "steps:\n  - name: test\n    image: golang\n    commands: [make]\n",
        ),
        ("cleanup_script", "clean.py", "import shutil\nfor tags in repositories:\n    shutil.rmtree(tags)\n"),
        ("cleanup_script", "cleanup.sh", "#!/bin/sh\nrm -rf repositories/tags\n"),
    ],
)
def test_files_of_others_are_let_pass(name: str, path: str, text: str, tmp_path: Path) -> None:
    """A file that has the name of ours and another purpose does not fail a commit."""
    write(tmp_path, {path: text})
    done = run(tmp_path, name, path)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


@pytest.mark.parametrize("name", NAMES)
def test_files_that_are_gone_are_let_pass(name: str, tmp_path: Path) -> None:
    """So is a hook without files."""
    assert run(tmp_path, name, "no/such.yml").returncode == 0
    assert run(tmp_path, name).returncode == 0


# Drift: when the whole check runs

COMPOSE = "services:\n  registry-hub:\n    image: registry:2.8.3\n    ports: ['5000:5000', '5000:5000']\n"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with an error that a whole check finds; everything is committed."""
    root = tmp_path / "repository"
    files = {
        "docker-compose.yml": COMPOSE,
        "README.md": "# docker registry\n",
        "app/main.py": "print()\n",
        "values.yml": "a: 1\n",
        "notes.yml": "# about the registry\nb: 2\n",
        ".woodpecker/test.yml": "steps: []\n",
        "codemod.toml": "version = 1\n",
    }
    write(root, {**files, ".woodpecker/build.yml": BROKEN_PIPELINE})
    commit_all(root)
    assert codemod(root, "check").code == 1
    return root


def stage(root: Path, path: str, text: str | None) -> None:
    if text is None:
        (root / path).unlink()
    else:
        write(root, {path: text})
    git(root, "add", "--all")


@pytest.mark.parametrize(
    ("path", "text", "looks"),
    [
        ("README.md", "# docker registry, nginx\n", False),
        ("README.md", None, False),
        ("app/main.py", "print(1)\n", False),
        ("app/new.go", "package registry\n", False),
        ("values.yml", "a: 2\n", False),
        ("other.yml", "c: 3\n", False),
        ("a b\n\"c\".yml", "c: 3\n", False),
        ("docker-compose.yml", COMPOSE + "# more\n", True),
        ("docker-compose.yml", None, True),
        ("docker-compose.yml", "services: {}\n", True),
        ("notes.yml", "b: 2\n", True),
        ("values.yml", None, True),
        (".woodpecker/test.yml", "steps: {}\n", True),
        ("codemod.toml", "", True),
        (BASELINE_FILE, "{}", True),
        ("cleanup", "import os; repositories = os.listdir('/var/lib/registry')\n", True),
        ("a*.yml", "image: registry\n", True),
    ],
)  # fmt: skip
def test_drift_looks_when_the_commit_can_concern_the_stack(
    path: str, text: str | None, looks: bool, repository: Path
) -> None:
    """By name, by content, and by what the content was before; deleted files count."""
    stage(repository, path, text)
    assert (run(repository, "caching_drift").returncode != 0) == looks


def test_drift_looks_when_a_file_is_renamed(repository: Path) -> None:
    """A pipeline that leaves its directory is one less."""
    git(repository, "mv", ".woodpecker/test.yml", "test.txt")
    assert run(repository, "caching_drift").returncode == 1


def test_drift_looks_when_there_is_no_commit(repository: Path, tmp_path: Path) -> None:
    """`pre-commit run --all-files` checks everything; so does a tree without git."""
    assert run(repository, "caching_drift").returncode == 1
    bare = tmp_path / "bare"
    shutil.copytree(repository, bare, ignore=shutil.ignore_patterns(".git"))
    assert run(bare, "caching_drift", GIT_CEILING_DIRECTORIES=str(tmp_path)).returncode == 1


def test_drift_knows_the_first_commit(tmp_path: Path) -> None:
    """There is nothing to compare with yet."""
    write(tmp_path, {"docker-compose.yml": COMPOSE, "codemod.toml": ""})
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "codemod.toml")
    assert run(tmp_path, "caching_drift").returncode == 1


def test_drift_sees_the_commit_of_single_files(repository: Path) -> None:
    """For `git commit PATH` git makes an index of its own; what else is staged is not committed."""
    index = repository / ".git" / "other-index"
    shutil.copy(repository / ".git" / "index", index)
    stage(repository, "docker-compose.yml", "services: {}\n")
    write(repository, {"README.md": "changed\n"})
    subprocess.run(
        ["git", "add", "README.md"], cwd=repository, env={**os.environ, "GIT_INDEX_FILE": str(index)}, check=True
    )
    assert run(repository, "caching_drift").returncode == 1
    assert run(repository, "caching_drift", GIT_INDEX_FILE=str(index)).returncode == 0


def test_drift_sees_what_is_pushed(repository: Path) -> None:
    """As a pre-push hook it looks at the commits between two revisions."""
    start = git(repository, "rev-parse", "HEAD").strip()
    stage(repository, "README.md", "changed\n")
    git(repository, "commit", "--quiet", "--message=readme")
    middle = git(repository, "rev-parse", "HEAD").strip()
    stage(repository, "docker-compose.yml", COMPOSE + "# more\n")
    git(repository, "commit", "--quiet", "--message=compose")
    end = git(repository, "rev-parse", "HEAD").strip()

    def push(old: str, new: str) -> int:
        return run(repository, "caching_drift", PRE_COMMIT_FROM_REF=old, PRE_COMMIT_TO_REF=new).returncode

    assert (push(start, middle), push(middle, end), push(start, end)) == (0, 1, 1)
    assert push("0" * 40, end) == 1


def test_drift_is_silent_when_all_is_well(repository: Path) -> None:
    """Nothing on stdout and stderr, whatever the notes."""
    write(repository, {"docker-compose.yml": COMPOSE.replace(", '5000:5000'", ""), ".woodpecker/build.yml": "{}\n"})
    git(repository, "add", "--all")
    done = run(repository, "caching_drift")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_fix_changes_files_and_fails_once(repository: Path) -> None:
    """The commit waits for a look; the second time there is nothing left to change."""
    broken = BROKEN_PIPELINE.replace("      password: hunter2hunter2\n", "")
    unportable = broken.replace("5.2.2", "2.2.1-insecure")
    stage(repository, "docker-compose.yml", COMPOSE.replace(", '5000:5000'", ""))
    stage(repository, ".woodpecker/build.yml", unportable)
    first = run(repository, "caching_fix")
    fixed = (repository / ".woodpecker/build.yml").read_text(encoding="utf-8")
    assert first.returncode != 0
    assert "cache_from: registry.home.lan:5050/app:buildcache" in fixed
    assert ".woodpecker/build.yml" in first.stdout
    second = run(repository, "caching_fix")
    assert (repository / ".woodpecker/build.yml").read_text(encoding="utf-8") == fixed
    assert "changed" not in second.stdout


# What is loaded

NEEDLESS = {
    "click", "rich", "git", "gitdb", "hcl2", "lark", "libcst", "crossplane", "jsonschema", "yaml", "subprocess", "json",
    "difflib", "asyncio", "http", "email", "importlib_metadata", "argparse", "logging", "socket", "multiprocessing",
}  # fmt: skip


def modules(name: str, root: Path, *paths: str) -> set[str]:
    return imported(f"from hooks.{name} import main; main()", *paths, cwd=root)


def test_the_pipelines_hook_loads_what_it_needs(tmp_path: Path) -> None:
    """For a pipeline that builds, and is right: the YAML reader, and neither another format nor the command line."""
    shutil.copytree(ROOT / "tests" / "correct", tmp_path / "correct")
    root = tmp_path / "correct"
    pipelines = [path.relative_to(root).as_posix() for path in root.glob(".woodpecker/*.yml")]
    loaded = modules("woodpecker_pipelines", root, *pipelines)
    assert "ruamel" in loaded
    assert not NEEDLESS & loaded


@pytest.mark.parametrize(
    ("name", "path", "allowed"),
    [
        ("registry_config", "modules/docker-registry/config.yaml", set()),
        ("compose_stack", "modules/docker-registry/docker-compose.yml", set()),
        ("nginx_conf", "modules/docker-registry/nginx_registry.conf", {"crossplane"}),
        ("terraform_provisioning", "stacks/infra/main.tf", {"hcl2", "lark", "logging"}),
        ("cleanup_script", "modules/docker-registry/cleanup-tags.sh", {"libcst", "yaml"}),
    ],
)
def test_family_hooks_load_their_format(name: str, path: str, allowed: set[str]) -> None:
    """No hook imports click, rich or GitPython; none the library of a format that is not its own."""
    heavy = {"click", "rich", "git", "hcl2", "lark", "libcst", "crossplane", "jsonschema", "yaml"}
    assert not (heavy - allowed) & modules(name, ROOT / "examples" / "infra", path)


def test_a_file_without_the_marker_loads_no_reader(tmp_path: Path) -> None:
    """Most pipelines build nothing: their text is looked at, and that is all."""
    write(tmp_path, {".woodpecker.yml": "steps:\n  - name: test\n    image: golang\n    commands: [make]\n"})
    assert not ({"ruamel", "tomllib"} | NEEDLESS) & modules("woodpecker_pipelines", tmp_path, ".woodpecker.yml")


def test_drift_that_is_not_concerned_loads_nothing(repository: Path) -> None:
    """It asks git once, and reads neither settings nor any file of the stack."""
    stage(repository, "README.md", "changed\n")
    assert not ({"ruamel", "tomllib", "dataclasses"} | NEEDLESS - {"subprocess"}) & modules("caching_drift", repository)


@pytest.mark.parametrize("name", ["caching_drift", "caching_fix"])
def test_a_whole_check_in_a_hook_needs_no_command_line(name: str, repository: Path) -> None:
    """Neither click nor what only `check` has time for."""
    assert not {"click", "rich", "git", "jsonschema"} & modules(name, repository)


def counted(root: Path, monkeypatch: pytest.MonkeyPatch, main: Callable[[], int]) -> list[list[str]]:
    """The commands that a hook runs."""
    commands: list[list[str]] = []
    original = subprocess.run

    def record(command: list[str], **options: object) -> object:
        commands.append(command)
        return original(command, **options)  # type: ignore[call-overload]

    monkeypatch.chdir(root)
    monkeypatch.setattr(subprocess, "run", record)
    main()
    return commands


@pytest.mark.parametrize(("path", "text", "number"), [("README.md", "changed\n", 1), ("values.yml", "a: 3\n", 2)])
def test_git_is_asked_as_little_as_can_be(
    path: str, text: str, number: int, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once for names; once more where a file might have been one of the stack before."""
    stage(repository, path, text)
    assert len(counted(repository, monkeypatch, hook("caching_drift").main)) == number


def test_a_family_hook_runs_no_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even git: pre-commit has said which files there are."""
    write(tmp_path, {".woodpecker.yml": BROKEN_PIPELINE, "codemod.toml": SETTINGS})
    assert counted(tmp_path, monkeypatch, lambda: hook("woodpecker_pipelines").main([".woodpecker.yml"])) == []
