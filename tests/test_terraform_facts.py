"""What a provision list does to the VM is read through all layers of quoting."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codemods.engine.edits import Edit, apply_edits
from codemods.facts.terraform import TerraformFacts, find_provision_lists, read_terraform, resolve_source
from codemods.formats.hcl import TEMPLATE, parse
from codemods.formats.hcl_edits import quoted
from tests.soak import EXAMPLES

EXAMPLE = Path(__file__).parent.parent / "examples" / "infra" / "stacks" / "infra" / "main.tf"
LIST = "module.docker-registry-template.provision_cmds"


def facts_of(*elements: str) -> TerraformFacts:
    return read_terraform(parse("x = [\n" + ",\n".join(elements) + "\n]\n"), "x")


def test_example() -> None:
    """The example's list is read whole."""
    text = EXAMPLE.read_text(encoding="utf-8")
    facts = read_terraform(parse(text), LIST)
    assert [(one.kind, one.destination.removeprefix("/opt/registry/"), one.suffix) for one in facts.deployments] == [
        ("file", "docker-compose.yml", ""),
        ("file", "nginx.conf", ""),
        ("templatefile", "config-dockerhub.yml", ""),
        ("templatefile", "config-ghcr.yml", ""),
        ("templatefile", "config-quay.yml", ""),
        ("templatefile", "config-k8s.yml", ""),
        ("templatefile", "config-kyverno.yml", ""),
        ("file", "cleanup-tags.sh", "&& chmod +x /opt/registry/cleanup-tags.sh"),
        ("heredoc", "/etc/systemd/system/docker-registry.service", ""),
    ]
    assert facts.deployments[0].source == "${path.root}/../../modules/docker-registry/docker-compose.yml"
    for one in facts.deployments:
        assert text[slice(*one.source_span)] == one.source
        assert text[slice(*one.destination_span)] == one.destination
    names = ["dockerhub", "ghcr", "quay", "k8s", "kyverno"]
    assert [one.path for one in facts.directories] == [f"/opt/registry/data/{name}" for name in names]
    assert all(text[one.start : one.end] == one.path for one in facts.directories)
    assert [job.line.schedule for job in facts.cron_jobs] == [
        *(f"{n} 3 * * 0" for n in (0, 5, 10, 15, 20)),
        "0 2 * * *",
    ]
    assert [line.port for line in facts.ports] == [5000, 5001, 5010, 5020, 5030, 5040, 8080]
    assert (facts.address, facts.disk_size) == ("10.0.20.10", "64G")


def test_find_provision_lists() -> None:
    """Only lists that deploy files are provision lists."""
    file = parse(EXAMPLE.read_text(encoding="utf-8"))
    assert [(name, len(deployments)) for name, deployments in find_provision_lists(file)] == [(LIST, 9)]


@pytest.mark.parametrize(
    ("terraform", "written", "expected"),
    [
        ("stacks/infra/main.tf", "${path.root}/../../modules/r/a.yml", "modules/r/a.yml"),
        ("stacks/infra/main.tf", "${path.module}/files/a.yml", "stacks/infra/files/a.yml"),
        ("stacks/infra/main.tf", "../../modules/r/a.yml", "modules/r/a.yml"),
        ("main.tf", "modules//r/./a.yml", "modules/r/a.yml"),
        ("main.tf", "./a.yml", "a.yml"),
        ("a/main.tf", "../../a.yml", None),
        ("a/main.tf", "/etc/a.yml", None),
        ("a/main.tf", "${var.dir}/a.yml", None),
        ("a/main.tf", "${path.root}/${var.name}.yml", None),
        ("a/main.tf", "", None),
    ],
)
def test_resolve_source(terraform: str, written: str, expected: str | None) -> None:
    """Paths start at the file's directory; what cannot be known, or leaves the repository, is None."""
    assert resolve_source(terraform, written) == expected


