"""Rules about provisioning: what the shell really does with a line, files alone, and fixes that meet."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codemods.engine.check import fix
from codemods.engine.context import Context
from codemods.engine.inspection import inspect
from codemods.engine.model import Finding, Rule
from codemods.facts.docker_calls import calls, read_call, read_flat
from codemods.facts.terraform import read_terraform
from codemods.formats.hcl import String, parse
from codemods.formats.quoting import unquoted
from codemods.repository import Document
from codemods.rules.terraform import RULES
from codemods.rules.terraform.garbage import read_collections, starts_after_failure
from codemods.rules.terraform.no_appended_duplicate_cron import check as no_duplicate
from codemods.rules.terraform.no_delete_untagged_gc import check as no_delete_untagged
from codemods.rules.terraform.no_live_gc import check as no_live
from codemods.rules.terraform.no_orphan_provisioning import check as no_orphan
from codemods.rules.terraform.require_data_directory import check as require_data
from codemods.rules.terraform.require_disk_for_storage import read_size
from codemods.rules.terraform.require_staggered_gc import check as require_staggered
from codemods.settings import RegistrySettings, Settings
from codemods.stack import Stack
from tests.soak import EXAMPLES

CORRECT = Path(__file__).parent / "correct"
TERRAFORM = "stacks/infra/main.tf"
MODULE = "modules/docker-registry"
LIST = "module.docker-registry-template.provision_cmds"
PATHS = [path.relative_to(CORRECT).as_posix() for path in (CORRECT / MODULE).iterdir()]
COLLECTED = (CORRECT / TERRAFORM).read_text(encoding="utf-8")
COLLECTOR = (
    "/usr/bin/python3 /opt/registry/collect-garbage.py --container registry-private --data /opt/registry/data/private"
    " --nginx registry-nginx --cache-tag buildcache --max-size 100GiB"
)
STOPPED = (
    "/usr/bin/docker stop registry-private && { /usr/bin/docker run --rm --volumes-from registry-private registry:2.8.3"
    " garbage-collect /etc/docker/registry/config.yml; /usr/bin/docker start registry-private;"
    " /usr/bin/docker exec registry-nginx nginx -s reload; }"
)
TEXT = COLLECTED.replace(COLLECTOR, STOPPED)
STACK = Stack(
    compose=f"{MODULE}/docker-compose.yml",
    nginx=f"{MODULE}/nginx_registry.conf",
    terraform=TERRAFORM,
    provision_list=LIST,
    configs=MODULE,
)
ALONE = Stack(terraform=TERRAFORM, provision_list=LIST)
NAMES = ["dockerhub", "ghcr", "quay", "k8s", "kyverno", "private"]


FILES = {path: Document(path, (CORRECT / path).read_text(encoding="utf-8")) for path in PATHS}


def context(text: str, stack: Stack = STACK, profile: str = "verified") -> Context:
    documents = {**FILES, TERRAFORM: Document(TERRAFORM, text)}
    registry = RegistrySettings(hostname="registry.home.lan")
    return Context(
        Settings(profile, registry=registry), stack, lambda path: documents.get(path, Document(path, "", exists=False))
    )


def findings(rule: Rule, text: str, stack: Stack = STACK, profile: str = "verified") -> list[Finding]:
    located = inspect([rule], context(text, stack, profile), lambda done, total: None)
    return [one.outcome for one in located if isinstance(one.outcome, Finding)]


def fixed(text: str, rules: tuple[Rule, ...] = RULES) -> str:
    """What all fixes together come to."""
    result = fix(rules, context(text), None, lambda item: item.wants_edits)
    assert not any(item.located.wants_edits for item in result.left)
    return result.changes[0].new_text if result.changes else text


def line_of(name: str) -> str:
    return next(line for line in TEXT.splitlines(keepends=True) if f"run --rm --volumes-from registry-{name} " in line)


def live(line: str, name: str, flag: str = "-m ") -> str:
    """The plan's form of a line."""
    schedule = line[: line.index("/usr/bin/docker")]
    command = f"/usr/bin/docker exec registry-{name} registry garbage-collect {flag}/etc/docker/registry/config.yml"
    return f"{schedule}{command} >> /var/log/registry-gc.log 2>&1' ) | crontab -\",\n"


ALL_LIVE = TEXT
for _name in NAMES:
    ALL_LIVE = ALL_LIVE.replace(line_of(_name), live(line_of(_name), _name))


