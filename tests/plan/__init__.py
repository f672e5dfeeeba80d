"""The plan that the recipe carries out, and the snippets in it."""

from __future__ import annotations

import re
from pathlib import Path

PLAN = Path(__file__).parent / "ci-build-caching-plan.md"


def snippets(task: int, language: str) -> list[str]:
    """The texts of a task's fenced blocks in that language (`yaml`, `hcl`, `nginx`), in the order of the plan."""
    _, *parts = re.split(r"^### Task (\d+):", PLAN.read_text(encoding="utf-8"), flags=re.MULTILINE)
    tasks = dict(zip(map(int, parts[::2]), parts[1::2], strict=True))
    return re.findall(rf"^```{language}\n(.*?)^```$", tasks[task], re.MULTILINE | re.DOTALL)
