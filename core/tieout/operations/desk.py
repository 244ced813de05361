"""A company at work: its configuration, its rows in the database, and what is kept in memory between stages."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import sqlalchemy as sa

from tieout.config.project import Company, Connection, Project
from tieout.config.tables import Subject
from tieout.connector import Context, Ledger, Source
from tieout.errors import ConfigError, TieoutError, VendorError
from tieout.model.facts import Facts
from tieout.model.master import Item
from tieout.model.period import Period
from tieout.operations.guard import hold
from tieout.operations.notifiers import install as install_notifiers
from tieout.posting.bookings import Booker
from tieout.posting.dates import CompanyDays
from tieout.pull.company import load_company
from tieout.store.budgets import StoreShared
from tieout.store.exceptions import NewException
from tieout.store.journal import Journal
from tieout.store.master_files import import_file
from tieout.store.masters import Masters
from tieout.store.periods import closed
from tieout.store.schema import company as company_table
from tieout.store.schema import meta
from tieout.store.store import Store
from tieout.store.tx import Tx
from tieout.store.vault import MasterKey, StoreVault
from tieout.valuation.methods import BUILTIN, CostMethod

if TYPE_CHECKING:
    import httpx

    from tieout.http.client import Http

SEEDS: tuple[tuple[Literal["item", "location", "party"], str], ...] = (
    ("item", "items_file"),
    ("location", "locations_file"),
    ("party", "parties_file"),
)


LOCK_SECONDS = 900  # how long the ledger's answer about its lock date is taken for granted


def utc_now() -> datetime:
    return datetime.now(UTC)


def company_number(store: Store, code: str) -> int | None:
    """The row id of a company; None before its first desk."""
    with store.read() as rx:
        return rx.execute(sa.select(company_table.c.id).where(company_table.c.code == code)).scalar()


class Desk:
    """One company of an open project. Keep one for the life of the process; caches live here."""

    def __init__(self, project: Project, company: Company, store: Store, actor: str) -> None:
        self.project = project
        self.company = company
        self.store = store
        self.actor = actor
        self.now = utc_now
        self.sleep: Callable[[float], None] = time.sleep
        self.transports: dict[str, httpx.BaseTransport] = {}  # of connections whose vendor runs in this process
        self.has_go_live = company.go_live is not None or any(scope.go_live for scope in company.scopes)
        self._lock: date | None = None
        self._lock_until = 0.0  # seconds
        zone = company.timezone.key
        known = company_number(store, company.code)
        with (store if known is None else store.of_company(known)).write() as tx:
            self._refuse_other_money(tx)
            self.pulling = load_company(
                tx,
                company.code,
                company.currency,
                zone,
                reasons=company.reasons,
                unknown_reason=company.policies.at(date.max).unknown_reason,
                owners=project.owners,
                owner_of=self._owner_of,
                keys=project.root / "keys",
            )
            self.id = self.pulling.id
            if self._seed(tx):
                self.pulling.reload(tx)
        self.store = store.of_company(self.id)
        self.names = self.pulling.names
        self.journal = Journal(self.names, self.actor)
        self.days = CompanyDays(zone)
        self.booker = self._booker()
        install_notifiers(project)

    @property
    def currency(self) -> str:
        return self.company.currency

    def micros(self) -> int:
        """Now, in UTC microseconds."""
        return int(self.now().timestamp()) * 1_000_000 + self.now().microsecond

    def _owner_of(self, new: NewException) -> str | None:
        """Who plugins say should look after an exception; the first that answers."""
        error = TieoutError(new.message, code=new.code, fix=new.fix)
        for answer in self.project.plugins.call("tieout_exception", error=error, line=None):
            if isinstance(answer.value, str) and answer.value:
                return answer.value
        return None

    def notify(self, about: Subject, subject: str, body: str, data: Mapping[str, Any]) -> list[str]:
        """Tell the notifiers, where `[notify] on` has the occasion; answers with what went wrong in any of them."""
        if about not in self.project.notify.on:
            return []
        data = {"about": about, **data}
        answers = self.project.plugins.call("tieout_notify", subject=subject, body=body, data=data)
        return [str(answer.error) for answer in answers if answer.error is not None]

    @property
    def masters(self) -> Masters:
        return self.pulling.masters

    @property
    def facts(self) -> Facts:
        """Dated facts: bills of materials, routings, prices, rates, evidence."""
        return self.pulling.facts

    # ── master data ────────────────────────────────────────────────────────────────────────────────────────────────
    def item(self, code: str) -> Item:
        """Item facts for valuation; an item only events name has no category and counts in pieces."""
        return self.masters.item(code) if self.masters.knows("item", code) else Item(sku=code)

    def category(self, code: str) -> str:
        return self.item(code).category if code else ""

    def mode_of(self, item: str, location: str = "") -> str:
        """Rollout mode of an item at a location: post, propose or shadow."""
        company = self.company
        if not company.scopes:
            return company.mode
        return company.scope_of(self.category(item), location)[0]

    def cutover_at(self, tx: Tx) -> int | None:
        """The instant of the cut-over whose openings were loaded, in UTC microseconds; None without one."""
        found = tx.execute(sa.select(meta.c.value).where(meta.c.key == f"cutover:{self.id}")).scalar()
        return int(found) if found is not None else None

    def go_live(self, item: str, location: str) -> int | None:
        """Go-live of an item's scope in UTC microseconds: what happened before is valued but the ledger has it already."""
        company = self.company
        instant = company.scope_of(self.category(item), location)[1] if company.scopes else company.go_live
        return None if instant is None else int(instant.timestamp()) * 1_000_000

    def party_group(self, code: str) -> str:
        return self.masters.party(code).group if self.masters.knows("party", code) else ""

    def reload_masters(self) -> None:
        """After a change of master data."""
        with self.store.read() as rx:
            self.pulling.reload(rx)
        self.booker = self._booker()

    def _booker(self) -> Booker:
        return Booker(self.company.accounts, self.days, category=self.category, party_group=self.party_group)

    def _refuse_other_money(self, tx: Tx) -> None:
        t = company_table.c
        found = tx.execute(sa.select(t.currency, t.timezone).where(t.code == self.company.code)).one_or_none()
        if found is not None and (found.currency, found.timezone) != (self.currency, self.company.timezone.key):
            raise ConfigError(
                f"company {self.company.code} was opened in {found.currency}, {found.timezone}; the configuration says "
                f"{self.currency}, {self.company.timezone.key}",
                code="TO1092",
                fix="put the old values back; a company never changes its currency or zone, open a new one instead",
            )

    def _seed(self, tx: Tx) -> bool:
        """Master files named in the configuration are taken in again whenever their content changed."""
        seeded = False
        for kind, attribute in SEEDS:
            path: Path | None = getattr(self.company, attribute)
            if path is None:
                continue
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            key = f"seed:{self.id}:{kind}"
            known = tx.execute(sa.text("SELECT value FROM meta WHERE key = :key"), {"key": key}).scalar()
            if known != digest:
                import_file(tx, self.id, self.actor, kind, path)
                self.store.set_meta(tx, key, digest)
                seeded = True
        return seeded

    def rules_digest(self) -> str:
        """A fingerprint of everything that may mend a refusal: policies, account map, master data."""
        company = self.company
        text = repr((company.policies.versions, company.accounts.rows, sorted(company.reasons.items())))
        masters = [self.masters.item(code).model_dump_json() for code in self.masters.codes("item")]
        return hashlib.sha256("\n".join([text, *masters]).encode()).hexdigest()

    def today(self) -> date:
        """The calendar date in the company's zone."""
        return self.now().astimezone(self.company.timezone).date()

    # ── connections ────────────────────────────────────────────────────────────────────────────────────────────────
    def context(self, connection: Connection) -> Context:
        return Context(
            connection=connection.id,
            company=self.company.code,
            currency=self.currency,
            config=connection.config,
            root=self.project.root,
            now=self.now,
            http=partial(self._http, connection),
        )

    def vault(self, connection: Connection) -> StoreVault:
        """Where a connection's grant is kept."""
        keys = self.project.root / "keys"
        return StoreVault(self.store, self.id, connection.id, lambda: MasterKey.of(keys))

    def _http(self, connection: Connection, **how: Any) -> Http:
        """A connection's way to its vendor: its grant, its manifest's hosts, this desk's clock."""
        from tieout.http.client import Http

        made: Any = connection.implementation
        http = Http(
            hosts=made.manifest.hosts,
            vault=self.vault(connection),
            now=lambda: self.now().timestamp(),
            **{"transport": self.transports.get(connection.id), "sleep": self.sleep, **how},
        )
        http.purse.share(StoreShared(self.store, f"{connection.connector}:{http.base_url}{connection.id}"))
        return http

    def source(self, connection: Connection) -> Source:
        made: Any = connection.implementation
        source: Source = hold(
            lambda: made(self.context(connection)), f"connector {connection.connector} ({connection.name})"
        )
        return source

    def sources(self) -> list[Connection]:
        return [c for c in self.project.connections_of(self.company.code, "source") if c.error is None]

    def ledger_connection(self) -> Connection | None:
        return self.project.connection(self.company.ledger) if self.company.ledger else None

    @property
    def ledger_id(self) -> str:
        """Immutable id of the ledger connection; `none` while the company has no ledger."""
        connection = self.ledger_connection()
        return connection.id if connection else "none"

    def read_lock(self) -> date | None:
        """Ask the ledger for its lock date, and remember the answer. Never inside a transaction: it calls the vendor."""
        ledger = self.ledger()
        lock = ledger.locked_through() if ledger is not None else None
        text, key = lock.isoformat() if lock else "", f"lock:{self.id}:{self.ledger_id}"
        with self.store.read() as rx:
            known = rx.execute(sa.select(meta.c.value).where(meta.c.key == key)).scalar()
        if (known or "") != text:
            with self.store.write() as tx:
                self.store.set_meta(tx, key, text)
        self._lock, self._lock_until = lock, self.now().timestamp() + LOCK_SECONDS
        return lock

    def learn_lock(self) -> None:
        """Before posting: the lock date, asked again once it is old. The subledger does not wait for a ledger that is away:
        then the last answer holds, and delivery, which asks again, gives late entries another date."""
        if self.now().timestamp() < self._lock_until:
            return
        try:
            self.read_lock()
        except VendorError:
            key = f"lock:{self.id}:{self.ledger_id}"
            with self.store.read() as rx:
                text = rx.execute(sa.select(meta.c.value).where(meta.c.key == key)).scalar()
            self._lock = date.fromisoformat(text) if text else None

    def ledger_lock(self) -> date | None:
        """The ledger's own lock date as `learn_lock` found it."""
        return self._lock

    def closed(self) -> list[Period]:
        """Periods that people have closed, as of now."""
        calendar = self.company.calendar
        with self.store.read() as rx:
            names = closed(rx, self.id)
        return [each for name in names for each in calendar.year(int(name.partition("-")[0])) if each.name == name]

    def cost_methods(self) -> Mapping[str, type[CostMethod]]:
        """Built-in cost methods and those of plugins."""
        found = dict(BUILTIN)
        more, _ = self.project.plugins.named("tieout_cost_methods")
        return {**found, **more}

    def ledger(self) -> Ledger | None:
        """The company's ledger, None when it has none yet."""
        connection = self.ledger_connection()
        if connection is None:
            return None
        made: Any = connection.implementation
        ledger: Ledger = hold(
            lambda: made(self.context(connection)), f"connector {connection.connector} ({connection.name})"
        )
        return ledger

    @contextmanager
    def stage(self, name: str, summary: Callable[[], dict[str, Any]] | None = None) -> Iterator[None]:
        """Around a stage: the plugins' before and after hooks."""
        self.project.plugins.hook.tieout_before_stage(stage=name, company=self.company.code)
        yield
        done = summary() if summary else {}
        self.project.plugins.call("tieout_after_stage", stage=name, company=self.company.code, summary=done)
