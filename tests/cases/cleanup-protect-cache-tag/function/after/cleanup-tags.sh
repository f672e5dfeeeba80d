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


def is_cache_tag(tag):
    """Whether the tag, given by name or directory, is build cache, which is never removed."""
    tag = os.path.basename(os.path.normpath(tag))
    return tag == "buildcache" or tag.startswith("buildcache-")


KEEP = int(sys.argv[1]) if len(sys.argv) > 1 else 10
BASE = sys.argv[2] if len(sys.argv) > 2 else "/opt/registry/data"


def remove(tags_dir, name):
    target = tags_dir + "/" + name
    shutil.rmtree(target)
    return 1


def repositories():
    for registry in os.listdir(BASE):
        top = f"{BASE}/{registry}/docker/registry/v2/repositories"
        for root, _, _ in os.walk(top):
            if root.endswith("_manifests/tags"):
                yield root


count = 0
for tags_dir in repositories():
    found = [{"name": name, "age": last_pushed(os.path.join(tags_dir, name))} for name in os.listdir(tags_dir)]
    found = sorted(found, key=lambda item: item["age"])
    if len(found) <= KEEP:
        continue
    for item in found[: len(found) - KEEP]:
        if is_cache_tag(item["name"]):
            continue
        count += remove(tags_dir, item["name"])
print(count)
