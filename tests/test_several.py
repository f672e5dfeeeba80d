"""Several private registries in one repository: `tests/several/<case>/` through every command.

`before/` is the repository, `after/` holds what `apply-caching` changes or creates, less the collector's script.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from codemods.caching.collector_file import collector_text
from codemods.cli.options import CommonOptions
from codemods.cli.session import open_session
from codemods.engine.context import Context
from codemods.engine.edits import Edit
from codemods.engine.model import Finding, Impact, Outcome, Role, Rule, Severity
from codemods.engine.run import NotIdempotent, Selection, plan_changes
from codemods.engine.series import plan_series
from codemods.provisioning.variables import Values
from codemods.repository import Document, Repository
from codemods.rollout.manifest import read_manifest
from codemods.rollout.services import read_composition
from codemods.rollout.targets import find_targets
from codemods.settings import Settings, with_values
from codemods.stack import Stack
from tests.command import codemod, codemod_process, commit_all, git, write
from tests.dns_responder import Responder
from tests.technitium import TOKEN, home
from tests.test_cases import read_tree
from tests.test_hooks import hook

if TYPE_CHECKING:
    from collections.abc import Iterator

CASES = Path(__file__).parent / "several"
COLLECTORS = {
    "two-names": ["registry/collect-garbage.py"],
    "two-stacks": ["east/collect-garbage.py", "west/collect-garbage.py"],
}
TABLE = "[[registry]]\n"
COMPOSE, NGINX = "registry/docker-compose.yml", "registry/nginx.conf"


def repository(case: str, parent: Path) -> Path:
    """The case's repository, committed."""
    root = parent / case
    shutil.copytree(CASES / case / "before", root)
    commit_all(root)
    return root


def tables(root: Path) -> tuple[str, list[str]]:
    """What stands before the registries' tables in the settings, and those."""
    head, *found = (root / "codemod.toml").read_text().split(TABLE)
    return head, found


def set_tables(root: Path, head: str, *registries: str) -> None:
    """Write the settings, and commit all."""
    write(root, {"codemod.toml": TABLE.join((head, *(f"{one.rstrip()}\n\n" for one in registries)))})
    commit_all(root)


def edit(root: Path, path: str, old: str, new: str) -> None:
    """Replace a text that stands once in a file."""
    text = (root / path).read_text()
    assert text.count(old) == 1, (path, old)
    write(root, {path: text.replace(old, new)})


def apply(root: Path, *options: str) -> tuple[int, dict[str, Any]]:
    """Exit code and JSON report of `apply-caching`."""
    run = codemod(root, "apply-caching", "--format", "json", *options)
    assert run.out.startswith("{"), run.err
    return run.code, json.loads(run.out)


def check(root: Path, *options: str) -> tuple[int, list[tuple[str, str]]]:
    """Exit code of `check`, and rule and path of its findings."""
    run = codemod(root, "check", "--format", "json", *options)
    assert run.out.startswith("{"), run.err
    return run.code, [(found["rule"], found["path"]) for found in json.loads(run.out)["findings"]]


def files(root: Path) -> dict[str, bytes]:
    """All files but git's own and the settings."""
    found = {path: text for path, text in read_tree(root).items() if not path.startswith(".git/")}
    del found["codemod.toml"]
    return found


def expected(case: str) -> dict[str, bytes]:
    """What the repository is to hold after the run."""
    before, after = (read_tree(CASES / case / name) for name in ("before", "after"))
    collectors = {path: collector_text().encode() for path in COLLECTORS[case]}
    del before["codemod.toml"]
    return before | after | collectors


def settings_error(root: Path, *command: str) -> str:
    """The one line with which a command ends that cannot use the settings."""
    # gevent, which sync-vm brings along, would change this process for good.
    run = (codemod_process if "sync-vm" in command else codemod)(root, *command)
    assert (run.code, run.out) == (2, ""), run
    assert run.err.count("\n") == 1
    return run.err.removeprefix("codemod: ").rstrip("\n")