def test_all_live_lines_come_back_to_the_verified_form() -> None:
    """Two rules meet at the private registry's line; together they give what the recipe gives."""
    assert fixed(ALL_LIVE) == TEXT
    assert fixed(ALL_LIVE, RULES[::-1]) == TEXT
    assert fixed(ALL_LIVE, (no_live,)) == TEXT


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_profile_as_written_keeps_the_plans_lines(rule: Rule) -> None:
    """Findings about collecting carry no edits there."""
    assert not any(one.edits for one in findings(rule, ALL_LIVE, profile="as-written"))


@pytest.mark.parametrize("rule", [rule for rule in RULES if not rule.cross], ids=lambda rule: rule.id)
def test_a_rule_that_is_not_cross_works_on_its_file_alone(rule: Rule) -> None:
    """A right file is silent; a broken one is reported without the rest of the stack."""
    assert findings(rule, TEXT, ALONE) == []
    broken = ALL_LIVE.replace(line_of("ghcr"), line_of("ghcr") * 2)
    broken = broken.replace("    # Remove old tags", live(line_of("private"), "private") + "    # Remove old tags")
    assert findings(rule, broken, ALONE)


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.cross], ids=lambda rule: rule.id)
def test_a_cross_rule_is_silent_without_the_stack(rule: Rule) -> None:
    """What it cannot compare it does not report."""
    assert findings(rule, ALL_LIVE.replace(" /opt/registry/data/quay", ""), ALONE) == []


def test_alone_only_the_registry_of_the_settings_accepts_pushes() -> None:
    """Without compose the flag is reported for one registry, and its line is not rewritten without its image."""
    (one,) = findings(no_delete_untagged, ALL_LIVE, ALONE)
    assert "registry-private" in one.message
    assert one.edits == ()
    stopped = TEXT.replace("garbage-collect /etc", "garbage-collect -m /etc")
    (one,) = findings(no_delete_untagged, stopped, ALONE)
    assert [edit.new for edit in one.edits] == [""]
    version_3 = stopped.replace("registry:2.8.3 garbage", "registry:3.0.0 garbage")
    assert findings(no_delete_untagged, version_3, ALONE) == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
@pytest.mark.parametrize("stack", [Stack(), Stack(terraform=TERRAFORM), STACK._replace(provision_list="module.none.x")])
def test_no_list_no_finding(rule: Rule, stack: Stack) -> None:
    """A file without the list has nothing to say about it."""
    found = findings(rule, ALL_LIVE, stack)
    assert found == [] or rule.id in ("terraform-require-port-comment", "terraform-require-disk-for-storage")


SHELL = shutil.which("dash") or shutil.which("sh") or "/bin/sh"
PIECES = [
    "docker stop r",
    "docker start r",
    "true",
    "exit 1",
    "sleep 0",
    "{ docker start r; }",
    "{ sleep 0; docker start r; }",
    "{ true; exit 1; }",
    "sh -c 'docker start r'",
    "sudo docker restart r",
    "docker start other",
    "echo docker start r",
]


STEPS = st.tuples(st.sampled_from(["&&", "||", ";", "|"]), st.sampled_from(PIECES))


@settings(max_examples=max(EXAMPLES // 2, 60), deadline=None)
@given(st.lists(STEPS.filter(lambda step: step[0] != "|" or "exit" not in step[1]), max_size=4))
def test_the_shell_starts_the_registry_when_we_say_so(rest: list[tuple[str, str]]) -> None:
    """A line that is silent starts the registry after a failed collection, in a real shell."""
    command = "docker stop r && docker run --rm --volumes-from r registry:2 garbage-collect /c.yml"
    command += "".join(f" {operator} {piece}" for operator, piece in rest)
    operators = [operator for operator, _ in rest]
    facts = read_terraform(parse(f'x = ["( crontab -l; echo \\"0 3 * * 0 {command}\\" ) | crontab -"]\n'), "x")
    (found,) = read_collections(facts)
    said, did = starts_after_failure(found, ["r"]), _starts(command)
    # What is piped to may start it, too, but nobody knows when.
    assert said == did or (did and "|" in operators)


def _starts(command: str) -> bool:
    """Whether a shell runs `docker start r` or `restart r` behind a collection that fails."""
    functions = """
docker() {
  case "$*" in
    *garbage-collect*) echo collected >&2; return 1;;
    "start r"|"restart r") echo started >&2;;
  esac
}
sudo() { "$@"; }
sh() { eval "$2"; }
"""
    done = subprocess.run([SHELL, "-c", functions + command], capture_output=True, text=True, check=False)
    return "started" in done.stderr.partition("collected")[2]


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("docker stop -t 30 r", ("stop", ["r"])),
        ("/usr/bin/docker -H unix:///x exec -it -u root r sh", ("exec", ["r", "sh"])),
        ("docker compose -f /a/b.yml up -d r", ("up", ["r"])),
        ("sudo docker-compose exec -T r ls", ("exec", ["r", "ls"])),
        ("flock -n /tmp/l timeout 1h podman kill -s TERM r", ("kill", ["r"])),
        ("systemctl restart docker", ("restart", [])),
        ("docker run --rm --volumes-from=r -e A=b registry:2 x", ("run", ["registry:2", "x"])),
        ("docker ps", None),
        ("echo docker stop r", None),
        ("systemctl status docker", None),
        ("stop docker", None),
        ("true", None),
    ],
)
def test_calls_of_docker(command: str, expected: tuple[str, list[str]] | None) -> None:
    """The verb and what it is about, whatever runs it and whichever options it has."""
    (one,) = read_flat(unquoted(command))
    call = read_call(one)
    assert (call and (call.verb, [word.text for word in call.operands])) == expected


