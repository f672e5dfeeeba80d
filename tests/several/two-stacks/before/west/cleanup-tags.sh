#!/usr/bin/env python3
"""Keep the newest tags of every repository."""

import os
import shutil
import sys

KEEP = int(sys.argv[1])
BASE = sys.argv[2]

for name in sorted(os.listdir(BASE)):
    repositories = os.path.join(BASE, name, "docker/registry/v2/repositories")
    for directory, names, _ in os.walk(repositories):
        if os.path.basename(directory) != "tags":
            continue
        tags = []
        for tag in names:
            tags.append((os.path.getmtime(os.path.join(directory, tag)), tag))
        names.clear()
        tags.sort(reverse=True)
        for _, tag in tags[KEEP:]:
            shutil.rmtree(os.path.join(directory, tag))
