"""`verify --images`: each image that the pipelines push is in the private registry, the same as in its public one."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from codemods.engine.report.model import CheckResult, CheckState, count
from codemods.errors import CodemodError
from codemods.facts.images import canonical
from codemods.facts.references import split_repository
from codemods.http import Unreachable
from codemods.registry.names import is_known, newest, tag_form, tags_of, variants
from codemods.registry.places import CONNECTIONS, open_private, open_public

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from codemods.cli.session import Session
    from codemods.engine.context import Context
    from codemods.facts.pipelines import Build
    from codemods.registry.client import RegistryClient

CHECK = "images"
_Public = dict[str, "RegistryClient | Unreachable"]


class Image(NamedTuple):
    """An image of a step: its names in the private registry and outside, and its tag, or the form of its tags."""

    where: str
    private: str
    public: str
    tag: str
    form: str = ""

    @property
    def target(self) -> str:
        """What the result is about."""
        return f"{self.private}:{self.tag}"


def compare_images(session: Session, show: Callable[[int, int], object]) -> Iterator[CheckResult]:
    """One result for each image and tag, in the pipelines' order; `show` is told how many are done, and of how many."""
    session.settings.require("registry.hostname")
    images: dict[tuple[str, ...], Image] = {}
    for path, build in session.context.builds:
        where = f"{path}, step {build.name}"
        found = list(_images(session.context, build, where))
        for image in found:
            images.setdefault(image[1:], image)
        if build.pushes and not found:
            yield CheckResult(CHECK, where, CheckState.SKIPPED, _not_ours(session.context, build))
    yield from _compared(session, list(images.values()), show)


def _compared(session: Session, images: list[Image], show: Callable[[int, int], object]) -> Iterator[CheckResult]:
    named = [image.public for image in images if image.public and is_known(image.public)]
    with (
        open_private(session) as private,
        open_public(session, [split_repository(name)[0] for name in named]) as public,
        ThreadPoolExecutor(CONNECTIONS) as pool,
    ):
        for done, result in enumerate(pool.map(partial(_compare, private, public), images), 1):
            show(done, len(images))
            yield result


def _images(context: Context, build: Build, where: str) -> Iterator[Image]:
    host = f"{context.settings.registry.host}/"
    repositories = build.repositories or []
    ours = next((name.removeprefix(host) for name in repositories if name.startswith(host)), None)
    others = [name for name in repositories if not name.startswith(host)] or [""]
    tags, form = tags_of(build)
    wanted = [(tag, "") for tag in tags] or [("auto_tag" if build.value("auto_tag") else "…", form)]
    if not ours or not build.pushes:
        return
    for other in others:
        for tag, tags_form in wanted:
            # A variable of the matrix has one value in all three names.
            for text in variants(build, f"{canonical(ours)}\0{canonical(other)}\0{tag}"):
                private, public, name = text.split("\0")
                yield Image(where, private, public, name, tags_form or ("" if is_known(name) else tag_form(name)))


def _not_ours(context: Context, build: Build) -> str:
    if build.repositories is None:
        return "its repo comes from a secret: not known here"
    return f"it does not push to {context.settings.registry.host}: see codemod apply-caching --diff"


def _compare(private: RegistryClient, public: _Public, image: Image) -> CheckResult:
    """One result. Raises Unreachable: without the private registry there is nothing to say of any image."""
    if not is_known(image.private):
        message = f"its name depends on variables of CI ({image.where}): not known here"
        return CheckResult(CHECK, image.target, CheckState.SKIPPED, message)
    try:
        tag, begin = _present(private, image)
        ours = private.digest(image.private, tag) if tag else None
        if ours is None:
            message = begin or f"it is not in {private.name}: no build has pushed it there yet ({image.where})"
            return CheckResult(CHECK, image.target, CheckState.FAIL, message)
    except Unreachable:
        raise
    except CodemodError as error:
        return CheckResult(CHECK, image.target, CheckState.ERROR, str(error))
    state, message = _as_outside(public, image, tag, ours)
    return CheckResult(CHECK, image.target, state, f"{begin}{message}")


def _present(private: RegistryClient, image: Image) -> tuple[str, str]:
    """The tag to compare, and how to begin the message; without a tag of the form that is the whole message."""
    if not image.form:
        return image.tag, ""
    tags = [tag for tag in private.tags(image.private) if re.fullmatch(image.form, tag)]
    if not tags:
        return "", f"{private.name} has no tag of this form, which CI fills in ({image.where})"
    tag = newest(tags)
    return tag, f"CI fills in the tag, {count(len(tags), 'tag')} there have the form; {tag}: "


def _as_outside(public: _Public, image: Image, tag: str, ours: str) -> tuple[CheckState, str]:
    if not image.public:
        return CheckState.PASS, f"there, {ours}; pushed nowhere else"
    host, name = split_repository(image.public)
    there = f"{host}/{name}:{tag}"
    if not is_known(image.public):
        return CheckState.SKIPPED, f"there; not compared, as {image.public} depends on variables of CI"
    registry = public[host]
    try:
        if isinstance(registry, Unreachable):
            raise registry
        theirs = registry.digest(name, tag)
    except CodemodError as error:
        return CheckState.SKIPPED, f"there; not compared with {there}: {error}"
    if theirs is None:
        return CheckState.FAIL, f"there, and {there} is not"
    if theirs != ours:
        return CheckState.FAIL, f"not the same as {there}: {ours} here, {theirs} there"
    return CheckState.PASS, f"the same as {there}, {ours}"
