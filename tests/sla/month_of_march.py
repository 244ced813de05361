"""A month in rows: March 2026 in Amsterdam (743 hours, for the clocks go forward on the 29th), looked at every full hour.

ops/shipments   a shipment a day at 12:30Z, but for: the 5th published at 18:30Z, the 15th in an outage (looks of 10:00Z to
                13:00Z fail), the 31st never acknowledged; one at 22:30Z of the 9th, just before announced maintenance
                (0:00 to 6:00 of the 10th); a revised, an old and a held one; SH-20 never came.
                A look fails alone on the 20th (the vendor's), another on the 22nd (ours).
dead/orders     answers until the 25th, 11:00Z, and then no more.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tieout.operations.desk import Desk
from tieout.store import schema
from tieout.store.tx import Tx
from tieout.workspace import Workspace

PROJECT = """
[project]
name = "Small"
store = "sqlite:///tieout.db"

[companies.main]
legal_name = "Small B.V."
currency = "EUR"
timezone = "Europe/Amsterdam"
ledger = "books"
items_file = "items.csv"
locations_file = "locations.csv"
accounts_template = "beancount"

[connections.ops]
id = "ops"
connector = "files"
company = "main"

[[connections.ops.streams]]
name = "shipments"
path = "feeds/shipments*.csv"
key = ["shipment_no", "line"]
revision = "rev"
mapping = "shipped:sample_shipments"
sla = { numbered = true }

[connections.books]
id = "books"
connector = "beancount"
company = "main"
path = "books.beancount"

[connections.dead]
id = "dead"
connector = "files"
company = "main"
owner = "bo"

[[connections.dead.streams]]
name = "orders"
path = "feeds/orders*.jsonl"
key = ["receipt_no"]
revision = "rev"
mapping = "shipped:sample_receipts"
"""
SLA = """
[sla]
latency = "1h"
share = 90
freshness_warn = "3h"
freshness_error = "5h"

[[sla.maintenance]]
connection = "ops"
starts = 2026-03-10T00:00:00
ends = 2026-03-10T06:00:00
note = "announced on 1 March"

