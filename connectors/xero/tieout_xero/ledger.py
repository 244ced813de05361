"""The connector: documents out once, receipts, balances and entries back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from functools import cached_property
from typing import Any, ClassVar

from tieout import (
    Account,
    Ambiguous,
    Answer,
    Balance,
    Capabilities,
    Context,
    Document,
    Endpoint,
    Fatal,
    Finding,
    Http,
    Idempotency,
    LedgerEntry,
    Manifest,
    Money,
    Notice,
    Page,
    Purse,
    Receipt,
    Sending,
    StockReport,
    Stream,
    VendorError,
    Window,
)
from tieout_xero.calls import notices
from tieout_xero.config import CONSENT, DAY_CALLS, TOKENS, XeroConfig
from tieout_xero.documents import ENDPOINTS, IDS, NUMBERS, Reader, Renderer, join, reference_of
from tieout_xero.source import STREAMS, pull
from tieout_xero.wire import Look, day, elements, refusal, where_day_from

PAGE_ROWS = 1000
PAGES_MAX = 5000
CLASSES = {"ASSET": "asset", "LIABILITY": "liability", "EQUITY": "equity", "REVENUE": "income", "EXPENSE": "expense"}
# System accounts that refuse manual journals; bank and inventory accounts do by their type.
SYSTEM = frozenset(
    {
        "DEBTORS",
        "CREDITORS",
        "BANKCURRENCYGAIN",
        "UNREALISEDCURRENCYGAIN",
        "RETAINEDEARNINGS",
        "TRACKINGTRANSFERS",
        "UNPAIDEXPCLM",
        "WAGEPAYABLES",
    }
)
_CONTROL = {"DEBTORS": "ar", "CREDITORS": "ap"}


class Xero:
    """Ledger connector `xero` (see the README for its configuration)."""

    manifest: ClassVar[Manifest] = Manifest(
        name="xero",
        vendor="Xero",
        version="0.1.0",
        vendor_api="Accounting API 2.0",
        roles=("source", "ledger"),
        streams=STREAMS,
        config=XeroConfig,
        hosts=("api.xero.com", "identity.xero.com", "login.xero.com"),
        rate_limits={"minute": "60 calls an organisation", "day": "1,000 (starter) or 5,000", "in flight": "5"},
        capabilities=Capabilities(
            idempotency=Idempotency(
                kind="key",
                key_seconds=360,
                key_length_max=40,
                replays_errors=True,
                lookup="by_reference",
                index_lag_seconds=5,
                late_commit_seconds_max=120,
                batch="per_item",
                batch_key="call",
            ),
            documents=tuple(ENDPOINTS),
            dimensions=("*",),
            locks=True,
            batch_size_max=50,
            lines_max=100,
            narration_length_max=3_900,
            reference_length_max=24,
        ),
    )

    def __init__(self, context: Context) -> None:
        config = context.config
        if not isinstance(config, XeroConfig):
            raise Fatal("the configuration is not a XeroConfig", fix="validate it with manifest.config")
        self._config = config
        self._currency = config.currency or context.currency
        self._renderer = Renderer(config)
        minute, whole_day = Window("minute", 60, 60), Window("day", DAY_CALLS[config.tier], 86_400)
        self.http: Http = context.http(
            base_url=config.base_url,
            oauth=self._endpoint(),
            purse=Purse((minute, whole_day), in_flight_max=5),
            headers={"xero-tenant-id": str(config.tenant)},
            look=Look(minute, whole_day),
        )

    def _endpoint(self) -> Endpoint:
        return Endpoint(
            url=self._config.token_url or TOKENS,
            client_id=self._config.client_id.get,
            client_secret=self._config.client_secret.get,
            grant="client_credentials" if self._config.custom_connection else "refresh_token",
            scope=self._config.scopes.replace("offline_access ", "")
            if self._config.custom_connection
            else self._config.scopes,
            life_seconds_default=1_800,
            consent_url="" if self._config.custom_connection else CONSENT,
        )

    def verify_webhook(self, headers: Mapping[str, str], body: bytes) -> Sequence[Notice] | None:
        return notices(self._config.webhook_key, headers, body)

    # ── as a source ────────────────────────────────────────────────────────────────────────────────────────────────
    def streams(self) -> Sequence[Stream]:
        names = {stream.name for stream in self._config.streams}
        return [stream for stream in STREAMS if not names or stream.name in names]

    def pull(self, stream: str, cursor: str | None, until: datetime) -> Iterator[Page]:
        return pull(self.http, stream, cursor, until)

    def stock(self, as_of: datetime) -> StockReport | None:
        """Xero holds no stock of ours."""
        return None

    # ── what is there ──────────────────────────────────────────────────────────────────────────────────────────────
    def check(self) -> list[Finding]:
        """Reaches the organisation, and looks for what would spoil the tie-out."""
        try:
            organisation = self._organisation()
            findings = [
                Finding("ok", f"connected to {organisation.get('Name')} ({organisation.get('BaseCurrency', '')})")
            ]
            if organisation.get("BaseCurrency", self._currency) != self._currency:
                what = f"Xero keeps {organisation['BaseCurrency']}, the company {self._currency}"
                findings.append(Finding("error", what, "use the organisation of that currency"))
            findings += self._check_tracking()
        except VendorError as error:
            return [Finding("error", error.message, error.fix or "")]
        return findings

    def _check_tracking(self) -> list[Finding]:
        if not self._config.tracking:
            return []
        known = {str(row["TrackingCategoryID"]): row for row in self._all("TrackingCategories")}
        out = []
        for name, category in self._config.tracking.items():
            row = known.get(str(category.id))
            if row is None or row.get("Status") != "ACTIVE":
                out.append(
                    Finding("error", f"tracking category {category.id} of {name} is not active", "correct its id")
                )
                continue
            active = {str(o["TrackingOptionID"]) for o in row.get("Options") or () if o.get("Status") == "ACTIVE"}
            out += [
                Finding("error", f"option {option} of {name} {value} is not active", "correct its id")
                for value, option in category.options.items()
                if str(option) not in active
            ]
        return out

    def accounts(self) -> list[Account]:
        return [
            Account(
                code=_code(row),
                name=str(row.get("Name") or ""),
                type=CLASSES.get(str(row.get("Class")), ""),
                vendor_type=str(row.get("Type") or ""),
                currency=row.get("CurrencyCode"),
                active=row.get("Status") == "ACTIVE",
                accepts_journals=not _refuses(row),
            )
            for row in self._all("Accounts")
        ]

    def unfit(self, accounts: Sequence[str]) -> dict[str, str]:
        """Which of these accounts cannot be posted to, and why. Control accounts take native documents only."""
        known = {_code(row): row for row in self._all("Accounts")}
        out = {}
        for account in accounts:
            row = known.get(account)
            if row is None:
                out[account] = "Xero has no account with this code"
            elif row.get("Status") != "ACTIVE":
                out[account] = f"{row.get('Name')} is {str(row.get('Status')).lower()}"
            elif why := _refuses(row):
                out[account] = f"{row.get('Name')} {why}"
        return out

    def locked_through(self) -> date | None:
        organisation = self._organisation()
        names = ("EndOfYearLockDate",) if self._config.adviser else ("PeriodLockDate", "EndOfYearLockDate")
        return max(filter(None, (day(organisation.get(name)) for name in names)), default=None)

    # ── writing ────────────────────────────────────────────────────────────────────────────────────────────────────
    def render(self, document: Document) -> bytes:
        return self._renderer.render(document)

    def join(self, documents: Sequence[Sending]) -> bytes:
        return join([each.body for each in documents])

    def deliver(self, body: bytes, key: str) -> Receipt:
        endpoint = body.split(b"\n", 1)[0].decode()
        answer = self._put(body, key)
        found = elements(answer, endpoint)
        if len(found) != 1:
            raise answer.unclear(f"Xero answered {len(found)} documents for one")
        outcome = self._outcome(endpoint, found[0], answer)
        if isinstance(outcome, VendorError):
            raise outcome
        return outcome

    def deliver_many(self, body: bytes, key: str, documents: Sequence[Sending]) -> Sequence[Receipt | VendorError]:
        """One call; each document has its own outcome, in the order of the request."""
        endpoint = body.split(b"\n", 1)[0].decode()
        answer = self._put(body, key)
        found = elements(answer, endpoint)
        if len(found) != len(documents):
            raise answer.unclear(f"Xero answered {len(found)} documents for {len(documents)}")
        return [self._matched(endpoint, sent, element, answer) for sent, element in zip(documents, found, strict=True)]

    def _put(self, body: bytes, key: str) -> Answer:
        endpoint, content = body.split(b"\n", 1)
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        return self.http.write(
            "PUT", endpoint.decode(), params={"summarizeErrors": "false"}, content=content, headers=headers
        )

    def _matched(
        self, endpoint: str, sent: Sending, element: Mapping[str, Any], answer: Answer
    ) -> Receipt | VendorError:
        if reference_of(endpoint, element) not in ("", sent.reference):
            return Ambiguous(f"Xero answered another document in the place of {sent.reference}", code="TO6405")
        return self._outcome(endpoint, element, answer)

    def _outcome(self, endpoint: str, element: Mapping[str, Any], answer: Answer) -> Receipt | VendorError:
        if element.get("StatusAttributeString") == "ERROR" or element.get("ValidationErrors"):
            return refusal(element, answer)
        if not element.get(IDS[endpoint]):
            return answer.unclear("Xero answered a document without an id")
        return self._reader.receipt(endpoint, element, answer.body)

    def find(self, reference: str) -> Receipt | None:
        """By the beginning of the narration, then by number among invoices and credit notes. Two are an ambiguity."""
        journals = self._listed("ManualJournals", f'Narration.StartsWith("{reference}")')
        found = [self._reader.receipt("ManualJournals", row) for row in journals]
        for endpoint, number in NUMBERS.items():
            rows = self._listed(endpoint, f'{number}=="{reference}"')
            found += [self._reader.receipt(endpoint, row) for row in rows]
        live = [each for each in found if each.reference == reference]
        if len([each for each in live if each.lines]) > 1:
            raise Fatal(
                f"{reference} is in Xero {len(live)} times", code="TO6406", fix="void the later ones, with approval"
            )
        return max(live, key=lambda each: bool(each.lines), default=None)

    # ── reading the books ──────────────────────────────────────────────────────────────────────────────────────────
    def balances(self, accounts: Sequence[str], as_of: date) -> list[Balance]:
        """From the trial balance's year-to-date columns, which hold balances for the accounts of a balance sheet."""
        params = {"date": as_of.isoformat(), "paymentsOnly": "false"}
        report = elements(self.http.read("GET", "Reports/TrialBalance", params=params), "Reports")[0]
        held: dict[str, int] = {}
        places: dict[str, int] = {}
        for row in _rows(report.get("Rows")):
            cells = row.get("Cells") or []
            if row.get("RowType") == "Header":
                places = {str(cell.get("Value")): n for n, cell in enumerate(cells)}
            elif row.get("RowType") == "Row" and (account := _account_of(cells[0])):
                debit, credit = (self._minor(cells[places[name]].get("Value")) for name in ("YTD Debit", "YTD Credit"))
                held[self._codes.get(account, account)] = debit - credit
        return [Balance(account, held.get(account, 0), self._currency, as_of) for account in accounts]

    def entries(self, accounts: Sequence[str], since: date | None) -> Iterator[LedgerEntry]:
        """Posted manual journals, invoices, credit notes and bank transactions that touch these accounts."""
        wanted = set(accounts)
        begin = where_day_from(since) if since else ""
        for endpoint, live in (
            ("ManualJournals", 'Status=="POSTED"'),
            ("Invoices", '(Status=="AUTHORISED" OR Status=="PAID")'),
            ("CreditNotes", '(Status=="AUTHORISED" OR Status=="PAID")'),
            ("BankTransactions", 'Status=="AUTHORISED"'),
        ):
            for row in self._listed(endpoint, " AND ".join(filter(None, (live, begin)))):
                lines = self._reader.lines(endpoint, row)
                if any(line.account in wanted for line in lines):
                    yield self._entry(endpoint, row)

    def _entry(self, endpoint: str, row: Mapping[str, Any]) -> LedgerEntry:
        lines = self._reader.lines(endpoint, row)
        number = row.get(IDS.get(endpoint, "BankTransactionID"))
        text = str(row.get("Narration") or row.get("Reference") or row.get("InvoiceNumber") or "")
        return LedgerEntry(
            f"{endpoint}:{number}",
            day(row.get("Date")) or date.min,
            reference_of(endpoint, row),
            lines,
            str(row.get("UpdatedDateUTC") or ""),
            text,
        )

    # ── calls ──────────────────────────────────────────────────────────────────────────────────────────────────────
    def _organisation(self) -> dict[str, Any]:
        answer = self.http.read("GET", "Organisation")
        found = elements(answer, "Organisations")
        if not found:
            raise answer.unclear("Xero answered without an organisation")
        return found[0]

    def _all(self, endpoint: str, name: str = "") -> list[dict[str, Any]]:
        return elements(self.http.read("GET", endpoint), name or endpoint)

    def _listed(self, endpoint: str, where: str) -> Iterator[dict[str, Any]]:
        """Every row, with its lines: these come only with `page`."""
        for page in range(1, PAGES_MAX + 1):
            params = {"where": where, "page": str(page), "pageSize": str(PAGE_ROWS), "order": "UpdatedDateUTC ASC"}
            rows = elements(self.http.read("GET", endpoint, params=params), endpoint)
            yield from rows
            if len(rows) < PAGE_ROWS:
                return
        raise Fatal(f"{endpoint} has more than {PAGES_MAX * PAGE_ROWS} rows", code="TO6406")

    @cached_property
    def _codes(self) -> dict[str, str]:
        return {str(row["AccountID"]): _code(row) for row in self._all("Accounts")}

    @cached_property
    def _reader(self) -> Reader:
        rows = self._all("Accounts")
        codes = {str(row["AccountID"]): _code(row) for row in rows}
        control = {
            _CONTROL[str(row.get("SystemAccount"))]: _code(row) for row in rows if row.get("SystemAccount") in _CONTROL
        }
        return Reader(self._currency, codes, control)

    def _minor(self, value: object) -> int:
        return Money.of(str(value or "0"), self._currency).minor


def _code(row: Mapping[str, Any]) -> str:
    return str(row.get("Code") or row["AccountID"])


def _refuses(row: Mapping[str, Any]) -> str:
    """Why an account takes no manual journals; '' when it does."""
    if row.get("Type") == "BANK":
        return "is a bank account, which takes no journals: use a current-asset clearing account"
    if row.get("Type") == "INVENTORY":
        return "is reserved for Xero's tracked items: use an account of type CURRENT"
    if row.get("SystemAccount") in SYSTEM:
        return "is a system account, which takes no journals"
    return ""


def _rows(rows: object) -> Iterator[dict[str, Any]]:
    for row in rows if isinstance(rows, list) else ():
        yield row
        yield from _rows(row.get("Rows"))


def _account_of(cell: Mapping[str, Any]) -> str:
    return next((str(a.get("Value")) for a in cell.get("Attributes") or () if a.get("Id") == "account"), "")
