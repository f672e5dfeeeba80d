"""`codemod sync-dns`: the one record of the registry's name, shown, set, and asked for until the server answers."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import TYPE_CHECKING

import click

from codemods.cli.main import common_options, reader_may_leave
from codemods.cli.one_report import one_report
from codemods.cli.options import CommonOptions
from codemods.cli.progress import progress
from codemods.cli.session import Session, open_session
from codemods.credentials import FILE, Credentials, configuration_directory, find_credentials, origin_of
from codemods.dns.model import ADDRESS_TYPES, Change, Provider, Record, Wanted
from codemods.engine.report.escape import printable
from codemods.engine.report.formats import print_as
from codemods.engine.report.model import CheckResult, CheckState, RecordChange, RecordData, Report, exit_code
from codemods.errors import CodemodError, SettingsError
from codemods.extras import require_extra
from codemods.settings import given_values
from codemods.termination import terminated_as_interrupted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from codemods.settings import DnsSettings


@dataclass(frozen=True)
class Options:
    """What was asked for on the command line."""

    plan: bool = False
    yes: bool = False
    format: str = "text"


@click.command("sync-dns")
@click.option("--plan", is_flag=True, help="Show what would change; change nothing. Exit 1 when something would.")
@click.option("--yes", is_flag=True, help="Change it without asking.")
@click.option("--format", type=click.Choice(["text", "json"]), default="text", show_default=True)
@common_options
@click.pass_obj
def sync_dns(common: CommonOptions, plan: bool, yes: bool, format: str) -> int:
    """Give the registry's host name its address on the DNS server: one record, and no second one.

    Then ask that server, over UDP and TCP, until it answers with the address.
    """
    options = Options(plan, yes, format)
    if plan and yes:
        raise SettingsError("--plan and --yes exclude each other")
    session = open_session(common)
    require_extra("net", "httpx", "dns")
    report = _sync_all(_records(session, common), options, common)
    with reader_may_leave():
        print_as(options.format, report, common.verbosity)
    return report.exit_code


def _records(session: Session, common: CommonOptions) -> list[tuple[DnsSettings, Wanted]]:
    """The record of each registry's name, and its server; registries may share one. Raises SettingsError."""
    records = dict.fromkeys((one.settings.dns, wanted_record(one, common)) for one in session.each())
    kept: dict[tuple[str, str, str], Wanted] = {}
    for dns, wanted in records:
        other = kept.setdefault((dns.server, wanted.name, wanted.type), wanted)
        if other.value != wanted.value:
            raise SettingsError(
                f"two registries are called {wanted.name}, one at {other.value}, one at {wanted.value}: a name has one "
                "address; correct registry.address or registry.hostname"
            )
    return list(records)


def wanted_record(session: Session, common: CommonOptions) -> Wanted:
    """What the settings want the name to have. Raises SettingsError."""
    settings, dns = session.settings, session.settings.dns
    settings.require("registry.hostname", "dns.server")
    name, address = settings.registry.hostname.lower(), session.address
    if dns.zone and not f".{name}".endswith(f".{dns.zone.lower()}"):
        raise SettingsError(f"dns.zone is {dns.zone}, and registry.hostname {name} does not lie in it: set one of them")
    if (dns.provider == "technitium") != ("://" in dns.server):
        form = "http(s)://HOST:PORT" if dns.provider == "technitium" else "HOST or HOST:PORT"
        raise SettingsError(f"dns.server is {dns.server}: for dns.provider {dns.provider} it is {form}")
    given = "dns.ttl" in given_values(session.repository.root, common.overrides, settings.registry.name)
    return Wanted(name, ADDRESS_TYPES[ip_address(address).version], address, dns.ttl, given)


def _sync_all(records: Sequence[tuple[DnsSettings, Wanted]], options: Options, common: CommonOptions) -> Report:
    """One record after the other; of several, one that fails does not keep the others from being set."""
    if len(records) == 1:
        return _sync(*records[0], options, common)
    reports = []
    for dns, wanted in records:
        try:
            reports.append(_sync(dns, wanted, options, common))
        except CodemodError as error:
            failed = CheckResult("dns", wanted.name, CheckState.ERROR, str(error))
            reports.append(_report([], checks=(failed,)))
    return one_report(reports)


