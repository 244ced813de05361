"""Several worker processes on one PostgreSQL, killed at random, one vendor dead: each company's books as an undisturbed run
makes them, nothing twice, in order. The ledgers' own files are the judge."""

from __future__ import annotations

import fcntl
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tieout import config
from tieout.operations.working import Worker
from tieout.store import lanes
from tieout.store.schema import booking, entry, event, lane
from tieout.store.store import Store
from tieout.testing.databases import drop_below, postgres_url
from tieout.worker import prepare

COMPANIES = ("ash", "birch", "cedar", "dead", "elm")
KILLS = 60 if os.environ.get("TIEOUT_HYPOTHESIS") == "nightly" else 6
SECONDS_MAX = 240  # until everything must be delivered
HEADER = "id,revision,kind,date,document,party,sku,quantity,location,unit_price,refers_to,reason"
COMPANY = """
[companies.{code}]
legal_name = "{code}"
currency = "USD"
timezone = "UTC"
ledger = "{code}_books"
items_file = "items.csv"
locations_file = "locations.csv"
accounts_template = "beancount"
posting = {{ grouping = "per_document" }}

[[companies.{code}.policies]]
cost_method = "fifo"

[connections.{code}_files]
id = "{code}_files"
connector = "files"
company = "{code}"

[[connections.{code}_files.streams]]
name = "movements"
path = "{code}/movements*.csv"
key = ["id"]
revision = "revision"
mapping = "mappings/movements.yaml"

[connections.{code}_books]
id = "{code}_books"
connector = "beancount"
company = "{code}"
path = "{code}.beancount"
lock_wait_seconds = 1
"""
TIMING = """
[schedule]
pull = { every = "2s" }
deliver = { every = "5s" }
"""


def movements(code: str, first: int, count: int) -> list[str]:
    """Rows of a company; receipts come with bills that restate what was shipped."""
    dice = random.Random(f"{code} {first}")
    rows = []
    for number in range(first, first + count):
        day = f"2026-01-{1 + (number % 28):02d}"
        if number % 5 == 1:
            price = f"{dice.randint(300, 900)}.{dice.randint(10, 99)}"
            rows.append(f"{number},1,receipt,2026-01-01,R-{number},ACME,MUG,{dice.randint(20, 40)},MAIN,{price},,")
        elif number % 25 == 2:
            rows.append(f"{number},1,bill,{day},B-{number},ACME,MUG,5,,9.99,R-{number - 1},")
        else:
            rows.append(f"{number},1,shipment,{day},S-{number},C-1,MUG,{dice.randint(1, 4)},MAIN,,,")
        if first > 1 and number % 5 == 3:  # an earlier shipment was told wrongly
            day = f"2026-01-{1 + ((number - 60) % 28):02d}"
            rows.append(f"{number - 60},2,shipment,{day},S-{number - 60},C-1,MUG,5,MAIN,,,")
    return rows


