"""Cleanup scripts in the shapes that people write them, and their variations in style.

Every script of `SHAPES` takes KEEP and BASE from its command line and keeps the KEEP tags of a repository whose
directories are youngest.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from hypothesis import strategies as st

_HEAD = '''\
#!/usr/bin/env python3
"""Keep the newest tags."""

import os
import shutil
import sys

KEEP = int(sys.argv[1]) if len(sys.argv) > 1 else 10
BASE = sys.argv[2] if len(sys.argv) > 2 else "/opt/registry/data"

'''

WALK = (
    _HEAD
    + """\
removed = 0

for registry in sorted(os.listdir(BASE)):
    repositories = os.path.join(BASE, registry, "docker/registry/v2/repositories")
    if not os.path.isdir(repositories):
        continue
    for directory, names, _ in os.walk(repositories):
        if not directory.endswith("/_manifests/tags"):
            continue
        tags = []
        for tag in names:
            tag_dir = os.path.join(directory, tag)
            tags.append((os.path.getmtime(tag_dir), tag))
        names.clear()
        tags.sort(reverse=True)
        for _, tag in tags[KEEP:]:
            # the oldest ones
            shutil.rmtree(os.path.join(directory, tag))
            removed += 1

print(f"removed {removed} tags")
"""
)

SORTED = (
    _HEAD
    + """\

def clean(tags_dir, keep):
    tags = sorted(os.listdir(tags_dir), key=lambda tag: os.path.getmtime(os.path.join(tags_dir, tag)), reverse=True)
    for tag in tags[keep:]:
        path = os.path.join(tags_dir, tag)
        try:
            shutil.rmtree(path)
        except OSError as error:
            print("failed", path, error)


def main():
    for registry in os.listdir(BASE):
        root = os.path.join(BASE, registry, "docker", "registry", "v2", "repositories")
        for directory, names, _ in os.walk(root):
            if "_manifests" in names:
                clean(os.path.join(directory, "_manifests", "tags"), KEEP)


if __name__ == "__main__":
    main()
"""
)

PATHLIB = '''\
"""Keep the newest tags."""
from __future__ import annotations

import shutil
import sys
from pathlib import Path


def tags_of(base: Path):
    for registry in base.iterdir():
        yield from registry.glob("docker/registry/v2/repositories/**/_manifests/tags")


def main(keep: int, base: Path) -> None:
    for tags_dir in list(tags_of(base)):
        newest = sorted(tags_dir.iterdir(), key=lambda p: p.stat().st_mtime, reverse=True)
        for old in newest[keep:]:
            print("remove", old)
            shutil.rmtree(old)


main(int(sys.argv[1]), Path(sys.argv[2] if len(sys.argv) > 2 else "/opt/registry/data"))
'''

SCANDIR = (
    _HEAD.replace("import shutil\n", "").replace("import sys\n", "import sys\nfrom shutil import rmtree\n")
    + """\
DRY_RUN = "--dry-run" in sys.argv

for registry in os.scandir(BASE):
    for root, directories, _ in os.walk(registry.path):
        if os.path.basename(root) != "tags" or "_manifests" not in root:
            continue
        entries = [entry for entry in os.scandir(root) if entry.is_dir()]
        entries.sort(key=lambda entry: entry.stat().st_mtime)
        entries.reverse()
        for number, entry in enumerate(entries):
            if number >= KEEP:
                if DRY_RUN:
                    print("would remove", entry.name)
                else:
                    rmtree(entry.path)
        directories.clear()
"""
)

PAIRS = (
    _HEAD
    + """\

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
"""
)

GLOB = (
    _HEAD.replace("import os\n", "import glob\nimport os\n")
    + """\
for tags_dir in glob.glob(os.path.join(BASE, "*/docker/registry/v2/repositories/**/_manifests/tags"), recursive=True):
    tags = glob.glob(os.path.join(tags_dir, "*/"))
    tags.sort(key=os.path.getmtime, reverse=True)
    for i in range(KEEP, len(tags)):
        shutil.rmtree(tags[i])
"""
)

AGES = """\
import os.path
import sys
from os import listdir, walk
from os.path import getmtime, join
from shutil import rmtree
BASE = sys.argv[2]

def walk_tags():
    for name in listdir(BASE):
        for directory, names, _ in walk(join(BASE, name)):
            if "tags" in names and directory.endswith("_manifests"):
                yield join(directory, "tags")

for tags_dir in walk_tags():
    ages = {}
    for tag in listdir(tags_dir):
        ages[tag] = getmtime(join(tags_dir, tag))
    order = sorted(ages, key=ages.get)
    for tag in order[: max(0, len(order) - int(sys.argv[1]))]: # the oldest
        rmtree(join(tags_dir, tag))
"""

SHAPES = {
    "walk": WALK,
    "sorted": SORTED,
    "pathlib": PATHLIB,
    "scandir": SCANDIR,
    "pairs": PAIRS,
    "glob": GLOB,
    "ages": AGES,
}


@dataclass(frozen=True)
class Style:
    """One way to write the same script."""

    indentation: str = "    "
    single_quotes: bool = False
    newline: str = "\n"
    final_newline: bool = True
    comment: str = ""
    names: tuple[str, str] = ("tag", "tags_dir")

    @property
    def renames(self) -> bool:
        """Whether variables have other names."""
        return self.names != ("tag", "tags_dir")

    def apply(self, text: str) -> str:
        """The script in this style; `text` has four spaces per level, double quotes and line feeds."""
        lines = []
        for number, line in enumerate(text.splitlines()):
            content = line.lstrip(" ")
            if self.single_quotes and '"""' not in content and "'" not in content:
                content = content.replace('"', "'")
            content = re.sub(r"\btag\b", self.names[0], content)
            content = re.sub(r"\btags_dir\b", self.names[1], content)
            lines.append(self.indentation * ((len(line) - len(line.lstrip(" "))) // 4) + content)
            if number == 0 and self.comment:
                lines.append(f"# {self.comment}")
        return self.newline.join(lines) + (self.newline if self.final_newline else "")


def styles(*, renames: bool = True) -> st.SearchStrategy[Style]:
    """All variations; `renames` allows other names of variables too."""
    names = [("tag", "tags_dir"), ("étiquette", "répertoire"), ("x1", "x2"), ("name_of_tag", "TAGS_DIR")]
    return st.builds(
        Style,
        indentation=st.sampled_from(["  ", "    ", "        ", "\t"]),
        single_quotes=st.booleans(),
        newline=st.sampled_from(["\n", "\r\n"]),
        final_newline=st.booleans(),
        comment=st.sampled_from(["", "räumt auf 🧹", "buildcache"]),
        names=st.sampled_from(names if renames else names[:1]),
    )
