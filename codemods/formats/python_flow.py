"""Where the values of a script come from.

Values are followed backwards through assignments, loops, parameters and calls, without regard to order or
conditions: an expression is known by all the string constants that may flow into it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import libcst as cst

from codemods.formats.python import children

if TYPE_CHECKING:
    from collections.abc import Iterator

    from libcst.metadata import Assignment

    from codemods.formats.python import PythonFile

_PLAIN = ("getmtime", "getctime", "getsize", "stat", "exists", "isdir", "is_dir", "isfile", "is_file", "len", "open")
"""Functions and methods whose results have nothing to do with the text they are given."""
_GROWING = ("append", "add", "extend", "insert", "update")
Function = cst.FunctionDef | cst.Lambda


@dataclass(eq=False)
class Flow:
    """The flow of values through one script."""

    file: PythonFile

    def reach(self, *expressions: cst.CSTNode) -> list[cst.CSTNode]:
        """All nodes whose value may flow into the expressions; filters of comprehensions do not count."""
        queue, seen = list(expressions), set()
        reached = []
        while queue:
            node = queue.pop()
            if node in seen or isinstance(node, cst.CompIf) or (isinstance(node, cst.Call) and called(node) in _PLAIN):
                continue
            seen.add(node)
            reached.append(node)
            if isinstance(node, cst.Name):
                queue += self._sources(node)
            elif isinstance(node, (cst.Attribute, cst.Arg)):
                queue.append(node.value)
            else:
                queue += children(node)
        return reached

    def constants(self, *expressions: cst.CSTNode) -> set[str]:
        """All string constants that may flow into the expressions."""
        return {text for node in self.reach(*expressions) if (text := text_of(node))}

    def binder(self, assignment: Assignment) -> cst.CSTNode:
        """The node that gives a name its value: an assignment, a loop, a parameter, a definition."""
        kinds = (cst.Assign, cst.AnnAssign, cst.AugAssign, cst.NamedExpr, cst.For, cst.CompFor, cst.WithItem)
        node: cst.CSTNode = assignment.node
        if not isinstance(node, cst.Name):
            return node
        return next(found for found in self.file.parents(node) if isinstance(found, (*kinds, cst.BaseStatement)))

    def handed_over(self, function: cst.CSTNode) -> list[cst.CSTNode]:
        """The other values of a call that takes a function: `sorted(VALUES, key=f)`, `VALUES.sort(key=f)`."""
        argument, call, *_ = [*self.file.parents(function), None, None]
        if not isinstance(argument, cst.Arg) or not isinstance(call, cst.Call):
            return []
        others: list[cst.CSTNode] = [other.value for other in call.args if other is not argument]
        return [*others, call.func.value] if isinstance(call.func, cst.Attribute) else others

    def uses(self, function: cst.FunctionDef) -> list[cst.CSTNode]:
        """Every place that names a function of the script."""
        assignments = self.file.assignments(function.name)
        return [access.node for found in assignments if found.node is function for access in found.references]

    def argument(self, call: cst.Call, function: cst.FunctionDef, param: cst.Param) -> cst.BaseExpression | None:
        """What a call gives for a parameter; None when it is left out, or hidden in `*args`."""
        for argument in call.args:
            if argument.keyword is not None and argument.keyword.value == param.name.value:
                return argument.value
        params = [*function.params.posonly_params, *function.params.params]
        given = [argument.value for argument in call.args if argument.keyword is None and not argument.star]
        return next((value for found, value in zip(params, given, strict=False) if found is param), None)

    def _sources(self, name: cst.Name) -> Iterator[cst.CSTNode]:
        """Expressions whose values the name may have or contain."""
        for assignment in self.file.assignments(name):
            match binder := self.binder(assignment):
                case cst.FunctionDef():
                    results = (found for found in self.file.nodes(binder) if isinstance(found, (cst.Return, cst.Yield)))
                    yield from (found.value for found in results if found.value)
                case cst.Param():
                    yield from self._arguments(binder)
                case cst.Assign() | cst.AnnAssign() | cst.AugAssign() | cst.NamedExpr() if binder.value:
                    yield binder.value
                case cst.For() | cst.CompFor():
                    yield binder.iter
                    if isinstance(binder.iter, cst.Call) and self.file.qualified(binder.iter.func) == "os.walk":
                        yield from self._asked(assignment)
                case cst.WithItem():
                    yield binder.item
            yield from self._put_in(assignment)

    def _arguments(self, param: cst.Param) -> Iterator[cst.CSTNode]:
        """What callers, or the call that takes the function, give for a parameter."""
        if param.default is not None:
            yield param.default
        owner = next(node for node in self.file.parents(param) if isinstance(node, Function))
        for use in self.uses(owner) if isinstance(owner, cst.FunctionDef) else [owner]:
            call = next(self.file.parents(use))
            if isinstance(owner, cst.FunctionDef) and isinstance(call, cst.Call) and call.func is use:
                argument = self.argument(call, owner, param)
                if argument is not None:
                    yield argument
            else:
                yield from self.handed_over(use)

    def _put_in(self, assignment: Assignment) -> Iterator[cst.CSTNode]:
        """What is appended to a list, added to a set, stored in a mapping or in a list of it."""
        for access in assignment.references:
            below: cst.CSTNode = access.node
            for around in self.file.parents(access.node):
                if isinstance(around, cst.Call) and called(around) in _GROWING:
                    yield from around.args
                elif isinstance(around, cst.Assign) and isinstance(below, cst.AssignTarget):
                    yield around.value
                if not isinstance(around, (cst.Attribute, cst.Subscript, cst.Call, cst.AssignTarget)):
                    break
                below = around

    def _asked(self, assignment: Assignment) -> Iterator[cst.CSTNode]:
        """What a loop over all directories asks of a path: `root.endswith("/tags")`, `basename(root) == "tags"`."""
        for access in assignment.references:
            for around in self.file.parents(access.node):
                if isinstance(around, (cst.Comparison, cst.Call)):
                    asks = isinstance(around, cst.Comparison) or called(around) == "endswith"
                    yield from self.file.find(cst.SimpleString, around) if asks else ()
                elif isinstance(around, cst.BaseStatement):
                    break


def text_of(node: cst.CSTNode) -> str | None:
    """The text of a string constant, or of a constant part of an f-string."""
    if isinstance(node, cst.FormattedStringText):
        return node.value
    if isinstance(node, cst.SimpleString):
        value = node.evaluated_value
        return value if isinstance(value, str) else None
    return None


def called(call: cst.Call) -> str:
    """The last part of the name of what is called."""
    function = call.func.attr if isinstance(call.func, cst.Attribute) else call.func
    return function.value if isinstance(function, cst.Name) else ""
