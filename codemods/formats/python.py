"""Reading Python with exact positions (libcst), and edits in the script's own style.

The tree is only ever read: an edit is a span of the original text.
"""

from __future__ import annotations

import ast
import re
import warnings
from dataclasses import dataclass, fields
from functools import cache, cached_property
from itertools import accumulate, count
from tokenize import COMMENT, generate_tokens
from typing import TYPE_CHECKING, TypeVar

import libcst as cst
from libcst.metadata import (
    Assignment,
    ByteSpanPositionProvider,
    MetadataWrapper,
    Scope,
    ScopeProvider,
)

from codemods.engine.edits import Edit
from codemods.errors import CannotEdit, ParseError
from codemods.formats import python_data
from codemods.formats.comments import Comment, comment_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from codemods.engine.difference import Data, Path

_COMMENT_OR_BLANK = re.compile(r"[ \t]*(?:#[^\r\n]*)?(?:\r\n|\n)?\Z")
_LAYOUT = re.compile(r"whitespace|par\Z|bracket\Z|brace\Z|lines\Z|comma\Z|semicolon|equal|header|footer|indent|newline")
_NO_IMPORT = ("the script begins with no import", "put the imports at its top")
Node = TypeVar("Node", bound=cst.CSTNode)


@dataclass(eq=False)
class PythonFile:
    """One script, read twice: `tree` by Python, `wrapper` by libcst. Offsets count characters of `text`."""

    text: str
    tree: ast.Module
    wrapper: MetadataWrapper

    @property
    def module(self) -> cst.Module:
        """The root of libcst's tree."""
        return self.wrapper.module

    @cached_property
    def data(self) -> Data:
        """What the script means; see `codemods.formats.python_data.data`."""
        return python_data.data(self.tree)

    def nodes(self, root: cst.CSTNode | None = None) -> Iterator[cst.CSTNode]:
        """All nodes at and below a root, parents before children; white space and punctuation are left out."""
        queue = [root or self.module]
        while queue:
            node = queue.pop()
            yield node
            queue.extend(reversed(children(node)))

    def find(self, kind: type[Node], root: cst.CSTNode | None = None) -> Iterator[Node]:
        """All nodes of a kind at and below a root."""
        return (node for node in self.nodes(root) if isinstance(node, kind))

    def span(self, node: cst.CSTNode) -> tuple[int, int]:
        """Start and end of a node, without what libcst counts as its surroundings (comments, parentheses)."""
        span = self.wrapper.resolve(ByteSpanPositionProvider)[node]
        return self._character(span.start), self._character(span.start + span.length)

    def source(self, node: cst.CSTNode) -> str:
        """The text of a node as written."""
        start, end = self.span(node)
        return self.text[start:end]

    def parents(self, node: cst.CSTNode) -> Iterator[cst.CSTNode]:
        """The nodes around a node, innermost first."""
        around = self._parents.get(node)
        while around is not None:
            yield around
            around = self._parents.get(around)

    def qualified(self, node: cst.CSTNode) -> str:
        """`os.path.getmtime`, however it was imported; empty when the node is no name, or may be several."""
        scope = self._scope(node)
        names = list(scope.get_qualified_names_for(node)) if scope is not None else []
        return names[0].name if len(names) == 1 else ""

    def assignments(self, name: cst.Name) -> list[Assignment]:
        """Where a name may get its value, seen from where it stands: assignments, loops, parameters, functions."""
        scope = self._scope(name)
        found = scope[name.value] if scope is not None else ()
        return [assignment for assignment in found if type(assignment) is Assignment]

    def path_at(self, offset: int) -> Path:
        """The data path of the innermost statement at an offset; of its head when it has a body."""
        around = [(start, path) for start, end, path in self._statements if start <= offset < end]
        return max(around, default=(0, ()))[1]

    @cached_property
    def _parents(self) -> dict[cst.CSTNode, cst.CSTNode]:
        return {child: node for node in self.nodes() for child in children(node)}

    def _scope(self, node: cst.CSTNode) -> Scope | None:
        return self.wrapper.resolve(ScopeProvider).get(node)

    def names_at(self, offset: int) -> Path:
        """The functions and classes around an offset, outermost first."""
        return tuple(name for name in self.path_at(offset) if name.startswith(("def ", "class ")))

    @cached_property
    def comments(self) -> list[Comment]:
        """All comments, in the order of the text."""
        lines = python_data.LINE.findall(self.text)
        starts = [0, *accumulate(map(len, lines))]
        found = []
        for token in generate_tokens(iter([*lines, ""]).__next__):
            if token.type == COMMENT:
                start = starts[token.start[0] - 1] + token.start[1]
                found.append(comment_at(self.text, start, start + len(token.string.rstrip("\r\n"))))
        return found

    @cached_property
    def _statements(self) -> list[tuple[int, int, Path]]:
        return python_data.statements(self.tree, self.text)

    @cached_property
    def _bytes(self) -> bytes:
        return self.text.encode()

    def _character(self, offset: int) -> int:
        return len(self._bytes[:offset].decode())

    # Edits

    def free_name(self, wish: str) -> str:
        """`wish`, or `wish_2` and so on when the script uses that name already."""
        used = set(re.findall(r"\w+", self.text))
        return next(name for n in count(1) if (name := wish if n == 1 else f"{wish}_{n}") not in used)

    def insert_functions(self, sources: Sequence[str]) -> Edit:
        """Insert functions behind the imports at the top, two blank lines around each.

        `sources` have four spaces per level, double quotes and `\\n`; what is inserted has the script's own style.
        Raises CannotEdit when the script does not begin with imports.
        """
        imports = self._imports()
        if not imports:
            raise CannotEdit(*_NO_IMPORT)
        at = self._line_end(self.span(imports[-1])[1])
        newline = self._newline(at)
        blank = re.match(r"(?:[ \t]*\r?\n)*", self.text[at:])
        missing = 2 - (blank.group().count("\n") if blank else 0)
        before = newline * (not self.text.endswith("\n", 0, at))
        functions = [newline * 2 + self._styled(source, newline) for source in sources]
        return Edit(at, at, before + "".join(functions) + newline * missing * (at < len(self.text)))

    def insert_import(self, module: str) -> Edit | None:
        """Insert `import module` among the imports at the top; None when they have it (or `module.part`), unrenamed."""
        lines = [line for line in self._imports() if not self.source(line).startswith("from __future__")]
        plain = [found for line in lines for found in self.find(cst.Import, line)]
        names = [alias.evaluated_name for found in plain for alias in found.names if not alias.asname]
        if any(f"{name}.".startswith(f"{module}.") for name in names):
            return None
        if not lines:
            raise CannotEdit(*_NO_IMPORT)
        after = [line for line in lines if self.source(line) > f"import {module}"]
        at = self._line_start(self.span((after or lines)[0])[0])
        return Edit(at, at, f"import {module}{self._newline(self._line_end(at))}")

    def insert_first(self, block: cst.BaseSuite, source: str) -> tuple[Edit, Path]:
        """Insert a statement at the start of a block; also its data path.

        `source` is like that of `insert_functions`. Raises CannotEdit for a block on one line with its head.
        """
        start = self.span(block.body[0])[0]
        if not isinstance(block, cst.IndentedBlock):
            raise CannotEdit("the block stands on one line with its head", "give it a line of its own", start)
        at = self._line_start(start)
        indentation = self.text[at:start]
        while _COMMENT_OR_BLANK.match(self.text, before := self._line_start(at - 1), at):
            at = before
        path = self.path_at(start)
        path = path[:-2] if path[-1] == "head" else path[:-1]
        edit = Edit(at, at, self._styled(source, self._newline(at), indentation))
        return edit, (*path, python_data.name(ast.parse(source).body[0]))

    def _imports(self) -> list[cst.SimpleStatementLine]:
        """The unbroken run of imports at the top, behind the docstring."""
        run: list[cst.SimpleStatementLine] = []
        for line in self.module.body:
            if not isinstance(line, cst.SimpleStatementLine):
                break
            if all(isinstance(node, (cst.Import, cst.ImportFrom)) for node in line.body):
                run.append(line)
            elif run or not isinstance(line.body[0], cst.Expr):
                break
        return run

    def _styled(self, source: str, newline: str, indentation: str = "") -> str:
        """Source with the script's own indentation, quotes and line end."""
        lines = []
        for line in source.splitlines():
            text = line.lstrip()
            if self._single_quotes and '"""' not in text and "'" not in text:
                text = text.replace('"', "'")
            level = (len(line) - len(line.lstrip())) // 4
            lines.append(f"{indentation}{self.module.default_indent * level}{text}{newline}")
        return "".join(lines)

    @cached_property
    def _single_quotes(self) -> bool:
        quotes = [node.quote for node in self.find(cst.SimpleString)]
        return quotes.count("'") > quotes.count('"')

    def _line_start(self, offset: int) -> int:
        return self.text.rfind("\n", 0, offset) + 1

    def _line_end(self, offset: int) -> int:
        """Offset behind the line end."""
        return self.text.find("\n", offset) + 1 or len(self.text)

    def _newline(self, offset: int) -> str:
        """The line end just before an offset."""
        return "\r\n" if self.text.endswith("\r\n", 0, offset) else "\n"


