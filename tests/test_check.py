"""`codemod check`: what it reports, what it fixes, and its exit codes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from codemods.caching.recipe import RECIPE
from codemods.catalogue import LINT
from codemods.engine.baseline import BASELINE_FILE
from tests.command import EXAMPLE, ROOT, Run, changed, codemod, commit_all, example, git, write

STACK = "modules/docker-registry"
COMPOSE, NGINX = f"{STACK}/docker-compose.yml", f"{STACK}/nginx_registry.conf"
TERRAFORM = "stacks/infra/main.tf"
PIPELINE = ".woodpecker/build-cli.yml"
RECIPE_IDS = {rule.id for rule in RECIPE}
ON_THE_DAY_OF_THE_MIGRATION = {
    "nginx-require-host-port",
    "registry-no-unknown-key",
    "terraform-no-delete-untagged-gc",
    "terraform-no-live-gc",
    "registry-require-auth",
    "woodpecker-no-split-cache-flag",
    "woodpecker-no-ignored-setting",
    "woodpecker-require-reachable-registry",
    "compose-no-localhost-healthcheck",
    "nginx-no-manifest-cache",
    "terraform-require-disk-for-storage",
    "compose-no-floating-registry-tag",
}


@pytest.fixture(scope="module")
def migrations(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The example after `apply-caching`, by profile, committed."""
    found = {}
    for profile in ("as-written", "verified"):
        found[profile] = example(tmp_path_factory.mktemp(profile))
        assert codemod(found[profile], "apply-caching", "--profile", profile).code == 0
        commit_all(found[profile])
    return found


@pytest.fixture
def as_written(migrations: dict[str, Path], tmp_path: Path) -> Path:
    """A copy of the repository after the plan was carried out word for word."""
    return shutil.copytree(migrations["as-written"], tmp_path / "infra")


@pytest.fixture
def verified(migrations: dict[str, Path], tmp_path: Path) -> Path:
    """A copy of the repository after `apply-caching`."""
    return shutil.copytree(migrations["verified"], tmp_path / "infra")


