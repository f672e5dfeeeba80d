"""Random nginx configurations in many hands' styles, with the directives they stand for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

if TYPE_CHECKING:
    from codemods.formats.nginx import Directive

# (name, arguments, block): what a text says, however it is spelled.
Tree = tuple[str, list[str], "list[Tree] | None"]

PLAIN = ("a", "off", "10.0.0.1:5000", "$host", "~^/x$", "${a}b", "/v2/", "a'b", 'a"b', "x#y", "é🔑", "=", "http://u/")
QUOTED = ("", "a b", "a;b", "{", "}", "# no", "it's", 'say "hi"', "back\\slash", "tab\there", "two\nlines", "$a ${b} c")
NAMES = ("listen", "server_name", "proxy_pass", "add_header", "set", "x-y", "default", "~^k$")
BLOCKS = ("server", "location", "upstream", "http", "map", "types", "events")
COMMENTS = ("# note", "#", "# a; b { c }", "# it's \"open", "#\tü 🔑")


@st.composite
def texts(draw: st.DrawFn) -> tuple[str, list[Tree]]:
    """A text and its directives: quotes, layout, comments, blank lines and line ends at random."""
    tree = draw(st.lists(_directives(3), max_size=4))
    ends = draw(st.sampled_from([("\n",), ("\r\n",), ("\n", "\r\n")]))
    unit = draw(st.sampled_from(["    ", "  ", "\t", ""]))
    text = draw(st.sampled_from(["", "\n", "# top\n"])) + "".join(_written(draw, item, 0, unit) for item in tree)
    text = "".join(line + draw(st.sampled_from(ends)) for line in text.splitlines())
    return (text.rstrip("\r\n") if draw(st.booleans()) else text), tree


def _directives(depth: int) -> st.SearchStrategy[Tree]:
    words = st.lists(st.sampled_from(PLAIN + QUOTED), max_size=3)
    simple = st.tuples(st.sampled_from(NAMES), words, st.none())
    if depth == 0:
        return simple
    inner = st.lists(_directives(depth - 1), max_size=4)
    return simple | st.tuples(st.sampled_from(BLOCKS), words, inner)


def _written(draw: st.DrawFn, tree: Tree, level: int, unit: str) -> str:
    name, args, block = tree
    indentation = unit * level if draw(st.integers(0, 9)) else " "
    source = indentation + name + "".join(_gap(draw) + _word(draw, arg) for arg in args)
    after = draw(st.sampled_from(["\n"] * 6 + [" ", "\n\n", " # after\n", "\n# below\n", "\n \n"]))
    if block is None:
        return source + draw(st.sampled_from(["", "", " "])) + ";" + after
    # Right behind a `$` the brace would be the word's.
    close = "{" if not source.endswith("$") else " {"
    brace = draw(st.sampled_from([" {", " {", close, f"\n{indentation}{{"]))
    if not draw(st.integers(0, 4)):
        inside = "".join(_written(draw, child, 0, "") for child in block)
        return f"{source}{brace} {inside} }}{after}"
    inside = "".join(_written(draw, child, level + 1, unit) for child in block)
    return f"{source}{brace}{draw(st.sampled_from(['', ' # open']))}\n{inside}{indentation}}}{after}"


def _gap(draw: st.DrawFn) -> str:
    gaps = [" "] * 8 + ["  ", "\t", "\n        ", f" {draw(st.sampled_from(COMMENTS))}\n  "]
    return draw(st.sampled_from(gaps))


def _word(draw: st.DrawFn, value: str) -> str:
    if value in PLAIN and draw(st.booleans()):
        return value
    quote = draw(st.sampled_from("'\""))
    escaped = value.replace("\\", "\\\\").replace(quote, f"\\{quote}")
    return quote + escaped.replace("\t", draw(st.sampled_from(["\t", "\\t"]))).replace("\n", "\\n") + quote


def tree_of(directives: list[Directive]) -> list[Tree]:
    """What was read, in the same form."""
    return [(d.name, d.args, None if d.block is None else tree_of(d.block)) for d in directives]


REGISTRIES = ("dockerhub", "ghcr", "quay", "kyverno")


@st.composite
def registry_texts(draw: st.DrawFn) -> dict[str, Any]:
    """A configuration with one to four registries in one house style; `text`, `straight`, and what was drawn."""
    names = REGISTRIES[: draw(st.integers(1, 4))]
    unit = draw(st.sampled_from(["    ", "  ", "\t"]))
    end = draw(st.sampled_from(["\n", "\r\n"]))
    straight = draw(st.booleans())
    below = draw(st.booleans())
    blank = draw(st.integers(0, 2))
    banner = draw(
        st.sampled_from([None, "# --- {title} (port {port}) ---", "## {title}", "# ====|# {title} :{port}|# ===="])
    )
    wrapped = draw(st.booleans())
    lines: list[str] = [
        draw(st.sampled_from(["# nginx", "map $host $b { default 1; }", "log_format m 'a'|    'b # c';"]))
    ]
    lines += [f"proxy_cache_path /var/cache/nginx/{name} keys_zone={name}:1m;" for name in ("registry", "shared")]
    if draw(st.booleans()):
        lines.append("proxy_cache shared;")
    compact = draw(st.booleans())
    for name in () if straight else names:
        server = f"server registry-{name}:5000{draw(st.sampled_from(['', ' max_fails=3', '  weight=1']))};"
        body = [server, *draw(st.sampled_from([[], ["keepalive 32;"], ["# note", f"zone {name} 64k;"]]))]
        lines += [""] * blank
        if compact and not any(line.startswith("#") for line in body):
            lines.append(f"upstream {name} {{ {' '.join(body)} }}")
        else:
            lines += _block(f"upstream {name}", body, unit, below)
    for number, name in enumerate(names):
        port = 5000 + 10 * number
        lines += [""] * blank
        lines += banner.format(title=name.title(), port=port).split("|") if banner else []
        target = f"registry-{name}:5000" if straight else name
        location = _block("location /v2/", [f"proxy_pass http://{target};", "proxy_cache registry;"], unit, below)
        listens = [f"listen {port};", *draw(st.sampled_from([[], [f"listen [::]:{port};"]]))]
        lines += _block("server", [*listens, "server_name _;", "", *location], unit, below)
    if draw(st.booleans()):
        lines += ["", "# UI", *_block("server", ["listen 8080;", "location / { proxy_pass http://ui; }"], unit, below)]
    lines = "|".join(lines).split("|")
    if wrapped:
        lines = ["events {", "}", *_block("http", lines, unit, below)]
    text = end.join(lines) + draw(st.sampled_from(["", end]))
    return {
        "text": text,
        "names": names,
        "straight": straight,
        "banner": banner,
        "shared": "proxy_cache shared;" in text,
    }


def _block(head: str, body: list[str], unit: str, below: bool) -> list[str]:
    opening = [head, "{"] if below else [f"{head} {{"]
    return [*opening, *(unit + line if line else "" for line in body), "}"]
