"""Every format gives the values that the file holds, exactly, and names what it cannot read."""

from __future__ import annotations

import csv
import gzip
import io
import zipfile
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl import Workbook
from tests.connectors.files.dropfolder import NOW, errors, files, good, pull, put

from tieout import Source
from tieout_files import FilesSource, tieout_connector
from tieout_files.codes import CODES
from tieout_files.parse import Shape, normal, parse

CSV = "id,item,qty\n1,A,2\n2,B,3.50\n"
ROWS = [{"id": "1", "item": "A", "qty": "2"}, {"id": "2", "item": "B", "qty": "3.50"}]
LINES = {"name": "lines", "path": "in/*", "key": ["id"]}


def book(rows: list[list[Any]], title: str = "Sheet") -> bytes:
    made = Workbook()
    sheet = made.active
    assert sheet is not None
    sheet.title = title
    for row in rows:
        sheet.append(row)
    out = io.BytesIO()
    made.save(out)
    return out.getvalue()


def test_the_hook_gives_a_source(tmp_path: Path) -> None:
    assert tieout_connector() is FilesSource
    assert isinstance(files(tmp_path, LINES), Source)
    assert all(code.startswith("TO31") and len(page) == 3 for code, page in CODES.items())


@pytest.mark.parametrize(
    ("name", "content", "more"),
    [
        ("a.csv", CSV, {}),
        ("a.csv", CSV.replace("\n", "\r\n"), {}),
        ("a.csv", CSV.replace("\n", "\r"), {}),
        ("a.csv", CSV.rstrip("\n"), {}),
        ("a.csv", "\ufeff" + CSV, {}),
        ("a.csv.gz", gzip.compress(CSV.encode(), mtime=0), {}),
        ("a.tsv", CSV.replace(",", "\t"), {}),
        ("a.txt", CSV.replace(",", ";"), {"delimiter": ";"}),
        ("a.txt", CSV.encode("utf-16"), {"encoding": "utf-16"}),
        ("a.csv", CSV.encode("utf-32-be"), {"encoding": "utf-32-be"}),
        ("a.csv", "exported by X\n\n" + CSV, {"skip_rows": 2}),
        ("a.csv", CSV.split("\n", 1)[1], {"header": False, "columns": ["id", "item", "qty"]}),
        ("a.csv", "\ufeff" + CSV.split("\n", 1)[1], {"header": False, "columns": ["id", "item", "qty"]}),
        ("a.csv", CSV.replace("item", "Item No."), {"names": {"Item No.": "item"}}),
        ("a.csv", CSV.replace("A", "'A'"), {"quote": "'"}),
        ("a.csv", "\n" + CSV.replace("\n", "\n\n"), {"skip_rows": 1}),
        ("a.jsonl", '{"id":"1","item":"A","qty":"2"}\n{"id":"2","item":"B","qty":"3.50"}\n', {}),
        (
            "a.ndjson.gz",
            gzip.compress(b'{"id":"1","item":"A","qty":"2"}\n{"id":"2","item":"B","qty":"3.50"}', mtime=0),
            {},
        ),
        ("a.xlsx", book([["id", "item", "qty"], ["1", "A", "2"], ["2", "B", "3.50"]]), {}),
        ("a.xlsx.gz", gzip.compress(book([["id", "item", "qty"], ["1", "A", 2], [], [2, "B", "3.50"]]), mtime=0), {}),
        (
            "a.xlsx",
            book([["x"], ["id", "item", "qty"], ["1", "A", "2"], ["2", "B", "3.50"]], "S"),
            {"sheet": "S", "skip_rows": 1},
        ),
    ],
)
def test_the_same_rows_in_every_format(tmp_path: Path, name: str, content: Any, more: dict[str, Any]) -> None:
    put(tmp_path / "in" / name, content)
    source = files(tmp_path, {**LINES, **more})
    records, cursor, pages = pull(source)
    assert records == ROWS
    assert pages[-1].watermark == NOW
    assert pull(source, cursor)[0] == []
    assert [f.level for f in source.check()] == ["ok"]
    for page in pages:
        if page.body is not None:
            assert source.decode("lines", page.body, page.codec) == list(page.records)


