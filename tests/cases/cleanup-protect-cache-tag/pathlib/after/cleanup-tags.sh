"""Keep the newest tags."""
from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path


def last_pushed(tag_dir):
    """When the tag was last pushed; a push of the same tag leaves the time of its directory alone."""
    try:
        return os.path.getmtime(os.path.join(tag_dir, "current", "link"))
    except OSError:  # no link yet: the first push is under way
        return os.path.getmtime(tag_dir)


def is_cache_tag(tag):
    """Whether the tag, given by name or directory, is build cache, which is never removed."""
    tag = os.path.basename(os.path.normpath(tag))
    return tag == "buildcache" or tag.startswith("buildcache-")


def tags_of(base: Path):
    for registry in base.iterdir():
        yield from registry.glob("docker/registry/v2/repositories/**/_manifests/tags")


def main(keep: int, base: Path) -> None:
    for tags_dir in list(tags_of(base)):
        newest = sorted(tags_dir.iterdir(), key=lambda p: last_pushed(p), reverse=True)
        for old in newest[keep:]:
            if is_cache_tag(old):
                continue
            print("remove", old)
            shutil.rmtree(old)


main(int(sys.argv[1]), Path(sys.argv[2] if len(sys.argv) > 2 else "/opt/registry/data"))
