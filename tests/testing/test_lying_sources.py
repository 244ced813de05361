"""The kit is red for a source that declares what it does not keep, or lets out what it must not."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from tests.testing.conftest import Written

from tieout import Page, StockReport, StockRow, Stream
from tieout.testing import run_kit

Kit = Any


def kit(honest: Written, connector: Any = None, **more: Any) -> Kit:
    base = honest.tests.TestHonestSource
    made = connector or honest.connector.HonestSource

    def connected(self: Any, bench: Any) -> Any:
        return made(bench.context(made, {"token": bench.secret("token", honest.tests.TOKEN)}))

    return type("Lying", (base,), {"connector": connected, **more})


def lying(honest: Written, **methods: Any) -> Kit:
    return kit(honest, type("Lie", (honest.connector.HonestSource,), methods))


def declaring(honest: Written, **facts: Any) -> Kit:
    base = honest.connector.HonestSource
    stream: Stream = msgspec.structs.replace(base.manifest.streams[0], **facts)
    return lying(honest, manifest=msgspec.structs.replace(base.manifest, streams=(stream,)))


def with_pages(honest: Written, change: Callable[[Page], Page]) -> Kit:
    base = honest.connector.HonestSource

    def pull(self: Any, stream: str, cursor: str | None, until: Any) -> Iterator[Page]:
        for page in base.pull(self, stream, cursor, until):
            yield change(page)

    return lying(honest, pull=pull)


# ── the lies ───────────────────────────────────────────────────────────────────────────────────────────────────────
def revision_that_never_moves(honest: Written) -> Kit:
    return declaring(honest, revision="sku")


def deletions_nobody_tells(honest: Written) -> Kit:
    return declaring(honest, deletes="sweep")


def a_key_that_is_not_there(honest: Written) -> Kit:
    return declaring(honest, key=("id",))


def a_key_that_is_shared(honest: Written) -> Kit:
    return declaring(honest, key=("sku",), revision="kind")


def personal_path_that_is_wrong(honest: Written) -> Kit:
    return declaring(honest, personal=("customer.mail",))


def floats(honest: Written) -> Kit:
    def change(page: Page) -> Page:
        records = [{**r, "quantity": float(str(r["quantity"]))} for r in page.records]
        return Page(records=records, cursor=page.cursor)

    return with_pages(honest, change)


def a_cursor_ahead_of_its_page(honest: Written) -> Kit:
    base = honest.connector.HonestSource

    def pull(self: Any, stream: str, cursor: str | None, until: Any) -> Iterator[Page]:
        pages = list(base.pull(self, stream, cursor, until))
        for page in pages:
            yield Page(records=page.records, cursor=pages[-1].cursor)

    return lying(honest, pull=pull)


def takes_an_empty_answer_for_no_news(honest: Written) -> Kit:
    class Hasty(honest.connector.HonestSource):  # type: ignore[misc,name-defined]
        def pull(self, stream: str, cursor: str | None, until: Any) -> Iterator[Page]:
            try:
                yield from super().pull(stream, cursor, until)
            except Exception:  # noqa: BLE001  (that is the lie)
                yield Page(records=[], cursor=cursor or "2000-01-01T00:00:00+00:00 0")

    return kit(honest, Hasty)


def prints(honest: Written) -> Kit:
    def streams(self: Any) -> Any:
        print("hello")
        return self.manifest.streams

    return lying(honest, streams=streams)


def logs_its_token(honest: Written) -> Kit:
    def streams(self: Any) -> Any:
        logging.getLogger("acme").debug("token %s", honest.tests.TOKEN)
        return self.manifest.streams

    return lying(honest, streams=streams)


def goes_elsewhere(honest: Written) -> Kit:
    def streams(self: Any) -> Any:
        try:
            httpx.get("https://telemetry.example/ping")
        except httpx.HTTPError:
            return self.manifest.streams
        raise AssertionError("a test reached the network")

    return lying(honest, streams=streams)


def sleeps(honest: Written) -> Kit:
    def streams(self: Any) -> Any:
        time.sleep(3_600)
        return self.manifest.streams

    return lying(honest, streams=streams)


def check_raises(honest: Written) -> Kit:
    def check(self: Any) -> Any:
        self._get("v1/moves", since="2000-01-01T00:00:00+00:00", after="", limit="1")
        return []

    return lying(honest, check=check)


def stock_in_words(honest: Written) -> Kit:
    def stock(self: Any, as_of: Any) -> StockReport:
        return StockReport(as_of, (StockRow("MUG", "MAIN", "1,250.00"),))

    return lying(honest, stock=stock)


LIES: dict[Callable[[Written], Kit], str] = {
    revision_that_never_moves: "test_an_edit_is_seen",
    deletions_nobody_tells: "test_a_deletion_is_seen_as_declared",
    a_key_that_is_not_there: "test_every_record_has_its_key",
    a_key_that_is_shared: "test_no_two_records_of_a_pull_share_key_and_revision",
    personal_path_that_is_wrong: "test_declared_personal_paths_are_there_and_never_land",
    floats: "test_no_float_is_in_any_record",
    a_cursor_ahead_of_its_page: "test_a_crash_after_any_page_loses_and_doubles_nothing",
    takes_an_empty_answer_for_no_news: "test_empty_for_ever_is_retryable",
    prints: "test_streams_are_stable",
    logs_its_token: "test_streams_are_stable",
    goes_elsewhere: "test_streams_are_stable",
    sleeps: "test_streams_are_stable",
    check_raises: "test_check_names_what_is_wrong_and_never_raises",
    stock_in_words: "test_the_stock_report_is_exact",
}


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.__name__)
def test_a_lie_is_found_out(honest_source: Written, tmp_path: Path, lie: Callable[[Written], Kit]) -> None:
    expected = LIES[lie]
    honest = run_kit(kit(honest_source), tmp_path / "honest", [expected])
    assert honest[expected] == "passed", honest
    outcome = run_kit(lie(honest_source), tmp_path / "lie", [expected])[expected]
    assert outcome.startswith("AssertionError: "), outcome
