"""Unknown things wait, a person teaches them, a retry posts once; personal data never lands; a killed pull goes on."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tieout.errors import StoreError
from tieout.pull.personal import destroy_key
from tieout.pull.retry import original
from tieout.store import exceptions as cases
from tieout.store.acts import acts
from tieout.store.masters import add_alias, put
from tieout.store.verify import verify


def open_rows(project: Any) -> list[dict[str, Any]]:
    with project.store.read() as rx:
        return cases.list_exceptions(rx, project.company.id)


def teach(project: Any, external: str, code: str) -> None:
    with project.store.write() as tx:
        add_alias(tx, project.company.id, "ann", "item", external=external, code=code, connection="shop")


def test_an_unknown_item_waits_with_its_money_and_fix_while_the_rest_goes_on(project: Any, make: Any) -> None:
    result = project.pull(make.page(make.record("SO-1", ("AA", "2"), ("B", "1")), make.record("SO-2", ("A", "1"))))
    assert project.said() == [("SO-2", "A", 1)], "the whole event waits, the other record does not"
    (row,) = open_rows(project)
    assert (row["id"], row["code"], row["stage"], row["amount"]) == (result.exceptions[0], "TO3201", "resolve", 750)
    assert "tieout items alias AA A --connection shop" in row["fix"]
    assert "7.50 USD" in row["message"]
    with project.store.read() as rx:
        landed = original(rx, row["record"])
        (unknown,) = cases.unmapped(rx, project.company.id)
    assert landed.record == make.record("SO-1", ("AA", "2"), ("B", "1"))
    assert (unknown["external"], unknown["events"], unknown["amount"]) == ("AA", 1, 750)


def test_an_alias_and_a_retry_post_it_exactly_once(project: Any, make: Any) -> None:
    project.pull(make.page(make.record("SO-1", ("AA", "2"), ("B", "1"))))
    first = project.retry()
    assert (first.resolved, first.events, len(first.open)) == ([], 0, 1), "nothing was taught yet"
    teach(project, "AA", "A")
    second = project.retry()
    assert (len(second.resolved), second.events, second.open) == (1, 2, [])
    assert project.said() == [("SO-1", "A", 2), ("SO-1", "B", 1)]
    assert project.retry().events == 0
    assert project.pull(make.page(make.record("SO-1", ("AA", "2"), ("B", "1")))).events == 0
    assert open_rows(project) == []
    assert verify(project.store).problems == []
    with project.store.read() as rx:
        assert [act["what"] for act in acts(rx, project.company.id, what="exception.")] == ["exception.retry"] * 2


def test_a_record_the_mapping_refused_goes_through_after_it_is_mended(project: Any, make: Any) -> None:
    good, bad = make.record("SO-1", ("A", "1")), make.record("SO-2", ("A", "1,5"))
    project.pull(make.page(good, bad))
    assert [row["stage"] for row in open_rows(project)] == ["map"]
    project.mapping = make.mapping(
        make.text.replace("quantity: qty", "quantity: {from: qty, convert: {decimal: {comma: true}}}")
    )
    result = project.retry()
    assert (len(result.resolved), result.events) == (1, 1)
    late = project.pull(make.page(make.record("SO-2", ("A", "9"), rev="0")))
    assert late.counts["late_revisions"] == 1, "the retried revision decides now"
    assert sorted(line.quantity for line in project.lines()) == [1_000_000, 1_500_000]
    assert verify(project.store).problems == []


def test_a_newer_revision_closes_the_exception_by_itself(project: Any, make: Any) -> None:
    project.pull(make.page(make.record("SO-1", ("AA", "2"))))
    project.pull(make.page(make.record("SO-1", ("A", "2"), rev="2")))
    assert open_rows(project) == []
    with project.store.read() as rx:
        (row,) = cases.list_exceptions(rx, project.company.id, state="resolved")
    assert "newer revision" in row["closed_why"]


def test_a_refused_edit_leaves_what_stands_and_waits(project: Any, make: Any) -> None:
    project.pull(make.page(make.record("SO-1", ("A", "2"))))
    project.pull(make.page(make.record("SO-1", ("A", "two"), rev="2")))
    assert project.said() == [("SO-1", "A", 2)]
    assert len(open_rows(project)) == 1
    project.pull(make.page(make.record("SO-1", ("A", "1"), rev="1.5")))
    assert project.said() == [("SO-1", "A", 1)], "newer than what stands"
    assert len(open_rows(project)) == 1, "older than what is refused: that still waits"


def test_people_assign_ignore_and_resolve_with_reasons(project: Any, make: Any) -> None:
    project.company.owners = {"TO32": "items-team"}
    project.pull(make.page(make.record("SO-1", ("AA", "2")), make.record("SO-2", ("ZZ", "2"))))
    one, two = (row["id"] for row in open_rows(project))
    assert {row["owner"] for row in open_rows(project)} == {"items-team"}
    with project.store.write() as tx:
        cases.assign(tx, project.company.id, "ann", one, "bob")
        with pytest.raises(StoreError, match="reason"):
            cases.ignore(tx, project.company.id, "ann", one, " ")
        cases.ignore(tx, project.company.id, "ann", one, "test order")
        cases.resolve(tx, project.company.id, "ann", two, "booked by hand")
        with pytest.raises(StoreError, match="ignored already"):
            cases.resolve(tx, project.company.id, "ann", one, "again")
    assert open_rows(project) == []
    assert project.retry().events == 0


def test_an_event_that_waited_and_came_up_again_is_one_exception(project: Any, make: Any) -> None:
    project.pull(make.page(make.record("SO-1", ("AA", "2"))))
    project.retry()
    project.retry()
    (row,) = open_rows(project)
    assert row["times"] == 3


@pytest.mark.sqlite
def test_personal_values_are_in_no_file_and_the_same_person_keeps_one_pseudonym(project: Any, make: Any) -> None:
    project.stream = msgspec.structs.replace(make.stream, personal=("customer.name", "customer.email"))
    secret = {"name": "Erika Mustermann", "email": "erika@example.org"}
    project.pull(
        make.page(make.record("SO-1", ("A", "1"), customer=secret), make.record("SO-2", ("ZZ", "1"), customer=secret)),
        make.page({"$error": {"code": "TO3105", "message": "no", "raw": "Erika Mustermann;1", "fix": ""}}),
    )
    again = project.pull(make.page(make.record("SO-1", ("A", "1"), customer=secret)))
    assert again.counts["duplicates"] == 1
    project.store.close()
    files = b"".join(path.read_bytes() for path in project.folder.rglob("tieout.db*"))
    assert b"SO-1" in files, "the check can see text at all"
    connection = sqlite3.connect(project.folder / "tieout.db")
    import zlib

    bodies = b"".join(zlib.decompress(row[0]) for row in connection.execute("select body from page"))
    for text in (files, bodies):
        assert b"Mustermann" not in text and b"erika@" not in text
    (party,) = [row[0] for row in connection.execute("select text from name where kind = 'party'")]
    assert party.startswith("psn-")
    key = project.folder / "keys" / "main.key"
    assert key.stat().st_mode & 0o077 == 0
    destroy_key(project.folder / "keys", "main")
    assert not key.exists()


KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from conftest import Project, page, record
import tieout.pull.stream as stream
stream.COMMIT_RECORDS = 20
project = Project.again(Path({folder!r}))
pages = [page(*[record(f"SO-{{i}}", ("A", str(i + 1)), ("B", "1")) for i in range(n, n + 10)], cursor=str(n)) for n in range(0, 200, 10)]
pages.append(page(*[record(f"SO-{{i}}", ("A", "7"), rev="2") for i in range(0, 30, 3)], cursor="end"))
project.pull(*pages)
"""


