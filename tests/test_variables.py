"""Where the values of variables come from, which of them are secrets, and what no value is taken for."""

from __future__ import annotations

from pathlib import Path

import pytest

from codemods.errors import CodemodError, SettingsError
from codemods.provisioning.literals import Unknown
from codemods.provisioning.variables import LOCKED, Known, Values, Variables
from codemods.repository import Document, Repository
from tests.command import write

DECLARED = """\
variable "text" { type = string }
variable "number" { type = number }
variable "flag" {
  type    = bool
  default = false
}
variable "any" {}
variable "names" { type = list(string) }
variable "nothing" { default = null }
variable "password" {
  type      = string
  sensitive = true
}
variable "checked" {
  default = "fine"
  validation {
    condition     = true
    error_message = "no"
  }
}
locals { site = "here" }
"""


def variables(root: Path, *given: str, secrets: Path | None = None, **environment: str) -> Variables:
    """The variables of the module in `root/stack`."""
    if not (root / "stack").exists():
        write(root, {"stack/variables.tf": DECLARED})
    repository = Repository(root)

    def read(path: str) -> Document:
        return repository.read(path)

    return Variables(repository, read, "stack/main.tf", Values.from_options(given, secrets, environment))


def secrets_file(root: Path, text: str, mode: int = 0o600) -> Path:
    path = root / "secrets.tfvars"
    path.write_text(text)
    path.chmod(mode)
    return path


def refusal(found: Variables, name: str) -> str:
    with pytest.raises(Unknown) as caught:
        found.variable(name)
    return str(caught.value)


def test_order_of_sources(tmp_path: Path) -> None:
    """--var, the secrets file, the last *.auto.tfvars, terraform.tfvars, TF_VAR_, the default: the first one counts."""
    tfvars = {"stack/a.auto.tfvars": 'text = "a"\n', "stack/b.auto.tfvars.json": '{"text": "b"}'}
    write(tmp_path, {"stack/variables.tf": DECLARED})
    assert variables(tmp_path, TF_VAR_text="e").variable("text").text == "e"
    write(tmp_path, {"stack/terraform.tfvars": 'text = "t"\nflag = true\n'})
    assert variables(tmp_path, TF_VAR_text="e").variable("text").text == "t"
    assert variables(tmp_path).variable("flag").text == "true"
    write(tmp_path, {**tfvars, "stack/terraform.tfvars.json": '{"flag": false, "number": 5.0}'})
    assert variables(tmp_path).variable("text").text == "b"
    assert variables(tmp_path).variable("flag").text == "false"
    assert variables(tmp_path).variable("number").text == "5"
    secrets = secrets_file(tmp_path, 'text = "s"\n')
    assert variables(tmp_path, secrets=secrets, TF_VAR_text="e").variable("text").text == "s"
    assert variables(tmp_path, "text=v=w", secrets=secrets, TF_VAR_text="e").variable("text").text == "v=w"
    assert variables(tmp_path).variable("checked").text == "fine"


def test_files_that_terraform_does_not_read_count_for_nothing(tmp_path: Path) -> None:
    """Only terraform.tfvars and *.auto.tfvars beside the Terraform file are read, no other tfvars."""
    write(
        tmp_path, {"stack/variables.tf": DECLARED, "stack/other.tfvars": 'text = "o"', "terraform.tfvars": 'text = ""'}
    )
    assert refusal(variables(tmp_path), "text") == "needs value text"


@pytest.mark.parametrize(
    ("name", "given", "text"),
    [
        ("text", "007", "007"),
        ("text", "$(rm -rf /); 'a' \"b\"\n${x}", "$(rm -rf /); 'a' \"b\"\n${x}"),
        ("number", "05.50", "5.5"),
        ("number", "-12", "-12"),
        ("flag", "1", "true"),
        ("flag", "0", "false"),
        ("any", "007", "007"),
    ],
)
def test_values_take_the_type_of_their_variable(tmp_path: Path, name: str, given: str, text: str) -> None:
    """Texts stay as they are; numbers and bools become what Terraform writes for them."""
    assert variables(tmp_path, f"{name}={given}").variable(name) == Known(text)
    environment = {f"TF_VAR_{name}": given}
    assert variables(tmp_path, secrets=None, **environment).variable(name) == Known(text)


@pytest.mark.parametrize(
    ("name", "given", "reason"),
    [
        ("number", "0x1F", "var.number is no number"),
        ("number", "1e9", "var.number is no number"),
        ("flag", "yes", "var.flag is no bool"),
        ("names", '["a"]', "var.names is a list(string), which no file can hold"),
    ],
)
def test_values_of_another_type_are_refused(tmp_path: Path, name: str, given: str, reason: str) -> None:
    """The reason names the variable and its type, not the value."""
    assert refusal(variables(tmp_path, f"{name}={given}"), name) == reason


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    """Variables without a value, null, and names that are not declared."""
    found = variables(tmp_path)
    assert refusal(found, "text") == "needs value text"
    assert refusal(found, "nothing") == "var.nothing is null"
    assert refusal(found, "other") == "var.other is not declared in stack"
    with pytest.raises(Unknown) as caught:
        found.variable("password")
    assert caught.value.needs == ("password",)


def test_secrets_are_told_apart(tmp_path: Path) -> None:
    """Values of sensitive variables are secrets, wherever they come from, and so is all of the secrets file."""
    found = variables(tmp_path, TF_VAR_password="hunter2", TF_VAR_text="open")
    assert found.variable("password") == Known("hunter2", ("hunter2",))
    assert found.variable("text") == Known("open")
    found = variables(tmp_path, secrets=secrets_file(tmp_path, 'text = "closed"\npassword = <<E\ntwo\nlines\nE\n'))
    assert found.variable("text") == Known("closed", ("closed",))
    assert found.variable("password").secrets == ("two\nlines\n",)
    assert "hunter2" not in repr(
        (Known("hunter2", ("hunter2",)), Values({"a": "hunter2"}, None, {"TF_VAR_a": "hunter2"}))
    )