@pytest.mark.parametrize("case", COLLECTORS)
@pytest.mark.parametrize("reverse", [False, True], ids=["as-is", "reversed"])
def test_the_recipe_for_all(case: str, reverse: bool, tmp_path: Path) -> None:
    """Every registry is added, whatever the order of the tables; the check finds nothing, a second run does nothing."""
    root = repository(case, tmp_path)
    head, registries = tables(root)
    set_tables(root, head, *(reversed(registries) if reverse else registries))

    code, report = apply(root)

    assert code == 0, report
    assert files(root) == expected(case)
    paths = [change["path"] for change in report["changes"]]
    assert sorted(paths) == sorted({*read_tree(CASES / case / "after"), *COLLECTORS[case]})
    assert check(root) == (0, [])
    commit_all(root)
    again, second = apply(root)
    assert (again, second["changes"], second["refusals"]) == (0, [], [])
    assert codemod(root, "apply-caching", "--diff").code == 0


@pytest.mark.parametrize("first", ["private", "team"])
def test_one_after_the_other(first: str, tmp_path: Path) -> None:
    """A registry that comes later goes behind the one that is there, which keeps every byte."""
    root = repository("two-names", tmp_path)
    head, registries = tables(root)
    set_tables(root, head, *(one for one in registries if f'name = "{first}"' in one))
    assert apply(root)[0] == 0
    before = files(root)
    set_tables(root, head, *registries)

    code, report = apply(root)

    assert (code, report["refusals"]) == (0, [])
    for path, text in before.items():
        kept = [line for line in text.splitlines() if line.strip() not in (b"repo: example/app", b"repo: example/tool")]
        left = iter(files(root)[path].splitlines())
        assert all(b"mkdir -p" in line or line in left for line in kept), path
    if first == "private":
        assert files(root) == expected("two-names")
    assert check(root) == (0, [])
    commit_all(root)
    assert apply(root)[1]["changes"] == []


def test_as_written(tmp_path: Path) -> None:
    """The plan's own text, for two stacks, of which neither knows the other; `verified` follows as ever."""
    root = repository("two-stacks", tmp_path)
    code, _ = apply(root, "--profile", "as-written")
    assert code == 0
    west = "".join(path.read_text() for path in sorted((root / "west").iterdir()))
    assert "    maxsize: 100GiB\n" in west
    assert "docker stop registry-west &&" in west
    assert "east" not in west
    commit_all(root)
    assert apply(root)[0] == 0
    assert files(root) == expected("two-stacks")


def test_the_report_is_one(tmp_path: Path) -> None:
    """Each file is said once with its whole diff; what comes next is in an order that suits all."""
    root = repository("two-names", tmp_path)
    run = codemod(root, "apply-caching", "--diff")
    assert run.code == 1
    assert run.out.count("+++ b/main.tf") == 1
    steps = [line.partition(". ")[2] for line in run.err.splitlines() if line.lstrip()[:1].isdigit()]
    heads = [step.removeprefix("`codemod ").partition(" ")[0].strip("`,") for step in steps]
    assert heads == ["run", "sync-vm", "sync-dns", "sync-dns", "only", "verify"]
    assert "no cap yet" not in run.err


def test_commits_say_which_registry(tmp_path: Path) -> None:
    """One commit for each task and registry; our own hooks run in the last one only."""
    root = repository("two-names", tmp_path)
    hook_file = root / ".git/hooks/pre-commit"
    hook_file.parent.mkdir(exist_ok=True)
    hook_file.write_text(f'#!/bin/sh\necho "${{SKIP-}}" >> {tmp_path}/skipped\n')
    hook_file.chmod(0o755)
    git(root, "config", "user.name", "t")
    git(root, "config", "user.email", "t@example.org")

    assert apply(root, "--commit")[0] == 0

    log = git(root, "log", "--reverse", "--format=%s|%(trailers:key=Codemod,valueonly,separator=)").splitlines()[1:]
    subjects = [line.removeprefix("[ci skip] ").partition("|")[0] for line in log]
    assert subjects == [
        "add private R/W registry config for CI build caching",
        "add registry-private service to Docker Compose stack",
        "add nginx upstream and server block for private registry on port 5050",
        "add a garbage collector for the private registry",
        "add private registry to Terraform cloud-init provisioning",
        "add BuildKit layer caching and dual-push to app pipeline",
        "keep the newest pushes and buildcache in the tag cleanup",
        "add team R/W registry config for CI build caching",
        "add registry-team service to Docker Compose stack",
        "add nginx upstream and server block for team registry on port 5060",
        "add team registry to Terraform cloud-init provisioning",
        "add BuildKit layer caching and dual-push to tool pipeline",
        "keep the newest pushes and layers in the tag cleanup",
    ]
    assert all(line.partition("|")[2].startswith("apply-caching ") for line in log)
    skipped = (tmp_path / "skipped").read_text().splitlines()
    assert skipped == ["caching-drift,caching-fix"] * 12 + [""]
    assert git(root, "status", "--porcelain") == ""
    assert files(root) == expected("two-names")


