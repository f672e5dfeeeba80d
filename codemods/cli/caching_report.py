"""What `apply-caching` says at the end: changes, refusals, notes, and what comes next."""

from __future__ import annotations

import posixpath
from collections import Counter
from typing import TYPE_CHECKING

from codemods.caching.production import production_notes
from codemods.engine.baseline import find_baseline
from codemods.engine.context import Context
from codemods.engine.inspection import PARSE_ERROR
from codemods.engine.judge import judge
from codemods.engine.model import Finding, Note, Severity
from codemods.engine.report.located import reported_change, reported_finding, reported_refusal
from codemods.engine.report.model import Report, ReportedRefusal, count, exit_code
from codemods.engine.run import PIPELINES, ChangeSet
from codemods.errors import CodemodError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from codemods.cli.session import Session
    from codemods.commit import CommitResult
    from codemods.stack import Stack


def build_report(session: Session, found: ChangeSet, *, pending: bool, committed: CommitResult | None) -> Report:
    """The report of a run; with `pending` its changes are shown, not made."""
    from codemods.caching.recipe import RECIPE

    unparsable = [item for item in found.refusals if item.rule == PARSE_ERROR]
    severities = {rule.id: rule.severity for rule in RECIPE}
    findings = tuple(
        reported_finding(item, severities.get(item.rule, Severity.ERROR))
        for item in (*unparsable, *found.findings)
        if not item.wants_edits
    )
    refusals = tuple(reported_refusal(item) for item in found.refusals if item.rule != PARSE_ERROR)
    refusals += tuple(_refused_commit(committed)) if committed else ()
    return Report(
        command="apply-caching",
        exit_code=exit_code(findings=findings, refusals=refusals, pending=pending and bool(found.changes)),
        profile=session.settings.profile,
        findings=findings,
        changes=tuple(reported_change(change) for change in found.changes),
        refusals=refusals,
        notes=(
            *_notes(session, found),
            *(_commit_notes(session, committed) if committed else ()),
            *(_still_wrong(session, found) if found.changes and not pending else ()),
        ),
        pending=pending,
        next_steps=tuple(_next_steps(session, found, pending=pending, committed=committed)) if found.changes else (),
    )


def _still_wrong(session: Session, found: ChangeSet) -> Iterator[str]:
    """What the check finds in the repository as it is now, and the way to live with it."""
    from codemods.catalogue import LINT

    new = {change.path: change.new for change in found.changes}
    context = session.context
    after = Context(context.settings, context.stack, lambda path: new[path] if path in new else context.document(path))
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
            listed = ", ".join(f"{rule} {number}" for rule, number in mine.items())
            yield f"the check still finds {count(sum(mine.values()), severity.value)}: {listed}"
    if counts:
        yield "`codemod check` shows them; `codemod check --write-baseline` lets CI pass until they are repaired"


def _refused_commit(committed: CommitResult) -> Iterator[ReportedRefusal]:
    refused = committed.refused
    if refused is None:
        return
    waiting = f" ({count(len(committed.pending), 'commit')} after it not tried)" if committed.pending else ""
    advice = f"its changes are in the working tree{waiting}: mend what it says, then commit by hand"
    output = "".join(f"\n{line}" for line in refused.output)
    yield ReportedRefusal("commit", refused.message, 1, refused.reason + output, advice)


def _commit_notes(session: Session, committed: CommitResult) -> Iterator[str]:
    for commit in committed.commits:
        yield f"committed {commit.id[:10]} {commit.message}"
        for paths, what in (
            (commit.rewritten, "a hook rewrote"),
            (commit.extra, "a hook added"),
            (commit.left, "a hook changed, without adding it to the commit,"),
        ):
            if paths:
                yield f"{what} {_listed(paths)}"
    prefix = session.settings.commit.prefix.strip()
    if committed.commits and _skips_ci(prefix):
        yield f"the messages say {prefix}: pushing these commits starts no pipeline"