def _sync(dns: DnsSettings, wanted: Wanted, options: Options, common: CommonOptions) -> Report:
    from codemods.dns.sync import apply_changes, plan_changes, wait_for_answer

    with terminated_as_interrupted(), _opened(dns) as provider:
        seen = provider.records(wanted.name, wanted.type)
        changes = plan_changes(seen, wanted)
        refusal = _refusal(changes, options) if changes else ""
        if changes and not refusal:
            apply_changes(provider, seen, changes, wanted)
    if options.plan or refusal:
        return _report(changes, notes=(refusal,) if refusal else (), pending=bool(changes))
    quiet = common.verbosity < 0 or options.format == "json"
    with progress(f"waiting for {wanted.name}", quiet=quiet) as show:
        checks = tuple(wait_for_answer(wanted, dns.server, show))
    return _report(changes, notes=tuple(_notes(changes, wanted)), checks=checks)


def _refusal(changes: Sequence[Change], options: Options) -> str:
    """Why the changes are not to be made; empty when they are."""
    if options.yes:
        return ""
    if options.plan:
        return "nothing was changed: this is the plan"
    if not sys.stdin.isatty():
        return "nothing was changed: there is no terminal to ask at; pass --yes"
    from codemods.engine.report.text import print_report

    print_report(_report(changes, pending=True), sys.stderr, sys.stderr)
    agreed = click.confirm("Change this on the DNS server?", default=False, err=True)
    return "" if agreed else "nothing was changed"


def _notes(changes: Sequence[Change], wanted: Wanted) -> Iterator[str]:
    if not changes:
        yield f"{wanted.name} has its record already, nothing was changed"
    stale = [change.before for change in changes if change.before and change.before.value != wanted.value]
    if stale:
        longest = max(record.ttl for record in stale)
        yield f"others may have kept the old address, and answer with it for {longest} s at most"


def _report(
    changes: Sequence[Change],
    *,
    notes: tuple[str, ...] = (),
    checks: tuple[CheckResult, ...] = (),
    pending: bool = False,
) -> Report:
    records = tuple(
        RecordChange(change.subject.name, change.subject.type, _data(change.before), _data(change.after))
        for change in changes
    )
    code = exit_code(checks=checks, pending=pending)
    return Report("sync-dns", code, notes=notes, records=records, checks=checks, pending=pending)


def _data(record: Record | None) -> RecordData | None:
    return RecordData(record.value, record.ttl) if record else None


@contextmanager
def _opened(dns: DnsSettings) -> Iterator[Provider]:
    """The provider that the settings name. A session with its server is ended, whatever happens."""
    provider = _open_rfc2136(dns) if dns.provider == "rfc2136" else _open_technitium(dns)
    try:
        yield provider
    finally:
        try:
            provider.close()
        except CodemodError as error:
            click.echo(f"codemod: the session is not ended, it ends by itself: {printable(str(error))}", err=True)


def _open_rfc2136(dns: DnsSettings) -> Provider:
    from codemods.dns.rfc2136 import Rfc2136

    credentials = find_credentials("dns", dns.server)
    if credentials is None:
        raise _no_credentials(dns.server, "CODEMOD_DNS_USERNAME and CODEMOD_DNS_PASSWORD (name and secret of the key)")
    return Rfc2136(dns.server, credentials, dns.zone)


def _open_technitium(dns: DnsSettings) -> Provider:
    from codemods.dns.technitium import Technitium
    from codemods.dns.technitium_api import CodeRequired

    credentials = find_credentials("dns", dns.server) or _typed_credentials(origin_of(dns.server))
    try:
        return Technitium(dns.server, credentials, dns.zone)
    except CodeRequired:
        if not sys.stdin.isatty() or credentials.totp:
            raise
    code = click.prompt("One-time code", hide_input=True, err=True)
    return Technitium(dns.server, replace(credentials, totp=code), dns.zone)


def _typed_credentials(origin: str) -> Credentials:
    """A login from the terminal. Raises CodemodError where there is none."""
    if not sys.stdin.isatty():
        raise _no_credentials(origin, "CODEMOD_DNS_TOKEN, or CODEMOD_DNS_USERNAME and CODEMOD_DNS_PASSWORD")
    if origin.startswith("http://"):
        click.confirm(f"{origin} is not encrypted. Send a password over it?", abort=True, err=True)
    username = click.prompt(f"User on {origin}", err=True)
    return Credentials(origin, username=username, password=click.prompt("Password", hide_input=True, err=True))


def _no_credentials(origin: str, variables: str) -> CodemodError:
    return CodemodError(
        f"there are no dns credentials for {origin}: set CODEMOD_DNS_ORIGIN={origin} and {variables}, "
        f"or write them to {configuration_directory() / FILE}"
    )
