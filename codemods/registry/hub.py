"""`verify --hub`: the public images that the pipelines push are there, under the tags that they give them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codemods.cli.progress import progress
from codemods.engine.report.model import CheckResult, CheckState, count
from codemods.errors import CodemodError
from codemods.facts.pushed import PushedImage, pushed_images
from codemods.facts.references import DOCKER_HUB
from codemods.http import Unreachable
from codemods.registry.places import is_loopback
from codemods.registry.public import Answer, Distribution, DockerHub, PublicRegistry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from codemods.cli.options import CommonOptions
    from codemods.cli.session import Session
    from codemods.cli.verify import Options
    from codemods.engine.context import Context

_FOUND = {
    Answer.PRESENT: (CheckState.PASS, ""),
    Answer.NO_TAG: (CheckState.FAIL, "the repository has no such tag: has its pipeline run?"),
    Answer.NO_REPOSITORY: (CheckState.FAIL, "there is no such repository: has its pipeline run?"),
    Answer.HIDDEN: (CheckState.SKIPPED, "private, or there is none: without a login nobody can tell"),
}


def check_hub(session: Session, options: Options, common: CommonOptions) -> Iterator[CheckResult]:
    """One result for each image and tag. A registry that cannot be asked is one result, and skipped unless the check
    was asked for: being offline says nothing of the images.
    """
    context = session.context
    images = pushed_images(context.builds, context.settings.registry.host)
    if not images:
        yield CheckResult("hub", "", CheckState.SKIPPED, "the pipelines push no image to a public registry")
    for image in images:
        if not image.is_known:
            message = "a variable or a secret stands in its name: what it becomes is known to a pipeline only"
            yield CheckResult("hub", image.name, CheckState.SKIPPED, message)
    unasked = CheckState.ERROR if options.hub else CheckState.SKIPPED
    with progress("public images", quiet=common.verbosity < 0) as show:
        yield from look_for(images, lambda host: registry_at(host, context), unasked, show)


def look_for(
    images: Sequence[PushedImage],
    connect: Callable[[str], PublicRegistry],
    unasked: CheckState,
    show: Callable[[int, int], None],
) -> Iterator[CheckResult]:
    """The results for images whose names are known; `connect` gives the registry of a host.

    One that gives no answer is not asked again; it is one result in the state `unasked`. `show` gets the progress.
    """
    known = [image for image in images if image.is_known]
    done = 0
    for host in dict.fromkeys(image.host for image in known):
        waiting = [image for image in known if image.host == host]
        registry = connect(host)
        try:
            while waiting:
                show(done, len(known))
                state, message = _FOUND[registry.find(waiting[0].repository, waiting[0].tag)]
                yield CheckResult("hub", waiting.pop(0).name, state, message)
                done += 1
        except CodemodError as error:
            doubt = "; is this machine offline?" if isinstance(error, Unreachable) else ""
            message = f"{count(len(waiting), 'image')} not looked for: {error}{doubt}"
            yield CheckResult("hub", host, unasked, message)
        finally:
            registry.close()


def registry_at(host: str, context: Context) -> PublicRegistry:
    """The registry of a host as references name it: over https, unless the stack or BuildKit's own rule says http."""
    if host == DOCKER_HUB:
        return DockerHub()
    endpoint = context.endpoints.get(host)
    scheme = endpoint.scheme if endpoint else "http" if is_loopback(host) else "https"
    return Distribution(f"{scheme}://{host}")
