"""Known secrets taken out of text that is shown: diffs, logs, errors of commands.

Beside a secret itself its forms are masked: escaped for YAML, JSON, shells and URLs, in base64 wherever it begins in
the encoded text, and each line of one with several lines. A secret of up to three characters is only masked where it
stands alone, not inside a word: else it would make every text unreadable, and it keeps nobody out.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator
from urllib.parse import quote

from codemods.engine.report.escape import printable
from codemods.engine.report.mask import MASK, mask_secrets

_SHORT = 3


def masked(text: str, secrets: Iterable[str]) -> str:
    """`text` with `***` for every secret and each of its forms, and for values that look like secrets."""
    forms = {form for secret in secrets for form in _forms(secret) if form.strip()}
    if forms:
        # The longest first: a secret may be the beginning of another.
        pattern = "|".join(_pattern(form) for form in sorted(forms, key=len, reverse=True))
        text = re.sub(pattern, MASK, text)
    return mask_secrets(text)


def _pattern(form: str) -> str:
    return re.escape(form) if len(form) > _SHORT else rf"(?<!\w){re.escape(form)}(?!\w)"


def _forms(secret: str) -> Iterator[str]:
    yield from _escaped(secret)
    if "\n" in secret:
        for line in secret.splitlines():
            if len(line.strip()) > _SHORT:
                yield from _escaped(line.strip())
    if len(secret) > _SHORT:
        yield from _encoded(secret.encode())


def _escaped(secret: str) -> Iterator[str]:
    yield secret
    yield secret.strip()
    yield secret.replace("'", "''")
    yield secret.replace("'", "'\\''")
    yield secret.replace("'", "'\"'\"'")
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield printable(secret)
    yield quote(secret, safe="")
    yield quote(secret)


def _encoded(secret: bytes) -> Iterator[str]:
    """The characters of base64 that a secret alone decides, for each of the three places where it may begin."""
    for before in range(3):
        text = b64encode(bytes(before) + secret).decode()
        start = -(-before * 8 // 6)
        end = (before + len(secret)) * 8 // 6
        yield text[start:end]
        yield text[start:end].replace("+", "-").replace("/", "_")
    yield b64encode(secret).decode()
