"""Where a source kit lands what a connector pulls: the core's own pull into a database of the test, without a mapping.

shelf = Shelf(folder)
shelf.pull(connector, "moves")         from the stored cursor, as the framework does
shelf.land(stream, pages)              pages in an order of the test's choosing
shelf.holds()                          what is known, key by key
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, Final

from pydantic import BaseModel

from tieout.connector import Finding, Manifest, Page, Source, StockReport, Stream
from tieout.mapping import Drifted, MapContext, MapResult
from tieout.pull.company import load_company
from tieout.pull.dedup import DELETED
from tieout.pull.identity import revision_order
from tieout.pull.landing import Mapper
from tieout.pull.stream import PullResult, pull_stream
from tieout.store.store import Store
from tieout.testing.bench import COMPANY

CONNECTION: Final = "under-test"


class Unmapped:
    """A mapping that makes nothing of anything: what is landed is all that counts."""

    version = "none"

    def run(
        self,
        records: Sequence[Mapping[str, Any]],
        context: MapContext,
        *,
        keys: Sequence[tuple[str, str]] | None = None,
    ) -> MapResult:
        return MapResult([], [], None, [], [])

    def drift(self, records: Sequence[Mapping[str, Any]], result: MapResult) -> Sequence[Drifted]:
        return []

    def types_seen(self, records: Sequence[Mapping[str, Any]]) -> Mapping[str, frozenset[str]]:
        return {}


class Given:
    """A source that gives pages it was given."""

    manifest: ClassVar[Manifest] = Manifest(
        name="given", vendor="none", version="1", roles=("source",), config=BaseModel
    )

    def __init__(self, stream: Stream, pages: Sequence[Page]) -> None:
        self._stream, self._pages = stream, pages

    def check(self) -> list[Finding]:
        return []

    def streams(self) -> Sequence[Stream]:
        return [self._stream]

    def pull(self, stream: str, cursor: str | None, until: datetime) -> Iterator[Page]:
        yield from self._pages

    def stock(self, as_of: datetime) -> StockReport | None:
        return None


@cache
def _empty() -> bytes:
    """A database with its tables and nothing in them; made once, because that takes longer than most tests."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "tieout.db"
        Store.open(f"sqlite:///{path}", create=True).close()
        return path.read_bytes()


class Shelf:
    """A database with one company, whose pseudonyms are made with the key in `keys`. Close it."""

    def __init__(self, folder: Path, currency: str, keys: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / "tieout.db"
        self._path.write_bytes(_empty())
        self.store = Store.open(f"sqlite:///{self._path}")
        with self.store.write() as tx:
            self.company = load_company(tx, COMPANY, currency, "UTC", keys=keys)

    def close(self) -> None:
        self.store.close()

    def pull(self, source: Source, stream: Stream, until: datetime, mapper: Mapper | None = None) -> PullResult:
        """As the framework pulls: from the stored cursor, pages and cursor in one transaction."""
        return pull_stream(
            self.store, self.company, CONNECTION, source, stream, mapper=mapper or Unmapped(), until=until, run="kit"
        )

    def land(self, stream: Stream, pages: Sequence[Page], until: datetime, mapper: Mapper | None = None) -> PullResult:
        return self.pull(Given(stream, pages), stream, until, mapper)

    def cursor(self) -> str | None:
        with self.store.read() as rx:
            row = rx.connection.exec_driver_sql("SELECT cursor FROM cursor").one_or_none()
        return row[0] if row else None

    def holds(self) -> dict[str, tuple[str, str, bool]]:
        """Of every key the newest revision: (revision, content, whether it is deleted). Keys and contents as hex."""
        query = "SELECT key, revision, content, state, n FROM record ORDER BY n"
        with self.store.read() as rx:
            rows = rx.connection.exec_driver_sql(query).all()
        held: dict[str, tuple[tuple[Any, ...], tuple[str, str, bool]]] = {}
        for key, revision, content, state, n in rows:
            name, told = bytes(key).hex(), bytes(content).hex()
            before = held.get(name)
            if state == DELETED and before is not None:
                held[name] = (before[0], (*before[1][:2], True))
                continue
            order = (0, 0, "", n) if not revision else (*revision_order(revision), told, n)
            newer = before is None or before[0] <= order
            held[name] = (
                (order, (revision, told, False)) if newer or before is None else (before[0], (*before[1][:2], False))
            )
        return {name: value for name, (_, value) in held.items()}

    def bytes_on_disk(self) -> bytes:
        """Everything of the database, with the pages as they were before compression."""
        with self.store.read() as rx:
            pages = rx.connection.exec_driver_sql("SELECT body FROM page").all()
        whole = b"".join(path.read_bytes() for path in sorted(self._path.parent.glob("tieout.db*")))
        return whole + b"".join(zlib.decompress(bytes(body)) for (body,) in pages)


def as_page(records: Sequence[Mapping[str, Any]], like: Page) -> Page:
    """Other records in the place of a page's."""
    return Page(records=records, cursor=like.cursor, sweep=like.sweep, watermark=like.watermark)
