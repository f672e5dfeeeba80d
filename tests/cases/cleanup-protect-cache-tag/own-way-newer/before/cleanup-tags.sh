#!/usr/bin/env python3
import os
import shutil
import sys

for tags_dir in sys.argv[1:]:
    ages = []
    for tag in os.listdir("_manifests/tags"):
        path = os.path.join("_manifests/tags", tag)
        ages.append((max(os.path.getmtime(path), os.path.getmtime(path + "/current/link")), path))
    for _, path in sorted(ages)[:-10]:
        if not path.endswith("/buildcache"):
            shutil.rmtree(path)
