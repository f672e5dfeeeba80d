"""The private registry comes into the provisioning in the house style of its siblings."""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codemods.caching.collection import (
    collected_by_script,
    is_live,
    is_stopped,
    mentions,
    plain,
    read_collector,
    rename_spans,
)
from codemods.caching.terraform_provision import check
from codemods.engine.context import Context
from codemods.engine.edits import apply_edits
from codemods.engine.model import Finding, Impact, Outcome, Refusal, Role
from codemods.engine.verify import check_meaning
from codemods.errors import CannotEdit
from codemods.repository import Document
from codemods.settings import RegistrySettings, Settings
from codemods.stack import Stack
from tests.soak import EXAMPLES

INFRA = Path(__file__).parent.parent / "examples" / "infra"
TERRAFORM = "stacks/infra/main.tf"
COMPOSE = "modules/docker-registry/docker-compose.yml"
LIST = ("module.docker-registry-template", "provision_cmds")
TEXT = (INFRA / TERRAFORM).read_text(encoding="utf-8")
COMPOSE_TEXT = (INFRA / COMPOSE).read_text(encoding="utf-8")

MKDIR = " /opt/registry/data/private"
CONFIG = """\
    # Write private R/W registry config (no proxy = accepts pushes)
    format("echo %s | base64 -d > /opt/registry/config-private.yml",
      base64encode(file("${path.root}/../../modules/docker-registry/config-private.yml"))
    ),
"""
LIVE = (
    "/usr/bin/docker exec registry-private registry garbage-collect -m /etc/docker/registry/config.yml"
    " >> /var/log/registry-gc.log 2>&1"
)
STOPPED = (
    "/usr/bin/docker stop registry-private && { /usr/bin/docker run --rm --volumes-from registry-private registry:2"
    " garbage-collect /etc/docker/registry/config.yml; /usr/bin/docker start registry-private;"
    " /usr/bin/docker exec registry-nginx nginx -s reload; } >> /var/log/registry-gc.log 2>&1"
)
COLLECTOR = (
    "/usr/bin/python3 /opt/registry/collect-garbage.py --container registry-private --data /opt/registry/data/private"
    " --nginx registry-nginx --cache-tag buildcache --max-size 100GiB >> /var/log/registry-gc.log 2>&1"
)
SCRIPT = """\
    # Write the registry garbage collector
    format("echo %s | base64 -d > /opt/registry/collect-garbage.py && chmod +x /opt/registry/collect-garbage.py",
      base64encode(file("${path.root}/../../modules/docker-registry/collect-garbage.py"))
    ),
"""
CRON = "    \"( crontab -l 2>/dev/null; echo '25 3 * * 0 {}' ) | crontab -\",\n"
PORT = "  # 5050 -> nginx -> registry-private (R/W registry for CI build cache)\n"


def inspect(text: str, profile: str = "verified", compose: str = COMPOSE_TEXT, **options: Any) -> list[Outcome]:
    """What the rule says about a Terraform file."""
    stack = Stack(
        compose=COMPOSE,
        terraform=TERRAFORM,
        provision_list=options.pop("provision_list", ".".join(LIST)),
        configs=options.pop("configs", "modules/docker-registry"),
        cleanup=options.pop("cleanup", "modules/docker-registry/cleanup-tags.sh"),
    )
    documents = {TERRAFORM: Document(TERRAFORM, text), COMPOSE: Document(COMPOSE, compose)}
    context = Context(Settings(profile, registry=RegistrySettings(**options)), stack, documents.__getitem__)
    return list(check(context, documents[TERRAFORM]))


def migrate(text: str, profile: str = "verified", **options: Any) -> str:
    """The new text: without refusals, changed exactly as declared, and at rest."""
    outcomes = inspect(text, profile, **options)
    assert all(isinstance(outcome, Finding) for outcome in outcomes), outcomes
    findings = [outcome for outcome in outcomes if isinstance(outcome, Finding)]
    new = apply_edits(text, [edit for finding in findings for edit in finding.edits])
    writes = [path for finding in findings for path in finding.writes]
    assert check_meaning(Role.TERRAFORM, Document("", text), Document("", new), writes) is None
    assert inspect(new, profile, **options) == []
    return new


