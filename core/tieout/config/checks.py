"""What is well formed and still wrong: names that lead nowhere, policies that contradict, two owners of one event type.

Every function notes its slips and goes on; none stops at the first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from zoneinfo import ZoneInfo

from tieout.config.files import is_file, missing_file
from tieout.config.needs import roles_needed
from tieout.config.positions import Path as KeyPath
from tieout.config.project import Company, Connection
from tieout.config.reading import Draft
from tieout.config.secret import is_reference
from tieout.config.slip import Slips, choices, nearest
from tieout.config.tables import CompanyTable, FileTable, TimingTable
from tieout.model.catalogue import REASONS
from tieout.model.policy import PolicyBook
from tieout.plugins import Plugins
from tieout.posting.accounts import AccountKeys

BUILT_IN_METHODS = ("fifo", "weighted_average", "standard", "specific", "lifo")
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")
_STORE = re.compile(r"(sqlite:///.+|postgresql(\+[a-z0-9]+)?://.+)")
_FILES = {
    "items_file": "unknown items would all become exceptions",
    "locations_file": "unknown locations would all become exceptions",
    "parties_file": "party groups would not be known",
    "accounts_file": "its roles would have no account",
    "chart_file": "accounts could not be checked against it",
}
_POOL_POLICIES = ("cost_method", "cost_scope", "framework", "found_cost", "book")


def check_project(draft: Draft, table: FileTable, plugins: Plugins) -> None:
    """[project] and the names of companies and connections."""
    slips = draft.slips
    store = table.project.store
    if not _STORE.fullmatch(store) and not is_reference(store):
        near = None
        if store.startswith("postgres://"):
            near = "postgresql" + store.removeprefix("postgres")
        elif re.match(r"sqlite:/{1,2}[^/]", store):
            near = "sqlite:///" + store.removeprefix("sqlite:").lstrip("/")
        fix = "sqlite:///FILE, postgresql://…, or env:NAME"
        slips.add("TO1074", ("project", "store"), "store: not a database", "nothing could be kept", fix, nearest=near)
    installed = {p.name for p in [*plugins.loaded, *plugins.skipped]} | {b.plugin.name for b in plugins.broken}
    distributions = {p.distribution for p in [*plugins.loaded, *plugins.skipped]} | {
        b.plugin.distribution for b in plugins.broken
    }
    for index, name in enumerate(table.project.plugins or ()):
        if name not in installed | distributions:
            why, where = "nothing of that name is installed", ("project", "plugins", index)
            near = nearest(name, installed | distributions)
            slips.add("TO1013", where, f"no plugin {name!r}", why, choices(installed), nearest=near, level="warning")
    for group in ("companies", "connections"):
        for code in getattr(table, group):
            if not _CODE.fullmatch(code) and code != "?":
                why = "it is written into keys, file names and references"
                slips.add(
                    "TO1074", (group, code), f"{code!r} cannot be a name", why, "letters, digits, - and _", key=True
                )


def check_company(
    path: KeyPath, table: CompanyTable, company: Company, draft: Draft, connections: Mapping[str, Connection]
) -> None:
    """Calendar, locks, files and the ledger of one company."""
    slips = draft.slips
    _check_calendar(path, table, slips)
    for name, why in _FILES.items():
        given = getattr(table, name)
        if given is not None and not is_file(draft.root / given):
            missing_file(slips, (*path, name), draft.root / given, draft.root, why)
    lock = company.locked_through
    if lock is not None:
        if company.calendar.period(lock).end != lock and not slips.spoilt((*path, "calendar")):
            end = company.calendar.period(lock).end
            why = f"period {company.calendar.period(lock).name} ends on {end}: half of it would be locked"
            fix = f"the last day of a period, such as {end}"
            what = f"{lock} is not the end of a period"
            slips.add("TO1021", (*path, "locked_through"), what, why, fix, level="warning")
        lives = [("go_live",), *(("scopes", i, "go_live") for i in range(len(company.scopes)))]
        for where, moment in zip(lives, [company.go_live, *(s.go_live for s in company.scopes)], strict=True):
            if moment is not None and moment.astimezone(company.timezone).date() <= lock:
                why = f"nothing may be dated through {lock}: its first entries would all move to the next open day"
                fix = "go live on the first open day, or later"
                slips.add("TO1052", (*path, *where), "go-live lies in a locked period", why, fix, level="warning")
    _check_ledger(path, table, company, slips, connections)


def _check_calendar(path: KeyPath, table: CompanyTable, slips: Slips) -> None:
    calendar = table.calendar
    weeks = calendar.kind != "months"
    where = (*path, "calendar")
    if slips.spoilt(where):
        return
    if weeks and calendar.year_end_weekday is None:
        why = "it decides on which day every period ends"
        fix = 'add year_end_weekday = "saturday" (or another day)'
        slips.add("TO1020", where, f"a {calendar.kind} calendar without year_end_weekday", why, fix)
        slips.refused.add(where)
    if not weeks and calendar.year_end_weekday is not None:
        why = "calendar months end on any day of the week"
        fix = 'leave it out, or say kind = "4-4-5"'
        slips.add("TO1020", (*where, "year_end_weekday"), "year_end_weekday with calendar months", why, fix)


def _check_ledger(
    path: KeyPath, table: CompanyTable, company: Company, slips: Slips, connections: Mapping[str, Connection]
) -> None:
    if table.ledger is None:
        if company.mode != "shadow":
            why = f"mode is {company.mode!r}, and its entries would have nowhere to go"
            fix = 'ledger = "CONNECTION", or mode = "shadow"'
            slips.add("TO1073", path, f"company {company.code} has no ledger", why, fix)
        return
    where = (*path, "ledger")
    connection = connections.get(table.ledger)
    why = "its entries would have nowhere to go"
    if connection is None:
        near, fix = nearest(table.ledger, connections), choices(connections)
        slips.add("TO1010", where, f"no connection {table.ledger!r}", why, fix, nearest=near)
    elif connection.error is None and "ledger" not in connection.roles:
        ledgers = [c.name for c in connections.values() if "ledger" in c.roles]
        what = f"connection {table.ledger!r} ({connection.connector}) is no ledger"
        slips.add("TO1018", where, what, why, choices(ledgers))
    elif connection.company != company.code:
        what = f"connection {table.ledger!r} belongs to company {connection.company!r}"
        slips.add("TO1018", where, what, "its entries would enter another company's books", "use one of its own")


def check_policies(path: KeyPath, table: CompanyTable, book: PolicyBook, methods: Iterable[str], slips: Slips) -> None:
    """Cost methods that exist, lifo only under US GAAP, no cost policy by channel, no version that overrules its equal."""
    known = {*BUILT_IN_METHODS, *methods}
    seen: dict[tuple[object, ...], int] = {}
    for index, version in enumerate(table.policies):
        where = (*path, "policies", index)
        given = version.model_fields_set
        effective, category, channel = version.effective, version.category, version.channel  # type: ignore[attr-defined]
        if "cost_method" in given and version.cost_method not in known:
            why = "no movement of this company could be valued"
            near = nearest(version.cost_method, known)
            what = f"unknown cost method {version.cost_method!r}"
            slips.add("TO1030", (*where, "cost_method"), what, why, choices(known), nearest=near)
        inforce = book.at(effective, category or "", channel or "")
        if inforce.cost_method == "lifo" and inforce.framework != "us_gaap" and {"cost_method", "framework"} & given:
            why = "IAS 2 does not allow it; US GAAP does"
            key = "cost_method" if "cost_method" in given else "framework"
            slips.add("TO1031", (*where, key), "lifo without framework us_gaap", why, 'framework = "us_gaap", or fifo')
        for name in _POOL_POLICIES:
            if channel and name in given:
                why = "all channels draw on the same cost pool"
                slips.add("TO1032", (*where, name), f"{name} by channel", why, "set it for the company or a category")
        for name in given - {"effective", "category", "channel"}:
            first = seen.setdefault((name, effective, category, channel), index)
            if first != index:
                why = "of two versions with one date neither could rule"
                what = f"{name} is set twice for {effective}"
                slips.add("TO1033", (*where, name), what, why, "delete one, or give it a later date", key=True)


def check_reasons(path: KeyPath, table: CompanyTable, slips: Slips) -> None:
    """Reason texts lead to canonical codes, each text once."""
    seen: dict[str, str] = {}
    for text, code in table.reasons.items():
        where = (*path, "reasons", text)
        if code not in REASONS:
            why = "it selects the matrix row and the account of the adjustment"
            slips.add(
                "TO1017", where, f"unknown reason code {code!r}", why, choices(REASONS), nearest=nearest(code, REASONS)
            )
        first = seen.setdefault(text.strip().casefold(), text)
        if first != text:
            why = "case and spaces at the ends are not compared"
            slips.add("TO1041", where, f"{text!r} and {first!r} are the same text", why, "delete one", key=True)
        if text in REASONS and code != text:
            why = "a canonical code always means itself"
            slips.add("TO1041", where, f"{text!r} is itself a canonical code", why, "delete this line", key=True)


def check_roles(path: KeyPath, company: Company, types: Mapping[tuple[str, str], frozenset[str]], slips: Slips) -> None:
    """Every role that the event types in use need under the policies in use has an account."""
    mine = {t for found in types.values() for t in found}
    for role, (event_type, row) in roles_needed(mine, company.reasons.values(), company.policies).items():
        refused = slips.refused & {(*path, "accounts"), (*path, "accounts", role)}
        if role not in company.accounts.roles and not refused:
            why = f"{event_type} posts to it ({row}); each such event would wait as an exception"
            fix = f'{role} = "ACCOUNT" under [companies.{company.code}.accounts]'
            slips.add("TO1046", (*path, "accounts"), f"role {role!r} has no account", why, fix, key=True)
        elif not refused and company.accounts.find(role, AccountKeys(), date.max) is None:
            why = f"{event_type} posts to it ({row}); what no special case covers would wait as an exception"
            fix = f'{role} = "ACCOUNT" under [companies.{company.code}.accounts], unless the special cases are all there is'
            what = f"role {role!r} is mapped for special cases only"
            slips.add("TO1046", (*path, "accounts"), what, why, fix, key=True, level="warning")
    if company.scopes and "rollout_clearing" not in company.accounts.roles:
        why = "a transfer across the border of a rollout scope posts to it"
        fix = f'rollout_clearing = "ACCOUNT" under [companies.{company.code}.accounts]'
        slips.add("TO1046", (*path, "accounts"), "role 'rollout_clearing' has no account", why, fix, key=True)


def check_scopes(path: KeyPath, table: CompanyTable, company: Company, slips: Slips) -> None:
    """Scopes are unions of whole cost pools and do not overlap."""
    days = sorted({version.effective for version in company.policies.versions}) or [datetime.min.date()]
    for index, scope in enumerate(company.scopes):
        where = (*path, "scopes", index)
        if not scope.categories and not scope.locations and not slips.spoilt(where):
            why = "it would be the whole company, whose mode is set above"
            slips.add("TO1051", where, "a scope without categories or locations", why, "name some, or delete it")
        if scope.locations:
            categories = scope.categories or {v.category or "" for v in company.policies.versions} | {""}
            entity = sorted(
                {
                    c or "the company"
                    for c in categories
                    for d in days
                    if company.policies.at(d, c).cost_scope == "entity"
                }
            )
            if entity:
                what = f"locations split the cost pools of {', '.join(entity)}"
                why = "under cost_scope = entity one pool spans all locations: part of its value would be posted"
                fix = "scope by category, or set cost_scope = location"
                slips.add("TO1051", (*where, "locations"), what, why, fix)
        for other in range(index):
            if _overlap(company.scopes[other].categories, scope.categories) and _overlap(
                company.scopes[other].locations, scope.locations
            ):
                why = "a pool in both would be posted by the rule of one and not by the other"
                slips.add("TO1051", where, f"overlaps with scope {other + 1}", why, "make them disjoint")


def check_schedule(table: FileTable, connections: Mapping[str, Connection], slips: Slips) -> None:
    """Timings: known streams, either an interval or a cron line."""
    schedule = table.schedule
    for name in ("pull", "deliver", "reconcile"):
        timing = getattr(schedule, name)
        if timing is not None:
            _check_timing(("schedule", name), timing, slips)
    for connection, streams in schedule.streams.items():
        where: KeyPath = ("schedule", "streams", connection)
        if connection not in connections:
            why, near = "it would never run", nearest(connection, connections)
            fix = choices(connections)
            slips.add("TO1010", where, f"no connection {connection!r}", why, fix, key=True, nearest=near)
            continue
        known = [stream.name for stream in connections[connection].streams]
        for stream, timing in streams.items():
            if stream not in known and not slips.spoilt(("connections", connection, "streams")):
                why, near = "it would never run", nearest(stream, known)
                what = f"connection {connection!r} has no stream {stream!r}"
                slips.add("TO1010", (*where, stream), what, why, choices(known), key=True, nearest=near)
            _check_timing((*where, stream), timing, slips)


def _check_timing(where: KeyPath, timing: TimingTable, slips: Slips) -> None:
    if slips.spoilt(where):
        return
    if (timing.every is None) == (timing.cron is None):
        what = "neither every nor cron" if timing.every is None else "both every and cron"
        slips.add(
            "TO1060", where, what, "it is not clear when it runs", 'every = "5m", or cron = "30 6 * * *"', key=True
        )
    if timing.every is not None and timing.jitter is not None and timing.jitter >= timing.every:
        why = "two runs could fall together"
        slips.add("TO1060", (*where, "jitter"), "jitter is not shorter than the interval", why, "make it shorter")


def check_sla(
    table: FileTable, connections: Mapping[str, Connection], zones: Mapping[str, ZoneInfo], slips: Slips
) -> None:
    """Objectives that can be met, outages of connections that exist."""
    sla = table.sla
    general: KeyPath = ("sla",)
    if sla.freshness_error < sla.freshness_warn:
        why = "the breach would come before the warning"
        slips.add(
            "TO1061", (*general, "freshness_error"), "freshness_error is shorter than freshness_warn", why, "swap them"
        )
    if not any(sla.quality.model_dump().values()):
        why = "a score needs something to weigh"
        slips.add(
            "TO1061", (*general, "quality"), "all quality weights are zero", why, "give one of them a weight", key=True
        )
    for name, connection in connections.items():
        for index, stream in enumerate(connection.streams):
            warn = stream.sla.freshness_warn or sla.freshness_warn
            error = stream.sla.freshness_error or sla.freshness_error
            if error < warn and (stream.sla.freshness_warn or stream.sla.freshness_error):
                where: KeyPath = ("connections", name, "streams", index, "sla")
                why = "the breach would come before the warning"
                slips.add("TO1061", where, "freshness_error is shorter than freshness_warn", why, "set both")
    for index, outage in enumerate(sla.maintenance):
        where = ("sla", "maintenance", index)
        if outage.connection not in connections:
            near = nearest(outage.connection, connections)
            why = "no alarm would be held back"
            what = f"no connection {outage.connection!r}"
            slips.add("TO1010", (*where, "connection"), what, why, choices(connections), nearest=near)
            continue
        zone = zones.get(connections[outage.connection].company, ZoneInfo("UTC"))
        if instant(outage.ends, zone) <= instant(outage.starts, zone):
            slips.add("TO1061", (*where, "ends"), "ends before it starts", "it would hold back nothing", "swap them")


def check_exceptions(table: FileTable, slips: Slips) -> None:
    """Owners by error code."""
    for code in table.exceptions.owners:
        if not re.fullmatch(r"TO[0-9]{1,4}", code):
            where = ("exceptions", "owners", code)
            why = "no exception has such a code, so nobody would be told"
            slips.add("TO1074", where, f"{code!r} is no error code", why, "TO and one to four digits", key=True)


def instant(value: object, zone: ZoneInfo) -> datetime:
    """A day or an instant as an instant: a day begins at its first moment in the zone, a time without offset is in it."""
    if isinstance(value, datetime):
        return value if value.tzinfo is not None else value.replace(tzinfo=zone)
    return datetime.fromisoformat(f"{value}T00:00:00").replace(tzinfo=zone)


def _overlap(a: frozenset[str], b: frozenset[str]) -> bool:
    return not a or not b or bool(a & b)
