"""Values that look like secrets, taken out of text that is shown; files are never touched by this."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

MASK = "***"
# Nobody reads a longer line, and looking at each of its pairs takes time by the square of its length.
LONGEST = 10_000

_WORD = (
    r"(?:password|passwd|passphrase|(?<![a-z])pass|secret|token|credential"
    r"|(?:api|access|auth|private|secret|encryption)[_-]?key)"
)
_NAME = rf"(?<![\w.-])(?!from_secret\b)[\w.-]*{_WORD}"
_MARK = r"[\"']?\s*(?P<mark>:(?=[\s\"'])|=(?![=~>]))(?P<space>\s*)(?:[&!]\S+\s+)*"
_QUOTED = r"\"(?:[^\"\\]|\\.)*\"|'(?:[^']|'')*'"
# The value of a pair may run on too far; `_plain_end` cuts it.
_VALUE = rf"(?P<value>{_QUOTED}|[^\s\"'#].*)"
_PAIR = re.compile(rf"(?P<key>{_NAME}){_MARK}{_VALUE}", re.IGNORECASE)
# A secret named by its neighbour: `name: DB_PASSWORD`, then `value: …` on the same or the next line.
_NAMED = re.compile(rf"\bname[\"']?\s*[:=]\s*[\"']?{_NAME}[\"']?\s*(?:,|$|value\b)", re.IGNORECASE)
_NAMED_VALUE = re.compile(rf"(?P<key>\bvalue){_MARK}{_VALUE}", re.IGNORECASE)
_IN_PASSING = (
    re.compile(rf"(?P<key>(?<![\w-])--(?:[\w-]+-)?{_WORD}\s+)(?P<value>{_QUOTED}|[^\s\"']+)", re.IGNORECASE),
    re.compile(r"(?P<key>\b[a-z][a-z0-9+.-]{0,20}://[^\s/:@\"']*:)(?P<value>[^\s/@\"']+)(?=@)", re.IGNORECASE),
    re.compile(r"(?P<key>\bauthorization\W*?(?:basic|bearer|token)\s+)(?P<value>[^\s\"']+)", re.IGNORECASE),
    re.compile(r"(?P<key>-----BEGIN [A-Z ]*PRIVATE KEY-----)(?P<value>.+?)(?=-----END)"),
)

_VARIABLE = r"\$+\{\{?[^{}]*\}?\}|\{\{[^{}]*\}\}|\$+[a-z_]\w*|\$\([^()]*\)"
_REFERENCE = re.compile(rf"(?:{_VARIABLE}|<[^<>]*>)+|true|false|null|none|yes|no|~|\*\*\*|", re.IGNORECASE)
_UNQUOTED_REFERENCE = re.compile(r"\*[\w.-]+|[\[{].*|[|>][-+0-9]*|<<.*")
_EXPRESSION = re.compile(r"[a-z_][\w-]*\s*[.(\[].*", re.IGNORECASE)
_STRING = re.compile(r"\"(?:[^\"\\]|\\.)*\"")
_FLOW_VALUE = re.compile(rf"(?:{_VARIABLE}|[^,{{}}\]])*", re.IGNORECASE)
_HEREDOC = re.compile(r"<<[-~]?\s*[\"']?(\w+)")
_KEY_BLOCK = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?!.*-----END)")
# Without one of these a text, or a line of it, needs no second look: each pattern above has one.
_STEM = re.compile(r"pass|secret|token|credential|key|://|authorization", re.IGNORECASE)
_ANY = re.compile(rf"{_WORD}|://[^\s/]*@|authorization|PRIVATE KEY", re.IGNORECASE)

_Inside = Callable[[str], bool]


def mask_secrets(text: str) -> str:
    """`text` with `***` for every plain value of a key named like a password, token or secret.

    The lines stay the same in number and end. References are no secrets: `from_secret: name`, `${password}`,
    `var.token`, `*alias`, `{{ … }}`.
    """
    if not _STEM.search(text):
        return text
    return "\n".join(_masked_lines(text.split("\n")))


def _masked_lines(lines: list[str]) -> Iterator[str]:
    inside: _Inside | None = None
    named = False
    for whole in lines:
        line = whole.removesuffix("\r")
        end = whole[len(line) :]
        if inside is not None and inside(line):
            yield (_blanked(line) if line.strip() else line) + end
            continue
        if not named and not _STEM.search(line):
            inside = None
            yield whole
            continue
        inside = _opened_by(line)
        named_here = bool(_NAMED.search(line))
        yield _masked_line(line, named or named_here) + end
        named = named_here


def _masked_line(line: str, named: bool) -> str:
    if len(line) > LONGEST:
        return _blanked(line) if _ANY.search(line) else line
    for pattern in (_PAIR, _NAMED_VALUE) if named else (_PAIR,):
        position = 0
        while match := pattern.search(line, position):
            start, end = match.span("value")
            if line[start] not in "\"'":
                end = start + _plain_length(line, start, match)
            masked = _masked_value(line[start:end], expression=match["mark"] == "=" and bool(match["space"]))
            line = line[:start] + masked + line[end:]
            # Brackets are looked into: what they hold may be a secret of its own.
            position = start + (1 if masked[:1] in ("[", "{") else max(len(masked), 1))
    for pattern in _IN_PASSING:
        line = pattern.sub(lambda match: match["key"] + _masked_value(match["value"]), line)
    return line


def _plain_length(line: str, start: int, match: re.Match[str]) -> int:
    """How far an unquoted value reaches: to a comment, the end of a flow mapping, or in `A=b c` to white space."""
    rest = line[start:]
    if match["mark"] == "=" and not match["space"]:
        return len(re.split(r"[\s\"';&]", rest, maxsplit=1)[0])
    rest = re.split(r"\s+#", rest, maxsplit=1)[0]
    before = line[:start]
    if before.count("{") > before.count("}") and (flow := _FLOW_VALUE.match(rest)):
        rest = flow[0] or rest
    return len(rest.rstrip())


def _masked_value(value: str, expression: bool = False) -> str:
    quote = value[:1] if value[:1] in ("'", '"') else ""
    inner = value[1:-1] if quote else value
    if _REFERENCE.fullmatch(inner) or (not quote and _UNQUOTED_REFERENCE.fullmatch(inner)):
        return value
    if expression and not quote and _EXPRESSION.fullmatch(inner):
        return _STRING.sub(lambda string: _masked_value(string[0]), inner) if "(" in inner else inner
    return f"{quote}{MASK}{quote}"


def _opened_by(line: str) -> _Inside | None:
    """Tells which lines after this one still belong to a secret that it begins."""
    if _KEY_BLOCK.search(line):
        return lambda following: "-----END" not in following
    match = _PAIR.search(line)
    if match is None:
        return None
    if re.fullmatch(r"[|>][-+0-9]*(?:\s+#.*)?", match["value"].rstrip()):
        column = match.start("key")
        return lambda following: not following.strip() or len(following) - len(following.lstrip()) > column
    if heredoc := _HEREDOC.match(match["value"]):
        return lambda following: following.strip() != heredoc[1]
    return None


def _blanked(line: str) -> str:
    return line[: len(line) - len(line.lstrip())] + MASK