def test_a_refused_commit_ends_the_commits(tmp_path: Path) -> None:
    """What was to come after it is in the working tree, for all registries."""
    root = repository("two-names", tmp_path)
    hook_file = root / ".git/hooks/pre-commit"
    hook_file.parent.mkdir(exist_ok=True)
    hook_file.write_text("#!/bin/sh\n! git diff --cached --name-only | grep -q nginx.conf\n")
    hook_file.chmod(0o755)
    git(root, "config", "user.name", "t")
    git(root, "config", "user.email", "t@example.org")
    code, report = apply(root, "--commit")
    assert code == 3
    assert [refusal["reason"] for refusal in report["refusals"]] == ["a git hook refused it"]
    assert git(root, "rev-list", "--count", "HEAD") == "3\n"
    assert files(root) == expected("two-names")


def test_one_that_is_refused_leaves_the_others(tmp_path: Path) -> None:
    """A taken port holds its own registry back, with its pipeline, and no other."""
    root = repository("two-names", tmp_path)
    edit(root, COMPOSE, "    restart: always\n    ports:\n", '    restart: always\n    ports:\n      - "5060:5020"\n')
    commit_all(root)
    code, report = apply(root)
    assert code == 3
    assert "host port 5060 is taken" in report["refusals"][0]["reason"]
    assert "registry/config-private.yml" in files(root)
    assert "registry/config-team.yml" not in files(root)
    assert git(root, "diff", "--name-only", "--", ".woodpecker").split() == [".woodpecker/app.yml"]


def test_a_pipeline_of_two_registries(tmp_path: Path) -> None:
    """It is a settings error for every command, which names both and says what to set."""
    root = repository("two-names", tmp_path)
    edit(root, "codemod.toml", 'pipelines = [".woodpecker/tool.yml"]', 'pipelines = [".woodpecker/*"]')
    for command in (["apply-caching"], ["check"], ["sync-vm", "--plan"], ["verify"], ["explain", "--path", NGINX]):
        assert settings_error(root, *command) == (
            ".woodpecker/app.yml may belong to the registry private or team: set pipelines in [registry.paths] of "
            "each, so that every pipeline belongs to one"
        )


def test_a_pipeline_of_no_registry(tmp_path: Path) -> None:
    """One that builds images and that nobody has is named; others are not."""
    root = repository("two-names", tmp_path)
    write(
        root,
        {
            ".woodpecker/third.yml": (root / ".woodpecker/tool.yml").read_text(),
            ".woodpecker/lint.yml": "steps:\n  - image: docker\n",
        },
    )
    commit_all(root)
    left = [".woodpecker/third.yml belongs to no registry, and no rule looks at it: set pipelines in [registry.paths]"]
    assert [note for note in apply(root)[1]["notes"] if "belongs to no registry" in note] == left
    notes = json.loads(codemod(root, "check", "--format", "json").out)["notes"]
    assert notes == left


def test_one_port_in_one_stack(tmp_path: Path) -> None:
    """Two registries of a stack cannot have one port; the error names both."""
    root = repository("two-names", tmp_path)
    edit(root, "codemod.toml", "port = 5060", "port = 5050")
    assert settings_error(root, "check") == (
        f"the registries private and team both have port 5050 in {COMPOSE}: give one another registry.port"
    )


