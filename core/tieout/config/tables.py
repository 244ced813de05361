"""`tieout.toml` as it is written: one frozen model per table. Every field's description is its line in the reference."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model

from tieout.config.secret import Secret
from tieout.config.values import Cron, Currency, Day, Duration, Moment, MoneyText, Quiet, Weekday, Zone
from tieout.model.policy import Policy

Mode = Literal["post", "propose", "shadow"]


class Table(BaseModel):
    """Unknown keys are refused: a misspelt key would silently leave a default in force."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ProjectTable(Table):
    """The project itself."""

    name: str = Field(min_length=1, description="what people call this project")
    store: str = Field(
        default="sqlite:///tieout.db",
        description="the database: `sqlite:///FILE` (relative to this folder), `postgresql://…`, or `env:NAME`",
    )
    plugins: tuple[str, ...] | None = Field(
        default=None,
        description="the plugins that may be loaded, by entry point or distribution; without it every installed one",
    )
    actor: str = Field(default="", description="who acts when no `--actor` is given; without it the system user")


class CalendarTable(Table):
    """How the company divides its fiscal years."""

    kind: Literal["months", "4-4-5", "4-5-4", "5-4-4"] = Field(
        default="months", description="calendar months, or quarters of 13 weeks"
    )
    year_start_month: int = Field(default=1, ge=1, le=12, description="month in which the fiscal year begins")
    year_end_weekday: Weekday | None = Field(
        default=None, description="week calendars only: the day of the week on which every period ends"
    )


class OverrideTable(Table):
    """An account for a special case. It applies where every key it names matches."""

    role: str = Field(description="account role of the posting matrix")
    account: str = Field(min_length=1, description="account code in the ledger")
    item: str = Field(default="", description="item (SKU)")
    category: str = Field(default="", description="item category")
    reason: str = Field(default="", description="canonical reason code")
    location: str = Field(default="", description="location code")
    channel: str = Field(default="", description="sales channel")
    party_group: str = Field(default="", description="group of the customer, supplier or affiliate")
    effective: Day = Field(default=date.min, description="first day on which it holds")


class PostingTable(Table):
    """How journal lines leave for the ledger."""

    grouping: Literal["daily", "per_event", "per_document", "per_payout"] = Field(
        default="daily",
        description="what one ledger entry sums up; `per_payout`: what has the same dimension `payout`, day by day, and "
        "the rest as `daily`",
    )
    native_as_journal: bool = Field(
        default=False,
        description="send what touches receivables or payables as a journal entry where the ledger takes no such document",
    )
    seal_lag: Duration = Field(
        default=timedelta(hours=2),
        description="how long after its day has ended a daily entry stays open for latecomers",
    )


class ScopeTable(Table):
    """A part of the company that goes live on its own: whole categories, or whole locations."""

    categories: tuple[str, ...] = Field(default=(), description="item categories; without it all")
    locations: tuple[str, ...] = Field(default=(), description="locations; only where `cost_scope = location`")
    mode: Mode = Field(description="what is done with its entries")
    go_live: Moment | None = Field(default=None, description="from when its entries are posted")


PolicyTable = create_model(
    "PolicyTable",
    __base__=Policy,
    __doc__="Policies from a day on, for everything or for one category or channel.",
    effective=(Day, Field(default=date.min, description="first day on which these values hold")),
    category=(str | None, Field(default=None, description="only for this item category")),
    channel=(str | None, Field(default=None, description="only for this sales channel")),
)


