"""What the provision list leaves on a VM is managed when all of it is known, and named with the reason when not."""

from __future__ import annotations

from pathlib import Path
from unicodedata import normalize

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codemods.errors import CodemodError
from codemods.provisioning.variables import LOCKED
from codemods.rollout.manifest import FirstBootOnly, ManagedFile, ManifestFinding, Unmanaged
from tests.command import codemod, commit_all, example, write
from tests.manifest_texts import BINARY, RENDERED, SECRET, manifest, other_repository, small_repository
from tests.soak import EXAMPLES

STACK = "modules/docker-registry"
PULL_THROUGH = {"ghcr": "ghcr.io", "quay": "quay.io", "k8s": "registry.k8s.io", "kyverno": "reg.kyverno.io"}
UNIT = """\
[Unit]
Description=Docker registry mirrors
Requires=docker.service
After=docker.service network-online.target

[Service]
Type=oneshot
RemainAfterExit=true
WorkingDirectory=/opt/registry
ExecStart=/usr/bin/docker compose up -d
ExecStop=/usr/bin/docker compose down

[Install]
WantedBy=multi-user.target
"""
COLLECT = (
    "/usr/bin/docker exec registry-{} registry garbage-collect -m /etc/docker/registry/config.yml "
    ">> /var/log/registry-gc.log 2>&1"
)
COLLECTOR = (
    "/usr/bin/python3 /opt/registry/collect-garbage.py --container registry-private --data /opt/registry/data/private "
    "--nginx registry-nginx --cache-tag buildcache --max-size 100GiB >> /var/log/registry-gc.log 2>&1"
)


def example_files(root: Path, password: str) -> list[ManagedFile]:
    """The files of the example's manifest."""

    def managed(name: str, source: str, mode: int = 0o644) -> ManagedFile:
        return ManagedFile(
            f"/opt/registry/{name}", (root / STACK / source).read_bytes(), mode, "root:root", f"{STACK}/{source}"
        )

    def rendered(to: str, source: str, *secrets: str, **values: str) -> ManagedFile:
        text = (root / STACK / source).read_text()
        for key, value in values.items():
            text = text.replace(f"${{{key}}}", value)
        return ManagedFile(f"/opt/registry/{to}", text.encode(), 0o644, "root:root", f"{STACK}/{source}", secrets)

    terraform = (root / "stacks/infra/main.tf").read_text()
    unit_line = terraform[: terraform.index("<<-EOT\n[Unit]")].count("\n") + 1
    private = [managed("config-private.yml", "config-private.yml")] if "config-private" in terraform else []
    collector = [managed("collect-garbage.py", "collect-garbage.py", 0o755)] if private else []
    return [
        managed("docker-compose.yml", "docker-compose.yml"),
        managed("nginx.conf", "nginx_registry.conf"),
        rendered("config-dockerhub.yml", "config.yaml", password, password=password),
        *(
            rendered(f"config-{name}.yml", "config-proxy.yaml.tpl", name=name, remote_url=f"https://{host}")
            for name, host in PULL_THROUGH.items()
        ),
        *private,
        managed("cleanup-tags.sh", "cleanup-tags.sh", 0o755),
        *collector,
        ManagedFile(
            "/etc/systemd/system/docker-registry.service",
            UNIT.encode(),
            0o644,
            "root:root",
            f"stacks/infra/main.tf:{unit_line}",
        ),
    ]


@pytest.mark.parametrize("migrated", [False, True])
def test_example(migrated: bool, tmp_path: Path) -> None:
    """The example's manifest, whole, before and after the migration."""
    root = example(tmp_path)
    if migrated:
        assert codemod(root, "apply-caching").code == 0
    found = manifest(root, TF_VAR_dockerhub_password="hunter22")
    files = example_files(root, "hunter22")
    assert list(found.files) == files
    assert (found.directory, found.compose, found.nginx) == ("/opt/registry", files[0], files[1])
    names = ["dockerhub", *PULL_THROUGH, *(["private"] if migrated else [])]
    assert found.directories == tuple(f"/opt/registry/data/{name}" for name in names)
    private = f"25 3 * * 0 {COLLECTOR}"
    jobs = [f"{5 * index} 3 * * 0 {COLLECT.format(name)}" for index, name in enumerate(names[:5])]
    cleanup = "0 2 * * * python3 /opt/registry/cleanup-tags.sh 10 >> /var/log/registry-cleanup.log 2>&1"
    assert found.crontab == {"root": (*jobs, *([private] if migrated else []), cleanup)}
    assert [one.text for one in found.first_boot] == [
        "apt-get update",
        "apt-get install -y docker.io docker-compose-v2",
        "systemctl enable --now docker",
        "systemctl daemon-reload",
        "systemctl enable --now docker-registry.service",
    ]
    assert (found.unmanaged, found.findings) == ((), ())


