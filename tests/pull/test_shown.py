"""A mapped field that changes although the mapping could go on reading it: the stream is held, nothing of the page lands."""

from __future__ import annotations

from typing import Any

import pytest

from tieout.errors import Drift
from tieout.pull import cursors
from tieout.store.names import Names


def many(make: Any, start: int, count: int = 25, **more: Any) -> Any:
    return make.page(
        *(make.record(f"SO-{n}", ("A", "1"), **more) for n in range(start, start + count)), cursor=f"c{start}"
    )


def test_a_field_of_another_type_than_before_holds_the_stream(project: Any, make: Any) -> None:
    assert project.pull(many(make, 1)).events == 25
    result = project.pull(many(make, 101, lines=[{"line": "1", "sku": "A", "qty": 1, "unit": "each", "price": "2.50"}]))
    assert result.events == 0
    assert "TO2202 field 'lines[*].qty' is now number" in result.held
    assert result.cursor == "c1"
    with pytest.raises(Drift, match="is now number"):
        project.pull()


def test_a_field_that_every_record_had_and_a_page_lacks_holds_the_stream(project: Any, make: Any) -> None:
    project.pull(many(make, 1))
    page = many(make, 101)
    for record in page.records:
        del record["customer"]
    result = project.pull(page)
    assert "TO2201 field 'customer.name'" in result.held
    assert result.events == 0


def test_what_some_records_have_or_leave_empty_is_no_drift(project: Any, make: Any) -> None:
    project.pull(many(make, 1, customer={"name": None}))
    project.pull(many(make, 101, customer={"name": "C-2"}))
    assert project.pull(many(make, 201, customer=None)).held is None
    first = make.record("SO-300", ("A", "1"))
    del first["customer"]
    assert project.pull(make.page(first, make.record("SO-301", ("A", "1")))).held is None


def test_what_a_person_let_through_is_judged_no_more(project: Any, make: Any) -> None:
    project.pull(many(make, 1))
    changed: Any = {"lines": [{"line": "1", "sku": "A", "qty": 1, "unit": "each", "price": "2.50"}]}
    assert project.pull(many(make, 101, **changed)).held
    with project.store.write() as tx:
        source = Names(project.company.id).find(tx, "source", ["shop/movements"])["shop/movements"]
        cursors.release(tx, project.company.id, source, "ann", "the vendor now sends numbers")
    assert project.pull(many(make, 101, **changed)).events == 25
    assert project.pull(many(make, 201)).events == 25


def test_what_the_source_recorded_and_when_is_kept(project: Any, make: Any) -> None:
    project.mapping = make.mapping(make.text.replace("party: customer.name", "party: customer.name, recorded_at: seen"))
    project.pull(
        make.page(make.record("SO-1", ("A", "1"), seen="2026-03-03T08:00:00Z"), make.record("SO-2", ("A", "1")))
    )
    assert [line.recorded_at for line in project.lines()] == [1_772_524_800_000_000, None]
