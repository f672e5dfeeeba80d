"""Templates and heredocs say what Terraform makes of them, or are refused by name."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codemods.provisioning.heredoc import parse_heredoc
from codemods.provisioning.template import MissingName, Reference, TemplateError, parse, render
from tests.soak import EXAMPLES

VALUES = {"x": "V", "name": "${x} $$ %{if}", "a-b": "two\nlines", "é": "accent"}
RENDERED = {
    "": "",
    "plain $ { } % $x %x $$ %%": "plain $ { } % $x %x $$ %%",
    "${x}": "V",
    "${ x }${\n\tx\n}": "VV",
    "<${name}>": "<${x} $$ %{if}>",
    "${a-b}, ${é}": "two\nlines, accent",
    "$${x} $$${x} $$$${x}": "${x} $${x} $$${x}",
    "%%{y} %%%{y}": "%{y} %%{y}",
    "a$%%{b %${x} $%%%{c": "a$%{b %V $%%{c",
    "$$ ${x}$${x}$": "$$ V${x}$",
    "\ufeff${x}\r\n\ufeff": "V\r\n\ufeff",
    'quotes " and \\ ${x}\\n': 'quotes " and \\ V\\n',
}
REFUSED = {
    "\n%{ if x }a%{ endif }": "the directive %{if}, line 2",
    "%{~ for a in b }": "the directive %{for}, line 1",
    "${~ x }": "the strip marker ~, line 1",
    "${ x ~}": "the strip marker ~, line 1",
    "${upper(x)}": "the function upper(), line 1",
    "${provider::a::b(x)}": "the function provider::a::b(), line 1",
    "${x[0]}": "the index of x[…], line 1",
    "${x.y[0]}": "the attribute x.y[0], line 1",
    "${x.y}": "the attribute x.y, line 1",
    '${"a"}': "a literal, line 1",
    "${5}": "a literal, line 1",
    "${true}": "an expression that is more than a name, line 1",
    "${x + 1}": "an expression that is more than a name, line 1",
    "a\nb\n${x ? 1 : 2}": "an expression that is more than a name, line 3",
    "${x /* why */}": "an expression that is more than a name, line 1",
    "${x": "an expression that is more than a name, line 1",
    "${}": "an empty ${}, line 1",
}
HEREDOCS = {
    "<<EOT\n  a\n b\nEOT": "  a\n b\n",
    "<<-EOT\n    a\n\n      b\n   \n\t  c $${q} \\n\n    EOT": " a\n\n   b\n   \nc ${q} \\n\n",
    "<<-E\n  ${x} k\n    l\nE": "V k\n  l\n",
    "<<-E\n${x} k\n    l\nE": "V k\n    l\n",
    "<<-E\n    a ${x}\n    ${x}\n  E": "a V\nV\n",
    "<<-E\n  \u00a0a\n   b\nE": "a\nb\n",
    "<<E\nE": "",
    "<<-E\n\n\n  E": "\n\n",
    "<<E\r\n  q\r\n\r\nE": "  q\r\n\r\n",
    "<<-E\r\n  q\r\n\r\n   r\r\n  E": "q\r\n\r\n r\r\n",
}


def heredoc(source: str) -> str:
    """A heredoc with the value of x put in."""
    return "".join(part if isinstance(part, str) else VALUES[part.expression] for part in parse_heredoc(source))


@pytest.mark.parametrize("text", RENDERED)
def test_renders(text: str) -> None:
    """Names are replaced once, `$${` and `%%{` lose one sign, all other text stays."""
    assert render(text, VALUES) == RENDERED[text]


@pytest.mark.parametrize("text", REFUSED)
def test_refuses_by_name(text: str) -> None:
    """Everything but a name is refused with what it is and its line."""
    with pytest.raises(TemplateError) as caught:
        render(text, VALUES)
    assert str(caught.value) == REFUSED[text]


def test_names_what_is_missing() -> None:
    """A name without a value is said with its line."""
    with pytest.raises(MissingName) as caught:
        render("a\n${other}", VALUES)
    assert (caught.value.name, str(caught.value)) == ("other", "no value for other, line 2")


@pytest.mark.parametrize("source", HEREDOCS)
def test_heredoc(source: str) -> None:
    """`<<-` takes off the indentation that all lines have but blank ones; `<<` takes off nothing."""
    assert heredoc(source) == HEREDOCS[source]


def escaped(text: str) -> str:
    """Plain text as a template has it."""
    return text.replace("${", "$${").replace("%{", "%%{")


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.text(alphabet='ab $%{}\n\\"é', max_size=12), st.sampled_from([Reference("a", 1), Reference("b", 1)])
        )
    ),
    st.text(),
    st.text(),
)
def test_text_outside_of_references_stays(parts: list[str | Reference], a: str, b: str) -> None:
    """Whatever the texts and the values are, rendering puts values in the places of names and changes nothing else."""
    values = {"a": a, "b": b}
    # A sign at the end of a text would belong to the brace behind it.
    pieces = [part.rstrip("$%") if isinstance(part, str) else part for part in parts]
    template = "".join(escaped(part) if isinstance(part, str) else f"${{{part.expression}}}" for part in pieces)
    expected = "".join(part if isinstance(part, str) else values[part.expression] for part in pieces)
    assert render(template, values) == expected


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.text(alphabet='ab $%{}~.(["\n\\é'))
def test_any_text_is_rendered_or_refused(text: str) -> None:
    """No text makes anything but a rendering or a refusal, and one without marks is its own rendering."""
    try:
        parts = parse(text)
    except TemplateError:
        assert "${" in text or "%{" in text
        return
    if "{" not in text:
        assert "".join(part for part in parts if isinstance(part, str)) == text


@pytest.mark.skipif(shutil.which("terraform") is None, reason="terraform is not on PATH")
def test_terraform_agrees(tmp_path: Path) -> None:
    """Terraform renders the same templates and heredocs to the same bytes."""
    values = escaped(json.dumps(VALUES, ensure_ascii=False))
    expressions, expected = [], []
    for number, (text, rendered) in enumerate(RENDERED.items()):
        (tmp_path / f"{number}.tpl").write_bytes(text.encode())
        expressions.append(f'templatefile("{number}.tpl", {values})')
        expected.append(rendered)
    attributes = [f"h{number} = {source}\n" for number, source in enumerate(HEREDOCS)]
    names = f'x = "V"\n{"".join(attributes)}'.replace("${x}", "${local.x}")
    (tmp_path / "main.tf").write_bytes(f"locals {{\n{names}}}\n".encode())
    expressions += [f"local.h{number}" for number in range(len(HEREDOCS))]
    expected += HEREDOCS.values()
    done = subprocess.run(
        ["terraform", "console", "-no-color"],
        cwd=tmp_path,
        input=f"base64encode(jsonencode([{', '.join(expressions)}]))",
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin:/usr/local/bin", "HOME": str(tmp_path), "TF_CLI_CONFIG_FILE": "/dev/null"},
    )
    assert json.loads(base64.b64decode(done.stdout.strip('"\n'))) == expected, done.stderr
