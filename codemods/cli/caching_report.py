"""What `apply-caching` says at the end: changes, refusals, notes, and what comes next."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from codemods.caching.production import production_notes
from codemods.cli.recipe_report import commit_notes, found_notes, in_one, listed, messages, recipe_report, skips_ci
from codemods.engine.baseline import find_baseline
from codemods.engine.judge import judge
from codemods.engine.model import Finding, Severity
from codemods.engine.report.model import Report, count
from codemods.engine.run import PIPELINES, Change, ChangeSet
from codemods.engine.series import together
from codemods.errors import CodemodError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from codemods.cli.session import Session
    from codemods.commit import CommitResult


def build_report(session: Session, found: ChangeSet, *, pending: bool, committed: CommitResult | None) -> Report:
    """The report of a run; with `pending` its changes are shown, not made."""
    notes = [*_notes(session, found), *(commit_notes(session, committed) if committed else ())]
    steps = _next_steps(session, found, pending=pending, committed=committed) if found.changes else ()
    return recipe_report("apply-caching", session, found, committed, notes, steps, pending=pending)


def finished(session: Session, reports: Sequence[Report], found: Sequence[ChangeSet]) -> Report:
    """One report of the runs for all registries, and what is still wrong after them."""
    report, changes = in_one(reports, found), together(found)
    if report.pending or not changes:
        return report
    return replace(report, notes=(*report.notes, *_still_wrong(session, changes)))


def _still_wrong(session: Session, changes: Sequence[Change]) -> Iterator[str]:
    """What the check finds in the repository as it is now, and the way to live with it."""
    from codemods.catalogue import LINT

    after = session.context.over({change.path: change.new for change in changes})
    rules = [rule for rule in LINT if rule.id not in session.settings.ignore]
    severities = {rule.id: rule.severity for rule in rules}
    counts: Counter[str] = Counter(
        item.located.rule
        for item in judge(rules, after, find_baseline(session.repository.root))
        if item.suppressed is None and isinstance(item.located.outcome, Finding)
    )
    for severity in Severity:
        mine = {rule: number for rule, number in counts.items() if severities.get(rule) is severity}
        if mine:
            told = ", ".join(f"{rule} {number}" for rule, number in mine.items())
            yield f"the check still finds {count(sum(mine.values()), severity.value)}: {told}"
    if counts:
        yield "`codemod check` shows them; `codemod check --write-baseline` lets CI pass until they are repaired"


def _notes(session: Session, found: ChangeSet) -> Iterator[str]:
    settings = session.settings
    yield from found_notes(session, found)
    if found.held_back:
        yield (
            f"held back: {listed(found.held_back)}; a pipeline cannot build without its registry, and the stack was "
            f"refused (--only {PIPELINES} writes them all the same)"
        )
    changed = {change.path for change in found.changes}
    if changed & session.context.pipelines:
        for clash in session.context.images.collisions:
            names = ", ".join(f"{primary} → {session.context.images.of(primary)}" for primary in clash)
            yield f"images with the same short name got longer local names: {names}"
    pinned = sum("image pinned" in message for message in messages(found))
    if pinned:
        yield (
            f"{count(pinned, 'step')} pinned to {settings.woodpecker.plugin_image}: a privileged image, older than "
            "latest; newer standard images cannot be told about a registry over http"
        )
    if changed:
        yield from production_notes(settings.registry)
    added = {rule for change in found.changes for rule in change.rules}
    if settings.verified and "registry-add-private-config" in added and not _is_collected(session, added):
        cap, disk = settings.registry.storage, _disk_size(session)
        yield f"no cap yet: nothing keeps the registry within {cap}; watch the disk of the VM{disk}"


def _is_collected(session: Session, added: Collection[str]) -> bool:
    """Whether the collector is there, or is among the rules that have added something."""
    path = session.context.stack.collector
    return "registry-add-collector" in added or (path is not None and session.context.document(path).exists)


def _next_steps(session: Session, found: ChangeSet, *, pending: bool, committed: CommitResult | None) -> Iterator[str]:
    """In the order that breaks nothing: a pipeline pushed before its registry exists cannot build."""
    settings, stack = session.settings, session.context.stack
    registry, pipelines = settings.registry, session.context.pipelines
    if pending:
        yield "run this again without --diff, look at `git diff`, and commit"
    elif committed is None or committed.refused:
        yield "look at `git diff`, then commit"
    if any(change.path not in pipelines for change in found.changes):
        host = settings.vm.hosts[0] if settings.vm.hosts else "the registry VM"
        yield f"`codemod sync-vm` brings {host} up to date: cloud-init runs on a first boot only"
    address = _address(session) or "the address of that machine"
    yield f"`codemod sync-dns` makes {registry.hostname} an A record to {address}"
    if any("image pinned" in message for message in messages(found)):
        where = f" ({stack.plugins_privileged_at})" if stack.plugins_privileged_at else ""
        yield (
            f"check that the CI server's WOODPECKER_PLUGINS_PRIVILEGED{where} lists the plugin without a tag, or "
            f"{settings.woodpecker.plugin_image}"
        )
    start = ", and start a pipeline by hand" if committed and skips_ci(settings.commit.prefix) else ""
    yield f"only now push{start}: a pipeline cannot build before its registry answers"
    yield "`codemod verify`, after the second build: it asks the registry, the name and the build cache"


def _address(session: Session) -> str:
    return session.settings.registry.address or _terraform(session, "address")


def _disk_size(session: Session) -> str:
    size = _terraform(session, "disk_size")
    return f" ({size})" if size else ""


def _terraform(session: Session, fact: str) -> str:
    """A fact of the Terraform file; nothing where there is no such file, or it cannot be read."""
    try:
        return str(getattr(session.context.terraform, fact, ""))
    except CodemodError:
        return ""
