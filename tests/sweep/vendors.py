"""The same sweep against QuickBooks and Xero as simulated: the real connectors, the vendors' own books as the judge.

Here a crash is an exception that nothing catches: the simulator cannot be copied, so a life that ends is a life that was
lived. The vault outlives it, as the database would; a grant that was lost with the process is given again by a person.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec
from tests.http.vendor import MemoryVault
from tests.sweep.simulation import BEGIN, SECOND, SETTLED, Bench, Found, Tally, plan_of

from tieout import Context, Http, failpoints
from tieout.deliver import decide
from tieout.deliver.drain import Drained, drain
from tieout.errors import NeedsReauth
from tieout.model.journal import Document
from tieout.posting.accounts import AccountMap, AccountRow
from tieout.posting.bookings import Booker
from tieout_quickbooks import QuickBooks
from tieout_quickbooks.config import QuickBooksConfig
from tieout_sandbox.simulators.app import mounted
from tieout_sandbox.simulators.clock import SimClock
from tieout_sandbox.simulators.faults import FAULTS
from tieout_sandbox.simulators.quickbooks import QuickBooksSim
from tieout_sandbox.simulators.quickbooks.app import REALM
from tieout_sandbox.simulators.xero import XeroSim
from tieout_sandbox.simulators.xero.app import TENANT
from tieout_xero import Xero
from tieout_xero.config import XeroConfig

TURNS_MAX: Final = 60
ACCOUNTS: Final = {"quickbooks": {"inventory": "91", "cogs": "80"}, "xero": {"inventory": "631", "cogs": "310"}}

WAITS: Final = (5, 60, 400, 4_000)  # seconds; the last outlives an access token


class Crash(BaseException):
    """The process is gone: nothing that catches exceptions catches this."""


class WorldClock(SimClock):
    """One time for tieout and the vendor."""

    def __init__(self, bench: Bench) -> None:
        super().__init__()
        self.books = bench.books

    def now(self) -> float:
        return self.books.now / SECOND

    def advance(self, by: timedelta | float) -> None:
        seconds = by.total_seconds() if isinstance(by, timedelta) else by
        self.books.now += int(seconds * SECOND) + 1  # never no time at all: somebody waits for it


class Life:
    """Lives of a process beside one vendor, until everything asked for is settled."""

    def __init__(self, bench: Bench, seed: int) -> None:
        dice = random.Random(f"vendor {seed}")
        self.bench, self.books, self.plan = bench, bench.books, plan_of(seed)
        self.name = dice.choice(("quickbooks", "xero"))
        bench.put(bench.empty, BEGIN)
        clock = WorldClock(bench)
        self.sim: Any = (
            QuickBooksSim(clock=clock, unique_numbers=dice.random() < 0.5)
            if self.name == "quickbooks"
            else XeroSim(clock=clock, index_lag_seconds=dice.choice((0, 5)))
        )
        self.books.now += 60 * SECOND  # the company is older than the index is late
        swarm = dice.sample(sorted(FAULTS), dice.randint(1, 5))
        self.faults = [dice.choice(swarm) for _ in range(dice.randint(0, 6))]
        self.crashes = [dice.randint(1, 90) for _ in range(dice.randint(0, 2))]
        self.vault = MemoryVault()
        self.known = self.person = self.reconnected = self.lives = 0
        self.passed: Counter[str] = Counter()

    # ── a process ──────────────────────────────────────────────────────────────────────────────────────────────────
    def connect(self) -> Any:
        """The connector as a new process makes it."""
        config: QuickBooksConfig | XeroConfig
        shared = {"client_id": "env:TIEOUT_SWEEP_ID", "client_secret": "env:TIEOUT_SWEEP_SECRET"}
        made: type[QuickBooks] | type[Xero]
        if self.name == "quickbooks":
            made, config = QuickBooks, QuickBooksConfig.model_validate({"realm": REALM, **shared})
        else:
            made, config = Xero, XeroConfig.model_validate({"tenant": TENANT, "tier": "standard", **shared})
        http = partial(
            Http,
            hosts=made.manifest.hosts,
            vault=self.vault,
            transport=mounted(self.sim),
            now=self.sim.clock.now,
            sleep=self.sim.clock.sleep,
        )
        context = Context(
            connection="ledger",
            company="main",
            currency="USD",
            config=config,
            root=Path(),
            now=self.sim.clock.utc,
            http=http,
        )
        return made(context)

    def consent(self, ledger: Any) -> None:
        """A person connects the company, with nothing going wrong while they do."""
        asked, self.sim.faults._asked = self.sim.faults._asked, []
        handler, failpoints.handler = failpoints.handler, None
        ledger.http.grant.exchange({"grant_type": "authorization_code", "code": self.sim.grants.consent()})
        self.sim.faults._asked, failpoints.handler = asked, handler

    def process(self) -> bool:
        """A process from its start; False when it died."""
        self.lives += 1
        crash = self.crashes.pop(0) if self.crashes else 0
        life: Counter[str] = Counter()

        def handler(name: str) -> None:
            life[name] += 1
            self.passed[name] += 1
            if crash and life.total() == crash:
                raise Crash

        self.books.restart()
        accounts = AccountMap(AccountRow(role, account) for role, account in ACCOUNTS[self.name].items())
        self.books.booker = Booker(accounts, self.books.days)
        self.dead = {holder for (holder,) in self.bench.raw.execute("SELECT holder FROM lane") if holder}
        ledger = self.connect()
        if self.lives == 1:
            self.consent(ledger)
            self.sim.faults.next(*self.faults)
        failpoints.handler = handler
        try:
            for turn in range(TURNS_MAX):
                if self.turn(ledger):
                    return True
                self.books.now += WAITS[min(turn, len(WAITS) - 1)] * SECOND
        except Crash:
            return False
        finally:
            failpoints.handler = None
        raise AssertionError(f"never at rest: {self.rows()}")

    def turn(self, ledger: Any) -> bool:
        """Post what has become known, drain, let a person do what only a person can. True: all is settled."""
        states = {state for _, state, *_ in self.rows()}
        if self.known < len(self.plan.posts) and (self.plan.eager or not states & {"planned", "pending"}):
            self.books.post(self.plan.posts[self.known])
            self.known += 1
        delivery = self.books.delivery(ledger, group_max=self.plan.group, is_dead=self.dead.__contains__)
        done: Drained = drain(self.books.store, self.books.journal, delivery)
        if isinstance(done.error, NeedsReauth):
            self.reconnected += 1
            self.consent(ledger)
        rows = self.rows()
        parked = [number for number, state, *_ in rows if state == "parked"]
        if parked:
            self.person += 1
            self.books.now += 1_200 * SECOND
            decide.absent(self.books.store, delivery, parked[0], actor="ann", reason="it is not there")
        return self.known == len(self.plan.posts) and {state for _, state, *_ in rows} <= SETTLED

    def run(self) -> None:
        while not self.process():
            self.books.now = (self.books.now // SECOND + 2) * SECOND

    # ── the judge ──────────────────────────────────────────────────────────────────────────────────────────────────
    def rows(self) -> list[tuple[int, str, str, str, str]]:
        query = "SELECT id, state, reference, lineage, document FROM entry ORDER BY created_at, n, id"
        return self.bench.raw.execute(query).fetchall()

    def held(self) -> list[tuple[str, str]]:
        """(reference, day) of every document in the vendor's books, in the order they were written."""
        if self.name == "quickbooks":
            return [(doc["DocNumber"], doc["TxnDate"]) for doc in self.sim.documents("JournalEntry")]
        docs = sorted(self.sim.documents("ManualJournals"), key=lambda doc: str(doc["UpdatedDateUTC"]))
        return [(_marked(doc["Narration"]), str(doc["Date"])) for doc in docs if doc["Status"] == "POSTED"]

    def found(self) -> Found:
        rows = self.rows()
        held = [reference for reference, _ in self.held()]
        times = Counter(held)
        ours = {
            reference: (lineage, msgspec.json.decode(document, type=Document))
            for _, state, reference, lineage, document in rows
            if state in ("posted", "confirmed") and reference
        }
        place = {reference: n for n, reference in enumerate(ours)}
        last: dict[str, int] = {}
        disordered = 0
        for reference in held:
            if reference in ours:
                lineage = ours[reference][0]
                disordered += place[reference] < last.get(lineage, -1)
                last[lineage] = max(place[reference], last.get(lineage, -1))
        amounts = {flow.line.event_id: flow.amount for flows in self.plan.posts for flow in flows}
        there = self.sim.balances()
        accounts = {ACCOUNTS[self.name][role]: sign for role, sign in (("cogs", 1), ("inventory", -1))}
        shown = {code: int(there.get(code, 0) * 100) for code in accounts}
        wanted = {code: sign * sum(amounts.values()) for code, sign in accounts.items()}
        return Found(
            lost=sum(reference not in times for reference in ours),
            doubled=len(held) - len(times) + sum(reference not in ours for reference in times),
            disordered=disordered,
            differing=int(shown != wanted),
            unrested=int(self.known < len(self.plan.posts)),
            person=self.person,
        )


def _marked(narration: str) -> str:
    """Our reference in a narration, as a reader of the books would find it."""
    return next((word.strip("[]().,") for word in narration.split() if word.strip("[]().,").startswith("TO-")), "")


def judge(bench: Bench, seed: int) -> Tally:
    life = Life(bench, seed)
    crashes = list(life.crashes)
    where = f"vendor seed {seed}, {life.name}, faults {life.faults}, crashes {crashes}"
    try:
        life.run()
        found = life.found()
    except Exception as error:  # noqa: BLE001  (told with its seed, and counted)
        return Tally(plans=1, crashes=1, lives=1, unrested=1, stories=(f"{where}: {type(error).__name__}: {error}",))
    story = (f"{where}: {found}",) if found.wrong or found.person else ()
    return Tally(1, 1, life.lives, *found, found.person, story)


def sweep(seeds: range, bench: Bench) -> Tally:
    """All of these seeds, each a run with its faults and up to two crashes."""
    os.environ.update(TIEOUT_SWEEP_ID="client", TIEOUT_SWEEP_SECRET="secret")
    tally = Tally()
    for seed in seeds:
        tally = tally.plus(judge(bench, seed))
    return tally
