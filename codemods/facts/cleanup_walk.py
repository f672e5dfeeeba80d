"""How a cleanup script finds its registries: by walking the directory that holds them, or by their names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import libcst as cst

from codemods.facts.cleanup import CleanupFacts, words
from codemods.formats.python_flow import text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

_LISTING = ("os.listdir", "os.scandir", "os.walk", "glob.glob", "glob.iglob")
_LISTING_METHODS = ("iterdir", "glob", "rglob", "walk")
_BELOW_A_REGISTRY = {"docker", "repositories", "_manifests", "tags"}
_LEAVING = (cst.Continue, cst.Break, cst.Return)
Loop = cst.For | cst.CompFor


@dataclass(frozen=True)
class Walk:
    """The loop over the registries; `leaves_out` says how it misses ours, empty when it does not."""

    node: cst.CSTNode
    leaves_out: str = ""


@dataclass(frozen=True)
class Registries:
    """`roots` are the directories with one directory per registry; `siblings` the other registries' names."""

    roots: frozenset[str]
    siblings: frozenset[str]
    name: str


def find_walk(facts: CleanupFacts, registries: Registries) -> Walk | None:
    """The loop over all registries, else the loop over names of registries; None when neither is recognised."""
    by_name: Walk | None = None
    walks: list[Walk] = []
    for loop in (node for node in facts.file.nodes() if isinstance(node, Loop)):
        reach = facts.flow.reach(loop.iter)
        constants = {text for node in reach if (text := text_of(node))}
        named = {word for text in constants for word in re.split(r"[\s,;/]+", text)}
        if any(isinstance(node, cst.Call) and _lists_roots(facts, node, registries.roots) for node in reach):
            if registries.name in named:
                return None
            if _is_glob(facts, loop.iter) or not words(constants) & _BELOW_A_REGISTRY:
                walks.append(Walk(loop, f"skips {registries.name}" if _skips(facts, loop, registries.name) else ""))
        elif found := sorted(named & registries.siblings):
            missing = f"names its registries one by one ({', '.join(found)})" if registries.name not in named else ""
            by_name = by_name or Walk(loop, missing)
    return next((walk for walk in walks if walk.leaves_out), walks[0] if walks else by_name)


def _lists_roots(facts: CleanupFacts, call: cst.Call, roots: frozenset[str]) -> bool:
    """Whether a call lists a directory with one directory per registry, or everything below it."""
    method = call.func.attr.value if isinstance(call.func, cst.Attribute) else ""
    if facts.file.qualified(call.func) in _LISTING and call.args:
        constants = facts.flow.constants(call.args[0])
    elif method in _LISTING_METHODS:
        constants = facts.flow.constants(call)
    else:
        return False
    absolute = {text.partition("*")[0].rstrip("/") for text in constants if text.startswith("/")}
    if absolute - roots - {""}:
        return False
    return _is_glob(facts, call) or not words(constants) & _BELOW_A_REGISTRY


def _is_glob(facts: CleanupFacts, node: cst.CSTNode) -> bool:
    """Whether a pattern in an expression has its first `*` where the registries are."""
    pattern = "/".join(text for found in facts.file.nodes(node) if (text := text_of(found)))
    return "*" in pattern.partition("docker")[0]


def _skips(facts: CleanupFacts, loop: Loop, name: str) -> bool:
    """Whether a loop's own conditions leave a registry of this name out."""
    if not isinstance(loop.target, cst.Name):
        return False
    answer = _Conditions(facts, loop.target.value, name).answer
    if isinstance(loop, cst.CompFor):
        return any(answer(condition.test) is False for condition in loop.ifs)
    for statement in loop.body.body:
        if isinstance(statement, cst.If):
            met = answer(statement.test)
            if met and any(isinstance(node, _LEAVING) for node in _last_line(statement.body)):
                return True
            if (
                met is False
                and statement.orelse is None
                and any(isinstance(node, Loop) for node in facts.file.nodes(statement.body))
            ):
                return True
    return False


def _last_line(block: cst.BaseSuite) -> Iterator[cst.CSTNode]:
    last = block.body[-1] if isinstance(block, cst.IndentedBlock) else block
    yield from last.body if isinstance(last, (cst.SimpleStatementLine, cst.SimpleStatementSuite)) else ()


@dataclass(frozen=True)
class _Conditions:
    """Answers conditions on a loop's variable for one name; None where that takes more than reading."""

    facts: CleanupFacts
    variable: str
    name: str

    def answer(self, test: cst.BaseExpression) -> bool | None:
        match test:
            case cst.UnaryOperation(operator=cst.Not(), expression=inner):
                found = self.answer(inner)
                return None if found is None else not found
            case cst.BooleanOperation(left=left, operator=operator, right=right):
                answers = (self.answer(left), self.answer(right))
                decisive = isinstance(operator, cst.Or)
                return decisive if decisive in answers else None if None in answers else not decisive
            case cst.Comparison(left=left, comparisons=[cst.ComparisonTarget(operator, right)]) if self._is_name(left):
                return self._compare(operator, right)
            case cst.Call(
                func=cst.Attribute(value, cst.Name("startswith")), args=[cst.Arg(cst.SimpleString() as start)]
            ):
                return self.name.startswith(text_of(start) or "") if self._is_name(value) else None
        return None

    def _compare(self, operator: cst.BaseCompOp, right: cst.BaseExpression) -> bool | None:
        constants = self.facts.flow.constants(right)
        found = self.name in {word for text in constants for word in re.split(r"[\s,;]+", text)}
        if not constants:
            return None
        if isinstance(operator, (cst.In, cst.Equal)):
            return found
        return not found if isinstance(operator, (cst.NotIn, cst.NotEqual)) else None

    def _is_name(self, node: cst.BaseExpression) -> bool:
        """`registry`, `entry.name`, `os.path.basename(path)`."""
        match node:
            case cst.Name(value):
                return value == self.variable
            case cst.Attribute(value, cst.Name("name")) | cst.Call(
                cst.Attribute(attr=cst.Name("basename")), [cst.Arg(value)]
            ):
                return self._is_name(value)
        return False
