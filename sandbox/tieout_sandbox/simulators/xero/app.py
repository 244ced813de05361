"""The application: tenants, budgets, keys, endpoints, answers in the vendor's own shapes."""

from __future__ import annotations

import base64
import hashlib
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from tieout_sandbox.simulators.app import Number, Reply, Request, Simulator
from tieout_sandbox.simulators.clock import SimClock
from tieout_sandbox.simulators.faults import Faults
from tieout_sandbox.simulators.keeping import Keeping
from tieout_sandbox.simulators.xero import where as language
from tieout_sandbox.simulators.xero.oauth import Grants
from tieout_sandbox.simulators.xero.reports import trial_balance
from tieout_sandbox.simulators.xero.rules import LIVE, Leg, Locks, document_errors, journal_errors, legs, line_amount

TENANT: Final = "0f2a6b34-8d5e-4d8c-9c4e-5f1f0a6f2a11"
KEY_SECONDS: Final = 360
KEY_MAX: Final = 128
MINUTE_CALLS: Final = 60
DAY_CALLS: Final = 5_000
IN_FLIGHT: Final = 5
_SPACE: Final = uuid.UUID("6f8b2f4e-35a3-4a67-8e55-0d4f3f7c9a10")
IDS: Final = {
    "ManualJournals": "ManualJournalID",
    "Invoices": "InvoiceID",
    "CreditNotes": "CreditNoteID",
    "BankTransactions": "BankTransactionID",
    "Accounts": "AccountID",
    "Contacts": "ContactID",
    "Items": "ItemID",
    "TrackingCategories": "TrackingCategoryID",
    "Organisation": "OrganisationID",
}
PAGED: Final = frozenset({"ManualJournals", "Invoices", "CreditNotes", "BankTransactions", "Contacts"})
WRITABLE: Final = frozenset({"ManualJournals", "Invoices", "CreditNotes", "Accounts", "Contacts"})
# Code, name, type, class, system account.
CHART: Final = (
    ("090", "Business Bank Account", "BANK", "ASSET", ""),
    ("610", "Accounts Receivable", "CURRENT", "ASSET", "DEBTORS"),
    ("800", "Accounts Payable", "CURRLIAB", "LIABILITY", "CREDITORS"),
    ("630", "Inventory", "INVENTORY", "ASSET", ""),
    ("631", "Inventory - perpetual", "CURRENT", "ASSET", ""),
    ("632", "Goods in transit", "CURRENT", "ASSET", ""),
    ("633", "Returns in inspection", "CURRENT", "ASSET", ""),
    ("634", "Goods invoiced not received", "CURRENT", "ASSET", ""),
    ("635", "Vendor credits due", "CURRENT", "ASSET", ""),
    ("801", "Goods received not invoiced", "CURRLIAB", "LIABILITY", ""),
    ("802", "Landed cost accrual", "CURRLIAB", "LIABILITY", ""),
    ("820", "Input tax", "CURRLIAB", "LIABILITY", ""),
    ("960", "Retained Earnings", "EQUITY", "EQUITY", "RETAINEDEARNINGS"),
    ("970", "Opening equity", "EQUITY", "EQUITY", ""),
    ("200", "Sales", "REVENUE", "REVENUE", ""),
    ("310", "Cost of Goods Sold", "DIRECTCOSTS", "EXPENSE", ""),
    ("311", "Shrinkage", "DIRECTCOSTS", "EXPENSE", ""),
    ("312", "Purchase variances", "DIRECTCOSTS", "EXPENSE", ""),
    ("313", "Damage and write-offs", "DIRECTCOSTS", "EXPENSE", ""),
)


