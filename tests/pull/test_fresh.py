"""What a process has just landed is handed over from memory: the same lines as the database's, and never too many."""

from __future__ import annotations

from typing import Any

from tieout.pull.fresh import FRESH_LINES_MAX, Fresh
from tieout.store.lines import lines_by_number


def test_fresh_lines_equal_the_rows(project: Any, make: Any) -> None:
    one = make.page(make.record("SO-1", ("A", "1"), ("B", "2")), make.record("SO-2", ("A", "3")))
    (batch,) = project.pull(one).batches
    lines = project.company.fresh.lines(batch)
    assert len(lines) == 3
    with project.store.read() as rx:
        _, read = lines_by_number(rx, project.company.names, [line.row for line in lines])
    assert list(lines) == read
    project.company.fresh.drop(batch)
    assert project.company.fresh.lines(batch) is None


def test_another_process_has_nothing_at_hand(project: Any, make: Any) -> None:
    (batch,) = project.pull(make.page(make.record("SO-1", ("A", "1")))).batches
    assert make.project.again(project.folder).company.fresh.lines(batch) is None


def test_the_oldest_batches_go_first(make: Any, project: Any) -> None:
    project.pull(make.page(make.record("SO-1", ("A", "1"))))
    (line,) = project.lines()
    fresh = Fresh()
    half = [line] * (FRESH_LINES_MAX // 2)
    for batch in (1, 2, 3):
        fresh.put(batch, half)
    assert fresh.lines(1) is None
    assert fresh.lines(2) == fresh.lines(3) == half