def test_the_body_is_the_bytes_of_the_file(tmp_path: Path) -> None:
    content = '\ufeffid,note\r\n1,"two\r\nlines"\r\n2,"a ""q"""\r\n3,é\r\n4,x'.encode()
    put(tmp_path / "in/a.csv", content)
    for size in (1, 2, 3, 2_000):
        _, _, pages = pull(files(tmp_path, {**LINES, "page_size": size}))
        head = b"id,note\r\n"
        bodies = [p.body or b"" for p in pages[:-1]]
        assert all(b.startswith(head) for b in bodies)
        assert b"\xef\xbb\xbf" + head + b"".join(b[len(head) :] for b in bodies) == content
        assert [r["note"] for p in pages for r in p.records] == ["two\r\nlines", 'a "q"', "é", "x"]


def test_json_numbers_keep_every_digit(tmp_path: Path) -> None:
    put(
        tmp_path / "in/a.jsonl",
        '{"id": 1, "amount": 0.10, "big": 12345678901234567890.123456789, "n": [1.5, {"x": 2.50}]}\n',
    )
    (record,) = pull(files(tmp_path, LINES))[0]
    assert record == {
        "id": 1,
        "amount": Decimal("0.10"),
        "big": Decimal("12345678901234567890.123456789"),
        "n": [Decimal("1.5"), {"x": Decimal("2.50")}],
    }
    assert str(record["amount"]) == "0.10"


def test_excel_cells_become_the_text_that_was_typed(tmp_path: Path) -> None:
    row = [
        0.1 + 0.2,
        2.55,
        1e-7,
        123456789012345,
        date(2025, 3, 1),
        datetime(2025, 3, 1, 8, 30),
        True,
        None,
        "x",
        -5,
    ]
    put(tmp_path / "in/a.xlsx", book([[f"c{i}" for i in range(10)], row]))
    (record,) = pull(files(tmp_path, {**LINES, "key": ["c0"]}))[0]
    assert list(record.values()) == [
        "0.3",
        "2.55",
        "0.0000001",
        "123456789012345",
        "2025-03-01",
        "2025-03-01T08:30:00",
        "true",
        "",
        "x",
        "-5",
    ]


def test_an_excel_error_and_a_cell_without_a_name_are_refused_alone(tmp_path: Path) -> None:
    put(tmp_path / "in/a.xlsx", book([["id", "item"], ["1", "#N/A"], ["2", "B", "extra"], ["3", "C"]]))
    records, _, _ = pull(files(tmp_path, LINES))
    assert errors(records) == [("TO3177", 2), ("TO3163", 3)]
    assert good(records) == [{"id": "3", "item": "C"}]


@pytest.mark.parametrize(
    ("content", "codes", "ids"),
    [
        ("id,a\n1,x\n2\n3,x,y\n4,x\n", [("TO3163", 3), ("TO3163", 4)], "14"),
        ('id,a\n1,x\n2,"open\n3,x\n4,"y"\n5,z\n', [("TO3164", 3)], "1345"),
        ('id,a\n1,"x"y\n2,z\n', [("TO3164", 2)], "2"),
        ('id,a\n1,x\n2,"never closed\n', [("TO3164", 3)], "1"),
        (b"id,a\n1,x\n2,caf\xe9\n3,y\n", [("TO3165", 3)], "13"),
        (b'id,a\n1,"two\nl\xefnes"\n2,y\n', [("TO3164", 2), ("TO3165", 3)], "2"),
        ('id,a\n1,12" pipe\n2,y\n', [], "12"),
    ],
)
def test_a_bad_row_never_stops_a_good_one(tmp_path: Path, content: Any, codes: list[Any], ids: str) -> None:
    put(tmp_path / "in/a.csv", content)
    for size in (1, 2, 2_000):
        records, _, _ = pull(files(tmp_path, {**LINES, "page_size": size}))
        assert errors(records) == codes
        assert "".join(r["id"] for r in good(records)) == ids
    for record in records:
        if "$error" in record:
            assert {"code", "message", "file", "line", "where", "raw", "fix"} == set(record["$error"])
            assert record["$error"]["raw"]


