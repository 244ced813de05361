"""The shapes of every `--json` answer. Money and quantities are exact decimals as text, never numbers.

`tieout schema COMMAND` prints the JSON Schema; a test holds real answers against it.
"""

from __future__ import annotations

from typing import Any, NotRequired

from typing_extensions import TypedDict


class StreamAnswer(TypedDict):
    company: str
    connection: str
    stream: str
    records: int
    duplicates: int
    late_revisions: int
    events: int
    skipped: int
    exceptions: int
    note: str


class PullAnswer(TypedDict):
    streams: list[StreamAnswer]
    held: int


class AmountLine(TypedDict):
    account: str
    amount: str


class PlannedEntry(TypedDict):
    company: str
    ledger: str
    day: str
    narration: str
    why: str
    mode: str
    corrects: str | None
    events: list[str]
    documents: list[str]
    lines: list[AmountLine]


class PlanAnswer(TypedDict):
    company: str
    restate: bool
    empty: bool
    count: int
    events: int
    bookings: int
    periods: list[str]
    currency: str
    digest: str
    entries: list[PlannedEntry]
    refused: list[dict[str, Any]]


class ApplyAnswer(TypedDict):
    entries: int
    bookings: int
    events: int


class Counts(TypedDict):
    records: int
    duplicates: int
    skipped: int
    events: int
    entries: int
    delivered: int
    waiting: int
    exceptions: int


class AccountRow(TypedDict):
    account: str
    role: str
    subledger: str | None
    journal: str
    ledger: str | None
    difference: str


class LocationRow(TypedDict):
    location: str
    source: str | None
    subledger: str
    difference: str
    items_differing: int


class Cause(TypedDict):
    cause: str
    count: int
    amount: str
    quantity: str


class Detail(TypedDict):
    cause: str
    what: str
    amount: str
    quantity: str
    document: NotRequired[str]
    item: NotRequired[str]
    location: NotRequired[str]


class HeldRow(TypedDict):
    exception: int
    stage: str
    code: str
    amount: str | None
    subject: str
    what: str


class CompanyStatus(TypedDict):
    company: str
    currency: str
    as_of: str
    counts: Counts
    accounts: list[AccountRow]
    locations: list[LocationRow]
    differences: list[Cause]
    details: list[Detail]
    held: list[HeldRow]
    tied_out: bool
    unexplained: str
    next: list[str]
    service_levels: NotRequired[ServiceLevels]


class ServiceLevels(TypedDict):
    streams: int
    missed: list[str]
    oldest_look_seconds: str | None
    alerts: list[str]


class StatusAnswer(TypedDict):
    tied_out: bool
    unexplained: str
    companies: list[CompanyStatus]


class RunAnswer(StatusAnswer):
    exit_code: int
    pulled: PullAnswer
    posted: dict[str, Any]
    delivered: dict[str, Any]
    seconds: str


class ExceptionRow(TypedDict):
    id: int
    company: str
    stage: str
    code: str
    age: str
    amount: str | None
    owner: str | None
    state: str
    message: str
    fix: str | None


class ExceptionsAnswer(TypedDict):
    exceptions: list[ExceptionRow]
    count: int


class EntryRow(TypedDict):
    id: int
    company: str
    number: int | None
    day: str
    kind: str
    state: str
    amount: str | None
    reference: str | None
    ledger_id: str | None
    revision: int
    age: str
    why: str


class EntriesAnswer(TypedDict):
    entries: list[EntryRow]
    count: int


class ValuationRow(TypedDict):
    item: str
    location: str
    quantity: str
    value: str
    unit_cost: str | None
    layers: list[dict[str, Any]]


class ValuationAnswer(TypedDict):
    company: str
    currency: str
    as_of: str
    as_known: str | None
    rows: int
    value: str
    quantity: str
    policy: str
    items: list[ValuationRow]


class ValuedLine(TypedDict):
    event: str
    line: str
    type: str
    effective_at: str
    item: str
    location: str
    quantity: str
    value_change: str
    cost: str
    restatements: list[dict[str, str]]
    final_cost: str
    layers: list[dict[str, str]]
    status: str
    journal: list[dict[str, Any]]


class MethodSums(TypedDict):
    method: str
    inventory: str
    cost_of_sales: str
    variances: str
    losses: str
    total: str
    refused: int


