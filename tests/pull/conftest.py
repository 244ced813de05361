"""A project with master data, a mapping that is really compiled, and a source that sends the pages a test names."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import pytest
from pydantic import BaseModel

from tieout.connector import Finding, Manifest, Page, StockReport, Stream
from tieout.mapping import CompiledMapping, compile_mapping
from tieout.model.event import EventLine
from tieout.model.master import Item, Location
from tieout.pull.company import Company, load_company
from tieout.pull.landing import Lander
from tieout.pull.retry import RetryResult, retry
from tieout.pull.stream import MissingCursor, PullResult, make_lander, pull_stream
from tieout.store.lines import load_lines
from tieout.store.masters import put
from tieout.store.store import Store
from tieout.testing.databases import store_url

MAPPING = """
mapping: shop_movements
version: "1"
stream: movements
record: one movement with its lines
skip:
  - when: {from: state, eq: cancelled}
    reason: cancelled
events:
  - type: order.fulfilled
    fields: {effective_at: at, document: number, party: customer.name}
    lines:
      each: lines
      id: line
      fields:
        item: sku
        quantity: qty
        location: {const: MAIN}
        unit: {from: unit, default: each}
        unit_price: price
"""
STREAM = Stream(name="movements", key=("number",), revision="rev")


class Feed:
    """A source that sends pages given to it. An exception among them is raised in its place."""

    manifest: ClassVar[Manifest] = Manifest(
        name="feed", vendor="test", version="1", roles=("source",), config=BaseModel
    )

    def __init__(self, pages: Sequence[Page | Exception], stream: Stream = STREAM) -> None:
        self.pages = pages
        self.stream = stream
        self.asked: list[str | None] = []

    def check(self) -> list[Finding]:
        return []

    def streams(self) -> Sequence[Stream]:
        return [self.stream]

    def pull(self, stream: str, cursor: str | None, until: datetime) -> Iterator[Page]:
        self.asked.append(cursor)
        for page in self.pages:
            if isinstance(page, Exception):
                raise page
            yield page

    def stock(self, as_of: datetime) -> StockReport | None:
        return None


def record(number: str, *lines: tuple[str, str], rev: str = "1", **more: Any) -> dict[str, Any]:
    """A movement; a line is (sku, quantity)."""
    return {
        "number": number,
        "rev": rev,
        "state": "shipped",
        "at": "2026-03-02T10:00:00+00:00",
        "customer": {"name": "C-1", "email": "someone@example.org"},
        "lines": [
            {"line": str(i), "sku": sku, "qty": qty, "unit": "each", "price": "2.50"}
            for i, (sku, qty) in enumerate(lines, 1)
        ],
        **more,
    }


def page(*records: Mapping[str, Any], cursor: str = "c1", **more: Any) -> Page:
    """A page whose body is exactly what a vendor would have sent."""
    return Page(records=list(records), cursor=cursor, body=json.dumps(list(records), indent=1).encode(), **more)


class Project:
    """A store with one company, and short ways to pull, retry and look."""

    def __init__(self, folder: Path, *, create: bool = True) -> None:
        self.folder = folder
        self.url = store_url(folder)
        self.store = Store.open(self.url, create=create)
        self.stream = STREAM
        self.mapping: CompiledMapping = compile_mapping(MAPPING, "shop_movements.yaml")
        with self.store.write() as tx:
            self.company: Company = load_company(tx, "main", "USD", "UTC", keys=folder / "keys")
            put(tx, self.company.id, "test", [Item(sku="A", units={"XBX": 12}), Item(sku="B"), Location(code="MAIN")])
            put(tx, self.company.id, "test", [Item(sku="POST", stocked=False)])
            self.company.reload(tx)

    @classmethod
    def again(cls, folder: Path) -> Project:
        """The same project, opened by another process."""
        return cls(folder, create=False)

    def pull(self, *pages: Page | Exception, missing_cursor: MissingCursor = "beginning") -> PullResult:
        return pull_stream(
            self.store,
            self.company,
            "shop",
            Feed(pages, self.stream),
            self.stream,
            mapper=self.mapping,
            until=datetime(2026, 4, 1, tzinfo=UTC),
            run="r1",
            missing_cursor=missing_cursor,
        )

    def retry(self, *numbers: int) -> RetryResult:
        return retry(self.store, self.company.id, self.lander, actor="ann", numbers=numbers or None)

    def lander(self, source: str) -> Lander:
        connection, _, _ = source.partition("/")
        return make_lander(self.company, connection, self.stream, self.mapping, "retry")

    def lines(self, *, current: bool = True) -> list[EventLine]:
        with self.store.read() as rx:
            return load_lines(rx, self.company.names, current=current, order=True)[1]

    def said(self) -> list[tuple[str, str, int]]:
        """(document, item, whole units) of the current lines, sorted."""
        return sorted((line.document, line.item, line.quantity // 1_000_000) for line in self.lines())

    def scalar(self, sql: str) -> Any:
        with self.store.read() as rx:
            return rx.connection.exec_driver_sql(sql).scalar()


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    one = Project(tmp_path)
    yield one
    one.store.close()


@pytest.fixture
def make() -> Any:
    """`make.record(...)`, `make.page(...)`."""

    class Make:
        record = staticmethod(record)
        page = staticmethod(page)
        stream = STREAM
        project = Project
        mapping = staticmethod(lambda text: compile_mapping(text, "shop_movements.yaml"))
        text = MAPPING

    return Make
