"""The kit for sources. An author names the vendor's stand-in and the connector; the tests follow, faults included.

    class TestAcme(SourceConformance):
        stream = "moves"

        def vendor(self, bench): return AcmeStub(bench.clock)
        def connector(self, bench): return Acme(bench.context(Acme, {"token": bench.secret("token")}))
        def add(self, bench): bench.vendor.book(...)
        def edit(self, bench): bench.vendor.change(...)
        def delete(self, bench): bench.vendor.remove(...)

What is pulled lands in a real database through the core's own pull, so that "nothing lost, nothing doubled" means here
what it means in production.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Final

from tieout.connector import Page, Source, StockReport, Stream
from tieout.errors import Drift, NeedsReauth, RateLimited, Retryable
from tieout.mapping import compile_mapping, lookup_files, run_tests
from tieout.mapping.paths import parse_path
from tieout.pull.canonical import decode_records, encode_value
from tieout.pull.identity import Identity
from tieout.testing.bench import START, Bench
from tieout.testing.kit import Conformance, floats_in, is_aware, is_exact, not_declared, require, strange_in
from tieout.testing.shelf import Given, Shelf, as_page

UNTIL: Final = START + timedelta(days=1)
PAGES_MAX: Final = 10_000
RECORDS_A_PAGE_MAX: Final = 100_000
CURSOR_LENGTH_MAX: Final = 1_000_000
PATIENCE: Final = timedelta(minutes=5)
PASSING: Final = ("throttled", "error_before", "server_error_before", "timeout_before", "reset_before", "truncated")
UNREADABLE: Final = ("html", "empty", "truncated", "error_before", "timeout_before", "unreachable")


class SourceConformance(Conformance):
    """About forty tests of one stream. `mapping`: the mapping file shipped for it, for the checks that need one.

    `edits`, `deletions`: False where records of this stream never change or go. `second_run_calls_max`: how many calls a
    pull without news may take.
    """

    stream: ClassVar[str]
    mapping: ClassVar[Path | None] = None
    edits: ClassVar[bool] = True
    second_run_calls_max: ClassVar[int] = 20

    # ── for the author: what happens at the vendor ─────────────────────────────────────────────────────────────────
    def add(self, bench: Bench) -> None:
        """A record more at the vendor."""
        raise NotImplementedError("say how a record is added at the vendor: add(self, bench)")

    def edit(self, bench: Bench) -> None:
        """A record that was there is changed at the vendor."""
        raise NotImplementedError("say how a record is changed at the vendor: edit(self, bench), or edits = False")

    def delete(self, bench: Bench) -> None:
        """A record that was there is gone at the vendor, as its stream declares (a sweep without it, or a record)."""
        raise NotImplementedError("say how a record is deleted at the vendor: delete(self, bench)")

    # ── the ground ─────────────────────────────────────────────────────────────────────────────────────────────────
    def declared(self, bench: Bench, connector: Source | None = None) -> Stream:
        source: Source = connector or self.made(bench)
        found = next((each for each in source.streams() if each.name == self.stream), None)
        if found is None:
            raise AssertionError(f"streams() does not offer {self.stream!r}")
        return found

    def pages(self, bench: Bench, cursor: str | None = None, connector: Source | None = None) -> list[Page]:
        """All pages of a pull."""
        source: Source = connector or self.made(bench)
        pages = list(islice(source.pull(self.stream, cursor, self._until(bench)), PAGES_MAX + 1))
        require(len(pages) <= PAGES_MAX, f"a pull of more than {PAGES_MAX} pages")
        return pages

    @staticmethod
    def _until(bench: Bench) -> Any:
        return bench.clock.utc() + timedelta(days=1)

    @contextmanager
    def shelf(self, bench: Bench, name: str = "books") -> Iterator[Shelf]:
        shelf = Shelf(bench.folder / name, self.currency, bench.folder / "keys")
        try:
            yield shelf
        finally:
            shelf.close()

    def _whole(self, bench: Bench, name: str = "reference") -> dict[str, tuple[str, str, bool]]:
        """What an undisturbed pull from the beginning holds."""
        with self.shelf(bench, name) as shelf:
            source = self.made(bench)
            shelf.pull(source, self.declared(bench, source), self._until(bench))
            return shelf.holds()

    # ── streams ────────────────────────────────────────────────────────────────────────────────────────────────────
    def test_streams_are_stable(self, tmp_path: Path) -> None:
        with self.bench(tmp_path) as bench:
            source = self.made(bench)
            first, second, again = source.streams(), source.streams(), self.made(bench).streams()
            require(list(first) == list(second) == list(again), "streams() answers otherwise each time")
            names = [stream.name for stream in first]
            require(len(names) == len(set(names)), f"two streams have one name: {names}")
            require(all(stream.key for stream in first), "a stream without a key: two records could not be told apart")
            fixed = {stream.name for stream in source.manifest.streams}
            require(not fixed or set(names) <= fixed, f"streams that the manifest does not list: {set(names) - fixed}")

    def test_an_unknown_stream_is_refused(self, tmp_path: Path) -> None:
        with self.bench(tmp_path) as bench:
            source = self.made(bench)
            with self.failing_well(bench, "pull of an unknown stream") as caught:
                list(source.pull("no such stream", None, self._until(bench)))
            require(caught, "pull of an unknown stream answers as if there were one")

    def test_a_cursor_that_is_none_of_ours_is_refused(self, tmp_path: Path) -> None:
        with self.bench(tmp_path) as bench:
            source, whole = self.made(bench), self._whole(bench)
            with self.shelf(bench) as shelf, self.failing_well(bench, "pull from a strange cursor") as caught:
                stream = self.declared(bench, source)
                shelf.land(stream, list(source.pull(self.stream, "\x00 no cursor", self._until(bench))), UNTIL)
                require(shelf.holds() == whole, "a strange cursor is taken for one, and records are passed over")
            require(len(caught) <= 1, "raised twice")

    # ── records ────────────────────────────────────────────────────────────────────────────────────────────────────
    def test_there_is_something_to_pull(self, tmp_path: Path) -> None:
        with self.bench(tmp_path) as bench:
            pages = self.pages(bench)
            require(len([p for p in pages if p.records]) > 1, "the vendor's stand-in should fill at least two pages")

    def test_every_record_has_its_key(self, tmp_path: Path) -> None:
        with self.bench(tmp_path) as bench:
            identity = Identity("kit", self.declared(bench))
            for page in self.pages(bench):
                for record, found in zip(page.records, identity.ids(page.records), strict=True):
                    require(found is not None, f"a record without its key {list(record)}")

    def test_no_two_records_of_a_pull_share_key_and_revision(self, tmp_path: Path) -> None:
        with self.bench(tmp_path) as bench:
            identity = Identity("kit", self.declared(bench))
            seen: dict[Any, bytes] = {}
            for page in self.pages(bench):
                ids, revisions = identity.ids(page.records), identity.revisions(page.records)
                for who, revision, record in zip(ids, revisions, page.records, strict=True):
                    content = encode_value(record)
                    same = seen.setdefault((who, revision), content) == content
                    require(same, f"two different records are {who} at revision {revision!r}")

    def test_every_record_has_its_revision(self, tmp_path: Path) -> None:
        with self.bench(tmp_path) as bench:
            stream = self.declared(bench)
            if stream.revision is None:
                not_declared("the stream declares no revision")
            for page in self.pages(bench):
                missing = [r for r in Identity("kit", stream).revisions(page.records) if not r]
                require(not missing, f"{len(missing)} records without their revision at {stream.revision!r}")

    def test_no_float_is_in_any_record(self, tmp_path: Path) -> None:
        with self.bench(tmp_path) as bench:
            for page in self.pages(bench):
                for record in page.records:
                    found = floats_in(record)
                    require(not found, f"a float at {found}: parse JSON with decimals kept (Answer.json does)")
                    require(not strange_in(record), f"values that JSON does not have: {strange_in(record)}")

    def test_a_page_can_be_read_again_from_its_bytes(self, tmp_path: Path) -> None:
        with self.bench(tmp_path) as bench:
            source: Any = self.made(bench)
            for page in self.pages(bench, connector=source):
                if page.body is None or not page.records:
                    continue
                if page.codec == "json":
                    again = decode_records(page.body)
                else:
                    require(hasattr(source, "decode"), f"codec {page.codec[:20]!r} and no decode(stream, body, codec)")
                    again = source.decode(self.stream, page.body, page.codec)
                require(encode_value(list(again)) == encode_value(list(page.records)), "the bytes say something else")

    def test_declared_personal_paths_are_there_and_never_land(self, tmp_path: Path) -> None:
        with self.bench(tmp_path) as bench, self.shelf(bench) as shelf:
            source = self.made(bench)
            stream = self.declared(bench, source)
            if not stream.personal:
                not_declared("the stream declares no personal paths")
            pages = self.pages(bench, connector=source)
            records = [record for page in pages for record in page.records]
            shelf.land(stream, pages, UNTIL)
            landed = shelf.bytes_on_disk()
            for path in stream.personal:
                values = [str(v) for v in _flat(parse_path(path).column(records)) if v not in (None, "")]
                require(values, f"personal path {path!r} is in no record of the stand-in: is it right?")
                long = [value for value in values if len(value) > 5]
                require(not any(v.encode() in landed for v in long), f"values of personal path {path!r} landed")

    def test_times_say_their_zone(self, tmp_path: Path) -> None:
        with self.bench(tmp_path) as bench:
            for page in self.pages(bench):
                require(is_aware(page.watermark), "a watermark without a zone")
            report = self.made(bench).stock(bench.clock.utc())
            require(report is None or is_aware(report.as_of), "a stock report without a zone")

    def test_the_stock_report_is_exact(self, tmp_path: Path) -> None:
        with self.bench(tmp_path) as bench:
            report = self.made(bench).stock(bench.clock.utc())
            if report is None:
                not_declared("the source has no stock report")
            require(isinstance(report, StockReport), f"stock() answered {type(report).__name__}")
            for row in report.rows:
                require(is_exact(row.quantity), f"{row.item}: quantity {row.quantity!r} is not exact decimal text")
                require(row.item, f"a row without an item: {row}")
            places = [(r.item, r.location, r.condition, r.lot, r.unit) for r in report.rows]
            require(len(places) == len(set(places)), "two rows for one item and place")

    # ── pages and cursors ──────────────────────────────────────────────────────────────────────────────────────────
    def test_every_page_proposes_a_cursor(self, tmp_path: Path) -> None:
        with self.bench(tmp_path) as bench:
            pages = self.pages(bench)
            require(pages, "no page: a pull ends with a page, if only an empty one, so that its cursor is kept")
            for page in pages:
                cursor: Any = page.cursor
                require(cursor and isinstance(cursor, str), "a page without a cursor to go on from")
                require(len(page.cursor) <= CURSOR_LENGTH_MAX, "a cursor of more than a million characters")
                require(len(page.records) <= RECORDS_A_PAGE_MAX, "a page of more than 100,000 records")

    def test_pages_come_one_at_a_time(self, tmp_path: Path) -> None:
        with self.bench(tmp_path) as bench:
            self.calling(bench)
            source = self.made(bench)
            pages = source.pull(self.stream, None, self._until(bench))
            next(iter(pages))
            early = len(bench.tap.data_calls)
            list(pages)
            require(early < len(bench.tap.data_calls), "everything was fetched before the first page came")

    def test_a_second_run_without_change_brings_nothing_and_asks_little(self, tmp_path: Path) -> None:
        with self.bench(tmp_path) as bench, self.shelf(bench) as shelf:
            source = self.made(bench)
            stream = self.declared(bench, source)
            shelf.pull(source, stream, self._until(bench))
            held, calls = shelf.holds(), len(bench.tap.calls)
            result = shelf.pull(self.made(bench), stream, self._until(bench))
            new = result.counts["records"] - result.counts["duplicates"] - result.counts["late_revisions"]
            require(new == 0 and shelf.holds() == held, f"a second pull of the same brings {new} records")
            asked = len(bench.tap.calls) - calls
            require(asked <= self.second_run_calls_max, f"a pull without news took {asked} calls")

    def test_pages_delivered_twice_double_nothing(self, tmp_path: Path) -> None:
        with self.bench(tmp_path) as bench, self.shelf(bench) as shelf:
            whole, pages = self._whole(bench), self.pages(bench)
            shelf.land(self.declared(bench), _plain([p for page in pages for p in (page, page)]), UNTIL)
            require(shelf.holds() == whole, "a page delivered twice changes what is held")

    def test_pages_in_another_order_end_the_same(self, tmp_path: Path) -> None:
        with self.bench(tmp_path) as bench:
            if self.declared(bench).revision is None:
                not_declared("a stream without revisions promises nothing about order")
            whole, pages = self._whole(bench), self.pages(bench)
            with self.shelf(bench) as shelf:
                for page in reversed(_plain(pages)):
                    shelf.land(self.declared(bench), [as_page(list(reversed(page.records)), page)], UNTIL)
                require(shelf.holds() == whole, "what is held depends on the order of arrival")

    def test_an_edit_overtaken_by_its_older_self_stands(self, tmp_path: Path) -> None:
        with self.bench(tmp_path) as bench:
            if self.declared(bench).revision is None or not self.edits:
                not_declared("records do not change, or bear no revision")
            before = _plain(self.pages(bench))
            bench.clock.advance(3_600)
            self.edit(bench)
            after = _plain(self.pages(bench))
            with self.shelf(bench, "in order") as one, self.shelf(bench, "overtaken") as other:
                one.land(self.declared(bench), [*before, *after], UNTIL)
                other.land(self.declared(bench), [*after, *before], UNTIL)
                require(one.holds() == other.holds(), "an older revision that comes late overwrites the newer one")

    def test_a_crash_after_any_page_loses_and_doubles_nothing(self, tmp_path: Path) -> None:
        with self.bench(tmp_path) as bench:
            whole, count = self._whole(bench), len(self.pages(bench))
            for after in sorted({0, 1, 2, count // 2, count - 1} & set(range(count))):
                with self.shelf(bench, f"after {after}") as shelf:
                    source = self.made(bench)
                    stream = self.declared(bench, source)
                    pages = source.pull(self.stream, None, self._until(bench))
                    shelf.land(stream, list(islice(pages, after)), UNTIL)
                    del pages
                    shelf.pull(self.made(bench), stream, self._until(bench))
                    require(shelf.holds() == whole, f"killed after page {after}, it ends with other records")

    def test_a_record_that_comes_while_pages_are_read_is_not_lost(self, tmp_path: Path) -> None:
        with self.bench(tmp_path) as bench, self.shelf(bench) as shelf:
            source = self.made(bench)
            stream = self.declared(bench, source)

            def shifting() -> Iterator[Page]:
                for n, page in enumerate(source.pull(self.stream, None, self._until(bench))):
                    yield page
                    if n == 0:
                        bench.clock.advance(1)
                        self.add(bench)

            shelf.pull(_Pages(stream, shifting), stream, self._until(bench))
            bench.clock.advance(stream.lag_seconds + 60)
            shelf.pull(self.made(bench), stream, self._until(bench))
            whole = self._whole(bench)
            require(shelf.holds() == whole, "a page shifted under the reader: a record was lost or doubled")

    # ── what changes ───────────────────────────────────────────────────────────────────────────────────────────────
    def _after(self, bench: Bench, shelf: Shelf, change: Callable[[Bench], None]) -> tuple[Any, Any]:
        """What is held before and after a change at the vendor and another pull."""
        source = self.made(bench)
        stream = self.declared(bench, source)
        shelf.pull(source, stream, self._until(bench))
        before = shelf.holds()
        bench.clock.advance(3_600)
        change(bench)
        bench.clock.advance(stream.lag_seconds + 60)
        shelf.pull(self.made(bench), stream, self._until(bench))
        return before, shelf.holds()

    def test_a_new_record_is_seen(self, tmp_path: Path) -> None:
        with self.bench(tmp_path) as bench, self.shelf(bench) as shelf:
            before, after = self._after(bench, shelf, self.add)
            require(len(after) > len(before), "a record added at the vendor does not come with the next pull")
            require({k: after[k] for k in before} == before, "a record added at the vendor changed others")

    def test_an_edit_is_seen(self, tmp_path: Path) -> None:
        with self.bench(tmp_path) as bench, self.shelf(bench) as shelf:
            if not self.edits:
                not_declared("records of this stream never change")
            before, after = self._after(bench, shelf, self.edit)
            changed = [key for key in before if after[key][1] != before[key][1]]
            require(changed, "a record changed at the vendor, and the next pull does not show it")
            if self.declared(bench).revision is not None:
                require(all(after[k][0] != before[k][0] for k in changed), "content changed under one revision")
            gone = [key for key in after if after[key][2]]
            require(not gone, "an edit was taken for a deletion")

    def test_a_deletion_is_seen_as_declared(self, tmp_path: Path) -> None:
        with self.bench(tmp_path) as bench, self.shelf(bench) as shelf:
            how = self.declared(bench).deletes
            if how == "never":
                not_declared("the stream sees no deletions")
            before, after = self._after(bench, shelf, self.delete)
            if how == "sweep":
                gone = [key for key in before if after[key][2] and not before[key][2]]
            else:
                gone = [key for key in before if after[key][1] != before[key][1]]
            require(gone, f"the stream declares deletes={how!r} and a deleted record still stands")
            require(len(gone) == 1, f"one record was deleted at the vendor and {len(gone)} here")

    def test_an_unfinished_sweep_deletes_nothing(self, tmp_path: Path) -> None:
        with self.bench(tmp_path) as bench, self.shelf(bench) as shelf:
            if self.declared(bench).deletes != "sweep":
                not_declared("the stream is not swept")
            source = self.made(bench)
            stream = self.declared(bench, source)
            shelf.pull(source, stream, self._until(bench))
            pages = self.pages(bench, shelf.cursor())
            shelf.land(stream, [page for page in pages[:-1] if page.sweep != "end"], UNTIL)
            require(not any(gone for _, _, gone in shelf.holds().values()), "half a sweep was taken for a whole one")

    # ── the mapping that ships with it ─────────────────────────────────────────────────────────────────────────────
    def _mapping(self, stream: Stream) -> Any:
        if self.mapping is None:
            not_declared("no mapping is named")
        text = self.mapping.read_text(encoding="utf-8")
        files = {name: (self.mapping.parent / name).read_text(encoding="utf-8") for name in lookup_files(text)}
        return compile_mapping(text, str(self.mapping), stream.schema, files=files)

    def test_the_mapping_passes_its_own_tests(self, tmp_path: Path) -> None:
        with self.bench(tmp_path) as bench:
            outcomes = run_tests(self._mapping(self.declared(bench)))
            require(outcomes, "a mapping has tests beside it")
            wrong = [f"{each.name}: {each.problem}" for each in outcomes if each.problem]
            require(not wrong, "; ".join(wrong))

    def test_the_mapping_takes_every_record(self, tmp_path: Path) -> None:
        with self.bench(tmp_path) as bench, self.shelf(bench) as shelf:
            source = self.made(bench)
            stream = self.declared(bench, source)
            result = shelf.pull(source, stream, self._until(bench), self._mapping(stream))
            require(result.held is None, f"the stream is held: {result.held}")
            require(result.counts["records"] > 0 and result.counts["failed"] == 0, f"{result.counts['failed']} refused")

    def test_a_retyped_field_is_drift(self, tmp_path: Path) -> None:
        with self.bench(tmp_path) as bench, self.shelf(bench) as shelf:
            stream = self.declared(bench)
            mapping, pages = self._mapping(stream), _plain(self.pages(bench))
            shelf.land(stream, pages, UNTIL, mapping)
            held = shelf.holds()
            field = next(p.path for p in mapping.paths() if p.required and "[" not in p.path and "." not in p.path)
            keys = {path.partition(".")[0] for path in (*stream.key, stream.revision or "")}
            names = [p.path for p in mapping.paths() if "[" not in p.path and "." not in p.path and p.path not in keys]
            field = field if field not in keys else next(iter(names), field)
            spoilt = [
                as_page([{**r, field: {"value": r.get(field)}} for r in p.records], p) for p in pages if p.records
            ]
            with self.failing_well(bench, "a retyped field") as caught:
                result = shelf.land(stream, spoilt, UNTIL, mapping)
                require(result.held, f"{field!r} became an object and the pull went on")
            require(all(isinstance(each, Drift) for each in caught), "a retyped field is Drift")
            require(shelf.holds() == held, "records with a retyped field landed")

    # ── secrets ────────────────────────────────────────────────────────────────────────────────────────────────────
    def test_no_secret_is_in_what_it_hands_over(self, tmp_path: Path) -> None:
        with self.bench(tmp_path) as bench:
            source = self.made(bench)
            for page in self.pages(bench, connector=source):
                self.no_canary(bench, page, "a page")
            self.no_canary(bench, source.stock(bench.clock.utc()), "the stock report")
            self.no_canary(bench, source.streams(), "streams()")
            self.no_canary(bench, source, "repr(connector)")

    # ── the vendor in trouble ──────────────────────────────────────────────────────────────────────────────────────
    def test_a_long_wait_is_not_slept(self, tmp_path: Path) -> None:
        with self.bench(tmp_path) as bench:
            self.calling(bench)
            source = self.made(bench)
            bench.tap.spoil_all("throttled_long")
            with self.failing_well(bench, "pull under a long limit") as caught:
                self.pages(bench, connector=source)
            require(caught and isinstance(caught[0], RateLimited), f"429 with a long wait became {caught or 'nothing'}")
            require(bench.clock.slept <= PATIENCE, f"it slept {bench.clock.slept}; a long wait reschedules the job")

    def test_an_expired_token_is_renewed_or_a_person_is_asked(self, tmp_path: Path) -> None:
        with self.bench(tmp_path) as bench, self.shelf(bench) as shelf:
            self.calling(bench)
            whole = self._whole(bench)
            source = self.made(bench)
            stream = self.declared(bench, source)
            bench.tap.spoil("", "expired_token")
            with self.failing_well(bench, "pull with an expired token") as caught:
                shelf.pull(source, stream, self._until(bench))
                require(shelf.holds() == whole, "an expired token in the middle lost records")
            require(not caught or isinstance(caught[0], NeedsReauth), f"an expired token became {caught}")

    def test_a_refused_grant_asks_for_a_person(self, tmp_path: Path) -> None:
        with self.bench(tmp_path) as bench:
            self.calling(bench)
            source = self.made(bench)
            bench.tap.spoil_all("expired_token")
            with self.failing_well(bench, "pull with a refused grant") as caught:
                self.pages(bench, connector=source)
            require(caught and isinstance(caught[0], NeedsReauth), f"401 for ever became {caught or 'nothing'}")

    def test_what_came_before_a_fault_is_kept(self, tmp_path: Path) -> None:
        with self.bench(tmp_path) as bench, self.shelf(bench) as shelf:
            self.calling(bench)
            whole = self._whole(bench)
            source = self.made(bench)
            stream = self.declared(bench, source)

            def breaking() -> Iterator[Page]:
                for n, page in enumerate(source.pull(self.stream, None, self._until(bench))):
                    yield page
                    if n == 0:
                        bench.tap.spoil_all("timeout_before")

            with self.failing_well(bench, "pull of a vendor that falls silent") as caught:
                shelf.pull(_Pages(stream, breaking), stream, self._until(bench))
            require(caught, "the vendor fell silent after the first page, and the pull ended as if all had come")
            require(shelf.holds(), "the page before the fault was lost")
            bench.tap.spoil_all()
            shelf.pull(self.made(bench), stream, self._until(bench))
            require(shelf.holds() == whole, "after the fault it ends with other records")


class _Pages(Given):
    """A source of one stream whose pages a test makes as they are asked for."""

    def __init__(self, stream: Stream, make: Callable[[], Iterator[Page]]) -> None:
        super().__init__(stream, ())
        self._make = make

    def pull(self, stream: str, cursor: str | None, until: Any) -> Iterator[Page]:
        return self._make()


def _plain(pages: Sequence[Page]) -> list[Page]:
    """Pages without the marks of a sweep, for a test that gives them in an order of its own."""
    return [Page(records=page.records, cursor=page.cursor, body=page.body, codec=page.codec) for page in pages]


def _flat(values: Sequence[Any]) -> Iterator[Any]:
    for value in values:
        if isinstance(value, list):
            yield from _flat(value)
        else:
            yield value


# ── one test for each fault ────────────────────────────────────────────────────────────────────────────────────────
def _passing(fault: str) -> Callable[[SourceConformance, Path], None]:
    def test(self: SourceConformance, tmp_path: Path) -> None:
        with self.bench(tmp_path) as bench, self.shelf(bench) as shelf:
            self.calling(bench)
            whole = self._whole(bench)
            source = self.made(bench)
            bench.tap.spoil(fault, "", fault)
            with self.failing_well(bench, f"pull after {fault}") as caught:
                shelf.pull(source, self.declared(bench, source), self._until(bench))
            require(not caught or isinstance(caught[0], Retryable), f"a passing {fault} became {caught}")
            bench.tap.forget()
            shelf.pull(self.made(bench), self.declared(bench, source), self._until(bench))
            require(shelf.holds() == whole, f"after a passing fault ({fault}) it holds other records")

    test.__doc__ = f"{fault}, then all is well: the same records."
    return test


def _lasting(fault: str) -> Callable[[SourceConformance, Path], None]:
    def test(self: SourceConformance, tmp_path: Path) -> None:
        with self.bench(tmp_path) as bench, self.shelf(bench) as shelf:
            self.calling(bench)
            source = self.made(bench)
            stream = self.declared(bench, source)
            bench.tap.spoil_all(fault)
            with self.failing_well(bench, f"pull while {fault} is all there is") as caught:
                shelf.pull(source, stream, self._until(bench))
            require(caught, f"{fault} for ever is taken for a vendor without news")
            require(isinstance(caught[0], Retryable), f"{fault} became {type(caught[0]).__name__}, it is Retryable")
            require(not shelf.holds(), f"records landed while {fault} was all there was")

    test.__doc__ = f"{fault} for ever is Retryable, and never an empty answer."
    return test


for _fault in PASSING:
    setattr(SourceConformance, f"test_{_fault}_passes", _passing(_fault))
for _fault in UNREADABLE:
    setattr(SourceConformance, f"test_{_fault}_for_ever_is_retryable", _lasting(_fault))