class ValueAnswer(TypedDict):
    currency: str
    events: NotRequired[list[ValuedLine]]
    items: NotRequired[list[dict[str, Any]]]
    on_hand: NotRequired[list[dict[str, str]]]
    totals: NotRequired[dict[str, str]]
    refused: NotRequired[list[dict[str, Any]]]
    methods: NotRequired[list[MethodSums]]


class SlipRow(TypedDict):
    level: str
    code: str
    where: str
    what: str
    why: str
    nearest: str | None


class CheckAnswer(TypedDict):
    ok: bool
    files: int
    slips: list[SlipRow]


class TraceAnswer(TypedDict):
    kind: str
    id: str
    records: list[dict[str, Any]]
    events: list[dict[str, Any]]
    entries: list[dict[str, Any]]


class ScheduleRow(TypedDict):
    schedule: str
    when: str
    zone: str
    next: str | None
    paused_by: str | None
    paused_why: str | None
    last: str | None
    outcome: str | None
    detail: str
    missed: int


class ScheduleAnswer(TypedDict):
    schedules: list[ScheduleRow]


class GrantRow(TypedDict):
    company: str
    connection: str
    connector: str
    state: str
    access_until: str | None
    refresh_until: str | None
    scope: str
    next: str


class AuthAnswer(TypedDict):
    connections: list[GrantRow]


class ControlTotal(TypedDict):
    what: str
    found: str
    wanted: str
    ok: bool


class ReportAnswer(TypedDict):
    report: str
    title: str
    company: str
    currency: str
    as_of: str
    as_known: str | None
    parameters: dict[str, str]
    policy: str
    count: int
    totals: dict[str, str]
    checks: list[ControlTotal]
    notes: list[str]
    query: str
    columns: list[str]
    rows: list[dict[str, str | int | None]]


class BlockerRow(TypedDict):
    kind: str
    what: str
    amount: str
    lines: int
    fix: str
    documents: list[str]


class CloseAnswer(TypedDict):
    company: str
    currency: str
    period: str
    start: str
    end: str
    state: str
    actor: str | None
    at: str | None
    preparer: str | None
    accepted: str | None
    reason: str | None
    corrected_since: int
    sign_off: str
    blockers: list[BlockerRow]


class AuditCheck(TypedDict):
    ok: bool
    what: str
    detail: str


class AuditedCompany(TypedDict):
    ok: bool
    company: str
    checks: list[AuditCheck]


class AuditAnswer(TypedDict):
    ok: bool
    companies: list[AuditedCompany]


class StreamLevels(TypedDict):
    connection: str
    stream: str
    connector: str
    owner: str
    records: int
    duplicates: int
    events: int
    apart: dict[str, int]
    breaches: list[str]
    latency: dict[str, Any]
    budget: dict[str, Any]
    freshness: dict[str, Any]
    availability: dict[str, Any]
    quality: dict[str, Any]
    schema_violations: dict[str, Any]
    numbers: list[dict[str, Any]]
    coverage: dict[str, Any]
    maintenance: list[dict[str, Any]]


SlaAnswer = TypedDict(
    "SlaAnswer",
    {
        "company": str,
        "legal_name": str,
        "month": str,
        "from": str,
        "to": str,
        "as_of": str,
        "zone": str,
        "complete": bool,
        "kept": bool,
        "streams": list[StreamLevels],
    },
)


class AlertRow(TypedDict):
    id: int
    company: str
    cause: str
    level: str
    owner: str
    subject: str
    since: str
    told: str | None
    taken_by: str | None
    until: str | None


class AlertsAnswer(TypedDict):
    alerts: list[AlertRow]
    count: int


ANSWERS: dict[str, Any] = {
    "sla": SlaAnswer,
    "alerts": AlertsAnswer,
    "audit": AuditAnswer,
    "close": CloseAnswer,
    "report": ReportAnswer,
    "auth": AuthAnswer,
    "schedule": ScheduleAnswer,
    "pull": PullAnswer,
    "plan": PlanAnswer,
    "apply": ApplyAnswer,
    "run": RunAnswer,
    "status": StatusAnswer,
    "reconcile": StatusAnswer,
    "entries": EntriesAnswer,
    "exceptions": ExceptionsAnswer,
    "valuation": ValuationAnswer,
    "value": ValueAnswer,
    "check": CheckAnswer,
    "trace": TraceAnswer,
}


def answer_schema(command: str) -> dict[str, Any]:
    """JSON Schema of a command's answer."""
    from pydantic import TypeAdapter

    return TypeAdapter(ANSWERS[command]).json_schema()