@pytest.mark.parametrize(
    ("element", "expected"),
    [
        ('format("echo %s | base64 -d > /a/b", base64encode(file("s")))', [("file", "s", "/a/b", "")]),
        ('format("echo \'%s\' | base64 --decode > /a/b", base64encode(file("s")))', [("file", "s", "/a/b", "")]),
        (
            'format("echo %s | base64 -d | sudo tee /a/b > /dev/null", base64encode(file("s")))',
            [("file", "s", "/a/b", "> /dev/null")],
        ),
        (
            'format("echo %s | base64 -d > \\"/a/b\\" ; sync", base64encode(file("s")))',
            [("file", "s", "/a/b", "; sync")],
        ),
        ('"echo ${base64encode(file("s"))} | base64 -d > /a/b"', [("file", "s", "/a/b", "")]),
        ('"echo ${filebase64("s")} | base64 -d > ${local.dir}/b"', [("file", "s", "${local.dir}/b", "")]),
        ('format("echo %s | base64 -d > /a", base64encode(local.text))', [("other", "local.text", "/a", "")]),
        (
            '"echo ${filebase64("s")} | base64 -d > /a && echo ${base64encode(templatefile("t"))} | base64 -d > /b"',
            [("file", "s", "/a", f"&& echo {TEMPLATE} | base64 -d > /b"), ("templatefile", "t", "/b", "")],
        ),
        (
            'format("echo %s | base64 -d > /a", base64encode(<<EOF\ntext\nEOF\n))',
            [("heredoc", "<<EOF\ntext\nEOF", "/a", "")],
        ),
        ('format("echo %s > /a", base64encode(file("s")))', []),
        ('format("echo %s | base64 -d", base64encode(file("s")))', []),
        ('format("echo %s | base64 > /a", base64encode(file("s")))', []),
        ('format("echo \'%s | base64 -d > /a", base64encode(file("s")))', []),
        ('"echo x | base64 -d > /a"', []),
        ('file("s")', []),
        ('join(" ", ["echo", base64encode(file("s")), "| base64 -d > /a"])', []),
        ("1", []),
    ],
)
def test_deployments(element: str, expected: list[tuple[str, ...]]) -> None:
    """A deployment is a decoded stream with a destination; look-alikes are none."""
    found = facts_of(element).deployments
    assert [(one.kind, one.source, one.destination, one.suffix) for one in found] == expected


@pytest.mark.parametrize(
    ("element", "expected"),
    [
        ('"mkdir -p /a /b/"', ["/a", "/b"]),
        ('"sudo mkdir -pv \\"/a\\" && mkdir --parents /b"', ["/a", "/b"]),
        ('"mkdir -m 700 -p /a > /log"', ["/a"]),
        ('"mkdir /a"', []),
        ('"echo mkdir -p /a"', []),
        ('"mkdir -p /a/{b,c} $DIR relative"', []),
        ('"mkdir -p ${local.dir}/b"', []),
        ('"# mkdir -p /a"', []),
        ("\"sh -c 'mkdir -p /a'\"", []),
    ],
)
def test_directories(element: str, expected: list[str]) -> None:
    """Directories that `mkdir -p` makes for certain."""
    assert [one.path for one in facts_of(element).directories] == expected


