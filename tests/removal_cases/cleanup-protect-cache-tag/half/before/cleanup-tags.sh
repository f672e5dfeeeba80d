#!/usr/bin/env python3
"""Keep the newest tags."""

import os
import shutil
import sys


def last_pushed(tag_dir):
    """When the tag was last pushed; a push of the same tag leaves the time of its directory alone."""
    try:
        return os.path.getmtime(os.path.join(tag_dir, "current", "link"))
    except OSError:  # no link yet: the first push is under way
        return os.path.getmtime(tag_dir)


KEEP = int(sys.argv[1]) if len(sys.argv) > 1 else 10
BASE = sys.argv[2] if len(sys.argv) > 2 else "/opt/registry/data"

removed = 0

for registry in sorted(os.listdir(BASE)):
    repositories = os.path.join(BASE, registry, "docker/registry/v2/repositories")
    if not os.path.isdir(repositories):
        continue
    for directory, names, _ in os.walk(repositories):
        if not directory.endswith("/_manifests/tags"):
            continue
        tags = []
        for tag in names:
            if tag == "buildcache":
                continue
            tag_dir = os.path.join(directory, tag)
            tags.append((last_pushed(tag_dir), tag))
        names.clear()
        tags.sort(reverse=True)
        for _, tag in tags[KEEP:]:
            # the oldest ones
            shutil.rmtree(os.path.join(directory, tag))
            removed += 1

print(f"removed {removed} tags")
