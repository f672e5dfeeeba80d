"""The cleanup script on a real storage: as found it removes the tags pushed last, edited it keeps them."""

from __future__ import annotations

import json
import sys
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from codemods.caching.cleanup_protect import check
from codemods.engine.context import Context
from codemods.engine.run import Selection, plan_changes
from codemods.repository import Document
from codemods.settings import Settings
from codemods.stack import Stack
from tests.live.artifacts import Layout
from tests.live.conftest import require
from tests.live.lab import Registry, run

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.live

SCRIPT = Path(__file__).parents[2] / "examples/infra/modules/docker-registry/cleanup-tags.sh"
VERSIONS = [f"v{number}" for number in range(1, 11)]
CONFIG = """\
version: 0.1
storage:
  filesystem:
    rootdirectory: /var/lib/registry
http:
  addr: 127.0.0.1:5000
"""


@dataclass
class Builds:
    """A registry that builds push to, as one of the directories below `base`."""

    registry: Registry
    base: Path
    layout: Layout
    pushed: list[str] = field(default_factory=list)

    @property
    def tags_dir(self) -> Path:
        """Where the registry keeps the tags of the image."""
        return self.registry.storage / "docker/registry/v2/repositories/infra/_manifests/tags"

    def push(self, tag: str) -> None:
        """Push a new image under a tag, at a time of its own."""
        source = self.layout.tag(self.layout.image(f"{tag}-{len(self.pushed)}"), f"push-{len(self.pushed)}")
        self.pushed.append(tag)
        time.sleep(0.02)
        options = ["--insecure-policy", "copy", "--dest-tls-verify=false"]
        run(["skopeo", *options, source, f"docker://{self.registry.address}/infra:{tag}"])

    def push_twelve(self) -> None:
        """Twelve tags; `buildcache` and `latest` were the first there were, and are the last pushed."""
        for tag in ["buildcache", "latest", *VERSIONS, "buildcache", "latest"]:
            self.push(tag)
        assert self.tags() == {*VERSIONS, "buildcache", "latest"}

    def tags(self) -> set[str]:
        """What the registry itself lists."""
        with urllib.request.urlopen(f"http://{self.registry.address}/v2/infra/tags/list", timeout=5) as answer:
            return set(json.load(answer)["tags"])

    def clean(self, script: Path, keep: int) -> None:
        """Run a script as the crontab does, on this registry's base directory."""
        run([sys.executable, str(script), str(keep), str(self.base)])

    def pull(self, tag: str, directory: Path) -> None:
        """Pull a tag; an error when anything of it is missing."""
        options = ["--insecure-policy", "copy", "--src-tls-verify=false"]
        run(["skopeo", *options, f"docker://{self.registry.address}/infra:{tag}", f"dir:{directory / tag}"])


@pytest.fixture
def builds(tmp_path: Path) -> Iterator[Builds]:
    """A real registry with storage of its own."""
    require("docker-registry", "skopeo")
    config, base = tmp_path / "config.yml", tmp_path / "data"
    config.write_text(CONFIG)
    base.mkdir()
    with Registry(config, base) as registry:
        yield Builds(registry, base, Layout(tmp_path / "layout"))


@pytest.fixture
def edited(tmp_path: Path) -> Path:
    """The example's script with the recipe's edit."""
    document = Document(SCRIPT.name, SCRIPT.read_text(encoding="utf-8"))
    context = Context(Settings(), Stack(cleanup=SCRIPT.name), lambda path: document)
    [change] = plan_changes([check], context, Selection()).changes
    script = tmp_path / "edited.sh"
    script.write_text(change.new_text, encoding="utf-8")
    return script


def test_pushing_a_tag_again_does_not_touch_its_directory(builds: Builds) -> None:
    """The registry writes `current/link` anew; the tag's directory keeps the time of the first push."""
    builds.push("buildcache")
    directory, link = builds.tags_dir / "buildcache", builds.tags_dir / "buildcache/current/link"
    before = directory.stat().st_mtime_ns, link.stat().st_mtime_ns, link.read_text()
    builds.push("buildcache")
    assert directory.stat().st_mtime_ns == before[0]
    assert link.stat().st_mtime_ns > before[1]
    assert link.read_text() != before[2]


def test_the_script_as_found_removes_the_tags_pushed_last(builds: Builds) -> None:
    """Of twelve tags, `cleanup-tags.sh 10` removes exactly the cache and `latest`."""
    builds.push_twelve()
    builds.clean(SCRIPT, 10)
    assert builds.tags() == set(VERSIONS)


def test_the_edited_script_removes_the_oldest_and_keeps_the_cache(builds: Builds, edited: Path, tmp_path: Path) -> None:
    """The same twelve tags lose the two versions pushed first; what is left is whole."""
    builds.push_twelve()
    builds.clean(edited, 10)
    assert builds.tags() == {*VERSIONS[2:], "buildcache", "latest"}
    for tag in ("buildcache", "latest", "v3"):
        builds.pull(tag, tmp_path)


def test_the_edited_script_never_removes_a_cache_tag(builds: Builds, edited: Path) -> None:
    """A cache that is older than all, and the cache of one platform, stay beyond the number to keep."""
    for tag in ("buildcache", "buildcache-amd64", "buildcaches", *VERSIONS[:4]):
        builds.push(tag)
    builds.clean(edited, 2)
    assert builds.tags() == {"buildcache", "buildcache-amd64", "v3", "v4"}


def test_a_push_in_progress_is_young(builds: Builds, edited: Path) -> None:
    """A tag whose link is not written yet counts by its directory, which was just made."""
    for tag in VERSIONS[:3]:
        builds.push(tag)
    (builds.tags_dir / "v4/current").mkdir(parents=True)
    builds.clean(edited, 1)
    assert {path.name for path in builds.tags_dir.iterdir()} == {"v4"}
