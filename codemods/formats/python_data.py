"""What a script means, read by Python's own parser: the second reader beside libcst."""

from __future__ import annotations

import ast
import re
from collections import Counter
from copy import copy
from typing import TYPE_CHECKING

from codemods.engine.difference import Data, Entry, Path

if TYPE_CHECKING:
    from collections.abc import Iterator

LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z")


def data(tree: ast.Module) -> Data:
    """Statements as `Entry(name, {"head": …, "body": […], …})`; comments and layout are not in it."""
    return [_entry(statement) for statement in tree.body]


def statements(tree: ast.Module, text: str) -> list[tuple[int, int, Path]]:
    """Start, end (character offsets) and data path of every statement; of its head when it has a body."""
    lines = LINE.findall(text)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))

    def offset(line: int, column: int) -> int:
        return starts[line - 1] + len(lines[line - 1].encode()[:column].decode())

    def visit(nodes: list[ast.AST], path: Path) -> Iterator[tuple[int, int, Path]]:
        seen: Counter[str] = Counter()
        for node in nodes:
            seen[name(node)] += 1
            number = seen[name(node)]
            inner = (*path, name(node) if number == 1 else f"{name(node)}#{number}")
            blocks = _blocks(node)
            if isinstance(node, (ast.stmt, ast.ExceptHandler)):
                start, end = (
                    offset(node.lineno, node.col_offset),
                    offset(node.end_lineno or 0, node.end_col_offset or 0),
                )
                yield start, end, (*inner, "head") if blocks else inner
            for field, below in blocks.items():
                yield from visit(below, (*inner, field))

    return list(visit(list(tree.body), ()))


def name(node: ast.AST) -> str:
    """`def main`, `class X`, `import os`, the target of an assignment, else the statement's kind.

    A guard that only continues is `continue if`, with the function when its test is a plain call.
    """
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            return f"def {node.name}"
        case ast.ClassDef():
            return f"class {node.name}"
        case ast.Import():
            return ast.unparse(node)
        case ast.Assign(targets=[ast.Name(id=target), *_]):
            return target
        case ast.If(test=ast.Call(func=ast.Name(id=function)), body=[ast.Continue()], orelse=[]):
            return f"continue if {function}"
        case ast.If(body=[ast.Continue()], orelse=[]):
            return "continue if"
        case _:
            return type(node).__name__.lower()


def _blocks(node: ast.AST) -> dict[str, list[ast.AST]]:
    """The statements, handlers or cases below a statement, by field; a guard that only continues is one statement."""
    if name(node).startswith("continue if"):
        return {}
    kinds = (ast.stmt, ast.ExceptHandler, ast.match_case)
    fields = ((field, value) for field, value in ast.iter_fields(node) if isinstance(value, list))
    return {field: value for field, value in fields if value and isinstance(value[0], kinds)}


def _entry(node: ast.AST) -> Entry:
    blocks = _blocks(node)
    if not blocks:
        return Entry(name(node), ast.dump(node))
    head = copy(node)
    for field in blocks:
        setattr(head, field, [])
    below = {field: [_entry(item) for item in items] for field, items in blocks.items()}
    return Entry(name(node), {"head": ast.dump(head), **below})
