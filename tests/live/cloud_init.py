"""What cloud-init does on a new VM: the commands of the Terraform list, as Terraform renders them.

Read here a second time and in another way than by the tool, so that the two can be compared.
"""

from __future__ import annotations

import base64
import posixpath
import re
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

from codemods.formats.hcl import Call, HclFile, Heredoc, List, Object, String, Value, parse
from tests.command import codemod, commit_all, example

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

STACK = "stacks/infra/main.tf"
PROVISION_LIST = "module.docker-registry-template.provision_cmds"
SOURCE = "modules/docker-registry"

PASSWORD = "hub-Pa55word"
"""The value of the list's only variable; it is a secret."""
VARIABLES = {"dockerhub_password": PASSWORD}

SERVER = re.compile(r"    # --- .*\n\n    server \{\n(?:     .*\n|\n)*    \}\n\n?")
"""A server of the nginx file with its banner."""


def vm_repository(parent: Path, *, migrated: bool, small: bool = False) -> Path:
    """A git repository in `parent` with the example's stack in a form that runs without the internet.

    A pull-through registry ends when its upstream does not answer: without `proxy` the same files make plain ones.
    The password, which stood there, is the secret that signs uploads instead. Docker probes after 3 s, not 30.
    `small`: with two of the five, where many VMs share this host.
    """
    root = example(parent)
    source = root / SOURCE
    replace(source / "config-proxy.yaml.tpl", "proxy:\n  remoteurl: ${remote_url}\n", "")
    replace(source / "config-proxy.yaml.tpl", "registry-${name}\n", "registry-${name}\n    upstream: ${remote_url}\n")
    config = source / "config.yaml"
    config.write_text(config.read_text().partition("proxy:\n")[0])
    replace(config, "  addr: :5000\n", "  addr: :5000\n  secret: ${password}\n")
    replace(source / "docker-compose.yml", "interval: 30s", "interval: 3s")
    for name in ("quay", "k8s", "kyverno") if small else ():
        drop_registry(root, name)
    commit_all(root)
    if migrated:
        migrate(root)
    return root


def drop_registry(root: Path, name: str) -> None:
    """Take a pull-through registry out of the stack's files."""
    compose, nginx = root / SOURCE / "docker-compose.yml", root / SOURCE / "nginx_registry.conf"
    [server] = [block for block in SERVER.findall(nginx.read_text()) if f"http://{name};" in block]
    [port] = re.findall(r"listen (\d+);", server)
    replace(nginx, server, "")
    cut(nginx, rf"    upstream {name} \{{\n(?:     .*\n)*    \}}\n\n")
    cut(compose, rf"(?m)^  registry-{name}:\n(?:    .*\n)*\n")
    cut(compose, rf"      registry-{name}:\n        condition: .*\n")
    cut(compose, rf'      - "{port}:{port}"\n')
    cut(root / STACK, rf"    # Write [^\n]*\n    format\([^\n]*config-{name}\.yml.*\n.*\n    \),\n")
    cut(root / STACK, rf" /opt/registry/data/{name}\b")
    cut(root / STACK, rf'    "[^\n]* exec registry-{name} .*\n')
    cut(root / STACK, rf"  # {port} -> .*\n")


def migrate(root: Path, *options: str) -> None:
    """Run `codemod apply-caching` on a repository and commit the result."""
    done = codemod(root, "apply-caching", *options)
    assert done.code == 0, done.err
    commit_all(root)


def replace(file: Path, old: str, new: str) -> None:
    """Replace a text wherever it stands in a file, which must be somewhere."""
    text = file.read_text()
    assert old in text, f"{old!r} is not in {file}"
    file.write_text(text.replace(old, new))


def cut(file: Path, pattern: str) -> None:
    """Remove a text that must be in a file."""
    text, number = re.subn(pattern, "", file.read_text())
    assert number, f"{pattern!r} is not in {file}"
    file.write_text(text)


def commands(tree: Path, variables: Mapping[str, str] = VARIABLES) -> list[str]:
    """Every command of the list in its order, as the VM's shell gets it."""
    file = parse((tree / STACK).read_text())
    attribute = file.attribute(PROVISION_LIST)
    assert attribute and isinstance(attribute.value, List)
    terraform = Terraform(file, tree / posixpath.dirname(STACK), variables)
    return [terraform.value(element) for element in attribute.value.children]


@dataclass(frozen=True)
class Terraform:
    """The part of Terraform's language that the list is written in; paths start at `directory`."""

    file: HclFile
    directory: Path
    variables: Mapping[str, str]

    def value(self, value: Value) -> str:
        """What an expression says."""
        source = self.file.text[value.start : value.end]
        match value:
            case String():
                return unescape(source[1:-1])
            case Heredoc():
                marker, _, body = source.partition("\n")
                body = body[: body.rindex("\n") + 1]
                return textwrap.dedent(body) if marker.startswith("<<-") else body
            case Call():
                return self.call(value)
        assert source.startswith("var."), source
        return self.variables[source.removeprefix("var.")]

    def call(self, call: Call) -> str:
        """What a function call gives."""
        if call.name == "templatefile":
            path, values = call.children
            assert isinstance(values, Object)
            return render(
                self.read(path), {k: self.value(v) for k, v in zip(values.keys, values.children, strict=True)}
            )
        if call.name == "file":
            return self.read(call.children[0])
        first, *rest = map(self.value, call.children)
        if call.name == "base64encode":
            return base64.b64encode(first.encode()).decode()
        assert call.name == "format", call.name
        return first % tuple(rest)

    def read(self, path: Value) -> str:
        """The text of a file that the list names."""
        return (self.directory / self.value(path).replace("${path.root}/", "")).read_text()


def render(template: str, values: Mapping[str, str]) -> str:
    """A template with its `${name}` replaced."""
    return re.sub(r"(\$)?\$\{\s*(\w+)\s*\}", lambda m: m[0][1:] if m[1] else values[m[2]], template)


def unescape(source: str) -> str:
    """What stands between the quotes of a string."""
    characters = {"n": "\n", "t": "\t", "r": "\r"}
    return re.sub(r"\\(.)", lambda match: characters.get(match[1], match[1]), source)