def test_scripts_of_a_shell_are_read() -> None:
    """`sh -c` stands for its script, however deep, until that gets silly."""
    text = "docker exec r sh -c 'a && b' ; bash -ec \"docker stop r; sh -c 'docker start r'\""
    commands = read_flat(unquoted(text))
    assert [command.arguments for command in commands] == [
        ["docker", "exec", "r", "a"],
        ["docker", "exec", "r", "b"],
        ["docker", "stop", "r"],
        ["docker", "start", "r"],
    ]
    assert [call.verb for call in calls(commands)] == ["exec", "exec", "stop", "start"]
    assert read_flat(unquoted("sh -c 'never closed")) == []


CLEAN = "0 2 * * * python3 /opt/registry/cleanup-tags.sh 10 >> /var/log/registry-cleanup.log 2>&1"


@settings(max_examples=max(EXAMPLES // 10, 10), deadline=None)
@given(
    st.lists(st.sampled_from([CLEAN, "@daily date +\\\\%F", "5 4 * * * /bin/true", "5 4 * * 0 /bin/true"]), max_size=7)
)
def test_cron_is_told_everything_once(lines: list[str]) -> None:
    """Run by a real shell, the fixed list leaves every line in the crontab once, in order."""
    appended = "".join(f"    \"( crontab -l 2>/dev/null; echo '{line}' ) | crontab -\",\n" for line in lines)
    start = TEXT.index('    "( crontab -l')
    end = TEXT.index("  ]\n", start)
    new = fixed(TEXT[:start] + appended + TEXT[end:], (no_duplicate,))
    facts = read_terraform(parse(new), LIST)
    assert [job.line.text for job in facts.cron_jobs] == [line.replace("\\\\", "\\") for line in dict.fromkeys(lines)]
    assert _crontab(new) == [line.replace("\\\\", "\\") for line in dict.fromkeys(lines)]


def _crontab(text: str) -> list[str]:
    """The crontab after a shell has run the list's elements about it."""
    file = parse(text)
    elements = read_terraform(file, LIST).elements
    assert elements
    scripts = [file.decode(one).text for one in elements.children if isinstance(one, String)]
    functions = 'crontab() { case "$1" in -l) printf "%s" "$tab";; -) cat;; esac; }\n'
    tab = ""
    for script in (one for one in scripts if "crontab" in one):
        shell = [SHELL, "-c", functions + script]
        tab = subprocess.run(shell, capture_output=True, text=True, check=True, env={**os.environ, "tab": tab}).stdout
    return tab.splitlines()


GONE = "ecr", "gcr", "acr"


def orphan(name: str, minute: int) -> tuple[str, str, str]:
    """Directory, configuration and crontab line of a registry."""
    config = f"""    format("echo %s | base64 -d > /opt/registry/config-{name}.yml",
      base64encode(templatefile("../../modules/docker-registry/config-proxy.yaml.tpl", {{ name = "{name}" }}))
    ),
"""
    job = line_of("quay").replace("registry-quay", f"registry-{name}").replace("'10 3", f"'{minute} 3")
    return f" /opt/registry/data/{name}", config, job


@settings(max_examples=max(EXAMPLES // 5, 20), deadline=None)
@given(st.data())
def test_broken_lists_come_back(data: st.DataObject) -> None:
    """Orphans anywhere, lines twice, live lines and missing directories: all fixes together restore the list."""
    lines = ALL_LIVE.splitlines(keepends=True)
    start = next(i for i, line in enumerate(lines) if "crontab -l" in line)
    end = start + len(NAMES)
    jobs = [data.draw(st.sampled_from([line_of(name), live(line_of(name), name)])) for name in NAMES]
    extra = [orphan(name, 31 + number)[2] for number, name in enumerate(GONE)]
    extra += data.draw(st.lists(st.sampled_from(jobs), max_size=3))
    rest = lines[end]
    assert "# Remove old tags" in rest
    first_of = {job: number for number, job in enumerate(jobs)}
    mixed = list(jobs)
    for one in extra:
        low = mixed.index(one) + 1 if one in first_of else 0
        mixed.insert(data.draw(st.integers(low, len(mixed))), one)
    text = "".join([*lines[:start], *mixed, *lines[end:]])
    for name in GONE:
        directory, config, _ = orphan(name, 0)
        if data.draw(st.booleans()):
            text = text.replace(" /opt/registry/data/quay", f"{directory} /opt/registry/data/quay")
        if data.draw(st.booleans()):
            before = data.draw(st.sampled_from(["    # Write GHCR", "    # Write nginx.conf", '    "systemctl daemon']))
            text = text.replace(before, config + before, 1)
    if data.draw(st.booleans()):
        text = text.replace("\n", "\r\n")
        assert fixed(text) == TEXT.replace("\n", "\r\n")
    else:
        assert fixed(text) == TEXT


def test_a_directory_that_is_used_twice_in_its_element_stays() -> None:
    """What the rest of the command needs is not taken out of its mkdir."""
    both = TEXT.replace(
        "    # Write nginx.conf\n",
        '    "mkdir -p /opt/registry/data/old && chown 1 /opt/registry/data/old",\n    # Write nginx.conf\n',
    )
    assert findings(no_orphan, both) == []


def test_several_missing_directories_come_in_the_order_of_compose() -> None:
    """They are appended to one mkdir in one pass."""
    text = TEXT.replace(" /opt/registry/data/ghcr", "").replace(" /opt/registry/data/quay", "")
    assert [one.message.split()[3] for one in findings(require_data, text)] == [
        "/opt/registry/data/ghcr",
        "/opt/registry/data/quay",
    ]
    mkdir = next(line for line in fixed(text).splitlines() if "mkdir -p /opt" in line)
    assert "/opt/registry/data/kyverno /opt/registry/data/ghcr /opt/registry/data/quay /opt/" in mkdir


def test_the_collector_is_a_collection() -> None:
    """Its line is fine as it is; at the minute of another it is found, and so it is for a container that is gone."""
    assert COLLECTOR in COLLECTED
    assert [one for rule in RULES for one in findings(rule, COLLECTED)] == []
    (clash,) = findings(require_staggered, COLLECTED.replace("'25 3 * * 0", "'20 3 * * 0"))
    assert "registry-private is collected at 20 3 * * 0" in clash.message
    gone = COLLECTED.replace("--container registry-private", "--container registry-old")
    gone = gone.replace("--data /opt/registry/data/private", "--data /opt/registry/data/old")
    (orphan,) = [one for rule in RULES for one in findings(rule, gone)]
    assert "collects the garbage of registry-old, which compose does not have" in orphan.message
    assert COLLECTOR.partition(" --")[0] not in fixed(gone)


def test_the_private_registry_is_the_recipes() -> None:
    """Its missing parts are reported once, by the rule that adds them."""
    text = TEXT.replace(" /opt/registry/data/private", "").replace(line_of("private"), "")
    text = text.replace("config-private.yml", "config-other.yml").replace("  # 5050", "  # 5051")
    for rule in RULES:
        assert not [one for one in findings(rule, text) if "private" in one.message], rule.id


def test_only_one_registry_is_named_for_each_minute() -> None:
    """Of six at one time five are reported."""
    text = TEXT
    for minute in (5, 10, 15, 20, 25):
        text = text.replace(f"'{minute} 3 * * 0", "'0 3 * * 0")
    assert len(findings(require_staggered, text)) == 5


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("64G", 64 * 1024**3),
        ("64Gi", 64 * 1024**3),
        ("64GiB", 64 * 1024**3),
        ("64 gib", 64 * 1024**3),
        ("64GB", 64 * 10**9),
        ("512M", 512 * 1024**2),
        ("512MB", 512 * 10**6),
        ("1.5T", 3 * 2**39),
        ("100K", 100 * 1024),
        ("1024", 1024),
        ("1024B", 1024),
        ("", 0),
        ("var.size", 0),
        ("${size}", 0),
        ("-5G", 0),
        ("5X", 0),
        ("5GiBB", 0),
        ("9" * 99, 0),
    ],
)
def test_read_size(text: str, size: int) -> None:
    """Sizes as disks and registries have them; nothing for what is none."""
    assert read_size(text) == size
