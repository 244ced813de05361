"""Files that grow, are replaced, come again under another name, or are still being written; and nothing is lost."""

from __future__ import annotations

import gzip
import tracemalloc
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.connectors.files.dropfolder import NOW, Record, age, errors, files, good, pull, put

from tieout import Fatal
from tieout_files import FilesSource

LINES = {"name": "lines", "path": "in/*", "key": ["id"]}
HEAD = "id,v\n"


def rows(start: int, end: int, mark: str = "x") -> str:
    return "".join(f"{n},{mark}{n}\n" for n in range(start, end))


def ids(records: list[Record]) -> list[int]:
    return [int(r["id"]) for r in good(records)]


@pytest.mark.parametrize("packed", [False, True])
def test_a_file_that_grew_is_continued(tmp_path: Path, packed: bool) -> None:
    path = tmp_path / ("in/a.csv.gz" if packed else "in/a.csv")

    def write(text: str) -> None:
        put(path, gzip.compress(text.encode()) if packed else text)

    source = files(tmp_path, {**LINES, "page_size": 100})
    write(HEAD + rows(0, 1000))
    records, cursor, _ = pull(source)
    assert ids(records) == list(range(1000))
    write(HEAD + rows(0, 1500))
    records, cursor, _ = pull(source, cursor)
    assert ids(records) == list(range(1000, 1500))
    assert pull(source, cursor)[0] == []


def test_a_replaced_file_is_read_whole(tmp_path: Path) -> None:
    source = files(tmp_path, LINES)
    put(tmp_path / "in/a.csv", HEAD + rows(0, 30_000))
    _, cursor, _ = pull(source)
    changed = (HEAD + rows(0, 30_000)).replace("29000,x29000", "29000,y29000")
    put(tmp_path / "in/a.csv", changed + rows(30_000, 30_010))
    records, cursor, _ = pull(source, cursor)
    assert len(records) == 30_010, "an edit in the middle of a file that also grew is not overlooked"
    put(tmp_path / "in/a.csv", HEAD + rows(5, 10))
    assert ids(pull(source, cursor)[0]) == list(range(5, 10))


def test_the_same_content_with_another_time_is_not_handed_over_again(tmp_path: Path) -> None:
    source = files(tmp_path, LINES)
    path = put(tmp_path / "in/a.csv", HEAD + rows(0, 10))
    _, cursor, _ = pull(source)
    age(path, 60)
    records, cursor, _ = pull(source, cursor)
    assert records == []
    assert pull(source, cursor)[0] == []


def test_the_same_content_under_another_name_is_skipped_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = files(tmp_path, LINES)
    put(tmp_path / "in/a.csv", HEAD + rows(0, 10))
    _, cursor, _ = pull(source)
    put(tmp_path / "in/b.csv", HEAD + rows(0, 10))
    put(tmp_path / "in/c.csv", HEAD + rows(0, 9) + "9,y9\n")
    with caplog.at_level("INFO", logger="tieout.files"):
        records, cursor, _ = pull(source, cursor)
    assert ids(records) == list(range(10)), "of the same size, but other content: read"
    assert records[9]["v"] == "y9"
    assert "in/b.csv holds what in/a.csv held; skipped" in caplog.text
    assert pull(source, cursor)[0] == []


def test_a_last_line_without_its_end_waits_until_nobody_writes(tmp_path: Path) -> None:
    source = files(tmp_path, {**LINES, "settle_seconds": 60})
    path = put(tmp_path / "in/a.csv", HEAD + "1,x1\n2,x", old=False)
    records, cursor, pages = pull(source)
    assert ids(records) == [1]
    assert pages[-1].watermark is None
    put(path, HEAD + "1,x1\n2,x2\n3,x", old=False)
    records, cursor, pages = pull(source, cursor)
    assert [r["v"] for r in records] == ["x2"]
    age(path)
    records, cursor, pages = pull(source, cursor)
    assert [r["v"] for r in records] == ["x"]
    assert pages[-1].watermark == NOW


def test_a_workbook_half_written_is_waited_for(tmp_path: Path) -> None:
    source = files(tmp_path, {**LINES, "settle_seconds": 60})
    path = put(tmp_path / "in/a.xlsx", b"PK\x03\x04 half", old=False)
    records, cursor, pages = pull(source)
    assert (records, pages[-1].watermark) == ([], None)
    age(path)
    records, cursor, _ = pull(source, cursor)
    assert [c for c, _ in errors(records)] == ["TO3168"]


@pytest.mark.parametrize("stop", [1, 2, 3, 5, 9])
def test_a_pull_that_stops_anywhere_is_continued_without_loss(tmp_path: Path, stop: int) -> None:
    for n in range(3):
        put(tmp_path / f"in/{n}.csv", HEAD + rows(n * 100, n * 100 + 100))
    source = files(tmp_path, {**LINES, "page_size": 30})
    some = list(islice(source.pull("lines", None, NOW), stop))
    rest, _, _ = pull(files(tmp_path, {**LINES, "page_size": 30}), some[-1].cursor)
    assert [int(r["id"]) for p in some for r in p.records] + ids(rest) == list(range(300))


