"""Guarantee: wherever the process dies, once and again, and whatever the ledger does, nothing is lost, doubled or out of
order; and the sweep that says so turns red when a rule it depends on is taken away.

The CI share of `make sweep` (tests/sweep/__main__.py): a few seeds of every kind of ledger, and of the vendors' simulators.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.sweep import simulation, vendors
from tests.sweep.simulation import KINDS, Bench, explore, plan_of, sweep

from tieout.deliver.settings import Delivery
from tieout.store import outbox
from tieout.store.schema import entry, lane

SEEDS = 1  # of every kind; `make sweep` takes hundreds
VENDOR_SEEDS = 20
TWO_AT_ONCE = (5, 17, 153, 178, 256, 273)  # seeds in which a second process takes the lane of a sleeping one
REGRESSIONS = Path(__file__).parent / "regressions.txt"


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.close()


@pytest.mark.parametrize("kind", KINDS)
def test_killed_everywhere_nothing_is_lost_doubled_or_out_of_order(kind: str, bench: Bench) -> None:
    offset = 1_000 * sorted(KINDS).index(kind)
    tally = sweep(range(offset, offset + SEEDS), pairs=0, bench=bench, kind=kind)
    assert tally.crashes > 20
    assert tally.wrong == 0, "\n".join(tally.stories)


def test_killed_again_while_it_recovers_nothing_is_lost_doubled_or_out_of_order(bench: Bench) -> None:
    tally = explore(bench, plan_of(17, "look-up"), pairs=1)
    assert tally.crashes > 100
    assert tally.wrong == 0, "\n".join(tally.stories)


def test_quickbooks_and_xero_by_their_own_books(bench: Bench) -> None:
    tally = vendors.sweep(range(VENDOR_SEEDS), bench)
    assert tally.wrong == 0, "\n".join(tally.stories)
    assert tally.person == 0, "both can be asked: nobody is needed"
    assert tally.lives > VENDOR_SEEDS, "no process died"


def _regressions() -> list[tuple[int, str]]:
    rows = [line.split("#")[0].strip() for line in REGRESSIONS.read_text().splitlines()]
    return [(int(row.split(" ", 1)[0]), row.split(" ", 1)[1]) for row in rows if row]


@pytest.mark.parametrize(("seed", "kind"), _regressions())
def test_a_seed_that_failed_once_passes(seed: int, kind: str, bench: Bench) -> None:
    tally = explore(bench, plan_of(seed, kind), pairs=0)
    assert tally.wrong == 0, "\n".join(tally.stories)


def test_the_sweep_passes_the_places_it_speaks_of(bench: Bench) -> None:
    passed: Counter[str] = Counter()
    for seed, kind in ((8, "look-up"), (17, "key"), (23, "nothing"), (29, "batch, key per call"), (8, "nothing")):
        _, watch = simulation.lived(bench, plan_of(seed, kind), None, keep=False)
        passed += watch.passed
    places = {name for name in passed if name.startswith("commit: before")}
    for wanted in ("drain.drain", "drain._release", "seal.seal_due", "send.send", "resolve._look_up", "resolve.park"):
        assert f"commit: before in tieout.deliver.{wanted}" in places
    assert {"send: before call", "send: after call", "resolve: after find"} <= set(passed)


# ── with a rule taken away ─────────────────────────────────────────────────────────────────────────────────────────
def _calm(bench: Bench, seeds: Iterable[int], **given: Any) -> simulation.Tally:
    """Lives without a crash, beside a ledger that has nothing but a look-up: what the mutants are shown on."""
    tally = simulation.Tally()
    for seed in seeds:
        plan = plan_of(seed, "look-up")._replace(**given)
        found, _ = simulation.lived(bench, plan, None, keep=False)
        tally = tally.plus(simulation.judged(plan, found, 1, "no crash"))
    return tally


def test_without_the_quiet_time_the_sweep_finds_doubles(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    late = {"faults": ["timeout_late"], "late": 150, "late_after": 209, "pause": None}
    assert _calm(bench, range(10), **late).wrong == 0
    monkeypatch.setattr(Delivery, "quiet", property(lambda _: 0))
    assert _calm(bench, range(10), **late).doubled > 0


def test_without_the_fence_the_sweep_finds_doubles(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def renew_lane(tx: Any, held: Any, *, until: int) -> bool:
        tx.execute(sa.update(lane).where(lane.c.id == held.id).values(expires_at=until))
        return True

    def settle(tx: Any, _: Any, row: Any, state: str, *, was: str = "sending", **values: Any) -> bool:
        where = (entry.c.id == row.id) & (entry.c.state == was)
        return bool(tx.execute(sa.update(entry).where(where).values(state=state, **values)).rowcount == 1)

    assert _calm(bench, TWO_AT_ONCE).wrong == 0
    monkeypatch.setattr(outbox, "renew_lane", renew_lane)
    monkeypatch.setattr(outbox, "settle", settle)
    assert _calm(bench, TWO_AT_ONCE).doubled > 0
