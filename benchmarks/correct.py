"""Whether a run did its work: only then does its time count."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from ruamel.yaml import YAML

from benchmarks.generate import Pipeline
from benchmarks.measure import Run, WrongOutput

_PATH = re.compile(r"[\w./-]*\.(?:ya?ml|tf)\b")
Check = Callable[[Run], None]


def exits(*codes: int) -> Check:
    """The exit code is one of these."""

    def check(run: Run) -> None:
        if run.code not in codes:
            raise WrongOutput(f"exit code {run.code}: {run.output[-1000:]}")

    return check


def names(paths: Collection[str], codes: Sequence[int] = (0, 1)) -> Check:
    """The output names exactly these files."""
    expected = set(paths)

    def check(run: Run) -> None:
        exits(*codes)(run)
        named = {path.removeprefix("./") for path in _PATH.findall(run.output) if not path.startswith("/")}
        if named != expected:
            raise WrongOutput(f"named {len(named)} files instead of {len(expected)}: {sorted(named ^ expected)[:3]}")

    return check


def same_text(root: Path, pipelines: Sequence[Pipeline]) -> Check:
    """All files are what they must be, to the byte."""

    def check(run: Run) -> None:
        exits(0)(run)
        for pipeline in pipelines:
            if (root / pipeline.path).read_text() != pipeline.after:
                raise WrongOutput(f"{pipeline.path} is not as it must be")

    return check


def same_data(root: Path, pipelines: Sequence[Pipeline]) -> Check:
    """The files say what they must, whatever their layout; of many a part is looked at."""
    step = max(1, len(pipelines) // 200)

    def check(run: Run) -> None:
        exits(0)(run)
        yaml = YAML(typ="safe")
        for pipeline in pipelines[::step]:
            if yaml.load((root / pipeline.path).read_text()) != yaml.load(pipeline.after):
                raise WrongOutput(f"{pipeline.path} does not say what it must")

    return check