def test_numbers_are_the_same_however_the_pull_is_cut(tmp_path: Path) -> None:
    """Exact duplicate lines are separate transactions: numbered within their invoice in file order."""
    text = "inv,item\n" + "".join(f"{n % 7},A\n" for n in range(100))
    stream = {"name": "lines", "path": "in/*.csv", "row_number_per": ["inv"]}
    put(tmp_path / "in/a.csv", text)
    once, _, _ = pull(files(tmp_path, stream))
    assert len({(r["inv"], r["row_number"]) for r in once}) == 100
    assert [r["row_number"] for r in once if r["inv"] == "3"] == [str(n) for n in range(1, 15)]
    assert next(iter(files(tmp_path, stream).streams())).key == ("inv", "row_number")
    for size in (1, 7, 33):
        source = files(tmp_path, {**stream, "page_size": size})
        cut = list(islice(source.pull("lines", None, NOW), 2))
        rest, _, _ = pull(files(tmp_path, {**stream, "page_size": size}), cut[-1].cursor)
        assert [dict(r) for p in cut for r in p.records] + rest == once
        for page in cut:
            assert page.body is not None
            assert source.decode("lines", page.body, page.codec) == list(page.records)
    _, cursor, _ = pull(files(tmp_path, stream))
    put(tmp_path / "in/a.csv", text + "3,A\n3,A\n")
    assert pull(files(tmp_path, stream), cursor)[0] == [
        {"inv": "3", "item": "A", "row_number": "15"},
        {"inv": "3", "item": "A", "row_number": "16"},
    ]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["grow", "half", "replace", "copy", "new"]), st.integers(1, 12)), max_size=8
    ),
    size=st.integers(1, 7),
    stops=st.lists(st.integers(1, 4), max_size=4),
)
def test_whatever_happens_to_the_files_every_row_arrives(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]], size: int, stops: list[int]
) -> None:
    """Any history of growing, half lines, replacing, copying and new files, pulled in pieces: nothing is missing."""
    root = tmp_path_factory.mktemp("drop")
    content = {"a.csv": HEAD}
    put(root / "in/a.csv", HEAD)
    seen: set[str] = set()
    cursor: str | None = None
    n = 0

    def read(pages: Iterator[Any]) -> None:
        nonlocal cursor
        for page in pages:
            assert errors(list(page.records)) == []
            seen.update(r["v"] for r in page.records)
            cursor = page.cursor

    for index, (act, count) in enumerate(steps):
        name = sorted(content)[count % len(content)]
        fresh = rows(n, n + count, act[0])
        n += count
        if act in ("grow", "half"):
            content[name] += fresh
        elif act == "replace":
            content[name] = HEAD + fresh
        elif act == "copy":
            content[f"copy{index}.csv"] = content[name]
        else:
            content[f"new{index}.csv"] = HEAD + fresh
        for each, text in content.items():
            half = act == "half" and each == name
            put(root / "in" / each, text[:-3] if half else text, old=not half)
        source = files(root, {**LINES, "page_size": size, "settle_seconds": 60})
        if index < len(stops):
            read(islice(source.pull("lines", cursor, NOW), stops[index]))
    for each, text in content.items():
        put(root / "in" / each, text)
    read(files(root, {**LINES, "page_size": size, "settle_seconds": 60}).pull("lines", cursor, NOW))
    wanted = {line.split(",")[1] for text in content.values() for line in text.split("\n")[1:-1]}
    assert wanted <= seen


def test_order_by_name_or_by_time(tmp_path: Path) -> None:
    put(tmp_path / "in/b.csv", HEAD + "1,old\n")
    age(tmp_path / "in/b.csv", 7200)
    put(tmp_path / "in/a.csv", HEAD + "1,new\n")
    assert [r["v"] for r in pull(files(tmp_path, LINES))[0]] == ["new", "old"]
    assert [r["v"] for r in pull(files(tmp_path, {**LINES, "order": "mtime"}))[0]] == ["old", "new"]