[schedule.pull]
every = "1h"
"""
HOUR = timedelta(hours=1)
FIRST_LOOK = datetime(2026, 2, 28, 22, tzinfo=UTC)
END = datetime(2026, 3, 31, 22, tzinfo=UTC)
NOW = datetime(2026, 4, 1, 12, tzinfo=UTC)
DOWN = "TO6203 the vendor answered 503: down"
OURS = "TO6207 our budget at the vendor is used up for 40 s"


def project(folder: Path, more: str = "") -> Path:
    (folder / "tieout.toml").write_text(PROJECT + SLA + more)
    (folder / "items.csv").write_text("sku,name,category,stock_unit\nMUG,Mug,kitchen,each\n")
    (folder / "locations.csv").write_text("code,name,kind\nMAIN,Main,warehouse\n")
    (folder / "feeds").mkdir()
    return folder


def micros(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def seconds(number: int) -> timedelta:
    return timedelta(seconds=number)


class Month:
    """The rows, written as the stages write them."""

    def __init__(self, work: Workspace) -> None:
        self.desk: Desk = work.office("main").desk
        self.batch = self.entry = self.firing = 0
        with work.store.write() as tx:
            self.source = self.desk.names.intern(tx, "source", ["ops/shipments"])["ops/shipments"]
            self.type = self.desk.names.intern(tx, "type", ["order.fulfilled"])["order.fulfilled"]
            self.item = self.desk.names.intern(tx, "item", ["MUG"])["MUG"]
            self._looks(tx)
            self._events(tx)

    def _looks(self, tx: Tx) -> None:
        at = FIRST_LOOK
        while at < END:
            outcome, detail = "done", "1 event lines, 1 bookings"
            day = at.strftime("%m-%d")
            announced = datetime(2026, 3, 9, 23, tzinfo=UTC) <= at < datetime(2026, 3, 10, 5, tzinfo=UTC)
            outage = (day == "03-15" and 10 <= at.hour <= 13) or (day == "03-20" and at.hour == 10)
            if announced or outage:
                outcome, detail = "failed", DOWN
            elif day == "03-22" and at.hour == 8:
                outcome, detail = "put_off", OURS
            self._fire(tx, "main/pull/ops/shipments", at, outcome, detail)
            alive = at < datetime(2026, 3, 25, 12, tzinfo=UTC)
            self._fire(tx, "main/pull/dead/orders", at, "done" if alive else "failed", "" if alive else DOWN)
            at += HOUR

    def _fire(self, tx: Tx, schedule: str, at: datetime, outcome: str, detail: str) -> None:
        self.firing += 1
        times = {"planned_at": micros(at), "started_at": micros(at), "ended_at": micros(at + seconds(60))}
        values = {"schedule": schedule, "outcome": outcome, "detail": detail, "missed": 0, "holder": "one"}
        tx.execute(sa.insert(schema.firing).values(id=self.firing, company=self.desk.id, **times, **values))

    def _events(self, tx: Tx) -> None:
        number = 0
        for day in range(1, 32):
            number += 2 if number == 19 else 1
            occurred = datetime(2026, 3, day, 12, 30, tzinfo=UTC)
            hour = {5: 19, 15: 14}.get(day, 13)
            received = occurred.replace(hour=hour, minute=0, second=10)
            self.land(tx, f"SH-{number}", occurred, received, acknowledged=day != 31)
        last = number
        self.land(
            tx,
            f"SH-{last + 1}",
            datetime(2026, 3, 9, 22, 30, tzinfo=UTC),
            datetime(2026, 3, 10, 5, 0, 10, tzinfo=UTC),
        )
        noon = datetime(2026, 3, 3, 13, 0, 10, tzinfo=UTC)
        self.land(tx, f"SH-{last + 2}", noon - HOUR, noon, landing=1)
        self.land(tx, f"SH-{last + 3}", datetime(2026, 2, 1, 12, tzinfo=UTC), noon)
        self.land(tx, f"SH-{last + 4}", noon - HOUR, noon, mode="propose", records=3, duplicates=2, repeated=1)
        for code, record in (("TO2101", 2), ("TO3201", 4), ("TO5101", 6), ("TO2101", 2)):
            self.refuse(tx, code, record)
        drift = {"code": "TO3152", "subject": "ops/shipments drift", "message": "qty is gone", "stage": "pull"}
        at = micros(datetime(2026, 3, 12, 9, tzinfo=UTC))
        self._exception(tx, **drift, opened_at=at, closed_at=at + 3_600_000_000, record=None)

    def refuse(self, tx: Tx, code: str, record: int) -> None:
        at = micros(datetime(2026, 3, 4, tzinfo=UTC))
        subject = f"{code} of record {record} {self.batch}"
        self._exception(
            tx, code=code, subject=subject, message="?", stage="map", opened_at=at, closed_at=at, record=record
        )

    def _exception(self, tx: Tx, **values: Any) -> None:
        tx.execute(sa.insert(schema.exception).values(company=self.desk.id, state="resolved", times=1, **values))

    def land(
        self,
        tx: Tx,
        document: str,
        occurred: datetime,
        received: datetime,
        *,
        acknowledged: bool = True,
        landing: int = 0,
        mode: str = "post",
        records: int = 1,
        duplicates: int = 0,
        repeated: int = 0,
    ) -> None:
        """One record with one event: mapped a second after it came, posted ten after, sealed next day at 1:00Z, acknowledged
        half a minute later."""
        company = self.desk.id
        self.batch += 1
        n, key = self.batch, self.batch.to_bytes(16)
        counts = {"records": records, "duplicates": duplicates, "repeated": repeated, "events": 1, "late_revisions": 0}
        ranges = {"record_from": n, "record_to": n, "event_from": n, "event_to": n, "skipped": 0, "failed": 0}
        times = {"received_at": micros(received), "mapped_at": micros(received + seconds(1))}
        chain = {"digest": bytes(32), "prev_hash": bytes(32), "hash": bytes(32), "mapping": "1", "run": f"run {n}"}
        same: dict[str, Any] = {"company": company, "source": self.source}
        tx.execute(sa.insert(schema.batch).values(id=n, **same, **counts, **ranges, **times, **chain))
        tx.execute(
            sa.insert(schema.record).values(
                id=n, batch=n, **same, key=key, n=landing, revision="1", content=key, idx=0, state=0
            )
        )
        what = {"type": self.type, "item": self.item, "quantity": 1_000_000, "sequence": 0}
        tx.execute(
            sa.insert(schema.event).values(
                id=n, batch=n, record=n, n=0, **same, key=key, at=micros(occurred), document=document, **what
            )
        )
        sealed = (received + timedelta(days=1)).replace(hour=1, minute=0, second=0)
        entry = {"company": company, "ledger": "books", "kind": "journal", "mode": mode, "day": received.date()}
        entry |= {"grouping": f"g{n}", "n": 1, "part": 1, "period": "2026-03", "lineage": f"l{n}", "revision": 1}
        stamps = {"created_at": micros(received), "sealed_at": micros(sealed)}
        stamps["acknowledged_at"] = micros(sealed + seconds(30)) if acknowledged else None  # type: ignore[assignment]
        tx.execute(
            sa.insert(schema.entry).values(id=n, state="posted" if acknowledged else "pending", **entry, **stamps)
        )
        pair = {"debit": 1, "credit": 2, "amount": 100, "quantity": 0, "day": 1, "row": 1, "flags": 0}
        tx.execute(sa.insert(schema.booking).values(id=n, entry=n, event=n, **pair))
        posted = micros(received + seconds(10))
        tx.execute(sa.insert(schema.kept).values(company=company, at=posted, batch_to=n, booking_to=n))
