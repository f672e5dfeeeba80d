"""Random HCL: blocks, lists, strings with escapes and templates, heredocs, all kinds of comments and line ends."""

from __future__ import annotations

from hypothesis import strategies as st

SAFE = st.sampled_from(list("abXY z09-_./:,;#'é漢🚀()[]{}<>=&|*?!$%~\t"))
COMMENTS = st.sampled_from(["# plain", "// slashes", "/* block */", '# é 漢 "quoted" ${no}', "/* two\n lines */", "#"])
LINE_COMMENTS = st.sampled_from(["# plain", "// slashes", "# 5050 -> x", "#\ttabs é", '# "unclosed'])


TEMPLATES = ["${var.x}", '${f("a}", 1)}', "${ [for x in y : x] }", "%{ if a }y%{ else }n%{ endif }"]
ESCAPES = ['\\"', "\\\\", "\\n", "\\t", "\\u00e9", "$${esc}", "%%{esc}", "$$", "%%"]


@st.composite
def string_sources(draw: st.DrawFn) -> str:
    """A quoted string as it is written."""
    text = ""
    for piece in draw(st.lists(st.one_of(SAFE, st.sampled_from(TEMPLATES), st.sampled_from(ESCAPES)), max_size=8)):
        # A sign before a brace would begin a template that nobody closes.
        text += f"_{piece}" if text.endswith(("$", "%")) and piece.startswith(("{", "$", "%")) else piece
    return f'"{text}"'


@st.composite
def heredoc_sources(draw: st.DrawFn) -> str:
    """A heredoc from `<<` to its marker."""
    dash = draw(st.sampled_from(["", "-"]))
    lines = draw(
        st.lists(
            st.sampled_from(["text", "  deep # no comment", '"quote', "${a.b}", "", "EOFX", "é\t漢", "/* no"]),
            max_size=3,
        )
    )
    return "\n".join([f"<<{dash}EOF", *lines, draw(st.sampled_from(["", "  ", "\t"])) + "EOF"])


def expressions(depth: int = 2) -> st.SearchStrategy[str]:
    """An expression as it is written, in brackets where it would not go on the next line."""
    simple = st.one_of(
        string_sources(),
        st.sampled_from(
            [
                "1",
                "-2.5e3",
                "true",
                "null",
                "var.x",
                "local.a[0].b",
                "module.m.out[*].id",
                'a ? "b" : c',
                "!a && b == c",
            ]
        ),
        heredoc_sources(),
    )
    if not depth:
        return simple
    inner = expressions(depth - 1)
    return st.one_of(
        simple,
        lists(inner),
        st.builds(lambda a: f"base64encode({a}{_break(a)})", inner),
        st.builds(lambda a: f'format("%s x", {a}{_break(a)})', inner),
        st.builds(lambda a: f'{{ a = 1, "b" = {a}{_break(a)} }}', inner),
        st.just("[for k, v in m : upper(k) if v != null]"),
        st.just("{ for k in s : k => k }"),
    )


def _break(source: str) -> str:
    """A heredoc's marker must end its line."""
    return "\n" if source.endswith("EOF") else ""


@st.composite
def lists(draw: st.DrawFn, elements: st.SearchStrategy[str] | None = None) -> str:
    """A list in one line or over several, with or without comments and trailing comma."""
    sources = draw(st.lists(string_sources() if elements is None else elements, min_size=0, max_size=4))
    if draw(st.booleans()):
        return (
            "["
            + ", ".join(source + _break(source) for source in sources)
            + draw(st.sampled_from(["", "," if sources else ""]))
            + "]"
        )
    indent = draw(st.sampled_from(["    ", "\t\t", " "]))
    text = "[\n"
    for number, source in enumerate(sources):
        for comment in draw(st.lists(LINE_COMMENTS, max_size=2)):
            text += f"{indent}{comment}\n"
        last = number == len(sources) - 1
        comma = "," if not last or draw(st.booleans()) else ""
        behind = draw(st.sampled_from(["", " ", " # behind", " // behind", " /* a */"]))
        text += f"{indent}{source}{_break(source)}{comma}{behind}\n"
        if draw(st.integers(0, 4)) == 0:
            text += "\n"
    return text + draw(st.sampled_from(["  ]", "]"]))


@st.composite
def bodies(draw: st.DrawFn, depth: int = 1) -> str:
    """Attributes, blocks and comments."""
    text = ""
    for number in range(draw(st.integers(0, 3))):
        for comment in draw(st.lists(COMMENTS, max_size=2)):
            text += f"  {comment}\n"
        if depth and draw(st.booleans()):
            label = draw(st.sampled_from(['module "m"', "locals", 'resource "a" "b-c"', "dynamic x"]))
            text += f"{label} {{\n{draw(bodies(depth - 1))}}}\n"
        else:
            name = draw(st.sampled_from(["a", "provision_cmds", "b-c"])) + str(number)
            value = draw(st.one_of(expressions(), lists(expressions(1))))
            behind = "" if value.endswith("EOF") else draw(st.sampled_from(["", "  # behind", " // behind"]))
            text += f"{draw(st.sampled_from(['', '  ', chr(9)]))}{name} = {value}{behind}\n"
    return text


@st.composite
def texts(draw: st.DrawFn) -> str:
    """A whole file."""
    text = draw(bodies())
    ends = draw(st.sampled_from(["\n", "\r\n", "mixed"]))
    lines = text.split("\n")
    if ends == "mixed":
        text = "".join(line + draw(st.sampled_from(["\n", "\r\n"])) for line in lines[:-1])
    else:
        text = ends.join(lines)
    bare = text.rstrip("\r\n")
    return text if draw(st.booleans()) or bare.endswith("EOF") else bare
