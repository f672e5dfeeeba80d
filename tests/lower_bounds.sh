#!/usr/bin/env bash
# Run the tests with exactly the lowest versions that pyproject.toml allows, in an environment of their own.
set -euo pipefail
cd "$(dirname "$0")/.."

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

"${PYTHON:-python3}" -m venv "$scratch/venv"
"$scratch/venv/bin/python" >"$scratch/constraints.txt" <<'PYTHON'
import re
import tomllib

project = tomllib.load(open("pyproject.toml", "rb"))["project"]
extras = project["optional-dependencies"]
for requirement in [*project["dependencies"], *sum(extras.values(), [])]:
    if bound := re.match(r"([\w.-]+)>=([\w.]+)", requirement):
        print(f"{bound[1]}=={bound[2]}")
PYTHON

cat "$scratch/constraints.txt"
"$scratch/venv/bin/pip" --disable-pip-version-check install --quiet --constraint "$scratch/constraints.txt" '.[all,dev]'
"$scratch/venv/bin/pip" uninstall --quiet --yes infra-codemods # the tests import the working tree
"$scratch/venv/bin/python" -m pytest -p no:cacheprovider -n "${JOBS:-2}" -m "not live" "$@"
