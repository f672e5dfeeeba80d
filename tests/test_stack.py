"""Which files are what: found in the repository, or set, or an error that says which candidates there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from codemods.cli.session import open_with
from codemods.errors import SettingsError
from codemods.facts.privileged import read_privileged
from codemods.settings import load_settings
from tests.command import ROOT, codemod, commit_all, write

if TYPE_CHECKING:
    from pathlib import Path

    from codemods.stack import Stack

COMPOSE = """\
services:
  registry-ghcr:
    image: registry:2
    volumes:
      - /opt/registry/data/ghcr:/var/lib/registry
      - /opt/registry/config-ghcr.yml:/etc/docker/registry/config.yml:ro
  nginx:
    image: nginx:alpine
    volumes:
      - /opt/registry/nginx.conf:/etc/nginx/nginx.conf:ro
"""
NGINX = "events {}\nhttp { server { location / { proxy_pass http://ghcr; } } }\n"
CLEANUP = "import shutil\nbase = 'repositories'\ntags = []\nshutil.rmtree(base)\n"
PIPELINE = "steps: []\n"
PLUGINS = "env:\n  WOODPECKER_PLUGINS_PRIVILEGED: {}\n"


def deploy(source: str, destination: str) -> str:
    return (
        f'    format("echo %s | base64 -d > {destination}",\n'
        f'      base64encode(file("${{path.root}}/../../{source}"))\n    ),\n'
    )


def terraform(*deployments: str, module: str = "template", attribute: str = "provision_cmds") -> str:
    return f'module "{module}" {{\n  {attribute} = [\n' + "".join(deployments) + "  ]\n}\n"


DIRECTORY = "modules/docker-registry"
TERRAFORM = terraform(
    deploy(f"{DIRECTORY}/docker-compose.yml", "/opt/registry/docker-compose.yml"),
    deploy(f"{DIRECTORY}/nginx_registry.conf", "/opt/registry/nginx.conf"),
    deploy(f"{DIRECTORY}/config-ghcr.yml", "/opt/registry/config-ghcr.yml"),
    deploy(f"{DIRECTORY}/cleanup-tags.sh", "/opt/registry/cleanup-tags.sh"),
)
WHOLE = {
    f"{DIRECTORY}/docker-compose.yml": COMPOSE,
    f"{DIRECTORY}/nginx_registry.conf": NGINX,
    f"{DIRECTORY}/config-ghcr.yml": "version: 0.1\n",
    f"{DIRECTORY}/cleanup-tags.sh": CLEANUP,
    "stacks/infra/main.tf": TERRAFORM,
    ".woodpecker/a.yml": PIPELINE,
    ".woodpecker/deep/b.yaml": PIPELINE,
}


def find(root: Path, files: dict[str, str] | None = None, *overrides: str) -> Stack:
    """The stack of a repository with these files."""
    write(root, files or {})
    return open_with(root, load_settings(root, overrides)).context.stack


def error(root: Path, files: dict[str, str], *overrides: str) -> str:
    """What the error says, which is one line."""
    with pytest.raises(SettingsError) as caught:
        find(root, files, *overrides)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_example() -> None:
    """Every role of the example is found, and nothing is left to say."""
    root = ROOT / "examples" / "infra"
    stack = find(root)
    assert stack.compose == f"{DIRECTORY}/docker-compose.yml"
    assert stack.nginx == f"{DIRECTORY}/nginx_registry.conf"
    assert (stack.terraform, stack.provision_list) == (
        "stacks/infra/main.tf",
        "module.docker-registry-template.provision_cmds",
    )
    assert stack.configs == DIRECTORY
    assert stack.cleanup == f"{DIRECTORY}/cleanup-tags.sh"
    assert stack.directory == "/opt/registry"
    assert stack.plugins_privileged == "woodpeckerci/plugin-docker-buildx,plugins/docker"
    assert stack.plugins_privileged_at.startswith("stacks/woodpecker/values.yaml:")
    assert stack.notes == ()


def test_the_collector_lies_beside_the_cleanup_script(tmp_path: Path) -> None:
    """It removes tags as well, and is not taken for the cleanup script; without Terraform there is none."""
    collector = f"{DIRECTORY}/collect-garbage.py"
    stack = find(tmp_path, {**WHOLE, collector: CLEANUP})
    assert (stack.cleanup, stack.collector) == (f"{DIRECTORY}/cleanup-tags.sh", collector)
    (tmp_path / "stacks/infra/main.tf").unlink()
    assert find(tmp_path).collector is None


def test_no_compose(tmp_path: Path) -> None:
    """Without a compose file that runs a registry only pipelines are left, and it is said."""
    stack = find(tmp_path, {".woodpecker.yml": PIPELINE, "docker-compose.yml": "services:\n  web:\n    image: nginx\n"})
    assert (stack.compose, stack.nginx, stack.terraform, stack.configs, stack.cleanup) == (None,) * 5
    assert stack.pipelines == (".woodpecker.yml",)
    assert stack.notes == ("no compose file that runs a registry: the recipe is applied to pipelines only",)


def test_paths_without_compose_are_not_ignored_in_silence(tmp_path: Path) -> None:
    """A path that is set and cannot be used, for want of a compose file, is said."""
    stack = find(tmp_path, {"nginx.conf": NGINX}, "paths.nginx=nginx.conf")
    assert stack.notes[0].endswith("paths.nginx cannot be used without it")


def test_an_empty_repository(tmp_path: Path) -> None:
    """Nothing is found, and nothing fails."""
    stack = find(tmp_path)
    assert stack.pipelines == ()
    assert len(stack.notes) == 1


def test_two_compose_files(tmp_path: Path) -> None:
    """Two files that run registries are an error that lists both; setting one of them decides."""
    files = {"a/docker-compose.yml": COMPOSE, "b/compose.yaml": COMPOSE}
    message = error(tmp_path, files)
    assert message.startswith("2 candidates for paths.compose: a/docker-compose.yml, b/compose.yaml;")
    assert "--set paths.compose=…" in message
    assert find(tmp_path, {}, "paths.compose=b/compose.yaml").compose == "b/compose.yaml"
    assert find(tmp_path, {}, "exclude=a").compose == "b/compose.yaml"
    run = codemod(tmp_path, "--set", "registry.hostname=r.lan", "apply-caching")
    assert (run.code, run.out, run.err.count("\n")) == (2, "", 1)


def test_many_compose_files(tmp_path: Path) -> None:
    """Only the first few of many candidates are listed."""
    message = error(tmp_path, {f"{name}/compose.yml": COMPOSE for name in "abcdefgh"})
    assert message.startswith("8 candidates for paths.compose: a/compose.yml, ")
    assert "e/compose.yml and 3 more;" in message


@pytest.mark.parametrize("name", ["docker-compose.yml", "compose.yaml", "stack/registry.yaml"])
def test_compose_by_content(tmp_path: Path, name: str) -> None:
    """Compose is found by what it runs, whatever its name and suffix."""
    assert find(tmp_path, {name: COMPOSE}).compose == name


@pytest.mark.parametrize(
    "text",
    [
        "services:\n  - image: registry:2\n",
        "jobs:\n  x:\n    services:\n      r:\n        image: registry:2\n",
        "services:\n  r:\n    image: example.org/my-registry:2\n",
        "services:\n  ui:\n    image: joxit/docker-registry-ui\n",
        "# services:\n#   image: registry:2\n",
        "services:\n  r:\n    # image: registry:2\n    image: nginx\n",
    ],
)
def test_not_compose(tmp_path: Path, text: str) -> None:
    """Pipelines of other systems, other images and comments run no registry."""
    assert find(tmp_path, {"docker-compose.yml": text}).compose is None


def test_a_pipeline_with_a_registry_service_is_no_compose_file(tmp_path: Path) -> None:
    """What the globs call a pipeline is one."""
    stack = find(tmp_path, {".woodpecker/test.yml": COMPOSE})
    assert (stack.compose, stack.pipelines) == (None, (".woodpecker/test.yml",))


def test_broken_compose(tmp_path: Path) -> None:
    """A compose file that cannot be parsed keeps its role, so that it is refused by name and not left out."""
    for text in (COMPOSE + "  x: [\n", COMPOSE + "\0", "\0"):
        assert find(tmp_path, {"docker-compose.yml": text}).compose == "docker-compose.yml"
    (tmp_path / "docker-compose.yml").write_bytes(COMPOSE.encode() + b"# \xff\n")
    assert find(tmp_path).compose == "docker-compose.yml"
    (tmp_path / "docker-compose.yml").unlink()
    (tmp_path / "docker-compose.yml").symlink_to("/etc/hostname")
    assert find(tmp_path).compose == "docker-compose.yml"
    assert find(tmp_path, {"good/compose.yml": COMPOSE}).compose == "good/compose.yml"


def test_symlinks_are_no_second_candidate(tmp_path: Path) -> None:
    """A symlink to a compose file or pipeline is the same file, not another one."""
    write(tmp_path, {"real/docker-compose.yml": COMPOSE, ".woodpecker/a.yml": PIPELINE})
    (tmp_path / "docker-compose.yml").symlink_to("real/docker-compose.yml")
    (tmp_path / ".woodpecker/b.yml").symlink_to("a.yml")
    stack = find(tmp_path)
    assert (stack.compose, stack.pipelines) == ("real/docker-compose.yml", (".woodpecker/a.yml",))


def test_no_terraform(tmp_path: Path) -> None:
    """Without Terraform the directories of the mounts are taken from compose, and nginx.conf from beside it."""
    stack = find(tmp_path, {path: text for path, text in WHOLE.items() if not path.endswith(".tf")})
    assert (stack.terraform, stack.provision_list) == (None, "")
    assert stack.nginx == f"{DIRECTORY}/nginx_registry.conf"
    assert (stack.configs, stack.directory) == (DIRECTORY, "/opt/registry")
    assert stack.cleanup == f"{DIRECTORY}/cleanup-tags.sh"
    (note,) = stack.notes
    assert note.startswith(f"no Terraform provisioning found for {DIRECTORY}/docker-compose.yml")


def test_no_nginx(tmp_path: Path) -> None:
    """A stack without nginx is told so."""
    stack = find(tmp_path, {"compose.yml": COMPOSE.partition("  nginx:")[0], "web.conf": NGINX})
    assert stack.nginx is None
    assert any(note.startswith("no nginx configuration found for compose.yml") for note in stack.notes)


def test_nginx_configuration_by_a_relative_mount(tmp_path: Path) -> None:
    """`./nginx.conf` lies beside compose, `../x.conf` where it says; neither needs Terraform."""
    for mount, path in (("./nginx.conf", "deep/stack/nginx.conf"), ("../conf/front.conf", "deep/conf/front.conf")):
        compose = COMPOSE.replace("/opt/registry/nginx.conf", mount)
        stack = find(tmp_path, {"deep/stack/compose.yml": compose, path: NGINX, "deep/stack/other.conf": NGINX})
        assert stack.nginx == path


def test_nginx_configuration_under_another_name(tmp_path: Path) -> None:
    """What Terraform deploys to the mounted path is nginx.conf, whatever its own name and directory."""
    files = {**WHOLE, "front/proxy.cfg": NGINX}
    text = TERRAFORM.replace(f"{DIRECTORY}/nginx_registry.conf", "front/proxy.cfg")
    assert find(tmp_path, {**files, "stacks/infra/main.tf": text}).nginx == "front/proxy.cfg"


def test_two_nginx_configurations(tmp_path: Path) -> None:
    """Two files beside compose that could be mounted are an error that names both."""
    message = error(tmp_path, {"compose.yml": COMPOSE, "a.conf": NGINX, "b.conf": NGINX, "c.conf": "user nginx;\n"})
    assert message.startswith("2 candidates for paths.nginx: a.conf, b.conf;")


def test_configs_elsewhere(tmp_path: Path) -> None:
    """The directory of the configurations is where the deployed ones come from, not where compose is."""
    text = TERRAFORM.replace(f"{DIRECTORY}/config-ghcr.yml", "registries/config-ghcr.yml")
    files = {**WHOLE, "registries/config-ghcr.yml": "version: 0.1\n", "stacks/infra/main.tf": text}
    assert find(tmp_path, files).configs == "registries"


def test_stack_at_the_root(tmp_path: Path) -> None:
    """A stack in the repository's root works like any other: its configuration is created there."""
    compose = COMPOSE.replace("/opt/registry/config-ghcr.yml", "./config-ghcr.yml").replace(
        "/opt/registry/nginx.conf", "./nginx.conf"
    )
    text = TERRAFORM.replace(f"{DIRECTORY}/", "").replace("../../", "")
    files = {"docker-compose.yml": compose, "nginx.conf": NGINX, "config-ghcr.yml": "version: 0.1\n", "main.tf": text}
    stack = find(tmp_path, files)
    assert (stack.compose, stack.nginx, stack.configs, stack.terraform) == (
        "docker-compose.yml",
        "nginx.conf",
        ".",
        "main.tf",
    )
    rule = "registry-add-private-config"
    run = codemod(tmp_path, "apply-caching", "--set", "registry.hostname=r.lan", "--only", rule)
    assert run.code == 0, run.err
    assert (tmp_path / "config-private.yml").is_file()


