"""Findings that a repository has agreed to live with, kept in a file beside its settings.

A finding is known by its rule, its file, the names of the things around it, and a hash of the text it is about, so
lines that come and go elsewhere do not matter, and a value that changes does.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from codemods.engine.inspection import PARSE_ERROR, Judged, Located
from codemods.engine.model import Finding, Note, Refusal, Role, Rule, Suppressed
from codemods.engine.source import source_of
from codemods.errors import SettingsError

BASELINE_FILE = ".codemod-baseline.json"
VERSION = 1


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """What tells one known finding from another; `hash` is that of the text it is about."""

    path: str
    rule: str
    data_path: str
    hash: str


_KEY = tuple(field.name for field in fields(Key))


class Baseline:
    """How often each finding is known. `messages` are for people who read the file."""

    def __init__(self, counts: Mapping[Key, int], messages: Mapping[Key, str]) -> None:
        self._counts = {key: number for key, number in counts.items() if number > 0}
        self._messages = {key: messages[key] for key in self._counts}

    @classmethod
    def load(cls, path: Path) -> Baseline:
        """Read a baseline file. Raises SettingsError."""
        try:
            content = json.loads(path.read_bytes().decode("utf-8-sig"))
            entries = [_read_entry(entry) for entry in _read_findings(content)]
        except OSError as error:
            problem = f"cannot be read: {error.strerror}"
        except RecursionError:
            problem = "no baseline: nested too deep"
        except ValueError as error:
            problem = f"no baseline: {error}"
        else:
            counts: Counter[Key] = Counter()
            for key, number, _ in entries:
                counts[key] += number
            return cls(counts, {key: message for key, _, message in entries})
        raise SettingsError(f"{path.name}: {problem}; `codemod check --write-baseline` writes it anew")

    @classmethod
    def of(cls, rules: Sequence[Rule], judged: Sequence[Judged]) -> Baseline:
        """The findings that nothing suppresses yet."""
        roles = {rule.id: rule.role for rule in rules}
        counts: Counter[Key] = Counter()
        messages: dict[Key, str] = {}
        for item in judged:
            if item.suppressed is None and not isinstance(item.located.outcome, Note):
                key = _key(roles, item.located)
                counts[key] += 1
                messages.setdefault(key, _message(item.located.outcome))
        return cls(counts, messages)

    def __len__(self) -> int:
        return sum(self._counts.values())

    def __add__(self, other: Baseline) -> Baseline:
        return Baseline(Counter(self._counts) + Counter(other._counts), {**self._messages, **other._messages})

    def judge(self, rules: Sequence[Rule], judged: Sequence[Judged]) -> list[Judged]:
        """Suppress what is known; of equal findings the first ones, as many as are known."""
        roles = {rule.id: rule.role for rule in rules}
        places = {(key.rule, key.path) for key in self._counts}
        left = Counter(self._counts)
        result = []
        for item in judged:
            located = item.located
            is_open = item.suppressed is None and not isinstance(located.outcome, Note)
            # To find the key takes a look into the parsed file: not for places that no entry is about.
            if is_open and (located.rule, located.document.path) in places and left[key := _key(roles, located)] > 0:
                left[key] -= 1
                item = item._replace(suppressed=Suppressed.BASELINE)
            result.append(item)
        return result

    def stale(
        self, rules: Sequence[Rule], judged: Sequence[Judged], in_scope: Callable[[str], bool] = lambda path: True
    ) -> Baseline:
        """What is known and was not found again by rules that have run, in files that are in scope.

        `judged` is what `judge` made of these rules' findings. Where a file could not be read, or a rule stopped,
        nothing is known to be gone.
        """
        roles = {rule.id: rule.role for rule in rules}
        known = [item.located for item in judged if item.suppressed is Suppressed.BASELINE]
        left = Counter(self._counts) - Counter(_key(roles, located) for located in known)
        refusals = [item for item in judged if isinstance(item.located.outcome, Refusal)]
        if any(item.located.rule == PARSE_ERROR and item.suppressed is None for item in refusals):
            return Baseline({}, {})
        stopped = {(item.located.rule, item.located.document.path) for item in refusals}

        def is_gone(key: Key) -> bool:
            has_run = key.rule in roles or key.rule == PARSE_ERROR
            return has_run and in_scope(key.path) and not stopped & {(key.rule, key.path), (PARSE_ERROR, key.path)}

        return Baseline({key: number for key, number in left.items() if is_gone(key)}, self._messages)

    def without_stale(
        self, rules: Sequence[Rule], judged: Sequence[Judged], in_scope: Callable[[str], bool] = lambda path: True
    ) -> Baseline:
        """What is left when `stale` findings are dropped."""
        gone = self.stale(rules, judged, in_scope)
        return Baseline(Counter(self._counts) - Counter(gone._counts), self._messages)

    def text(self) -> str:
        """The file's content: sorted, so that it changes only where the findings do."""
        findings = [
            {**asdict(key), "count": number, "message": self._messages[key]}
            for key, number in sorted(self._counts.items())
        ]
        return json.dumps({"version": VERSION, "findings": findings}, indent=2, ensure_ascii=False) + "\n"


def find_baseline(root: Path) -> Baseline | None:
    """The baseline at the repository's root, None where there is none. Raises SettingsError."""
    path = root / BASELINE_FILE
    return Baseline.load(path) if path.exists() else None


def _key(roles: Mapping[str, Role], located: Located) -> Key:
    from hashlib import sha256

    document, outcome = located.document, located.outcome
    assert not isinstance(outcome, Note)
    names: tuple[str, ...] = ()
    role = roles.get(located.rule, Role.SUPPRESSION)
    if role is not Role.SUPPRESSION and (source := source_of(role, document)):
        names = source.names_at(outcome.start)
    text = document.text[outcome.start :].partition("\n")[0]
    if isinstance(outcome, Finding) and outcome.start < outcome.end:
        text = document.text[outcome.start : outcome.end]
    # A clone with other line ends has the same findings.
    digest = sha256(text.replace("\r\n", "\n").rstrip("\r\n").encode()).hexdigest()
    return Key(document.path, located.rule, ".".join(names), digest[:16])


def _message(outcome: Finding | Refusal | Note) -> str:
    from codemods.engine.report.mask import mask_secrets

    return mask_secrets(outcome.reason if isinstance(outcome, Refusal) else outcome.message)


def _read_findings(content: Any) -> list[Any]:
    """The entries of a file's content. Raises ValueError."""
    version = content.get("version") if isinstance(content, dict) else None
    if version != VERSION:
        raise ValueError(f"version must be {VERSION}, not {json.dumps(version)}")
    findings = content.get("findings")
    if not isinstance(findings, list):
        raise ValueError("findings must be a list")
    return findings


def _read_entry(entry: Any) -> tuple[Key, int, str]:
    """One finding of the file. Raises ValueError."""
    if not isinstance(entry, dict):
        raise ValueError("a finding must be an object")
    texts = [text for name in (*_KEY, "message") if isinstance(text := entry.get(name), str)]
    if len(texts) <= len(_KEY):
        raise ValueError(f"{', '.join(_KEY)} and message of a finding must be texts")
    number = entry.get("count")
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise ValueError(f"count must be a positive number, not {json.dumps(number)}")
    *key, message = texts
    return Key(*key), number, message
