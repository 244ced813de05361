"""Journal entries in $title.

    POST /v1/entries            header Idempotency-Key, remembered for a day; 422 with a reason when refused
    GET  /v1/entries            ?reference= or ?since=, pages by ?after=ID&limit=N
    GET  /v1/accounts, /v1/company, /v1/balances?date=

Amounts are decimal text with a sign, debit positive. Our reference is the entry's own field.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any, ClassVar

import msgspec
from pydantic import BaseModel, ConfigDict

from tieout import (
    Account,
    Answer,
    Balance,
    Capabilities,
    Context,
    Document,
    DocumentLine,
    Fatal,
    Finding,
    FixedToken,
    Http,
    Idempotency,
    LedgerEntry,
    Manifest,
    Money,
    Purse,
    Receipt,
    Rejected,
    Secret,
    VendorError,
    Window,
)

PAGE_ROWS = 100
PAGES_MAX = 100_000
_encode = msgspec.json.Encoder(order="deterministic").encode


class Config(BaseModel):
    """What a user writes under [connections.NAME]; anything else is refused with file, line and column."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    token: Secret
    api_url: str = "https://api.$host"


class $cls:
    """Ledger connector `$name`."""

    manifest: ClassVar[Manifest] = Manifest(
        name="$name",
        vendor="$title",
        version="0.1.0",
        vendor_api="v1",
        roles=("ledger",),
        config=Config,
        capabilities=Capabilities(
            idempotency=Idempotency(kind="key", key_seconds=86_400, key_length_max=40, lookup="by_reference"),
            documents=("journal",),
            dimensions=("channel",),
            locks=True,
            lines_max=500,
            narration_length_max=1_000,
            reference_length_max=40,
        ),
        hosts=("api.$host",),
        rate_limits={"minute": "600 calls"},
    )

    def __init__(self, context: Context) -> None:
        config = context.config
        if not isinstance(config, Config):
            raise Fatal("the configuration is not this connector's", fix="validate it with manifest.config")
        self._currency = context.currency
        self.http: Http = context.http(
            base_url=config.api_url,
            auth=FixedToken("Authorization", config.token.get, "Bearer "),
            purse=Purse((Window("minute", 600, 60),)),
            look=look,
        )

    def check(self) -> list[Finding]:
        try:
            company = self._get("v1/company")
        except VendorError as error:
            return [Finding("error", error.message, error.fix or "")]
        if company.get("currency") != self._currency:
            what = f"the books are kept in {company.get('currency')}, the company in {self._currency}"
            return [Finding("error", what, "use the books of that currency")]
        return [Finding("ok", f"connected to {company.get('name')}")]

    def accounts(self) -> list[Account]:
        rows = self._get("v1/accounts")["accounts"]
        return [Account(code=row["code"], name=row["name"], active=row["active"]) for row in rows]

    def locked_through(self) -> date | None:
        text = self._get("v1/company").get("locked_through")
        return date.fromisoformat(text) if text else None

    # writing
    def render(self, document: Document) -> bytes:
        if document.kind != "journal":
            raise Rejected(f"{document.kind} is not a document of this ledger", fix="post it as a journal")
        return _encode(
            {
                "reference": document.reference,
                "date": document.day.isoformat(),
                "memo": document.narration,
                "lines": [_sent(line, document.currency) for line in document.lines],
            }
        )

    def deliver(self, body: bytes, key: str) -> Receipt:
        answer = self.http.write(
            "POST",
            "v1/entries",
            content=body,
            headers={"Content-Type": "application/json", "Idempotency-Key": key},
        )
        made = answer.json()
        if not isinstance(made, dict) or "id" not in made:
            raise answer.unclear("the answer holds no entry")
        return self._receipt(made, answer.body)

    def find(self, reference: str) -> Receipt | None:
        """A voided entry comes back without lines: it is there, and holds nothing."""
        rows = list(self._listed(reference=reference))
        return self._receipt(rows[0]) if rows else None

    # reading the books
    def balances(self, accounts: Sequence[str], as_of: date) -> list[Balance]:
        held = self._get("v1/balances", date=as_of.isoformat()).get("balances")
        if not isinstance(held, dict):
            raise Fatal("the answer has no balances", fix="report this")
        return [Balance(each, self._minor(held.get(each, "0")), self._currency, as_of) for each in accounts]

    def entries(self, accounts: Sequence[str], since: date | None) -> Iterator[LedgerEntry]:
        wanted = set(accounts)
        for row in self._listed(since=(since or date.min).isoformat()):
            held = self._receipt(row)
            if any(line.account in wanted for line in held.lines):
                ours = held.reference if held.reference.startswith("TO-") else ""
                yield LedgerEntry(held.ledger_id, held.day, ours, held.lines, held.revision, row["memo"])

    def _receipt(self, row: Mapping[str, Any], raw: bytes = b"") -> Receipt:
        lines = tuple(
            DocumentLine(line["account"], self._minor(line["amount"]), memo=line.get("memo", ""))
            for line in ([] if row.get("voided") else row["lines"])
        )
        day = date.fromisoformat(row["date"])
        return Receipt(str(row["id"]), row.get("reference") or "", day, lines, str(row["version"]), raw=raw)

    def _minor(self, text: str) -> int:
        return Money.of(text, self._currency).minor

    # calls
    def _get(self, path: str, **params: str) -> Any:
        answer = self.http.read("GET", path, params=params)
        data = answer.json()
        if not isinstance(data, dict):
            raise answer.unclear("the answer is not an object")
        return data

    def _listed(self, **params: str) -> Iterator[dict[str, Any]]:
        after = "0"
        for _ in range(PAGES_MAX):
            rows = self._get("v1/entries", after=after, limit=str(PAGE_ROWS), **params)["entries"]
            yield from rows
            if len(rows) < PAGE_ROWS:
                return
            after = str(rows[-1]["id"])
        raise Fatal(f"more than {PAGES_MAX} pages of entries")


def _sent(line: DocumentLine, currency: str) -> dict[str, Any]:
    marks = dict(line.dimensions)
    return {
        "account": line.account,
        "amount": str(Money(line.amount, currency)).split()[0],
        "memo": line.memo,
        **({"channel": marks["channel"]} if "channel" in marks else {}),
    }


def look(answer: Answer) -> None:
    """What the vendor says beside the status: a refusal with its reason."""
    if answer.status != 422:
        return
    reason = answer.json().get("error", "no reason given")
    raise Rejected(
        f"the entry is refused: {reason}",
        where=answer.url,
        fix="mend what the vendor names, then retry",
        closed_period="closed" in reason,
    )
