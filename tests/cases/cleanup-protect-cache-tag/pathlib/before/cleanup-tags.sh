"""Keep the newest tags."""
from __future__ import annotations

import shutil
import sys
from pathlib import Path


def tags_of(base: Path):
    for registry in base.iterdir():
        yield from registry.glob("docker/registry/v2/repositories/**/_manifests/tags")


def main(keep: int, base: Path) -> None:
    for tags_dir in list(tags_of(base)):
        newest = sorted(tags_dir.iterdir(), key=lambda p: p.stat().st_mtime, reverse=True)
        for old in newest[keep:]:
            print("remove", old)
            shutil.rmtree(old)


main(int(sys.argv[1]), Path(sys.argv[2] if len(sys.argv) > 2 else "/opt/registry/data"))
