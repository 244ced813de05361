"""`load` a project, or `check` it and get every slip. Both do the same work, offline; only the ending differs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from tieout.config import checks
from tieout.config.account_rows import check_chart, check_pools, gather, read_chart
from tieout.config.connections import Shipped, build_connections
from tieout.config.files import is_file
from tieout.config.needs import event_types_in
from tieout.config.positions import Path as KeyPath
from tieout.config.project import Company, Connection, Posting, Project, Scope
from tieout.config.reading import Draft, read
from tieout.config.slip import Slip, Slips
from tieout.config.tables import CompanyTable, FileTable
from tieout.config.triggers import check_owners, read_triggers
from tieout.errors import ConfigError
from tieout.model.master import Account
from tieout.model.money import to_minor
from tieout.model.period import Calendar
from tieout.model.policy import PolicyBook, PolicyVersion
from tieout.plugins import Plugins
from tieout.posting.accounts import AccountMap

FILE = "tieout.toml"
_SHOWN_MAX = 20


def load(path: Path, plugins: Plugins | None = None) -> Project:
    """The project in a folder, or of a `tieout.toml`. Without `plugins`, those installed and allowed are loaded.

    ConfigError TO1001 with every slip when there is any that stops the project. A connector that failed to load does
    not: its connection keeps the error and raises it when used.
    """
    project, slips = examine(_file(path), plugins)
    errors = [slip for slip in slips if slip.level == "error" and not slip.connection]
    if errors or project is None:
        shown = "\n".join(f"  {slip}" for slip in errors[:_SHOWN_MAX])
        more = f"\n  … and {len(errors) - _SHOWN_MAX} more" if len(errors) > _SHOWN_MAX else ""
        raise ConfigError(
            f"{_file(path).name} has {len(errors)} slip{'s' if len(errors) != 1 else ''}:\n{shown}{more}",
            slips=list(slips),
            where=errors[0].where if errors else None,
            fix="mend them; `tieout check` lists all, also after the first",
        )
    return replace(project, warnings=tuple(slips))


def check(path: Path, plugins: Plugins | None = None) -> list[Slip]:
    """Every slip in `tieout.toml` and in the account maps and charts it names, in the order of their places. Offline."""
    return examine(_file(path), plugins)[1]


def check_accounts(company: Company, chart: Sequence[Account]) -> list[Slip]:
    """Compare a company's account map with the chart its ledger reports (`Ledger.accounts()`)."""
    slips = Slips(FILE)
    check_chart(company.accounts, chart, company.currency, slips)
    return slips.sorted()


def _file(path: Path) -> Path:
    return path / FILE if path.is_dir() or path.suffix != ".toml" else path


def examine(path: Path, plugins: Plugins | None = None) -> tuple[Project | None, list[Slip]]:
    """What could be made of a configuration in spite of its slips (None: nothing), and all of them; never raises."""
    path = _file(path)
    draft = read(path)
    project = None
    if draft.table is not None:
        plugins = plugins or Plugins.load(draft.table.project.plugins)
        project = _assemble(draft, draft.table, plugins)
    return project, draft.slips.sorted()


def _assemble(draft: Draft, table: FileTable, plugins: Plugins) -> Project:
    slips = draft.slips
    shipped = Shipped.find(plugins)
    methods, errors = plugins.named("tieout_cost_methods")
    for error in (*errors, *shipped.errors):
        slips.add("TO1013", ("project",), error.message, "what it adds is not there", error.fix or "", level="warning")
    checks.check_project(draft, table, plugins)
    connections = build_connections(draft, table, plugins, shipped)
    checks.check_schedule(table, connections, slips)
    connections = {name: _with_timing(connection, table) for name, connection in connections.items()}
    companies = {
        code: _Assembler(code, company, draft, connections, shipped).company(tuple(methods))
        for code, company in table.companies.items()
    }
    checks.check_sla(table, connections, {code: c.timezone for code, c in companies.items()}, slips)
    checks.check_exceptions(table, slips)
    owners = {"": table.exceptions.owner, **table.exceptions.owners}
    return Project(
        root=draft.root,
        file=draft.path,
        name=table.project.name,
        actor=table.project.actor,
        store=table.project.store,
        companies=companies,
        connections=connections,
        plugins=plugins,
        schedule=table.schedule,
        sla=table.sla,
        notify=table.notify,
        owners=owners,
        draft=draft,
    )