def children(node: cst.CSTNode) -> list[cst.CSTNode]:
    """The parts of a node that carry meaning, in the order of its class's fields: much faster than `node.children`."""
    found: list[cst.CSTNode] = []
    for field in _fields(type(node)):
        value = getattr(node, field)
        if isinstance(value, cst.CSTNode):
            found.append(value)
        elif isinstance(value, (tuple, list)):
            found += (item for item in value if isinstance(item, cst.CSTNode))
    return found


@cache
def _fields(kind: type[cst.CSTNode]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind) if not _LAYOUT.search(field.name))


def parse(text: str) -> PythonFile:
    """Read a script. Raises ParseError when a reader cannot, or libcst would not give the text back unchanged."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python's advice about the script is for its author
            tree = ast.parse(text)
        module = cst.parse_module(text)
    except SyntaxError as error:
        before = python_data.LINE.findall(text)[: (error.lineno or 1) - 1]
        raise ParseError(f"cannot be read as Python: {error.msg}", sum(map(len, before))) from error
    except (cst.ParserSyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ParseError(f"cannot be read as Python: {getattr(error, 'message', error)}") from error
    if module.code != text:
        raise ParseError("libcst does not give this text back byte for byte (form feed or lone carriage return?)")
    return PythonFile(text, tree, MetadataWrapper(module, unsafe_skip_copy=True))