def test_example_without_its_password(tmp_path: Path) -> None:
    """The one file that needs a value is not managed, and says which; all others are."""
    root = example(tmp_path)
    found = manifest(root)
    reason = "needs value dockerhub_password"
    path = "/opt/registry/config-dockerhub.yml"
    assert found.unmanaged == (Unmanaged(path, f"{STACK}/config.yaml", ("dockerhub_password",), reason),)
    assert list(found.files) == [one for one in example_files(root, "") if one.path != path]
    assert found.findings == ()


def test_other_shape(tmp_path: Path) -> None:
    """A list in a local, by concat, with other indentation, writers, modes, owners and users; no secret in its repr."""
    write(tmp_path, other_repository())
    (tmp_path / "edge/files/logo.bin").write_bytes(BINARY)
    found = manifest(tmp_path, TF_VAR_hub_secret=SECRET)
    config = ("/srv/hub/etc/registry.yml", 0o640, "daemon:daemon", "edge/files/registry.yml.tpl", (SECRET,))
    assert [(one.path, one.mode, one.owner, one.source, one.secrets) for one in found.files] == [
        ("/srv/hub/compose.yaml", 0o644, "root:root", "edge/files/compose.yaml", ()),
        ("/srv/hub/logo.bin", 0o644, "root:root", "edge/files/logo.bin", ()),
        config,
        ("/srv/hub/etc/nginx.conf", 0o644, "root:root", "edge/files/nginx.conf", ()),
    ]
    assert [found.files[1].content, found.files[2].content] == [BINARY, RENDERED.encode()]
    assert (found.nginx, found.unmanaged, found.findings) == (found.files[3], (), ())
    assert SECRET not in repr(found) and "w%rd" not in repr(found)


def deployed(source: str, path: str = "/opt/registry/x", after: str = "") -> str:
    """An element that deploys one expression."""
    return f'format("echo %s | base64 -d > {path}{after}", base64encode({source}))'


def managed(
    root: Path, *elements: str, before: str = "", files: dict[str, bytes] | None = None
) -> tuple[ManagedFile, ...]:
    """The files besides compose when all is managed."""
    found = only(root, *elements, before=before, files=files)
    assert isinstance(found, tuple), found
    return found


def only(
    root: Path, *elements: str, before: str = "", files: dict[str, bytes] | None = None
) -> tuple[ManagedFile, ...] | Unmanaged:
    """The files besides compose that a list of these elements leaves; what is not managed, if there is any."""
    write(root, small_repository(*elements, before=before))
    for name, content in (files or {}).items():
        (root / name).write_bytes(content)
    found = manifest(root)
    assert len(found.unmanaged) <= 1
    return found.unmanaged[0] if found.unmanaged else found.files[1:]


CONTENTS = {
    "empty": b"",
    "crlf": b"a\r\nb\r\n\r\n",
    "no end": b"a",
    "zero": b"a\0b\n",
    "mark": b"\xef\xbb\xbfa\n",
    "hostile": b"$(touch /tmp/x); `id` ' \" \\ %s ${x} %{if}\n",
    "big": "é\n".encode() * 1_500_000,
}


@pytest.mark.parametrize("name", CONTENTS)
def test_contents_are_carried_as_they_are(name: str, tmp_path: Path) -> None:
    """file() changes no byte, whatever they are."""
    content = CONTENTS[name]
    (found,) = managed(tmp_path, deployed('file("x")'), files={"x": content})
    assert found == ManagedFile("/opt/registry/x", content, 0o644, "root:root", "x")


