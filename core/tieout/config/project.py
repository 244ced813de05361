"""A loaded project: companies with their books of policies and account maps, connections with their connectors.

These are plain frozen values; everything in them was checked when `tieout.config.load` built them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel

from tieout.config.reading import Draft
from tieout.config.secret import Secret, is_reference
from tieout.config.slip import Slip
from tieout.config.tables import Mode, NotifyTable, ScheduleTable, SlaTable, StreamSlaTable, TimingTable
from tieout.connector import Connector
from tieout.errors import ConfigError, PluginError
from tieout.model.catalogue import REASONS
from tieout.model.period import Calendar, OpenDays, Period
from tieout.model.policy import PolicyBook
from tieout.plugins import Plugins
from tieout.posting.accounts import AccountMap

Role = Literal["source", "ledger"]


@dataclass(frozen=True)
class Stream:
    """A configured stream. `mapping` is the file; None where the stream has no records to map (a stock report)."""

    name: str
    mapping: Path | None
    missing_cursor: Literal["restart", "refuse"]
    sla: StreamSlaTable
    timing: TimingTable | None
    kind: str = "records"


@dataclass(frozen=True)
class Connection:
    """A configured connector. Where its plugin did not load, `error` says why and using it raises that error: only its
    own streams stop."""

    name: str
    id: str
    connector: str
    company: str
    owner: str
    roles: tuple[Role, ...]
    streams: tuple[Stream, ...]
    error: PluginError | None = None
    _class: Connector | None = None
    _config: BaseModel | None = None

    @property
    def implementation(self) -> Connector:
        """The connector's class; raises the kept PluginError."""
        if self.error is not None or self._class is None:
            raise self.error or PluginError(f"connection {self.name} has no connector", code="TO9005")
        return self._class

    @property
    def config(self) -> BaseModel:
        """The connector's own validated configuration; raises the kept PluginError."""
        if self.error is not None or self._config is None:
            raise self.error or PluginError(f"connection {self.name} has no connector", code="TO9005")
        return self._config

    def stream(self, name: str) -> Stream:
        for stream in self.streams:
            if stream.name == name:
                return stream
        raise ConfigError(f"connection {self.name} has no stream {name!r}", code="TO1010")


@dataclass(frozen=True)
class Scope:
    """A union of whole cost pools with its own mode and go-live instant. Empty lists mean all."""

    categories: frozenset[str]
    locations: frozenset[str]
    mode: Mode
    go_live: datetime | None

    def holds(self, category: str, location: str) -> bool:
        return (not self.categories or category in self.categories) and (
            not self.locations or location in self.locations
        )


@dataclass(frozen=True)
class Posting:
    """How lines are grouped for delivery, and how long a day stays open for latecomers."""

    grouping: Literal["daily", "per_event", "per_document", "per_payout"]
    seal_lag: timedelta
    native_as_journal: bool = False


@dataclass(frozen=True)
class Company:
    """One legal entity. `approval_threshold` is in minor units of `currency`; `go_live` carries an offset."""

    code: str
    legal_name: str
    currency: str
    timezone: ZoneInfo
    calendar: Calendar
    ledger: str | None
    mode: Mode
    go_live: datetime | None
    locked_through: date | None
    approval_threshold: int | None
    policies: PolicyBook
    accounts: AccountMap
    posting: Posting
    reasons: Mapping[str, str]
    scopes: tuple[Scope, ...] = ()
    triggers: Mapping[tuple[str, str], str] = field(default_factory=dict)
    items_file: Path | None = None
    locations_file: Path | None = None
    parties_file: Path | None = None

    def open_days(self, ledger_locked_through: date | None = None, closed: Sequence[Period] = ()) -> OpenDays:
        """Which posting dates are allowed: our lock and the ledger's, whichever is later, and no closed period."""
        locks = [day for day in (self.locked_through, ledger_locked_through) if day is not None]
        return OpenDays(max(locks, default=None), closed)

    def reason(self, text: str) -> str | None:
        """The canonical code of a source's reason text (a code is its own); None when unknown, never guessed."""
        code = text.strip()
        return code if code in REASONS else self.reasons.get(code.casefold())

    def owner_of(self, event_type: str, channel: str = "") -> str | None:
        """The connection that owns an event type (and channel); None: whoever reports it, because only one can."""
        return self.triggers.get((event_type, channel)) or self.triggers.get((event_type, ""))

    def scope_of(self, category: str, location: str) -> tuple[Mode, datetime | None]:
        """Mode and go-live of a pool. With scopes configured, what lies outside all of them follows the company."""
        for scope in self.scopes:
            if scope.holds(category, location):
                return scope.mode, scope.go_live or self.go_live
        return self.mode, self.go_live


@dataclass(frozen=True)
class Project:
    """Everything `tieout.toml` says. `draft` is the file as read, for `show`; `warnings` are slips that stop nothing."""

    root: Path
    file: Path
    name: str
    actor: str
    store: str
    companies: Mapping[str, Company]
    connections: Mapping[str, Connection]
    plugins: Plugins
    schedule: ScheduleTable
    sla: SlaTable
    notify: NotifyTable
    owners: Mapping[str, str]
    draft: Draft = field(repr=False, compare=False)
    warnings: tuple[Slip, ...] = ()

    def company(self, code: str) -> Company:
        """A company by code. ConfigError TO1010 when there is none."""
        if code in self.companies:
            return self.companies[code]
        known = ", ".join(sorted(self.companies))
        raise ConfigError(f"no company {code!r} in {self.file.name}", code="TO1010", fix=f"one of: {known}")

    def connection(self, name: str) -> Connection:
        """A connection by name. ConfigError TO1010 when there is none."""
        if name in self.connections:
            return self.connections[name]
        known = ", ".join(sorted(self.connections))
        raise ConfigError(f"no connection {name!r} in {self.file.name}", code="TO1010", fix=f"one of: {known}")

    def connections_of(self, company: str, role: Role | None = None) -> list[Connection]:
        """A company's connections, of one role when it is given, in the order of the file."""
        return [c for c in self.connections.values() if c.company == company and (role is None or role in c.roles)]

    def store_url(self) -> str:
        """The database URL: an SQLite path made absolute, a reference to the environment resolved."""
        url = self.store
        if url.startswith("env:"):
            name = url.removeprefix("env:")
            if name not in os.environ:
                fix = f"export {name}=postgresql://…, or write the store into tieout.toml"
                raise ConfigError(f"the store is {url}, and {name} is not set", code="TO1076", fix=fix)
            url = os.environ[name]
        elif is_reference(url):
            url = Secret(url, self.root).get()
        prefix = "sqlite:///"
        if url.startswith(prefix) and not url.startswith(prefix + "/"):
            return prefix + str((self.root / url.removeprefix(prefix)).resolve())
        return url

    def exception_owner(self, code: str) -> str:
        """Who looks after an exception: the longest beginning of its code that has an owner, else the general one."""
        for length in range(len(code), 0, -1):
            if code[:length] in self.owners:
                return self.owners[code[:length]]
        return self.owners.get("", "")
