"""The connector as a source: bills and supplier credits that people keep in Xero.

Xero lists what changed since an instant, voided and deleted documents with it; the bound is inclusive and a minute early,
the core drops what it has.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from tieout import Http, Page, Stream
from tieout_xero.wire import elements

PAGE_ROWS: Final = 200
PAGES_MAX: Final = 5_000
OVERLAP: Final = timedelta(minutes=1)
ENDPOINTS: Final = {"bills": ("Invoices", 'Type=="ACCPAY"'), "credits": ("CreditNotes", 'Type=="ACCPAYCREDIT"')}
KEYS: Final = {"bills": "InvoiceID", "credits": "CreditNoteID"}

STREAMS: Final = tuple(
    Stream(
        name=name,
        key=(KEYS[name],),
        revision="UpdatedDateUTC",
        cursor="time of the last change seen",
        deletes="record",
        webhook="INVOICE" if name == "bills" else "CREDITNOTE",
    )
    for name in ENDPOINTS
)


def pull(http: Http, stream: str, cursor: str | None, until: datetime) -> Iterator[Page]:
    """Documents changed since the cursor, without one all of them, a page at a time."""
    endpoint, where = ENDPOINTS[stream]
    headers: dict[str, str] = {}
    if cursor:
        since = datetime.fromisoformat(cursor) - OVERLAP
        headers["If-Modified-Since"] = since.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds")
    mark = until.astimezone(UTC).isoformat(timespec="seconds")
    for page in range(1, PAGES_MAX + 1):
        params = {"where": where, "page": str(page), "pageSize": str(PAGE_ROWS), "order": "UpdatedDateUTC ASC"}
        rows: list[dict[str, Any]] = elements(http.read("GET", endpoint, params=params, headers=headers), endpoint)
        last = len(rows) < PAGE_ROWS
        # only the last page moves the mark: a document that changes meanwhile goes to the end and comes again
        yield Page(records=rows, cursor=mark if last else (cursor or ""), watermark=until if last else None)
        if last:
            return