def test_the_stack_of_each_is_asked_for_by_name(tmp_path: Path) -> None:
    """Where a role has two candidates, the option in the error works."""
    root = repository("two-stacks", tmp_path)
    edit(root, "codemod.toml", 'compose = "east/docker-compose.yml"\n', "")
    error = settings_error(root, "check")
    assert error.endswith("with --set registry.east.paths.compose=…")
    assert codemod(root, "--set", "registry.east.paths.compose=east/docker-compose.yml", "check").code == 1


def test_what_https_needs_is_asked_for_by_name(tmp_path: Path) -> None:
    """A missing setting is named with its registry."""
    root = repository("two-names", tmp_path)
    apply(root)
    edit(root, "codemod.toml", 'key = "tls/team.key"\n', "")
    for command in ("apply-caching", "check"):
        assert "registry.team.key is not set" in settings_error(root, command)


def test_drift_of_one(tmp_path: Path) -> None:
    """What one registry lacks is said of that one, and what all have in common is said once."""
    root = repository("two-names", tmp_path)
    apply(root)
    edit(root, NGINX, "    upstream team {\n        server registry-team:5000;\n    }\n\n", "")
    edit(root, "registry/config-quay.yml", "  filesystem:\n", "  filesystem:\n    maxsize: 5GiB\n")
    code, found = check(root)
    assert code == 1
    assert sorted(found) == [
        ("compose-require-upstream-service", NGINX),
        ("nginx-add-private-server", NGINX),
        ("registry-no-unknown-key", "registry/config-quay.yml"),
    ]


def test_a_comment_that_one_registry_needs_is_not_unused(tmp_path: Path) -> None:
    """A suppression counts as used when it is for any of the registries; one that is for none is found once."""
    root = repository("two-names", tmp_path)
    apply(root)
    pipeline = ".woodpecker/tool.yml"
    text = (CASES / "two-names/before" / pipeline).read_text()
    comment = "# codemod: ignore[woodpecker-add-registry-cache] built by hand\n"
    write(root, {pipeline: text.replace("  - name: build", f"  {comment}  - name: build")})
    code, found = check(root)
    assert (code, found) == (0, [("woodpecker-add-registry-cache", pipeline)])
    write(root, {COMPOSE: "# codemod: ignore[compose-no-duplicate-port] why\n" + (root / COMPOSE).read_text()})
    assert check(root)[1].count(("suppression-no-unused", COMPOSE)) == 1


def test_a_push_to_the_registry_of_another(tmp_path: Path) -> None:
    """The rules know what the others speak, too, also in another stack."""
    root = repository("two-stacks", tmp_path)
    apply(root)
    edit(
        root,
        ".woodpecker/east.yml",
        "- east.home.lan:5050/east",
        "- east.home.lan:5050/east\n        - west.home.lan:5050/x",
    )
    assert check(root) == (1, [("woodpecker-require-reachable-registry", ".woodpecker/east.yml")])


def test_health_is_asked_for_by_each_name(tmp_path: Path) -> None:
    """A port is asked under the name of the registry behind it, and both take pushes."""
    root = repository("two-names", tmp_path)
    apply(root)
    context = open_session(CommonOptions(root)).context
    manifest = read_manifest(context, Repository(root), Values.from_options((), None, {}))
    targets = {one.port: one for one in find_targets(context, read_composition(manifest))}
    assert (targets[5050].names, targets[5050].pushes) == (("localhost", "registry.home.lan"), True)
    assert (targets[5060].names, targets[5060].pushes) == (("localhost", "team.home.lan"), True)
    assert not targets[5010].pushes


def test_the_disk_has_to_hold_all(tmp_path: Path) -> None:
    """What the registries of one machine may store is added up."""
    root = repository("two-names", tmp_path)
    apply(root)
    edit(root, "main.tf", '"300G"', '"150G"')
    assert check(root)[1] == [("terraform-require-disk-for-storage", "main.tf")]


