"""Rows put together: several rows of a document, rows of two files, stock counts; and what may not be put together."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from tests.connectors.files.dropfolder import NOW, errors, files, good, pull, put

from tieout import Drift, Rejected, StockReport
from tieout_files.config import FilesConfig

ORDERS = {"name": "lines", "path": "in/orders.csv", "group_by": ["po"], "group_header": ["day"]}
HEAD = "po,day,item,qty\n"


def orders(first: int, last: int, lines: int = 3) -> str:
    return "".join(f"P{n},2025-03-{n % 28 + 1:02d},I{i},{i + 1}\n" for n in range(first, last) for i in range(lines))


def test_rows_of_one_document_become_one_record(tmp_path: Path) -> None:
    put(tmp_path / "in/orders.csv", HEAD + orders(0, 20))
    whole, _, _ = pull(files(tmp_path, ORDERS))
    assert len(whole) == 20
    assert whole[1] == {
        "po": "P1",
        "day": "2025-03-02",
        "lines": [{"po": "P1", "day": "2025-03-02", "item": f"I{i}", "qty": str(i + 1)} for i in range(3)],
    }
    for size in (1, 2, 4, 7):
        source = files(tmp_path, {**ORDERS, "page_size": size})
        records, _, pages = pull(source)
        assert records == whole, "no page ends inside a document"
        for page in pages:
            if page.body is not None:
                assert source.decode("lines", page.body, page.codec) == list(page.records)
        some = list(islice(source.pull("lines", None, NOW), 3))
        rest, _, _ = pull(files(tmp_path, {**ORDERS, "page_size": size}), some[-1].cursor)
        assert [dict(r) for p in some for r in p.records] + rest == whole


def test_a_document_whose_rows_arrive_late_is_handed_over_again_whole(tmp_path: Path) -> None:
    source = files(tmp_path, {**ORDERS, "page_size": 4})
    put(tmp_path / "in/orders.csv", HEAD + orders(0, 5) + "P9,2025-03-09,I0,1\n")
    records, cursor, _ = pull(source)
    assert len(records[-1]["lines"]) == 1
    put(tmp_path / "in/orders.csv", HEAD + orders(0, 5) + "P9,2025-03-09,I0,1\nP9,2025-03-09,I1,1\n" + orders(10, 11))
    records, _, _ = pull(source, cursor)
    assert [(r["po"], len(r["lines"])) for r in records][-2:] == [("P9", 2), ("P10", 3)]
    assert errors(records) == []


def test_a_scattered_document_is_refused_not_overwritten_by_a_part(tmp_path: Path) -> None:
    text = HEAD + "A,1,x,1\nB,1,x,1\nA,1,y,1\nC,1,z,1\n"
    put(tmp_path / "in/orders.csv", text)
    for size in (1, 2, 100):
        records, _, _ = pull(files(tmp_path, {**ORDERS, "page_size": size}))
        assert [r["po"] for r in good(records)] == ["A", "B", "C"]
        assert [c for c, _ in errors(records)] == ["TO3174"]
    records, _, _ = pull(files(tmp_path, {**ORDERS, "group_adjacent": False}))
    assert [(r["po"], len(r["lines"])) for r in records] == [("A", 2), ("B", 1), ("C", 1)]


def test_a_document_that_may_lack_a_row_is_held(tmp_path: Path) -> None:
    put(tmp_path / "in/orders.csv", HEAD + "A,1,x,1\nB,1,x,1\nB,bad\nC,1,x,1\nD,1,x,1\n")
    for size in (1, 2, 3, 100):
        records, _, _ = pull(files(tmp_path, {**ORDERS, "page_size": size}))
        assert [r["po"] for r in good(records)] == ["A", "D"]
        assert sorted(c for c, _ in errors(records)) == ["TO3163", "TO3174", "TO3174"]
    records, _, _ = pull(files(tmp_path, {**ORDERS, "group_adjacent": False}))
    assert [r["po"] for r in good(records)] == ["A", "C", "D"]


def test_rows_that_disagree_on_their_header_are_refused(tmp_path: Path) -> None:
    put(tmp_path / "in/orders.csv", HEAD + "A,1,x,1\nA,2,y,1\nB,1,x,1\n")
    records, _, _ = pull(files(tmp_path, ORDERS))
    assert [r["po"] for r in good(records)] == ["B"]
    assert "disagree on day" in records[0]["$error"]["message"]


HEADERS = "po,vendor\nA,V1\nB,V2\n"
DETAILS = "id,po,qty\n1,A,5\n2,A,6\n3,B,7\n"
CHILDREN = {
    "name": "lines",
    "path": "in/headers.csv",
    "key": ["po"],
    "join": [{"path": "in/details.csv", "on": {"po": "po"}, "as": "rows", "many": True}],
}
PARENT = {
    "name": "lines",
    "path": "in/details.csv",
    "key": ["id"],
    "join": [{"path": "in/headers.csv", "on": {"po": "po"}, "as": "order"}],
}


def both(root: Path, headers: str = HEADERS, details: str = DETAILS) -> None:
    put(root / "in/headers.csv", headers)
    put(root / "in/details.csv", details)


def test_another_files_rows_are_attached(tmp_path: Path) -> None:
    both(tmp_path)
    records, cursor, _ = pull(files(tmp_path, CHILDREN))
    assert [(r["po"], [x["qty"] for x in r["rows"]]) for r in records] == [("A", ["5", "6"]), ("B", ["7"])]
    assert pull(files(tmp_path, CHILDREN), cursor)[0] == []
    records, _, pages = pull(files(tmp_path, PARENT))
    assert [(r["id"], r["order"]) for r in records][2] == ("3", {"po": "B", "vendor": "V2"})
    assert pages[0].body is None, "a record of two files has no bytes of its own"


def test_a_change_in_the_joined_file_brings_its_records_again(tmp_path: Path) -> None:
    both(tmp_path)
    _, cursor, _ = pull(files(tmp_path, CHILDREN))
    put(tmp_path / "in/details.csv", DETAILS + "4,B,8\n")
    records, cursor, _ = pull(files(tmp_path, CHILDREN), cursor)
    assert [len(r["rows"]) for r in records] == [2, 2]
    _, parents, _ = pull(files(tmp_path, PARENT))
    put(tmp_path / "in/headers.csv", HEADERS.replace("V2", "V7"))
    records, _, _ = pull(files(tmp_path, PARENT), parents)
    assert [r["order"]["vendor"] for r in records] == ["V1", "V1", "V7", "V7"]
    both(tmp_path, headers=HEADERS.replace("V2", "V9"), details=DETAILS + "4,B,8\n")
    assert [r["vendor"] for r in pull(files(tmp_path, CHILDREN), cursor)[0]] == ["V1", "V9"]


def test_rows_without_their_counterpart_are_named_never_dropped(tmp_path: Path) -> None:
    both(tmp_path, headers=HEADERS + "C,V3\n", details=DETAILS + "4,D,1\n5,D,2\nbad\n")
    records, _, _ = pull(files(tmp_path, CHILDREN))
    assert [r["po"] for r in good(records)] == ["A", "B"]
    messages = [r["$error"]["message"] for r in records if "$error" in r]
    assert messages == [
        "1 values where the header has 3 names",
        "in/details.csv has no row for rows C",
        "no record asks for the 2 rows of rows D",
    ]
    both(tmp_path, headers=HEADERS + "A,V9\n")
    records, _, _ = pull(files(tmp_path, PARENT))
    assert [c for c, _ in errors(records)] == ["TO3176", "TO3176"]
    assert [r["id"] for r in good(records)] == ["3"]
    optional = {**PARENT, "join": [{**PARENT["join"][0], "required": False}]}  # type: ignore[dict-item]
    both(tmp_path, headers="po,vendor\nA,V1\n")
    assert [r["order"] is None for r in pull(files(tmp_path, optional))[0]] == [False, False, True]


@pytest.mark.parametrize("stop", [1, 2, 3])
def test_rows_nobody_asked_for_are_named_however_the_pull_is_cut(tmp_path: Path, stop: int) -> None:
    both(tmp_path, details=DETAILS + "4,D,1\n")
    stream = {**CHILDREN, "page_size": 1}
    some = list(islice(files(tmp_path, stream).pull("lines", None, NOW), stop))
    said = [dict(r) for p in some for r in p.records]
    rest, cursor, _ = pull(files(tmp_path, stream), some[-1].cursor)
    assert "no record asks for the 1 rows of rows D" in [r["$error"]["message"] for r in said + rest if "$error" in r]
    assert pull(files(tmp_path, stream), cursor)[0] == []


def test_a_stored_page_is_read_as_it_was_whatever_the_configuration_says_now(tmp_path: Path) -> None:
    put(tmp_path / "in/orders.csv", HEAD + orders(0, 3))
    _, _, pages = pull(files(tmp_path, ORDERS))
    assert pages[0].body is not None
    later = files(tmp_path, {"name": "lines", "path": "in/orders.csv", "key": ["po"], "delimiter": ";"})
    assert later.decode("lines", pages[0].body, pages[0].codec) == list(pages[0].records)


def test_a_joined_file_beyond_the_bound_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tieout_files.records.JOIN_ROWS_MAX", 2)
    both(tmp_path)
    with pytest.raises(Drift, match="more than 2 rows") as refused:
        pull(files(tmp_path, CHILDREN))
    assert refused.value.code == "TO3173"


def test_personal_columns_keep_no_bytes(tmp_path: Path) -> None:
    put(tmp_path / "in/a.csv", "id,e-mail (home)\n1,a@b.example\n")
    source = files(tmp_path, {"name": "lines", "path": "in/a.csv", "key": ["id"], "personal": ["e-mail (home)"]})
    _, _, pages = pull(source)
    assert [p.body for p in pages] == [None, None]
    assert source.streams()[0].personal == ('"e-mail (home)"',)


STOCK: dict[str, Any] = {
    "name": "count",
    "kind": "stock",
    "path": "in/stock_*.csv",
    "stock": {"item": "sku", "location": "wh", "quantity": "qty", "as_of_name": "stock_%Y%m%d.csv"},
}


def rows_of(report: StockReport | None) -> list[tuple[str, str, str]]:
    assert report is not None
    return [(r.item, r.location, r.quantity) for r in report.rows]


def test_the_latest_count_at_or_before_the_day(tmp_path: Path) -> None:
    put(tmp_path / "in/stock_20250228.csv", "sku,wh,qty\nA,M,1\n")
    put(tmp_path / "in/stock_20250331.csv", "sku,wh,qty\nA,M,2.50\nB,M,10\nA,M,0.5\n")
    source = files(tmp_path, STOCK)
    zone = timezone(timedelta(hours=2))
    end = datetime(2025, 3, 31, 23, 59, 59, 999999, zone)
    report = source.stock(end)
    assert report is not None
    assert (report.as_of, report.complete) == (end, True)
    assert rows_of(report) == [("A", "M", "3"), ("B", "M", "10")]
    assert rows_of(source.stock(end - timedelta(seconds=1))) == [("A", "M", "1")]
    assert source.stock(datetime(2025, 1, 1, tzinfo=UTC)) is None
    assert [s.kind for s in source.streams()] == ["stock"]
    assert len(pull(source, stream="count")[0]) == 4


def test_a_count_dated_by_a_column(tmp_path: Path) -> None:
    put(tmp_path / "in/stock_a.csv", "sku,qty,at\nA,1,2025-03-01T10:00:00+00:00\nA,2,2025-03-02\nB,3,2025-03-02\n")
    stock = {"item": "sku", "location_default": "MAIN", "quantity": "qty", "as_of": "at"}
    source = files(tmp_path, {**STOCK, "stock": stock})
    assert rows_of(source.stock(NOW)) == [("A", "MAIN", "2"), ("B", "MAIN", "3")]
    assert rows_of(source.stock(datetime(2025, 3, 1, 10, tzinfo=UTC))) == [("A", "MAIN", "1")]
    stated = {"item": "sku", "location_default": "MAIN", "quantity": "qty", "as_of_date": "2025-03-31"}
    source = files(tmp_path, {**STOCK, "stock": stated})
    assert rows_of(source.stock(NOW)) == [("A", "MAIN", "3"), ("B", "MAIN", "3")]
    assert source.stock(datetime(2025, 3, 30, tzinfo=UTC)) is None


def test_an_empty_count_says_there_is_nothing(tmp_path: Path) -> None:
    put(tmp_path / "in/stock_20250228.csv", "sku,wh,qty\nA,M,1\n")
    put(tmp_path / "in/stock_20250331.csv", "sku,wh,qty\n")
    assert rows_of(files(tmp_path, STOCK).stock(NOW)) == []


@pytest.mark.parametrize("row", ["A,M,x", "A,M,", "A,M,1_0", "A,M,NaN", "A,M"])
def test_a_count_with_a_row_that_cannot_be_read_is_no_count(tmp_path: Path, row: str) -> None:
    put(tmp_path / "in/stock_20250331.csv", f"sku,wh,qty\nB,M,1\n{row}\n")
    with pytest.raises(Rejected) as refused:
        files(tmp_path, STOCK).stock(NOW)
    assert refused.value.code == "TO3175"
    assert refused.value.where == "in/stock_20250331.csv:3"


def test_a_count_whose_name_is_not_dated_is_refused(tmp_path: Path) -> None:
    put(tmp_path / "in/stock_final.csv", "sku,wh,qty\nB,M,1\n")
    with pytest.raises(Rejected, match="stock_final"):
        files(tmp_path, STOCK).stock(NOW)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"key": []}, "key"),
        ({"encoding": "utf-99"}, "utf-99"),
        ({"header": False}, "columns"),
        ({"kind": "stock"}, "stock"),
        ({"pth": "x"}, "pth"),
        ({"deletes": "record"}, "deletes"),
        ({"page_size": 0}, "page_size"),
        ({"group_by": ["po"], "key": ["id"]}, "group_header"),
        ({"stock": {"item": "a", "quantity": "q"}, "kind": "stock"}, "as_of"),
    ],
)
def test_configuration_slips_name_the_field(change: dict[str, Any], word: str) -> None:
    base = {"name": "lines", "path": "in/a.csv", "key": ["id"]}
    with pytest.raises(ValidationError, match=word):
        FilesConfig.model_validate({"streams": [{**base, **change}]})
    with pytest.raises(ValidationError, match="same name"):
        FilesConfig.model_validate({"streams": [base, base]})


def test_check_warns_of_keys_that_repeat(tmp_path: Path) -> None:
    put(tmp_path / "in/a.csv", "id,x\n1,a\n1,a\n2,b\n")
    source = files(tmp_path, {"name": "lines", "path": "in/a.csv", "key": ["id"]})
    warnings = [f for f in source.check() if f.level == "warning"]
    assert len(warnings) == 1
    assert "1 of the first 3 keys repeat" in warnings[0].what
