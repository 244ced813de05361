"""Pull one stream: pages in, some ten thousand records a transaction, the cursor moving with them.

A crash leaves the cursor where the last committed records are; what is read twice is dropped as duplicates. A vendor's
error ends the pull after what had arrived has landed. A mapped field that vanished or changed its type holds the stream
before anything of that page lands.
"""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Literal

import msgspec

from tieout.connector import Page, Source, Stream
from tieout.errors import ConfigError, Drift, PluginError, VendorError
from tieout.failpoints import failpoint
from tieout.mapping import Drifted, MapContext
from tieout.pull import cursors
from tieout.pull.company import Company
from tieout.pull.cursors import Position
from tieout.pull.dedup import DELETED, Record
from tieout.pull.identity import Identity
from tieout.pull.landing import (
    REMOVED,
    Change,
    DriftFoundError,
    Landed,
    Lander,
    Mapper,
    has_landed,
    land,
    write_landing,
)
from tieout.pull.personal import Pseudonyms, company_key
from tieout.pull.resolve import Resolver
from tieout.pull.shown import Shown
from tieout.store.acts import now_micros
from tieout.store.exceptions import NewException, close_by_record, open_exceptions
from tieout.store.schema import record
from tieout.store.store import Store
from tieout.store.tx import Tx

COMMIT_RECORDS = 10_000
PAGES_MAX = 1_000_000  # of one pull; a source that never ends is a bug
COLLECT_EVERY = 64  # landings between explicit runs of the cyclic collector
NO_CONTENT = bytes(16)

MissingCursor = Literal["beginning", "refuse"]


class PullResult(msgspec.Struct, kw_only=True):
    """What a pull did. `batches` in order; `events` counts new event lines; `held` says why the stream is held."""

    source: str
    pages: int = 0
    batches: list[int] = []
    counts: Counter[str] = msgspec.field(default_factory=Counter)
    skipped: Counter[str] = msgspec.field(default_factory=Counter)
    events: int = 0
    superseded: int = 0
    exceptions: list[int] = []
    notes: list[str] = []
    cursor: str | None = None
    held: str | None = None

    def add(self, landed: Landed) -> None:
        self.counts += landed.counts
        self.skipped += landed.skipped
        self.events += len(landed.events)
        self.superseded += len(landed.superseded)
        self.exceptions += landed.exceptions
        if landed.batch is not None:
            self.batches.append(landed.batch)


def make_lander(company: Company, connection: str, stream: Stream, mapper: Mapper, run: str) -> Lander:
    """What lands a stream's pages. `connection` is the immutable id. Needs the company's key where the stream names
    personal paths (ConfigError TO3110 without a key folder)."""
    pseudonyms = None
    if stream.personal:
        if company.keys is None:
            raise ConfigError(
                f"{connection}/{stream.name} has personal fields and there is no folder for the pseudonym key",
                code="TO3110",
                where=stream.name,
            )
        pseudonyms = Pseudonyms(company_key(company.keys, company.code), stream.personal)
    return Lander(
        company=company,
        connection=connection,
        stream=stream,
        mapper=mapper,
        run=run,
        identity=Identity(f"{connection}/{stream.name}", stream),
        resolver=Resolver(company, connection),
        pseudonyms=pseudonyms,
        context=MapContext(
            company=company.code,
            connection=connection,
            stream=stream.name,
            currency=company.currency,
            key=stream.key,
            line_key=stream.line_key,
            timezone=company.timezone,
            rates=company.rate_at,
        ),
    )