def check(root: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    """Exit code and JSON report."""
    run = codemod(root, "check", "--format", "json", *arguments)
    assert run.out, run.err
    report: dict[str, Any] = json.loads(run.out)
    assert report["exit_code"] == run.code
    return run.code, report


def found(root: Path, *arguments: str) -> set[tuple[str, str]]:
    """Rule and path of the open findings."""
    _, report = check(root, *arguments)
    return {(item["rule"], item["path"]) for item in report["findings"] if item["suppressed"] is None}


def rules(root: Path, *arguments: str) -> set[str]:
    return {rule for rule, _ in found(root, *arguments)}


def replace(root: Path, path: str, old: str, new: str) -> None:
    text = (root / path).read_bytes()
    assert old.encode() in text
    (root / path).write_bytes(text.replace(old.encode(), new.encode(), 1))


def refused(run: Run, *words: str) -> None:
    """One line on stderr, exit code 2."""
    assert (run.code, run.out, run.err.count("\n")) == (2, "", 1), run
    assert [word for word in words if word not in run.err] == []


# What is found


def test_the_plan_as_written_shows_its_mistakes_on_the_first_day(as_written: Path) -> None:
    """Each of them needed a repair in the months after; one run names them all."""
    code, _ = check(as_written)
    assert code == 1
    assert rules(as_written) >= ON_THE_DAY_OF_THE_MIGRATION


def test_after_the_recipe_nothing_is_left_that_it_answers_for(verified: Path) -> None:
    """What remains was there before the migration."""
    before = found(EXAMPLE)
    errors = {(item["rule"], item["path"]) for item in check(verified)[1]["findings"] if item["severity"] == "error"}
    assert not rules(verified) & RECIPE_IDS
    assert errors <= before


def test_a_right_repository_is_silent() -> None:
    """Not a word of result, exit code 0, also with --strict."""
    run = codemod(ROOT / "tests" / "correct", "check", "--strict")
    assert (run.code, run.out) == (0, "")


def test_text_marks_what_is_meant(as_written: Path) -> None:
    """The place, the source line with marks under the value, the message, and a summary on stderr."""
    run = codemod(as_written, "check", "--select", "nginx-require-host-port")
    place, source, marks, message = run.out.splitlines()
    assert place.startswith(f"{NGINX}:230:") and place.endswith("  error  nginx-require-host-port")
    assert source[marks.index("^") : marks.rindex("^") + 1] == "proxy_set_header Host $host;"
    assert "5050" in message
    assert run.err.splitlines()[-1] == "check (verified): 1 error"


# Exit codes


def test_exit_codes(as_written: Path) -> None:
    """0 without errors, 1 for errors, 1 for warnings with --strict, 3 for what cannot be read, 2 for wrong usage."""
    warning = ("--select", "registry-require-auth")
    assert check(as_written, *warning)[0] == 0
    assert check(as_written, *warning, "--strict")[0] == 1
    assert check(as_written)[0] == 1
    write(as_written, {".woodpecker/broken.yml": "steps: [docker\n"})
    assert check(as_written)[0] == 3
    assert ("parse-error", ".woodpecker/broken.yml") in found(as_written)
    assert codemod(as_written, "check", "--format", "yaml").code == 2


# Scope


def test_paths_limit_what_is_reported(as_written: Path) -> None:
    """A file, a directory, several of them; what was looked at stays the same."""
    everything = found(as_written)
    own = {item for item in everything if item[1] == PIPELINE}
    assert found(as_written, PIPELINE) == own
    assert "woodpecker-require-reachable-registry" in {rule for rule, _ in own}
    assert found(as_written, ".woodpecker") == {item for item in everything if item[1].startswith(".woodpecker/")}
    assert found(as_written, PIPELINE, TERRAFORM) >= own | {item for item in everything if item[1] == TERRAFORM}
    assert found(as_written, ".") == everything
    assert found(as_written / ".woodpecker", "build-cli.yml") == own
    assert found(as_written, str(as_written / PIPELINE)) == own


def test_a_related_place_is_in_scope(as_written: Path) -> None:
    """What a finding is also about counts, or a change of one file would hide what it breaks in another."""
    config = f"{STACK}/config-private.yml"
    assert ("registry-require-auth", config) in found(as_written, NGINX)
    assert ("registry-require-auth", config) not in found(as_written, COMPOSE)
    assert ("terraform-require-disk-for-storage", TERRAFORM) in found(as_written, config)


@pytest.mark.parametrize("path", ["no/such.yml", "../outside", "/etc/passwd"])
def test_a_wrong_path_is_refused(path: str, as_written: Path) -> None:
    """It would check nothing, and look like success."""
    write(as_written.parent, {"outside": ""})
    refused(codemod(as_written, "check", path), path)


def test_since_reports_what_changed(as_written: Path) -> None:
    """Commits, changes in the working tree, and new files since a revision; related places count."""
    start = git(as_written, "rev-parse", "HEAD").strip()
    assert found(as_written, "--since", "HEAD") == set()
    replace(as_written, PIPELINE, "attempts: 5", "attempts: 6")
    own = {item for item in found(as_written) if item[1] == PIPELINE}
    assert found(as_written, "--since", "HEAD") == own
    commit_all(as_written)
    assert found(as_written, "--since", "HEAD") == set()
    assert found(as_written, "--since", start) == found(as_written, "--since", "HEAD~1") == own
    shutil.copy(as_written / PIPELINE, as_written / ".woodpecker/new.yml")
    assert {path for _, path in found(as_written, "--since", "HEAD")} >= {".woodpecker/new.yml"}
    replace(as_written, NGINX, "listen 5050;", "listen 5050 ;")
    assert ("registry-require-auth", f"{STACK}/config-private.yml") in found(as_written, "--since", "HEAD")
    assert found(as_written, "--since", "HEAD", TERRAFORM) == set()


@pytest.mark.parametrize("revision", ["no-such-branch", "--output=stolen", "HEAD:README.md", ""])
def test_since_wants_a_commit(revision: str, as_written: Path) -> None:
    """Anything else is refused, and never taken for an option of git."""
    refused(codemod(as_written, "check", f"--since={revision}"), "--since")
    assert not (as_written / "stolen").exists()


def test_since_wants_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tree without history has nothing to compare with."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    refused(codemod(tmp_path, "check", "--since", "HEAD"), "--since")


# Rules


def test_select_and_ignore(as_written: Path) -> None:
    """One rule, all but one; --ignore wins; `ignore` of the settings counts."""
    everything = rules(as_written)
    one = "nginx-no-manifest-cache"
    assert rules(as_written, "--select", one) == {one}
    assert rules(as_written, "--select", one, "--select", "registry-require-auth") == {one, "registry-require-auth"}
    assert rules(as_written, "--ignore", one) == everything - {one}
    assert rules(as_written, "--select", one, "--ignore", one) == set()
    replace(as_written, "codemod.toml", "version = 1\n", f'version = 1\nignore = ["{one}"]\n')
    assert rules(as_written) == everything - {one}


@pytest.mark.parametrize("option", ["--select", "--ignore"])
def test_an_unknown_rule_is_refused(option: str, as_written: Path) -> None:
    """With the nearest one; a rule that silently never runs would look like success."""
    refused(codemod(as_written, "check", option, "nginx-require-hostport"), option, "nginx-require-host-port?")
    write(as_written, {"codemod.toml": 'ignore = ["nginx-require-hostport"]\n'})
    refused(codemod(as_written, "check"), "nginx-require-host-port?")


def test_every_rule_can_be_selected(as_written: Path) -> None:
    """By the id that `codemod rules` lists."""
    for rule in (*RECIPE, *LINT):
        assert rules(as_written, "--select", rule.id) <= {rule.id, "parse-error"}


# Adoption


UNCACHED = """\
when:
  event: push
steps:
  - name: build
    image: woodpeckerci/plugin-docker-buildx:5.2.2-insecure
    settings:
      repo: alice/web
"""


def test_the_recipe_is_asked_for_once_it_is_adopted(tmp_path: Path) -> None:
    """By any part of the recipe, never by settings alone: they are written before it, and stay when it was removed."""
    root = example(tmp_path)
    assert not rules(root) & RECIPE_IDS
    (root / "codemod.toml").unlink()
    hostname = ("--set", "registry.hostname=registry.viktorbarzin.lan")
    assert not rules(root) & RECIPE_IDS
    assert not rules(root, *hostname) & RECIPE_IDS
    replace(root, PIPELINE, "repo: viktorbarzin/infra", "repo: registry.viktorbarzin.lan:5050/infra")
    assert rules(root, *hostname) & RECIPE_IDS


def test_what_the_recipe_would_say_is_said_where_it_does_not_run(tmp_path: Path) -> None:
    """An uncached push is a finding, also when the host name is given and the recipe is not adopted."""
    write(tmp_path, {".woodpecker/a.yml": UNCACHED})
    hostname = ("--set", "registry.hostname=registry.home.lan")
    assert "woodpecker-require-cache" in rules(tmp_path)
    assert "woodpecker-require-cache" in rules(tmp_path, *hostname)


def test_a_step_beside_a_refused_one_is_not_promised_to_be_put_right(tmp_path: Path) -> None:
    """The recipe leaves the whole file alone until what it refuses is settled."""
    refused = UNCACHED.replace("5.2.2-insecure", "6.0.1").partition("steps:\n")[2].replace("name: build", "name: other")
    write(tmp_path, {"codemod.toml": 'version = 1\n[registry]\nhostname = "registry.home.lan"\n'})
    cached = UNCACHED + "      cache_from: registry.home.lan:5050/web:buildcache\n"
    write(tmp_path, {".woodpecker/a.yml": UNCACHED, ".woodpecker/cached.yml": cached})
    assert "`codemod apply-caching` puts it right" in codemod(tmp_path, "check").out
    write(tmp_path, {".woodpecker/a.yml": UNCACHED + refused})
    out = codemod(tmp_path, "check", ".woodpecker/a.yml").out
    assert "puts it right" not in out
    assert "leaves it until what is refused in this file is settled" in " ".join(out.split())


def test_the_compose_service_is_a_part_of_the_recipe(verified: Path) -> None:
    """A stack that has the private registry is held to it, also without settings."""
    (verified / "codemod.toml").unlink()
    replace(verified, NGINX, "listen 5050;", "listen 5051;")
    hostname = ("--set", "registry.hostname=registry.viktorbarzin.lan")
    assert "nginx-add-private-server" in rules(verified, *hostname)


def test_a_repository_of_others_is_let_be(tmp_path: Path) -> None:
    """No settings, no registry, no finding."""
    files = {
        "docker-compose.yml": "services:\n  app:\n    image: nginx:1.27\n    ports: ['80:80']\n",
        ".woodpecker.yml": "steps:\n  - name: test\n    image: golang:1.24\n    commands: [make test]\n",
        "main.tf": 'resource "null_resource" "x" {}\n',
        "nginx.conf": "events {}\nhttp { server { listen 80; location / { proxy_pass http://app:3000; } } }\n",
    }
    write(tmp_path, files)
    assert check(tmp_path) == (0, check(tmp_path)[1]) and found(tmp_path) == set()


# Fixes


def test_fix_converges_in_one_run(as_written: Path) -> None:
    """What the plan's text needs is done at once; the second run changes nothing."""
    _, first = check(as_written, "--fix")
    assert {change["path"] for change in first["changes"]} == changed(as_written) >= {PIPELINE, NGINX}
    state = {path: (as_written / path).read_bytes() for path in changed(as_written)}
    _, second = check(as_written, "--fix")
    assert second["changes"] == [] and second["findings"] == first["findings"]
    assert {path: (as_written / path).read_bytes() for path in changed(as_written)} == state


def test_safe_fixes_restart_nothing(as_written: Path) -> None:
    """Others wait for --unsafe-fixes, and it says so; then that run converges, too."""
    _, safe = check(as_written, "--fix")
    assert {change["impact"] for change in safe["changes"]} <= {"none", "reload", "pipeline"}
    assert {item["impact"] for item in safe["findings"] if item["fixable"]} <= {"restart", "recreate", "replace"}
    assert any("--unsafe-fixes" in note and "replace" in note for note in safe["notes"])
    _, everything = check(as_written, "--fix", "--unsafe-fixes")
    assert {"recreate", "replace"} <= {change["impact"] for change in everything["changes"]}
    assert not any(item["fixable"] for item in everything["findings"])
    assert check(as_written, "--fix", "--unsafe-fixes")[1]["changes"] == []


def test_fixes_do_not_fight_the_recipe(as_written: Path) -> None:
    """Whichever comes first: after both, both are at rest."""
    twin = shutil.copytree(as_written, as_written.parent / "twin")
    check(as_written, "--fix", "--unsafe-fixes")
    for root in (as_written, twin):
        assert codemod(root, "apply-caching", "--allow-dirty").code == 0
        assert not rules(root) & RECIPE_IDS
    check(twin, "--fix", "--unsafe-fixes")
    for root in (as_written, twin):
        commit_all(root)
        assert codemod(root, "apply-caching", "--diff").code == 0
        assert check(root, "--fix", "--unsafe-fixes")[1]["changes"] == []
        assert found(root) == found(twin)


def test_a_check_without_fix_writes_nothing(as_written: Path) -> None:
    """Whatever it finds."""
    check(as_written)
    assert changed(as_written) == set()


def test_fix_stays_in_scope(as_written: Path) -> None:
    """Files that are not named, and rules that are not selected, are left alone."""
    check(as_written, "--fix", PIPELINE)
    assert changed(as_written) == {PIPELINE}
    check(as_written, "--fix", "--select", "nginx-require-host-port")
    assert changed(as_written) == {PIPELINE, NGINX}


def test_fix_leaves_what_is_suppressed(as_written: Path) -> None:
    """By a comment or by the baseline."""
    text = (as_written / PIPELINE).read_text(encoding="utf-8")
    comment = "      # codemod: ignore[woodpecker-no-split-cache-flag] proven to work here\n      cache_from:"
    write(as_written, {PIPELINE: text.replace("      cache_from:", comment)})
    commit_all(as_written)
    assert codemod(as_written, "check", "--write-baseline").code == 0
    commit_all(as_written)
    code, report = check(as_written, "--fix", "--unsafe-fixes")
    assert (code, report["changes"], changed(as_written)) == (0, [], set())


def test_unsafe_fixes_go_with_fix(as_written: Path) -> None:
    """Alone the option would do nothing."""
    refused(codemod(as_written, "check", "--unsafe-fixes"), "--fix")


def test_what_must_not_be_written_is_said(as_written: Path) -> None:
    """A symlink is no file to replace: the finding stays, the others are fixed."""
    (as_written / "ci").mkdir()
    (as_written / PIPELINE).rename(as_written / "ci/build.yml")
    (as_written / PIPELINE).symlink_to("../ci/build.yml")
    before = (as_written / "ci/build.yml").read_bytes()
    _, report = check(as_written, "--fix")
    assert {change["path"] for change in report["changes"]} == {NGINX, ".woodpecker/f1-stream.yml"}
    assert any(note.startswith(f"not fixed: {PIPELINE}") for note in report["notes"])
    assert ("woodpecker-no-split-cache-flag", PIPELINE) in found(as_written)
    assert (as_written / "ci/build.yml").read_bytes() == before


# Baseline


def test_old_sins_do_not_fail_and_new_ones_do(as_written: Path) -> None:
    """The baseline holds what is there; lines that come and go do not matter."""
    run = codemod(as_written, "check", "--write-baseline")
    assert run.code == 0 and BASELINE_FILE in run.err
    assert check(as_written)[0] == 0 and found(as_written) == set()
    replace(as_written, PIPELINE, "when:\n", "# a comment\n\nwhen:\n")
    replace(as_written, NGINX, "events {", "# a comment\nevents {")
    assert check(as_written, "--strict")[0] == 0
    replace(as_written, PIPELINE, "auto_tag: true", "auto_tag: true\n      api_token: c0ffee5ca1ab1e")
    assert (check(as_written)[0], rules(as_written)) == (1, {"woodpecker-no-plaintext-secret"})


def test_only_fix_and_write_baseline_write_it(as_written: Path) -> None:
    """A check says what is gone; --fix drops it, --write-baseline starts anew."""
    codemod(as_written, "check", "--write-baseline")
    known = json.loads((as_written / BASELINE_FILE).read_text(encoding="utf-8"))["findings"]
    written = (as_written / BASELINE_FILE).read_bytes()
    replace(as_written, COMPOSE, "-qO- http://localhost:5000/ >", "-qO- http://127.0.0.1:5000/ >")
    _, report = check(as_written)
    assert any(note.startswith(f"1 finding of {BASELINE_FILE} gone") for note in report["notes"])
    assert (as_written / BASELINE_FILE).read_bytes() == written
    assert check(as_written, "--fix")[0] == 0
    left = json.loads((as_written / BASELINE_FILE).read_text(encoding="utf-8"))["findings"]
    assert [item for item in known if item not in left] == [
        item for item in known if item["rule"] == "compose-no-localhost-healthcheck"
    ]


def test_another_baseline_file(as_written: Path) -> None:
    """By its path from where the command is started; one that does not exist is an error, or to be written."""
    refused(codemod(as_written, "check", "--baseline", "known.json"), "known.json")
    assert codemod(as_written, "check", "--baseline", "known.json", "--write-baseline").code == 0
    assert check(as_written, "--baseline", "known.json")[0] == 0
    assert check(as_written)[0] == 1
    assert not (as_written / BASELINE_FILE).exists()
    write(as_written, {"known.json": "{}"})
    refused(codemod(as_written, "check", "--baseline", "known.json"), "known.json", "--write-baseline")


@pytest.mark.parametrize(
    "arguments", [[PIPELINE], ["--select", "registry-require-auth"], ["--since", "HEAD"], ["--fix"]]
)
def test_a_baseline_is_of_the_whole_repository(arguments: list[str], as_written: Path) -> None:
    """One of a part would forget the rest."""
    refused(codemod(as_written, "check", "--write-baseline", *arguments), "--write-baseline")
    assert not (as_written / BASELINE_FILE).exists()
