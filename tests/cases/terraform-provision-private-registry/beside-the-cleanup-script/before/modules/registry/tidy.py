import os
import shutil

for at, tags, _ in os.walk("/opt/registry/data/private/docker/registry/v2/repositories"):
    if at.endswith("/_manifests/tags"):
        for tag in sorted(tags)[:-10]:
            shutil.rmtree(os.path.join(at, tag))