def test_bad_json_lines_are_named(tmp_path: Path) -> None:
    put(tmp_path / "in/a.jsonl", b'{"id":1}\n{"id":2\n[3]\n\n{"id":"\xff"}\n{"id":NaN}\n{"id":4}\n')
    records, _, _ = pull(files(tmp_path, LINES))
    assert errors(records) == [("TO3166", 2), ("TO3166", 3), ("TO3165", 5), ("TO3166", 6)]
    assert good(records) == [{"id": 1}, {"id": 4}]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1234,56", "1234.56"),
        ("1.234,56", "1234.56"),
        ("-1.234.567,8", "-1234567.8"),
        ("5", "5"),
        ("1.234", "1234"),
        ("", ""),
        ("n/a", "n/a"),
        ("1.5", None),
        ("1,234.50", None),
        ("12.34,5", None),
        ("5 EUR", None),
    ],
)
def test_decimal_commas_are_read_as_declared_and_never_guessed(text: str, value: str | None) -> None:
    assert normal(text) == value


def test_decimal_commas_by_column(tmp_path: Path) -> None:
    put(tmp_path / "in/a.csv", "id;price;note\n1;1.234,50;1,5\n2;2.5;x\n3;;x\n")
    records, _, _ = pull(files(tmp_path, {**LINES, "delimiter": ";", "decimal_comma": ["price"]}))
    assert errors(records) == [("TO3171", 3)]
    assert good(records) == [{"id": "1", "price": "1234.50", "note": "1,5"}, {"id": "3", "price": "", "note": "x"}]
    put(tmp_path / "in2/a.xlsx", book([["id", "price"], ["1", 1.234], ["2", "1,5"]]))
    records, _, _ = pull(files(tmp_path, {**LINES, "path": "in2/*.xlsx", "decimal_comma": ["price"]}))
    assert [r["price"] for r in records] == ["1.234", "1.5"]


@pytest.mark.parametrize(
    ("name", "content", "more", "code"),
    [
        ("a.csv", "", {}, "TO3167"),
        ("a.csv", "nr,item\n1,A\n", {}, "TO3167"),
        ("a.csv", "id,id\n1,A\n", {}, "TO3167"),
        ("a.csv", "id,x\n1,A\n", {"decimal_comma": ["price"]}, "TO3167"),
        ("a.csv", b"id,caf\xe9\n1,A\n", {}, "TO3165"),
        ("a.csv.gz", b"not gzip", {}, "TO3168"),
        ("a.xlsx", b"not a workbook", {}, "TO3168"),
        ("a.xlsx", book([["id"]]), {"sheet": "Other"}, "TO3167"),
        ("a.xlsx", book([]), {}, "TO3167"),
    ],
)
def test_a_bad_file_never_stops_a_good_one(
    tmp_path: Path, name: str, content: Any, more: dict[str, Any], code: str
) -> None:
    put(tmp_path / "in" / name, content)
    put(tmp_path / "in/z.jsonl", '{"id": "9"}\n')
    source = files(tmp_path, {**LINES, **more})
    records, cursor, _ = pull(source)
    assert [c for c, _ in errors(records)] == [code]
    assert good(records) == [{"id": "9"}]
    assert pull(source, cursor)[0] == [], "said once, until the file changes"
    assert [f.level for f in source.check()] == ["error"]