def added(old: str, new: str) -> list[str]:
    """Lines of `new` that are not in `old`."""
    return [line[2:] for line in difflib.ndiff(old.splitlines(), new.splitlines()) if line.startswith("+ ")]


def refusals(text: str, profile: str = "verified", **options: Any) -> list[str]:
    return [one.reason for one in inspect(text, profile, **options) if isinstance(one, Refusal)]


@pytest.mark.parametrize(("profile", "command"), [("as-written", LIVE), ("verified", COLLECTOR)])
def test_example(profile: str, command: str) -> None:
    """On the example the lines are the plan's, byte for byte, apart from the collector in profile verified."""
    expected = TEXT.replace('/opt/registry/data/kyverno",', f'/opt/registry/data/kyverno{MKDIR}",')
    expected = expected.replace("    # Write the tag cleanup script\n", CONFIG + "    # Write the tag cleanup script\n")
    if profile == "verified":
        boot = "    # Start the stack on every boot\n"
        expected = expected.replace(boot, SCRIPT + boot)
    expected = expected.replace("    # Remove old tags", CRON.format(command) + "    # Remove old tags")
    expected = expected.replace("  # 8080 ->", PORT + "  # 8080 ->")
    assert migrate(TEXT, profile) == expected


def test_findings() -> None:
    """One finding for each part, with the paths it writes; the comment writes none."""
    findings = [one for one in inspect(TEXT) if isinstance(one, Finding)]
    assert [one.writes for one in findings] == [((*LIST, "3"),), *[((*LIST, "+"),)] * 3, ()]
    assert [one.impact for one in findings] == [None, None, None, None, Impact.NONE]
    assert TEXT[findings[0].start : findings[0].end].startswith('"mkdir')


def test_verified_over_as_written() -> None:
    """The plan's collection is replaced; the result is that of profile verified from the start."""
    as_written = migrate(TEXT, "as-written")
    script, line = inspect(as_written)
    assert isinstance(script, Finding) and isinstance(line, Finding)
    assert (script.writes, line.writes) == (((*LIST, "+"),), ((*LIST, "21"),))
    assert migrate(as_written) == migrate(TEXT)


def test_verified_over_its_earlier_form() -> None:
    """The line that stops the registry itself gives way to the collector, as if that had been there from the start."""
    earlier = migrate(TEXT, "as-written").replace(LIVE, STOPPED)
    assert migrate(earlier) == migrate(TEXT)
    assert refusals(earlier, "as-written") == refusals(migrate(TEXT), "as-written")


def test_as_written_over_verified() -> None:
    """There is no way back to collecting in the live registry."""
    assert refusals(migrate(TEXT), "as-written") == [
        "the garbage of registry-private is already collected as in profile verified; as-written would do it live"
    ]


def test_another_schedule_is_kept() -> None:
    """The collector keeps the schedule that it finds."""
    as_written = migrate(TEXT, "as-written").replace("'25 3 * * 0", "'7 4 1 * *")
    assert f"'7 4 1 * * {COLLECTOR}'" in migrate(as_written)


@pytest.mark.parametrize("part", [MKDIR, CONFIG, SCRIPT, CRON.format(COLLECTOR), PORT])
def test_only_the_missing_part(part: str) -> None:
    """A part that is there is left alone; the missing one goes to its place."""
    done = migrate(TEXT)
    assert migrate(done.replace(part, "")) == done