@pytest.mark.parametrize("where", ["pull.before:4", "pull.commit:1", "pull.commit:6", "pull.after:3", "pull.commit:11"])
def test_a_pull_killed_at_any_moment_goes_on_to_the_same_rows(make: Any, tmp_path: Path, where: str) -> None:
    rows = []
    for name, killed in (("calm", False), ("killed", True)):
        folder = tmp_path / name
        make.project(folder).store.close()
        script = KILLED.format(tests=str(Path(__file__).parent), folder=str(folder))
        if killed:
            died = _run(script, where)
            assert died.returncode == -signal.SIGKILL, died.stderr
        done = _run(script, "")
        assert done.returncode == 0, done.stderr
        project = make.project.again(folder)
        rows.append(
            (
                [msgspec.to_builtins(line) for line in project.lines()],
                project.scalar("select count(*) from record"),
                project.scalar("select count(*) from superseded"),
            )
        )
        assert verify(project.store).problems == []
        project.store.close()
    assert rows[0] == rows[1]


def _run(script: str, failpoint: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "TIEOUT_FAILPOINT": failpoint}
    return subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=False)


def test_nothing_is_guessed_for_a_word_that_only_looks_alike(project: Any, make: Any) -> None:
    with project.store.write() as tx:
        from tieout.model.master import Item

        put(tx, project.company.id, "ann", [Item(sku="ab-1")])
    project.pull(make.page(make.record("SO-1", ("AB-1", "1"))))
    assert project.said() == []
    assert "ab-1" in open_rows(project)[0]["fix"]


def test_a_merge_teaches_the_new_item_and_moves_what_is_held_once(project: Any, make: Any) -> None:
    from datetime import date

    from tieout.pull.own import merge_items

    for _ in range(2):
        with project.store.write() as tx:
            held = {"MAIN": 3_000_000, "EAST": 0}
            merge_items(tx, project.company, "ann", old="B", into="A", day=date(2026, 3, 2), held=held)
    (line,) = project.lines()
    assert (line.type, line.item, line.quantity, line.extra) == ("stock.adjusted", "B", -3_000_000, {"to_item": "A"})
    assert line.source == "tieout/items.merge"
    project.pull(
        make.page(make.record("SO-1", ("B", "1")), make.record("SO-2", ("B", "2"), at="2026-03-01T10:00:00+00:00"))
    )
    assert project.said() == [("", "B", -3), ("SO-1", "A", 1), ("SO-2", "B", 2)]
    assert verify(project.store).problems == []


@pytest.mark.sqlite
def test_verify_names_the_batch_whose_rows_were_altered(project: Any, make: Any) -> None:
    project.pull(make.page(make.record("SO-1", ("A", "2"))))
    project.pull(make.page(make.record("SO-2", ("A", "2"))))
    raw = sqlite3.connect(project.store.path)
    raw.execute("DROP TRIGGER event_no_update")
    raw.execute("UPDATE event SET quantity = 1 WHERE document = 'SO-2'")
    raw.commit()
    raw.close()
    assert {problem.where for problem in verify(project.store).problems} == {"table event", "main: batch 2"}