@pytest.mark.parametrize(
    ("element", "expected"),
    [
        ("\"( crontab -l 2>/dev/null; echo '5 3 * * 0 x y' ) | crontab -\"", ["5 3 * * 0 x y"]),
        ('"(crontab -l; echo \\"5 3 * * 0 x\\") | sudo crontab -u root -"', ["5 3 * * 0 x"]),
        ("\"{ crontab -l; echo '5 3 * * 0 x'; echo '@daily y'; } | crontab -\"", ["5 3 * * 0 x", "@daily y"]),
        ("\"echo '5 3 * * 0 date +\\\\%F' | crontab -\"", ["5 3 * * 0 date +\\%F"]),
        ("\"echo '5 3 * * 0 x'\"", []),
        ("\"echo '5 3 * * 0 root x' > /etc/cron.d/x\"", []),
        ("\"( crontab -l; echo '# 5 3 * * 0 x' ) | crontab -\"", []),
        ('"( crontab -l; echo \'5 3 * * 0 x ) | crontab -"', []),
        ('"crontab -l | grep -v x | crontab -"', []),
    ],
)
def test_cron_jobs(element: str, expected: list[str]) -> None:
    """Lines that an element echoes into crontab."""
    jobs = facts_of(element).cron_jobs
    assert [job.line.text for job in jobs] == expected
    assert all(job.alone == (len(expected) == 1) for job in jobs)


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.text(st.sampled_from(list("ab '\"\\;|&>%é漢()")), min_size=1).filter(lambda text: text == text.strip()))
def test_three_layers_of_quoting(command: str) -> None:
    """A line comes back through HCL and shell to the letter, and its minute is changed at its place in the source."""
    line = f"5 3 * * 0 {command}"
    text = f'x = ["( crontab -l; echo {quoted(shlex.quote(line))} ) | crontab -"]\n'
    (job,) = read_terraform(parse(text), "x").cron_jobs
    assert job.line.text == line
    new = apply_edits(text, [Edit(*job.span(edit.start, edit.end), edit.new) for edit in job.line.at(40, None)])
    assert new == text.replace("5 3 * * 0", "40 3 * * 0", 1)
    (job,) = read_terraform(parse(new), "x").cron_jobs
    assert job.line.text == f"40 3 * * 0 {command}"


VM = 'module "vm" {{\n  {}\n  ipconfig0 = "ip=10.0.0.{}/24"\n}}\n'


@pytest.mark.parametrize(
    ("blocks", "address"),
    [
        (VM.format("", 1), "10.0.0.1"),
        (VM.format("", 1) + VM.format("", 2), ""),
        (VM.format("", 1) + VM.format("template_name = local.t", 2), "10.0.0.2"),
        (VM.format("", 1) + VM.format("template = module.x-template.name", 2), "10.0.0.2"),
        (VM.format("", 1) + VM.format("# 5000 -> nginx -> registry-a\n  # 5010 -> nginx -> registry-b", 2), "10.0.0.2"),
        ('module "vm" {\n  ipconfig0 = var.ip\n}\n', ""),
        ("", ""),
    ],
)
def test_address_of_the_vm(blocks: str, address: str) -> None:
    """Of several blocks with an address, the one that belongs to the template; none when that is not clear."""
    template = 'module "x-template" {\n  template_name = local.t\n  cmds = []\n}\n'
    assert read_terraform(parse(template + blocks), "module.x-template.cmds").address == address


@pytest.mark.parametrize(
    ("comments", "ports"),
    [
        ("# 5000 -> nginx -> registry-a\n# 5010 -> nginx -> registry-b\n", [5000, 5010]),
        ("// 5000: registry-a\n//\n// 5010: registry-b\n", [5000, 5010]),
        ("#   - 5000 → nginx\n#   - 5010 → nginx\n", [5000, 5010]),
        ("# 5000 -> registry-a\n", []),
        ("# 2001 = template\n# 2002 = node\n", []),
        ("# 5000 -> registry-a\n\n# 5010 -> registry-b\n", []),
        (
            "# 2001 = template\n# 2002 = node\n# 2003 = x\n\n# 1 - a\n# 5000 -> registry-a\n# 5010 -> registry-b\n",
            [5000, 5010],
        ),
        ("x = <<EOF\n# 5000 -> registry-a\n# 5010 -> registry-b\nEOF\n", []),
        ("a = 1 # 5000 -> registry-a\nb = 1 # 5010 -> registry-b\n", []),
    ],
)
def test_port_comments(comments: str, ports: list[int]) -> None:
    """A block of comment lines about ports of this stack; other numbers, heredocs and single lines are none."""
    assert [line.port for line in read_terraform(parse(comments), "x").ports] == ports


@pytest.mark.parametrize("name", ["", "x", "module.x", "y"])
def test_no_list(name: str) -> None:
    """Without a list of that name there is no provisioning, and the rest is still read."""
    facts = read_terraform(parse('y = "no list"\n' + VM.format("", 1)), name)
    assert facts.elements is None
    assert facts.deployments == ()
    assert facts.address == "10.0.0.1"