@settings(max_examples=max(20, EXAMPLES // 10), deadline=None)
@given(
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
    st.sampled_from(["two", "one", "tabs"]),
    st.booleans(),
    st.sampled_from(["# ", "// "]),
    st.booleans(),
    st.sampled_from(["private", "p-1", "zz"]),
    st.sampled_from([5050, 5005, 1024, 65535]),
)
def test_house_styles(
    newline: str, final: bool, style: str, trailing: bool, sign: str, blank: bool, name: str, port: int
) -> None:
    """In every house style: both profiles are at rest, verified over as-written is verified, old lines stay."""
    text = TEXT
    if style == "one":
        text = re.sub(r",\n      base64encode\((file.*)\)\n    \)", r", base64encode(\1))", text)
    if style == "tabs":
        text = re.sub(r"^( +)", lambda match: "\t" * (len(match[1]) // 2), text, flags=re.M)
    if not trailing:
        text = text.replace("cleanup.log 2>&1' ) | crontab -\",", "cleanup.log 2>&1' ) | crontab -\"")
    if blank:
        text = re.sub(r"^(\s+# Write)", r"\n\1", text, flags=re.M)
    text = re.sub(r"^(\s*)# ", rf"\1{sign}", text, flags=re.M).replace("\n", newline)
    text = text if final else text.rstrip()
    as_written = migrate(text, "as-written", name=name, port=port)
    verified = migrate(text, name=name, port=port)
    assert migrate(as_written, name=name, port=port) == verified
    lines = added(text, verified)
    assert f"/opt/registry/data/{name}" in lines[0]
    assert sum(line.strip().startswith(sign) for line in lines) == 3
    assert len(lines) == 7 + (4 if style != "one" else 0) + (2 if blank else 0)
    if newline == "\r\n":
        assert "\n" not in verified.replace("\r\n", "")
    else:
        assert "\r" not in verified
    if style == "tabs":
        assert all(not line.startswith(" ") for line in lines)


def shifted(*minutes: str) -> str:
    """The example with other schedules of the five collections."""
    schedules = iter(minutes)
    return re.sub(r"'\d+ 3 \* \* 0(?= /usr)", lambda match: f"'{next(schedules)}", TEXT)


@pytest.mark.parametrize(
    ("schedules", "expected"),
    [
        (("0 3 * * 0", "5 3 * * 0", "10 3 * * 0", "15 3 * * 0", "20 3 * * 0"), "25 3 * * 0"),
        (("20 3 * * 0", "15 3 * * 0", "10 3 * * 0", "5 3 * * 0", "0 3 * * 0"), "25 3 * * 0"),
        (("0 3 * * 0", "5 3 * * 0", "10 3 * * 0", "15 3 * * 0", "55 3 * * 0"), "0 4 * * 0"),
        (("0 3 * * 0", "0 4 * * 0", "5 4 * * 0", "15 3 * * 0", "55 3 * * 0"), "10 4 * * 0"),
        (("0 3 * * 0", "5 3 * * 0", "10 3 * * 0", "15 3 * * 0", "55 23 * * 6"), "0 0 * * 6"),
        (("0 3 * * 0", "5 3 * * 0", "10 3 * * 0", "15 3 * * 0", "7 3 1 */2 *"), "12 3 1 */2 *"),
        (("0 3 * * 0", "5 3 * * 0", "10 3 * * 0", "15 3 * * 0", "55 1 * * 0"), "5 2 * * 0"),
        (("0 * * * 0", "5 * * * 0", "10 * * * 0", "15 * * * 0", "55 * * * 0"), "20 * * * 0"),
    ],
)
def test_next_minute(schedules: tuple[str, ...], expected: str) -> None:
    """The next free five minutes after the last sibling, over the hour when that is full."""
    assert f"echo '{expected} /usr/bin/python3 /opt/registry/collect-garbage.py" in migrate(shifted(*schedules))


@pytest.mark.parametrize("schedule", ["*/5 3 * * 0", "0,30 3 * * 0", "@weekly", "5 1-3 * * 0"])
def test_no_plain_minute(schedule: str) -> None:
    """A last sibling without a plain minute gives no minute to continue from."""
    text = shifted("0 3 * * 0", "5 3 * * 0", "10 3 * * 0", "15 3 * * 0", schedule)
    assert refusals(text) == [f"the schedule {schedule} has no plain minute and hour"]


@pytest.mark.parametrize(
    ("profile", "old", "new", "reason"),
    [
        ("verified", '"mkdir -p', '"install -d', "no `mkdir -p` in the list makes a sibling registry's data directory"),
        (
            "verified",
            'crontab -"',
            'tee /etc/cron.d/gc"',
            "no crontab line in the list collects a sibling registry's garbage",
        ),
        ("verified", "base64encode(file(", "base64gzip(file(", "no element of the list deploys a file"),
        ("verified", "-> registry-", "-> ", "the comment about ports names no sibling's container"),
        (
            "verified",
            "# 8080 -> registry-ui",
            "# 5050 -> registry-ui",
            "the comment says that port 5050 is something else",
        ),
        (
            "verified",
            "cleanup-tags.sh && chmod",
            "config-private.yml && chmod",
            "/opt/registry/config-private.yml is written from ${path.root}/../../modules/docker-registry/cleanup-tags",
        ),
        (
            "verified",
            "docker-registry/nginx_registry.conf",
            "docker-registry/config-private.yml",
            "/opt/registry/nginx.conf is written from",
        ),
        (
            "verified",
            "exec registry-kyverno registry",
            "exec registry-private prune.sh; registry",
            "a crontab line for registry-private exists",
        ),
        (
            "as-written",
            "exec registry-kyverno registry",
            "exec -T registry-private registry",
            "a crontab line for registry-private exists",
        ),
        (
            "verified",
            "' ) | crontab -\",\n    # Remove",
            "'; echo '@daily x' ) | crontab -\",\n    # Remove",
            "the last crontab line shares its element",
        ),
    ],
)
def test_refusals(profile: str, old: str, new: str, reason: str) -> None:
    """What cannot be done, or stands there with other content, is refused by name."""
    assert old in TEXT
    found = refusals(TEXT.replace(old, new), profile)
    assert len(found) == 1
    assert reason in found[0]


def test_a_list_in_parts() -> None:
    """What concat() puts together is a list for sync-vm; which part is ours to add to is not known."""
    text = re.sub(r"provision_cmds\s*= \[", "provision_cmds = concat([", TEXT)
    head, middle, tail = text.partition("concat([")
    found = refusals(head + middle + re.sub(r"(?m)^  \]$", "  ])", tail, count=1))
    assert len(found) == 1
    assert "module.docker-registry-template.provision_cmds is no plain list" in found[0]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"provision_list": "module.x.y"}, "there is no list module.x.y"),
        ({"provision_list": ""}, "no list of provisioning commands was found"),
        ({"provision_list": "module.docker-registry-vm.vm_name"}, "there is no list module.docker-registry-vm.vm_name"),
        ({"configs": None}, "the directory of the registry configurations is not known"),
        ({"compose": "services:\n  web:\n    image: x\n"}, "no sibling registry is known: the compose file has none"),
        (
            {"compose": COMPOSE_TEXT.replace("container_name: registry-nginx", "container_name: a b")},
            "cannot stand in a command",
        ),
    ],
)
def test_missing_parts(options: dict[str, Any], reason: str) -> None:
    """Without its list, its siblings or usable values the rule says what is missing."""
    found = refusals(TEXT, **options)
    assert len(found) == 1
    assert reason in found[0]


