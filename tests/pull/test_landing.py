"""Landing: duplicates, edits, lateness, voids, sweeps, drift. The books depend on what landed, not on when."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
import pytest

from tieout.errors import Drift, PluginError, Retryable
from tieout.pull.cursors import load
from tieout.store.exceptions import list_exceptions
from tieout.store.masters import put
from tieout.store.verify import verify


def sound(project: Any) -> None:
    assert verify(project.store).problems == []


def test_a_page_lands_once_with_its_bytes_and_its_cursor(project: Any, make: Any) -> None:
    one = make.page(make.record("SO-1", ("A", "2"), ("B", "3")), make.record("SO-2", ("A", "1")), cursor="c7")
    result = project.pull(one)
    assert (result.counts["records"], result.counts["mapped"], result.events) == (2, 2, 3)
    assert project.said() == [("SO-1", "A", 2), ("SO-1", "B", 3), ("SO-2", "A", 1)]
    first = project.lines()[0]
    assert (first.amount, first.location, first.party, first.head, first.source) == (
        500,
        "MAIN",
        "C-1",
        True,
        "shop/movements",
    )
    with project.store.read() as rx:
        assert load(rx, project.company.id, project.scalar("select id from name where kind='source'")).cursor == "c7"
    with project.store.read() as rx:
        packed, sha = rx.connection.exec_driver_sql("select body, sha256 from page").one()
    import hashlib
    import zlib

    assert zlib.decompress(packed) == one.body
    assert hashlib.sha256(one.body).digest() == sha
    sound(project)


def test_the_same_page_again_changes_nothing_and_is_counted(project: Any, make: Any) -> None:
    one = make.page(make.record("SO-1", ("A", "2")), make.record("SO-2", ("A", "1")))
    project.pull(one)
    before = project.lines()
    result = project.pull(one, one)
    assert (result.counts["duplicates"], result.counts["mapped"], result.events, result.superseded) == (4, 0, 0, 0)
    assert project.lines() == before
    assert project.scalar("select count(*) from page") == 1
    sound(project)


def test_an_edit_replaces_only_the_events_it_changes(project: Any, make: Any) -> None:
    project.pull(make.page(make.record("SO-1", ("A", "2"), ("B", "3")), make.record("SO-2", ("A", "1"))))
    result = project.pull(make.page(make.record("SO-1", ("A", "5"), ("B", "3"), rev="2")))
    assert (result.events, result.superseded) == (2, 2)
    assert project.said() == [("SO-1", "A", 5), ("SO-1", "B", 3), ("SO-2", "A", 1)]
    assert len(project.lines(current=False)) == 5
    sound(project)


def test_a_newer_revision_that_says_the_same_changes_nothing(project: Any, make: Any) -> None:
    project.pull(make.page(make.record("SO-1", ("A", "2"))))
    result = project.pull(make.page(make.record("SO-1", ("A", "2"), rev="2", note="only a remark")))
    assert (result.counts["mapped"], result.events, result.superseded) == (1, 0, 0)
    late = project.pull(make.page(make.record("SO-1", ("A", "9"), rev="1.5")))
    assert late.counts["late_revisions"] == 1, "the newest revision known is 2, although it made no event of its own"
    third = project.pull(make.page(make.record("SO-1", ("A", "7"), rev="10")))
    assert (third.events, third.superseded) == (1, 1), "10 is after 2 as a number, and finds the lines of revision 1"
    assert project.said() == [("SO-1", "A", 7)]


def test_a_cancellation_takes_the_events_back(project: Any, make: Any) -> None:
    project.pull(make.page(make.record("SO-1", ("A", "2"))))
    result = project.pull(make.page(make.record("SO-1", ("A", "2"), rev="2", state="cancelled")))
    assert (result.counts["skipped"], result.superseded, dict(result.skipped)) == (1, 1, {"cancelled": 1})
    assert project.said() == []
    assert project.scalar("select why from superseded") == 1


@pytest.mark.parametrize("together", [True, False])
def test_every_order_of_arrival_ends_in_the_same_lines(make: Any, tmp_path: Any, together: bool) -> None:
    records = [
        make.record("SO-1", ("A", "1"), rev="2026-03-02T10:00:00+00:00"),
        make.record("SO-1", ("A", "2"), ("B", "1"), rev="2026-03-02T10:30:00+01:00"),  # earlier as an instant
        make.record("SO-1", ("B", "4"), rev="2026-03-02T11:00:00+00:00"),
        make.record("SO-1", ("A", "nine"), rev="2026-03-02T12:00:00+00:00"),  # cannot be mapped
    ]
    ends = set()
    for number, order in enumerate(itertools.permutations(records)):
        project = make.project(tmp_path / f"{number}")
        if together:
            project.pull(make.page(*order, order[0]))
        else:
            for one in (*order, order[1]):
                project.pull(make.page(one))
        with project.store.read() as rx:
            open_now = [(row["code"], row["subject"]) for row in list_exceptions(rx, project.company.id)]
        ends.add((tuple(project.said()), tuple(open_now)))
        sound(project)
        project.store.close()
    assert len(ends) == 1
    lines, exceptions = ends.pop()
    assert lines == (("SO-1", "B", 4),)
    assert len(exceptions) == 1


def test_a_stream_without_revisions_takes_the_last_landed(project: Any, make: Any) -> None:
    project.stream = msgspec.structs.replace(make.stream, revision=None)
    project.pull(make.page(make.record("SO-1", ("A", "1"))))
    project.pull(make.page(make.record("SO-1", ("A", "2"))))
    assert project.said() == [("SO-1", "A", 2)]
    again = project.pull(make.page(make.record("SO-1", ("A", "1"))))
    assert again.counts["duplicates"] == 1, "a second delivery of what was replaced is a duplicate"
    assert project.said() == [("SO-1", "A", 2)]


def test_a_complete_sweep_finds_deletions_and_nothing_else_does(project: Any, make: Any) -> None:
    project.stream = msgspec.structs.replace(make.stream, deletes="sweep")
    a, b, c = (make.record(f"SO-{i}", ("A", str(i))) for i in (1, 2, 3))
    project.pull(make.page(a, b, c))
    project.pull(make.page(a))
    assert len(project.said()) == 3, "a page that is no sweep deletes nothing"
    with pytest.raises(Retryable):
        project.pull(make.page(a, sweep="begin", cursor="s1"), Retryable("connection lost"))
    assert len(project.said()) == 3, "half a sweep deletes nothing"
    result = project.pull(make.page(c, sweep="end", cursor="s2"))
    assert (result.counts["deleted"], result.superseded) == (1, 1)
    assert [document for document, _, _ in project.said()] == ["SO-1", "SO-3"]
    assert project.scalar("select why from superseded") == 2
    old = project.pull(make.page(b))
    assert old.counts["duplicates"] == 1, "an old delivery does not bring a deleted record back"
    project.pull(make.page(a, b, sweep="begin"), make.page(c, sweep="end"))
    assert len(project.said()) == 3, "a sweep that lists it does"
    sound(project)


def test_an_empty_sweep_deletes_nothing_and_says_so(project: Any, make: Any) -> None:
    project.stream = msgspec.structs.replace(make.stream, deletes="sweep")
    project.pull(make.page(make.record("SO-1", ("A", "1"))))
    result = project.pull(make.page(sweep="end"))
    assert len(project.said()) == 1
    with project.store.read() as rx:
        assert [row["code"] for row in list_exceptions(rx, project.company.id)] == ["TO3154"]
    assert len(result.exceptions) == 1


def test_the_middle_of_a_sweep_that_never_began_is_refused(project: Any, make: Any) -> None:
    with pytest.raises(PluginError, match="TO3155"):
        project.pull(make.page(make.record("SO-1", ("A", "1")), sweep="middle"))
    assert project.said() == []


def test_drift_holds_the_stream_before_anything_of_that_page_lands(project: Any, make: Any) -> None:
    good, moved = make.record("SO-1", ("A", "1")), make.record("SO-2", ("A", "1"))
    moved["shipped_at"] = moved.pop("at")
    result = project.pull(make.page(good, cursor="c1"), make.page(moved, cursor="c2"))
    assert result.held is not None and "'at'" in result.held
    assert result.cursor == "c1"
    assert [document for document, _, _ in project.said()] == ["SO-1"]
    with pytest.raises(Drift, match="'at'"):
        project.pull(make.page(moved))
    project.mapping = make.mapping(make.text.replace("effective_at: at", "effective_at: {from: [at, shipped_at]}"))
    project.pull(make.page(moved, cursor="c2"))
    assert len(project.said()) == 2, "a mended mapping lets the stream go on"


def test_what_arrived_before_a_vendor_error_has_landed(project: Any, make: Any) -> None:
    with pytest.raises(Retryable):
        project.pull(make.page(make.record("SO-1", ("A", "1")), cursor="c1"), Retryable("503"))
    assert project.said() == [("SO-1", "A", 1)]
    assert project.scalar("select cursor from cursor") == "c1"


def test_a_cursor_the_vendor_forgot_is_read_again_from_the_beginning(project: Any, make: Any) -> None:
    from tieout.errors import Rejected

    one = make.page(make.record("SO-1", ("A", "1")))
    project.pull(one)
    with pytest.raises(Rejected):
        project.pull(Rejected("cursor expired", code="TO3153"), missing_cursor="refuse")


def test_a_record_without_identity_and_an_unreadable_one_stop_nobody(project: Any, make: Any) -> None:
    nameless = make.record("", ("A", "1"))
    unreadable = {
        "$error": {"code": "TO3105", "message": "row 7: 3 cells, 5 expected", "raw": "a;b;c", "fix": "mend it"}
    }
    result = project.pull(make.page(nameless, unreadable, make.record("SO-1", ("A", "1"))))
    assert (result.counts["failed"], result.counts["mapped"]) == (2, 1)
    with project.store.read() as rx:
        rows = {row["code"]: row for row in list_exceptions(rx, project.company.id)}
    assert set(rows) == {"TO3150", "TO3105"}
    assert "a;b;c" in rows["TO3105"]["data"]["record"]
    again = project.pull(make.page(nameless, unreadable))
    assert again.counts["duplicates"] == 2


def test_units_convert_exactly_or_hold_the_event(project: Any, make: Any) -> None:
    boxes = make.record("SO-1", ("A", "2"))
    boxes["lines"][0]["unit"] = "box"
    pallets = make.record("SO-2", ("A", "1"), ("B", "1"))
    pallets["lines"][0]["unit"] = "pallet"
    result = project.pull(make.page(boxes, pallets))
    assert project.said() == [("SO-1", "A", 24)]
    assert project.lines()[0].amount == 500, "the price is per box; the amount stays"
    with project.store.read() as rx:
        (row,) = list_exceptions(rx, project.company.id)
    assert (row["code"], row["amount"], len(result.exceptions)) == ("TO3203", 500, 1)


def test_items_that_are_not_stocked_are_left_out_and_counted(project: Any, make: Any) -> None:
    result = project.pull(make.page(make.record("SO-1", ("POST", "1"), ("A", "2"))))
    assert project.said() == [("SO-1", "A", 2)]
    assert dict(result.skipped) == {"item is not stocked": 1}
    assert project.lines()[0].head


def test_a_name_added_by_a_transaction_that_failed_is_forgotten(project: Any, make: Any) -> None:
    with pytest.raises(RuntimeError, match="stop"), project.store.write() as tx:
        project.company.names.intern(tx, "channel", ["ghost"])
        raise RuntimeError("stop")
    with project.store.write() as tx:
        put(tx, project.company.id, "test", [])
        number = project.company.names.intern(tx, "channel", ["real"])["real"]
    with project.store.read() as rx:
        assert project.company.names.texts(rx, [number])[number] == "real"
        assert project.company.names.find(rx, "channel", ["ghost"]) == {}