def test_a_gzip_cut_off_gives_what_came_before_and_says_so(tmp_path: Path) -> None:
    rows = "id,a\n" + "".join(f"{n},{n * 7919 % 10007}\n" for n in range(50_000))
    packed = gzip.compress(rows.encode())
    path = put(tmp_path / "in/a.csv.gz", packed[: len(packed) // 2], old=False)
    source = files(tmp_path, {**LINES, "settle_seconds": 60})
    records, cursor, pages = pull(source)
    assert errors(records) == []
    assert 10_000 < len(records) < 50_000
    assert pages[-1].watermark is None, "half-written: the rest is still expected"
    put(path, packed)
    more, _, pages = pull(source, cursor)
    assert [r["id"] for r in records + more] == [str(n) for n in range(50_000)]
    assert pages[-1].watermark == NOW
    put(path, packed[: len(packed) // 2])
    records, _, _ = pull(source)
    assert [c for c, _ in errors(records)] == ["TO3168"]
    assert len(good(records)) > 10_000


def test_a_workbook_that_unpacks_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tieout_files.sheet.UNZIPPED_BYTES_MAX", 50_000)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b"0" * 60_000)
    put(tmp_path / "in/a.xlsx", out.getvalue())
    assert [c for c, _ in errors(pull(files(tmp_path, LINES))[0])] == ["TO3168"]


def test_a_line_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tieout_files.rows.LINE_BYTES_MAX", 1 << 20)
    put(tmp_path / "in/a.csv", b"id,a\n1,x\n" + b"y" * (3 << 20))
    records, _, _ = pull(files(tmp_path, LINES))
    assert good(records) == [{"id": "1", "a": "x"}]
    assert errors(records) == [("TO3168", 3)]


cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.tuples(cells, cells, cells), min_size=1, max_size=12),
    ends=st.sampled_from(["\n", "\r\n"]),
    size=st.integers(1, 5),
)
def test_whatever_csv_can_say_is_read_as_the_csv_module_reads_it(
    tmp_path: Path, rows: list[tuple[str, str, str]], ends: str, size: int
) -> None:
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator=ends, quoting=csv.QUOTE_ALL)
    writer.writerow(["a", "b", "c"])
    writer.writerows(rows)
    put(tmp_path / "in/a.csv", out.getvalue())
    source = files(tmp_path, {**LINES, "key": ["a"], "page_size": size})
    records, _, pages = pull(source)
    assert [tuple(r.values()) for r in records] == rows
    for page in pages:
        if page.body is not None:
            assert source.decode("lines", page.body, page.codec) == list(page.records)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_make_the_parser_fail(data: bytes) -> None:
    for shape in (Shape("csv", ("a", "b")), Shape("jsonl")):
        records, starts = parse(shape, data.splitlines(keepends=True), 1, "x")
        assert starts is None or len(starts) == len(records)
        msgspec.json.encode(records)


def test_the_schema_names_the_columns(tmp_path: Path) -> None:
    put(tmp_path / "in/a.csv", CSV)
    put(tmp_path / "empty/a.csv", "id,x.y\n")
    put(tmp_path / "json/a.jsonl", '{"id":1,"l":[{"q":1.5}],"n":null}\n{"id":"2","n":true}\n')
    other = {"path": "json/*.jsonl", "name": "json", "key": ["id"]}
    empty = {"path": "empty/*.csv", "name": "empty", "key": ["id", "x.y"]}
    one, two, three = files(tmp_path, LINES, empty, other).streams()
    text = {"type": "string"}
    assert one.schema == {
        "type": "object",
        "properties": {"id": text, "item": text, "qty": text},
        "additionalProperties": False,
    }
    assert two.schema is not None
    assert list(two.schema["properties"]) == ["id", "x.y"]
    assert two.key == ("id", '"x.y"')
    assert three.schema == {
        "type": "object",
        "additionalProperties": True,
        "properties": {
            "id": {"type": ["integer", "string"]},
            "l": {
                "type": "array",
                "items": {"type": "object", "additionalProperties": True, "properties": {"q": {"type": "number"}}},
            },
            "n": {"type": ["boolean", "null"]},
        },
    }


def test_dates_are_left_to_the_mapping(tmp_path: Path) -> None:
    put(tmp_path / "in/a.csv", "id,day\n1,03/04/2025\n")
    assert pull(files(tmp_path, LINES))[0] == [{"id": "1", "day": "03/04/2025"}]
