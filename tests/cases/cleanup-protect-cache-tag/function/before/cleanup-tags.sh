#!/usr/bin/env python3
"""Keep the newest tags."""

import os
import shutil
import sys

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
    found = [{"name": name, "age": os.stat(os.path.join(tags_dir, name)).st_mtime} for name in os.listdir(tags_dir)]
    found = sorted(found, key=lambda item: item["age"])
    if len(found) <= KEEP:
        continue
    for item in found[: len(found) - KEEP]:
        count += remove(tags_dir, item["name"])
print(count)