def test_paths_that_are_set(tmp_path: Path) -> None:
    """Set paths win over found ones, also where what was found is ambiguous."""
    files = {
        **WHOLE,
        "other/stack.yml": COMPOSE,
        "other/front.conf": NGINX,
        "other/prune.py": CLEANUP,
        "other/main.tf": TERRAFORM,
        "ci/x.yml": PIPELINE,
        "configs/x": "",
    }
    stack = find(
        tmp_path,
        files,
        "paths.compose=other/stack.yml",
        "paths.nginx=./other/front.conf",
        "paths.terraform=other/main.tf",
        "paths.configs=configs",
        "paths.cleanup=other/prune.py",
        "paths.pipelines=ci/*.yml",
        "vm.directory=/srv/registry",
    )
    assert (stack.compose, stack.nginx, stack.terraform) == ("other/stack.yml", "other/front.conf", "other/main.tf")
    assert (stack.configs, stack.cleanup, stack.pipelines) == ("configs", "other/prune.py", ("ci/x.yml",))
    assert (stack.directory, stack.provision_list) == ("/srv/registry", "module.template.provision_cmds")
    assert find(tmp_path, {}, "paths.compose=other/stack.yml", "paths.configs=.").configs == "."


@pytest.mark.parametrize("key", ["compose", "nginx", "terraform", "configs", "cleanup"])
def test_paths_that_lead_nowhere(tmp_path: Path, key: str) -> None:
    """A set path must exist, whether or not there is a stack."""
    assert error(tmp_path, {}, f"paths.{key}=none").startswith(f"paths.{key} is none: there is nothing of that name")
    assert "paths." in error(tmp_path, WHOLE, f"paths.{key}=none")