def test_other_directories() -> None:
    """Directories come from compose, the path to the configurations from the element of the compose file."""
    text = TEXT.replace("/opt/registry", "/srv/r").replace("${path.root}/../../modules", "../../modules")
    compose = COMPOSE_TEXT.replace("/opt/registry", "/srv/r")
    new = migrate(text, compose=compose, configs="modules/docker-registry/configs")
    assert 'base64encode(file("../../modules/docker-registry/configs/config-private.yml"))' in new
    assert "base64 -d > /srv/r/config-private.yml" in new
    assert "/srv/r/data/kyverno /srv/r/data/private" in new


def test_variables_in_paths() -> None:
    """Variables in the model's paths are taken over."""
    text = TEXT.replace("${path.root}/../../modules/docker-registry", "${local.registry}")
    text = text.replace("> /opt/registry/docker-compose.yml", "> ${local.target}/docker-compose.yml")
    new = migrate(text)
    assert 'base64encode(file("${local.registry}/config-private.yml"))' in new
    assert "base64 -d > ${local.target}/config-private.yml" in new


def test_interpolated_style() -> None:
    """Deployments written as one string are cloned as one string."""
    text = re.sub(
        r'format\("echo %s (\| base64 -d > \S+?)",\n\s+base64encode\((file.*)\)\n\s+\)',
        r'"echo ${base64encode(\2)} \1"',
        TEXT,
    )
    source = "${path.root}/../../modules/docker-registry/config-private.yml"
    line = f'"echo ${{base64encode(file("{source}"))}} | base64 -d > /opt/registry/config-private.yml",'
    assert line in [one.strip() for one in added(text, migrate(text))]


