"""What a report is asked: a company, days, and how to read the journal for them. Lives for one read."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from datetime import date, timedelta
from typing import Any

from tieout.errors import UsageError
from tieout.model.event import EventLine
from tieout.model.journal import Leg
from tieout.operations import rules
from tieout.operations.office import Office
from tieout.operations.reports import policy_words
from tieout.reports.report import Check, Column, Report, Value
from tieout.store.lines import lines_by_number
from tieout.store.statements import BALANCES, Statement, ask
from tieout.store.tx import Tx


class Question:
    """One report of one company. `start` and `through` are posting days, both included; `given` what else was asked."""

    def __init__(
        self, rx: Tx, office: Office, *, start: date, through: date, given: Mapping[str, str] | None = None
    ) -> None:
        self.rx = rx
        self.office = office
        self.desk = office.desk
        self.start = start
        self.through = through
        self.given = dict(given or {})
        self.asked: list[Statement] = []

    def ask(self, statement: Statement, roles: Collection[str], **more: Any) -> list[Any]:
        """Rows of a named query over the legs of some roles; remembered, so that the report can print it."""
        self.asked.append(statement)
        days = {"through": self.through} | ({"start": self.start} if ":start" in statement.sql else {})
        over = {"roles": sorted(roles)} if ":roles" in statement.sql else {}
        return ask(self.rx, statement, company=self.desk.id, **days, **over, **more)

    def legs(self, rows: Iterable[int]) -> Mapping[int, Leg]:
        return self.desk.journal.legs(self.rx, rows)

    def words(self, numbers: Iterable[int | None]) -> Mapping[int, str]:
        return self.desk.names.texts(self.rx, set(numbers))

    def lines(self, rows: Iterable[int]) -> dict[int, EventLine]:
        """Event lines by row id, superseded ones too."""
        numbers, found = lines_by_number(self.rx, self.desk.names, set(rows))
        return dict(zip(numbers, found, strict=True))

    def balance(self, roles: Collection[str], *, before: bool = False) -> int:
        """The journal's balance of some roles at the end of the report (or before its start), in minor units."""
        through = self.start - timedelta(days=1) if before else self.through
        found = ask(self.rx, BALANCES, company=self.desk.id, through=through, roles=sorted(roles))
        return sum(int(row.amount) for row in found)

    def day_of(self, line: EventLine) -> date:
        return self.desk.days.day_of(line.at)

    def keys(self, allowed: Collection[str], default: str) -> list[str]:
        """What to sum by: some of these words, in the order given."""
        keys = self.given.setdefault("by", default).split(",")
        wrong = [key for key in keys if key not in allowed]
        if wrong:
            raise UsageError(f"--by: {', '.join(wrong)} is not one of {', '.join(allowed)}")
        return keys

    def parameter(self, name: str, allowed: Collection[str], default: str) -> str:
        """A parameter that is one of some words."""
        value = self.given.setdefault(name, default)
        if value not in allowed:
            raise UsageError(f"--{name}: {value!r} is not one of {', '.join(sorted(allowed))}")
        return value

    def number(self, name: str, default: int) -> int:
        """A parameter that is a whole number."""
        text = self.given.setdefault(name, str(default))
        if not text.isascii() or not text.isdigit():
            raise UsageError(f"--{name}: {text!r} is not a whole number")
        return int(text)

    def report(
        self,
        name: str,
        title: str,
        columns: Iterable[Column],
        rows: Iterable[tuple[Value, ...]],
        *,
        checks: Iterable[Check] = (),
        notes: Iterable[str] = (),
        ranged: bool = True,
    ) -> Report:
        """The answer with everything that proves it."""
        days = {"from": self.start.isoformat()} if ranged else {}
        version = hashlib.sha256(rules.text_of(self.office).encode()).hexdigest()[:32]
        return Report(
            name=name,
            title=title,
            company=self.desk.company.code,
            currency=self.desk.currency,
            as_of=self.through,
            columns=tuple(columns),
            rows=list(rows),
            query="; ".join(f"-- {each.name}\n{each.sql}" for each in dict.fromkeys(self.asked)),
            policy=f"{policy_words(self.desk, self.through)} (rules {version})",
            parameters={**days, **self.given},
            checks=tuple(checks),
            notes=tuple(notes),
        )
