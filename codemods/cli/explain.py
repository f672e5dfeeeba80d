"""`codemod rules` and `codemod explain`: what the rules are, and what they see in a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

import codemods
from codemods.catalogue import ALL
from codemods.cli.main import common_options
from codemods.cli.options import CommonOptions
from codemods.cli.session import Session, known_rules, open_session, scope
from codemods.engine.inspection import PARSE_ERROR, inspect, paths_of
from codemods.engine.model import Finding, Note, Refusal, Role
from codemods.engine.report.escape import printable
from codemods.engine.report.model import position
from codemods.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator


@click.command("rules")
@common_options
def rules() -> None:
    """List all rules, in the order in which they run."""
    width = max(len(rule.id) for rule in ALL)
    for rule in ALL:
        task = f"task {rule.task}" if rule.task else ""
        click.echo(f"{rule.id:<{width}}  {rule.role.value:<9}  {rule.impact!s:<8}  {task:<9}  {rule.title}".rstrip())


@click.command("explain")
@click.argument("rule", required=False, metavar="[RULE]")
@click.option("--path", "file", metavar="FILE", help="Say what the tool takes FILE for, and what its rules see in it.")
@common_options
@click.pass_obj
def explain(common: CommonOptions, rule: str | None, file: str | None) -> int:
    """Explain a RULE, with an example; or say what the tool sees in a file."""
    if (rule is None) == (file is None):
        raise SettingsError("name a rule (`codemod rules` lists them), or a file with --path")
    if file is not None:
        session = open_session(common)
        path = scope(session.repository, common.directory, [file])[0]
        mine = [one for one in session.each() if _roles(one, path)] or [session]
        for line in dict.fromkeys(line for one in mine for line in _about(one, path)):
            click.echo(printable(line))
        return 0
    (name,) = known_rules([rule or ""], [rule.id for rule in ALL])
    click.echo(_page(name))
    return 0


def _page(name: str) -> str:
    """The rule's section of docs/rules.md, which the wheel carries along; without that at least its docstring."""
    package = Path(codemods.__file__).parent
    text = next(rule.page for rule in ALL if rule.id == name)
    for path in (package / "rules.md", package.parent / "docs" / "rules.md"):
        if path.exists():
            _, found, rest = path.read_text(encoding="utf-8").partition(f"\n## {name}\n")
            text = rest.partition("\n## ")[0].strip() if found else text
            break
    return f"{name}\n{'=' * len(name)}\n\n{text}"


def _roles(session: Session, path: str) -> list[Role]:
    return [role for role in Role if path in paths_of(role, session.context)]


def _about(session: Session, path: str) -> Iterator[str]:
    roles = _roles(session, path)
    if not roles:
        is_directory = (session.repository.root / path).is_dir()
        what = "a directory; name a file in it" if is_directory else "no part of the stack, and no pipeline"
        yield f"{path}: {what}; no rule looks at it"
        yield from (f"note: {note}" for note in session.context.stack.notes)
        return
    mine = [rule for rule in ALL if rule.role in roles]
    yield f"{path}: {', '.join(role.value for role in roles)}"
    yield f"rules that look at it: {', '.join(rule.id for rule in mine)}"
    if not session.settings.registry.hostname:
        yield "what they would do depends on registry.hostname, which is not set: run `codemod init`"
        return
    quiet = True
    for item in inspect(mine, session.context, lambda done, total: None):
        where = item.document.path
        # What keeps the rules from looking may be another file that they depend on.
        if where != path and item.rule != PARSE_ERROR:
            continue
        quiet = False
        line, _ = position(item.document.text, getattr(item.outcome, "start", 0))
        match item.outcome:
            case Finding(message=message, edits=edits):
                yield f"{where}:{line}: {item.rule}: {message}{' (would be changed)' if edits else ''}"
            case Refusal(reason=reason, advice=advice):
                yield f"{where}:{line}: {item.rule}: refused: {reason}; {advice}"
            case Note(message=message):
                yield f"{where}: {item.rule}: {message}"
    if quiet:
        yield "nothing to do"
