"""The connector: documents out once, receipts, balances and entries back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, ClassVar

import msgspec

from tieout import (
    Account,
    Answer,
    Balance,
    Capabilities,
    Context,
    Document,
    DocumentLine,
    Endpoint,
    Fatal,
    Finding,
    Http,
    Idempotency,
    LedgerEntry,
    Manifest,
    Notice,
    Page,
    Purse,
    Receipt,
    Rejected,
    StockReport,
    Stream,
    VendorError,
    Window,
)
from tieout_quickbooks.calls import notices
from tieout_quickbooks.config import CONSENT, HOSTS, TOKENS, QuickBooksConfig
from tieout_quickbooks.documents import ENTITIES, Renderer, entry, receipt
from tieout_quickbooks.faults import DUPLICATE_NUMBER, look
from tieout_quickbooks.reports import TYPES, general_ledger, trial_balance
from tieout_quickbooks.source import STREAMS, pull

MINOR_VERSION = "75"
PAGE_ROWS = 1000  # the most a query gives
PAGES_MAX = 5000
DAYS_A_REPORT = 366  # wider reports time out at the gateway
CLASSES = {"Asset": "asset", "Liability": "liability", "Equity": "equity", "Revenue": "income", "Expense": "expense"}


class QuickBooks:
    """Ledger connector `quickbooks` (see the README for its configuration)."""

    manifest: ClassVar[Manifest] = Manifest(
        name="quickbooks",
        vendor="QuickBooks Online",
        version="0.1.0",
        vendor_api="v3, minor version 75",
        roles=("source", "ledger"),
        streams=STREAMS,
        config=QuickBooksConfig,
        hosts=(
            *(host.removeprefix("https://") for host in HOSTS.values()),
            "oauth.platform.intuit.com",
            "appcenter.intuit.com",
        ),
        rate_limits={"minute": "500 calls per company and app", "second": "10 calls", "batch": "120 per minute"},
        capabilities=Capabilities(
            # How long a requestid is remembered is not published: a look-up comes first after a day.
            idempotency=Idempotency(
                kind="key", key_seconds=86_400, key_length_max=36, lookup="by_reference", late_commit_seconds_max=120
            ),
            documents=("journal", "bill", "vendor_credit"),
            dimensions=("class", "department"),
            locks=True,
            lines_max=500,
            narration_length_max=3_900,
            reference_length_max=21,
        ),
    )

    def __init__(self, context: Context) -> None:
        config = context.config
        if not isinstance(config, QuickBooksConfig):
            raise Fatal("the configuration is not a QuickBooksConfig", fix="validate it with manifest.config")
        self._config = config
        self._currency = config.currency or context.currency
        self._now = context.now
        self._renderer = Renderer(config, self._currency)
        self._income = {item: account for account, item in config.sales_items.items()}
        minute = Window("minute", config.calls_per_minute_max, 60)
        self.http: Http = context.http(
            base_url=config.base_url,
            oauth=self._endpoint(),
            purse=Purse((minute, Window("second", 10, 1)), in_flight_max=8),
            look=look,
        )
        if config.sales_items and self.manifest.capabilities is not None:
            able = msgspec.structs.replace(self.manifest.capabilities, documents=tuple(ENTITIES))
            self.manifest = msgspec.structs.replace(self.manifest, capabilities=able)  # type: ignore[misc]

    def _endpoint(self) -> Endpoint:
        return Endpoint(
            url=self._config.token_url or TOKENS,
            client_id=self._config.client_id.get,
            client_secret=self._config.client_secret.get,
            refresh_life_field="x_refresh_token_expires_in",
            consent_url=CONSENT,
            scope="com.intuit.quickbooks.accounting",
            account_fields={"realmId": self._config.realm},
            headers={"x-include-refresh-token-hard-expires-in": "true"},
            pkce=False,  # a confidential client; the vendor knows no challenge
        )

    # ── as a source ────────────────────────────────────────────────────────────────────────────────────────────────
    def streams(self) -> Sequence[Stream]:
        names = {stream.name for stream in self._config.streams}
        return [stream for stream in STREAMS if not names or stream.name in names]

    def pull(self, stream: str, cursor: str | None, until: datetime) -> Iterator[Page]:
        begin = datetime.combine(self._config.history_from, datetime.min.time(), UTC)
        return pull(self._query, self._get, stream, cursor, until, begin)

    def stock(self, as_of: datetime) -> StockReport | None:
        """QuickBooks holds no stock of ours."""
        return None

    def verify_webhook(self, headers: Mapping[str, str], body: bytes) -> Sequence[Notice] | None:
        return notices(self._config.webhook_verifier, headers, body)

    # ── what is there ──────────────────────────────────────────────────────────────────────────────────────────────
    def check(self) -> list[Finding]:
        """Reaches the company, and looks for what would spoil the tie-out. Makes four calls."""
        try:
            company = self._get("companyinfo/" + self._config.realm)["CompanyInfo"]
            preferences = self._preferences()
            accounts = {str(row["Id"]): row for row in self._accounts()}
            items = list(self._query("Item", "Type = 'Inventory' AND Active = true"))
        except VendorError as error:
            return [Finding("error", error.message, error.fix or "")]
        home = str((preferences.get("CurrencyPrefs") or {}).get("HomeCurrency", {}).get("value") or self._currency)
        findings = [Finding("ok", f"connected to {company.get('CompanyName')} ({company.get('Country')}, {home})")]
        if home != self._currency:
            findings.append(
                Finding(
                    "error",
                    f"QuickBooks keeps {home}, the company {self._currency}",
                    "use the company of that currency",
                )
            )
        tracked = {str((item.get("AssetAccountRef") or {}).get("value")): item for item in items}
        for account, item in sorted(tracked.items()):
            name = (accounts.get(account) or {}).get("FullyQualifiedName", account)
            findings.append(
                Finding(
                    "warning",
                    f"account {account} {name} is kept by QuickBooks' own item tracking ({item.get('Name')} and others): "
                    "a journal there changes the balance sheet and not the inventory valuation",
                    "map inventory roles to another Other Current Asset account",
                )
            )
        wanted = preferences.get("AccountingInfoPrefs") or {}
        if self._config.classes and not (wanted.get("ClassTrackingPerTxnLine") or wanted.get("ClassTrackingPerTxn")):
            findings.append(Finding("error", "class tracking is off in QuickBooks", "turn it on or remove `classes`"))
        if self._config.departments and not wanted.get("TrackDepartments"):
            findings.append(
                Finding("error", "location tracking is off in QuickBooks", "turn it on or remove `departments`")
            )
        return findings

    def unfit(self, accounts: Sequence[str]) -> dict[str, str]:
        """Which of these accounts cannot be posted to, and why: unknown, inactive, or kept by item tracking."""
        known = {str(row["Id"]): row for row in self._accounts()}
        tracked = {
            str((item.get("AssetAccountRef") or {}).get("value"))
            for item in self._query("Item", "Type = 'Inventory' AND Active = true")
        }
        out = {}
        for account in accounts:
            row = known.get(account)
            if row is None:
                out[account] = "QuickBooks has no account with this id (merged or deleted?)"
            elif not row.get("Active", True):
                out[account] = f"{row.get('FullyQualifiedName')} is inactive"
            elif account in tracked:
                out[account] = f"{row.get('FullyQualifiedName')} is kept by QuickBooks' own item tracking"
        return out

    def accounts(self) -> list[Account]:
        return [
            Account(
                code=str(row["Id"]),
                name=" ".join(filter(None, (row.get("AcctNum"), row.get("FullyQualifiedName") or row.get("Name")))),
                type=CLASSES.get(str(row.get("Classification")), ""),
                vendor_type=f"{row.get('AccountType')}/{row.get('AccountSubType')}",
                currency=(row.get("CurrencyRef") or {}).get("value"),
                active=bool(row.get("Active", True)),
                accepts_journals=row.get("AccountType") not in ("Accounts Receivable", "Accounts Payable"),
            )
            for row in self._accounts()
        ]

    def locked_through(self) -> date | None:
        text = (self._preferences().get("AccountingInfoPrefs") or {}).get("BookCloseDate")
        return date.fromisoformat(str(text)[:10]) if text else None

    # ── writing ────────────────────────────────────────────────────────────────────────────────────────────────────
    def render(self, document: Document) -> bytes:
        return self._renderer.render(document)

    def deliver(self, body: bytes, key: str) -> Receipt:
        """One entity, once. A used DocNumber (fault 6140) is looked at: the receipt of what is there comes back, and the
        core compares it with what was sent. Raises from the VendorError tree."""
        entity, content = body.split(b"\n", 1)
        kind = entity.decode()
        try:
            answer = self.http.write(
                "POST",
                kind.lower(),
                params={"minorversion": MINOR_VERSION, "requestid": key},
                content=content,
                headers={"Content-Type": "application/json"},
            )
        except Rejected as refused:
            if refused.data.get("fault") != DUPLICATE_NUMBER:
                raise
            return self._holder(kind, msgspec.json.decode(content)["DocNumber"], refused)
        return self._receipt(kind, answer)

    def _receipt(self, kind: str, answer: Answer) -> Receipt:
        """Success is a 200 with the entity and its Id; anything else does not say what happened."""
        data = answer.json()
        made = data.get(kind) if isinstance(data, dict) else None
        if not isinstance(made, dict) or not made.get("Id") or made.get("status") == "Deleted":
            raise answer.unclear(f"QuickBooks answered 200 without a {kind}")
        return receipt(kind, made, self._currency, self._income, answer.body)

    def _holder(self, kind: str, number: str, refused: Rejected) -> Receipt:
        held = self._by_number(kind, number)
        if held is None:
            raise refused
        return held

    def find(self, reference: str) -> Receipt | None:
        kinds = (self.manifest.capabilities or Capabilities()).documents
        for kind in kinds:
            held = self._by_number(ENTITIES[kind], reference)
            if held is not None:
                return held
        return None

    def _by_number(self, kind: str, number: str) -> Receipt | None:
        rows = list(self._query(kind, f"DocNumber = '{_quoted(number)}'"))
        return receipt(kind, rows[0], self._currency, self._income) if rows else None

    # ── reading the books ──────────────────────────────────────────────────────────────────────────────────────────
    def balances(self, accounts: Sequence[str], as_of: date) -> list[Balance]:
        report = self._report(
            "TrialBalance", start_date=self._config.history_from.isoformat(), end_date=as_of.isoformat()
        )
        held = trial_balance(report, self._currency)
        return [Balance(account, held.get(account, 0), self._currency, as_of) for account in accounts]

    def entries(self, accounts: Sequence[str], since: date | None) -> Iterator[LedgerEntry]:
        """Journals and our kinds of documents whole; whatever else touches these accounts by its lines on them."""
        begin = since or self._config.history_from
        kinds = [ENTITIES[kind] for kind in (self.manifest.capabilities or Capabilities()).documents]
        seen: set[tuple[str, str]] = set()
        wanted = set(accounts)
        for kind in kinds:
            for row in self._query(kind, f"TxnDate >= '{begin.isoformat()}'"):
                seen.add((kind, str(row["Id"])))
                made = entry(kind, row, self._currency, self._income)
                if any(line.account in wanted for line in made.lines):
                    yield made
        yield from self._others(accounts, begin, seen)

    def _others(self, accounts: Sequence[str], begin: date, seen: set[tuple[str, str]]) -> Iterator[LedgerEntry]:
        today = self._now().date()
        found: dict[tuple[str, str], LedgerEntry] = {}
        while begin <= today:
            end = min(begin + timedelta(days=DAYS_A_REPORT), today)
            report = self._report(
                "GeneralLedger",
                start_date=begin.isoformat(),
                end_date=end.isoformat(),
                account=",".join(accounts),
                columns="tx_date,txn_type,doc_num,memo,debt_amt,credit_amt",
            )
            for line in general_ledger(report, self._currency):
                key = (TYPES.get(line.type, line.type), line.id)
                if key in seen or line.account not in accounts:
                    continue
                before = found.get(key)
                more = DocumentLine(line.account, line.amount, memo=line.memo)
                lines = (*before.lines, more) if before else (more,)
                found[key] = LedgerEntry(
                    f"{key[0]}:{line.id}",
                    line.day,
                    "",
                    lines,
                    narration=f"{line.type} {line.number} {line.memo}".strip(),
                )
            begin = end + timedelta(days=1)
        yield from found.values()

    # ── calls ──────────────────────────────────────────────────────────────────────────────────────────────────────
    def _get(self, path: str, **params: str) -> dict[str, Any]:
        data = self.http.read("GET", path, params={"minorversion": MINOR_VERSION, **params}).json()
        if not isinstance(data, dict):
            raise Fatal(f"QuickBooks answered {path} with something else than an object", code="TO6307")
        return data

    def _query(self, entity: str, where: str) -> Iterator[dict[str, Any]]:
        """Every row of a query, once, in order of creation. Pages go on from the last creation time: pages by position over
        a set that changes would skip rows."""
        since, start, seen = "", 1, set[str]()
        for _ in range(PAGES_MAX):
            after = f" AND MetaData.CreateTime >= '{since}'" if since else ""
            rows = self._page(entity, f"{where}{after}", start)
            new = [row for row in rows if str(row["Id"]) not in seen]
            seen.update(str(row["Id"]) for row in new)
            yield from new
            if len(rows) < PAGE_ROWS:
                return
            last = str((rows[-1].get("MetaData") or {}).get("CreateTime") or "")
            since, start = (last, 1) if last and last != since else (since, start + PAGE_ROWS)
        raise Fatal(f"a query for {entity} has more than {PAGES_MAX * PAGE_ROWS} rows", code="TO6307")

    def _page(self, entity: str, where: str, start: int) -> list[dict[str, Any]]:
        rest = f"ORDERBY MetaData.CreateTime STARTPOSITION {start} MAXRESULTS {PAGE_ROWS}"
        answer = self._get("query", query=f"SELECT * FROM {entity} WHERE {where} {rest}")
        rows: list[dict[str, Any]] = (answer.get("QueryResponse") or {}).get(entity, [])
        return rows

    def _accounts(self) -> Iterator[dict[str, Any]]:
        return self._query("Account", "Active IN (true, false)")

    def _preferences(self) -> Mapping[str, Any]:
        return self._get("preferences").get("Preferences") or {}

    def _report(self, name: str, **params: str) -> dict[str, Any]:
        report = self._get(f"reports/{name}", accounting_method="Accrual", **params)
        if "Header" not in report:
            raise Fatal(f"the report {name} has no header", code="TO6307", fix="report this")
        return report


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")
