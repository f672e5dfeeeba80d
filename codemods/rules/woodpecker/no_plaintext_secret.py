"""Take passwords and tokens out of pipeline files.

A pipeline file is read by everybody who can read the repository, and stays in its history. A value belongs into the
server's secrets, and `from_secret: name` in its place; one that was ever pushed must be changed as well.

Looked at are the settings of all steps, their logins, environment and build arguments. The value itself is never
shown.

Not for: values with variables, `from_secret`, paths, numbers and switches; the password of a throw-away service of the
same workflow, and words such as `test` in an environment.

Evidence: facts 37.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from codemods.engine.context import Context
from codemods.engine.model import Finding, Impact, Role, rule
from codemods.facts.pipelines import normal_key, start_of_step, steps_of
from codemods.formats.yaml import Mapping, Node, Scalar, Sequence, YamlFile, resolve, text_of, walk
from codemods.repository import Document
from codemods.rules.woodpecker.steps import pairs_of

_MAY_HOLD = re.compile(r"passw|passphrase|token|secret|_?key", re.IGNORECASE)
_SECRET = re.compile(
    r"(?:.*_)?(?:password|passwd|passphrase|token|(?:api|private|secret|auth|ssh|encryption)_?key"
    r"|apikey|secret_access_key|(?:client|app|api|auth|jwt|hmac|session|webhook|oauth)_secret|secret)"
)
_NAME_OF_SOMETHING = re.compile(r"(?:.*_)?(?:pull|tls|image|kube|k8s|kubernetes|registry|docker)_secret|from_secret")
_HARMLESS = re.compile(
    r"true|false|null|~|yes|no|on|off|-?[\d.]+|[./~].*|https?://.*|<.*>|\*+|x{3,}|.*(?:\$|\{\{).*",
    re.IGNORECASE | re.DOTALL,
)
_DUMMY = re.compile(
    r"(?:admin|ci|mysql|none|pass|password|postgres|root|secret|token|user)"
    r"|.*(?:changeme|dummy|example|fake|insecure|passw0rd|placeholder|sample|test).*",
    re.IGNORECASE,
)
"""What people write where any value does, in an environment."""
_ASSIGNED = re.compile(r"(?:--build-arg[ =])?([A-Za-z_]\w*)=(.+)", re.DOTALL)


@rule("woodpecker-no-plaintext-secret", Role.PIPELINE, impact=Impact.PIPELINE, since="0.1.0")
def check(context: Context, document: Document) -> Iterator[Finding]:
    """Yield a finding at the key of each such value; its text is in no message."""
    if not _MAY_HOLD.search(document.text):
        return
    file, seen = document.yaml, set()
    for root in file.documents:
        if not isinstance(root, Mapping):
            continue
        known = _service_values(root)
        for name, item in steps_of(root):
            parts = dict(pairs_of(item))
            for section in ("settings", "environment"):
                for key, start, end, value in _pairs(file, parts[section].value if section in parts else None):
                    harmless = value in known or (section == "environment" and _DUMMY.fullmatch(value))
                    if harmless or start in seen or not _is_secret(key, value):
                        continue
                    seen.add(start)
                    message = f"step {name}: {key} is written in the file; make it a secret of the server"
                    advice = f"name it here with from_secret, and change the {_kind(key)} that was published"
                    yield Finding(start, end, f"{message}, {advice}", block=start_of_step(root, item))


def _is_secret(key: str, value: str) -> bool:
    name = normal_key(key)
    return bool(_SECRET.fullmatch(name)) and not _NAME_OF_SOMETHING.fullmatch(name) and not _HARMLESS.fullmatch(value)


def _kind(key: str) -> str:
    return next((word for word in ("password", "token", "key") if word in key.lower()), "value")


def _pairs(file: YamlFile, node: Node | None, depth: int = 0) -> Iterator[tuple[str, int, int, str]]:
    """Every name with its value below a node, `NAME=value` in lists among them, and where the name stands."""
    node = resolve(node) if node else None
    if isinstance(node, Mapping) and depth < 10:
        for name, pair in pairs_of(node):
            text = text_of(pair.value)
            if text is not None and text.strip():
                yield name, pair.key.start, pair.key.end, text.strip()
            yield from _pairs(file, pair.value, depth + 1)
    elif isinstance(node, Sequence) and depth < 10:
        for item in node.items:
            scalar = resolve(item)
            match = _ASSIGNED.fullmatch(scalar.value.strip()) if isinstance(scalar, Scalar) else None
            if match:
                start = file.text.find(match[1], scalar.start, scalar.end)
                yield match[1], start, start + len(match[1]), match[2].strip()
            yield from _pairs(file, item, depth + 1)


def _service_values(root: Mapping) -> set[str]:
    """All texts in the services of a workflow: what a test database is told is no secret."""
    services = root.value("services")
    found = (node for node in walk(services) if isinstance(node, Scalar)) if services else ()
    return {value for node in found for value in (node.value, node.value.partition("=")[2]) if value}
