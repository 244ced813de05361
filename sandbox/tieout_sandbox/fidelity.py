"""How far to believe the simulators: for each endpoint and behaviour, what proves that the vendor does it so.

schema   the request or answer is checked against the vendor's published schema in the tests
client   the vendor's own or an independent client works against the simulator, unmodified, in the tests
page     the vendor's documentation says so; nobody has compared it with a live account here
field    seen by others against the live service and written down in public
reading  concluded from neighbouring behaviour only
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Row(NamedTuple):
    vendor: str
    endpoint: str
    behaviour: str
    proof: str


ROWS: Final = (
    Row("QuickBooks", "POST /journalentry, /bill, /vendorcredit", "creates, reads back, balances", "client"),
    Row("QuickBooks", "any POST with `requestid`", "the first answer comes again, whatever the body is now", "field"),
    Row("QuickBooks", "any POST with `requestid`", "how long a `requestid` is remembered", "reading"),
    Row("QuickBooks", "POST with a used DocNumber", "6140 with the id of the holder, when numbers are unique", "field"),
    Row("QuickBooks", "POST into closed books", "6200, 6210", "page"),
    Row("QuickBooks", "POST with an old SyncToken", "5010", "client"),
    Row("QuickBooks", "POST of an unbalanced journal", "2300", "field"),
    Row("QuickBooks", "void of a journal", "200 with an empty envelope, nothing done", "field"),
    Row("QuickBooks", "GET and POST /query", "paging, order, inactive names hidden", "client"),
    Row("QuickBooks", "GET /cdc", "30 days, 1,000 rows, deleted entities", "client"),
    Row(
        "QuickBooks", "GET /reports/TrialBalance, /GeneralLedger", "computed from the simulator's own entries", "field"
    ),
    Row("QuickBooks", "token endpoint", "hour-long tokens, rotation after a day, an old token is refused", "client"),
    Row("QuickBooks", "429", "answered as XML although JSON was asked for", "field"),
    Row("QuickBooks", "webhooks", "signature over the raw body", "page"),
    Row("Xero", "PUT and POST /ManualJournals", "shape of request and answer", "client"),
    Row("Xero", "POST with `summarizeErrors=false`", "an outcome for each element", "client"),
    Row("Xero", "`Idempotency-Key`", "six minutes; errors come again too; another request is refused", "page"),
    Row("Xero", "POST to a bank, system or inventory account", "refused by validation", "page"),
    Row("Xero", "lock dates", "period and year-end lock refuse entries", "page"),
    Row("Xero", "GET /Accounts, /Organisation, /TrackingCategories", "shape of the answer", "client"),
    Row("Xero", "GET /Reports/TrialBalance", "computed from the simulator's own entries", "page"),
    Row("Xero", "limits", "minute and day budgets in headers; 429 with the problem's name", "page"),
    Row("Xero", "token endpoint", "30-minute tokens, a used refresh token lives half an hour more", "page"),
    Row("Shopify", "POST /graphql.json", "documents and answers fit the 2026-10 schema", "schema"),
    Row("Shopify", "cost bucket", "`extensions.cost`, THROTTLED when it is empty", "page"),
    Row("Shopify", "bulk operation", "JSONL with `__parentId`, children out of order", "page"),
    Row("Shopify", "orders, refunds, returns, exchanges, edits", "agreements and stock move together", "client"),
    Row("Shopify", "inventory levels", "eight states; on hand is the sum of six", "page"),
    Row("Shopify", "transfers and shipments", "partial receipt, rejected units", "page"),
    Row("Shopify", "inventory history", "adjustment groups by ShopifyQL", "reading"),
    Row("Shopify", "search index", "late by seconds, warnings for a wrong filter", "page"),
    Row("Shopify", "REST reads, GraphQL calls, consent", "session, pages and ids, the signed redirect", "client"),
    Row("Shopify", "webhooks", "signature over the raw body, duplicates, disorder", "page"),
)


def markdown() -> str:
    """The table of the docs."""
    lines = ["| vendor | endpoint | behaviour | proof |", "|---|---|---|---|"]
    lines += [f"| {row.vendor} | {row.endpoint} | {row.behaviour} | {row.proof} |" for row in ROWS]
    return "\n".join(lines) + "\n"