def test_double_quotes() -> None:
    """A line in escaped double quotes is cloned with them."""
    text = re.sub(r"echo '(.*?)' \)", r'echo \\"\1\\" )', TEXT)
    assert f'echo \\"25 3 * * 0 {COLLECTOR}\\" ) | crontab -' in migrate(text)
    assert f'echo \\"25 3 * * 0 {LIVE}\\" ) | crontab -' in migrate(text, "as-written")


def test_without_comments() -> None:
    """A list without comments gets none, and a file without a port comment too."""
    text = re.sub(r"^\s*# .*\n", "", TEXT, flags=re.M)
    assert not [line for line in added(text, migrate(text)) if "#" in line]


@pytest.mark.parametrize(
    ("port", "line", "neighbour"),
    [
        (5050, "  # 5050 -> nginx -> registry-private (R/W registry for CI build cache)", "  # 5040"),
        (4000, "  # 4000 -> nginx -> registry-private (R/W registry for CI build cache)", "  # All"),
        (5005, "  # 5005 -> nginx -> registry-private (R/W registry for CI build cache)", "  # 5001"),
        (9000, "  # 9000 -> nginx -> registry-private (R/W registry for CI build cache)", "  # 8080"),
    ],
)
def test_port_comment_order(port: int, line: str, neighbour: str) -> None:
    """The port comment goes in numeric order."""
    lines = migrate(TEXT, port=port).splitlines()
    assert lines[lines.index(line) - 1].startswith(neighbour)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (r"-> nginx -> (registry-\w+) .*", r": \1", "# 5050: registry-private"),
        (
            r"-> nginx -> (registry-\w+) .*",
            r"=> \1, a proxy",
            "# 5050 => registry-private (R/W registry for CI build cache)",
        ),
        (
            r"-> nginx -> (registry-\w+) .*",
            r"-> \1:5000",
            "# 5050 -> registry-private (R/W registry for CI build cache)",
        ),
    ],
)
def test_port_comment_style(old: str, new: str, expected: str) -> None:
    """The port comment is written like its siblings."""
    text = re.sub(rf"(?<=\d) {old}" if new.startswith(":") else rf"(?<=\d ){old}", new, TEXT)
    assert f"  {expected}" in migrate(text).splitlines()


def test_present_port_comment() -> None:
    """A line for our port in other words is ours."""
    text = TEXT.replace("  # 8080", "  # 5050: the private one\n  # 8080")
    assert "# 5050 ->" not in migrate(text)


def test_without_nginx_nothing_is_reloaded() -> None:
    """A stack without nginx in compose has nothing to reload."""
    start = COMPOSE_TEXT.index("  nginx:\n")
    compose = COMPOSE_TEXT[:start] + COMPOSE_TEXT[COMPOSE_TEXT.index("  registry-ui:\n") :]
    assert "/data/private --cache-tag buildcache --max-size" in migrate(TEXT, compose=compose)


def test_our_service_in_compose() -> None:
    """Once compose has the service, its container name and its data directory count."""
    service = (
        "  registry-private:\n    image: registry:2.8.3\n    container_name: cache\n    volumes:\n"
        "      - /srv/private:/var/lib/registry\n\n  nginx:\n"
    )
    new = migrate(TEXT, compose=COMPOSE_TEXT.replace("  nginx:\n", service, 1))
    assert "collect-garbage.py --container cache --data /srv/private --nginx" in new
    assert "# 5050 -> nginx -> cache (R/W" in new


def test_docker_and_log_of_the_sibling() -> None:
    """The docker binary and the log file are the sibling's."""
    new = migrate(TEXT.replace("/usr/bin/docker", "docker").replace("registry-gc.log 2>&1", "gc.log"))
    assert "--max-size 100GiB >> /var/log/gc.log' )" in new
    new = migrate(TEXT.replace("/usr/bin/docker", "/snap/bin/docker"))
    assert "--max-size 100GiB --docker /snap/bin/docker >> /var/log" in new