class XeroSim(Simulator):
    """One organisation in Xero. `day_calls`: 1,000 on the smallest tier. `in_flight` requests at once are not counted here:
    the frame handles one at a time."""

    name = "xero"

    def __init__(
        self,
        *,
        clock: SimClock | None = None,
        faults: Faults | None = None,
        path: Path | None = None,
        client: tuple[str, str] = ("client", "secret"),
        minute_calls: int = MINUTE_CALLS,
        day_calls: int = DAY_CALLS,
        index_lag_seconds: float = 0,
    ) -> None:
        super().__init__(clock=clock, faults=faults)
        self.keep = Keeping(path)
        self.grants = Grants(self.keep, self.clock, client)
        self.minute_calls = minute_calls
        self.day_calls = day_calls
        self.index_lag_seconds = index_lag_seconds
        self.connected = True
        self._minute = (0, 0)
        self._day = (0, 0)
        if not list(self.keep.all("Accounts")):
            self._seed()

    def _seed(self) -> None:
        for code, name, kind, group, system in CHART:
            facts: dict[str, Any] = {
                "Code": code,
                "Name": name,
                "Type": kind,
                "Class": group,
                "Status": "ACTIVE",
                "TaxType": "NONE",
                "EnablePaymentsToAccount": False,
            }
            self.put(
                "Accounts", self.id_of(f"account {code}"), {**facts, **({"SystemAccount": system} if system else {})}
            )
        self.put("Contacts", self.id_of("contact SUP-1"), {"Name": "Supplier One", "ContactStatus": "ACTIVE"})
        self.put("Contacts", self.id_of("contact WEB"), {"Name": "Web customers", "ContactStatus": "ACTIVE"})
        options = [
            {"TrackingOptionID": self.id_of(f"option {name}"), "Name": name, "Status": "ACTIVE"}
            for name in ("Web", "Retail")
        ]
        self.put(
            "TrackingCategories",
            self.id_of("category Channel"),
            {"Name": "Channel", "Status": "ACTIVE", "Options": options},
        )
        organisation = {
            "Name": "Demo Company",
            "BaseCurrency": "USD",
            "OrganisationStatus": "ACTIVE",
            "CountryCode": "US",
            "Timezone": "EASTERNSTANDARDTIME",
        }
        self.put("Organisation", self.id_of("organisation"), organisation)

    # ── the vendor's own side, for tests and people ────────────────────────────────────────────────────────────────
    @staticmethod
    def id_of(name: str) -> str:
        """The id of a seeded thing."""
        return str(uuid.uuid5(_SPACE, name))

    def put(self, kind: str, number: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Write as somebody at the screen would: no rule is checked."""
        made = {**body, IDS[kind]: number, "UpdatedDateUTC": _stamp(self.clock.now())}
        if kind in ("Invoices", "CreditNotes") and (day := _day(body.get("Date"))) is not None:
            made["DateString"] = f"{day.isoformat()}T00:00:00"
        self.keep.put(kind, number, made, at=self.clock.now())
        return made

    def lock(self, *, period: date | None = None, year: date | None = None) -> None:
        number = self.id_of("organisation")
        body = dict(self.keep.get("Organisation", number) or {})
        for name, value in (("PeriodLockDate", period), ("EndOfYearLockDate", year)):
            body.pop(name, None)
            if value is not None:
                body[name] = _day_stamp(value)
        self.put("Organisation", number, body)

    def balances(self, as_of: date | None = None) -> dict[str, Decimal]:
        """The ledger by account code, debits positive: what a judge compares with."""
        codes = {str(a["AccountID"]): str(a["Code"]) for a in self.keep.all("Accounts")}
        sums: dict[str, Decimal] = {}
        for day, lines in self._posted():
            if as_of is None or day <= as_of:
                for leg in lines:
                    sums[codes[leg.account]] = sums.get(codes[leg.account], Decimal(0)) + leg.amount
        return {code: value for code, value in sums.items() if value}

    def documents(self, kind: str = "ManualJournals") -> list[dict[str, Any]]:
        return list(self.keep.all(kind))

    def _posted(self) -> Iterator[tuple[date, tuple[Leg, ...]]]:
        for kind in ("ManualJournals", "Invoices", "CreditNotes", "BankTransactions"):
            for body in self.keep.all(kind):
                yield _day(body["Date"]) or date.min, tuple(legs(kind, body, self._account, self._system))

    def _account(self, line: Mapping[str, Any]) -> dict[str, Any] | None:
        code, number = line.get("AccountCode"), line.get("AccountID")
        for account in self.keep.all("Accounts"):
            if (code and account.get("Code") == code) or (number and account["AccountID"] == number):
                return account
        return None

    def _system(self, name: str) -> str:
        return next((str(a["AccountID"]) for a in self.keep.all("Accounts") if a.get("SystemAccount") == name), "")

    # ── requests ───────────────────────────────────────────────────────────────────────────────────────────────────
    def handle(self, request: Request) -> Reply:
        reply = self._routed(request)
        minute, day = self.minute_calls - self._minute[1], self.day_calls - self._day[1]
        headers = {
            "X-MinLimit-Remaining": str(max(minute, 0)),
            "X-DayLimit-Remaining": str(max(day, 0)),
            "X-AppMinLimit-Remaining": "9990",
        }
        return reply._replace(
            headers={
                "Xero-Correlation-Id": str(uuid.uuid5(_SPACE, f"call {len(self.requests)}")),
                **headers,
                **reply.headers,
            }
        )

    def _routed(self, request: Request) -> Reply:
        if request.path == "/connect/token":
            return self.grants.token(request)
        if not self.grants.let_in(request.headers.get("authorization", "")):
            return self.refused_token()
        if request.path.lower() == "/connections":
            created = datetime.fromtimestamp(self.clock.now(), UTC).isoformat().replace("+00:00", "")
            row = {
                "id": self.id_of("connection"),
                "authEventId": self.id_of("consent"),
                "tenantId": TENANT,
                "tenantType": "ORGANISATION",
                "tenantName": "Demo Company",
                "createdDateUtc": created,
                "updatedDateUtc": created,
            }
            return Reply.of([row] if self.connected else [])
        if request.headers.get("xero-tenant-id", "").lower() != TENANT or not self.connected:
            return self._problem(403, "Forbidden", "AuthenticationUnsuccessful")
        if (limited := self._limited()) is not None:
            return limited
        parts = request.path.removeprefix("/api.xro/2.0").strip("/").split("/")
        if request.method in ("PUT", "POST") and parts[0] in WRITABLE:
            return self._keyed(request, parts)
        return self._read(request, parts)

    def _limited(self) -> Reply | None:
        now = self.clock.now()
        for name, seconds, most in (("minute", 60, self.minute_calls), ("day", 86_400, self.day_calls)):
            window, count = self._minute if name == "minute" else self._day
            current = int(now // seconds)
            count = count + 1 if window == current else 1
            if name == "minute":
                self._minute = (current, count)
            else:
                self._day = (current, count)
            if count > most:
                wait = int((current + 1) * seconds - now) + 1
                return Reply(429, b"", {"Retry-After": str(wait), "X-Rate-Limit-Problem": name})
        return None

    # ── writing ────────────────────────────────────────────────────────────────────────────────────────────────────
    def _keyed(self, request: Request, parts: list[str]) -> Reply:
        """A key lives six minutes: the same request gets the first answer, errors with it; another request is refused."""
        key = request.headers.get("idempotency-key", "")
        if len(key) > KEY_MAX:
            return self._invalid("The Idempotency-Key is longer than 128 characters")
        print_ = hashlib.sha256(
            f"{request.method} {request.path} {sorted(request.query.items())}".encode() + request.body
        ).hexdigest()
        if key:
            known = self.keep.get("key", key)
            if known is not None and self.clock.now() - float(known["at"]) < KEY_SECONDS:
                if known["print"] != print_:
                    return self._invalid(f"Idempotency Key {key} is used with a different request")
                return Reply(
                    known["status"],
                    base64.b64decode(known["body"]),
                    {"content-type": "application/json; charset=utf-8"},
                )
        reply = self._write(request, parts)
        if key:
            self.keep.put(
                "key",
                key,
                {
                    "at": str(self.clock.now()),
                    "print": print_,
                    "status": reply.status,
                    "body": base64.b64encode(reply.body).decode(),
                },
                at=self.clock.now(),
            )
        return reply

    def _write(self, request: Request, parts: list[str]) -> Reply:
        kind = parts[0]
        data = request.json()
        if not isinstance(data, Mapping):
            return self._invalid("JSON for post data was invalid")
        elements = data.get(kind)
        if elements is None:
            elements = [data]
        summarize = request.query.get("summarizeErrors", "true").lower() == "true"
        made = [
            self._element(kind, dict(element), parts[1] if len(parts) > 1 else "", create=request.method == "PUT")
            for element in elements
        ]
        bad = [element for element in made if element.get("StatusAttributeString") == "ERROR"]
        if bad and summarize:
            for element in made:
                if element not in bad:  # the call as a whole is refused
                    self.keep.remove(kind, element[IDS[kind]], at=self.clock.now())
            return Reply.of(
                {
                    "ErrorNumber": 10,
                    "Type": "ValidationException",
                    "Message": "A validation exception occurred",
                    "Elements": [_numbers(e) for e in bad],
                },
                400,
            )
        return self._collection(kind, made)

    def _element(self, kind: str, element: dict[str, Any], number: str, *, create: bool) -> dict[str, Any]:
        number = number or ("" if create else str(element.get(IDS[kind]) or ""))
        old = self.keep.get(kind, number) if number else None
        if number and old is None:
            return self._bad(kind, element, ["The document could not be found"])
        merged = {
            **(old or {}),
            **{
                k: v
                for k, v in element.items()
                if k not in ("HasAttachments", "UpdatedDateUTC", "ValidationErrors", "Warnings")
            },
        }
        merged["Status"] = merged.get("Status") or "DRAFT"
        day = _day(merged.get("Date")) or self.clock.utc().date()
        merged["Date"] = _day_stamp(day)
        errors = self._errors(kind, merged, day)
        if old is not None and str(old.get("Status")) in LIVE:
            errors += [
                e
                for e in self._errors(
                    kind, {**old, "Status": "POSTED" if kind == "ManualJournals" else "AUTHORISED"}, _day(old["Date"])
                )
                if "lock date" in e
            ]
        if errors:
            return self._bad(kind, merged, errors)
        self._complete(kind, merged)
        made = self.put(kind, number or str(uuid.uuid5(_SPACE, f"{kind} {self.keep.next_id(kind)}")), merged)
        return {
            **made,
            "StatusAttributeString": "OK",
            **({"HasAttachments": False} if kind == "ManualJournals" else {}),
        }

    def _errors(self, kind: str, element: Mapping[str, Any], day: date | None) -> list[str]:
        locks = self._locks()
        if kind == "ManualJournals":
            return journal_errors(element, day, self._account, self._tracked, locks)
        if kind in ("Invoices", "CreditNotes"):
            out = document_errors(element, day, self._account, locks)
            number = "InvoiceNumber" if kind == "Invoices" else "CreditNoteNumber"
            wanted = element.get(number)
            if wanted and element.get("Type") in ("ACCREC", "ACCRECCREDIT"):
                out += [
                    f"{number} must be unique"
                    for other in self.keep.all(kind)
                    if other.get(number) == wanted and other[IDS[kind]] != element.get(IDS[kind])
                ]
            return out
        return [] if element.get("Name") else ["Name is required"]

    def _complete(self, kind: str, body: dict[str, Any]) -> None:
        """Ids, names and totals as Xero adds them."""
        if kind == "ManualJournals":
            body.setdefault("LineAmountTypes", "NoTax")
            body.setdefault("ShowOnCashBasisReports", True)
            body["JournalLines"] = [
                self._line(line, str(line.get("LineAmount", "0"))) for line in body.get("JournalLines") or ()
            ]
        elif kind in ("Invoices", "CreditNotes"):
            lines = [self._line(line, str(line_amount(line))) for line in body.get("LineItems") or ()]
            body["LineItems"] = lines
            total = sum((Decimal(line["LineAmount"]) for line in lines), Decimal(0))
            body |= {
                "SubTotal": str(total),
                "TotalTax": "0.00",
                "Total": str(total),
                "CurrencyCode": body.get("CurrencyCode", "USD"),
            }

    def _line(self, line: Mapping[str, Any], amount: str) -> dict[str, Any]:
        account = self._account(line) or {}
        facts = {
            "TaxType": line.get("TaxType") or "NONE",
            "LineAmount": amount,
            "AccountCode": account.get("Code"),
            "AccountID": account.get("AccountID"),
            "Tracking": line.get("Tracking") or [],
        }
        return {**line, **facts, "IsBlank": False}

    def _bad(self, kind: str, element: dict[str, Any], errors: list[str]) -> dict[str, Any]:
        return {
            **element,
            IDS[kind]: "00000000-0000-0000-0000-000000000000",
            "StatusAttributeString": "ERROR",
            "ValidationErrors": [{"Message": text} for text in errors],
            "Warnings": [],
        }

    def _tracked(self, tracking: Mapping[str, Any]) -> bool:
        for category in self.keep.all("TrackingCategories"):
            if (
                tracking.get("TrackingCategoryID") == category["TrackingCategoryID"]
                or tracking.get("Name") == category["Name"]
            ):
                return any(
                    o["TrackingOptionID"] == tracking.get("TrackingOptionID") or o["Name"] == tracking.get("Option")
                    for o in category["Options"]
                    if o["Status"] == "ACTIVE"
                )
        return False

    def _locks(self) -> Locks:
        body = self.keep.get("Organisation", self.id_of("organisation")) or {}
        return Locks(_day(body.get("PeriodLockDate")), _day(body.get("EndOfYearLockDate")))

    # ── reading ────────────────────────────────────────────────────────────────────────────────────────────────────
    def _read(self, request: Request, parts: list[str]) -> Reply:
        if parts[0] == "Reports" and len(parts) > 1:
            accounts = list(self.keep.all("Accounts"))
            day = date.fromisoformat(request.query.get("date") or self.clock.utc().date().isoformat())
            return Reply.of(
                {
                    **self._envelope(),
                    "Reports": [trial_balance(accounts, self._posted(), day, _stamp(self.clock.now()))],
                }
            )
        if parts[0] == "Journals":
            return self._problem(401, "Unauthorized", "AuthorizationUnsuccessful")
        kind = parts[0]
        if kind not in IDS:
            return Reply(404, b"The resource you're looking for cannot be found", {"content-type": "text/plain"})
        if len(parts) > 1:
            found = self.keep.get(kind, parts[1])
            return (
                self._collection(kind, [found]) if found else Reply(404, b"not found", {"content-type": "text/plain"})
            )
        try:
            rows = self._filtered(kind, request)
        except language.BadFilter as error:
            return self._invalid(f"Invalid filter: {error}", 16, "QueryParseException")
        if kind not in PAGED:
            return self._collection(kind, rows)
        size, page = int(request.query.get("pageSize", "100")), int(request.query.get("page", "0"))
        if not 1 <= size <= 1000:
            return self._invalid("pageSize must be between 1 and 1000")
        shown = rows[max(page - 1, 0) * size :][:size]
        if not page:  # without a page, lines are left out
            shown = [{**row, **({"JournalLines": []} if kind == "ManualJournals" else {})} for row in rows[:100]]
        pages = {"page": max(page, 1), "pageSize": size, "pageCount": -(-len(rows) // size), "itemCount": len(rows)}
        return self._collection(kind, shown, pages if page else None)

    def _filtered(self, kind: str, request: Request) -> list[dict[str, Any]]:
        since = request.headers.get("if-modified-since", "")
        begin = datetime.fromisoformat(since).replace(tzinfo=UTC).timestamp() if since else 0.0
        seen = self.clock.now() - self.index_lag_seconds
        rows = [
            row
            for row in self.keep.all(kind, since=begin)
            if self.index_lag_seconds == 0 or _millis(row["UpdatedDateUTC"]) / 1000 <= seen
        ]
        text = request.query.get("where", "")
        if text:
            test = language.parse(text, _day)
            rows = [row for row in rows if test(row)]
        order = request.query.get("order", "")
        if order:
            name, _, way = order.partition(" ")
            rows.sort(key=lambda row: _millis(row.get(name, "")), reverse=way.upper() == "DESC")
        return rows

    # ── shapes ─────────────────────────────────────────────────────────────────────────────────────────────────────
    def _envelope(self) -> dict[str, Any]:
        return {
            "Id": str(uuid.uuid5(_SPACE, f"answer {len(self.requests)}")),
            "Status": "OK",
            "ProviderName": "tieout",
            "DateTimeUTC": _stamp(self.clock.now()),
        }

    def _collection(self, kind: str, rows: list[dict[str, Any]], pagination: dict[str, int] | None = None) -> Reply:
        name = "Organisations" if kind == "Organisation" else kind
        pages = {"pagination": pagination} if pagination else {}
        return Reply.of({**self._envelope(), **pages, name: [_numbers(row) for row in rows]})

    def _invalid(self, message: str, number: int = 10, kind: str = "ValidationException") -> Reply:
        return Reply.of({"ErrorNumber": number, "Type": kind, "Message": message}, 400)

    def _problem(self, status: int, title: str, detail: str) -> Reply:
        return Reply.of(
            {
                "Type": None,
                "Title": title,
                "Status": status,
                "Detail": detail,
                "Instance": str(uuid.uuid5(_SPACE, detail)),
                "Extensions": {},
            },
            status,
        )

    def refused_token(self) -> Reply:
        return self._problem(401, "Unauthorized", "TokenExpired: token expired")

    def throttled(self, headers: Mapping[str, str]) -> Reply:
        return Reply(429, b"", {**headers, "X-Rate-Limit-Problem": "minute"})

    def failed(self, status: int) -> Reply:
        if status == 503:
            return Reply(503, b"The Xero API is currently offline for maintenance", {"content-type": "text/plain"})
        return Reply.of({"ErrorNumber": 500, "Type": "InternalError", "Message": "An error occurred in Xero"}, status)


_AMOUNTS: Final = frozenset({"LineAmount", "UnitAmount", "Quantity", "TaxAmount", "SubTotal", "Total", "TotalTax"})


def _numbers(value: Any, name: str = "") -> Any:
    if isinstance(value, Mapping):
        return {key: _numbers(inner, key) for key, inner in value.items()}
    if isinstance(value, list):
        return [_numbers(inner, name) for inner in value]
    return Number(value) if name in _AMOUNTS and isinstance(value, str) else value


def _stamp(seconds: float) -> str:
    return f"/Date({int(seconds * 1000)}+0000)/"


def _day_stamp(day: date) -> str:
    return _stamp(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


def _millis(text: object) -> int:
    digits = str(text).partition("(")[2].partition(")")[0].split("+")[0]
    return int(digits) if digits.lstrip("-").isdigit() else 0


def _day(value: object) -> date | None:
    """A date in either form a client sends."""
    text = str(value or "")
    if text.startswith("/Date("):
        return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=_millis(text))).date()
    return date.fromisoformat(text[:10]) if text else None
