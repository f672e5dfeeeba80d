"""Known secrets never show, in whatever form a command or a diff writes them."""

from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64encode
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codemods.rollout.masking import masked
from tests.soak import EXAMPLES

SECRET = 'it\'s "p$1\\ w+rd" é'


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        SECRET.replace("'", "''"),
        SECRET.replace("'", "'\\''"),
        json.dumps(SECRET),
        json.dumps(SECRET, ensure_ascii=False),
        quote(SECRET),
        quote(SECRET, safe=""),
        *(b64encode(b"x" * before + SECRET.encode() + b"y" * 3).decode() for before in range(4)),
        urlsafe_b64encode(b"user:" + SECRET.encode()).decode(),
    ],
)
def test_all_forms_are_masked(form: str) -> None:
    """Quoted, escaped and encoded."""
    shown = masked(f"before {form} after", [SECRET])
    assert "***" in shown
    assert not any(part in shown for part in ("w+rd", "w%2Brd", "p$1", b64encode(SECRET.encode()).decode()[4:20]))
    assert shown.startswith("before ") and shown.endswith(" after")


def test_longest_secret_first() -> None:
    """A secret that begins another leaves none of it behind."""
    assert masked("a hunter2hunter b", ["hunter2", "hunter2hunter", ""]) == "a *** b"


def test_lines_of_a_secret() -> None:
    """A key in a diff stands line by line, with signs before it."""
    key = "-----BEGIN KEY-----\nabcdef\nghijkl==\n-----END KEY-----\n"
    diff = "".join(f"+  {line}\n" for line in key.splitlines())
    assert masked(diff, [key]) == "+  ***\n" * 4


def test_short_secrets() -> None:
    """One of three characters or fewer is masked where it stands alone, not inside words."""
    assert masked("pin: 42, port 4242, '42'", ["42"]) == "pin: ***, port 4242, '***'"


def test_what_looks_like_a_secret_is_masked_too() -> None:
    """Values of keys named like secrets, even those that nobody named."""
    assert masked("password: other", ["hunter2"]) == "password: ***"
    assert masked("nothing here", []) == "nothing here"


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    st.text(alphabet="abcxyz019 '\"\\+/=é\n", min_size=4, max_size=20).filter(lambda text: len(text.strip()) > 3),
    st.text(),
)
def test_no_secret_is_left(secret: str, around: str) -> None:
    """Whatever stands around it, a masked text does not have the secret in it."""
    assert secret not in masked(f"{around}{secret}{around}", [secret])