def test_look_alikes_stay() -> None:
    """Other lists, other crontab lines and other modules are not touched."""
    new = migrate(TEXT)
    assert len(added(TEXT, new)) == 11
    assert [line for line in TEXT.splitlines() if line not in new.splitlines()] == [
        line for line in TEXT.splitlines() if '"mkdir -p /opt' in line
    ]


@pytest.mark.parametrize(
    ("command", "live", "stopped"),
    [
        (LIVE, True, False),
        (STOPPED, False, True),
        ("docker exec -t registry-private registry garbage-collect /c.yml", True, False),
        (STOPPED.replace("registry:2 ", "registry:2.8.3@sha256:ab "), False, True),
        (STOPPED.replace(" /usr/bin/docker exec registry-nginx nginx -s reload;", ""), False, True),
        (STOPPED.replace(" /usr/bin/docker start registry-private;", ""), False, False),
        (STOPPED.replace("garbage-collect", "garbage-collect -m"), False, False),
        (STOPPED.replace("stop registry-private", "stop registry-ghcr"), False, False),
        (LIVE.replace("registry-private", "registry-private2"), False, False),
        (LIVE + "; /usr/bin/docker restart registry-private", False, False),
        (LIVE.replace("docker exec", "echo docker exec"), False, False),
    ],
)
def test_forms(command: str, live: bool, stopped: bool) -> None:
    """The older forms of the collection are told from each other and from everything else."""
    assert (is_live(command, "registry-private"), is_stopped(command, "registry-private")) == (live, stopped)


@pytest.mark.parametrize(
    ("command", "container", "options"),
    [
        (COLLECTOR, "registry-private", 5),
        ("python3 /opt/registry/collect-garbage.py", "registry-private", 0),
        ("python3 collect-garbage.py --container=cache --dry-run >/dev/null", "cache", 2),
        (COLLECTOR.replace(" >>", "; /usr/bin/docker start registry-private >>"), "", None),
        (COLLECTOR.replace("collect-garbage.py", "cleanup-tags.sh"), "", None),
        ("cat collect-garbage.py", "", None),
        (STOPPED, "", None),
    ],
)
def test_collector_form(command: str, container: str, options: int | None) -> None:
    """The collector's line is told from others, with the container that it is about."""
    found = read_collector(command)
    assert (collected_by_script(command), None if found is None else len(found)) == (container, options)


@pytest.mark.parametrize("own", ["--keep 20", "--protect v1 --protect v2"])
def test_own_options_of_the_line(own: str) -> None:
    """What the line says besides the settings stays; what cannot be written anew is refused when they change."""
    mine = migrate(TEXT).replace("--max-size 100GiB", f"--max-size 100GiB {own}")
    assert inspect(mine) == []
    if own == "--keep 20":
        assert "--max-size 40GiB --keep 20 >>" in migrate(mine, storage="40GiB")
    else:
        assert ["cannot stand in a command" in reason for reason in refusals(mine, storage="40GiB")] == [True]


@pytest.mark.parametrize(
    ("text", "names", "expected"),
    [
        ("exec registry registry garbage-collect", {"registry": "new"}, "exec new registry garbage-collect"),
        ("run registry:2 /opt/registry/x registry", {"registry": "new"}, "run registry:2 /opt/registry/x new"),
        ("exec a a-b a.b ab /a a:1", {"a": "new"}, "exec new a-b a.b ab /a new:1"),
        ("-v /d/a:/x /d/ab /d/a/sub", {"/d/a": "/d/n"}, "-v /d/n:/x /d/ab /d/n/sub"),
        ("exec a-b a", {"a": "n", "a-b": "m"}, "exec m n"),
        ("exec a", {"": "n"}, "exec a"),
    ],
)
def test_renaming(text: str, names: dict[str, str], expected: str) -> None:
    """Whole names and paths are renamed, parts of others are not."""
    for start, end, new in reversed(rename_spans(text, names.items())):
        text = text[:start] + new + text[end:]
    assert text == expected
    assert not mentions("nothing", "a")


@pytest.mark.parametrize("value", ["a b", "a;b", "$a", "%", "é", "", "a\n", "'a", "-a", "a{b"])
def test_values_for_commands(value: str) -> None:
    """Values that the shell, cron or HCL would read otherwise never get into a line."""
    with pytest.raises(CannotEdit):
        plain(value)
