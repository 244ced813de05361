"""Kits and production through a real store: landed in any order over several runs, the journal is that of valuing at once."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
from random import Random

import pytest
import sqlalchemy as sa
from tests.operations.conftest import first_feeds, write
from tests.valuation.made_histories import history

from tieout.model.event import Event, lines_of
from tieout.model.roles import CONTROL_ROLES, ROLES
from tieout.operations.books import Books
from tieout.operations.desk import Desk
from tieout.posting.accounts import AccountMap, AccountRow
from tieout.posting.bookings import Booker
from tieout.pull.own import land_own
from tieout.store.schema import act, fact, holding, name
from tieout.valuation import value
from tieout.workspace import Workspace


def hashed(event: Event) -> Event:
    """The event under ids as the store keeps them."""

    def key(text: str) -> str:
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    lines = tuple(
        line
        if line.ref is None or line.ref.event is None
        else line.model_copy(update={"ref": line.ref.model_copy(update={"event": key(line.ref.event)})})
        for line in event.lines
    )
    ref = (
        event.ref
        if event.ref is None or event.ref.event is None
        else event.ref.model_copy(update={"event": key(event.ref.event)})
    )
    return event.model_copy(update={"id": key(event.id), "lines": lines, "ref": ref})


def desk_of(work: Workspace) -> Desk:
    desk = work.office(None).desk
    everywhere = AccountMap(AccountRow(role, f"Assets:{role}") for role in ROLES)
    desk.booker = Booker(everywhere, desk.days, category=desk.category, party_group=desk.party_group)
    return desk


@pytest.mark.parametrize("seed", [3, 6, 8])
def test_what_is_held_in_the_end_is_what_valuing_at_once_says(tmp_path: Path, seed: int) -> None:
    first_feeds(tmp_path)
    events = [hashed(event) for event in history(seed)]
    told = events[:]
    Random(seed).shuffle(told)
    with Workspace.open(tmp_path, actor="ann") as work:
        desk = desk_of(work)
        books = Books(desk)
        for start in range(0, len(told), 5):
            with desk.store.write() as tx:
                for event in told[start : start + 5]:
                    land_own(tx, desk.pulling, "ann", f"made.{event.type}", lines_of(event, currency="EUR"))
            books.keep(retry=True)
        books.keep(retry=True)
        with desk.store.read() as rx:
            t = holding.c
            query = sa.select(name.c.text, t.role, t.value).join(name, name.c.id == t.item).where(t.value != 0)
            held = {(row.text, row.role): row.value for row in rx.execute(query)}
    at_once = value(events, {}, currency="EUR", timezone="Europe/Amsterdam")
    want: Counter[tuple[str, str]] = Counter()
    for each in at_once.holdings:
        want[each.item, each.role] += each.value
    assert held == {key: worth for key, worth in want.items() if worth}
    assert any(role in CONTROL_ROLES for _, role in held)


def test_facts_are_imported_as_an_act_and_a_wrong_row_refuses_the_file(tmp_path: Path) -> None:
    first_feeds(tmp_path)
    write(tmp_path, "facts.csv", "item,component,quantity,effective", "SET,MUG,2,2026-01-01", "SET,BOWL,1,2026-01-01")
    write(tmp_path, "wrong.csv", "item,price", "MUG,cheap")
    write(tmp_path, "standards.csv", "item,standard_cost,effective", "MUG,4.50,2026-02-01")
    with Workspace.open(tmp_path, actor="ann") as work:
        assert work.import_facts(tmp_path / "facts.csv")["imported"] == 1
        assert work.import_facts(tmp_path / "facts.csv")["imported"] == 0
        with pytest.raises(Exception, match=r"wrong\.csv:2: price"):
            work.import_facts(tmp_path / "wrong.csv")
        assert work.import_facts(tmp_path / "standards.csv")["imported"] == 1
        desk = work.office(None).desk
        assert desk.facts.bom("SET", desk.today()) is not None
        with desk.store.read() as rx:
            acts = list(rx.execute(sa.select(act.c.what, act.c.actor).order_by(act.c.id)))
            assert ("facts.put", "ann") in {tuple(row) for row in acts}
            assert rx.execute(sa.select(sa.func.count()).select_from(fact)).scalar() == 1