class CompanyTable(Table):
    """One legal entity with one functional currency."""

    legal_name: str = Field(min_length=1, description="name on its accounts")
    currency: Currency = Field(description="functional currency, ISO 4217; every amount in the books is in it")
    timezone: Zone = Field(description="IANA zone in which its days, and so its effective dates, begin and end")
    calendar: CalendarTable = Field(default_factory=CalendarTable, description="fiscal calendar")
    ledger: str | None = Field(default=None, description="connection that receives its entries")
    locked_through: Day | None = Field(default=None, description="last day on which nothing may be dated any more")
    go_live: Moment | None = Field(
        default=None, description="from when movements are posted; earlier ones enter as opening layers"
    )
    mode: Mode = Field(
        default="post",
        description="`post`: deliver; `propose`: wait for approval; `shadow`: compute and reconcile only",
    )
    approval_threshold: MoneyText | None = Field(
        default=None, description="a plan that moves more than this amount waits for approval"
    )
    items_file: str | None = Field(default=None, description="item master, CSV or JSON")
    locations_file: str | None = Field(default=None, description="location master, CSV or JSON")
    parties_file: str | None = Field(default=None, description="customers, suppliers and affiliates, CSV or JSON")
    accounts_template: str | None = Field(default=None, description="ready-made account map to start from")
    accounts: dict[str, str] = Field(default_factory=dict, description="role = account")
    account_overrides: tuple[OverrideTable, ...] = Field(default=(), description="accounts for special cases")
    accounts_file: str | None = Field(default=None, description="the same as a CSV file, for an accountant to edit")
    chart_file: str | None = Field(
        default=None, description="chart of accounts, CSV with code, name, type: lets `check` compare types offline"
    )
    policies: tuple[PolicyTable, ...] = Field(default=(), description="accounting policies, by effective date")
    posting: PostingTable = Field(default_factory=PostingTable, description="grouping of entries")
    triggers: dict[str, Any] = Field(
        default_factory=dict,
        description="event type = the connection that owns it, where several could report it; or a table by channel",
    )
    scopes: tuple[ScopeTable, ...] = Field(default=(), description="staged rollout, by category or location")
    reasons: dict[str, str] = Field(default_factory=dict, description="reason text of a source = canonical reason code")


class StreamSlaTable(Table):
    """Objectives of one stream, where they differ from the project's."""

    latency: Duration | None = Field(default=None, description="from happening to acknowledged by the ledger")
    freshness_warn: Duration | None = Field(
        default=None, description="age of the newest record that is worth a warning"
    )
    freshness_error: Duration | None = Field(default=None, description="age that breaches the objective")
    share: Decimal | None = Field(default=None, gt=0, le=100, description="per cent of events that must meet `latency`")
    availability: Decimal | None = Field(default=None, gt=0, le=100, description="per cent of looks that must succeed")
    quality_min: Decimal | None = Field(default=None, ge=0, le=100, description="quality score below which is a breach")
    numbered: bool = Field(default=False, description="its document numbers have no gaps: a missing one is reported")


class StreamTable(BaseModel):
    """One stream of a connection. Keys beyond these are the connector's own."""

    model_config = ConfigDict(extra="allow", frozen=True)
    name: str = Field(min_length=1, description="name of the stream; part of every event's identity")
    mapping: str | None = Field(default=None, description="mapping file, or `shipped:NAME` for a ready-made one")
    missing_cursor: Literal["restart", "refuse"] = Field(
        default="refuse", description="what to do when the stored position is lost: read all again, or stop and ask"
    )
    sla: StreamSlaTable = Field(default_factory=StreamSlaTable, description="objectives of this stream")


class ConnectionTable(BaseModel):
    """A configured connector. Keys beyond these are the connector's own and are checked by it."""

    model_config = ConfigDict(extra="allow", frozen=True)
    id: str = Field(min_length=1, max_length=64, description="never changes: it is part of the identity of every event")
    connector: str = Field(min_length=1, description="name of the connector plugin")
    company: str | None = Field(
        default=None, description="company it belongs to; may be left out when there is only one"
    )
    owner: str = Field(default="", description="who is responsible for this system")
    roles: tuple[Literal["source", "ledger"], ...] | None = Field(
        default=None, description="what it is used for; without it everything the connector offers"
    )
    streams: tuple[StreamTable, ...] = Field(default=(), description="streams that are read")


class TimingTable(Table):
    """When something runs: `every` or `cron`."""

    every: Duration | None = Field(default=None, description="interval, such as `5m`")
    cron: Cron | None = Field(default=None, description="minute, hour, day, month, weekday: `30 6 * * mon-fri`")
    zone: Zone | None = Field(default=None, description="zone of `cron` and `quiet`; without it the company's")
    jitter: Duration | None = Field(
        default=None, description="a random delay up to this, so that not all start at once"
    )
    quiet: tuple[Quiet, ...] = Field(default=(), description="hours without runs, such as `22:00-06:00`")


class ScheduleTable(Table):
    """When `tieout serve` works."""

    pull: TimingTable | None = Field(default=None, description="every stream that has no timing of its own")
    deliver: TimingTable | None = Field(default=None, description="deliveries to the ledgers")
    reconcile: TimingTable | None = Field(default=None, description="reconciliation")
    streams: dict[str, dict[str, TimingTable]] = Field(
        default_factory=dict, description="`[schedule.streams.CONNECTION.STREAM]`: timing of one stream"
    )