def test_a_snapshot_is_a_sweep_only_when_every_row_was_read(tmp_path: Path) -> None:
    stream = {**LINES, "path": "in/all.csv", "deletes": "sweep", "page_size": 4}
    path = put(tmp_path / "in/all.csv", HEAD + rows(0, 10))
    source = files(tmp_path, stream)
    _, cursor, pages = pull(source)
    assert [p.sweep for p in pages] == ["begin", "middle", "middle", "end", ""]
    put(path, HEAD + rows(0, 9))
    records, cursor, pages = pull(source, cursor)
    assert (ids(records), [p.sweep for p in pages][-2]) == (list(range(9)), "end")
    put(path, HEAD + rows(0, 10))
    assert ids(pull(source, cursor)[0]) == list(range(10)), "a snapshot is never continued"
    put(path, HEAD + rows(0, 8) + "8\n")
    records, cursor, pages = pull(source, cursor)
    assert "end" not in [p.sweep for p in pages]
    assert [c for c, _ in errors(records)] == ["TO3163"]
    put(path, HEAD)
    records, cursor, pages = pull(source, cursor)
    assert ([c for c, _ in errors(records)], "end" in [p.sweep for p in pages]) == (["TO3172"], False)
    put(path, HEAD + rows(0, 3), old=False)
    records, cursor, pages = pull(files(tmp_path, {**stream, "settle_seconds": 60}), cursor)
    assert (records, pages[-1].watermark) == ([], None), "a snapshot still being written would delete what it lacks"


def test_a_sweep_cut_off_before_its_end_is_swept_again(tmp_path: Path) -> None:
    stream = {**LINES, "path": "in/all.csv", "deletes": "sweep", "page_size": 4}
    put(tmp_path / "in/all.csv", HEAD + rows(0, 10))
    for stop in (1, 2, 3):
        some = list(islice(files(tmp_path, stream).pull("lines", None, NOW), stop))
        records, _, pages = pull(files(tmp_path, stream), some[-1].cursor)
        assert ids(records) == list(range(10))
        assert [p.sweep for p in pages] == ["begin", "middle", "middle", "end", ""]


def test_a_gigabyte_would_be_read_in_flat_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Measured by peak allocation over a file ten times as large; what is held is a page and a chunk (a small one here)."""
    monkeypatch.setattr("tieout_files.rows.CHUNK_BYTES", 1 << 16)

    def peak(count: int, packed: bool) -> int:
        text = (HEAD + "".join(f"{n},{'x' * 90}\n" for n in range(count))).encode()
        path = put(tmp_path / ("in/a.csv.gz" if packed else "in/a.csv"), gzip.compress(text, 1) if packed else text)
        source = files(tmp_path, {**LINES, "page_size": 200})
        del text
        tracemalloc.start()
        assert sum(len(p.records) for p in source.pull("lines", None, NOW)) == count
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        path.unlink()
        return top

    for packed in (False, True):
        assert peak(30_000, packed) < 1.2 * peak(3_000, packed)


def test_a_cursor_that_is_not_ours_is_refused(tmp_path: Path) -> None:
    put(tmp_path / "in/a.csv", HEAD)
    for text in ("", "x", '{"v": 2}', '{"files": {"a": 1}}'):
        with pytest.raises(Fatal) as refused:
            pull(files(tmp_path, LINES), text)
        assert refused.value.code == "TO3170"


def test_missing_files_are_named_with_the_nearest_names(tmp_path: Path) -> None:
    put(tmp_path / "in/orders.csv", HEAD)
    put(tmp_path / "in/items.csv", HEAD)
    for path, missing in (("in/oders.csv", "'oders.csv'"), ("im/*.csv", "'im'")):
        source = files(tmp_path, {**LINES, "path": path})
        with pytest.raises(Fatal, match=missing) as refused:
            pull(source)
        assert refused.value.code == "TO3161"
        assert ("orders.csv" if "oders" in path else "in") in str(refused.value.fix)
        assert [f.level for f in source.check()] == ["error"]
    assert pull(files(tmp_path, {**LINES, "path": "in/*.tsv"}))[0] == []
    with pytest.raises(Fatal, match="lines"):
        pull(files(tmp_path, LINES), stream="line")


def test_no_file_outside_the_project_is_read(tmp_path: Path) -> None:
    root, outside = tmp_path / "project", tmp_path / "outside"
    put(outside / "a.csv", HEAD + rows(0, 3))
    root.mkdir()
    (root / "in").mkdir()
    (root / "in/link.csv").symlink_to(outside / "a.csv")
    for path in (str(outside / "a.csv"), str(outside / "*.csv"), "in/*.csv"):
        with pytest.raises(Fatal) as refused:
            pull(files(root, {**LINES, "path": path}))
        assert refused.value.code == "TO3162"
        assert ids(pull(files(root, {**LINES, "path": path}, folders=[str(outside)]))[0]) == [0, 1, 2]
    with pytest.raises(ValueError, match=r"\.\."):
        files(root, {**LINES, "path": "../outside/*.csv"})


def test_two_files_of_one_name_in_two_folders_are_two(tmp_path: Path) -> None:
    put(tmp_path / "in/x/a.csv", HEAD + rows(0, 2))
    put(tmp_path / "in/y/a.csv", HEAD + rows(2, 4))
    source: FilesSource = files(tmp_path, {**LINES, "path": "in/**/*.csv"})
    assert ids(pull(source)[0]) == [0, 1, 2, 3]