def pull_stream(
    store: Store,
    company: Company,
    connection: str,
    source: Source,
    stream: Stream,
    *,
    mapper: Mapper,
    until: datetime,
    run: str = "",
    missing_cursor: MissingCursor = "beginning",
    progress: Callable[[PullResult], None] | None = None,
) -> PullResult:
    """Pull everything of a stream from its cursor to `until`.

    Raises what the source raises (after landing what had arrived), Drift TO3152 while the stream is held for the same
    mapping, and StoreError. `progress` is called after each transaction.
    """
    lander = make_lander(company, connection, stream, mapper, run)
    result = PullResult(source=lander.source)
    with store.write() as tx:
        number = company.names.intern(tx, "source", [lander.source])[lander.source]
        position = cursors.load(tx, company.id, number)
        _refuse_held(lander, position)
        if position.cursor is None and has_landed(tx, number):
            _cursor_is_missing(lander, result, missing_cursor)
        company.reload(tx)
    result.cursor = position.cursor
    puller = _Puller(store, lander, number, position, result, progress)
    with _collector_off():
        try:
            puller.drain(source.pull(stream.name, position.cursor, until))
        except VendorError as error:
            if error.code != "TO3153" or missing_cursor == "refuse" or position.cursor is None:
                raise
            result.notes.append("the vendor no longer knows the cursor: read again from the beginning")
            puller.drain(source.pull(stream.name, None, until))
    return result


def _refuse_held(lander: Lander, position: Position) -> None:
    if position.held and position.held.get("mapping") == lander.mapper.version:
        raise Drift(
            f"{lander.source} is held: {position.held['message']}",
            code="TO3152",
            where=lander.source,
            fix=position.held.get("fix") or "mend the mapping; the next pull goes on from the same cursor",
        )
    position.held = None


def _cursor_is_missing(lander: Lander, result: PullResult, policy: MissingCursor) -> None:
    if policy == "refuse":
        raise Drift(
            f"{lander.source} has landed records but its cursor is missing",
            code="TO3153",
            where=lander.source,
            fix='set missing_cursor = "beginning" to read everything again; duplicates are dropped',
        )
    result.notes.append("the cursor was missing: read again from the beginning")