def _with_timing(connection: Connection, table: FileTable) -> Connection:
    own = table.schedule.streams.get(connection.name, {})
    streams = tuple(replace(s, timing=own.get(s.name, table.schedule.pull)) for s in connection.streams)
    return replace(connection, streams=streams)


class _Assembler:
    """Builds one company and checks what it says."""

    def __init__(
        self, code: str, table: CompanyTable, draft: Draft, connections: Mapping[str, Connection], shipped: Shipped
    ) -> None:
        self.code = code
        self.table = table
        self.draft = draft
        self.slips = draft.slips
        self.path: KeyPath = ("companies", code)
        self.connections = connections
        self.shipped = shipped
        self.zone = ZoneInfo(table.timezone)

    def company(self, methods: tuple[str, ...]) -> Company:
        table, slips = self.table, self.slips
        book = _policies(table)
        gathered = gather(table, self.path, self.draft.root, self.shipped.accounts, slips)
        company = Company(
            code=self.code,
            legal_name=table.legal_name,
            currency=table.currency,
            timezone=self.zone,
            calendar=_calendar(table),
            ledger=table.ledger,
            mode=table.mode,
            go_live=self._instant(table.go_live),
            locked_through=table.locked_through,
            approval_threshold=self._threshold(),
            policies=book,
            accounts=AccountMap(gathered.rows, self.code),
            posting=Posting(table.posting.grouping, table.posting.seal_lag, table.posting.native_as_journal),
            reasons={text.strip().casefold(): code for text, code in table.reasons.items()},
            scopes=self._scopes(),
            triggers=read_triggers(self.path, table.triggers, self.code, self.connections, slips),
            items_file=self._at(table.items_file),
            locations_file=self._at(table.locations_file),
            parties_file=self._at(table.parties_file),
        )
        self._check(company, methods, whole_map=gathered.whole)
        return company

    def _check(self, company: Company, methods: tuple[str, ...], *, whole_map: bool) -> None:
        table, slips, path = self.table, self.slips, self.path
        checks.check_company(path, table, company, self.draft, self.connections)
        checks.check_policies(path, table, company.policies, methods, slips)
        checks.check_reasons(path, table, slips)
        checks.check_scopes(path, table, company, slips)
        check_pools(company.accounts, company.policies, slips)
        yields = {
            (connection.name, stream.name): event_types_in(stream.mapping)
            for connection in self.connections.values()
            if connection.company == self.code
            for stream in connection.streams
            if stream.mapping is not None
        }
        check_owners(path, self.code, company.triggers, yields, slips)
        if whole_map:
            checks.check_roles(path, company, yields, slips)
        if table.chart_file is not None and is_file(self.draft.root / table.chart_file):
            chart = read_chart(self.draft.root / table.chart_file, table.chart_file, slips)
            currency = None if (*path, "currency") in self.slips.refused else company.currency
            check_chart(company.accounts, chart, currency, slips)

    def _scopes(self) -> tuple[Scope, ...]:
        return tuple(
            Scope(frozenset(s.categories), frozenset(s.locations), s.mode, self._instant(s.go_live))
            for s in self.table.scopes
        )

    def _threshold(self) -> int | None:
        text = self.table.approval_threshold
        if text is None:
            return None
        where = (*self.path, "approval_threshold")
        why = "a plan above it waits for approval"
        try:
            minor = to_minor(text, self.table.currency, "approval_threshold")
        except ValueError as error:
            self.slips.add("TO1074", where, str(error), why, 'an amount such as "1000.00"')
            return None
        if minor < 0:
            self.slips.add("TO1074", where, "approval_threshold: below zero", why, "zero (everything waits) or more")
        return minor

    def _instant(self, value: Any) -> Any:
        return None if value is None else checks.instant(value, self.zone)

    def _at(self, name: str | None) -> Path | None:
        return None if name is None else self.draft.root / name


def _policies(table: CompanyTable) -> PolicyBook:
    own = {"effective", "category", "channel"}
    return PolicyBook(
        [
            PolicyVersion(
                effective=version.effective,  # type: ignore[attr-defined]
                category=version.category,  # type: ignore[attr-defined]
                channel=version.channel,  # type: ignore[attr-defined]
                values={name: getattr(version, name) for name in sorted(version.model_fields_set - own)},
            )
            for version in table.policies
        ]
    )


def _calendar(table: CompanyTable) -> Calendar:
    given = table.calendar
    weekday = {} if given.year_end_weekday is None else {"year_end_weekday": given.year_end_weekday}
    return Calendar(kind=given.kind, year_start_month=given.year_start_month, **weekday)
