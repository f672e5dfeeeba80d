#!/usr/bin/env python3
import os
import shutil
import sys

import re
KEEP = re.compile(r"^(latest|buildcache)(-.*)?$")
tags = [t for t in os.listdir("_manifests/tags") if not KEEP.match(t)]
tags.sort(key=lambda t: os.stat(f"_manifests/tags/{t}/current/link").st_mtime)
for t in tags[:-10]:
    shutil.rmtree(f"_manifests/tags/{t}")