class _Puller:
    """The state of one pull."""

    def __init__(
        self,
        store: Store,
        lander: Lander,
        source: int,
        position: Position,
        result: PullResult,
        progress: Callable[[PullResult], None] | None,
    ) -> None:
        self.store, self.lander, self.source = store, lander, source
        self.position, self.result, self.progress = position, result, progress
        self.landings = 0

    def drain(self, pages: Iterator[Page]) -> None:
        """Land all pages, several to a transaction. What arrived before an error lands before it is passed on."""
        waiting: list[Page] = []
        records = 0
        try:
            for page in pages:
                self.result.pages += 1
                if self.result.pages > PAGES_MAX:
                    raise PluginError(
                        f"{self.lander.source} sent more than {PAGES_MAX} pages", where=self.lander.source
                    )
                self._note_new_fields(page)
                waiting.append(page)
                records += len(page.records)
                if records >= COMMIT_RECORDS or page.sweep == "end":
                    if not self._land(waiting):
                        return
                    waiting, records = [], 0
        except VendorError:
            self._land(waiting)
            raise
        self._land(waiting)

    def _land(self, pages: Sequence[Page]) -> bool:
        """Land pages in one transaction. False when the source drifted: then the pages before that landed."""
        if not pages:
            return True
        try:
            self._commit(pages)
        except DriftFoundError as found:
            if found.page:
                self._commit(pages[: found.page])
            self._hold(found.drifted)
            return False
        return True

    def _commit(self, pages: Sequence[Page]) -> None:
        position = msgspec.structs.replace(self.position)
        failpoint("pull.before")
        self.lander.shown = shown = Shown(self.lander.mapper, position.shown)
        with self.store.write() as tx:
            self._sweep_began(tx, pages, position)
            landed = land(tx, self.lander, pages)
            swept = self._sweep_ended(tx, position) if pages[-1].sweep == "end" else None
            position.cursor = pages[-1].cursor
            position.shown = shown.kept() if shown.records else position.shown
            position.pulled_at = now_micros()
            watermarks = [cursors.micros(page.watermark) for page in pages if page.watermark is not None]
            if watermarks:
                position.watermark = max(watermarks[-1], position.watermark or watermarks[-1])
            cursors.save(tx, self.lander.company.id, self.source, position)
            failpoint("pull.commit")
        failpoint("pull.after")
        self.position = position
        self.result.cursor = position.cursor
        for one in (landed, swept):
            if one is not None:
                self.result.add(one)
        self.landings += 1
        if self.landings % COLLECT_EVERY == 0:
            gc.collect(1)  # what these landings left; not all that lives
        if self.progress is not None:
            self.progress(self.result)

    # ── drift ──────────────────────────────────────────────────────────────────────────────────────────────────────
    def _note_new_fields(self, page: Page) -> None:
        properties = (self.lander.stream.schema or {}).get("properties")
        if not properties:
            return
        new = sorted(set().union(*(record.keys() for record in page.records[:200])) - set(properties) - {"$error"})
        notes = [f"{self.lander.source}: new field {name!r}, read by nobody" for name in new]
        self.result.notes += [note for note in notes if note not in self.result.notes]

    def _hold(self, drifted: Sequence[Drifted]) -> None:
        words = "; ".join(_words(one) for one in drifted)
        fix = "mend the mapping (tieout mapping check), then pull again; the cursor stands before these records"
        self.position.held = {
            "message": words,
            "mapping": self.lander.mapper.version,
            "at": now_micros(),
            "fix": fix,
            "fields": [{"path": one.path, "problem": one.problem} for one in drifted],
        }
        new = NewException(stage="pull", code="TO3152", subject=f"{self.lander.source} drift", message=words, fix=fix)
        with self.store.write() as tx:
            cursors.save(tx, self.lander.company.id, self.source, self.position)
            self.result.exceptions += open_exceptions(tx, self.lander.company.id, [self.lander.company.owned(new)])
        self.result.held = words

    # ── complete sweeps ────────────────────────────────────────────────────────────────────────────────────────────
    def _sweep_began(self, tx: Tx, pages: Sequence[Page], position: Position) -> None:
        for page in pages:
            if page.sweep == "begin" or (page.sweep == "end" and position.sweep is None):
                cursors.begin_sweep(tx, self.source, position)
            if page.sweep == "middle" and position.sweep is None:
                raise PluginError(
                    f"{self.lander.source}: the middle of a sweep that never began",
                    code="TO3155",
                    where=self.lander.source,
                )
            if page.sweep:
                identity = self.lander.identity
                cursors.note_seen(tx, self.source, record_keys(identity, self.lander, page))

    def _sweep_ended(self, tx: Tx, position: Position) -> Landed | None:
        """Records the sweep did not list are deleted at the source."""
        listed, gone = cursors.end_sweep(tx, self.source, position)
        if not gone or self.lander.stream.deletes != "sweep":
            return None
        company = self.lander.company
        if not listed:
            words = f"the sweep listed nothing while {len(gone)} records are known; none was taken as deleted"
            fix = "look at the source; a sweep that lists something goes through"
            new = NewException(
                stage="pull", code="TO3154", subject=f"{self.lander.source} sweep", message=words, fix=fix
            )
            numbers = open_exceptions(tx, company.id, [company.owned(new)])
            return Landed(None, (), (), numbers, Counter(), Counter())
        rows, events = cursors.standing_events(tx, self.source, [key for key, _, _ in gone])
        close_by_record(tx, company.id, rows, "the record was deleted at its source")
        change = Change([], [], dict.fromkeys(events, REMOVED), [], Counter())
        deletions = [
            Record(key, None, revision, NO_CONTENT, {}, None, 0, DELETED, n, row)
            for row, (key, n, revision) in zip(tx.allocate(record, len(gone)), gone, strict=True)
        ]
        return write_landing(tx, self.lander, self.source, change, deletions, counts=Counter(deleted=len(gone)))


def record_keys(identity: Identity, lander: Lander, page: Page) -> list[bytes]:
    """The keys of a page's records that have an identity, as they land (personal values replaced)."""
    records = page.records if lander.pseudonyms is None else lander.pseudonyms.replace(page.records)
    return identity.keys([one for one in identity.ids(records) if one is not None])


def _words(one: Drifted) -> str:
    if one.problem == "missing":
        return f"{one.code} field {one.path!r}, which the mapping reads, is missing from the whole page"
    seen, expected = ", ".join(sorted(one.seen)), ", ".join(sorted(one.expected))
    return f"{one.code} field {one.path!r} is now {seen}; the mapping reads it as {expected}, as it was before"


@contextmanager
def _collector_off() -> Iterator[None]:
    """Landing makes no cycles; scanning its many live rows again and again costs 7 µs a record."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
