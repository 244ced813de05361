"""The connector as a source: bills and vendor credits that people write in QuickBooks, with those they delete.

A query by time of change brings what was made or edited; change data capture brings what was deleted, for the last thirty
days (`CDC_DAYS`): a connection that slept longer is told so. Bounds are inclusive, the core drops what it has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from tieout import Fatal, Page, Stream

CDC_DAYS: Final = 30
CDC_ROWS_MAX: Final = 1000
OVERLAP: Final = timedelta(minutes=2)
ENTITIES: Final = {"bills": "Bill", "vendor_credits": "VendorCredit"}

STREAMS: Final = tuple(
    Stream(
        name=name,
        key=("Id",),
        revision="MetaData.LastUpdatedTime",
        cursor="time of the last change seen",
        deletes="record",
        webhook=entity,
    )
    for name, entity in ENTITIES.items()
)

Query = Callable[[str, str], Iterator[dict[str, Any]]]
Get = Callable[..., dict[str, Any]]


def pull(query: Query, get: Get, stream: str, cursor: str | None, until: datetime, begin: datetime) -> Iterator[Page]:
    """What changed since the cursor (without one since `begin`), then what was deleted; one page each."""
    entity = ENTITIES[stream]
    since = datetime.fromisoformat(cursor) if cursor else begin
    mark = until.astimezone(UTC)
    where = f"MetaData.LastUpdatedTime >= '{_stamp(since - OVERLAP)}'"
    records = list(query(entity, where))
    if cursor is not None:
        if mark - since > timedelta(days=CDC_DAYS):
            raise Fatal(
                f"{stream} were last read on {since.date()}; QuickBooks tells deletions for {CDC_DAYS} days only",
                code="TO6311",
                fix="compare the open bills with the ledger, then reset the stream's cursor to read all again",
            )
        records += _deleted(get, entity, since - OVERLAP)
    yield Page(records=records, cursor=_stamp(mark), watermark=mark)


def _deleted(get: Get, entity: str, since: datetime) -> list[dict[str, Any]]:
    answer = get("cdc", entities=entity, changedSince=_stamp(since))
    rows: list[dict[str, Any]] = []
    for response in answer.get("CDCResponse") or ():
        for part in response.get("QueryResponse") or ():
            rows += part.get(entity) or []
    if len(rows) >= CDC_ROWS_MAX:
        raise Fatal(
            f"more than {CDC_ROWS_MAX} changes of {entity} since {since}",
            code="TO6311",
            fix="read this stream more often",
        )
    return [row for row in rows if row.get("status") == "Deleted"]


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")
