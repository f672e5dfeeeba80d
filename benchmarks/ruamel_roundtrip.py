"""The recipe for pipelines as a script that one would write first: ruamel.yaml loads, the data changes, it dumps.

python ruamel_roundtrip.py DIRECTORY
"""

from __future__ import annotations

import sys
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import LiteralScalarString

HOST = "registry.example.lan:5050"
PLUGIN = "woodpeckerci/plugin-docker-buildx"


def migrate(path: Path, yaml: YAML) -> None:
    """Change one file, when a step of it is to be changed."""
    with path.open() as file:
        data = yaml.load(file)
    steps = [step for step in data.get("steps", ()) if step.get("image") == PLUGIN]
    for step in steps:
        step["image"] = f"{PLUGIN}:5.2.2-insecure"
        settings = step["settings"]
        name = settings["repo"].rpartition("/")[2]
        settings["repo"] = [settings["repo"], f"{HOST}/{name}"]
        login = {"registry": "https://index.docker.io/v1/", "username": settings["username"]}
        settings["logins"] = [{**login, "password": dict(settings["password"])}]
        settings["cache_from"] = f"{HOST}/{name}:buildcache"
        settings["cache_to"] = f"type=registry,ref={HOST}/{name}:buildcache,mode=max"
        config = f'[registry."{HOST}"]\n  http = true\n  insecure = true\n'
        settings["buildkit_config"] = LiteralScalarString(config)
    if steps:
        with path.open("w") as file:
            yaml.dump(data, file)


def main() -> None:
    """Migrate all pipelines of a directory."""
    yaml = YAML()
    yaml.preserve_quotes = True
    for path in sorted(Path(sys.argv[1]).rglob("*.yml")):
        migrate(path, yaml)


if __name__ == "__main__":
    main()
