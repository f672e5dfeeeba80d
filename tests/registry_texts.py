"""Registry configurations for tests, and what the rules find in one."""

from __future__ import annotations

from codemods.engine.context import Context
from codemods.engine.inspection import inspect
from codemods.engine.model import Finding
from codemods.repository import Document
from codemods.rules.registry import RULES
from codemods.settings import Settings
from codemods.stack import Stack

FILE_RULES = tuple(rule for rule in RULES if not rule.cross)
COMPOSE = """\
services:
  registry-private:
    image: {image}
    volumes:
      - ./config.yml:{target}
"""
TARGETS = {"2": "/etc/docker/registry/config.yml", "3": "/etc/distribution/config.yml"}


def findings(text: str, image: str | None = "registry:2.8.3") -> list[tuple[str, str]]:
    """Rule and message of everything that the rules of one file find; `image` None: no compose file is at hand."""
    major = "3" if image and image.rpartition(":")[2].startswith("3") else "2"
    files = {"config.yml": text, "compose.yml": COMPOSE.format(image=image, target=TARGETS[major])}
    documents = {path: Document(path, content) for path, content in files.items()}
    stack = Stack(compose="compose.yml") if image else Stack(registry_configs=("config.yml",))
    located = inspect(FILE_RULES, Context(Settings(), stack, documents.__getitem__), lambda done, total: None)
    return [(item.rule, item.outcome.message) for item in located if isinstance(item.outcome, Finding)]