def test_provisioning_in_two_files(tmp_path: Path) -> None:
    """Two Terraform files that deploy the compose file are an error that names both."""
    message = error(tmp_path, {**WHOLE, "stacks/old/main.tf": TERRAFORM})
    assert message.startswith("2 candidates for paths.terraform: stacks/infra/main.tf, stacks/old/main.tf;")


def test_two_lists_in_one_file(tmp_path: Path) -> None:
    """Two lists that deploy compose are an error that names the lists; a list for another machine is none of them."""
    other = terraform(deploy("web/site.conf", "/etc/site.conf"), module="web")
    stack = find(tmp_path, {**WHOLE, "stacks/infra/main.tf": other + TERRAFORM})
    assert stack.provision_list == "module.template.provision_cmds"
    stack = find(tmp_path, {}, "paths.terraform=stacks/infra/main.tf")
    assert stack.provision_list == "module.template.provision_cmds"
    twice = TERRAFORM + TERRAFORM.replace("template", "second")
    message = error(tmp_path, {"stacks/infra/main.tf": twice})
    assert message.startswith(
        "2 candidates for paths.provision_list: module.second.provision_cmds, module.template.provision_cmds;"
    )
    stack = find(tmp_path, {}, "paths.provision_list=module.second.provision_cmds")
    assert stack.provision_list == "module.second.provision_cmds"


