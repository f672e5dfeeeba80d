#!/usr/bin/env python3
"""Keep the newest tags of every repository of every registry on this machine.

Usage: cleanup-tags.sh [KEEP] [BASE]

KEEP is the number of tags to keep in each repository, BASE the directory with one data directory per registry.
Layers are freed by the registries' own garbage collection.
"""

import os
import shutil
import sys


def is_cache_tag(tag):
    """Whether the tag, given by name or directory, is build cache, which is never removed."""
    tag = os.path.basename(os.path.normpath(tag))
    return tag == "buildcache" or tag.startswith("buildcache-")


CACHES = [tag for tag in sys.argv[3:] if is_cache_tag(tag)]


KEEP = int(sys.argv[1]) if len(sys.argv) > 1 else 10
BASE = sys.argv[2] if len(sys.argv) > 2 else "/opt/registry/data"

removed = 0

for registry_name in sorted(os.listdir(BASE)):
    repositories = os.path.join(BASE, registry_name, "docker/registry/v2/repositories")
    if not os.path.isdir(repositories):
        continue

    for directory, names, _ in os.walk(repositories):
        if not directory.endswith("/_manifests/tags"):
            continue

        tags = []
        for tag in names:
            tag_dir = os.path.join(directory, tag)
            tags.append((os.path.getmtime(tag_dir), tag))
        names.clear()  # nothing of interest below a tag

        tags.sort(reverse=True)
        for _, tag in tags[KEEP:]:
            if is_cache_tag(tag):
                continue
            print(f"{registry_name}: remove {os.path.relpath(directory, repositories)}/{tag}")
            shutil.rmtree(os.path.join(directory, tag))
            removed += 1

print(f"removed {removed} tags")
