"""The application: who is let in, what is asked, what comes back in the vendor's own shapes."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

from tieout_sandbox.simulators.app import Number, Reply, Request, Simulator
from tieout_sandbox.simulators.clock import SimClock
from tieout_sandbox.simulators.faults import Faults
from tieout_sandbox.simulators.keeping import Keeping
from tieout_sandbox.simulators.quickbooks import query as language
from tieout_sandbox.simulators.quickbooks.oauth import Grants
from tieout_sandbox.simulators.quickbooks.reports import WORDS, Posted, report
from tieout_sandbox.simulators.quickbooks.rules import NAMES, TRANSACTIONS, Fault, check, day, legs

REALM: Final = "9341453000000001"
CALLS_A_MINUTE: Final = 500
CDC_SECONDS_MAX: Final = 30 * 86_400
CDC_ROWS_MAX: Final = 1000
REQUEST_ID_MAX: Final = 50
_COMPANY = re.compile(r"/v3/company/(?P<realm>\d+)/(?P<rest>.+)")

# A chart for an inventory company: id, number, name, type, subtype, classification.
CHART: Final = (
    ("35", "1000", "Checking", "Bank", "Checking", "Asset"),
    ("84", "1100", "Accounts Receivable (A/R)", "Accounts Receivable", "AccountsReceivable", "Asset"),
    ("81", "1200", "Inventory Asset", "Other Current Asset", "Inventory", "Asset"),
    ("91", "1300", "Inventory - perpetual", "Other Current Asset", "OtherCurrentAssets", "Asset"),
    ("92", "1310", "Goods in transit", "Other Current Asset", "OtherCurrentAssets", "Asset"),
    ("93", "1320", "Returns in inspection", "Other Current Asset", "OtherCurrentAssets", "Asset"),
    ("94", "1330", "Goods invoiced not received", "Other Current Asset", "OtherCurrentAssets", "Asset"),
    ("95", "1340", "Vendor credits due", "Other Current Asset", "OtherCurrentAssets", "Asset"),
    ("33", "2000", "Accounts Payable (A/P)", "Accounts Payable", "AccountsPayable", "Liability"),
    ("96", "2100", "Goods received not invoiced", "Other Current Liability", "OtherCurrentLiabilities", "Liability"),
    ("97", "2110", "Landed cost accrual", "Other Current Liability", "OtherCurrentLiabilities", "Liability"),
    ("98", "2200", "Input tax", "Other Current Liability", "OtherCurrentLiabilities", "Liability"),
    ("34", "3000", "Opening Balance Equity", "Equity", "OpeningBalanceEquity", "Equity"),
    ("79", "4000", "Sales of Product Income", "Income", "SalesOfProductIncome", "Revenue"),
    ("80", "5000", "Cost of Goods Sold", "Cost of Goods Sold", "SuppliesMaterialsCogs", "Expense"),
    ("99", "5100", "Shrinkage", "Cost of Goods Sold", "SuppliesMaterialsCogs", "Expense"),
    ("100", "5200", "Purchase variances", "Cost of Goods Sold", "SuppliesMaterialsCogs", "Expense"),
    ("101", "5300", "Damage and write-offs", "Cost of Goods Sold", "SuppliesMaterialsCogs", "Expense"),
)


class QuickBooksSim(Simulator):
    """One company in QuickBooks Online.

    `unique_numbers`: whether a DocNumber may be used once only (a preference of the company). `request_ids_live`: seconds
    a `requestid` is remembered, None for ever. `calls_a_minute`: the throttle. `webhooks`: deliveries not yet fetched.
    """

    name = "quickbooks"

    def __init__(
        self,
        *,
        clock: SimClock | None = None,
        faults: Faults | None = None,
        path: Path | None = None,
        client: tuple[str, str] = ("client", "secret"),
        verifier: str = "verifier",
        unique_numbers: bool = True,
        request_ids_live: float | None = None,
        calls_a_minute: int = CALLS_A_MINUTE,
    ) -> None:
        super().__init__(clock=clock, faults=faults)
        self.keep = Keeping(path)
        self.grants = Grants(self.keep, self.clock, client)
        self.unique_numbers = unique_numbers
        self.request_ids_live = request_ids_live
        self.calls_a_minute = calls_a_minute
        self.verifier = verifier
        self.webhooks: list[tuple[bytes, dict[str, str]]] = []
        self._window = (0, 0)
        if not list(self.keep.all("Account")):
            self._seed()

    def _seed(self) -> None:
        for number, code, name, kind, sub, group in CHART:
            self.put(
                "Account",
                number,
                {
                    "Name": name,
                    "FullyQualifiedName": name,
                    "AcctNum": code,
                    "AccountType": kind,
                    "AccountSubType": sub,
                    "Classification": group,
                    "Active": True,
                    "CurrencyRef": {"value": "USD"},
                },
            )
        for kind, number, name in (
            ("Vendor", "56", "Supplier One"),
            ("Vendor", "57", "Supplier Two"),
            ("Customer", "1", "Web customers"),
            ("Class", "5000", "Web"),
            ("Department", "3", "Main"),
        ):
            self.put(
                kind,
                number,
                {
                    ("DisplayName" if kind in ("Vendor", "Customer") else "Name"): name,
                    "FullyQualifiedName": name,
                    "Active": True,
                },
            )

    # ── the vendor's own side, for tests and people ────────────────────────────────────────────────────────────────
    def put(self, kind: str, number: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Write an entity as somebody at the screen would: no rule is checked."""
        now = self._time()
        old = self.keep.get(kind, number)
        made = {**body, "Id": number, "domain": "QBO", "sparse": False}
        made["SyncToken"] = str(self.keep.revision(kind, number) + 1)
        created = ((old or {}).get("MetaData") or {}).get("CreateTime", now)
        made["MetaData"] = {"CreateTime": created, "LastUpdatedTime": now}
        self.keep.put(kind, number, made, at=self.clock.now())
        self._tell(kind, number, "updated" if old else "created")
        return made

    def delete(self, kind: str, number: str) -> None:
        """Delete a transaction, as somebody at the screen would."""
        self.keep.remove(kind, number, at=self.clock.now())
        self._tell(kind, number, "deleted")

    def close_books(self, through: date | None) -> None:
        self.keep.set_fact("closed", through.isoformat() if through else "")

    def balances(self, as_of: date | None = None) -> dict[str, Decimal]:
        """The ledger by account, debits positive: what a judge compares with."""
        sums: dict[str, Decimal] = {}
        for each in self._posted():
            if as_of is None or each.day <= as_of:
                for leg in each.legs:
                    sums[leg.account] = sums.get(leg.account, Decimal(0)) + leg.amount
        return {account: value for account, value in sums.items() if value}

    def documents(self, kind: str = "JournalEntry") -> list[dict[str, Any]]:
        return list(self.keep.all(kind))

    def _posted(self) -> Iterator[Posted]:
        for kind in TRANSACTIONS:
            for body in self.keep.all(kind):
                lines = tuple(legs(kind, body, self.keep.get))
                yield Posted(
                    kind,
                    str(body["Id"]),
                    date.fromisoformat(body["TxnDate"]),
                    str(body.get("DocNumber") or ""),
                    str(body.get("PrivateNote") or ""),
                    lines,
                )

    # ── requests ───────────────────────────────────────────────────────────────────────────────────────────────────
    def handle(self, request: Request) -> Reply:
        reply = self._routed(request)
        return reply._replace(
            headers={**reply.headers, "intuit_tid": f"1-{uuid.UUID(int=len(self.requests)).hex[-12:]}"}
        )

    def _routed(self, request: Request) -> Reply:
        if request.path.startswith("/.well-known/"):
            return Reply.of(self.grants.discovery(f"http://{request.headers.get('host', 'localhost')}"))
        if request.path == "/oauth2/v1/tokens/bearer":
            return self.grants.token(request)
        if request.path == "/v2/oauth2/tokens/revoke":
            self.grants.revoked = True
            return Reply(200)
        found = _COMPANY.fullmatch(request.path)
        if found is None:
            return Reply(404)
        if not self.grants.let_in(request.headers.get("authorization", "")):
            return self.refused_token()
        if found["realm"] != REALM:
            return self._fault(
                Fault(
                    3100,
                    "message=ApplicationAuthorizationFailed; errorCode=003100; statusCode=403",
                    status=403,
                    kind="AuthorizationFault",
                )
            )
        if "json" not in request.headers.get("accept", ""):
            return Reply(406, b"<IntuitResponse/>", {"content-type": "application/xml"})
        if not self._within_limits():
            return self.throttled({})
        try:
            return self._company(request, found["rest"])
        except Fault as fault:
            return self._fault(fault)

    def _within_limits(self) -> bool:
        minute = int(self.clock.now() // 60)
        count = self._window[1] + 1 if self._window[0] == minute else 1
        self._window = (minute, count)
        return count <= self.calls_a_minute

    def _company(self, request: Request, rest: str) -> Reply:
        parts = rest.strip("/").split("/")
        if parts[0] == "query":
            statement = request.query.get("query") or unquote(request.body.decode())
            return self._reply(self._query(statement))
        if parts[0] == "reports":
            accounts = {str(a["Id"]): a for a in self.keep.all("Account")}
            params = request.query
            return self._plain(report(parts[1], params, accounts, self._posted(), now=self._time(), currency="USD"))
        if parts[0] == "cdc":
            return self._reply(self._cdc(request.query))
        if parts[0] == "companyinfo":
            return self._reply(
                {"CompanyInfo": {"CompanyName": "Sandbox Company", "Country": "US", "Id": "1", "domain": "QBO"}}
            )
        if parts[0] == "preferences":
            return self._reply({"Preferences": self._preferences()})
        if parts[0] == "batch":
            return self._batch(request)
        kind = next((k for k in (*TRANSACTIONS, *NAMES) if k.lower() == parts[0]), None)
        if kind is None:
            raise Fault(2000, "Unsupported entity", f"Unsupported Operation : {parts[0]}")
        if request.method == "GET":
            return self._reply({kind: self._existing(kind, parts[1])})
        return self._once(
            request, lambda: self._write(kind, request.json(), request.query.get("operation", ""), request.query)
        )

    # ── writing ────────────────────────────────────────────────────────────────────────────────────────────────────
    def _once(self, request: Request, do: Any) -> Reply:
        """A `requestid` gives its first answer again, whatever the body is now."""
        key = request.query.get("requestid", "")
        if len(key) > REQUEST_ID_MAX:
            raise Fault(2130, "Invalid Request Id Format", key)
        if key:
            known = self.keep.get("requestid", key)
            if known is not None and (
                self.request_ids_live is None or self.clock.now() - float(known["at"]) < self.request_ids_live
            ):
                return Reply(known["status"], base64.b64decode(known["body"]), {"content-type": "application/json"})
        try:
            reply: Reply = self._reply(do())
        except Fault as fault:
            reply = self._fault(fault)
        if key:
            self.keep.put(
                "requestid",
                key,
                {"at": str(self.clock.now()), "status": reply.status, "body": base64.b64encode(reply.body).decode()},
                at=self.clock.now(),
            )
        return reply

    def _write(self, kind: str, body: dict[str, Any], operation: str, query: Mapping[str, str]) -> dict[str, Any]:
        number = str(body.get("Id") or "")
        if operation == "void" or query.get("include") == "void":
            return self._void(kind, number)
        if operation == "delete":
            old = self._current(kind, number, body)
            self.delete(kind, str(old["Id"]))
            return {kind: {"domain": "QBO", "status": "Deleted", "Id": number}}
        if number:
            old = self._current(kind, number, body)
            body = {**old, **body} if body.get("sparse") in (True, "true") else body
        body = {name: value for name, value in body.items() if name not in ("sparse", "domain", "MetaData", "time")}
        if kind in TRANSACTIONS:
            body = self._transaction(kind, number, body, query)
        elif not number:
            body = self._named(kind, body)
        return {kind: self.put(kind, number or str(self.keep.next_id("Id") + 1_000), body)}

    def _transaction(self, kind: str, number: str, body: dict[str, Any], query: Mapping[str, str]) -> dict[str, Any]:
        closed = self._closed()
        body["TxnDate"] = body.get("TxnDate") or self.clock.utc().date().isoformat()
        day(body, closed)
        if number:
            day(self._existing(kind, number), closed)
        if kind != "BillPayment":
            check(kind, body, self.keep.get, closed=closed)
        self._free_number(kind, number, body, query)
        if kind in ("Bill", "VendorCredit"):
            body.setdefault("APAccountRef", {"value": "33"})
        if kind in ("Invoice", "CreditMemo"):
            body.setdefault("ARAccountRef", {"value": "84"})
        lines = []
        for n, line in enumerate(body.get("Line") or ()):
            lines.append({**line, "Id": str(n), "Amount": str(line.get("Amount", "0"))})
        total = sum((Decimal(line["Amount"]) for line in lines), Decimal(0))
        if kind == "JournalEntry":
            total = sum(
                (
                    Decimal(x["Amount"])
                    for x in lines
                    if (x.get("JournalEntryLineDetail") or {}).get("PostingType") == "Debit"
                ),
                Decimal(0),
            )
        return {
            **body,
            "Line": lines,
            "TotalAmt": str(total),
            "CurrencyRef": {"value": "USD", "name": "United States Dollar"},
        }

    def _free_number(self, kind: str, number: str, body: Mapping[str, Any], query: Mapping[str, str]) -> None:
        wanted = str(body.get("DocNumber") or "")
        if not wanted or not self.unique_numbers or query.get("include") == "allowduplicatedocnum":
            return
        for other in self.keep.all(kind):
            if other.get("DocNumber") == wanted and str(other["Id"]) != number:
                word = WORDS.get(kind, kind)
                raise Fault(
                    6140,
                    "Duplicate Document Number Error",
                    f"Duplicate Document Number Error : You must specify a different number. This number has already been used. DocNumber={wanted} is assigned to TxnType={word} with TxnId={other['Id']}",
                )

    def _named(self, kind: str, body: dict[str, Any]) -> dict[str, Any]:
        name = body.get("Name") or body.get("DisplayName")
        if not name:
            raise Fault(
                2020,
                "Required param missing, need to supply the required value for the API",
                "Required parameter Name is missing in the request",
            )
        if any((other.get("Name") or other.get("DisplayName")) == name for other in self.keep.all(kind)):
            raise Fault(6240, "Duplicate Name Exists Error", f"The name supplied already exists. : {name}")
        if kind == "Account" and not (body.get("AccountType") or body.get("AccountSubType")):
            raise Fault(6010, "Required field missing", "AccountType")
        return {"Active": True, "FullyQualifiedName": name, **body}

    def _void(self, kind: str, number: str) -> dict[str, Any]:
        """Void as it is met in the field: nothing happens to a journal and a bill, whatever the status says."""
        self._existing(kind, number)
        if kind == "JournalEntry":
            return {"BatchItemResponse": []}
        if kind == "Bill":
            raise Fault(10000, "An application error has occurred while processing your request", status=200)
        raise Fault(500, "Unsupported Operation", "Operation void is not supported.")

    def _existing(self, kind: str, number: str) -> dict[str, Any]:
        found = self.keep.get(kind, number)
        if found is None:
            raise Fault(610, "Object Not Found", "Object Not Found : Another user has deleted this transaction.")
        return found

    def _current(self, kind: str, number: str, body: Mapping[str, Any]) -> dict[str, Any]:
        old = self._existing(kind, number)
        if str(body.get("SyncToken", "")) != str(old["SyncToken"]):
            raise Fault(
                5010, "Stale Object Error", "Stale Object Error : You and root were working on this at the same time."
            )
        return old

    # ── reading ────────────────────────────────────────────────────────────────────────────────────────────────────
    def _query(self, statement: str) -> dict[str, Any]:
        select = language.parse(statement)
        if select.kind == "Preferences":
            return {"QueryResponse": {"Preferences": [self._preferences()]}}
        if select.kind not in (*TRANSACTIONS, *NAMES):
            raise Fault(4001, "Invalid query", f"QueryValidationError: {select.kind} is not an entity")
        rows = [row for row in self.keep.all(select.kind) if self._listed(select, row) and language.holds(select, row)]
        if select.counts:
            return {"QueryResponse": {"totalCount": len(rows)}}
        if select.by:
            rows.sort(key=lambda row: language.key_of(language.value_of(row, select.by)), reverse=select.down)
        page = rows[select.start - 1 : select.start - 1 + select.most]
        if not page:
            return {"QueryResponse": {}}
        return {"QueryResponse": {select.kind: page, "startPosition": select.start, "maxResults": len(page)}}

    def _listed(self, select: language.Select, row: Mapping[str, Any]) -> bool:
        """Inactive names show only to who asks for them."""
        return bool(row.get("Active", True)) or any(field == "Active" for field, _, _ in select.terms)

    def _cdc(self, query: Mapping[str, str]) -> dict[str, Any]:
        since = datetime.fromisoformat(query["changedSince"]).timestamp()
        since = max(since, self.clock.now() - CDC_SECONDS_MAX)
        answers, left = [], CDC_ROWS_MAX
        for kind in query["entities"].split(","):
            rows: list[dict[str, Any]] = list(self.keep.all(kind, since=since))
            for gone in self.keep.all(kind, since=since, gone=True):
                rows.append(
                    {
                        "domain": "QBO",
                        "status": "Deleted",
                        "Id": gone["Id"],
                        "MetaData": {"LastUpdatedTime": self._time()},
                    }
                )
            rows = rows[:left]
            left -= len(rows)
            answers.append({kind: rows, "startPosition": 1, "maxResults": len(rows)} if rows else {})
        return {"CDCResponse": [{"QueryResponse": answers}]}

    def _preferences(self) -> dict[str, Any]:
        closed = self._closed()
        books: dict[str, Any] = {
            "ClassTrackingPerTxnLine": True,
            "ClassTrackingPerTxn": False,
            "TrackDepartments": True,
            "UseAccountNumbers": True,
        }
        if closed:
            books["BookCloseDate"] = closed.isoformat()
        return {
            "AccountingInfoPrefs": books,
            "CurrencyPrefs": {"MultiCurrencyEnabled": False, "HomeCurrency": {"value": "USD"}},
            "SalesFormsPrefs": {"CustomTxnNumbers": True},
            "Id": "1",
            "SyncToken": "0",
        }

    def _closed(self) -> date | None:
        text = self.keep.fact("closed")
        return date.fromisoformat(text) if text else None

    def _batch(self, request: Request) -> Reply:
        items = (request.json() or {}).get("BatchItemRequest") or []
        if len(items) > 30:
            raise Fault(1040, "More than 30 items in a batch", str(len(items)))
        answers = []
        for item in items:
            answer: dict[str, Any] = {"bId": item.get("bId")}
            try:
                if "Query" in item:
                    answer |= self._query(item["Query"])
                else:
                    kind = next(k for k in item if k in (*TRANSACTIONS, *NAMES))
                    operation = item.get("operation", "create")
                    answer |= self._write(kind, item[kind], "delete" if operation == "delete" else "", {})
            except Fault as fault:
                answer["Fault"] = self._fault_body(fault)
            answers.append(answer)
        return self._reply({"BatchItemResponse": answers})

    # ── shapes ─────────────────────────────────────────────────────────────────────────────────────────────────────
    def _time(self) -> str:
        return (
            datetime.fromtimestamp(self.clock.now(), UTC)
            .isoformat(timespec="seconds")
            .replace("+00:00", "-00:00")
            .replace("-00:00", "+00:00")
        )

    def _reply(self, data: dict[str, Any]) -> Reply:
        return Reply.of({**_numbers(data), "time": self._time()})

    def _plain(self, data: dict[str, Any]) -> Reply:
        return Reply.of(data)

    def _fault_body(self, fault: Fault) -> dict[str, Any]:
        return {
            "Error": [{"Message": fault.message, "Detail": fault.detail, "code": str(fault.code), "element": ""}],
            "type": fault.kind,
        }

    def _fault(self, fault: Fault) -> Reply:
        return Reply.of({"Fault": self._fault_body(fault), "time": self._time()}, fault.status)

    def refused_token(self) -> Reply:
        error = {
            "message": "message=AuthenticationFailed; errorCode=003200; statusCode=401",
            "detail": "Token expired",
            "code": "3200",
            "element": None,
        }
        return Reply.of(
            {
                "warnings": None,
                "fault": {"error": [error], "type": "AUTHENTICATION"},
                "time": int(self.clock.now() * 1000),
            },
            401,
        )

    def throttled(self, headers: Mapping[str, str]) -> Reply:
        """In XML, although JSON was asked for."""
        body = b'<?xml version="1.0"?><IntuitResponse><Fault type="SERVICE"><Error code="3001"><Message>message=ThrottleExceeded; errorCode=003001; statusCode=429</Message></Error></Fault></IntuitResponse>'
        return Reply(429, body, {"content-type": "application/xml", **headers})

    # ── webhooks ───────────────────────────────────────────────────────────────────────────────────────────────────
    def _tell(self, kind: str, number: str, verb: str) -> None:
        event = {
            "specversion": "1.0",
            "id": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{kind}{number}{verb}{self.clock.now()}{len(self.webhooks)}")),
            "source": "intuit.sandbox",
            "type": f"qbo.{kind.lower()}.{verb}.v1",
            "datacontenttype": "application/json",
            "time": self._time(),
            "intuitentityid": number,
            "intuitaccountid": REALM,
            "data": {},
        }
        body = json.dumps([event]).encode()
        signature = base64.b64encode(hmac.new(self.verifier.encode(), body, hashlib.sha256).digest()).decode()
        self.webhooks.append((body, {"intuit-signature": signature, "content-type": "application/json"}))
        del self.webhooks[:-10_000]


_AMOUNTS: Final = frozenset({"Amount", "TotalAmt", "UnitPrice", "Qty", "CurrentBalance", "Balance"})


def _numbers(value: Any, name: str = "") -> Any:
    """Amounts leave as JSON numbers, as QuickBooks writes them."""
    if isinstance(value, Mapping):
        return {key: _numbers(inner, key) for key, inner in value.items()}
    if isinstance(value, list):
        return [_numbers(inner, name) for inner in value]
    return Number(value) if name in _AMOUNTS and isinstance(value, str) else value
