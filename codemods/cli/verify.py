"""`codemod verify`: do pushes, pulls, the cache and the name work, now, for every pipeline?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module

import click

from codemods.cli.main import common_options, reader_may_leave
from codemods.cli.options import CommonOptions
from codemods.cli.session import Session, open_session
from codemods.engine.report.formats import print_as
from codemods.engine.report.model import CheckResult, CheckState, Report, exit_code
from codemods.errors import CodemodError, CredentialsError, SettingsError


@dataclass(frozen=True)
class Options:
    """What was asked for on the command line."""

    registry: bool = False
    cache: bool = False
    images: bool = False
    dns: bool = False
    in_cluster: bool = False
    context: str = ""
    namespace: str = ""
    hub: bool = False
    trigger: str = ""
    integrity: bool = False
    storage: str = ""
    sample: int = 0
    format: str = "text"


Check = Callable[[Session, Options, CommonOptions], Iterator[CheckResult]]

# In the order in which they run. Each yields its results while it works, and talks on stderr only.
_CHECKS = {
    "dns": "codemods.dns.checks:check_dns",
    "registry": "codemods.registry.checks:check_registry",
    "images": "codemods.registry.checks:check_images",
    "cache": "codemods.registry.checks:check_cache",
    "integrity": "codemods.registry.checks:check_integrity",
    "hub": "codemods.registry.hub:check_hub",
    "trigger": "codemods.ci.checks:check_trigger",
}


@click.command("verify")
@click.option("--registry", is_flag=True, help="Reach the private registry by address and name, push and read back.")
@click.option("--cache", is_flag=True, help="Every cache that the pipelines name is there, whole.")
@click.option(
    "--images", is_flag=True, help="Every image that the pipelines build is there, as in its public registry."
)
@click.option("--dns", is_flag=True, help="The DNS server answers with the registry's address.")
@click.option("--in-cluster", is_flag=True, help="With --dns: ask from a pod of the Kubernetes cluster, too.")
@click.option("--context", metavar="NAME", help="With --in-cluster: kubectl's context, in place of its current one.")
@click.option("--namespace", metavar="NAME", help="With --in-cluster: where the pod runs.")
@click.option("--hub", is_flag=True, help="The public images have the tags that the pipelines give them.")
@click.option(
    "--trigger", metavar="OWNER/NAME", help="Run this pipeline twice and read from its logs if the cache works."
)
@click.option("--integrity", is_flag=True, help="Walk everything in the registry and look for damage.")
@click.option("--storage", metavar="DIR", help="With --integrity: walk a storage directory, without a registry.")
@click.option(
    "--sample",
    type=click.IntRange(min=0),
    metavar="N",
    help="With --integrity: read N blobs, chosen by chance, to their ends; a registry may name blobs it has lost.",
)
@click.option("--format", type=click.Choice(["text", "json"]), default="text", show_default=True)
@common_options
@click.pass_obj
def verify(common: CommonOptions, /, **values: object) -> int:
    """Prove from outside that the registry, its name, the images and the cache work.

    Without an option: everything that the settings allow and that changes nothing for others.
    """
    options = Options(**{name: value for name, value in values.items() if value is not None})  # type: ignore[arg-type]
    if options.in_cluster and not options.dns:
        raise SettingsError("--in-cluster goes with --dns")
    if (options.context or options.namespace) and not options.in_cluster:
        raise SettingsError("--context and --namespace go with --in-cluster")
    if options.storage and not options.integrity:
        raise SettingsError("--storage goes with --integrity")
    if options.sample and not options.integrity:
        raise SettingsError("--sample goes with --integrity")
    session = open_session(common)
    # A name or a public image may be that of several registries: it is said once.
    results = tuple(dict.fromkeys(run_checks(session, options, common)))
    if all(result.state is CheckState.SKIPPED for result in results) and not _asked(options):
        message = "nothing was checked: run `codemod init`, or set what the skipped checks name"
        results = (*results, CheckResult("verify", "", CheckState.ERROR, message))
    report = Report("verify", exit_code(checks=results), checks=results)
    with reader_may_leave():
        print_as(options.format, report, common.verbosity)
    return report.exit_code


def run_checks(session: Session, options: Options, common: CommonOptions) -> Iterator[CheckResult]:
    """The results of the checks asked for, for one registry after the other.

    A check that cannot be made does not keep the others from being made.
    """
    asked = _asked(options)
    for name in asked or [name for name in _CHECKS if name != "trigger"]:
        module, _, function = _CHECKS[name].partition(":")
        check: Check = getattr(import_module(module), function)
        is_of_all = name == "trigger" or bool(options.storage)
        for one in (session,) if is_of_all else session.each():
            try:
                yield from check(one, options, common)
            except SettingsError as error:
                if asked:
                    raise
                state = CheckState.ERROR if isinstance(error, CredentialsError) else CheckState.SKIPPED
                yield CheckResult(name, "", state, str(error))
            except CodemodError as error:
                yield CheckResult(name, "", CheckState.ERROR, str(error))


def _asked(options: Options) -> list[str]:
    """The checks that were asked for by name."""
    return [name for name in _CHECKS if getattr(options, name)]
