"""Which images pipelines push to registries other than the private one, under which tags."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from codemods.facts.images import canonical
from codemods.facts.pipelines import Build, texts
from codemods.facts.references import split_repository
from codemods.formats.yaml import text_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class PushedImage(NamedTuple):
    """`host` is the registry's (`docker.io` for Docker Hub); `repository` is its name there, without the host.

    `host` and `repository` are empty where a variable or a secret stands in their place; `tag` may have variables.
    """

    name: str
    host: str
    repository: str
    tag: str

    @property
    def is_known(self) -> bool:
        """Whether it can be looked for: what a run puts in place of variables nobody knows beforehand."""
        return bool(self.repository) and "$" not in self.repository + self.tag


def pushed_images(builds: Iterable[tuple[str, Build]], private: str) -> list[PushedImage]:
    """Every image and tag once, in the order of the pipelines; `private` is the private registry's host:port."""
    found = (image for path, build in builds if build.pushes for image in _pushed(path, build, private))
    return list(dict.fromkeys(found))


def _pushed(path: str, build: Build, private: str) -> Iterator[PushedImage]:
    if build.repositories is None:
        yield PushedImage(f"{path}: {build.name}", "", "", "")
    for name in build.repositories or ():
        if not name.startswith(f"{private}/"):
            for tag in pushed_tags(build):
                yield _image(name, tag)


def pushed_tags(build: Build) -> list[str]:
    """The tags that a push to the default branch sets; with `auto_tag` the plugin takes no others."""
    if (text_of(build.value("auto_tag")) or "").lower() in ("true", "yes", "on", "1"):
        return [text_of(build.value("auto_tag_suffix")) or "latest"]
    return texts(build.value("tags")) or texts(build.value("tag")) or ["latest"]


def _image(name: str, tag: str) -> PushedImage:
    short = canonical(name)
    host, repository = split_repository(short)
    return PushedImage(f"{short}:{tag}", host, repository if host else "", tag)
