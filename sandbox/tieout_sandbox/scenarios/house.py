"""The whole house around a scenario: a project folder, feeds, simulated ledgers, simulated time, and the workspace."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Final

from tieout import TieoutError, Workspace
from tieout_sandbox.scenarios import ledgers, words
from tieout_sandbox.scenarios.business import PLACES, SUPPLIERS, ZONE, Business, plain
from tieout_sandbox.simulators.app import mounted
from tieout_sandbox.simulators.clock import SimClock
from tieout_sandbox.simulators.faults import Faults

RATES: Final = {
    "throttled": 0.03,  # ratio
    "throttled_date": 0.01,  # ratio
    "throttled_silent": 0.02,  # ratio
    "error_before": 0.03,  # ratio
    "error_after": 0.03,  # ratio
    "server_error_before": 0.02,  # ratio
    "server_error_after": 0.02,  # ratio
    "timeout_before": 0.02,  # ratio
    "timeout_after": 0.03,  # ratio
    "reset_before": 0.02,  # ratio
    "reset_after": 0.02,  # ratio
    "truncated": 0.02,  # ratio
    "html": 0.02,  # ratio
    "empty": 0.02,  # ratio
    "expired_token": 0.02,  # ratio
}
ROUNDS_MAX: Final = 24  # runs until the outbox is quiet
GRANT_REFUSED: Final = "TO6205"
WAIT: Final = timedelta(minutes=20)  # between two of them


class House:
    """`businesses` at work in `folder`, their ledgers in this process. `fault_seed` None: nothing goes wrong."""

    def __init__(
        self,
        folder: Path,
        businesses: Sequence[Business],
        kinds: Sequence[str],
        *,
        ledger: str = "quickbooks",
        fault_seed: int | None = None,
        policy: Mapping[str, str] | None = None,
        company: str = "",
        facts: str = "",
        start: date = date(2026, 1, 1),
    ) -> None:
        self.folder = folder
        self.ledger = ledger
        self.kinds = kinds
        self.start = start
        self.businesses = {business.code: business for business in businesses}
        self.clock = SimClock(datetime.combine(start, time(6), ZONE))
        self.faults = Faults(fault_seed or 0, RATES if fault_seed is not None else None)
        self.books: dict[str, ledgers.QuickBooksBooks | ledgers.XeroBooks] = {}
        self.files = 0
        self.runs = 0
        self.consents = 0
        folder.mkdir(parents=True, exist_ok=True)
        if ledger != "beancount":
            for code in self.businesses:
                path = folder / f"{ledger}-{code}.db"
                self.books[code] = ledgers.make(ledger, self.clock, Faults(), path)
        self._write(policy or {}, company, facts)
        self._open(facts)

    # ── the project folder ─────────────────────────────────────────────────────────────────────────────────────────
    def _write(self, policy: Mapping[str, str], company: str, facts: str) -> None:
        folder = self.folder
        (folder / "feeds").mkdir(exist_ok=True)
        (folder / "mappings").mkdir(exist_ok=True)
        (folder / "client.id").write_text("client")
        (folder / "client.secret").write_text("secret")
        head = '[project]\nname = "Scenario"\nstore = "sqlite:///tieout.db"\n'
        parts = [head, *(self._company(b, policy, company) for b in self.businesses.values())]
        (folder / "tieout.toml").write_text("\n".join(parts))
        for kind in self.kinds:
            (folder / "mappings" / f"{words.stream(kind)}.yaml").write_text(words.mapping(kind))
        items = {sku: item for b in self.businesses.values() for sku, item in b.items.items()}
        rows = [f"{i.sku},{i.sku.title()},goods,{i.unit},{i.units},{i.cost},{i.kind}" for i in items.values()]
        _lines(folder / "items.csv", "sku,name,category,stock_unit,units,catalogue_cost,kind", rows)
        _lines(folder / "locations.csv", "code,name,kind", [f"{p},{p},warehouse" for p in PLACES])
        parties = [*(f"{p},{p},supplier" for p in (*SUPPLIERS, "CAR-1")), "C-1,Customer,customer"]
        parties += [f"{code},{code},affiliate" for code in self.businesses if len(self.businesses) > 1]
        _lines(folder / "parties.csv", "code,name,kind", parties)
        if facts:
            (folder / "facts.json").write_text(facts)

    def _company(self, business: Business, policy: Mapping[str, str], company: str) -> str:
        code = business.code
        said = "\n".join(f'{name} = "{value}"' for name, value in {"cost_method": "fifo", **policy}.items())
        lines = [
            f'[companies.{code}]\nlegal_name = "{code} Inc."\ncurrency = "USD"\ntimezone = "{ZONE.key}"',
            f'ledger = "books_{code}"\nitems_file = "items.csv"\nlocations_file = "locations.csv"',
            f'parties_file = "parties.csv"\n{company}',
            'accounts_template = "beancount"\n' if self.ledger == "beancount" else 'accounts_file = "accounts.csv"\n',
            f"[[companies.{code}.policies]]\n{said}\n",
            f'[connections.ops_{code}]\nid = "ops_{code}"\nconnector = "files"\ncompany = "{code}"\n',
        ]
        for kind in self.kinds:
            name = words.stream(kind)
            lines.append(
                f'[[connections.ops_{code}.streams]]\nname = "{name}"\npath = "feeds/{code}-{name}-*.jsonl"\n'
                f'key = ["document"]\nrevision = "rev"\nmapping = "mappings/{name}.yaml"\n'
            )
            (self.folder / "feeds" / f"{code}-{name}-000.jsonl").write_text("")
        lines.append(
            f'[[connections.ops_{code}.streams]]\nname = "stock"\nkind = "stock"\npath = "feeds/{code}-stock-*.csv"\n'
            'key = ["sku", "location"]\n'
            'stock = { item = "sku", location = "location", quantity = "quantity", as_of = "as_of" }\n'
        )
        lines.append(f'[connections.books_{code}]\nid = "books_{code}"\ncompany = "{code}"')
        if self.ledger == "beancount":
            lines.append(f'connector = "beancount"\npath = "books-{code}.beancount"\n')
        else:
            lines.append(
                f'client_id = "file:client.id"\nclient_secret = "file:client.secret"\n{self.books[code].config(self.start)}'
            )
            rows = [f"{role},{account}" for role, account in ledgers.accounts(self.ledger).items()]
            _lines(self.folder / "accounts.csv", "role,account", rows)
        return "\n".join(lines)

    # ── the workspace ──────────────────────────────────────────────────────────────────────────────────────────────
    def _open(self, facts: str = "") -> None:
        self.work = Workspace.open(self.folder, actor="sandbox")
        for code in self.businesses:
            self._seat(self.work.office(code))
        if facts:
            for code in self.businesses:
                self.work.import_facts(self.folder / "facts.json", company=code)

    def _seat(self, office: Any) -> None:
        desk = office.desk
        desk.now, desk.sleep = self.clock.utc, self.clock.sleep
        if desk.company.code not in self.books:
            return
        connection = desk.project.connection(f"books_{desk.company.code}")
        sim = self.books[desk.company.code].sim
        desk.transports[connection.id] = mounted(sim)
        if desk.vault(connection).load() is None:
            sim.faults = Faults()
            asked: Any = sim
            self.work.take_code(connection.name, asked.grants.consent())
        sim.faults = self.faults  # a person was there when consent was given; from here on nobody is

    def restart(self) -> None:
        """A new process: nothing remembered but what is on disk."""
        self.work.close()
        self._open()

    def log_in(self) -> None:
        """People consent anew for every ledger."""
        for code in self.books:
            desk = self.work.office(code).desk
            desk.vault(desk.project.connection(f"books_{code}")).forget()
            self._seat(self.work.office(code))

    def close(self) -> None:
        self.work.close()

    # ── days ───────────────────────────────────────────────────────────────────────────────────────────────────────
    def until(self, day: date, hour: int = 20) -> None:
        """Time goes on to an hour of a day."""
        moment = datetime.combine(day, time(hour), ZONE).timestamp()
        self.clock.advance(max(0.0, moment - self.clock.now()))  # seconds

    def hand_over(self) -> None:
        """What has been told since lands in the drop folder, shuffled and with repeats, and the shelves are reported."""
        self.files += 1
        self.clock.advance(60)  # no two stock reports of one instant: their rows would be added up
        for code, business in self.businesses.items():
            for kind, records in business.told.items():
                if records and kind not in self.kinds:
                    raise AssertionError(f"the scenario reports {kind} and does not say so")
                if records:
                    rows = [*records, *(r for r in records if business.random.random() < 0.1)]  # ratio
                    business.random.shuffle(rows)
                    path = self.folder / "feeds" / f"{code}-{words.stream(kind)}-{self.files:03d}.jsonl"
                    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
                    records.clear()
            as_of = self.clock.utc().astimezone(UTC).isoformat()
            stock = [f"{s},{p},{plain(q)},{as_of}" for (s, p), q in sorted(business.stock.items())]
            _lines(self.folder / "feeds" / f"{code}-stock-{self.files:03d}.csv", "sku,location,quantity,as_of", stock)

    def run(self, *, settle: bool = True) -> dict[str, Any]:
        """The main job, as a schedule would: again and again until nothing is on its way. The last answer."""
        self.hand_over()
        answer: dict[str, Any] = {}
        for _ in range(ROUNDS_MAX if settle else 1):
            self.runs += 1
            answer = self.work.run(seal_now=True)
            sent = answer["delivered"]
            if not sent["stopped"] and not sent["unknown"] and not sent["waiting"]:
                return answer
            if GRANT_REFUSED in str(sent["stopped"]):  # a rotated token was lost on its way: a person is asked for
                self.log_in()
                self.consents += 1
            self.clock.advance(WAIT)
        return answer

    def retry(self) -> None:
        """A person has looked at what waits, and lets it go again."""
        try:
            self.work.retry([], everything=True)
        except TieoutError as error:
            raise AssertionError(f"retry refused: {error}") from error


def _lines(path: Path, header: str, rows: Sequence[str]) -> None:
    path.write_text("\n".join([header, *rows]) + "\n")