def feed(folder: Path, code: str, first: int, count: int) -> None:
    path = folder / code / f"movements-{first:05d}.csv"
    path.parent.mkdir(exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text("\n".join([HEADER, *movements(code, first, count)]) + "\n")
    part.rename(path)


def project(folder: Path, url: str) -> None:
    made = subprocess.run(
        [sys.executable, "-m", "tieout", "init", "--template", "files", "--name", "Work", "-C", str(folder)],
        check=True,
        capture_output=True,
    )
    assert made.returncode == 0
    shutil.rmtree(folder / "inbox")
    text = f'[project]\nname = "Work"\nstore = "{url}"\n' + "".join(COMPANY.format(code=c) for c in COMPANIES)
    (folder / "tieout.toml").write_text(text + TIMING)


def documents(path: Path) -> list[tuple[str, dict[str, Decimal]]]:
    """References and amounts per account of a beancount file, in the order in which they were appended."""
    out: list[tuple[str, dict[str, Decimal]]] = []
    for block in re.split(r"\n(?=\d{4}-\d\d-\d\d )", path.read_text()) if path.exists() else ():
        found = re.search(r"TO-[A-Z2-7]{12}", block)
        if found and " open " not in block.splitlines()[0]:
            lines = re.findall(r"^\s+([A-Z][\w:-]+)\s+(-?[\d.,]+) USD", block, re.M)
            sums: dict[str, Decimal] = {}
            for account, amount in lines:
                sums[account] = sums.get(account, Decimal(0)) + Decimal(amount.replace(",", ""))
            out.append((found.group(), sums))
    return out


def balances(path: Path) -> dict[str, Decimal]:
    sums: Counter[str] = Counter()
    for _, lines in documents(path):
        for account, amount in lines.items():
            sums[account] += amount  # type: ignore[assignment]
    return {account: amount for account, amount in sums.items() if amount}  # type: ignore[misc]


def start(folder: Path) -> subprocess.Popen[bytes]:
    log = (folder / "workers.log").open("ab")
    command = [sys.executable, "-m", "tieout", "worker", "--concurrency", "3", "-C", str(folder)]
    return subprocess.Popen(command, stdout=log, stderr=log)


def waiting(store: Store, *, but: str = "") -> int:
    """Lanes that have work and entries that are not in their ledger, of every company but one."""
    with store.read() as rx:
        left = rx.execute(
            sa.text(
                "SELECT (SELECT count(*) FROM lane l JOIN company c ON c.id = l.company WHERE l.wanted > l.progress"
                " AND c.code <> :but AND (l.what = 'books' OR l.what LIKE 'deliver:%')) + (SELECT count(*) FROM entry e"
                " JOIN company c ON c.id = e.company WHERE c.code <> :but AND e.state NOT IN ('posted', 'confirmed',"
                " 'withdrawn'))"
            ),
            {"but": but},
        ).scalar_one()
    return int(left)


def drains(folder: Path) -> int:
    return (folder / "workers.log").read_text().count(": done,")


def landed(store: Store) -> int:
    with store.read() as rx:
        return int(rx.execute(sa.text("SELECT count(*) FROM event")).scalar_one())


def until(condition: Any, seconds: float = SECONDS_MAX) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the work never came to an end"
        time.sleep(0.25)  # seconds


@pytest.mark.slow
def test_killed_at_random_with_a_dead_vendor_everything_arrives_once_and_in_order(tmp_path: Path) -> None:
    folder, calm = tmp_path / "work", tmp_path / "calm"
    url = postgres_url(tmp_path, tables=False)
    project(folder, url)
    for code in COMPANIES:
        feed(folder, code, 1, 60)
    dice = random.Random(5)
    dead = (folder / ".dead.beancount.lock").open("w")
    fcntl.flock(dead, fcntl.LOCK_EX)  # the vendor of one company does not answer
    store = Store.upgrade(url)
    workers = [start(folder) for _ in range(3)]
    try:
        for number in range(KILLS):
            wanted = drains(folder) + dice.randint(1, 12)  # so that every kill meets work
            until(lambda n=wanted: drains(folder) >= n)
            if number == 2:
                until(lambda: all(documents(folder / f"{c}.beancount") for c in COMPANIES if c != "dead"))
            if number in (2, 4, 5):
                for code in COMPANIES:
                    feed(folder, code, 21 + 20 * number, 20)
            victim = dice.randrange(3)
            workers[victim].send_signal(signal.SIGKILL)
            workers[victim].wait()
            workers[victim] = start(folder)
            if number == 3:
                with store.write() as tx:
                    tx.connection.exec_driver_sql(DROP_JOBS)
        until(lambda: landed(store) >= 120 * len(COMPANIES) and waiting(store, but="dead") == 0)
        assert documents(folder / "dead.beancount") == [], "the others went on while its vendor did not answer"
        dead.close()
        until(lambda: waiting(store) == 0)
        for each in workers:
            each.send_signal(signal.SIGTERM)
        assert [each.wait(60) for each in workers] == [0, 0, 0]
        with store.read() as rx:
            held = rx.execute(sa.select(sa.func.count()).select_from(lane).where(lane.c.holder.is_not(None)))
            assert held.scalar_one() == 0, "a worker that is told to stop leaves nothing behind"
    finally:
        for each in workers:
            each.kill()
            each.wait()
        dead.close()
    shutil.copytree(folder, calm, ignore=shutil.ignore_patterns("*.beancount", "*.lock", "*.log", "keys"))
    project_text = (calm / "tieout.toml").read_text().replace(url, "sqlite:///tieout.db")
    (calm / "tieout.toml").write_text(project_text)
    assert subprocess.run([sys.executable, "-m", "tieout", "run", "-C", str(calm)], check=False).returncode in (0, 3)
    for code in COMPANIES:
        there = documents(folder / f"{code}.beancount")
        assert len(there) > 80, "hardly anything was delivered"
        references = [reference for reference, _ in there]
        assert len(references) == len(set(references)), "doubled"
        with store.read() as rx:
            number = rx.execute(sa.text("SELECT id FROM company WHERE code = :code"), {"code": code}).scalar_one()
            query = sa.select(entry.c.id, entry.c.reference).where(
                entry.c.company == number, entry.c.state != "withdrawn", entry.c.reference.is_not(None)
            )
            chained: list[Any] = list(rx.execute(_CHAINS).all())
            rows: list[Any] = list(rx.execute(query.order_by(entry.c.id)).all())
        assert sorted(references) == sorted(row.reference for row in rows), "lost, or unknown to us"
        at = {row.id: references.index(row.reference) for row in rows}
        chains: dict[bytes, list[int]] = {}
        for each in sorted(chained, key=lambda pair: pair.entry):
            if each.entry in at:
                chains.setdefault(each.key, []).append(at[each.entry])
        corrected = sum(len(places) > 1 for places in chains.values())
        assert corrected or code == "dead", "nothing was corrected, so its order shows nothing"
        assert all(places == sorted(places) for places in chains.values()), "out of order"
        assert balances(folder / f"{code}.beancount") == balances(calm / f"{code}.beancount"), code
        print(f"{code}: {len(there)} documents, {corrected} events corrected, none twice")
    log = (folder / "workers.log").read_text()
    print(
        f"{KILLS} kills, {log.count(': done,')} drains, {log.count(': put_off,')} put off, {log.count(': failed,')} failed"
    )
    assert ": failed," not in log
    assert "dead deliver:dead_books: put_off" in log
    store.close()
    drop_below(tmp_path)


_CHAINS = sa.select(event.c.key, booking.c.entry).join(event, event.c.id == booking.c.event).distinct()
DROP_JOBS = """
DO $$ DECLARE r record; BEGIN
  FOR r IN SELECT p.oid::regprocedure AS name FROM pg_proc p WHERE p.proname LIKE 'procrastinate%%' LOOP
    EXECUTE 'DROP FUNCTION IF EXISTS ' || r.name || ' CASCADE'; END LOOP;
  FOR r IN SELECT tablename FROM pg_tables WHERE tablename LIKE 'procrastinate%%' LOOP
    EXECUTE 'DROP TABLE IF EXISTS ' || r.tablename || ' CASCADE'; END LOOP;
  FOR r IN SELECT t.typname FROM pg_type t WHERE t.typname LIKE 'procrastinate%%' AND t.typtype IN ('e', 'c') LOOP
    EXECUTE 'DROP TYPE IF EXISTS ' || r.typname || ' CASCADE'; END LOOP;
END $$
"""


def test_a_lane_asked_for_while_it_is_drained_is_drained_again_and_a_lost_job_comes_back(tmp_path: Path) -> None:
    url = postgres_url(tmp_path)
    project(tmp_path / "p", url)
    with Store.open(url) as store:
        prepare(store)
        prepare(store)
        worker = Worker(config.load(tmp_path / "p"), store, "ann")
        with store.write() as tx:
            for _ in range(3):
                lanes.wake(tx, 1, "books")
        assert jobs(store) == 1, "at most one waits per lane"
        with store.write(rows_only=True) as tx:
            number = lanes.waiting(tx, 1)[0][0]
            taken = lanes.take(tx, number, "a:1:1", now=1, lease=10)
            assert taken is not None
            assert lanes.take(tx, number, "b:1:1", now=2, lease=10) is None, "held"
            tx.connection.exec_driver_sql("DELETE FROM procrastinate_jobs")
        with store.write() as tx:
            lanes.wake(tx, 1, "books")
        with store.write(rows_only=True) as tx:
            tx.connection.exec_driver_sql("DELETE FROM procrastinate_jobs")
            assert lanes.finish(tx, taken, now=3, answered=True)
        assert jobs(store) == 1, "asked for while it was drained"
        with store.write() as tx:
            tx.connection.exec_driver_sql(DROP_JOBS)
            lanes.wake(tx, 1, "books")
        assert worker.sweep() == 1
        prepare(store)
        assert jobs(store) == 0
        assert worker.sweep() == 1
        assert jobs(store) == 1, "its tables were deleted, and nothing is lost"
        with store.write(rows_only=True) as tx:
            again = lanes.take(tx, number, "b:1:1", now=4, lease=10)
            late = lanes.take(tx, number, "c:1:1", now=15, lease=10)
            assert again is not None
            assert late is not None, "a lease that ran out is taken over"
            assert not lanes.finish(tx, again, now=16, answered=True), "fenced off"
            assert lanes.finish(tx, late, now=17, answered=False, not_before=100)
            assert lanes.due(tx, 99) == []
            assert lanes.due(tx, 100) == [(number, "books")]
    drop_below(tmp_path)


def jobs(store: Store) -> int:
    with store.read() as rx:
        return int(rx.execute(sa.text("SELECT count(*) FROM procrastinate_jobs WHERE status = 'todo'")).scalar_one())