def test_a_list_that_is_nowhere(tmp_path: Path) -> None:
    """A set list must be there."""
    message = error(tmp_path, WHOLE, "paths.provision_list=module.template.provision_cmd")
    assert message.startswith("paths.provision_list is module.template.provision_cmd: no Terraform file has that list")


def test_a_list_that_deploys_no_compose_file(tmp_path: Path) -> None:
    """A list that is set is taken as it is, even if the compose file comes to the machine by other means."""
    text = terraform(deploy(f"{DIRECTORY}/nginx_registry.conf", "/opt/registry/nginx.conf"))
    files = {**WHOLE, "stacks/infra/main.tf": text}
    assert find(tmp_path, files).terraform is None
    stack = find(tmp_path, {}, "paths.provision_list=module.template.provision_cmds")
    assert stack.terraform == "stacks/infra/main.tf"
    assert find(tmp_path, {}, "paths.terraform=stacks/infra/main.tf").provision_list == "module.template.provision_cmds"


def test_broken_terraform(tmp_path: Path) -> None:
    """A broken file that may hold the provisioning keeps the role; one beside the real one is a note."""
    stack = find(tmp_path, {**WHOLE, "stacks/infra/main.tf": TERRAFORM + "x {\n"})
    assert (stack.terraform, stack.provision_list) == ("stacks/infra/main.tf", "")
    stack = find(tmp_path, {"stacks/infra/main.tf": TERRAFORM, "old.tf": TERRAFORM + "x {\n"})
    assert stack.terraform == "stacks/infra/main.tf"
    assert stack.notes[0].startswith("old.tf was not searched for provisioning: ")
    assert find(tmp_path, {"old.tf": "# about docker-compose.yml\nx {\n"}).notes == ()