def test_texts_are_normalised(tmp_path: Path) -> None:
    """Terraform puts texts into normal form C; filebase64() takes any bytes as they are."""
    decomposed = "e\u0301".encode()
    binary = 'format("echo %s | base64 -d > /opt/registry/y", filebase64("x"))'
    found = only(tmp_path, deployed('file("x")'), binary, files={"x": decomposed})
    assert isinstance(found, tuple)
    assert [one.content for one in found] == ["é".encode(), decomposed]


@pytest.mark.parametrize(
    ("source", "files", "reason"),
    [
        ('file("x")', {"x": b"\xff"}, "x is not UTF-8, which file() and templatefile() refuse: use filebase64()"),
        ('file("x")', {"x": LOCKED + b"1"}, "x is locked by git-crypt: run `git-crypt unlock`"),
        ('file("x")', {}, "x: cannot be read: No such file or directory"),
        ('file("x")', {"x": b"1" * (5 * 2**20 + 1)}, "x: larger than 5 MB"),
        ('file("../x")', {}, 'the path "../x" of a file'),
        ('file("/etc/passwd")', {}, 'the path "/etc/passwd" of a file'),
        ('file("${var.dir}/x")', {}, 'the path "${var.dir}/x" of a file'),
        ("file(var.x)", {}, "the path var.x of a file"),
        ('trimspace(file("x"))', {}, "the function trimspace()"),
        ('templatefile("x", { a = "b" })', {"x": b"%{ if a }"}, "x has the directive %{if}, line 1"),
        ('templatefile("x", { a = "b" })', {"x": b"\n${b}"}, "x uses b, which templatefile() is not given"),
        ('templatefile("x", { a = upper("b") })', {"x": b"${a}"}, "the function upper()"),
        ('templatefile("x", { a = 1 + 2 })', {"x": b"${a}"}, "the expression 1 + 2"),
        ('templatefile("x", var.all)', {"x": b""}, "the values of templatefile() are not written out: var.all"),
        ("var.text", {}, "var.text is not declared in this directory"),
        ("local.loop", {}, "locals refer to each other more than 20 deep"),
        ("local.made.of", {}, "the expression local.made.of"),
        ('"a ${join(",", [])}"', {}, "the function join()"),
        ('"a ${1 + 2}"', {}, "a string has a literal, line 1"),
        ("<<-E\n  %{ for a in b }\n  E\n", {}, "the heredoc has the directive %{for}, line 1"),
    ],
)
def test_contents_that_cannot_be_known(source: str, files: dict[str, bytes], reason: str, tmp_path: Path) -> None:
    """Each is refused by name, at the path where it would be."""
    found = only(tmp_path, deployed(source), before="locals { loop = local.loop }", files=files)
    assert isinstance(found, Unmanaged)
    assert (found.path, found.reason) == ("/opt/registry/x", reason)


def test_values_that_a_template_does_not_use_do_not_matter(tmp_path: Path) -> None:
    """Only names in the template are evaluated; several that are missing are all said."""
    source = 'templatefile("x", { a = local.a, b = upper("x"), c = -1.50, d = true })'
    (found,) = managed(tmp_path, deployed(source), before='locals { a = "A" }', files={"x": b"${a}${c}${d}"})
    assert found.content == b"A-1.5true"
    source = 'templatefile("x", { a = var.one, b = var.two })'
    before = 'variable "one" { type = string }\nvariable "two" { type = string }'
    missing = only(tmp_path, deployed(source), before=before, files={"x": b"${b}${a}"})
    assert isinstance(missing, Unmanaged)
    assert (missing.needs, missing.reason) == (("one", "two"), "needs value one; needs value two")