class QualityTable(Table):
    """Weights of the parts of the data quality score."""

    completeness: int = Field(default=20, ge=0, description="mandatory fields that are filled")
    validity: int = Field(default=20, ge=0, description="values of the right form")
    uniqueness: int = Field(default=15, ge=0, description="records that are no duplicates")
    referential: int = Field(default=20, ge=0, description="names that are known to the master data")
    consistency: int = Field(default=15, ge=0, description="totals that agree with their parts")
    timeliness: int = Field(default=10, ge=0, description="records that came within the objective")


class MaintenanceTable(Table):
    """An announced outage of a vendor: no alarm, and no breach, while it lasts."""

    connection: str = Field(description="connection that is away")
    starts: Moment = Field(description="instant it begins")
    ends: Moment = Field(description="instant it ends")
    note: str = Field(default="", description="what was announced")


class SlaTable(Table):
    """Objectives."""

    latency: Duration = Field(default=timedelta(hours=1), description="from happening to acknowledged by the ledger")
    share: Decimal = Field(default=Decimal(99), gt=0, le=100, description="per cent of events that must meet `latency`")
    freshness_warn: Duration = Field(default=timedelta(hours=6), description="age of a stream's newest record: warning")
    freshness_error: Duration = Field(default=timedelta(hours=24), description="age that breaches the objective")
    quality: QualityTable = Field(default_factory=QualityTable, description="weights of the quality score")
    quality_min: Decimal = Field(default=Decimal(95), ge=0, le=100, description="quality score below which is a breach")
    availability: Decimal = Field(default=Decimal(99), gt=0, le=100, description="per cent of looks that must succeed")
    maintenance: tuple[MaintenanceTable, ...] = Field(default=(), description="announced outages")


Subject = Literal["exception", "breach", "parked", "not_tied_out", "approval", "plugin"]


class EmailTable(Table):
    """Notices by e-mail."""

    host: str = Field(min_length=1, description="mail server")
    port: int = Field(default=587, ge=1, le=65_535, description="its port")
    encryption: Literal["starttls", "tls", "none"] = Field(
        default="starttls", description="`none` only for a server on this machine"
    )
    user: str = Field(default="", description="user at the server, where it asks for one")
    password: Secret | None = Field(default=None, description="reference to that user's password")
    sender: str = Field(min_length=3, description="address it comes from")
    to: tuple[str, ...] = Field(min_length=1, description="addresses it goes to")


class WebhookTable(Table):
    """Notices to a web address, signed as Standard Webhooks describes."""

    url: str = Field(min_length=1, description="https address (http only on this machine)")
    secret: Secret = Field(description="reference to the signing secret, `whsec_…`")


class NotifyTable(Table):
    """What people are told, when, and by which way. Plugins with a notify hook are told too."""

    on: tuple[Subject, ...] = Field(default=("exception", "breach", "parked", "not_tied_out"), description="occasions")
    owner: str = Field(default="", description="who looks after alerts whose connection names no owner")
    digest: Duration | None = Field(default=None, description="alerts are told together, at most once in this time")
    quiet: tuple[Quiet, ...] = Field(default=(), description="hours in which nothing is told, such as `22:00-06:00`")
    zone: Zone | None = Field(default=None, description="zone of `quiet`; without it the company's")
    escalate_after: Duration | None = Field(
        default=None, description="an alert that lasts this long and that nobody has taken is told again"
    )
    escalate_to: str = Field(default="", description="whose it is then")
    email: EmailTable | None = Field(default=None, description="notices by e-mail")
    webhooks: tuple[WebhookTable, ...] = Field(default=(), description="notices to web addresses")
    apprise: tuple[Secret, ...] = Field(
        default=(),
        description="references to addresses of apprise (needs `tieout[notify]`): Slack, Teams and many others",
    )


class ExceptionsTable(Table):
    """Who looks after what could not be posted."""

    owner: str = Field(default="", description="owner of every exception that has no other")
    owners: dict[str, str] = Field(
        default_factory=dict, description="error code, or the beginning of one (`TO2`, `TO5101`) = owner"
    )


class FileTable(Table):
    """The whole of `tieout.toml`."""

    project: ProjectTable = Field(description="the project")
    companies: dict[str, CompanyTable] = Field(min_length=1, description="legal entities by code")
    connections: dict[str, ConnectionTable] = Field(default_factory=dict, description="connected systems by name")
    schedule: ScheduleTable = Field(default_factory=ScheduleTable, description="when things run")
    sla: SlaTable = Field(default_factory=SlaTable, description="objectives")
    notify: NotifyTable = Field(default_factory=NotifyTable, description="notices")
    exceptions: ExceptionsTable = Field(default_factory=ExceptionsTable, description="owners of exceptions")