def test_family_hooks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A hook that sees one file knows every private registry, and to which one a pipeline belongs."""
    root = repository("two-names", tmp_path)
    apply(root)
    monkeypatch.chdir(root)
    pipelines = [".woodpecker/app.yml", ".woodpecker/tool.yml"]
    assert hook("nginx_conf").main([NGINX]) == hook("woodpecker_pipelines").main(pipelines) == 0
    text = (root / NGINX).read_text()
    head, server = text.split("    # --- Team")
    write(root, {NGINX: f"{head}    # --- Team{server.replace('client_max_body_size 0;', '')}"})
    assert hook("nginx_conf").main([NGINX]) == 1
    assert capsys.readouterr().out.count("nginx-require-unlimited-body") == 1


def test_the_drift_hook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """It is the check of all registries."""
    root = repository("two-names", tmp_path)
    apply(root)
    monkeypatch.chdir(root)
    assert hook("caching_drift").main() == 0
    write(root, {".woodpecker/tool.yml": (CASES / "two-names/before/.woodpecker/tool.yml").read_text()})
    git(root, "add", "--all")
    assert hook("caching_drift").main() == 1
    assert "team.home.lan:5060/tool" in capsys.readouterr().out


def test_explain_knows_whose_a_file_is(tmp_path: Path) -> None:
    """What would be done to a pipeline is said for its own registry only."""
    root = repository("two-names", tmp_path)
    run = codemod(root, "explain", "--path", ".woodpecker/tool.yml")
    assert run.code == 0
    assert "team.home.lan:5060/tool" in run.out
    assert "registry.home.lan" not in run.out
    shared = codemod(root, "explain", "--path", COMPOSE).out
    assert "no service registry-private" in shared
    assert "no service registry-team" in shared
    assert shared.count("rules that look at it") == 1


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (
            ["--host", "root@10.0.40.10"],
            "--host root@10.0.40.10: it serves none of the stacks; vm.hosts are root@10.0.20.10, root@10.0.30.10",
        ),
        (["--plan", "--out", "plan.json"], "--out is for one stack, and there are 2: choose one with --host"),
        (
            ["--inventory", "hosts.py"],
            "--inventory does not say which stack its machines serve, and there are several: set vm.hosts for each",
        ),
    ],
)
def test_roll_outs_of_two_stacks(options: list[str], error: str, tmp_path: Path) -> None:
    """Options that are for one stack need to know for which, before any machine is reached."""
    root = repository("two-stacks", tmp_path)
    assert settings_error(root, "sync-vm", *options) == error


def unreachable(root: Path, *options: str) -> tuple[int, list[str], list[str]]:
    """Exit code, states of the hosts and notes of a `sync-vm` whose machines are not there."""
    for number, host in enumerate(("root@10.0.20.10", "root@10.0.30.10"), 1):
        edit(root, "codemod.toml", host, f"root@127.0.0.1:{number}")
    run = codemod_process(root, "sync-vm", "--format", "json", *options)
    assert run.out.startswith("{"), run
    report = json.loads(run.out)
    return run.code, [host["state"] for host in report["hosts"]], report["notes"]


def test_every_stack_is_looked_at(tmp_path: Path) -> None:
    """A plan asks the machines of all stacks, one after the other."""
    code, states, notes = unreachable(repository("two-stacks", tmp_path), "--plan")
    assert (code, states) == (3, ["unreachable"] * 2)
    assert not any("not begun" in note for note in notes)


def test_a_roll_out_that_fails_is_the_last(tmp_path: Path) -> None:
    """After one stack's machines have failed, no other is begun, and the report says so."""
    code, states, notes = unreachable(repository("two-stacks", tmp_path), "--yes")
    assert (code, states) == (3, ["unreachable"])
    assert "west/docker-compose.yml: not begun, as an earlier roll-out failed" in notes


def test_one_stack_is_one_roll_out(tmp_path: Path) -> None:
    """Two registries that share a stack and its machine ask that machine once."""
    root = repository("two-names", tmp_path)
    head, registries = tables(root)
    set_tables(root, f'{head}[vm]\nhosts = ["root@127.0.0.1:1"]\n\n', *registries)
    run = codemod_process(root, "sync-vm", "--plan", "--format", "json")
    assert [host["host"] for host in json.loads(run.out)["hosts"]] == ["root@127.0.0.1:1"]