def test_wrong_assignments(tmp_path: Path) -> None:
    """--var refuses sensitive variables, unknown names, and what is no assignment; no value is repeated."""
    for given, message in {
        "password=hunter2": "--var password: Terraform marks it sensitive, and a command line can be seen by others; "
        "give it in a secrets file or in TF_VAR_password",
        "txet=hunter2": "--var: there is no Terraform variable txet: did you mean text?",
        "zzz=hunter2": "--var: there is no Terraform variable zzz: declare it in stack",
        "hunter2": "--var takes NAME=VALUE, with the name of a Terraform variable",
        "a b=hunter2": "--var takes NAME=VALUE, with the name of a Terraform variable",
    }.items():
        with pytest.raises(SettingsError) as caught:
            variables(tmp_path, given)
        assert str(caught.value) == message


def test_wrong_secrets_files(tmp_path: Path) -> None:
    """A secrets file that others can read, that is no HCL, or that names no variable is refused; no text is quoted."""
    path = secrets_file(tmp_path, 'password = "hunter2"\n', 0o640)
    for text, mode, message in [
        ('password = "hunter2"\n', 0o640, f"{path} holds secrets and others may read it: chmod 600 {path}"),
        ('\npassword = hunter2"\n', 0o600, f"{path} is not valid HCL, line 2: write NAME = VALUE"),
        ('pasword = "hunter2"\n', 0o600, f"{path}: there is no Terraform variable pasword: did you mean password?"),
    ]:
        with pytest.raises(CodemodError) as caught:
            variables(tmp_path, secrets=secrets_file(tmp_path, text, mode))
        assert str(caught.value) == message
    with pytest.raises(CodemodError, match="cannot be read: No such file"):
        variables(tmp_path, secrets=tmp_path / "none")


def test_locked_and_broken_files_of_values(tmp_path: Path) -> None:
    """A file that cannot be read leaves unknown what it may hold, by name; what counts more is still known."""
    write(tmp_path, {"stack/variables.tf": DECLARED, "stack/terraform.tfvars": 'text = "t"\n'})
    (tmp_path / "stack/z.auto.tfvars").write_bytes(LOCKED + b"\x01\x02")
    found = variables(tmp_path, "any=a")
    locked = "stack/z.auto.tfvars is locked by git-crypt: run `git-crypt unlock`"
    assert refusal(found, "text") == f"needs value text: {locked}"
    assert refusal(found, "checked") == f"needs value checked: {locked}"
    assert found.variable("any") == Known("a")
    (tmp_path / "stack/z.auto.tfvars").write_text('text = "hunter2\n')
    assert refusal(variables(tmp_path), "text").endswith("z.auto.tfvars is not valid HCL, line 1: write NAME = VALUE")
    (tmp_path / "stack/z.auto.tfvars").unlink()
    (tmp_path / "stack/z.auto.tfvars").symlink_to("/etc/hostname")
    assert refusal(variables(tmp_path), "text").endswith("cannot be read: a symlink that leaves the repository")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('text = "${var.any}"', "var.text has a template in it"),
        ('text = upper("a")', "var.text is no text, plain number or bool"),
        ('text = ["a"]', "var.text is no text, plain number or bool"),
        ("text = null", "var.text is null"),
    ],
)
def test_values_that_are_not_written_out(tmp_path: Path, text: str, reason: str) -> None:
    """A file of values has literals only."""
    write(tmp_path, {"stack/variables.tf": DECLARED, "stack/terraform.tfvars": f"{text}\n"})
    assert refusal(variables(tmp_path), "text") == reason


def test_overriding_files_come_last(tmp_path: Path) -> None:
    """`override.tf` changes the parts of a declaration that it names, and only those."""
    override = 'variable "password" { default = "given" }\nlocals { site = "there" }\n'
    write(tmp_path, {"stack/variables.tf": DECLARED, "stack/a_override.tf": override})
    found = variables(tmp_path)
    assert found.variable("password") == Known("given", ("given",))
    file, value = found.local("site")
    assert file.text[value.start : value.end] == '"there"'


def test_unread_terraform_files_are_named(tmp_path: Path) -> None:
    """A declaration may stand in a file that cannot be read: the reason says so."""
    write(tmp_path, {"stack/variables.tf": DECLARED, "stack/broken.tf": "variable {{{"})
    assert "; unread: stack/broken.tf (not valid HCL" in refusal(variables(tmp_path), "other")


def test_called_modules_take_nothing_from_the_environment(tmp_path: Path) -> None:
    """What the calling module sets is not guessed; defaults and --var still count, TF_VAR_ and tfvars do not."""
    call = 'module "m" {\n  source = "../stack"\n  text = "theirs"\n}\nmodule "n" { source = "./stack" }\n'
    tfvars = {"stack/terraform.tfvars": 'text = "t"\n'}
    write(tmp_path, {"stack/variables.tf": DECLARED, "root/main.tf": call, **tfvars})
    found = variables(tmp_path, TF_VAR_text="e", TF_VAR_any="e")
    assert refusal(found, "text") == "var.text is set by root/main.tf, which calls this module"
    assert refusal(found, "any") == "needs value any"
    assert found.variable("checked").text == "fine"
    assert variables(tmp_path, "text=v").variable("text").text == "v"
