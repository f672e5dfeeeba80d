#!/usr/bin/env python3
import os
import shutil
import sys

def age(path):
    link = os.path.join(path, "current", "link")
    return os.path.getmtime(link) if os.path.exists(link) else os.path.getmtime(path)

for tags_dir in sys.argv[1:]:
    for tag in sorted(os.listdir(tags_dir), key=lambda t: age(os.path.join("tags", t)))[10:]:
        if tag in {"latest", "buildcache"}:
            continue
        shutil.rmtree(os.path.join("_manifests/tags", tag))
