"""The crontab line that collects the private registry's garbage, among its siblings in the provision list."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from codemods.caching.collection import (
    collected_by_script,
    collector_command,
    is_live,
    is_stopped,
    live_command,
    mentions,
    plain,
    read_collector,
    rename_spans,
)
from codemods.caching.terraform_site import Site, config_file
from codemods.engine.edits import Edit
from codemods.engine.model import Outcome, Refusal
from codemods.errors import CannotEdit
from codemods.facts.compose import Service
from codemods.facts.terraform import CronJob
from codemods.formats.hcl_edits import copied, insert_element

_CONFIG = "/etc/docker/registry/config.yml"


def provide_collection(site: Site) -> Iterator[Outcome]:
    """Yield the missing line, or the collector's line for an earlier form."""
    present, known = collections(site)
    others = [job for job in site.facts.cron_jobs if _collects(job) and job not in present]
    copies = {_renamed(site, job, service) for job, service in known}
    for job in present:
        yield from _present_collection(site, job, copies)
    if present:
        return
    if not known:
        raise CannotEdit(
            "no crontab line in the list collects a sibling registry's garbage",
            f"add a line for {site.container} by hand, in the form ( crontab -l; echo '…' ) | crontab -",
        )
    job, service = known[-1]
    start = site.element(job.index).start
    if not job.alone:
        raise CannotEdit("the last crontab line shares its element with others", "give each line an element", start)
    changes = job.line.at(*_next_time(site, job))
    if site.context.settings.verified:
        changes.append(Edit(job.line.command_start, job.line.command_end, _collector(site, job)))
    else:
        offset = job.line.command_start
        changes += [
            Edit(a + offset, b + offset, new) for a, b, new in rename_spans(job.line.command, _names(site, service))
        ]
    edits = [Edit(*job.span(edit.start, edit.end), edit.new) for edit in changes]
    source = copied(site.file, site.element(job.index), edits)
    message = f"no crontab line collects the garbage of {site.container}"
    last = max(other.index for other in others if _collected(site, other, site.neighbours))
    yield site.finding(last, message, insert_element(site.file, site.elements, last, source), "+")


def _collects(job: CronJob) -> bool:
    return "garbage-collect" in job.line.command or collected_by_script(job.line.command) != ""


def _is_about(job: CronJob, container: str, data: str) -> bool:
    """Whether a line collects the garbage of a container, or in its directory."""
    command = job.line.command
    if script := collected_by_script(command):
        return script == container
    return mentions(command, container) or mentions(command, data)


def collections(site: Site) -> tuple[list[CronJob], list[tuple[CronJob, Service]]]:
    """The crontab lines that collect our registry's garbage, and those of the siblings."""
    jobs = [job for job in site.facts.cron_jobs if _collects(job)]
    present = [job for job in jobs if _is_about(job, site.container, site.data_directory)]
    others = [job for job in jobs if job not in present]
    return present, [(job, service) for job in others if (service := _collected(site, job, site.siblings))]


def is_recipes(site: Site, job: CronJob) -> bool:
    """Whether a crontab line has one of the forms that the recipe has ever written."""
    command, container = job.line.command, site.container
    copies = {_renamed(site, other, service) for other, service in collections(site)[1]}
    known = command in {*copies, live_command(container, _CONFIG)} or is_live(command, container)
    return known or is_stopped(command, container) or read_collector(command) is not None


def _present_collection(site: Site, job: CronJob, copies: set[str]) -> Iterator[Outcome]:
    """Nothing for the profile's own form, the collector for earlier forms, a refusal for everything else."""
    command, container = job.line.command, site.container
    start = site.element(job.index).start
    live = command in {*copies, live_command(container, _CONFIG)} or is_live(command, container)
    own = read_collector(command)
    if not site.context.settings.verified:
        if command in {*copies, live_command(container, _CONFIG)}:
            return
        if own is not None or is_stopped(command, container):
            yield Refusal(
                start,
                f"the garbage of {container} is already collected as in profile verified; as-written would do it live",
                'keep profile = "verified"',
            )
        else:
            yield _foreign(site, job)
    elif own is not None and own.items() >= _options(site).items():
        return
    elif own is not None or live or is_stopped(command, container):
        span = job.span(job.line.command_start, job.line.command_end)
        message = _earlier(container, live=live, stopped=own is None)
        yield site.finding(job.index, message, [Edit(*span, _collector(site, job))], str(job.index))
    else:
        yield _foreign(site, job)


def _earlier(container: str, *, live: bool, stopped: bool) -> str:
    """What is wrong with an earlier form."""
    if live:
        return f"the garbage of {container} is collected while it runs, which destroys images"
    if stopped:
        return f"nothing keeps {container} within its size, and what was overwritten is never freed"
    return f"the collector of {container} is not told what the settings say"


def _foreign(site: Site, job: CronJob) -> Refusal:
    return Refusal(
        site.element(job.index).start,
        f"a crontab line for {site.container} exists with other content: {job.line.command}",
        "take the line out, or set registry.name in codemod.toml to another name",
    )


def _collected(site: Site, job: CronJob, services: Iterable[Service]) -> Service | None:
    """The one of some other registries that a crontab line is about."""
    command = job.line.command
    for service in services:
        if any(mentions(command, name) for name, _ in _names(site, service)):
            return service
    return None


def _names(site: Site, sibling: Service) -> list[tuple[str, str]]:
    """A sibling's names and paths in commands, and ours."""
    return [
        (sibling.container, plain(site.container)),
        (sibling.name, site.registry.service),
        (sibling.data_directory or "", plain(site.data_directory)),
        (config_file(sibling), plain(site.destination)),
    ]


def _renamed(site: Site, job: CronJob, sibling: Service) -> str:
    command = job.line.command
    for start, end, new in reversed(rename_spans(command, _names(site, sibling))):
        command = command[:start] + new + command[end:]
    return command


def _collector(site: Site, job: CronJob) -> str:
    return collector_command(job.line.command, site.collector, _options(site))


def _options(site: Site) -> dict[str, str]:
    """What the collector is told."""
    nginx = site.compose.nginx
    return {
        "--container": site.container,
        "--data": (site.ours and site.ours.data_directory) or site.data_directory,
        **({"--nginx": nginx.container} if nginx else {}),
        "--cache-tag": site.registry.cache_tag,
        "--max-size": site.registry.storage,
    }


def _next_time(site: Site, job: CronJob) -> tuple[int, int | None]:
    """The next free five minutes after a line: over the hour when it names one, else within the hour."""
    line = job.line
    start = site.element(job.index).start
    if line.minute is None or (line.hour is None and not line.every_hour):
        raise CannotEdit(f"the schedule {line.schedule} has no plain minute and hour", "write it as numbers", start)
    taken = {(other.line.minute, other.line.hour) for other in site.facts.cron_jobs}
    span, hour = (60, 0) if line.hour is None else (24 * 60, line.hour)
    for minutes in range(5, span, 5):
        later = divmod((hour * 60 + line.minute + minutes) % span, 60)
        time = (later[1], None if line.hour is None else later[0])
        if time not in taken and (later[1], None) not in taken:
            return time
    raise CannotEdit("no five minutes are free for another crontab line", "move one of the siblings", start)