@pytest.fixture
def with_dns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, Any]]:
    """The repository with two stacks, and a DNS server that may be changed."""
    root = repository("two-stacks", tmp_path)
    with home() as server:
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
        monkeypatch.setenv("CODEMOD_DNS_ORIGIN", server.url)
        monkeypatch.setenv("CODEMOD_DNS_TOKEN", TOKEN)
        monkeypatch.setenv("CODEMOD_DNS_ALLOW_HTTP", "1")
        head, registries = tables(root)
        set_tables(root, f'{head}[dns]\nserver = "{server.url}"\n\n', *registries)
        yield root, server


def test_the_records_of_both_names(with_dns: tuple[Path, Any]) -> None:
    """Each name gets the address of its own stack's machine."""
    root, _ = with_dns
    run = codemod(root, "sync-dns", "--plan", "--format", "json")
    assert run.code == 1
    report = json.loads(run.out)
    records = [(record["name"], record["after"]["value"]) for record in report["records"]]
    assert records == [("east.home.lan", "10.0.20.10"), ("west.home.lan", "10.0.30.10")]


def test_one_name_with_two_addresses(with_dns: tuple[Path, Any]) -> None:
    """A name that two stacks share cannot lead to both."""
    root, _ = with_dns
    edit(root, "codemod.toml", 'hostname = "west.home.lan"', 'hostname = "east.home.lan"\nport = 5060')
    assert settings_error(root, "sync-dns", "--plan") == (
        "two registries are called east.home.lan, one at 10.0.20.10, one at 10.0.30.10: a name has one address; "
        "correct registry.address or registry.hostname"
    )


def test_a_server_that_fails_for_one(with_dns: tuple[Path, Any]) -> None:
    """The other record is planned all the same, and the failure is a check that could not be made."""
    root, _ = with_dns
    text = (root / "codemod.toml").read_text()
    dns = '\n[registry.dns]\nserver = "http://127.0.0.1:9"\n'
    head, east = text.split('name = "east"')
    write(root, {"codemod.toml": f'{head}name = "east"{east}{dns}'})
    run = codemod(root, "sync-dns", "--plan", "--format", "json")
    assert run.code == 3
    report = json.loads(run.out)
    assert [record["name"] for record in report["records"]] == ["west.home.lan"]
    assert [(one["target"], one["state"]) for one in report["checks"]] == [("east.home.lan", "error")]


def test_verify_asks_for_both_names(tmp_path: Path) -> None:
    """Checks go through all registries; a name that is right and one that is wrong are told apart."""
    root = repository("two-stacks", tmp_path)
    with Responder(lambda name, kind: [("A", 60, "10.0.20.10")]) as server:
        run = codemod(root, "--set", f"dns.server={server.address}", "verify", "--dns", "--format", "json")
    checks = json.loads(run.out)["checks"]
    assert run.code == 1
    assert [(one["target"].partition(" ")[0], one["state"]) for one in checks] == [
        ("east.home.lan", "pass"),
        ("east.home.lan", "pass"),
        ("west.home.lan", "fail"),
        ("west.home.lan", "fail"),
    ]


def test_rules_that_fight_over_a_file_write_nothing() -> None:
    """What one registry's rules make must be at rest when the other's have run, too."""

    def sign(context: Context, document: Document) -> Iterator[Outcome]:
        name = context.settings.registry.name
        if document.text != f"owner: {name}\n":
            yield Finding(0, 1, "not ours", (Edit(7, len(document.text) - 1, name),), (("owner",),))

    rule = Rule("a-rule", Role.COMPOSE, sign, Severity.ERROR, Impact.NONE, "0.1.0")
    document = Document("compose.yml", "owner: nobody\n")
    contexts = [
        Context(with_values(Settings(), {"registry.name": name}), Stack(compose="compose.yml"), lambda path: document)
        for name in ("private", "team")
    ]
    with pytest.raises(NotIdempotent, match=r"a-rule for the registry private would change compose\.yml again"):
        plan_series(contexts, lambda context: plan_changes([rule], context, Selection()))
