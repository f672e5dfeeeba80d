#!/usr/bin/env python3
"""Keep the newest tags of every repository."""

import os
import shutil
import sys


def is_cache_tag_2(tag):
    """Whether the tag, given by name or directory, is build cache, which is never removed."""
    tag = os.path.basename(os.path.normpath(tag))
    return tag == "layers" or tag.startswith("layers-")


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


KEEP = int(sys.argv[1])
BASE = sys.argv[2]

for name in sorted(os.listdir(BASE)):
    repositories = os.path.join(BASE, name, "docker/registry/v2/repositories")
    for directory, names, _ in os.walk(repositories):
        if os.path.basename(directory) != "tags":
            continue
        tags = []
        for tag in names:
            tags.append((last_pushed(os.path.join(directory, tag)), tag))
        names.clear()
        tags.sort(reverse=True)
        for _, tag in tags[KEEP:]:
            if is_cache_tag_2(tag):
                continue
            if is_cache_tag(tag):
                continue
            shutil.rmtree(os.path.join(directory, tag))
