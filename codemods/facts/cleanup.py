"""What a cleanup script does: which directories it lists, how it ages a tag, and what it removes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

import libcst as cst

from codemods.errors import CannotEdit
from codemods.formats.python_flow import Flow, called, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codemods.formats.python import PythonFile

_TALK = ("print", "debug", "info", "warning", "error", "write", "add_argument", "ArgumentParser")
_NOT_A_TAG = {"current", "link", "index", "revisions", "_layers", "_uploads", "blobs"}


@dataclass(frozen=True)
class Age:
    """A reading of a modification time: `os.path.getmtime(path)`, `os.stat(path).st_mtime` and their like.

    `getmtime` is the function's name where it is that one. In `key=os.path.getmtime`, which hands the function over,
    all three are that name.
    """

    node: cst.CSTNode
    path: cst.CSTNode
    getmtime: cst.CSTNode | None = None


@dataclass(frozen=True)
class Removal:
    """A call that removes a tag's directory: `shutil.rmtree`, or the script's own function around it.

    `tag` is the expression that says which: the last part of the joined path, or the path itself.
    """

    call: cst.Call
    tag: cst.BaseExpression


@dataclass(eq=False)
class CleanupFacts:
    """Facts of one script."""

    file: PythonFile

    @cached_property
    def flow(self) -> Flow:
        """Where its values come from."""
        return Flow(self.file)

    @cached_property
    def tag_ages(self) -> list[Age]:
        """Readings of a tag directory's own time, in functions that do not read the time of its `current/link`."""
        right = {self._function(age.node) for age in self.link_ages}
        return [age for age in self._ages if _is_tag(self._words(age)) and self._function(age.node) not in right]

    @cached_property
    def link_ages(self) -> list[Age]:
        """Readings of the time of a tag's `current/link`."""
        return [age for age in self._ages if "link" in self._words(age)]

    @cached_property
    def removals(self) -> list[Removal]:
        """Removals of tag directories, each seen from where the tag is chosen."""
        calls = [call for call in self.file.find(cst.Call) if self.file.qualified(call.func) == "shutil.rmtree"]
        paths = [(call, call.args[0].value) for call in calls if call.args]
        return [self._choice(call, path) for call, path in paths if _is_tag(words(self.flow.constants(path)))]

    def decision(self, removal: Removal) -> cst.BaseSuite:
        """The block in which a tag is as good as removed: the body of the loop over tags, or of a condition in it.

        Raises CannotEdit when there is none that knows the tag at its start.
        """
        start = self.file.span(removal.call)[0]
        names = self.file.find(cst.Name, removal.tag)
        binders = {self.flow.binder(found) for name in names for found in self.file.assignments(name)}
        block: cst.BaseSuite | None = None
        for node in self.file.parents(removal.call):
            if isinstance(node, cst.BaseSuite):
                block = node
            elif isinstance(node, cst.FunctionDef):
                break
            elif block is not None and (node in binders or _compares(self.file, node)):
                inside = {around for binder in binders for around in self.file.parents(binder)}
                loops = [loop for loop in self.file.parents(block) if loop in binders]
                if block in inside or not loops:
                    break
                return block
        raise CannotEdit("tags are not removed in a loop that names the tag", "", start)

    def names(self, tag: str) -> bool:
        """Whether the code names a tag: in a string that is neither a docstring nor shown to the user."""
        pattern = re.compile(rf"(?<![\w.-]){re.escape(tag)}(?!\w)")
        return any(pattern.search(text) for text in self._code_strings())

    @cached_property
    def _ages(self) -> list[Age]:
        return [age for node in self.file.nodes() if (age := self._age(node))]

    def _age(self, node: cst.CSTNode) -> Age | None:
        match node:
            case cst.Call(func=function, args=[argument, *_]) if self.file.qualified(function) == "os.path.getmtime":
                return Age(node, argument.value, function)
            case cst.Attribute(cst.Call(function, [argument, *_]), cst.Name("st_mtime")):
                return Age(node, argument.value) if self.file.qualified(function) == "os.stat" else None
            case cst.Attribute(cst.Call(cst.Attribute(path, cst.Name("stat")), []), cst.Name("st_mtime")):
                return Age(node, path)
            case cst.Attribute() | cst.Name() if self.file.qualified(node) == "os.path.getmtime":
                handed = isinstance(next(self.file.parents(node)), cst.Arg)
                return Age(node, node, node) if handed else None
        return None

    def _words(self, age: Age) -> set[str]:
        paths = self.flow.handed_over(age.node) if age.path is age.getmtime else [age.path]
        return words(self.flow.constants(*paths))

    def _function(self, node: cst.CSTNode) -> cst.CSTNode:
        """The function around a node, else the module."""
        return next(
            (found for found in self.file.parents(node) if isinstance(found, cst.FunctionDef)), self.file.module
        )

    def _choice(self, call: cst.Call, path: cst.BaseExpression) -> Removal:
        """The removal as seen from the loop: through the one call of a function that removes its parameter."""
        tag = self._last_part(path)
        function = self._function(call)
        if isinstance(tag, cst.Name) and isinstance(function, cst.FunctionDef):
            params = [found.node for found in self.file.assignments(tag) if isinstance(found.node, cst.Param)]
            uses = self.flow.uses(function)
            caller = next(self.file.parents(uses[0])) if len(uses) == len(params) == 1 else None
            if isinstance(caller, cst.Call) and caller.func is uses[0]:
                argument = self.flow.argument(caller, function, params[0])
                if argument is not None:
                    return self._choice(caller, argument)
        return Removal(call, tag)

    def _last_part(self, path: cst.BaseExpression) -> cst.BaseExpression:
        """`tag` for `os.path.join(tags_dir, tag)`, `tags_dir / tag`, and a variable that has such a value."""
        match path:
            case cst.Call(args=[*_, last]) if self.file.qualified(path.func) in (
                "os.path.join",
                "pathlib.Path",
                "builtins.str",
            ):
                return path if last.star or last.keyword else self._last_part(last.value)
            case cst.BinaryOperation(operator=cst.Divide() | cst.Add(), right=right):
                return self._last_part(right)
            case cst.FormattedString(parts=[*_, cst.FormattedStringExpression(expression=last)]):
                return self._last_part(last)
            case cst.Name():
                binders = [self.flow.binder(found) for found in self.file.assignments(path)]
                if len(binders) == 1 and isinstance(binders[0], cst.Assign):
                    last = self._last_part(binders[0].value)
                    return path if last is binders[0].value else last
        return path

    def _code_strings(self) -> Iterator[str]:
        for node in self.file.nodes():
            text = text_of(node)
            if not text or isinstance(next(self.file.parents(node)), (cst.Expr, cst.ConcatenatedString)):
                continue
            if not any(isinstance(parent, cst.Call) and called(parent) in _TALK for parent in self.file.parents(node)):
                yield text


@lru_cache(maxsize=4)
def read_cleanup(file: PythonFile) -> CleanupFacts:
    """The facts of a script, once for all rules that ask."""
    return CleanupFacts(file)


def words(constants: set[str]) -> set[str]:
    """Constants cut into path segments."""
    return {word for text in constants for word in text.split("/") if word}


def _is_tag(words: set[str]) -> bool:
    """Whether a path with these segments may be the directory of a tag."""
    return "tags" in words and not words & _NOT_A_TAG


def _compares(file: PythonFile, node: cst.CSTNode) -> bool:
    """Whether a node is a condition that compares something; a bare flag (`if dry_run:`) is not."""
    return isinstance(node, cst.If) and any(True for _ in file.find(cst.Comparison, node.test))