@settings(max_examples=EXAMPLES // 4, deadline=None)
@given(value=st.text())
def test_values_are_carried_literally(value: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whatever a value is, it stands in the file as it is, and nothing of it ends up elsewhere."""
    root = tmp_path_factory.getbasetemp() / "literal"
    source = 'templatefile("t", { v = var.v })'
    before = 'variable "v" { sensitive = true }'
    write(
        root, small_repository(deployed(source), deployed('"<${var.v}>"', "/opt/registry/y"), before=before, t="a${v}b")
    )
    found = manifest(root, TF_VAR_v=value)
    normal = normalize("NFC", f"a{value}b").encode(), normalize("NFC", f"<{value}>").encode()
    assert [one.content for one in found.files[1:]] == list(normal)
    assert {one.secrets for one in found.files[1:]} == {(normalize("NFC", value),)}
    assert (found.unmanaged, found.first_boot, found.crontab) == ((), (), {})


def test_symlinks(tmp_path: Path) -> None:
    """A symlink inside the repository is followed, one that leaves it is refused."""
    (tmp_path / "x").symlink_to("y")
    (found,) = managed(tmp_path, deployed('file("x")'), files={"y": b"1"})
    assert found.content == b"1"
    (tmp_path / "x").unlink()
    (tmp_path / "x").symlink_to("/etc/passwd")
    refused = only(tmp_path, deployed('file("x")'))
    assert isinstance(refused, Unmanaged) and refused.reason == "x: a symlink that leaves the repository"


@pytest.mark.parametrize(
    ("after", "mode", "owner"),
    [
        ("", 0o644, "root:root"),
        (" && chmod +x /opt/registry/x", 0o755, "root:root"),
        (" && chmod 600 /opt/registry/x", 0o600, "root:root"),
        ("; chmod 0755 /opt/registry/x", 0o755, "root:root"),
        (" && chmod u=rwx,g-r,o= /opt/registry/x", 0o700, "root:root"),
        (" && chmod a+w /opt/registry/x", 0o666, "root:root"),
        (" && chmod +w /opt/registry/x", 0o644, "root:root"),
        (" && sudo chown www-data /opt/registry/x", 0o644, "www-data:root"),
        (" && chown 0:daemon /opt/registry/x && chmod go-r /opt/registry/x", 0o600, "root:daemon"),
        (" && chmod -R go= /opt/registry", 0o600, "root:root"),
        (" && chmod +x /opt/registry/other", 0o644, "root:root"),
    ],
)
def test_modes_and_owners(after: str, mode: int, owner: str, tmp_path: Path) -> None:
    """Those of cloud-init, as far as nothing else is said."""
    (found,) = managed(tmp_path, deployed('"1"', after=after))
    assert (found.mode, found.owner) == (mode, owner)


@pytest.mark.parametrize(
    ("path", "shown", "reason"),
    [
        ("/opt/${var.a}", "/opt/${var.a}", ""),
        ("relative/x", "relative/x", "the path 'relative/x' is not absolute"),
        ("'/opt/my file'", "'/opt/my file'", "the path \"'/opt/my file'\" has characters that a shell would read"),
        ("/opt/$HOME", "/opt/$HOME", "the path '/opt/$HOME' has characters that a shell would read"),
        ("/opt/$(id)", "/opt/$(id)", "the path '/opt/$(id)' has characters that a shell would read"),
        ("'/opt/a;b'", "'/opt/a;b'", "the path \"'/opt/a;b'\" has characters that a shell would read"),
        ("'/opt/a\\nb'", "'/opt/a b'", "the path \"'/opt/a b'\" has characters that a shell would read"),
        ("/opt/*.yml", "/opt/*.yml", "the path '/opt/*.yml' has characters that a shell would read"),
        ("/opt/../etc/x", "/opt/../etc/x", "the path '/opt/../etc/x' is no place for a file"),
        ("/proc/sys/x", "/proc/sys/x", "the path '/proc/sys/x' is no place for a file"),
    ],
)
def test_destinations_that_are_refused(path: str, shown: str, reason: str, tmp_path: Path) -> None:
    """Only absolute paths of plain characters are destinations; a hostile one is shown, and never interpreted."""
    element = f'"echo ${{base64encode("1")}} | base64 -d > {path}"'
    found = only(tmp_path, element)
    assert isinstance(found, Unmanaged)
    assert found.path == shown
    assert found.reason == (reason or "the path '/opt/${var.a}' has a variable in it: write it out")


def test_last_writer_wins(tmp_path: Path) -> None:
    """Of two writers of one path the last counts; `>` keeps the mode that the file has."""
    found = only(
        tmp_path, deployed('"1"', after=" && chmod 600 /opt/registry/x"), deployed('"2"', "/opt/y"), deployed('"3"')
    )
    assert isinstance(found, tuple)
    assert [(one.path, one.content, one.mode) for one in found] == [
        ("/opt/y", b"2", 0o644),
        ("/opt/registry/x", b"3", 0o600),
    ]


@pytest.mark.parametrize(
    ("element", "reason"),
    [
        (r'"echo text > /opt/registry/x"', "`echo` writes it, main.tf:7"),
        (r'"echo dGV4dA== | base64 -d >> /opt/registry/x"', "`base64` appends to it, main.tf:7"),
        (r'"echo text >> /opt/registry/x"', "`echo` appends to it, main.tf:7"),
        (r'"sed -i s/a/b/ /opt/registry/x"', "`sed` alters it, main.tf:7"),
        (r'"cp /tmp/x /opt/registry/"', "`cp` writes it, main.tf:7"),
        (r'"rm -f /opt/registry/x*"', "`rm` alters it, main.tf:7"),
        (r'"true || echo dGV4dA== | base64 -d > /opt/registry/x"', "it is written only when `true` fails"),
        (
            r'"test -f /y && echo dGV4dA== | base64 -d > /opt/registry/x"',
            "it is written only when `test -f /y` succeeds",
        ),
        (r'"if true; then echo eA== | base64 -d > /opt/registry/x; fi"', "it is written in a compound command (if)"),
        (r'"cat > /opt/registry/x <<E\ntext\nE"', "it is written in a here-document"),
        (r'"echo $X | base64 -d > /opt/registry/x"', "the content '$X' cannot be read"),
        (r'"echo no-base64 | base64 -d > /opt/registry/x"', "its content is no base64"),
        (r'"chmod +x /opt/registry/?"', "chmod runs for a pattern of names, main.tf:7"),
        (r'"chmod u+s /opt/registry/x"', "the mode 'u+s', main.tf:7"),
        (r'"chmod ${var.m} /opt/registry/x"', "the mode '${…}', main.tf:7"),
        (r'"chown daemon: /opt/registry/x"', "the owner 'daemon:', main.tf:7"),
        (r'"true || chmod 600 /opt/registry/x"', "chmod runs only when `true` fails, main.tf:7"),
    ],
)
def test_what_is_written_otherwise_is_not_managed(element: str, reason: str, tmp_path: Path) -> None:
    """A file that another command writes or alters afterwards is not what the element before it wrote."""
    found = only(tmp_path, deployed('"1"').replace("\n", ""), element)
    assert isinstance(found, Unmanaged)
    assert (found.path, found.reason) == ("/opt/registry/x", reason)


@pytest.mark.parametrize(
    "element",
    [
        '# "echo ${base64encode(file("x"))} | base64 -d > /opt/registry/x",\n"true"',
        r'"echo ${base64encode(\"1\")} | base64 -d"'.replace('\\"', '"'),
        r'"echo ${base64encode(\"1\")} | base64 -d > /dev/null"'.replace('\\"', '"'),
        r'"echo > /dev/null 2>&1"',
        r'"# echo ${base64encode(\"1\")} | base64 -d > /opt/registry/x"'.replace('\\"', '"'),
        r'"echo \"echo x | base64 -d > /opt/registry/x\""',
        r'"crontab -l"',
        r'"if ! command -v docker >/dev/null 2>&1; then apt-get install docker.io; fi"',
    ],
)
def test_look_alikes_deploy_nothing(element: str, tmp_path: Path) -> None:
    """Comments, quoted commands, and output that goes nowhere."""
    assert only(tmp_path, element) == ()


@pytest.mark.parametrize(
    ("element", "lines"),
    [
        ("(crontab -l 2>/dev/null; echo '0 1 * * * a') | crontab -", {"root": ("0 1 * * * a",)}),
        ("{ crontab -l || true; echo '0 1 * * * a'; } | crontab -", {"root": ("0 1 * * * a",)}),
        ("crontab -l | { cat; echo '0 1 * * * a'; } | crontab -", {"root": ("0 1 * * * a",)}),
        ("echo '0 1 * * * a # %h' | crontab -u joe -", {"joe": ("0 1 * * * a # %h",)}),
        ("printf '%s\\\\n' MAILTO=x '@daily a' | crontab -", {"root": ("MAILTO=x", "@daily a")}),
        ("(echo '0 1 * * * a'; echo '0 1 * * * a') | crontab -", {"root": ("0 1 * * * a",)}),
        ("(crontab -l | grep -vF 'a.b'; echo '0 1 * * * a.b') | sudo crontab -", {"root": ("0 1 * * * a.b",)}),
    ],
)
def test_crontabs(element: str, lines: dict[str, tuple[str, ...]], tmp_path: Path) -> None:
    """The ways in which lists install lines; each line once, for the user that is named."""
    write(tmp_path, small_repository(f'"{element}"', f'"{element}"'))
    found = manifest(tmp_path)
    assert (found.crontab, found.unmanaged, found.first_boot) == (lines, (), ())


@pytest.mark.parametrize(
    ("element", "reason"),
    [
        ('"crontab /tmp/x"', "crontab in a form that is not read"),
        ('"crontab -r"', "crontab in a form that is not read"),
        (
            "\"(crontab -l | sed s/a/b/; echo '0 1 * * * a') | crontab -\"",
            "a crontab that is put together in another way",
        ),
        (
            "\"(crontab -l; echo '${var.a} * * * a') | crontab -\"",
            "a crontab line with a variable in it: '${var.a} * * * a'",
        ),
        ('"(crontab -l; echo 0 1 \\"$X\\") | crontab -"', "a crontab that is put together in another way"),
        ('"echo \\"0 1 * * * $X\\" | crontab -"', 'a crontab line with a variable in it: "0 1 * * * $X"'),
        (
            "\"echo '0 1 * * * a\\\\nb' | crontab -\"",
            "a crontab line with an escape that shells read differently: '0 1 * * * a\\nb'",
        ),
        (
            "\"true; test -e /x && echo '0 1 * * * a' | crontab -\"",
            "crontab lines are installed only when `test -e /x` succeeds",
        ),
        ("var.command", "the expression var.command cannot be read: var.command"),
        ('file("setup.sh")', 'the function file() cannot be read: file("setup.sh")'),
        ('["sh", "-c", "true"]', 'a list cannot be read: ["sh", "-c", "true"]'),
        ('"%{ if true }a%{ endif }"', ""),
        ('format("%[1]s", "a")', 'format() with %[1]s cannot be read: format("%[1]s", "a")'),
        ('format("%s %s", "a")', 'format() with %s and no value for it cannot be read: format("%s %s", "a")'),
        ('"mkdir -p /opt/{a,b}"', "a directory: the path '/opt/{a,b}' has characters that a shell would read"),
        ('"mkdir -m 700 /opt/a"', "mkdir -m"),
        ('"test -d /a || mkdir /b"', "the directory /b is made only when `test -d /a` fails"),
        ('"umask 077"', "umask 077: modes are read for a umask of 022"),
        (
            '"for f in a b; do chmod +x $f; done"',
            "a compound command (for) cannot be read: for f in a b; do chmod +x $f; done",
        ),
        ('"mkdir \'/opt"', "a quote is opened and never closed cannot be read: mkdir '/opt"),
    ],
)
def test_nothing_is_dropped_silently(element: str, reason: str, tmp_path: Path) -> None:
    """What may have to do with files and cannot be read is named with its line."""
    found = only(tmp_path, element)
    if not reason:
        assert found == ()
        return
    assert found == Unmanaged("", "main.tf:6", (), reason)


def test_lists_that_are_put_together(tmp_path: Path) -> None:
    """concat(), flatten() and compact() are looked into; what is no list is named; other elements are still read."""
    files = small_repository('"mkdir /a"')
    files["main.tf"] = (
        files["main.tf"]
        .replace(
            "cmds = [",
            'cmds = flatten([["mkdir /b", format("mkdir /c")], compact(concat(var.more, [for d in [] : d], [',
        )
        .replace("\n  ]\n", "\n  ]))])\n")
    )
    settings = '[paths]\nterraform = "main.tf"\nprovision_list = "module.m.cmds"\n'
    write(tmp_path, {**files, "codemod.toml": f"version = 1\n{settings}"})
    found = manifest(tmp_path)
    assert found.directories == ("/b", "/c", "/opt/registry/data", "/a")
    assert [one.reason.partition(" cannot")[0] for one in found.unmanaged] == [
        "the expression var.more in place of a list",
        "the expression [for d in [] : d] in place of a list",
    ]


def test_first_boot_commands_show_no_values(tmp_path: Path) -> None:
    """They are shown as they are written, with their line; a sequence command by command."""
    elements = ['"apt-get  update && mkdir /a; curl -H ${var.token} http://x | sh"', 'format("id %s", local.a)']
    write(tmp_path, small_repository(*elements, before='variable "token" { default = "hunter2" }'))
    found = manifest(tmp_path)
    assert found.first_boot == (
        FirstBootOnly("apt-get update", 6),
        FirstBootOnly("curl -H ${var.token} http://x | sh", 6),
        FirstBootOnly("id local.a", 7),
    )
    assert found.directories == ("/opt/registry/data", "/a")


def test_findings(tmp_path: Path) -> None:
    """Files that nobody uses, mounts of what nobody deploys, lists for none or several machines."""
    used = ["script", "unit", "cron", "relative", "data/in", "command"]
    elements = [deployed('"1"', f"/opt/registry/{name}") for name in (*used, "unused", "nginx_registry.conf")]
    elements += [
        deployed('"#!/bin/sh\\n. /opt/registry/script\\n./relative\\n# not relative/unused\\n"', "/usr/local/bin/run"),
        deployed('"ExecStart=/opt/registry/unit"', "/etc/systemd/system/x.service"),
        "\"(crontab -l; echo '@daily /opt/registry/cron -x') | crontab -\"",
        '"sh /opt/registry/command"',
        '"echo x > /opt/registry/other"',
    ]
    files = small_repository(*elements)
    files["main.tf"] = files["main.tf"].replace("  cmds", "  count = var.n\n  cmds")
    mounts = [
        "./nginx.conf:/etc/nginx/nginx.conf:ro",
        "/mnt/none:/x",
        "/etc/localtime:/etc/localtime",
        "named:/y",
        "/opt/registry/other:/z",
        "${DIR}/a:/a",
    ]
    files["c.yml"] += "".join(
        f'  s{number}: {{image: a, volumes: ["{mount}"]}}\n' for number, mount in enumerate(mounts)
    )
    write(tmp_path, files)
    found = manifest(tmp_path)
    message = "is deployed, but no service mounts it and nothing else names it"
    assert found.findings == (
        ManifestFinding("main.tf", 3, "count is var.n: the manifest is that of one VM, there may be none or several"),
        ManifestFinding("main.tf", 13, f"/opt/registry/unused {message}"),
        ManifestFinding("main.tf", 14, f"/opt/registry/nginx_registry.conf {message}"),
        ManifestFinding(
            "c.yml", 5, "s0 mounts /opt/registry/nginx.conf, which no command that can be read writes or makes"
        ),
        ManifestFinding("c.yml", 6, "s1 mounts /mnt/none, which no command that can be read writes or makes"),
    )


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"main.tf": ""},
            "no Terraform list deploys c.yml: set paths.terraform and paths.provision_list in codemod.toml",
        ),
        ({"c.yml": ""}, "no compose file that runs a registry: set paths.compose in codemod.toml"),
        (
            {"codemod.toml": 'version = 1\n[paths]\nterraform = "main.tf"\nprovision_list = "module.n.cmds"\n'},
            "main.tf has no module.n.cmds: set paths.provision_list in codemod.toml",
        ),
        (
            {"main.tf": small_repository('"rm -rf /opt/registry/c.yml"')["main.tf"]},
            "c.yml cannot be deployed to /opt/registry/c.yml: `rm` alters it, main.tf:6",
        ),
    ],
)
def test_without_a_stack_there_is_no_manifest(files: dict[str, str], message: str, tmp_path: Path) -> None:
    """The error says what is missing, and where to say it."""
    write(tmp_path, {**small_repository(), **files})
    with pytest.raises(CodemodError) as caught:
        manifest(tmp_path)
    assert str(caught.value) == message


def test_working_tree_counts(tmp_path: Path) -> None:
    """Contents are those of the files as they are now, not of the last commit."""
    write(tmp_path, small_repository(deployed('file("x")'), x="old"))
    commit_all(tmp_path)
    (tmp_path / "x").write_text("new")
    assert manifest(tmp_path).files[1].content == b"new"