def _notes(session: Session, found: ChangeSet) -> Iterator[str]:
    settings = session.settings
    yield from session.context.stack.notes
    if not session.context.stack.pipelines:
        yield f"no pipeline found: paths.pipelines is {', '.join(settings.paths.pipelines)}"
    for item in found.notes:
        assert isinstance(item.outcome, Note)
        yield f"{item.document.path}: {item.outcome.message}"
    if found.suppressed:
        paths = dict.fromkeys(item.located.document.path for item in found.suppressed)
        places = count(len(found.suppressed), "place")
        yield f"{places} left alone, suppressed by a comment or the baseline: {_listed(paths)}"
    if found.left_out:
        yield f"not changed, as the stack is changed as a whole or not at all: {_listed(found.left_out)}"
    if found.held_back:
        yield (
            f"held back: {_listed(found.held_back)}; a pipeline cannot build without its registry, and the stack was "
            f"refused (--only {PIPELINES} writes them all the same)"
        )
    changed = {change.path for change in found.changes}
    if changed & session.context.pipelines:
        for clash in session.context.images.collisions:
            names = ", ".join(f"{primary} → {session.context.images.of(primary)}" for primary in clash)
            yield f"images with the same short name got longer local names: {names}"
    pinned = sum("image pinned" in message for message in _messages(found))
    if pinned:
        yield (
            f"{count(pinned, 'step')} pinned to {settings.woodpecker.plugin_image}: a privileged image, older than "
            "latest; newer standard images cannot be told about a registry over http"
        )
    if changed:
        yield from production_notes(settings.registry)
    if settings.verified and any("registry-add-private-config" in change.rules for change in found.changes):
        cap, disk = settings.registry.storage, _disk_size(session)
        yield f"no cap yet: nothing keeps the registry within {cap}; watch the disk of the VM{disk}"


def _next_steps(session: Session, found: ChangeSet, *, pending: bool, committed: CommitResult | None) -> Iterator[str]:
    """In the order that breaks nothing: a pipeline pushed before its registry exists cannot build."""
    settings, stack = session.settings, session.context.stack
    registry, pipelines = settings.registry, session.context.pipelines
    if pending:
        yield "run this again without --diff, look at `git diff`, and commit"
    elif committed is None or committed.refused:
        yield "look at `git diff`, then commit"
    changed = [change.path for change in found.changes if change.path not in pipelines]
    if changed:
        yield _update_the_vm(session, changed)
    yield f"make {registry.hostname} an A record to {_address(session) or 'the address of that machine'} in your DNS"
    if any("image pinned" in message for message in _messages(found)):
        where = f" ({stack.plugins_privileged_at})" if stack.plugins_privileged_at else ""
        yield (
            f"check that the CI server's WOODPECKER_PLUGINS_PRIVILEGED{where} lists the plugin without a tag, or "
            f"{settings.woodpecker.plugin_image}"
        )
    answer = "{}" if registry.auth == "none" else "UNAUTHORIZED, as it does to everybody without a login"
    trust = f"--cacert {registry.ca} " if registry.scheme == "https" and registry.ca else ""
    yield f"ask the registry by name: `curl {trust}{registry.scheme}://{registry.host}/v2/` answers {answer}"
    start = ", start a pipeline by hand," if committed and _skips_ci(settings.commit.prefix) else ""
    yield (
        f"only now push{start} and look for `importing cache manifest` in the log of the second build: "
        "a pipeline cannot build before its registry answers"
    )


def _update_the_vm(session: Session, changed: Iterable[str]) -> str:
    stack, hosts = session.context.stack, session.settings.vm.hosts
    host = hosts[0] if hosts else "the registry VM"
    known = dict(_deployed(session))
    copies = (
        f"copy {path} to {known.get(path) or _beside_compose(stack, path)}"
        for path in changed
        if path != stack.terraform
    )
    lines = [
        f"bring {host} up to date (cloud-init runs on a first boot only):",
        f"make the directory {stack.directory}/data/{session.settings.registry.name}",
        *copies,
        *(["put the crontab lines of Terraform in the place of its own"] if stack.terraform else []),
        f"run `docker compose up -d` in {stack.directory}, and restart nginx",
    ]
    return "\n".join(lines)


def _beside_compose(stack: Stack, path: str) -> str:
    """Where a file lies on the VM when nothing says so: as far from the compose file as in the repository."""
    relative = posixpath.relpath(path, posixpath.dirname(stack.compose or "") or ".")
    below = posixpath.basename(path) if relative.startswith("..") else relative
    return posixpath.join(stack.directory, below)


def _deployed(session: Session) -> Iterator[tuple[str, str]]:
    """Path and destination of the files that Terraform puts on the VM."""
    from codemods.facts.terraform import resolve_source

    stack = session.context.stack
    try:
        deployments = session.context.terraform.deployments if session.context.terraform else ()
    except CodemodError:
        return
    for one in deployments:
        if stack.terraform and (path := resolve_source(stack.terraform, one.source)):
            yield path, one.destination


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


def _skips_ci(prefix: str) -> bool:
    return any(mark in prefix.lower() for mark in ("[ci skip]", "[skip ci]"))


def _listed(paths: Iterable[str]) -> str:
    """The first ten paths, and how many more there are."""
    first = list(paths)
    more = f" and {len(first) - 10} more" if len(first) > 10 else ""
    return ", ".join(first[:10]) + more


def _messages(found: ChangeSet) -> Iterator[str]:
    for change in found.changes:
        yield from (item.outcome.message for item in change.findings if isinstance(item.outcome, Finding))