def test_directory_on_the_machine(tmp_path: Path) -> None:
    """Where Terraform puts compose is where the stack lives; else where its data lies."""
    assert find(tmp_path, {"compose.yml": COMPOSE.replace("/opt/registry", "/srv/r")}).directory == "/srv/r"
    text = TERRAFORM.replace("/opt/registry/docker-compose.yml", "/etc/stack/docker-compose.yml")
    other = tmp_path / "other"
    assert find(other, {**WHOLE, "stacks/infra/main.tf": text}).directory == "/etc/stack"


def test_one_list_of_privileged_plugins(tmp_path: Path) -> None:
    """The server's list is found wherever it stands, with its line; the same list twice is one."""
    files = {"a/values.yaml": "\n" + PLUGINS.format('"a/b,c/d"'), "b/.env": "WOODPECKER_PLUGINS_PRIVILEGED=a/b,c/d\n"}
    stack = find(tmp_path, files)
    assert (stack.plugins_privileged, stack.plugins_privileged_at) == ("a/b,c/d", "a/values.yaml:3")
    stack = find(tmp_path, {}, "woodpecker.plugins_privileged=x/y")
    assert (stack.plugins_privileged, stack.plugins_privileged_at) == ("x/y", "woodpecker.plugins_privileged")


def test_several_lists_of_privileged_plugins(tmp_path: Path) -> None:
    """Different lists are a note with all places, and none of them counts."""
    stack = find(tmp_path, {"a.yaml": PLUGINS.format("a/b"), "b.yml": PLUGINS.format("c/d")})
    assert stack.plugins_privileged is None
    assert stack.notes[0].startswith("several lists of privileged plugins (a.yaml:2, b.yml:2): set woodpecker.")


def test_a_list_of_privileged_plugins_that_is_a_variable(tmp_path: Path) -> None:
    """What is not written out is said, and does not count."""
    stack = find(tmp_path, {"a.tf": "x = {\n  WOODPECKER_PLUGINS_PRIVILEGED = var.plugins\n}\n"})
    assert stack.plugins_privileged is None
    assert stack.notes[0].startswith("a.tf:2: ")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('  WOODPECKER_PLUGINS_PRIVILEGED: "a/b,c/d"\n', [("a/b,c/d", 1)]),
        ("- WOODPECKER_PLUGINS_PRIVILEGED=a/b,c/d\n", [("a/b,c/d", 1)]),
        ('- "WOODPECKER_PLUGINS_PRIVILEGED=a/b:1.2,c/d"\n', [("a/b:1.2,c/d", 1)]),
        ("- name: WOODPECKER_ESCALATE\n  value: a/b\n", [("a/b", 2)]),
        ('name  = "WOODPECKER_ESCALATE"\nvalue = "a/b, c"\n', [("a/b, c", 2)]),
        ('{ name = "WOODPECKER_ESCALATE", value = "a/b" }\n', [("a/b", 1)]),
        ("WOODPECKER_ESCALATE: a/b, c/d # all\n", [("a/b, c/d", 1)]),
        ("WOODPECKER_ESCALATE=\n", [("", 1)]),
        ("WOODPECKER_ESCALATE: |\n  a\n", [(None, 1)]),
        ("WOODPECKER_ESCALATE: ${PLUGINS}\n", [(None, 1)]),
        ("WOODPECKER_ESCALATE = local.plugins\n", [(None, 1)]),
        ("# WOODPECKER_ESCALATE: a/b\n", []),
        ("// WOODPECKER_ESCALATE = a/b\n", []),
        ("see WOODPECKER_ESCALATE in the manual\n", []),
        ("WOODPECKER_ESCALATED: a/b\n", []),
    ],
)
def test_forms_of_privileged_lists(text: str, found: list[tuple[str | None, int]]) -> None:
    """Helm values, compose, Kubernetes, Terraform and env files; comments and prose are no list."""
    assert list(read_privileged(text)) == found


def test_suffixes_of_pipelines(tmp_path: Path) -> None:
    """Both suffixes count, at the root and at any depth below .woodpecker; look-alikes do not."""
    names = [".woodpecker.yml", ".woodpecker.yaml", ".woodpecker/a.yml", ".woodpecker/b/c/d.yaml"]
    others = [".woodpecker/readme.md", "woodpecker/a.yml", "x/.woodpecker.yml", ".woodpecker.yml.bak"]
    assert find(tmp_path, dict.fromkeys([*names, *others], PIPELINE)).pipelines == tuple(sorted(names))


def test_ignored_files_have_no_role(tmp_path: Path) -> None:
    """What git ignores is not looked at."""
    write(tmp_path, {**WHOLE, "build/docker-compose.yml": COMPOSE, ".gitignore": "build/\n"})
    commit_all(tmp_path)
    assert find(tmp_path).compose == f"{DIRECTORY}/docker-compose.yml"
